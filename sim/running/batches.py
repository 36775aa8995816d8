"""Workloads of jobs as rows, after a run: each with its stints, and how every job ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sim.build.built import Built
from sim.engine.fleet.logged import FleetNodes, PowerStates
from sim.engine.fleet.metering import meter
from sim.engine.fleet.plan import ROW_STATUS, RowsRecord
from sim.engine.meter import BinnedRecorder
from sim.engine.world import Outcome, Pool
from sim.workload.allocations import MILLI
from sim.workload.job_energy import JobsEnergy, labels_of
from sim.workload.jobs.batch import ENDS, Batch, Ends, Inventory, batch_of_run
from sim.workload.jobs.table import JobTable, Loads

Floats = npt.NDArray[np.float64]

_END = np.array([ENDS.index(name if name in ENDS else "unfinished") for name in ROW_STATUS])
"""The end of a job by the code of its status: whoever comes, waits or runs is unfinished."""


def job_energy(built: Built, outcome: Outcome, recorder: BinnedRecorder) -> JobsEnergy | None:
    """Books what the nodes of logged pools drew; gives what each job did there. None where there are no jobs."""
    if outcome.allocations is None:
        return None
    nodes = inventory(built.pools)
    plans = built.batches
    fleet = FleetNodes(
        pools=tuple(pool.name for pool in built.pools),
        pool_of=nodes.pool,
        hardware=tuple(pool.hardware for pool in built.pools),
        kind_of=nodes.pool,
        logged=np.repeat([pool.logged for pool in built.pools], [pool.count for pool in built.pools]),
    )
    energy = meter(
        outcome.allocations,
        fleet,
        PowerStates.always_on(),
        owners=[plan.name for plan in plans],
        owner_of=np.repeat(np.arange(len(plans)), [len(plan.table) for plan in plans]),
        loads=all_loads([plan.table for plan in plans]),
        end_ns=outcome.end_ns,
        recorder=recorder,
    )
    return JobsEnergy(energy, labels_of([(plan.name, plan.table) for plan in plans]))


def all_loads(tables: Sequence[JobTable]) -> Loads | None:
    """The loads of all tables, one after the other; None where none has any."""
    if all(table.loads is None for table in tables):
        return None
    none = Loads(np.zeros(1, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    first, rows = [np.zeros(1, np.int64)], 0
    found = [table.loads if table.loads is not None else none for table in tables]
    for table, loads in zip(tables, found, strict=True):
        own = loads.first[1:] if table.loads is not None else np.zeros(len(table), np.int64)
        first.append(own + rows)
        rows += len(loads.offset_ns)
    columns = {
        name: np.concatenate([getattr(one, name) for one in found]) for name in ("offset_ns", "gpu_w", "cpu_load")
    }
    return Loads(np.concatenate(first), **columns)


def batches(built: Built, outcome: Outcome, joules: Floats | None) -> tuple[Batch, ...]:
    """All of a run. ``joules`` (jobs,) is the energy of each over all tables, None where it is not known."""
    if outcome.allocations is None:
        return ()
    nodes = inventory(built.pools)
    found = []
    for plan, record in zip(built.batches, outcome.rows, strict=True):
        own = slice(record.first_row, record.first_row + len(plan.table))
        batch = batch_of_run(
            plan.name,
            plan.table,
            outcome.allocations,
            first_row=record.first_row,
            refused=record.status == ROW_STATUS.index("refused"),
            inventory=nodes,
            pools=[*plan.pools],
            end_ns=outcome.end_ns,
            joules=joules[own] if joules is not None else None,
        )
        found.append(replace(batch, ends=_ends(record, len(batch.table), outcome.end_ns)))
    return tuple(found)


def _ends(record: RowsRecord, jobs: int, end_ns: int) -> Ends:
    """How each of the jobs that came ended, as the fleet saw it."""
    ended_ns = record.ended_ns[:jobs]
    return Ends(_END[record.status[:jobs]], np.where(ended_ns >= 0, ended_ns, end_ns))


def inventory(pools: Sequence[Pool]) -> Inventory:
    """The nodes of all pools, in the numbers of a log."""
    counts = [pool.count for pool in pools]
    return Inventory(
        nodes=[f"{pool.name}/{i}" for pool in pools for i in range(pool.count)],
        milli=np.repeat(np.array([pool.hardware.slots * MILLI for pool in pools], np.int64), counts),
        pools=[pool.name for pool in pools],
        pool=np.repeat(np.arange(len(pools)), counts).astype(np.int64),
    )
