"""Which GPU measured which kernel, from the order of a file's rows alone."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.accuracy.kernel_lanes import in_tasks, in_turn, places
from benchmarks.accuracy.kernel_order import TASK, attention_starts, in_order_of

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


def tasks_of_attention(*, prompts: bool, formats_together: bool) -> pd.DataFrame:
    """A campaign's tasks as they are started: shapes, then prompts from the longest or batches in an order of their
    own, then contexts; both formats of a task one after the other, or of one after all of the other."""
    rows = []
    shapes, formats = [(8, 2, 64, 0), (4, 4, 128, 0), (64, 1, 64, 128)], ["bfloat16", "fp8"]
    for apart in [formats] if formats_together else [[each] for each in formats]:
        for shape in shapes:
            for n in (4096, 512, 16) if prompts else (32, 1, 2):
                for m in (64, 32, 16, 8, 4, 2) if prompts else (1, 3, 7, 15, 31, 63):
                    batch, isl, step = (m, n, 0) if prompts else (n, 1, m)
                    rows += [(*shape, batch, isl, step, each) for each in apart]
    return pd.DataFrame(rows, columns=list(TASK))


@settings(max_examples=25)
@given(prompts=st.booleans(), formats_together=st.booleans(), gpus=st.integers(1, 3), seed=st.integers(0, 2**32 - 1))
def test_where_tasks_of_attention_were_started_follows_from_where_they_ended(
    prompts: bool, formats_together: bool, gpus: int, seed: int
) -> None:
    """And so does who did them; a sorted file of the same tasks is put back in that order."""
    started = tasks_of_attention(prompts=prompts, formats_together=formats_together)
    ends, who = queued(np.random.default_rng(seed).uniform(1.0, 1.4, len(started)).tolist(), gpus)
    ended = started.iloc[ends].reset_index(drop=True)
    assert attention_starts(ended).tolist() == ends
    assert in_turn(attention_starts(ended), gpus).tolist() == [who[task] for task in ends]
    known = started.sort_values(list(TASK)).reset_index(drop=True)
    assert in_order_of(known, ended).equals(started)
