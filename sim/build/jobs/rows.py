"""Jobs as rows, as written -> the plan that the engine follows: what each asks of which pool, and what it draws
there."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sim.build.resolved import Resolved
from sim.errors import InputError
from sim.kinds import builder
from sim.later import later
from sim.paths import joined
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import NodeProfile, link_of
from sim.rng import Streams
from sim.validation import nearest

with later():
    from sim.build.power.loads import UnderCap, gpu_watts
    from sim.spec.jobs import SaveJob
    from sim.spec.workloads import MeasuredLoad, NameplateLoad, ThroughputLoad


if TYPE_CHECKING:
    from sim.build.work import Around
    from sim.engine.fleet.plan import JobsPlan, Keeps, PoolForJobs
    from sim.spec.jobs import Amdahl, Goodput, JobLoad, Jobs
    from sim.workload.jobs.table import JobTable

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MIB = 1 << 20
MILLI = 1000


def jobs(spec: Jobs, around: Around) -> JobsPlan:
    """The table of a workload, and what each of its rows finds in its pools.

    Raises ``InputError`` for files that cannot be used and jobs that lack what the workload takes from them; whoever
    checks a scenario has read them before.
    """
    from sim.engine.fleet.plan import JobsPlan

    parts = around.resolved.parts
    table = table_of(around.name, spec, around.resolved)
    problems = table_problems(spec, table, around.resolved, around.name)
    if problems:
        raise InputError.one(joined(("workloads", around.name)), problems[0][1])
    assert parts.cluster is not None
    labels = tuple(around.resolved.pools[around.name].values())
    choices, choice = pools_of_jobs(spec, table, labels)
    return JobsPlan(
        name=around.name,
        table=table,
        slots=table.gpus,
        choices=choices,
        choice=choice,
        pools={label: _pool(spec, label, around.resolved) for label in labels},
        active_w={label: active_watts(spec.load, table, around.resolved.gpus.get(label)) for label in labels},
        mean_w=_mean_w(spec.load, table),
        cpu_load=_cpu_load(spec, table),
        keeps=_keeps(spec),
        kills=spec.time_limits == "kill",
        setup_ns=int(spec.setup),
        speed_up=builder(spec.speed_up)(spec.speed_up) if spec.speed_up is not None else None,
    )


MOST_TABLES = 8
_TABLES: OrderedDict[tuple[object, ...], tuple[Jobs, JobTable]] = OrderedDict()
"""The last that were made, by the workload they are of: a check and the run after it ask for the same."""


def table_of(name: str, spec: Jobs, resolved: Resolved) -> JobTable:
    """The jobs of a workload, in the times of the run. Raises ``InputError`` for files that cannot be used."""
    from sim.build.jobs.source import JobsAsked, jobs_of

    parts = resolved.parts
    key = (id(spec), name, parts.start_ns, parts.duration_ns, parts.seed)
    known = _TABLES.get(key)
    if known is not None and known[0] is spec:
        return known[1]
    table = jobs_of(spec.source, JobsAsked(name, parts.start_ns, parts.duration_ns, Streams(parts.seed)))
    _TABLES[key] = (spec, table)
    while len(_TABLES) > MOST_TABLES:
        _TABLES.popitem(last=False)
    return table


def expected_jobs(name: str, spec: Jobs, resolved: Resolved) -> float:
    """How many jobs its laws bring, on average; 0 where they are read and not drawn."""
    from sim.spec.generated_jobs import GeneratedJobs

    if not isinstance(spec.source, GeneratedJobs):
        return 0.0
    from sim.build.jobs.generated import job_law
    from sim.build.jobs.source import JobsAsked

    parts = resolved.parts
    return job_law(spec.source, JobsAsked(name, parts.start_ns, parts.duration_ns, Streams(parts.seed))).expected


def table_problems(spec: Jobs, table: JobTable, resolved: Resolved, name: str) -> list[tuple[str, str]]:
    """What its jobs lack that a workload takes from them: the field of the workload, and why."""
    from sim.workload.jobs.table import UNKNOWN

    labels = [*resolved.pools[name].values()]
    found = []
    if not len(table):
        found.append(("source", "holds no job of this run"))
    if any(label in resolved.gpus for label in labels) and spec.load is not None:
        found += _unknown_watts(spec.load, table)
    count = int((np.isnan(table.cpu_load) & ~_tell(table, "cpu_load")).sum())
    if spec.cpu_load == "trace" and count:
        found.append(("cpu_load", f"{count:,} jobs have no load of their CPUs in the trace: give one for all"))
    if spec.node_map:
        found += _unmapped(spec, table)
    if spec.gpu_types:
        types = table.names.get("gpu_type", ())
        used = [types[code] for code in np.unique(table.gpu_type).tolist() if code != UNKNOWN]
        lost = [one for one in used if not _pools_of(one, spec)]
        if lost:
            known = ", ".join(spec.gpu_types)
            found.append(("gpu_types", f"jobs ask for '{lost[0]}'{nearest(lost[0], spec.gpu_types)}  ({known})"))
    return found


def _unmapped(spec: Jobs, table: JobTable) -> list[tuple[str, str]]:
    from sim.workload.jobs.node_map import NodeMap
    from sim.workload.jobs.table import UNKNOWN
    from sim.workload.trace_formats import BadRowError

    listed = table.names.get("recorded_nodes", ())
    used = [listed[code] for code in np.unique(table.recorded_nodes).tolist() if code != UNKNOWN]
    if not used:
        return [("node_map", "says nothing: the source does not say on which nodes jobs ran")]
    try:
        mapped = NodeMap.of(spec.node_map)
    except BadRowError:
        return []  # told by the checks of a scenario
    lost = next((host for host in map(mapped.unknown, used) if host is not None), None)
    if lost is None:
        return []
    return [("node_map", f"jobs ran on '{lost}', which is in none of its lists  ({', '.join(spec.node_map)})")]


def _unknown_watts(load: JobLoad, table: JobTable) -> list[tuple[str, str]]:
    from sim.workload.jobs.table import UNKNOWN

    on_gpus = (table.gpus > 0) | (table.gpu_milli > 0)
    if load.kind == "trace":
        lacking = int((np.isnan(table.gpu_w) & on_gpus & ~_tell(table, "gpu_w")).sum())
        if lacking:
            return [("load", f"the trace has no watts of {lacking:,} jobs: give a load of kind measured or by-kind")]
    if load.kind == "by-kind" and load.other is None:
        names = table.names.get("kind", ())
        used = [names[code] if code != UNKNOWN else "" for code in np.unique(table.kind[on_gpus]).tolist()]
        lost = [one for one in used if one not in load.kinds]
        if lost:
            hint = f"{nearest(lost[0], load.kinds)}  ({', '.join(load.kinds)})"
            told = f"there are jobs of kind '{lost[0]}'{hint}" if lost[0] else "there are jobs of no stated kind"
            return [("load", f"{told}; give 'other' for all that are not listed")]
    return []


def pools_of_jobs(spec: Jobs, table: JobTable, labels: tuple[str, ...]) -> tuple[tuple[tuple[str, ...], ...], Ints]:
    """The pools that each job may stand in: of its type of GPU or of the nodes on which it ran, or else all."""
    n = len(table)
    if spec.node_map:
        from sim.workload.jobs.node_map import NodeMap

        mapped = NodeMap.of(spec.node_map)
        return _coded(
            [mapped.pools(one, labels) for one in table.names["recorded_nodes"]], table.recorded_nodes, labels
        )
    if not spec.gpu_types:
        return (labels,), np.zeros(n, np.int64)
    found = [_pools_of(name, spec) or labels for name in table.names.get("gpu_type", ())]
    return _coded(found, table.gpu_type, labels)


def _coded(
    found: Sequence[tuple[str, ...]], codes: Ints, labels: tuple[str, ...]
) -> tuple[tuple[tuple[str, ...], ...], Ints]:
    """Choices of pools, all first, and which is that of each job, from those that belong to each of ``codes``."""
    choices = (labels, *dict.fromkeys(found))
    number = {pools: i for i, pools in enumerate(choices) if i}
    return choices, np.array([*(number[pools] for pools in found), 0], np.int64)[codes]  # UNKNOWN is the last


def _pools_of(gpu_type: str, spec: Jobs) -> tuple[str, ...]:
    """The pools for a type of GPU, or for any of some types (``V100M16|V100M32``, as Alibaba writes them)."""
    if gpu_type in spec.gpu_types:
        return (spec.gpu_types[gpu_type],)
    return tuple(dict.fromkeys(spec.gpu_types[one] for one in gpu_type.split("|") if one in spec.gpu_types))


def _pool(spec: Jobs, label: str, resolved: Resolved) -> PoolForJobs:
    from sim.engine.fleet.plan import PoolForJobs

    machine, gpu = resolved.machines[label], resolved.gpus.get(label)
    loaded_w, idle_w = 0.0, 0.0
    if gpu is not None:
        idle_w = float(gpu.power.idle.value)
        one = spec.load if isinstance(spec.load, ThroughputLoad | MeasuredLoad | NameplateLoad) else None
        loaded_w = gpu_watts(one, gpu)[1] if one is not None else float(gpu.power.loaded.value)
    return PoolForJobs(
        speed=float(spec.speeds.get(label, 1.0)),
        loaded_w=loaded_w,
        idle_w=idle_w,
        under_cap=UnderCap(gpu, loaded_w) if gpu is not None and not _is_nameplate(spec.load) else None,
        cpu_milli=machine.cpu.cores * machine.node.cpus.count * MILLI,
        sockets=machine.node.slots if gpu is None else 0,
        straddling=_straddling(spec, machine.node, gpu),
    )


def _straddling(spec: Jobs, node: NodeProfile, gpu: GPUProfile | None) -> float:
    """What is left of a job's rate whose exchange, a share of its time, goes by the link between islands of a node in
    place of that within."""
    if gpu is None or spec.communication is None:
        return 1.0
    within, between = (float(link_of(node, gpu, 1, straddling=apart).bandwidth.value) for apart in (False, True))
    return 1.0 / (1.0 + float(spec.communication) * (within / between - 1.0))


def _is_nameplate(load: JobLoad | None) -> bool:
    return load is not None and load.kind == "nameplate"


def active_watts(load: JobLoad | None, table: JobTable, gpu: GPUProfile | None) -> Floats:
    """W of a GPU of each job at work (n,); NaN where its loads tell it over time."""
    n = len(table)
    if gpu is None or load is None:
        return np.zeros(n)
    if load.kind == "trace":
        return np.where(_tell(table, "gpu_w"), np.nan, table.gpu_w)
    if load.kind != "by-kind":
        return np.full(n, gpu_watts(load, gpu)[0])
    other = gpu_watts(load.other, gpu)[0] if load.other is not None else np.nan
    names = table.names.get("kind", ())
    by_code = [gpu_watts(load.kinds[name], gpu)[0] if name in load.kinds else other for name in names]
    return np.array([*by_code, other])[table.kind]  # UNKNOWN is the last


def _cpu_load(spec: Jobs, table: JobTable) -> Floats:
    if isinstance(spec.cpu_load, str):
        return np.where(_tell(table, "cpu_load"), np.nan, table.cpu_load)
    return np.full(len(table), float(spec.cpu_load))


def _tell(table: JobTable, column: Literal["gpu_w", "cpu_load"]) -> npt.NDArray[np.bool_]:
    """Which jobs have loads over time that tell a column throughout."""
    loads = table.loads
    if loads is None:
        return np.zeros(len(table), np.bool_)
    rows = np.diff(loads.first)
    lacking = np.bincount(
        np.repeat(np.arange(len(table)), rows)[np.isnan(getattr(loads, column))], minlength=len(table)
    )
    return np.asarray((rows > 0) & (lacking == 0))


def _mean_w(load: JobLoad | None, table: JobTable) -> Floats:
    """W of a GPU of each job that has loads over time, in the mean over its work; those of the others are known."""
    loads = table.loads
    if loads is None or load is None or load.kind != "trace":
        return np.empty(0)
    told = _tell(table, "gpu_w")
    ends = np.append(loads.offset_ns[1:], 0)
    has = np.diff(loads.first) > 0
    ends[loads.first[1:][has] - 1] = table.run_ns[has]
    of_job = np.repeat(np.arange(len(table)), np.diff(loads.first))
    joules = np.bincount(of_job, weights=loads.gpu_w * np.maximum(ends - loads.offset_ns, 0), minlength=len(table))
    return np.where(told, joules / table.run_ns, table.gpu_w)


def _keeps(spec: Jobs) -> Keeps:
    from sim.engine.fleet.plan import Keeps

    kept = spec.preemption
    if isinstance(kept, SaveJob):
        every = int(kept.every) if kept.every is not None else None
        return Keeps(True, int(kept.save), int(kept.restart), every)
    return Keeps(False, again=kept.then == "wait-again")


@dataclass(frozen=True)
class AmdahlSpeed:
    """Amdahl 1967: the serial share is no faster on more slots."""

    parallel: float

    def __call__(self, slots: int, asked: int) -> float:
        """The rate on ``slots`` relative to that on those it asks for."""
        return self._of(slots) / self._of(asked)

    def _of(self, slots: int) -> float:
        return 1.0 / (1.0 - self.parallel + self.parallel / slots)


@dataclass(frozen=True)
class PowerSpeed:
    """slots^exponent."""

    exponent: float

    def __call__(self, slots: int, asked: int) -> float:
        """The rate on ``slots`` relative to that on those it asks for."""
        return float((slots / asked) ** self.exponent)


def amdahl(spec: Amdahl) -> AmdahlSpeed:
    """By Amdahl's law."""
    return AmdahlSpeed(float(spec.parallel))


def power_law(spec: Goodput) -> PowerSpeed:
    """By a power of the slots."""
    return PowerSpeed(float(spec.exponent))


def memory_mib(resolved: Resolved, label: str) -> int:
    """MiB of a node of a pool."""
    return int(float(resolved.machines[label].node.dram.capacity.value) // MIB)


def logged(resolved: Resolved, steady: Mapping[str, bool]) -> frozenset[str]:
    """Pools that rows alone hold and whose nodes are steady, together with all that their rows may stand in.

    What a GPU draws that is cut depends on all of its instances, which machines know and the log of one job does not.
    """
    of_rows = {name: set(resolved.pools[name].values()) for name in resolved.batches}
    others = {g.pool for g in resolved.groups if g.workload not in resolved.batches}
    whole = {label for label, machine in resolved.machines.items() if machine.uncut is None}
    found = {pool for pools in of_rows.values() for pool in pools if steady[pool] and pool in whole - others}
    while True:
        fewer = found - {pool for pools in of_rows.values() if not pools <= found for pool in pools}
        if fewer == found:
            return frozenset(found)
        found = fewer
