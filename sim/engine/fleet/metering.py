"""The energy of jobs from the log that their run left: booked as nodes with meters of their own would have.

``metering_plain`` says how, node by node; ``metering_kernel`` is compiled, and does a million jobs in seconds. A small
log is not worth loading a compiler for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.engine.fleet.logged import FleetNodes, Ints, LoggedRun, PowerStates, logged
from sim.engine.fleet.metering_plain import fold_plainly
from sim.engine.kernels.loading import METERING, is_at_hand, loaded
from sim.engine.metering.meter import BinnedRecorder
from sim.workload.allocations import Allocations
from sim.workload.job_energy import JobEnergy
from sim.workload.jobs.table import Loads

MOST_PLAIN = 4000
"""Pieces of a log, as ``pieces`` counts them, up to which it is folded plainly: a tenth of a second or two."""


def meter(
    log: Allocations,
    nodes: FleetNodes,
    states: PowerStates,
    *,
    owners: Sequence[str],
    owner_of: Ints,
    loads: Loads | None,
    end_ns: int,
    recorder: BinnedRecorder,
) -> JobEnergy:
    """Books every joule of ``nodes`` from 0 to ``end_ns`` with ``recorder``, and returns what each job drew.

    ``owner_of`` (jobs,) are codes into ``owners``, the names that jobs are booked under; ``loads`` are those of the
    same jobs. No node may be over-allocated. Energy is exact to rounding, slots times time to the ns.
    """
    run = logged(log, nodes, states, owners=owners, owner_of=owner_of, loads=loads, end_ns=end_ns)
    cut = any(kind.gpu_slots > 1 for kind in nodes.hardware)  # rest power by what else is held of a GPU: plainly alone
    if cut or pieces(run) <= MOST_PLAIN or not is_at_hand(METERING):
        return fold_plainly(run, recorder)
    return fold_compiled(run, recorder)


def pieces(run: LoggedRun) -> int:
    """About how many times a node begins to draw something else."""
    log, loads = run.log, run.loads
    changes = np.diff(log.first_pace) + (loads.first[log.job + 1] - loads.first[log.job])
    return int((np.diff(log.first_place) * changes).sum()) + 2 * int(run.nodes.logged.sum()) + len(run.states.node)


def fold_compiled(run: LoggedRun, recorder: BinnedRecorder) -> JobEnergy:
    """Books what a log says was drawn, by the compiled fold."""
    from sim.engine.fleet.metering_columns import Families, books_for, energy_of_jobs, hand_over, memory_of

    families = Families(run.nodes)
    books = books_for(run, families, recorder.edges_ns(run.end_ns))
    memory, _kept = memory_of(run, families, books)
    loaded(METERING)(memory.address)
    hand_over(books, families, run.owners, recorder)
    return energy_of_jobs(books, run)
