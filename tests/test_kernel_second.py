"""What a meter of one second shows of runs whose past is known, and what is known of the past."""

from __future__ import annotations

import heapq
from itertools import product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy.kernel_absent import with_absent
from benchmarks.accuracy.kernel_meter import MEMORY_S, Floats, Habit, Runs, loops, samples
from benchmarks.accuracy.kernel_second import Second, queued

HABIT = Habit(0.05, 0.0, 0.0)
SECONDS = st.lists(st.floats(1e-5, 0.2), min_size=1, max_size=8)


def runs_of(seconds: list[float], lanes: list[int] | None = None) -> Runs:
    loop_s, warm_s = loops(np.array(seconds), 1, 5e-5)
    nothing = np.zeros(len(seconds), dtype=np.int64)
    return Runs(loop_s, warm_s, nothing if lanes is None else np.array(lanes), nothing)


def counted(beyond: Floats, runs: Runs, pause_s: Floats, pause_w: float) -> Floats:
    """The same from a list of intervals, every sample by itself."""
    shown = []
    taken, step = samples(runs.loop_s)
    for run in range(len(beyond)):
        now, drawn = 0.0, []
        for other in (i for i in range(run + 1) if runs.lane[i] == runs.lane[run]):
            for lasts, watts in ((pause_s[other], pause_w), (runs.busy_s[other], beyond[other])):
                drawn.append((now, now + lasts, watts))
                now += lasts
        loop = now - runs.loop_s[run]
        at = [loop + step[run] * sample for sample in range(int(taken[run]))]
        joules = [sum(w * max(0.0, min(b, t) - max(a, t - MEMORY_S)) for a, b, w in drawn) for t in at]
        shown.append(np.mean(joules) / MEMORY_S)
    return np.array(shown)


@settings(max_examples=60)
@given(seconds=SECONDS, pause=st.floats(0.0, 2.0), pause_w=st.floats(0.0, 50.0), data=st.data())
def test_the_second_before_each_sample_is_counted(
    seconds: list[float], pause: float, pause_w: float, data: st.DataObject
) -> None:
    size = len(seconds)
    lanes = data.draw(st.lists(st.integers(0, 2), min_size=size, max_size=size))
    beyond = np.array(data.draw(st.lists(st.floats(0.0, 600.0), min_size=size, max_size=size)))
    runs, pause_s = runs_of(seconds, lanes), np.full(size, pause)
    shown = Second(runs, pause_s, Habit(pause, pause_w, 0.0)).shown(beyond)
    assert shown == pytest.approx(counted(beyond, runs, pause_s, pause_w), abs=1e-6)
    assert (shown <= max(beyond.max(), pause_w) + 1e-6).all()


@given(blur=st.floats(0.0, 1.0), factor=st.floats(0.1, 3.0))
def test_a_doubt_changes_no_steady_reading_and_keeps_the_meter_linear(blur: float, factor: float) -> None:
    runs, pause_s = runs_of([0.01] * 12), np.zeros(12)
    steady = Second(runs, pause_s, Habit(0.0, 0.0, 0.0, blur)).shown(np.full(12, 400.0))
    assert steady[-1] == pytest.approx(400.0)
    mixed = np.linspace(10.0, 600.0, 12)
    meter = Second(runs, pause_s, Habit(0.0, 0.0, 0.0, blur))
    once, scaled = (meter.shown(watts) for watts in (mixed, factor * mixed))
    assert scaled == pytest.approx(factor * once)


def test_a_short_kernel_after_a_long_one_shows_the_long_one_unless_something_was_compiled() -> None:
    runs, beyond = runs_of([0.5, 1e-5]), np.array([500.0, 10.0])
    hot = Second(runs, np.array([0.05, 0.05]), HABIT).shown(beyond)
    cold = Second(runs, np.array([0.05, 3.0]), HABIT).shown(beyond)
    assert hot[1] == pytest.approx(0.95 * 500.0, rel=0.01)
    assert cold[1] < 1.0


@given(seconds=st.lists(st.floats(0.01, 100.0), min_size=1, max_size=40, unique=True), gpus=st.integers(2, 8))
def test_runs_that_end_out_of_turn_are_given_to_the_gpus_that_were_free(seconds: list[float], gpus: int) -> None:
    busy = [(0.0, gpu) for gpu in range(1, gpus + 1)]
    ends, who = np.zeros(len(seconds)), np.zeros(len(seconds), dtype=np.int64)
    for run, takes in enumerate(seconds):
        now, who[run] = heapq.heappop(busy)
        ends[run] = now + takes
        heapq.heappush(busy, (ends[run], int(who[run])))
    place = np.argsort(np.argsort(ends)).astype(np.float64)
    found = queued(place, np.array(seconds), gpus)
    if (place == np.arange(len(seconds))).all():
        assert (found == 0).all()
    elif place[0] != 0:
        assert (found == who).all()


def test_one_gpu_does_what_ends_in_turn_and_all_do_the_rest_whatever_is_not_in_the_file() -> None:
    ends = np.array([0.0, np.nan, 1.0, 3.0, np.nan, 2.0])
    lanes = queued(ends, np.full(6, 1.0), 2)
    assert lanes[:3].tolist() == [0, 0, 0]
    assert lanes[3:].tolist() == [1, 2, 1]


def test_every_width_met_every_depth_and_rows_stand_as_they_were_started() -> None:
    here = [(m, n, k) for m in (512, 4) for n, k in ((4096, 4096), (4096, 128), (64, 4096))]
    table = pd.DataFrame(here, columns=["m", "n", "k"]).assign(gemm_dtype="bfloat16", latency=0.05, power=300.0)
    rows = with_absent(table, "h200_sxm")
    matrices = set(product((4096, 64), (4096, 128)))
    assert set(zip(rows["m"], rows["n"], rows["k"], strict=True)) == {(m, n, k) for m in (512, 4) for n, k in matrices}
    assert rows["m"].tolist() == [512] * 4 + [4] * 4
    assert rows["n"].tolist()[:4] == [4096, 4096, 64, 64]
    absent = rows[rows["power"].isna()]
    assert absent[["n", "k"]].drop_duplicates().to_numpy().tolist() == [[64, 128]]
    assert (absent["latency"] > 0.0).all()
    assert rows["end"].dropna().tolist() == sorted(rows["end"].dropna())
