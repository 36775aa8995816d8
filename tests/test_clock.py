"""What a lower clock saves and costs, and that a cap is met: limits, monotonicity, and the serving cost under caps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.profiles.iteration.capped import PAIR, READ, SEQUENCE
from sim.profiles.iteration.cost import CAPPED, COMPUTE, ENERGY, MEMORY, IterationCost
from sim.profiles.iteration.terms import Device
from sim.profiles.machines.gpu import board_of
from sim.profiles.power_laws.capped_job import Board, JobLaw, job_under_cap
from sim.profiles.power_laws.clock import (
    LOWEST_CLOCK,
    ClockCurve,
    Joules,
    capped_clock,
    clock_under_cap,
    clocked,
    power_w,
    saved_w,
    slowdown,
    voltage,
)
from tests import iterations
from tests.iterations import cost_of, named

curves = st.builds(ClockCurve, st.floats(0.5, 0.9), st.floats(0.5, 2.0), st.floats(0.0, 0.4), st.floats(0.0, 40.0))
CURVE = ClockCurve(floor=0.66, slope=1.44, memory_share=0.33, clocked_w=32.0)
H100 = replace(iterations.H100, clock=CURVE, waiting_w=60.0)
BOARDS = [board_of(Catalog().gpu(name)) for name in ("nvidia-a40", "nvidia-quadro-rtx-6000", "nvidia-v100-pcie-16gb")]


@given(curves, st.floats(100, 900), st.floats(0, 1), st.floats(40, 90))
def test_power_rises_with_the_clock_and_ends_at_full_power(
    curve: ClockCurve, full_w: float, core_share: float, loaded_w: float
) -> None:
    clocks = np.linspace(LOWEST_CLOCK, 1.0, 200)
    work = {"loaded_w": np.array(loaded_w), "full_w": np.array(full_w), "core_share": np.array(core_share)}
    watts = power_w(clocks, curve=curve, **work)
    assert (np.diff(watts) >= -1e-9 * full_w).all()
    assert watts[-1] == pytest.approx(full_w, rel=1e-12)
    assert (watts >= loaded_w - saved_w(clocks, curve)).all()


@given(curves, st.floats(150, 900), st.floats(100, 700), st.floats(0, 1))
def test_a_cap_is_met_where_a_clock_can_meet_it(
    curve: ClockCurve, full_w: float, cap_w: float, core_share: float
) -> None:
    work = {"loaded_w": np.array(60.0), "full_w": np.array(full_w), "core_share": np.array(core_share)}
    clock = clock_under_cap(np.array(cap_w), curve=curve, **work)
    watts = float(power_w(clock, curve=curve, **work))
    if full_w <= cap_w:
        assert clock == 1.0
    elif clock > LOWEST_CLOCK + 1e-9:
        assert watts == pytest.approx(cap_w, rel=1e-6)
    else:
        assert watts >= cap_w * (1 - 1e-9)  # a cap that no clock can meet


@given(curves, st.floats(150, 900), st.floats(100, 700))
def test_compute_pays_more_time_for_a_cap_than_memory(curve: ClockCurve, full_w: float, cap_w: float) -> None:
    """Where all energy follows the clock: what a memory draws whatever the cores do, a mix must save at the cores."""
    curve = replace(curve, memory_share=0.0)

    def seconds(core_share: float) -> float:
        share = np.array(core_share)
        clock = clock_under_cap(
            np.array(cap_w), loaded_w=np.array(60.0), full_w=np.array(full_w), core_share=share, curve=curve
        )
        return float(slowdown(clock, share))

    assert seconds(0.0) == 1.0
    assert seconds(1.0) >= seconds(0.5) * (1 - 1e-9)


def test_voltage_falls_to_its_floor_and_clocked_power_goes_on_falling() -> None:
    """At a clock of 0.9: voltage 1 - 1.7 x 0.1 = 0.83, so 0.9 x 0.6889; at 0.5 the floor of 0.6 holds: 0.5 x 0.36."""
    curve = ClockCurve(0.6, 1.7, 0.0)
    assert voltage(np.array([0.9, 0.5, 0.25]), curve) == pytest.approx([0.83, 0.6, 0.6])
    assert clocked(np.array([0.9, 0.5, 0.25, 1.0]), curve) == pytest.approx([0.62001, 0.18, 0.09, 1.0])


def test_each_kind_of_work_saves_in_its_own_way() -> None:
    """At half the clock and the floor: operations V**2; clocked cores c V**2, and twice that where work takes twice as
    long; memory and links nothing."""
    curve, half, full = ClockCurve(0.6, 1.7, 0.3), np.array(0.5), np.array(1.0)
    kinds = [Joules(*(np.array(100.0 if i == k else 0.0) for i in range(4))) for k in range(4)]
    assert [float(kind.at(half, full, curve)) for kind in kinds] == pytest.approx([36.0, 18.0, 18.0, 100.0])
    assert [float(kind.at(half, 2.0 * full, curve)) for kind in kinds] == pytest.approx([36.0, 36.0, 18.0, 100.0])
    assert [float(kind.at(full, full, curve)) for kind in kinds] == pytest.approx([100.0] * 4)


shares = st.floats(0.0, 1.0)


@given(curves, st.floats(110, 700), st.floats(0, 2), st.floats(0, 2), shares, st.tuples(*[st.floats(0, 300)] * 4))
def test_an_iteration_meets_its_cap_and_a_lower_one_takes_no_less_time(
    curve: ClockCurve, cap_w: float, core_s: float, memory_s: float, other_s: float, joules: tuple[float, ...]
) -> None:
    work, other = Joules(*(np.array(part) for part in joules)), np.array(other_s)
    if core_s + memory_s + other_s < 1e-3:
        return

    def seconds(clock: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(core_s / clock, memory_s) + other)

    def at(cap: float) -> tuple[float, float]:
        clock = capped_clock(seconds, work, other, cap_w=cap, loaded_w=90.0, curve=curve)
        return float(clock), float(seconds(clock))

    clock, taken_s = at(cap_w)
    free_s = float(seconds(np.array(1.0)))
    slower = np.array((taken_s - other_s) / (free_s - other_s) if free_s > other_s else 1.0)
    watts = 90.0 + float(work.at(np.array(clock), slower, curve)) / taken_s - float(saved_w(np.array(clock), curve))
    if clock > LOWEST_CLOCK + 1e-9:
        assert watts <= cap_w * (1 + 1e-6)
    if LOWEST_CLOCK + 1e-9 < clock < 1.0:
        assert watts == pytest.approx(cap_w, rel=1e-5)
    assert at(0.9 * cap_w)[1] >= taken_s * (1 - 1e-9)


# Iterations of a served model


def cost(device: Device, most: int = 256) -> IterationCost:
    return cost_of(named("llama-3.1-8b"), device=device, most_tokens=most, most_sampled=128.0)


def prompt(device: Device) -> tuple[np.ndarray, np.ndarray]:
    """s and J of iterations of prompts, by tokens."""
    table = cost(device, 8192).table[1, 1:]
    return table[:, [COMPUTE, MEMORY, CAPPED]].max(axis=1), table[:, ENERGY]


@pytest.mark.parametrize("cap_w", [250.0, 350.0, 500.0])
def test_a_capped_iteration_keeps_to_its_cap_and_saves_energy(cap_w: float) -> None:
    free_s, free_j = prompt(H100)
    seconds, joules = prompt(replace(H100, cap_w=cap_w))
    blunt_s, blunt_j = prompt(replace(H100, cap_w=cap_w, clock=None))
    assert (H100.loaded_w + joules / seconds <= cap_w * (1 + 1e-9)).all()
    assert (seconds >= free_s * (1 - 1e-12)).all()
    assert (joules <= free_j * (1 + 1e-12)).all()
    assert joules.sum() < blunt_j.sum()
    assert seconds.sum() < blunt_s.sum()  # a cap taken as pure delay is the worst case
    # Prefill of 8,192 tokens is compute; decoding one token is memory: caps slow the one and hardly the other.
    assert seconds[-1] / free_s[-1] >= seconds[0] / free_s[0]


def decode(device: Device, users: int = 128, context: int = 2000) -> tuple[float, float]:
    """s and J beyond loaded of an iteration in which so many sequences decode, most of it reading contexts."""
    found = cost(device)
    at = found.table[0, users].copy()
    features = np.zeros(7)
    features[[PAIR, READ, SEQUENCE]] = users * context, users * context, users
    at += found.slope @ features
    return float(at[:3].max()), float(at[ENERGY])


@settings(max_examples=30)
@given(st.floats(180.0, 700.0), st.floats(180.0, 700.0), st.sampled_from([10, 500, 2000, 3500]))
def test_decoding_under_a_lower_cap_takes_no_less_time_and_meets_it(one_w: float, other_w: float, context: int) -> None:
    low, high = sorted((one_w, other_w))
    (slow_s, slow_j), (fast_s, _) = (decode(replace(H100, cap_w=w), context=context) for w in (low, high))
    assert slow_s >= fast_s * (1 - 1e-9)
    assert H100.loaded_w + slow_j / slow_s <= low * (1 + 1e-9)


def test_reading_memory_saves_energy_under_a_cap_until_the_voltage_is_at_its_floor() -> None:
    """All of an iteration's energy, loaded power included, falls with the cap; then time begins to rise."""
    whole = [
        seconds * H100.loaded_w + joules
        for seconds, joules in (decode(replace(H100, cap_w=w)) for w in (700.0, 500.0, 400.0, 300.0))
    ]
    assert whole == sorted(whole, reverse=True)
    free_s, fair_s, deep_s = (decode(replace(H100, cap_w=w))[0] for w in (700.0, 300.0, 150.0))
    assert fair_s < 1.1 * free_s
    assert deep_s > 1.5 * free_s


@pytest.mark.parametrize("context", [200, 1000, 4000])
@pytest.mark.parametrize("cap_w", [260.0, 350.0])
def test_a_binding_cap_is_drawn_whatever_the_contexts(cap_w: float, context: int) -> None:
    """A cap is neither exceeded nor much left unused, for short contexts and long."""
    seconds, joules = decode(replace(H100, cap_w=cap_w), context=context)
    assert 0.93 * cap_w < H100.loaded_w + joules / seconds <= cap_w * (1 + 1e-9)


def test_a_cap_that_does_not_bind_changes_nothing() -> None:
    modest = replace(H100, joule_per_flop=1e-13, joule_per_byte=2e-11, waiting_w=10.0)
    free, capped = cost(replace(modest, clock=None)), cost(modest)
    assert capped.table == pytest.approx(free.table, rel=1e-12)
    assert capped.slope == pytest.approx(free.slope, rel=1e-12)


# Whole jobs, of which one uncapped run is known

boards = st.sampled_from(BOARDS)


@given(boards, st.floats(0.3, 1.0), st.floats(0.25, 1.2), st.floats(0.5, 1.0))
def test_a_job_keeps_to_its_cap_and_a_lower_cap_is_never_faster(
    board: Board, worked: float, cap: float, lower: float
) -> None:
    full_w, cap_w = np.array(worked * board.limit_w), np.array(cap * board.limit_w)
    watts, slower = job_under_cap(cap_w, full_w, board)
    assert float(watts) <= min(float(cap_w), float(full_w)) * (1 + 1e-9)
    assert float(slower) >= 1.0 - 1e-12
    if cap_w >= full_w + JobLaw().contrast * (board.limit_w - full_w):
        assert float(watts) == pytest.approx(float(full_w))
        assert float(slower) == pytest.approx(1.0)
    assert float(job_under_cap(lower * cap_w, full_w, board)[1]) >= float(slower) * (1 - 1e-9)


def test_near_what_no_clock_takes_away_time_rises_without_end() -> None:
    """An A40 has 60 W still; each step of 25 W towards them costs more time than the one before."""
    board = BOARDS[0]
    assert board is not None
    caps = np.array([200.0, 175.0, 150.0, 125.0, 100.0, 75.0])
    _, slower = job_under_cap(caps, np.array(280.0), board)
    assert (np.diff(np.diff(slower)) > 0).all()
    assert slower[-1] > 2.0 * slower[2]


def test_a_board_that_lives_near_its_base_clock_has_less_voltage_to_give_up() -> None:
    board = BOARDS[0]
    assert board is not None
    assert float(np.asarray(board.base)) == pytest.approx(1305 / 1740)
    cap_w, full_w = np.array(150.0), np.array(290.0)
    assert job_under_cap(cap_w, full_w, board)[1] > job_under_cap(cap_w, full_w, replace(board, base=1.0))[1]


MHZ = np.array([625.0, 1132.0, 1501.0, 1731.0, 1889.0, 1969.0])
CORES_W = np.array([127.0, 207.0, 294.0, 384.0, 473.0, 527.0])
MEMORY_W = np.array([72.0, 91.0, 101.0, 109.0, 118.0, 120.0])
"""An H100 of 94 GB at ViT-L/16 under limits of 200 to 700 W (Ujeniya and others, arXiv:2604.11391, figures 6b, 9b)."""


@pytest.mark.parametrize("name", ["nvidia-h100-sxm-94gb", "nvidia-h100-sxm-80gb", "nvidia-h200-sxm-141gb"])
def test_hoppers_voltage_gives_the_watts_that_were_measured_at_each_clock(name: str) -> None:
    board = board_of(Catalog().gpu(name))
    assert board is not None
    clock = MHZ / MHZ[-1]
    memory_w, at_rest_w = np.polyfit(clock, MEMORY_W, 1)  # as many bytes a cycle, at one energy each: a line
    assert at_rest_w < board.still_w
    cores_w = (CORES_W + MEMORY_W)[-1] - memory_w - board.still_w
    watts = board.still_w + memory_w * clock + cores_w * clocked(clock, board.curve)
    assert watts == pytest.approx(CORES_W + MEMORY_W, rel=0.03)
    a100 = board_of(Catalog().gpu("nvidia-a100-sxm-80gb"))
    assert a100 is not None
    lower = board.still_w + memory_w * clock + cores_w * clocked(clock, a100.curve)
    assert lower[1] < 0.85 * (CORES_W + MEMORY_W)[1]
