"""The energy of pools that jobs alone hold, from the log of who held them, and what every job of a run drew."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.accounting.job_tally import JobTally
from sim.accounting.recorder import LedgerRecorder
from sim.build.built import Built
from sim.engine.fleet.logged import FleetNodes, PowerStates
from sim.engine.world import Outcome, Pool, units_of
from sim.later import later
from sim.rng import Streams
from sim.workload.jobs.table import Loads

with later():
    from sim.engine.fleet.metering import meter
    from sim.workload.job_energy import JobsEnergy, labels_of, merged


def energy_of_jobs(
    built: Built, outcome: Outcome, states: PowerStates, recorder: LedgerRecorder, tally: JobTally
) -> JobsEnergy | None:
    """Books what logged pools drew with ``recorder``, and returns what all jobs did; None in a run without any.

    ``tally`` knows what jobs drew elsewhere, ``states`` when nodes of logged pools were not on.
    """
    if outcome.allocations is None:
        return None
    sizes = [len(plan.table) for plan in built.batches]
    loads = loads_of([plan.table.loads for plan in built.batches], sizes)
    nodes = fleet_nodes(built.pools, Streams(built.seed))
    energy = meter(
        outcome.allocations,
        nodes,
        states,
        owners=[plan.name for plan in built.batches],
        owner_of=np.repeat(np.arange(len(sizes)), sizes).astype(np.int64),
        loads=loads,
        end_ns=outcome.end_ns,
        recorder=recorder,
    )
    energy = merged(energy, tally.energy(nodes.pools, energy.edges_ns))
    return JobsEnergy(energy, labels_of([(plan.name, plan.table) for plan in built.batches]))


def fleet_nodes(pools: Sequence[Pool], streams: Streams) -> FleetNodes:
    """The nodes of all pools, in the numbers of a log."""
    hardware = [
        [units_of(pool, i, streams) for i in range(pool.count)] if pool.logged and pool.has_units else [pool.hardware]
        for pool in pools
    ]
    firsts = np.cumsum([0, *(len(kinds) for kinds in hardware)])
    counts = [pool.count for pool in pools]
    kind_of = [
        first + (np.arange(pool.count) if len(kinds) > 1 else np.zeros(pool.count, np.int64))
        for pool, kinds, first in zip(pools, hardware, firsts.tolist(), strict=False)
    ]
    return FleetNodes(
        pools=tuple(pool.name for pool in pools),
        pool_of=np.repeat(np.arange(len(pools)), counts).astype(np.int64),
        hardware=tuple(kind for kinds in hardware for kind in kinds),
        kind_of=np.concatenate(kind_of).astype(np.int64),
        logged=np.repeat(np.array([pool.logged for pool in pools], dtype=np.bool_), counts),
    )


def loads_of(each: Sequence[Loads | None], sizes: Sequence[int]) -> Loads | None:
    """The loads of some tables, one after the other; None where no table has any."""
    if not any(each):
        return None
    if len(each) == 1:  # millions of rows: none is held twice
        return each[0]
    counts = [
        np.diff(one.first) if one is not None else np.zeros(n, np.int64) for one, n in zip(each, sizes, strict=True)
    ]
    there = [one for one in each if one is not None]
    return Loads(
        first=np.concatenate([[0], np.cumsum(np.concatenate(counts))]).astype(np.int64),
        offset_ns=np.concatenate([one.offset_ns for one in there]),
        gpu_w=np.concatenate([one.gpu_w for one in there]),
        cpu_load=np.concatenate([one.cpu_load for one in there]),
    )
