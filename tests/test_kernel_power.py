"""Watts of kernels: a law of their work under a limit, and what a meter of a second shows of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy import kernel_cases, kernel_compiling, kernels
from benchmarks.accuracy.kernel_meter import Habit, Runs, loops, reading_w, shares
from benchmarks.accuracy.kernel_rows import B200, BOARDS, GB200, H200, Board
from sim.profiles import Catalog
from sim.profiles.iteration.cost import DECODES, ENERGY
from sim.profiles.iteration.energy import kernel_joules
from sim.profiles.iteration.terms import Precision
from sim.profiles.kernels.power import KernelPower, KernelWork, asked_w, drawn_w, power_w, work_j
from sim.profiles.kernels.work import asked_experts, attention_work, causal_pairs, missing, mixture_work, product_work
from sim.profiles.power_laws.clock import Joules
from tests import iterations

H200_POWER = KernelPower(130.0, 1.6 * 132, 0.9e-12, 0.85, 50e-12, 30e-12, 60e-12, 700.0)
AMOUNTS = st.floats(0.0, 1e12)
SECONDS = st.floats(1e-6, 1.0)


def a_work(flop: float, l2: float, byte: float, scores: float, occupancy: float = 1.0) -> KernelWork:
    return KernelWork({16: flop}, l2, byte, scores, occupancy)


@given(flop=AMOUNTS, l2=AMOUNTS, byte=AMOUNTS, scores=AMOUNTS, seconds=SECONDS, more=st.floats(1.0, 100.0))
def test_watts_lie_between_rest_and_limit_and_more_work_never_draws_less(
    flop: float, l2: float, byte: float, scores: float, seconds: float, more: float
) -> None:
    watts = float(power_w(a_work(flop, l2, byte, scores), seconds, H200_POWER))
    assert H200_POWER.rest_w <= watts <= 700.0 * (1 + 1e-12)
    for grown in (
        a_work(flop * more, l2, byte, scores),
        a_work(flop, l2 * more, byte, scores),
        a_work(flop, l2, byte * more, scores),
        a_work(flop, l2, byte, scores * more),
    ):
        assert float(power_w(grown, seconds, H200_POWER)) >= watts * (1 - 1e-12)
    assert float(power_w(a_work(flop, l2, byte, scores), seconds / more, H200_POWER)) >= watts * (1 - 1e-12)


@given(asked=st.floats(1.0, 1e5), more=st.floats(1.0, 1.01))
def test_a_limit_binds_softly(asked: float, more: float) -> None:
    """Far below nothing is held back, far beyond all of it, and nowhere is there a step."""
    drawn = float(drawn_w(asked, 700.0))
    assert 0.0 < drawn <= min(asked, 700.0) * (1 + 1e-12)
    assert drawn * (1 - 1e-12) <= float(drawn_w(asked * more, 700.0)) <= drawn * more * (1 + 1e-12)
    if asked < 350.0:
        assert drawn > 0.999 * asked
    if asked > 1400.0:
        assert drawn > 0.999 * 700.0


def test_energy_of_an_operation_goes_with_the_width_of_its_operands() -> None:
    assert H200_POWER.flop_j(16) == pytest.approx(0.9e-12)
    assert H200_POWER.flop_j(8) == pytest.approx(0.499e-12, rel=1e-3)
    assert H200_POWER.flop_j(4) == pytest.approx(0.277e-12, rel=1e-3)
    in_proportion = replace(H200_POWER, width_exponent=1.0)
    assert in_proportion.flop_j(4) == pytest.approx(0.225e-12)


def test_joules_add_up_and_idle_multiprocessors_draw_less() -> None:
    one, two = a_work(1e12, 2e9, 3e9, 4e6), a_work(2e12, 4e9, 6e9, 8e6)
    assert float(work_j(two, H200_POWER)) == pytest.approx(2.0 * float(work_j(one, H200_POWER)))
    nothing = a_work(0.0, 0.0, 0.0, 0.0)
    assert float(asked_w(nothing, 1e-3, H200_POWER)) == pytest.approx(130.0 + 211.2)
    assert float(asked_w(replace(nothing, occupancy=0.25), 1e-3, H200_POWER)) == pytest.approx(130.0 + 105.6)
    assert float(asked_w(replace(nothing, occupancy=7.0), 1e-3, H200_POWER)) == pytest.approx(130.0 + 211.2)
    assert float(asked_w(nothing, 1e-3, H200_POWER, busy=0.0)) == pytest.approx(130.0)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.file)
def test_profiles_hold_the_constants_of_the_law(board: Board) -> None:
    """What the engine takes from a GPU's profile is what kernels are judged with, to a few percent."""
    gpu = Catalog().gpu(board.profile)
    assert gpu.chip is not None
    assert gpu.chip.multiprocessors.value == board.multiprocessors
    assert float(gpu.tdp.value) == board.limit_w
    power, start = gpu.power, {name: bounds[0] for name, bounds in kernels.LAW.items()}
    for precision, bits in (("bf16", 16), ("fp8", 8), ("fp4", 4)):
        if precision in power.energy_per_flop:
            law = start["e16"] * (bits / 16) ** start["width"] * 1e-12
            assert float(power.energy_per_flop[precision].value) == pytest.approx(law, rel=0.02)
    assert power.active is not None
    assert float(power.active.value) == pytest.approx(start["active"] * board.multiprocessors, rel=0.01)
    assert power.energy_per_byte is not None
    assert float(power.energy_per_byte.value) == pytest.approx((start["l2"] + start["hbm"]) * 1e-12)
    assert power.clock is not None  # what the memory takes of a byte answers no lower clock of the cores
    assert float(power.clock.memory_share.value) == pytest.approx(start["hbm"] / (start["l2"] + start["hbm"]), rel=0.01)


# What kernels do


@given(m=st.integers(1, 4096), n=st.integers(1, 4096), k=st.integers(1, 4096))
def test_a_product_does_its_operations_and_reads_each_operand_at_least_once(m: int, n: int, k: int) -> None:
    work = product_work(float(m), float(n), float(k), bits=16, weight_bytes=2.0, operand_bytes=2.0, multiprocessors=132)
    assert work.flop == {16: 2.0 * m * n * k}
    assert float(work.byte) == pytest.approx(2.0 * (n * k + m * k + m * n))
    assert float(work.l2_byte) >= float(work.byte) * (1 - 1e-12)
    assert 0.0 < float(work.occupancy) <= 1.0


def test_tiles_of_a_product_read_again() -> None:
    """256 rows are two tiles high: each weight crosses the fabric twice, and memory once."""
    once, twice = (
        product_work(m, 4096.0, 4096.0, bits=16, weight_bytes=2.0, operand_bytes=2.0, multiprocessors=132)
        for m in (128.0, 256.0)
    )
    weights, rows = 2.0 * 4096**2, 32 * 2.0 * 128 * 4096 + 2.0 * 128 * 4096
    assert float(once.l2_byte) == pytest.approx(weights + rows)
    assert float(twice.l2_byte) == pytest.approx(2 * (weights + rows))
    assert float(once.occupancy) == 32 * 4 / 132


@given(queries=st.integers(1, 40), before=st.integers(0, 40), window=st.one_of(st.none(), st.integers(1, 60)))
def test_pairs_of_attention_are_counted(queries: int, before: int, window: int | None) -> None:
    reach = np.inf if window is None else float(window)
    counted = sum(min(before + i + 1, reach) for i in range(queries))
    assert float(causal_pairs(float(queries), float(before), reach)) == counted


def test_decoding_reads_the_cache_once_for_all_heads_that_share_it() -> None:
    work = attention_work(
        8.0, 1.0, 1000.0, 1000.0, heads=32.0, kv_heads=8.0, key_dim=128.0, value_dim=128.0, cache_bytes=2.0,
        bits=16, multiprocessors=132,
    )  # fmt: skip
    cached, sides = 8 * 1000 * 8 * 256 * 2.0, 8 * 32 * 256 * 2.0
    assert float(work.byte) == pytest.approx(cached + sides)
    assert float(work.l2_byte) == pytest.approx(cached + sides)
    assert float(work.scores) == 8 * 1000 * 32
    assert work.flop == {16: 2.0 * 256 * 8 * 1000 * 32}


def test_experts_that_are_asked() -> None:
    drawn = np.random.default_rng(1).integers(0, 64, size=(4000, 100))
    expected = np.mean([len(np.unique(row)) for row in drawn])
    assert float(asked_experts(100.0, 64.0)) == pytest.approx(expected, rel=0.005)
    work = mixture_work(
        16.0, 32.0, 20.0, hidden=4096.0, width=1536.0, bits=16, weight_bytes=2.0, operand_bytes=2.0,
        multiprocessors=132,
    )  # fmt: skip
    assert work.flop == {16: 6.0 * 4096 * 1536 * 32}
    assert float(work.byte) >= 3 * 20 * 4096 * 1536 * 2.0


def test_what_fits_the_cache_is_not_read_from_memory() -> None:
    assert float(missing(10e6, 50e6)) == 0.0
    assert float(missing(100e6, 50e6)) == pytest.approx(0.5)
    assert float(missing(1e12, 50e6)) == pytest.approx(1.0, abs=1e-4)


# What the meter shows

HABIT = Habit(0.01, 0.0, 1.0)


def runs_of(seconds: list[float]) -> Runs:
    loop_s, warm_s = loops(np.array(seconds), 1, 5e-5)
    lanes = np.zeros(len(seconds), dtype=np.int64)
    return Runs(loop_s, warm_s, lanes, lanes)


def test_a_long_loop_shows_its_watts_and_a_short_one_what_came_before() -> None:
    runs = runs_of([0.5, 0.5, 1e-5])
    shown = reading_w(np.array([600.0, 600.0, 200.0]), 100.0, runs, np.full(3, 0.01), HABIT)
    assert runs.loop_s[2] == pytest.approx(0.03)
    assert shown[1] == pytest.approx(600.0, rel=0.01)
    assert shown[2] == pytest.approx(600.0, rel=0.02)
    rested = reading_w(np.array([600.0, 600.0, 200.0]), 100.0, runs, np.array([0.01, 0.01, 3.0]), HABIT)
    assert rested[2] == pytest.approx(100.0, abs=0.1)


@given(watts=st.lists(st.floats(100.0, 700.0), min_size=6, max_size=6), factor=st.floats(0.1, 3.0))
def test_the_meter_is_linear_and_stays_within_what_was_drawn(watts: list[float], factor: float) -> None:
    runs = runs_of([1e-5, 1e-3, 1e-4, 0.2, 5e-5, 1e-3])
    drawn, pause_s = np.array(watts), np.full(6, 0.02)
    shown = reading_w(drawn, 100.0, runs, pause_s, HABIT)
    scaled = reading_w(100.0 + factor * (drawn - 100.0), 100.0, runs, pause_s, HABIT)
    assert scaled - 100.0 == pytest.approx(factor * (shown - 100.0), abs=1e-6)
    assert (shown >= 100.0 - 1e-9).all()
    assert (shown <= drawn.max() + 1e-9).all()


@given(loop=st.floats(1e-3, 20.0), warm=st.floats(1e-5, 1.0), pause=st.floats(0.0, 5.0))
def test_shares_of_a_reading_are_shares(loop: float, warm: float, pause: float) -> None:
    own, before = shares(np.array([loop]), np.array([warm]), np.array([pause]))
    assert 0.0 <= own[0] <= 1.0
    assert before[0] >= 0.0
    assert own[0] + before[0] <= 1.0 + 1e-12


def test_a_tiling_is_compiled_once_for_a_matrix() -> None:
    """Hopper: 4,096 rows of a matrix compile, the same tiling of fewer rows does not, another matrix compiles anew."""
    m, n, k = (
        np.array(each) for each in ([4096, 3841, 3840, 4096], [7168, 7168, 7168, 4096], [2048, 2048, 2048, 2048])
    )
    new = kernel_compiling.compiled(m, n, k, 132, hopper=True)
    assert new.tolist() == [True, False, False, True]


@pytest.mark.shared_data
def test_watts_of_measured_products_on_shapes_held_out() -> None:
    """The shipped constants, as they stand in the profiles, on the half of H200's shapes that no fit sees."""
    (case,) = kernel_cases.cases(quick=False, boards=(H200,), kinds=("gemm",))
    law = {name: bounds[0] for name, bounds in kernels.LAW.items()}
    case.habit = Habit(0.05, 0.0, 0.0)
    off = np.abs(case.reading(law, 132.0) / case.kernels.watts - 1.0)
    long = case.judged & (case.kernels.seconds > kernels.LONG_S)
    assert off[long].mean() < 0.09
    assert off[case.judged].mean() < 0.15
    naive = np.abs(kernels.naive(case) / case.kernels.watts - 1.0)
    assert off[long].mean() < 0.5 * naive[long].mean()


def test_half_of_the_shapes_are_known_whatever_else_is_read() -> None:
    names = np.array([f"{n}/{k}" for n in range(100) for k in range(10)])
    known = kernel_cases.is_known(names)
    assert 0.4 < known.mean() < 0.6
    assert (kernel_cases.is_known(names[::-1]) == known[::-1]).all()
    assert {B200.limit_w, GB200.limit_w} == {1000.0, 1200.0}


@given(flop=AMOUNTS, byte=AMOUNTS, again=AMOUNTS, scores=AMOUNTS, seconds=SECONDS)
def test_an_iteration_adds_up_what_the_law_of_a_kernel_says(
    flop: float, byte: float, again: float, scores: float, seconds: float
) -> None:
    """Joules by how they answer a clock (``energy``) are those of the law, on a board that has its constants: a
    byte of memory crosses the second-level cache once, and ``again`` as often more."""
    power = Catalog().gpu("nvidia-h200-sxm-141gb").power
    assert power.active is not None
    assert power.energy_per_l2_byte is not None
    assert power.energy_per_score is not None
    device = replace(
        iterations.H100,
        active_w=float(power.active.value),
        joule_per_byte=float(power.energy_per_byte.value),
        joule_per_l2_byte=float(power.energy_per_l2_byte.value),
        joule_per_score=float(power.energy_per_score.value),
    )
    spent = kernel_joules(
        seconds, device, flop_j=flop * H200_POWER.flop_j(16), byte=byte, again=again, scores=scores
    ).plus(Joules(*(np.array(0.0),) * 4), np.array(1.0))
    work = a_work(flop, byte + again, byte, scores)
    expected = (float(asked_w(work, seconds, H200_POWER)) - float(H200_POWER.rest_w)) * seconds
    waited = seconds * device.waiting_w
    assert float(spent.total) - waited == pytest.approx(expected, rel=1e-3)


def test_a_single_row_of_16_bits_needs_no_tile() -> None:
    """Of 80 pJ for a byte of weights 50 are the second-level cache's, of which a single row takes 0.45: measured
    products of one row draw less than those of two that are as fast. Eight bits have tiles at any number of rows."""
    power = Catalog().gpu("nvidia-h200-sxm-141gb").power
    assert power.energy_per_l2_byte is not None
    device = replace(iterations.H100, joule_per_byte=80e-12, joule_per_l2_byte=float(power.energy_per_l2_byte.value))

    def moved_j(precision: Precision) -> list[float]:
        cost = iterations.cost_of(iterations.named("llama-3.1-8b"), device=device, precision=precision)
        same = iterations.cost_of(
            iterations.named("llama-3.1-8b"), device=replace(device, joule_per_l2_byte=0.0), precision=precision
        )
        joules = cost.table[DECODES, :, ENERGY] - same.table[DECODES, :, ENERGY]
        return [float(joules[1]), float(joules[2])]

    one, two = moved_j(iterations.IN_16_BITS)
    weights = 8.03e9 * 2 - 128256 * 4096 * 2  # but the embedding, which is looked up
    assert one - two == pytest.approx(-0.55 * weights * 50e-12, rel=0.02)
    one, two = moved_j(Precision(1.0, 1.0, 2.0, 1.0))
    assert abs(one - two) < 0.1 * 0.55 * weights * 50e-12
