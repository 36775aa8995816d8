"""A table of jobs: what nobody gave takes no memory, and rows that are taken keep what was said of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.workload.jobs.table import COLUMNS, UNKNOWN, JobTable, Loads


def table(n: int) -> JobTable:
    """Jobs of so many numbers, one in two with a load that changes."""
    changes = np.arange(n) % 2 * 2
    first = np.concatenate([[0], np.cumsum(changes)])
    offsets = np.tile([0, 5], int(first[-1]) // 2)
    loads = Loads(first, offsets, np.arange(float(first[-1])), np.zeros(int(first[-1])))
    return JobTable(np.arange(n), np.arange(n) + 10, np.full(n, 2), job_id=[f"job {i}" for i in range(n)], loads=loads)


def test_columns_that_nobody_gave_take_no_memory() -> None:
    jobs = table(1000)
    unsaid = [name for name in COLUMNS if not any(getattr(jobs, name).strides)]
    assert set(COLUMNS) - set(unsaid) == {"submit_ns", "run_ns", "gpus"}
    assert jobs.limit_ns.tolist() == [UNKNOWN] * 1000
    assert np.isnan(jobs.gpu_w).all()


@given(st.lists(st.integers(0, 29), unique=True).map(sorted))
def test_rows_that_are_taken_are_those_rows(rows: list[int]) -> None:
    jobs = table(30)
    taken = jobs.take(np.array(rows, np.int64))
    assert len(taken) == len(rows)
    for name in COLUMNS:
        assert np.array_equal(getattr(taken, name), getattr(jobs, name)[rows], equal_nan=True)
    assert list(taken.job_id) == [f"job {i}" for i in rows]
    assert taken.loads is not None
    assert jobs.loads is not None
    for at, row in enumerate(rows):
        ours = taken.loads.gpu_w[taken.loads.first[at] : taken.loads.first[at + 1]]
        assert ours.tolist() == jobs.loads.gpu_w[jobs.loads.first[row] : jobs.loads.first[row + 1]].tolist()
