"""Workloads of jobs as rows, after a run: each with its stints, and how every job ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.build.built import Built
from sim.engine.fleet.plan import ROW_STATUS
from sim.engine.world import Outcome, Pool
from sim.later import later
from sim.workload.allocations import MILLI
from sim.workload.jobs.batch import ENDS

with later():
    from sim.workload.jobs.batch import Ends, Inventory, batch_of_run


if TYPE_CHECKING:
    from sim.engine.fleet.plan import RowsRecord
    from sim.workload.jobs.batch import Batch


Floats = npt.NDArray[np.float64]

_END = np.array([ENDS.index(name if name in ENDS else "unfinished") for name in ROW_STATUS])
"""The end of a job by the code of its status: whoever comes, waits or runs is unfinished."""


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
