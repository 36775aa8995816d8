"""What is wrong with jobs as rows: their pools, what they draw, and what their tables lack."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from sim.build.jobs.rows import expected_jobs, table_of, table_problems
from sim.build.resolved import Resolved
from sim.checks import above_tdp
from sim.checks.power_alone import alone_problems
from sim.documents import KeyPath
from sim.errors import InputError
from sim.validation import nearest

if TYPE_CHECKING:
    from sim.spec.jobs import Jobs
    from sim.workload.jobs.table import JobTable

Found = Iterator[tuple[KeyPath, str]]

MOST_SHOWN = 12
MOST_JOBS = 50_000_000
"""Drawn: a row of each lies in memory."""


def jobs_fit(resolved: Resolved) -> Found:
    """Types that lead to no pool of theirs, speeds and loads that are needed, and an end where jobs have none; and a
    scheduler of elastic jobs where all keep their size."""
    cluster = resolved.parts.cluster
    keep = [name for name, spec in resolved.batches.items() if spec.speed_up is None]
    chosen = cluster.scheduler if cluster is not None else None
    if chosen is not None and chosen.kind == "elastic" and len(keep) == len(resolved.batches):
        where = f"give workloads.{keep[0]} a 'speed_up'" if keep else "there is no workload of kind 'jobs'"
        yield ("cluster", "scheduler"), f"no job is elastic: {where}, or choose another scheduler"
    for name, spec in resolved.batches.items():
        path: KeyPath = ("workloads", name)
        labels = [*resolved.pools[name].values()]
        if spec.source.endless and resolved.parts.open_ended:
            yield (*path, "source"), "jobs never stop coming: give the scenario a 'duration'"
        yield from _places_fit(name, spec, labels, resolved)
        for label in spec.speeds:
            if label not in labels:
                yield (*path, "speeds", label), f"is none of its pools{nearest(label, labels)}  ({', '.join(labels)})"
        there = [label for label in labels if label in resolved.machines]
        gpus = {resolved.gpus[label].name if label in resolved.gpus else None for label in there}
        lacking = [label for label in there if label not in spec.speeds]
        if len(gpus) > 1 and lacking:
            yield (
                (*path, "speeds"),
                f"its pools differ in their GPUs: say how fast jobs run in each, relative to their run times; "
                f"{', '.join(lacking)} lacking",
            )
        if gpus - {None} and spec.load is None:
            yield (*path, "load"), "required: what does a GPU draw at work?"
        yield from _communication(name, spec, resolved, there)


def _communication(name: str, spec: Jobs, resolved: Resolved, there: Sequence[str]) -> Found:
    several = [label for label in there if resolved.machines[label].node.island_gpus]
    path: KeyPath = ("workloads", name, "communication")
    if several and spec.communication is None:
        node = resolved.machines[several[0]].node
        told = f"GPUs of '{node.name}' are in islands of {node.island_gpus}, and jobs may lie on several"
        yield path, f"required: {told}; what share of their time do they exchange?"
    if spec.communication is not None and there and not several:
        yield path, "no node of its pools has several islands (MIG has none): leave it out"


def _places_fit(name: str, spec: Jobs, labels: Sequence[str], resolved: Resolved) -> Found:
    """Where jobs of a type of GPU or of some nodes may run: in pools of the workload. The lists of a map of nodes can
    be read, no node is two, and no pool has fewer than are said to be its."""
    for kind, label in spec.gpu_types.items():
        if label not in labels:
            where: KeyPath = ("workloads", name, "gpu_types", kind)
            yield where, f"is none of its pools{nearest(label, labels)}  ({', '.join(labels)})"
    if not spec.node_map:
        return
    from sim.workload.jobs.node_map import NodeMap
    from sim.workload.trace_formats import BadRowError

    path: KeyPath = ("workloads", name, "node_map")
    for listed, label in spec.node_map.items():
        if label not in labels:
            yield (*path, listed), f"is none of its pools{nearest(label, labels)}  ({', '.join(labels)})"
    try:
        mapped = NodeMap.of(spec.node_map)
    except BadRowError as error:
        yield path, str(error)
        return
    for label in labels:
        there = resolved.machines[label].pool.count if label in resolved.machines else None
        if there is not None and mapped.count(label) > there:
            yield path, f"has {mapped.count(label):,} nodes of the pool '{label}', which has {there:,}"


def tables_fit(resolved: Resolved) -> Found:
    """Sources that cannot be read, jobs that lack what their workload takes from them, and names that no job has."""
    tables: dict[str, JobTable] = {}
    for name, spec in resolved.batches.items():
        path: KeyPath = ("workloads", name)
        if resolved.parts.start is None or any(
            label not in resolved.machines for label in resolved.pools[name].values()
        ):
            continue
        if spec.source.endless and resolved.parts.duration_ns is None:
            continue  # none is written, or it did not parse: told there
        if expected_jobs(name, spec, resolved) > MOST_JOBS:
            yield (*path, "source", "arrivals"), f"gives more than {MOST_JOBS:,} jobs over this duration"
            continue
        try:
            table = table_of(name, spec, resolved)
        except InputError as error:
            for problem in error.problems:
                line = f", line {problem.line}" if problem.line is not None else ""
                yield (*path, "source"), f"{problem.file}{line}: {problem.message}"
            continue
        tables[name] = table
        lacking = table_problems(spec, table, resolved, name)
        yield from (((*path, field), message) for field, message in lacking)
        placed = not any(_places_fit(name, spec, [*resolved.pools[name].values()], resolved))
        if spec.load is not None and spec.load.kind == "trace" and placed and not lacking:
            yield from above_tdp.recorded(name, spec, table, resolved)
        if spec.communication is not None and bool((table.gpu_milli > 0).any()):
            told = "some of its jobs ask for parts of a GPU, and in pools of such islands are not told apart"
            yield (*path, "communication"), told
    if len(tables) == len(resolved.batches):
        yield from _names_of_nobody(resolved, [*tables.values()])
    if not resolved.hardware.unread:
        yield from alone_problems(resolved, tables)


def _names_of_nobody(resolved: Resolved, tables: Sequence[JobTable]) -> Found:
    """Users, accounts, queues or kinds that a scheduler or a policy names of which not one has a job: what is said of
    them would be said of nobody. A few may have none: a queue of which others borrow. Who has no name goes by that of
    its workload."""
    cluster = resolved.parts.cluster
    scheduler = cluster.scheduler if cluster is not None else None
    asked: list[tuple[KeyPath, str, Iterable[str]]] = []
    if scheduler is not None:
        asked += [(("cluster", "scheduler", *at), by, names) for at, by, names in scheduler.names_of_jobs]
    for i, policy in resolved.shared_power.items():
        asked.append((("policies", i, "serving"), "kind", policy.serving))
    for path, by, names in asked:
        known = [*dict.fromkeys(name for table in tables for name in table.names.get(by, ()))]
        known += [*resolved.parts.names] if by != "kind" else []
        named = [*names]
        if named and not set(named) & set(known):
            shown = ", ".join(known[:MOST_SHOWN]) + (", ..." if len(known) > MOST_SHOWN else "")
            yield path, f"no job has the {by} '{named[0]}'{nearest(named[0], known)}  ({shown or 'jobs have none'})"
