"""This machine's pool: whichever task kills its worker, that one is found out, and every other is done, once."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.study.sweep import pool as pools
from sim.study.sweep.pool import AHEAD, LocalPool
from sim.study.sweep.rows import DONE, FAILED, Row
from sim.study.sweep.tasks import Done, Limits, Task

DEADLY = b"deadly"


def task(number: int, *, deadly: bool) -> Task:
    return Task(number, f"{number}", DEADLY if deadly else b"", ((number, {}),), None, Limits(), None)


def done(task: Task, status: str) -> Done:
    return Done(task.number, (Row(task.number, status, None, {}),), {}, made=False)


def performed(task: Task) -> Done:
    """In a worker."""
    if task.base == DEADLY:
        os._exit(9)
    return done(task, DONE)


def performed_alone(task: Task) -> Done:
    return done(task, FAILED if task.base == DEADLY else DONE)


@settings(deadline=None, max_examples=8)
@given(st.integers(0, 40), st.sets(st.integers(0, 39), max_size=3), st.sampled_from([1, 2]))
def test_each_task_is_done_once_and_only_what_a_dead_pool_had_in_hand_runs_alone(
    count: int, deadly: set[int], workers: int
) -> None:
    deadly = {number for number in deadly if number < count}
    alone: list[int] = []

    def on_its_own(task: Task) -> Done:
        alone.append(task.number)
        return performed_alone(task)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pools, "perform", performed)
        patch.setattr(pools, "perform_alone", on_its_own)
        pool = LocalPool(workers)
        try:
            found = [(one.number, one.rows[0].status) for one in pool.run(given_tasks(count, deadly))]
        finally:
            pool.close()
    assert sorted(found) == [(number, FAILED if number in deadly else DONE) for number in range(count)]
    assert deadly <= set(alone)
    assert len(alone) <= len(deadly) * AHEAD * workers


def given_tasks(count: int, deadly: set[int]) -> Iterator[Task]:
    for number in range(count):
        yield task(number, deadly=number in deadly)
