"""Power over time within a step: energy, order, staggering, ramps, and what smoothing costs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.training.curve import Curve, total
from sim.training.power import PoweredStep, phase_watts
from sim.training.ramps import Floor, RampLimit, Smoothing, largest_ramp, smoothed, spectrum
from sim.training.terms import Phase, Recipe, Spread, StepCost
from sim.training.trace import StepShape, job_curve, node_curve, shape_of, stage_curve

H100 = Catalog().gpu("nvidia-h100-sxm-80gb")


@st.composite
def curves(draw: st.DrawFn) -> Curve:
    pieces = draw(st.lists(st.tuples(st.floats(1e-3, 5.0), st.floats(50.0, 1000.0)), min_size=1, max_size=12))
    return Curve.steps([s for s, _ in pieces], [w for _, w in pieces])


@st.composite
def jobs(draw: st.DrawFn) -> tuple[PoweredStep, StepCost, StepShape]:
    """A step of a job of any shape, on H100."""
    stages = draw(st.sampled_from([1, 2, 4, 7]))
    seconds: dict[Phase, float] = {
        "compute": draw(st.floats(0.05, 20.0)),
        "communication": draw(st.floats(0.0, 10.0)),
        "bubble": draw(st.floats(0.01, 5.0)) if stages > 1 else 0.0,
        "optimizer": draw(st.floats(0.001, 0.5)),
        "stall": draw(st.floats(0.0, 0.5)),
        "straggler": draw(st.floats(0.0, 0.5)),
    }
    kinds = draw(st.lists(st.sampled_from(["tensor", "data", "pipeline", "context", "expert"]), unique=True))
    cost = StepCost(
        seconds=seconds,
        tokens=1,
        model_flop=1.0,
        hardware_flop=1.0,
        flop={"bf16": draw(st.floats(0.0, 400e12)) * seconds["compute"]},
        byte=1e12 * seconds["compute"],
        link_byte={},
        recompute_s=draw(st.floats(0.0, 0.25)) * seconds["compute"],
        exposed_s={kind: seconds["communication"] / len(kinds) for kind in kinds},
    )
    shape = StepShape(
        stages=stages,
        stage_gpus=draw(st.sampled_from([1, 4, 8, 32])),
        micro_batches=draw(st.integers(1, 9)),
        layers=draw(st.integers(1, 5)),
        forward_share=draw(st.sampled_from([1 / 3, 0.5])),
        gathered=draw(st.booleans()),
        sharded=draw(st.booleans()),
    )
    return phase_watts(H100, cost), cost, shape


smoothings: st.SearchStrategy[Smoothing] = st.one_of(st.floats(0.0, 1.0).map(Floor), st.floats(1.0, 1e5).map(RampLimit))


@given(jobs())
def test_every_stage_takes_the_whole_step_and_its_joules(job: tuple[PoweredStep, StepCost, StepShape]) -> None:
    powered, cost, shape = job
    for stage in range(shape.stages):
        curve = stage_curve(powered, cost, shape, stage)
        assert curve.seconds == pytest.approx(powered.step_s, rel=1e-12)
        assert curve.joules == pytest.approx(powered.joules, rel=1e-12)
        assert {round(w, 6) for w in curve.first_w} <= {round(w, 6) for w in powered.watts.values()}


@given(jobs())
def test_a_job_draws_what_its_gpus_draw(job: tuple[PoweredStep, StepCost, StepShape]) -> None:
    powered, cost, shape = job
    stages = [stage_curve(powered, cost, shape, i) for i in range(shape.stages)]
    gpus = shape.stages * shape.stage_gpus
    whole = job_curve(stages, shape)
    assert whole.joules == pytest.approx(gpus * powered.joules, rel=1e-12)
    assert whole.peak_w <= gpus * max(powered.watts.values()) * (1 + 1e-12)
    assert whole.swing_w <= gpus * stages[0].swing_w * (1 + 1e-12)  # staggered stages swing less, never more
    some = min(8, gpus)
    assert node_curve(stages, shape, some).joules == pytest.approx(some * powered.joules, rel=1e-12)
    assert node_curve(stages, shape, gpus).mean_w == pytest.approx(whole.mean_w, rel=1e-12)


def plain(seconds: dict[Phase, float], exposed: dict[str, float] | None = None) -> tuple[PoweredStep, StepCost]:
    """A step with flat power of its own by phase, so that it can be read off a curve."""
    cost = StepCost(seconds, 1, 1.0, 1.0, {}, 0.0, {}, exposed_s=exposed or {})
    watts: dict[Phase, float] = {
        "compute": 700.0,
        "communication": 200.0,
        "bubble": 150.0,
        "optimizer": 500.0,
        "stall": 140.0,
        "straggler": 160.0,
    }
    return PoweredStep(seconds, {phase: watts[phase] for phase in seconds}), cost


def test_a_pipeline_fills_and_drains_stage_by_stage() -> None:
    """Two stages, two micro-batches, 1 s forward and 2 s backward: a bubble of one of each, as drawn by hand."""
    powered, cost = plain({"compute": 6.0, "bubble": 3.0})
    shape = StepShape(2, 1, 2, 1, 1 / 3, gathered=False, sharded=False)
    first, last = (stage_curve(powered, cost, shape, i) for i in range(2))
    # F F . . B . B          (waits 2 s for its first gradient, 1 s more before its last)
    assert first.means(np.arange(10.0)) == pytest.approx([700, 700, 150, 150, 700, 700, 150, 700, 700])
    # . F B B F B B . .      (waits 1 s for its first micro-batch, and 2 s for the first stage to end)
    assert last.means(np.arange(10.0)) == pytest.approx([150, 700, 700, 700, 700, 700, 700, 150, 150])


def test_gradients_come_after_the_passes_and_the_optimizer_after_them() -> None:
    powered, cost = plain({"compute": 3.0, "straggler": 1.0, "communication": 2.0, "optimizer": 1.0}, {"data": 2.0})
    shape = StepShape(1, 8, 1, 1, 1 / 3, gathered=False, sharded=False)
    assert stage_curve(powered, cost, shape, 0).means(np.arange(8.0)) == pytest.approx(
        [700, 700, 700, 160, 200, 200, 500]
    )
    sharded = StepShape(1, 8, 1, 1, 1 / 3, gathered=False, sharded=True)
    assert stage_curve(powered, cost, sharded, 0).means(np.arange(8.0)) == pytest.approx(
        [700, 700, 700, 160, 200, 500, 200]
    )


def test_what_layers_exchange_is_spread_over_the_passes() -> None:
    powered, cost = plain({"compute": 2.0, "communication": 2.0}, {"tensor": 2.0})
    shape = StepShape(1, 8, 2, 2, 0.5, gathered=False, sharded=False)
    quarter = np.arange(0.0, 4.01, 0.25)
    assert stage_curve(powered, cost, shape, 0).means(quarter) == pytest.approx([700, 200] * 8)


def test_a_step_is_drawn_no_finer_than_its_resolution_shows() -> None:
    spread, recipe = Spread(data=8, tensor=8, pipeline=4, shard="optimizer"), Recipe(4096, 256, 1, "bf16")
    coarse, fine = (shape_of(spread, recipe, 80, resolution, 8.0) for resolution in (0.05, 1e-6))
    assert (coarse.layers, fine.layers) == (1, 20)  # a fourth of 80 layers, or one of 32 x 4 pieces in 160 samples
    assert (fine.stages, fine.stage_gpus, fine.micro_batches, fine.sharded) == (4, 64, 32, True)
    assert shape_of(spread, Recipe(4096, 256, 1, "bf16", lora_rank=16), 80, 1.0, 8.0).forward_share == 0.5


@given(curves(), st.lists(st.floats(0.0, 60.0), min_size=2, max_size=8, unique=True))
def test_means_over_any_windows_add_up(curve: Curve, at: list[float]) -> None:
    edges = np.sort(np.array(at))
    if np.diff(edges).min() < 1e-6:
        return
    joules = curve.joules_to(edges)
    assert (curve.means(edges) * np.diff(edges)).sum() == pytest.approx(joules[-1] - joules[0], rel=1e-9, abs=1e-9)
    whole = curve.joules_to(np.array([3 * curve.seconds]))[0]
    assert whole == pytest.approx(3 * curve.joules, rel=1e-9)


@given(st.lists(curves(), min_size=1, max_size=4))
def test_curves_of_one_length_add_up(parts: list[Curve]) -> None:
    scaled = [Curve(c.edges_s / c.seconds, c.first_w, c.last_w) for c in parts]
    summed = total(scaled, [2.0] * len(scaled))
    assert summed.joules == pytest.approx(2 * sum(c.joules for c in scaled), rel=1e-12)


@given(curves(), smoothings)
def test_smoothing_only_ever_burns(curve: Curve, smoothing: Smoothing) -> None:
    after = smoothing.of(curve)
    edges = np.linspace(0.0, curve.seconds, 301)
    assert np.all(after.means(edges) >= curve.means(edges) * (1 - 1e-9) - 1e-6)
    assert after.joules >= curve.joules * (1 - 1e-12)
    assert after.peak_w == pytest.approx(curve.peak_w, rel=1e-12)  # and adds nothing on top
    assert after.swing_w <= curve.swing_w * (1 + 1e-12)


@given(curves(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_a_higher_floor_burns_more_and_the_highest_leaves_no_swing(curve: Curve, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert Floor(low).of(curve).joules <= Floor(high).of(curve).joules * (1 + 1e-12)
    flat = Floor(1.0).of(curve)
    assert flat.swing_w == 0.0
    assert flat.mean_w == pytest.approx(curve.peak_w, rel=1e-12)
    assert Floor(0.0).of(curve).joules == curve.joules


@given(curves(), st.floats(1.0, 1e5))
def test_a_ramp_limit_is_kept_everywhere_and_round_the_end(curve: Curve, limit: float) -> None:
    after = RampLimit(limit).of(curve)
    slopes = (after.last_w - after.first_w) / np.diff(after.edges_s)
    # A slope is a difference over a time that may be short: what is lost to rounding of the one is large in the other.
    slack = 1e-10 * after.peak_w / np.diff(after.edges_s)
    assert np.all(np.abs(slopes) <= limit * (1 + 1e-9) + slack)
    assert after.first_w == pytest.approx(np.roll(after.last_w, 1), rel=1e-9)  # no jumps, from the end either
    assert after.seconds == pytest.approx(curve.seconds, rel=1e-12)


def test_what_a_ramp_limit_burns_of_a_square_wave_is_two_triangles() -> None:
    """700 W for 1 s, 200 W for 2 s: at 1,000 W/s it takes 0.5 s down and 0.5 s up, 125 J each."""
    square = Curve.steps([1.0, 2.0], [700.0, 200.0])
    assert RampLimit(1000.0).of(square).joules - square.joules == pytest.approx(250.0, rel=1e-12)
    # At 250 W/s it meets itself half way, at 450 W: (700 + 450) / 2 - 200 for 2 s.
    assert RampLimit(250.0).of(square).joules - square.joules == pytest.approx(750.0, rel=1e-12)


def test_the_largest_ramp_is_the_swing_over_any_window_that_sees_it_all() -> None:
    square = Curve.steps([1.0, 2.0], [700.0, 200.0])
    assert largest_ramp(square, 60.0) == 500.0 / 60.0
    assert largest_ramp(square, 0.1) == 5000.0  # it jumps
    gentle = RampLimit(100.0).of(square)
    assert largest_ramp(gentle, 3.0) == pytest.approx(gentle.swing_w / 3.0)


@given(curves(), st.floats(0.01, 30.0), st.floats(0.01, 30.0))
def test_a_longer_window_sees_a_larger_change_and_a_smaller_slope(curve: Curve, a: float, b: float) -> None:
    short, long = sorted((a, b))
    assert largest_ramp(curve, short) * short <= largest_ramp(curve, long) * long * (1 + 1e-12)
    assert largest_ramp(curve, long) <= curve.swing_w / long * (1 + 1e-12)


@given(st.floats(0.05, 60.0), st.floats(0.1, 0.9))
def test_a_synchronous_job_swings_once_a_step(step_s: float, share: float) -> None:
    """The first harmonic of a square wave of swing S and duty d is 2 S sin(pi d) / pi, and the strongest."""
    square = Curve.steps([share * step_s, (1 - share) * step_s], [700.0, 200.0])
    found = spectrum(square)
    assert found.step_hz == found.strongest_hz == pytest.approx(1.0 / step_s)
    assert found.amplitude_w == pytest.approx(2 * 500.0 * np.sin(np.pi * share) / np.pi, rel=1e-3)
    flat = spectrum(Floor(1.0).of(square))
    assert (flat.amplitude_w, flat.critical_share) == (0.0, 0.0)


def test_smoothing_holds_for_each_gpu_before_they_are_added() -> None:
    """Staggered stages: a floor on each board at its own peak leaves the job none of its swing."""
    powered, cost = plain({"compute": 6.0, "bubble": 3.0})
    shape = StepShape(2, 4, 2, 1, 1 / 3, gathered=False, sharded=False)
    stages = [stage_curve(powered, cost, shape, i) for i in range(2)]
    assert job_curve(smoothed(stages, Floor(1.0)), shape).swing_w == 0.0
    assert job_curve(stages, shape).swing_w > 0.0


@given(curves(), st.floats(0.01, 0.9))
def test_time_within_a_band_is_all_of_it_for_the_widest(curve: Curve, share: float) -> None:
    mean = curve.mean_w
    inside = curve.seconds_within(mean * (1 - share), mean * (1 + share))
    assert 0.0 <= inside <= curve.seconds * (1 + 1e-12)
    assert curve.seconds_within(0.0, 2000.0) == pytest.approx(curve.seconds, rel=1e-12)


@given(curves(), st.sampled_from([50.0, 400.0, 3000.0]), st.floats(0.05, 30.0))
def test_a_curve_whose_ramps_are_limited_has_none_larger(curve: Curve, limit: float, window_s: float) -> None:
    """Over any window, also one that lies within a slope: a curve of 100 W/s was told to have 250 W/s over a second."""
    gentle = RampLimit(limit).of(curve)
    found = largest_ramp(gentle, window_s)
    assert found <= limit * (1 + 1e-9)
    # two instants a window apart are among those that are looked at
    at_s = np.linspace(0.0, gentle.seconds, 200, endpoint=False)
    piece = np.searchsorted(gentle.edges_s, at_s, side="right") - 1
    into = (at_s - gentle.edges_s[piece]) / np.diff(gentle.edges_s)[piece]
    watts = gentle.first_w[piece] + into * (gentle.last_w - gentle.first_w)[piece]
    near = np.abs(at_s[:, None] - at_s[None, :])
    near = np.minimum(near, gentle.seconds - near) <= window_s
    assert found * window_s >= float(np.abs(watts[:, None] - watts[None, :])[near].max()) * (1 - 1e-9)


def test_a_slope_s_ramp_is_its_slope() -> None:
    """900 W down and up at 100 W/s within 5 s: 750 W is as far as it gets."""
    gentle = RampLimit(100.0).of(Curve.steps([5.0, 5.0], [100.0, 1000.0]))
    assert [largest_ramp(gentle, s) for s in (0.1, 1.0, 2.5, 5.0)] == pytest.approx([100.0, 100.0, 100.0, 50.0])
