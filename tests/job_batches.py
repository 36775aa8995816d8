"""Small clusters of jobs as rows, scheduled first come first served by a loop that anyone can check."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from sim.accounting.batch import job_gpu_hours
from sim.units import NS_PER_S, SECONDS_PER_HOUR
from sim.workload.allocations import MILLI, OUTCOMES, PACE_STATES, Allocations
from sim.workload.jobs.batch import Batch, Inventory, batch_of_run
from sim.workload.jobs.table import JobTable

ACTIVE = PACE_STATES.index("active")
IDLE = PACE_STATES.index("idle")


def ints(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


def log_of(stints: Sequence[dict[str, Any]]) -> Allocations:
    """A log of stints, each with ``job``, ``start``, ``end`` (ns), ``outcome``, ``places`` {node: milli}, and perhaps
    ``paces`` [(start, state, rate)] (by default active at full rate throughout) and ``done`` (ns kept from before)."""
    stints = sorted(stints, key=lambda one: one["start"])
    paces = [one.get("paces", [(one["start"], "active", 1.0)]) for one in stints]
    places = [one["places"] for one in stints]
    flat = [pace for own in paces for pace in own]

    def firsts(parts: Sequence[Any]) -> Any:
        return np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)

    return Allocations(
        job=ints(*(one["job"] for one in stints)),
        start_ns=ints(*(one["start"] for one in stints)),
        end_ns=ints(*(one["end"] for one in stints)),
        outcome=ints(*(OUTCOMES.index(one["outcome"]) for one in stints)),
        first_place=firsts(places),
        node=ints(*(node for own in places for node in own)),
        milli=ints(*(milli for own in places for milli in own.values())),
        cpu_share=np.ones(sum(map(len, places))),
        first_pace=firsts(paces),
        pace_start_ns=ints(*(start for start, _, _ in flat)),
        pace_state=ints(*(PACE_STATES.index(state) for _, state, _ in flat)),
        pace_gpu_w=np.full(len(flat), 400.0),
        pace_cpu_load=np.full(len(flat), 0.2),
        pace_rate=np.array([rate for _, _, rate in flat], dtype=np.float64),
        done_ns=ints(*(one.get("done", 0) for one in stints)),
    )


def inventory(nodes: int = 1, slots: int = 4) -> Inventory:
    names = [f"a/{i}" for i in range(nodes)]
    return Inventory(names, np.full(nodes, slots * MILLI), ["a"], np.zeros(nodes, np.int64))


def batch_of(table: JobTable, stints: Sequence[dict[str, Any]], where: Inventory, end_ns: int, **more: Any) -> Batch:
    refused = more.pop("refused", np.zeros(len(table), np.bool_))
    about = {"first_row": 0, "refused": refused, "inventory": where, "pools": ["a"], "joules": None, **more}
    return batch_of_run("research", table, log_of(stints), end_ns=end_ns, **about)


def fifo(table: JobTable, where: Inventory, end_ns: int) -> Batch:
    """First come first served on any slots of any nodes; a job with a limit below its run time is killed at it."""
    free = where.milli.copy()
    stints: list[dict[str, Any]] = []
    leaving: list[tuple[int, int]] = []
    now = 0
    refused = table.gpus * MILLI > where.milli.sum()
    for job in np.flatnonzero(~refused).tolist():
        now = max(now, int(table.submit_ns[job]))
        need = int(table.gpus[job]) * MILLI
        while leaving and leaving[0][0] <= now:
            _free(free, stints[heapq.heappop(leaving)[1]])
        while free.sum() < need:
            now, stint = heapq.heappop(leaving)
            _free(free, stints[stint])
        if now >= end_ns:
            break
        places = {}
        for node in range(len(free)):
            taken = min(need, int(free[node]))
            if taken:
                places[node] = taken
                free[node] -= taken
                need -= taken
        limit, run = int(table.limit_ns[job]), int(table.run_ns[job])
        ends, outcome = (now + limit, "killed") if 0 <= limit < run else (now + run, "completed")
        heapq.heappush(leaving, (ends, len(stints)))
        if ends > end_ns:
            ends, outcome = end_ns, "unfinished"
        stints.append({"job": job, "start": now, "end": ends, "outcome": outcome, "places": places})
    return batch_of(table, stints, where, end_ns, refused=refused)


def _free(free: Any, stint: dict[str, Any]) -> None:
    for node, milli in stint["places"].items():
        free[node] += milli


def table(submit_s: Sequence[float], run_s: Sequence[float], gpus: Sequence[int], **more: Any) -> JobTable:
    """A table from s."""
    return JobTable(
        np.array([round(s * NS_PER_S) for s in submit_s], dtype=np.int64),
        np.array([round(s * NS_PER_S) for s in run_s], dtype=np.int64),
        ints(*gpus),
        **more,
    )


@st.composite
def tables(draw: st.DrawFn, most: int = 30) -> JobTable:
    """Up to ``most`` jobs in ns, of some users, some with a time limit; one may ask for more than there is."""
    n = draw(st.integers(1, most))
    times = st.lists(st.integers(0, 10**5), min_size=n, max_size=n)
    return JobTable(
        np.sort(ints(*draw(times))),
        ints(*draw(st.lists(st.integers(1, 10**5), min_size=n, max_size=n))),
        ints(*draw(st.lists(st.integers(1, 9), min_size=n, max_size=n))),
        limit_ns=ints(*draw(st.lists(st.one_of(st.just(-1), st.integers(1, 10**5)), min_size=n, max_size=n))),
        user=ints(*draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))),
        names={"user": ["ann", "bob", "cid", "dan"]},
    )


def a_batch() -> Batch:
    """Jobs of users, accounts, queues and kinds, some with deadlines, on ten slots for a minute, with their energy."""
    n = 20
    who = np.arange(n) % 3
    jobs = table(
        [0.5 * i for i in range(n)],
        [5.0 + i for i in range(n)],
        [1 + i % 5 for i in range(n)],
        user=who,
        account=who % 2,
        queue=who % 2,
        kind=who,
        deadline_ns=np.where(who == 0, 20 * NS_PER_S, -1),
        told=("2 jobs never started: left out",),
        names={
            "user": ["ann", "bob", "cid"],
            "account": ["chem", "ml"],
            "queue": ["day", "night"],
            "kind": ["train", "tune", "test"],
        },
    )
    jobs = replace(jobs, told=("20 left out: ran for 0 s",))
    return fifo_with_joules(jobs)


def fifo_with_joules(jobs: JobTable) -> Batch:
    batch = fifo(jobs, inventory(2, 5), 60 * NS_PER_S)
    return replace(batch, joules=400.0 * SECONDS_PER_HOUR * job_gpu_hours(batch))
