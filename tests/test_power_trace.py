"""Samples of a job's power over time: energy as it was booked, the order of steps, stops, and a meter that averages."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.watch import Watch, Watched, WatchingRecorder
from sim.build.power.power_trace import Sampling, StepCurves, samples
from sim.engine.metering.meter import Draw
from sim.results.frames import TRACE_COLUMNS, trace_table
from sim.training.curve import Curve
from sim.units import NS_PER_S

STEP = Curve.steps([1.0, 0.5], [600.0, 300.0])
"""500 W in the mean."""


@dataclass(frozen=True)
class Always:
    """The same step behind any mean power, on nodes of two GPUs."""

    def behind(self, gpu_w: float) -> StepCurves:
        assert gpu_w > 0.0
        return StepCurves(STEP, Curve(STEP.edges_s, 2 * STEP.first_w, 2 * STEP.last_w), STEP)


class Nothing:
    """Books nowhere."""

    def record(self, pool: str, draws: object, start_ns: int, end_ns: int, count: int = 1) -> None:
        """Nothing is kept."""


def booked(*pieces: tuple[float, float, str, float], start_s: float = 0.0, end_s: float = 100.0) -> Watched:
    """Four GPUs on two nodes that are booked one by one: from, until, state, W a GPU; hosts draw 100 W a node."""
    recorder = WatchingRecorder(Nothing(), [Watch("job", round(start_s * NS_PER_S), round(end_s * NS_PER_S))])
    for begin, until, state, watts in pieces:
        for _ in range(2):
            draws = [
                Draw("h100", "gpu", "job", state, 2 * watts, 2),
                Draw("node", "cpu", "job", state, 100.0, 2),
                Draw("h100", "gpu", "another", "active", 7.0, 1),
            ]
            recorder.record("pool", draws, round(begin * NS_PER_S), round(until * NS_PER_S))
    return recorder.watched["job"]


def sampled(watched: Watched, start_s: float, end_s: float, every_s: float, meter_s: float = 0.0) -> np.ndarray:
    times = [round(t * NS_PER_S) for t in (start_s, end_s, every_s, meter_s)]
    return samples(watched, Always(), Sampling(*times), gpus=4, node_gpus=2, run_ns=round(100 * NS_PER_S))


def test_a_step_is_drawn_for_the_mean_that_was_booked() -> None:
    watts = sampled(booked((0.0, 3.0, "active", 500.0)), 0.0, 3.0, 0.5)
    assert watts[0] == pytest.approx([600, 600, 300] * 2)
    assert watts[1] == pytest.approx([1300, 1300, 700] * 2)  # two GPUs and a host of 100 W
    assert watts[2] == pytest.approx([2400, 2400, 1200] * 2)
    assert watts[3] == pytest.approx([2600, 2600, 1400] * 2)


def test_the_work_goes_on_where_it_stopped() -> None:
    """1 s of work, a checkpoint of 1 s, and then the other half of the step."""
    watched = booked((0.0, 1.0, "active", 500.0), (1.0, 2.0, "loaded", 120.0), (2.0, 3.0, "active", 500.0))
    assert sampled(watched, 0.0, 4.0, 0.5)[0] == pytest.approx([600, 600, 120, 120, 300, 600, 0, 0])


def test_a_window_within_a_run_knows_how_far_the_work_has_come() -> None:
    """40 s at 1.5 s a step are 26 2/3 steps: the window begins where the second phase of the 27th does."""
    watched = booked((0.0, 60.0, "active", 500.0), start_s=40.0, end_s=43.0)
    assert sampled(watched, 40.0, 43.0, 0.5)[0] == pytest.approx([300, 600, 600, 300, 600, 600])


def test_what_is_booked_beside_the_step_is_spread_evenly() -> None:
    watts = sampled(booked((0.0, 3.0, "active", 520.0)), 0.0, 1.5, 0.5)
    assert watts[0] == pytest.approx([620, 620, 320])
    assert watts[1] == pytest.approx([1340, 1340, 740])
    assert watts[2] == pytest.approx([2480, 2480, 1280])


@given(st.integers(1, 30), st.floats(200.0, 700.0), st.integers(1, 40))
def test_the_energy_of_whole_steps_is_what_was_booked(steps: int, watts: float, cuts: int) -> None:
    end_s = 1.5 * steps
    edges = np.linspace(0.0, end_s, cuts + 1)
    watched = booked(*((a, b, "active", watts) for a, b in pairwise(edges)))
    drawn = sampled(watched, 0.0, end_s, 0.01 * 1.5)
    joules = drawn.sum(axis=1) * 0.015
    assert joules[2] == pytest.approx(4 * watts * end_s, rel=1e-12)
    assert joules[3] == pytest.approx((4 * watts + 200.0) * end_s, rel=1e-12)


def test_a_meter_shows_the_mean_of_what_was_before() -> None:
    """Over a whole step it shows the mean at all times; over a quarter of a second, jumps as slopes."""
    watched = booked((0.0, 9.0, "active", 500.0))
    assert sampled(watched, 3.0, 6.0, 0.25, meter_s=1.5)[0] == pytest.approx([500.0] * 12)
    slow = sampled(watched, 3.0, 4.5, 0.25, meter_s=0.5)[0]
    assert slow == pytest.approx([450, 600, 600, 600, 450, 300])


def test_samples_end_with_the_run_and_the_table_names_them() -> None:
    watched = booked((0.0, 100.0, "active", 500.0), end_s=200.0)
    assert sampled(watched, 99.0, 102.0, 0.5).shape == (4, 2)
    assert sampled(watched, 150.0, 152.0, 0.5).shape == (4, 0)
    edges = np.array([0, 1, 2], dtype=np.int64)
    table = trace_table([("a", edges, np.ones((4, 2))), ("b", edges, np.zeros((4, 2)))], 10)
    assert table.column_names == ["start", "start_ns", "workload", *TRACE_COLUMNS]
    assert table["workload"].to_pylist() == ["a", "a", "b", "b"]
