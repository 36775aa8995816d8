"""Who drew what of which pool in which bin: jobs, and each workload for what none of its jobs did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.accounting.conventions import UNALLOCATED
from sim.accounting.ledger import OUTSIDE, Floats, Ledger
from sim.units import SECONDS_PER_NS

if TYPE_CHECKING:
    from sim.workload.job_energy import JobsEnergy


Ints = npt.NDArray[np.int64]

EVERYWHERE = "cpu"
"""The component that every node has, whose slots are the node's."""
ROUNDING = 1e-9
"""Of what a workload drew: what its jobs did not and is smaller is rounding."""
ROUNDED_S = 1e-8
"""Slots x s: a ledger rounds parts of slots to a ns in each row, of which an owner has one a state."""


@dataclass(frozen=True, eq=False)
class Charges:
    """Sparse rows: party, pool, bin, J, slots x s, those at work. A party is one of ``jobs`` (rows of all tables), or,
    counted on from there, one of ``workloads`` for what no job of its drew; ``owner`` is the workload of each row.

    ``metered`` (workloads and nobody, sites, bins) is J by the meters; ``idle_j`` and ``idle_slot_s`` (pools, bins)
    are what nobody held.
    """

    jobs: Ints
    workloads: tuple[str, ...]
    owner_of_party: Ints
    pools: tuple[str, ...]
    sites: tuple[str, ...]
    site_of: Ints
    party: Ints
    owner: Ints
    pool: Ints
    bin: Ints
    energy_j: Floats
    slot_s: Floats
    active_slot_s: Floats
    metered: Floats
    idle_j: Floats
    idle_slot_s: Floats

    @property
    def parties(self) -> int:
        """How many there are."""
        return len(self.jobs) + len(self.workloads)

    @property
    def bins(self) -> int:
        """Of the ledger."""
        return int(self.idle_j.shape[1])


def charges_of(ledger: Ledger, sites: Sequence[str], jobs: JobsEnergy) -> Charges:
    """The rows of all jobs, and what is left of the ledger's, at all ``sites``."""
    energy, labels = jobs.energy, jobs.labels
    inside = ledger.where(lambda key: key.component not in OUTSIDE)
    workloads = tuple(sorted({key.owner for key in ledger.keys} - {UNALLOCATED}))
    site_of = {key.pool: key.site for key in inside.keys}
    pools = tuple(sorted(site_of))
    owner_at = {name: i for i, name in enumerate((*workloads, UNALLOCATED))}
    pool_at = {name: i for i, name in enumerate(pools)}
    bins, nobody = len(ledger.edges_ns) - 1, len(workloads)
    there = np.zeros((3, len(owner_at), len(pools), bins))
    for key, energy_j, slot_ns in zip(inside.keys, inside.energy_j, inside.slot_ns, strict=True):
        at = owner_at[key.owner], pool_at[key.pool]
        there[0][at] += energy_j
        if key.component == EVERYWHERE:
            there[1][at] += slot_ns * SECONDS_PER_NS
            if key.state == "active":
                there[2][at] += slot_ns * SECONDS_PER_NS
    metered = np.zeros((len(owner_at), len(sites), bins))
    site = np.array([sites.index(site_of[pool]) for pool in pools], dtype=np.int64)
    for p, s in enumerate(site.tolist()):
        metered[:, s] += there[0, :, p]
    new = np.ones(len(energy), dtype=bool)
    new[1:] = energy.job[1:] != energy.job[:-1]
    held, party = energy.job[new], np.cumsum(new) - 1
    owner_of_workload = np.array([owner_at.get(name, nobody) for name in labels.names["workload"]], dtype=np.int64)
    owner_of_job = owner_of_workload[labels.workload[held]]
    owner = owner_of_job[party]
    pool = np.array([pool_at.get(name, 0) for name in energy.pools], dtype=np.int64)[energy.pool]
    sums = (energy.energy_j, energy.slot_s, energy.active_slot_s)
    rest = there[:, :nobody].copy()
    place = (owner * len(pools) + pool) * bins + energy.bin
    for left, all_of_it, column, least in zip(rest, there, sums, (0.0, ROUNDED_S, ROUNDED_S), strict=True):
        left -= np.bincount(place, column, left.size).reshape(left.shape)
        left[left <= ROUNDING * all_of_it[:nobody] + least] = 0.0
    rest_owner, rest_pool, rest_bin = np.nonzero(rest.any(axis=0))
    more = rest[:, rest_owner, rest_pool, rest_bin]
    return Charges(
        jobs=held,
        workloads=workloads,
        owner_of_party=np.concatenate([owner_of_job, np.arange(nobody)]),
        pools=pools,
        sites=tuple(sites),
        site_of=site,
        party=np.concatenate([party, len(held) + rest_owner]),
        owner=np.concatenate([owner, rest_owner]),
        pool=np.concatenate([pool, rest_pool]),
        bin=np.concatenate([energy.bin, rest_bin]),
        energy_j=np.concatenate([energy.energy_j, more[0]]),
        slot_s=np.concatenate([energy.slot_s, more[1]]),
        active_slot_s=np.concatenate([energy.active_slot_s, more[2]]),
        metered=metered,
        idle_j=there[0, nobody],
        idle_slot_s=there[1, nobody],
    )
