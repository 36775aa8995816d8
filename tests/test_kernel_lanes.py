"""Which GPU measured which kernel, from the order of a file's rows alone."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.accuracy.kernel_lanes import in_tasks, in_turn, places

Ints = npt.NDArray[np.int64]
DURATIONS = st.lists(st.floats(0.01, 100.0), min_size=1, max_size=40, unique=True)


def queued(seconds: list[float], gpus: int) -> tuple[list[int], list[int]]:
    """Tasks of one queue: which ends when (places by start, in the order of ends), and the GPU of each by start."""
    busy = [(0.0, gpu) for gpu in range(gpus)]
    ends, who = [], []
    for task, takes in enumerate(seconds):
        now, gpu = heapq.heappop(busy)
        heapq.heappush(busy, (now + takes, gpu))
        ends.append((now + takes, task))
        who.append(gpu)
    return [task for _, task in sorted(ends)], who


@given(seconds=DURATIONS, gpus=st.integers(1, 8))
def test_rows_of_one_queue_are_given_back_to_the_gpus_that_did_them(seconds: list[float], gpus: int) -> None:
    order, who = queued(seconds, gpus)
    assert in_turn(np.array(order), gpus).tolist() == [who[task] for task in order]


@given(seconds=DURATIONS, gpus=st.integers(1, 8), data=st.data())
def test_whole_tasks_follow_one_another_on_the_gpus_that_did_them(
    seconds: list[float], gpus: int, data: st.DataObject
) -> None:
    """A task writes its rows while it runs, the first as soon as it has started."""
    busy = [(0.0, gpu) for gpu in range(gpus)]
    rows, before = [], {}
    at: dict[int, int] = {}
    for task, takes in enumerate(seconds):
        now, gpu = heapq.heappop(busy)
        heapq.heappush(busy, (now + takes, gpu))
        inner = data.draw(st.lists(st.floats(0.0, 1.0), max_size=3))
        rows += [(now, 1, task), (now + takes, 0, task), *((now + share * takes, 0, task) for share in inner)]
        before[task] = at.get(gpu)
        at[gpu] = task
    tasks = np.array([name for _, _, name in sorted(rows)])
    lane = in_tasks(tasks)
    assert len(set(lane.tolist())) == min(gpus, len(seconds))
    for name, earlier in before.items():
        own = set(lane[tasks == name].tolist())
        assert len(own) == 1
        if earlier is not None:
            assert own == set(lane[tasks == earlier].tolist())


def test_a_row_that_failed_leaves_its_lane_to_the_next() -> None:
    """Of six rows on two GPUs the second is not in the file: all the others still have one of two lanes."""
    lane = in_turn(np.array([0, 2, 1, 4, 3]), 2)
    assert set(lane.tolist()) == {0, 1}


def test_places_go_by_the_first_key_first() -> None:
    assert places(np.array([1, 0, 1, 0]), np.array([5, 7, 4, 6])).tolist() == [3, 1, 2, 0]
