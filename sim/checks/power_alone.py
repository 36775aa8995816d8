"""Jobs that no shared limit of power has room for, even with nobody beside them: a ladder would stop them again and
again, and a placement that waits for power would never start them.

Only what is certain is refused: the least that a job draws, losses of supplies left out, in the fullest of the domains
over which its slots are spread most evenly, against the highest that the limit comes to. What is not certain ends in
the run (``engine.fleet.power.domain``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.build.jobs.rows import active_watts
from sim.build.power.power_limits import domains_of, pools_of
from sim.build.resolved import Resolved
from sim.documents import KeyPath
from sim.later import later
from sim.units import W_PER_KW

with later():
    from sim.build.power.loads import UnderCap
    from sim.spec.jobs import Jobs
    from sim.spec.power_limits import CapAnswer


if TYPE_CHECKING:
    from sim.spec.power_limits import PowerDomain, PowerLimits
    from sim.workload.jobs.table import JobTable

Found = Iterator[tuple[KeyPath, str]]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def alone_problems(resolved: Resolved, tables: Mapping[str, JobTable]) -> Found:
    """Of every table of jobs under every domain that holds all of its pools."""
    for i, policy in resolved.shared_power.items():
        for name, spec in policy.domains.items():
            if not isinstance(spec.limit, float):
                continue
            for workload, table in tables.items():
                labels = [*resolved.pools[workload].values()]
                if not set(labels) <= set(pools_of(spec, resolved)) or not len(table):
                    continue
                held = _Held(spec, policy, resolved, labels)
                path: KeyPath = ("policies", i, "domains", name, "limit")
                yield from _stopped(path, held, workload, table)
                yield from _never_started(path, held, workload, table)


class _Held:
    """A workload's pools under the domains of one name. ``best_w`` is the most that each ever leaves."""

    def __init__(self, spec: PowerDomain, policy: PowerLimits, resolved: Resolved, labels: list[str]) -> None:
        self.spec, self.policy, self.resolved, self.labels = spec, policy, resolved, labels
        assert spec.limit is not None
        assert not isinstance(spec.limit, str)
        written = [float(spec.limit), *(float(change.limit) for change in spec.changes)]
        self.best_w = max(written) * float(spec.target)
        several = [nodes for _, nodes in domains_of(spec, resolved)]
        self.domains = [nodes for nodes in several if any(pool in labels for pool, _, _ in nodes)]


def _stopped(path: KeyPath, held: _Held, workload: str, table: JobTable) -> Found:
    from sim.build.world import rest_dc_w

    spec, resolved = held.spec, held.resolved
    jobs: Jobs = resolved.batches[workload]
    if not spec.answers or spec.answer_time is None:
        return
    serves = _serves(table, held.policy)
    fastest = max([1.0, *(float(speed) for speed in jobs.speeds.values())])
    outlasts = table.run_ns / fastest > int(spec.answer_time)
    rest = min(sum(rest_dc_w(pool, resolved) * (last - first) for pool, first, last in nodes) for nodes in held.domains)
    largest = max(held.resolved.machines[label].slots for label in held.labels)
    fits = (table.gpus > 0) & (table.gpus <= largest)  # others are refused as they come
    in_fullest = -(-table.gpus // len(held.domains))
    least_w = np.full(len(table), np.inf)
    for label in held.labels:
        least_w = np.minimum(least_w, rest + in_fullest * _adds_w(label, held, jobs, table, serves))
    stopped = np.zeros(len(table), np.bool_)
    for serving in (False, True):
        whom = {"all", "serving" if serving else "training"}
        if any(answer.kind in ("pause", "shed") and answer.whom in whom for answer in spec.answers):
            stopped |= serves == serving
    lost = np.flatnonzero(stopped & outlasts & fits & (least_w > held.best_w))
    if len(lost):
        first = int(lost[0])
        one = f"row {first}, {int(table.gpus[first]):,} GPUs, at least {least_w[first] / W_PER_KW:,.3g} kW"
        what = f"{len(lost):,} {'job' if len(lost) == 1 else 'jobs'} of '{workload}'"
        leaves = f"leaves {held.best_w / W_PER_KW:,.3g} kW, above which"
        yield path, f"{leaves} {what} would be with nobody beside them ({one}): stopped again and again"


def _never_started(path: KeyPath, held: _Held, workload: str, table: JobTable) -> Found:
    from sim.spec.placements import HeadroomPlace
    from sim.spec.schedulers import Placed

    cluster = held.resolved.parts.cluster
    scheduler = cluster.scheduler if cluster is not None else None
    if not isinstance(scheduler, Placed) or not isinstance(scheduler.placement, HeadroomPlace):
        return
    slot_w = float(scheduler.placement.slot)
    left_w = sum(
        max(0.0, held.best_w - sum(_least_w(pool, held.resolved) * (last - first) for pool, first, last in nodes))
        for nodes in held.domains
    )
    lost = np.flatnonzero(table.gpus * slot_w > left_w)
    if len(lost):
        asked = f"{int(table.gpus[lost[0]]):,} GPUs at {slot_w:g} W each (row {int(lost[0])})"
        what = f"{len(lost):,} {'job' if len(lost) == 1 else 'jobs'} of '{workload}' would wait for ever"
        yield path, f"leaves {left_w / W_PER_KW:,.3g} kW with nobody there, and 'headroom' wants {asked}: {what}"


def _serves(table: JobTable, policy: PowerLimits) -> Bools:
    names = table.names.get("kind", ())
    return np.array([*(name in policy.serving for name in names), False], np.bool_)[table.kind]  # UNKNOWN is the last


def _adds_w(label: str, held: _Held, jobs: Jobs, table: JobTable, serves: Bools) -> Floats:
    """W that a GPU of each job adds in a pool, at the lowest cap that the ladder may ask for; (n,)."""
    gpu = held.resolved.gpus.get(label)
    if gpu is None:
        return np.zeros(len(table))
    loaded_w, tdp_w = float(gpu.power.loaded.value), float(gpu.tdp.value)
    active_w = active_watts(jobs.load, table, gpu)
    low_w = np.where(np.isnan(active_w), min(loaded_w, tdp_w), active_w)  # its loads tell, over time
    under_cap = UnderCap(gpu, loaded_w)
    if jobs.load is not None and jobs.load.kind != "nameplate":
        for serving in (False, True):
            whom = {"all", "serving" if serving else "training"}
            caps = [answer for answer in held.spec.answers if isinstance(answer, CapAnswer) and answer.whom in whom]
            floor_w = min([float(answer.floor) * tdp_w for answer in caps], default=np.inf)
            free_w = low_w.copy()
            for watts in np.unique(free_w[(serves == serving) & (free_w > floor_w)]).tolist():
                capped_w = under_cap(watts, floor_w)[1] if floor_w > loaded_w else min(loaded_w, watts)
                low_w[(serves == serving) & (free_w == watts)] = capped_w
    return np.maximum(0.0, low_w - float(gpu.power.idle.value))


def _least_w(pool: str, resolved: Resolved) -> float:
    """W of a node with nobody on it, which may be off."""
    from sim.build.world import rest_w

    machine = resolved.machines[pool]
    sleeps = machine.pool.initially != "on" or machine.pool.idle_timeout is not None
    return float(machine.node.standby.value) if sleeps else rest_w(pool, resolved)
