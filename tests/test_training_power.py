"""Watts of a training step by phase: sums, limits, what waits and what a cap does."""

from __future__ import annotations

import csv
import gzip
import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.training.power import (
    ARITHMETIC,
    joule_per_flop,
    joule_per_sent_byte,
    phase_watts,
    polling_w,
    waiting_w,
)
from sim.training.terms import Phase, StepCost

BOARDS = {
    name: Catalog().gpu(name)
    for name in ("nvidia-h100-sxm-80gb", "nvidia-a100-sxm-80gb", "nvidia-b200-sxm-180gb", "amd-mi300x")
}
H100 = BOARDS["nvidia-h100-sxm-80gb"]


@st.composite
def steps(draw: st.DrawFn) -> StepCost:
    """Steps of any mixture, with work that fits their seconds: at most the peaks of an A100."""
    seconds: dict[Phase, float] = {
        "compute": draw(st.floats(1e-3, 30.0)),
        "communication": draw(st.floats(0.0, 30.0)),
        "bubble": draw(st.floats(0.0, 10.0)),
        "optimizer": draw(st.floats(1e-4, 1.0)),
        "stall": draw(st.floats(0.0, 1.0)),
        "straggler": draw(st.floats(0.0, 1.0)),
    }
    byte = draw(st.floats(0.0, 1.5e12)) * seconds["compute"]
    optimizer_byte = draw(st.floats(0.0, 1.5e12)) * seconds["optimizer"]
    return StepCost(
        seconds=seconds,
        tokens=1,
        model_flop=1.0,
        hardware_flop=1.0,
        flop={"bf16": draw(st.floats(0.0, 250e12)) * seconds["compute"]},
        byte=byte + optimizer_byte,
        link_byte={"link": draw(st.floats(0.0, 1e11)), "network": draw(st.floats(0.0, 1e10))},
        hidden_s={"data": draw(st.floats(0.0, 5.0))},
        memory_s=draw(st.floats(0.0, 1.0)) * seconds["compute"],
        optimizer_byte=optimizer_byte,
    )


boards = st.sampled_from(sorted(BOARDS)).map(lambda name: BOARDS[name])


def tdp(gpu: GPUProfile) -> float:
    return float(gpu.tdp.value)


@given(boards, steps())
def test_every_phase_lies_between_loaded_and_the_limit(gpu: GPUProfile, cost: StepCost) -> None:
    powered = phase_watts(gpu, cost)
    assert powered.seconds == cost.seconds  # as they were measured: at the board's own limit
    for watts in powered.watts.values():
        assert float(gpu.power.loaded.value) <= watts <= tdp(gpu) * (1 + 1e-12)
    assert powered.joules == pytest.approx(sum(powered.watts[p] * s for p, s in powered.seconds.items()), rel=1e-14)


@given(boards, steps(), st.floats(0.3, 1.2), st.floats(0.3, 1.2))
def test_a_cap_never_raises_power_nor_speeds_a_step_up(gpu: GPUProfile, cost: StepCost, a: float, b: float) -> None:
    low, high = sorted((a * tdp(gpu), b * tdp(gpu)))
    if low <= float(gpu.power.loaded.value) * 1.1:
        return
    free, mild, hard = phase_watts(gpu, cost), phase_watts(gpu, cost, high), phase_watts(gpu, cost, low)
    for phase in cost.seconds:
        assert hard.watts[phase] <= min(low, mild.watts[phase]) * (1 + 1e-9)
        assert mild.watts[phase] <= free.watts[phase] * (1 + 1e-9)
        assert hard.seconds[phase] >= mild.seconds[phase] * (1 - 1e-9) >= free.seconds[phase] * (1 - 2e-9)
    waits: tuple[Phase, ...] = ("communication", "bubble", "stall", "straggler")
    assert all(hard.seconds[phase] == cost.seconds[phase] for phase in waits)


def test_a_cap_below_the_limit_spares_work_that_memory_paces() -> None:
    """Of the same joules, what waits for memory loses less time under a cap than what waits for the cores."""
    cost = StepCost({"compute": 1.0}, 1, 1.0, 1.0, {"bf16": 300e12}, 1e12, {})
    cores, memory = phase_watts(H100, cost, 450.0), phase_watts(H100, replace(cost, memory_s=0.9), 450.0)
    assert 1.0 < memory.step_s < cores.step_s


@given(boards, steps(), st.floats(0.0, 20.0))
def test_the_longer_a_step_waits_the_less_it_draws_in_the_mean(gpu: GPUProfile, cost: StepCost, more_s: float) -> None:
    """With the same work: waiting is below computing, and bytes that are carried are carried anyway."""
    quiet = replace(cost, link_byte={})
    waited = quiet.seconds["bubble"] + more_s
    longer = replace(quiet, seconds={**quiet.seconds, "bubble": waited})
    before, after = phase_watts(gpu, quiet), phase_watts(gpu, longer)
    if before.mean_w >= polling_w(gpu):
        assert after.mean_w <= before.mean_w * (1 + 1e-12)
    assert after.joules == pytest.approx(before.joules + more_s * polling_w(gpu), rel=1e-9)


def test_no_work_draws_as_much_as_a_board_with_empty_kernels() -> None:
    nothing = StepCost({"compute": 2.0}, 1, 0.0, 0.0, {}, 0.0, {})
    active = float(H100.power.active.value) if H100.power.active is not None else 0.0
    # Far below the limit it holds nothing back: (229 / 578)^8 is 6e-4, an eighth of which is lost.
    assert phase_watts(H100, nothing).mean_w == pytest.approx(waiting_w(H100) + active, rel=1e-4)


def test_a_board_without_constants_of_kernels_is_a_roofline_of_energy() -> None:
    gpu = BOARDS["amd-mi300x"]
    cost = StepCost({"compute": 2.0}, 1, 0.0, 0.0, {"bf16": 200e12}, 1e12, {})
    by_hand = float(gpu.power.loaded.value) + (200 * 0.808 + 1 * 100.0) / 2.0
    assert phase_watts(gpu, cost).mean_w == pytest.approx(by_hand, rel=1e-12)


def test_bytes_of_a_collective_are_paid_for_whether_it_is_hidden_or_not() -> None:
    """Far from the limit, where nothing is held back."""
    gpu, sent = BOARDS["amd-mi300x"], 1e11
    cost = StepCost({"compute": 1.0, "communication": 1.0}, 1, 0.0, 0.0, {}, 0.0, {"link": sent})
    apart = StepCost({"compute": 1.0, "communication": 1.0}, 1, 0.0, 0.0, {}, 0.0, {})
    for hidden_s in (0.0, 0.5, 3.0):
        with_bytes = phase_watts(gpu, replace(cost, hidden_s={"data": hidden_s}))
        extra_j = with_bytes.joules - phase_watts(gpu, replace(apart, hidden_s={"data": hidden_s})).joules
        assert extra_j == pytest.approx(sent * joule_per_sent_byte(gpu, "link"), rel=1e-9)


def test_narrower_operands_take_less_energy_and_blocks_as_much_as_their_arithmetic() -> None:
    b200 = BOARDS["nvidia-b200-sxm-180gb"]
    by_width = [joule_per_flop(b200, precision) for precision in ("nvfp4", "fp8", "bf16")]
    assert by_width == sorted(by_width)
    assert joule_per_flop(b200, "mxfp8") == joule_per_flop(b200, "fp8")
    assert set(ARITHMETIC) >= {"fp32", "tf32", "bf16", "fp8", "mxfp8", "nvfp4"}


@pytest.mark.shared_data
def test_eight_h100_that_wait_in_a_collective_draw_what_they_were_measured_to(shared_data: Path) -> None:
    """Busy by their own account, and at a fifth of their limit: the constant ``POLLING`` is of this recording, whose
    GPUs differ by a few W."""
    waiting = []
    with gzip.open(shared_data / "measured" / "nvidia_smi_8xh100_training.csv.gz", "rt") as file:
        rows = csv.reader(file, skipinitialspace=True)
        next(rows)
        for _, watts, busy, memory in rows:
            drawn = float(watts.split()[0])
            if busy == "100 %" and float(memory.split()[0]) > 5_000 and drawn < 175.0:
                waiting.append(drawn)
    assert len(waiting) > 15_000
    assert statistics.median(waiting) == pytest.approx(polling_w(H100), rel=0.005)
