"""Figures of jobs as rows: conservation of slot-time, Little's law, and the definitions of the field."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.batch import batch_metrics, bounded_slowdown, held_milli_ns, jain, job_gpu_hours
from sim.accounting.queueing import cluster_series, on_bins, queue_steps, steps
from sim.units import HOUR_NS, NS_PER_S
from sim.workload.allocations import MILLI
from sim.workload.jobs.batch import ENDS, Ends, own_log
from sim.workload.jobs.table import RECORDED, UNKNOWN, JobTable
from tests.job_batches import batch_of, fifo, ints, inventory, log_of, table, tables

RUNS = st.integers(1, 3 * 10**5)


@given(tables(), st.integers(1, 3), st.integers(1, 4), RUNS)
def test_utilisation_times_capacity_times_time_is_what_was_allocated(
    jobs: JobTable, nodes: int, slots: int, end_ns: int
) -> None:
    """Summed here by a loop over places, exactly; and each job, user and pool has its part of it."""
    batch = fifo(jobs, inventory(nodes, slots), end_ns)
    log = batch.log
    allocated = 0
    for stint in range(len(log)):
        for place in range(log.first_place[stint], log.first_place[stint + 1]):
            allocated += int(log.milli[place]) * int(log.end_ns[stint] - log.start_ns[stint])
    assert held_milli_ns(batch) == allocated
    metrics = batch_metrics(batch)
    capacity = nodes * slots * MILLI * end_ns
    assert metrics["utilisation"] == float(Fraction(allocated, capacity))
    assert 0.0 <= metrics["at_work_utilisation"] <= metrics["utilisation"] <= 1.0
    assert metrics["gpu_hours"] == allocated / (MILLI * HOUR_NS)
    assert job_gpu_hours(batch).sum() == pytest.approx(metrics["gpu_hours"], rel=1e-12)
    if "by_user_gpu_hours" in metrics:
        assert sum(metrics["by_user_gpu_hours"].values()) == pytest.approx(metrics["gpu_hours"], rel=1e-12)
    edges = np.unique(np.linspace(0, end_ns, 7).astype(np.int64))
    held = cluster_series([batch], edges).held["a"]
    assert (held.mean * np.diff(edges)).sum() * MILLI == pytest.approx(allocated, rel=1e-9)
    assert (held.mean <= held.most + 1e-9).all()
    assert (held.most <= nodes * slots).all()


@given(tables(), st.integers(1, 3), st.integers(1, 4), RUNS)
def test_the_mean_queue_is_arrivals_times_waits(jobs: JobTable, nodes: int, slots: int, end_ns: int) -> None:
    """Little's law, L = lambda W: L by walking through every instant of the queue, W from each job's own wait."""
    batch = fifo(jobs, inventory(nodes, slots), end_ns)
    at_ns, length = queue_steps(batch)
    assert (length >= 0).all()
    assert not len(length) or length[-1] == 0
    came = batch.table
    assert len(came) == int((jobs.submit_ns < end_ns).sum())
    area = sum(int(n) * int(t1 - t0) for n, t0, t1 in zip(length[:-1], at_ns[:-1], at_ns[1:], strict=True))
    metrics = batch_metrics(batch)
    assert metrics["queue_length_mean"] == area / end_ns
    if len(came):
        rate, wait_ns = Fraction(len(came), end_ns), Fraction(sum(batch.queued_ns.tolist()), len(came))
        assert Fraction(area, end_ns) == rate * wait_ns
    assert metrics["queue_length_max"] == length.max(initial=0)


@given(tables(), st.integers(1, 2), st.integers(1, 4), RUNS)
def test_each_job_ends_in_exactly_one_state(jobs: JobTable, nodes: int, slots: int, end_ns: int) -> None:
    batch = fifo(jobs, inventory(nodes, slots), end_ns)
    metrics = batch_metrics(batch)
    assert sum(metrics[end] for end in ENDS) == metrics["jobs"] == len(batch.table)
    assert metrics["refused"] == int((batch.table.gpus > nodes * slots).sum())


def test_waits_turnaround_and_slowdown_of_two_jobs() -> None:
    """The second asks for all four GPUs and waits 90 s for the first; 10 s of its own: slowdown (90 + 10) / 10."""
    batch = fifo(table([0, 10], [100, 10], [1, 4]), inventory(), 200 * NS_PER_S)
    metrics = batch_metrics(batch)
    assert metrics["wait_s"] == {"mean": 45.0, "p50": 45.0, "p90": 81.0, "p95": 85.5, "p99": 89.1, "max": 90.0}
    assert metrics["turnaround_s"]["mean"] == 100.0
    assert bounded_slowdown(batch).tolist() == [1.0, 10.0]
    assert metrics["makespan_s"] == 110.0
    assert metrics["queue_length_mean"] == 90 / 200
    assert metrics["queue_length_max"] == 1
    assert metrics["utilisation"] == (100 + 4 * 10) / (4 * 200)


def test_a_job_shorter_than_ten_seconds_does_not_count_as_slowed_without_bound() -> None:
    """1 s of work after 9 s of waiting: 10 / max(1, 10) and not 10 / 1."""
    batch = fifo(table([0, 0], [9, 1], [4, 4]), inventory(), 20 * NS_PER_S)
    assert bounded_slowdown(batch).tolist() == [1.0, 1.0]


def test_preempted_work_is_charged() -> None:
    """Killed after 60 of 100 s, begun again from nothing: 60 s of 2 GPUs are lost. One that was saved after 60 s goes
    on for 40 s after 5 s of restart: nothing is lost, and the restart is held without work."""
    second = NS_PER_S
    two = {0: 2 * MILLI}
    killed = [
        {"job": 0, "start": 0, "end": 60 * second, "outcome": "killed", "places": two},
        {"job": 0, "start": 70 * second, "end": 170 * second, "outcome": "completed", "places": two},
    ]
    saved = [
        {"job": 0, "start": 0, "end": 60 * second, "outcome": "preempted", "places": two},
        {
            "job": 0,
            "start": 70 * second,
            "end": 115 * second,
            "outcome": "completed",
            "places": two,
            "done": 60 * second,
            "paces": [(70 * second, "idle", 0.0), (75 * second, "active", 1.0)],
        },
    ]
    jobs = table([0], [100], [2])
    again = batch_metrics(batch_of(jobs, killed, inventory(), 200 * second))
    on = batch_metrics(batch_of(jobs, saved, inventory(), 200 * second))
    assert again["preemptions"] == on["preemptions"] == 1
    assert again["completed"] == on["completed"] == 1
    assert again["lost_gpu_hours"] == pytest.approx(2 * 60 / 3600, rel=1e-9)
    assert on["lost_gpu_hours"] == 0.0
    assert on["gpu_hours"] - on["at_work_gpu_hours"] == pytest.approx(2 * 5 / 3600)
    assert again["queue_length_mean"] == on["queue_length_mean"] == 10 / 200


@given(st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 1000)), min_size=2, max_size=6), st.integers(1, 4))
def test_what_was_worked_is_what_was_kept_and_what_was_lost(spans: list[tuple[int, int]], gpus: int) -> None:
    """A job that is stopped again and again, each time going back to what it had kept; at half the rate in every other
    stint, of which a lost second takes two."""
    stints: list[dict[str, Any]] = []
    now = kept = lost = 0
    for i, (works, keeps) in enumerate(spans):
        last = i == len(spans) - 1
        slower = 1 if i % 2 else 2
        stint = {
            "job": 0,
            "start": now * NS_PER_S,
            "end": (now + works * slower) * NS_PER_S,
            "outcome": "completed" if last else "failed",
            "places": {0: gpus * MILLI},
            "paces": [(now * NS_PER_S, "active", 1.0 / slower)],
            "done": kept * NS_PER_S,
        }
        stints.append(stint)
        after = kept + works if last else min(keeps, kept + works)
        lost += (kept + works - after) * slower
        now, kept = now + works * slower, after
    jobs = table([0], [kept], [gpus])
    metrics = batch_metrics(batch_of(jobs, stints, inventory(), now * NS_PER_S + 1))
    assert metrics["failures"] == len(spans) - 1
    assert metrics["lost_gpu_hours"] == pytest.approx(gpus * lost / 3600, rel=1e-9)


def test_a_job_killed_to_make_room_that_still_waits_has_lost_all() -> None:
    stints = [{"job": 0, "start": 0, "end": 60 * NS_PER_S, "outcome": "killed", "places": {0: 2 * MILLI}}]
    batch = batch_of(table([0], [100], [2]), stints, inventory(), 200 * NS_PER_S)
    waits = replace(batch, ends=Ends(ints(ENDS.index("unfinished")), ints(200 * NS_PER_S)))
    metrics = batch_metrics(waits)
    assert (metrics["unfinished"], metrics["preemptions"], metrics["killed_gpu_hours"]) == (1, 1, 0.0)
    assert metrics["lost_gpu_hours"] == metrics["gpu_hours"] == pytest.approx(120 / 3600)
    assert metrics["queue_length_mean"] == 140 / 200


def test_a_job_killed_by_its_limit_is_killed_and_not_preempted() -> None:
    batch = fifo(table([0], [100], [1], limit_ns=ints(30 * NS_PER_S)), inventory(), 200 * NS_PER_S)
    metrics = batch_metrics(batch)
    assert (metrics["killed"], metrics["preemptions"], metrics["lost_gpu_hours"]) == (1, 0, 0.0)
    assert metrics["killed_gpu_hours"] == metrics["gpu_hours"] == pytest.approx(30 / 3600)
    assert bounded_slowdown(batch).tolist() == [1.0]


def test_a_job_slowed_by_a_cap_has_lost_nothing() -> None:
    """At half its rate it takes twice as long, and all of its work counts."""
    slow = {
        "job": 0,
        "start": 0,
        "end": 200,
        "outcome": "completed",
        "places": {0: 1000},
        "paces": [(0, "active", 0.5)],
    }
    jobs = JobTable(ints(0), ints(100), ints(1))
    metrics = batch_metrics(batch_of(jobs, [slow], inventory(), 400))
    assert metrics["lost_gpu_hours"] == 0.0
    assert metrics["at_work_gpu_hours"] == metrics["gpu_hours"]


def test_deadlines() -> None:
    """In time, too late, never done within the run; the last one's lies beyond the run, so nobody knows."""
    jobs = table(
        [0, 0, 0, 0], [10, 20, 90, 90], [1, 1, 1, 1], deadline_ns=ints(*(s * NS_PER_S for s in (15, 15, 40, 99)))
    )
    metrics = batch_metrics(fifo(jobs, inventory(), 50 * NS_PER_S))
    assert (metrics["deadlines"], metrics["deadlines_missed"]) == (4, 2)
    some = table([0, 0], [10, 20], [1, 1], deadline_ns=ints(UNKNOWN, 15 * NS_PER_S))
    metrics = batch_metrics(fifo(some, inventory(), 50 * NS_PER_S))
    assert (metrics["deadlines"], metrics["deadlines_missed"]) == (1, 1)
    none = table([0, 0], [10, 20], [1, 1])
    assert "deadlines" not in batch_metrics(fifo(none, inventory(), 50 * NS_PER_S))


def test_only_the_largest_users_are_named_and_all_are_counted() -> None:
    n = 14
    jobs = table(
        [0] * n, [i + 1 for i in range(n)], [1] * n, user=np.arange(n), names={"user": [f"u{i}" for i in range(n)]}
    )
    metrics = batch_metrics(fifo(jobs, inventory(1, n), 100 * NS_PER_S))
    shares = metrics["by_user_gpu_hours"]
    assert list(shares) == [f"u{i}" for i in range(13, 3, -1)] + ["(others)"]
    assert shares["(others)"] == pytest.approx((1 + 2 + 3 + 4) / 3600)
    assert metrics["users"] == n


@given(st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20))
def test_jains_index_is_between_one_of_n_and_one(values: list[float]) -> None:
    assert 1 / len(values) - 1e-9 <= jain(np.array(values)) <= 1 + 1e-9
    assert jain(np.full(len(values), values[0])) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3)), max_size=20), st.integers(2, 6))
def test_steps_on_bins_are_what_counting_every_nanosecond_gives(changes: list[tuple[int, int]], bins: int) -> None:
    edges = np.unique(np.linspace(0, 60, bins + 1).astype(np.int64))
    at_ns, level = steps(ints(*(t for t, _ in changes)), ints(*(c for _, c in changes)))
    found = on_bins(at_ns, level, edges)
    each = [sum(c for t, c in changes if t <= ns) for ns in range(60)]
    for i, (left, right) in enumerate(pairwise(edges.tolist())):
        assert found.mean[i] == pytest.approx(sum(each[left:right]) / (right - left))
        assert found.most[i] == max(each[left:right])


def test_a_workload_has_its_own_stints_of_the_log_of_a_run() -> None:
    stints: list[dict[str, Any]] = [
        {"job": job, "start": job, "end": job + 5, "outcome": "completed", "places": {job % 2: 1000, 2: job + 1}}
        for job in range(4)
    ]
    own = own_log(log_of(stints), 1, 2)
    alone = log_of([{**stint, "job": stint["job"] - 1} for stint in stints[1:3]])
    for name in ("job", "start_ns", "end_ns", "outcome", "first_place", "node", "milli", "first_pace", "pace_start_ns"):
        assert getattr(own, name).tolist() == getattr(alone, name).tolist(), name


def test_the_offered_load_is_what_jobs_ask_for_until_they_are_killed() -> None:
    """100 s on one GPU and 10 s (limit 4 s) on four, of four GPUs for 200 s: (100 + 16) / 800."""
    jobs = replace(table([0, 10], [100, 10], [1, 4]), limit_ns=ints(-1, 4 * NS_PER_S))
    metrics = batch_metrics(fifo(jobs, inventory(), 200 * NS_PER_S))
    assert metrics["offered_load"] == pytest.approx(116 / 800)


def test_what_became_of_jobs_is_as_their_law_says_but_for_those_killed_here() -> None:
    """One GPU for an hour each: done, failed, cancelled; and one of two hours whose limit is one."""
    hour = 3600
    jobs = replace(
        table([0, 0, 0, 0], [hour, hour, hour, 2 * hour], [1, 1, 1, 1]),
        recorded_state=ints(*(RECORDED.index(name) for name in ("completed", "failed", "cancelled", "completed"))),
    )
    batch = fifo(jobs, inventory(), 2 * HOUR_NS)
    assert batch_metrics(batch)["by_outcome_gpu_hours"] == {"completed": 3.0, "failed": 1.0, "cancelled": 1.0}
    killed = replace(batch, ends=replace(batch.ends, state=ints(*batch.ends.state[:3], ENDS.index("killed"))))
    told = {"timeout": 2.0, "completed": 1.0, "failed": 1.0, "cancelled": 1.0}
    assert batch_metrics(killed)["by_outcome_gpu_hours"] == told
    nothing = replace(batch, table=replace(batch.table, recorded_state=ints(0, 0, 0, 0)))
    assert "by_outcome_gpu_hours" not in batch_metrics(nothing)
