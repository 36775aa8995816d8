"""Candidates for one that goes on one node: nodes, and the slots of them that may be shared, in arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.machines import AWAY, Machines
from sim.engine.fleet.request import WHOLE, Request
from sim.engine.fleet.slot_parts import HELD

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """``n`` ways to place a request on one node: ``node`` (n,), ``slot`` (n,) of which it takes a part (-1: none), and
    what is left of each slot there before, ``left`` (n, most slots of a node) in thousandths, 0 where it is held."""

    node: Ints
    slot: Ints
    left: Ints


def candidates(request: Request, machines: Machines, pool: int) -> Candidates:
    """All nodes of a pool that have what a request asks for, those ready soonest alone; where it asks for a part of a
    slot, each slot that has it, one of several that are alike."""
    if request.milli and not machines.pools[pool].shared:
        nothing = np.empty(0, np.int64)
        return Candidates(nothing, nothing, np.empty((0, machines.pools[pool].slots), np.int64))
    low, high = machines.first[pool], machines.first[pool + 1]
    rank = machines.rank[low:high]
    fits = (rank != AWAY) & (machines.free[low:high] >= request.slots)
    fits &= machines.cpu_free[low:high] >= request.cpu_milli
    fits &= machines.memory_free[low:high] >= request.memory_mib
    left = lefts(machines, pool)
    room = left >= request.milli
    if request.milli and machines.pools[pool].sharing is not None:
        shared = room & (left < WHOLE) & fits[:, None]
        for i, k in np.argwhere(shared).tolist():
            room[i, k] = machines.shares(low + i, k, request.milli)
    if request.milli:
        fits &= room.any(axis=1)
    if fits.any():
        fits &= rank == rank[fits].min()
    nodes = np.flatnonzero(fits)
    if not request.milli:
        return Candidates(nodes + low, np.full(len(nodes), -1), left[nodes])
    own, has_room = left[nodes], room[nodes]
    first_alike = np.ones(own.shape, bool)
    for i in range(1, own.shape[1]):
        first_alike[:, i] = ((own[:, :i] != own[:, i : i + 1]) | ~has_room[:, :i]).all(axis=1)
    at, slot = np.nonzero(has_room & first_alike)
    return Candidates(nodes[at] + low, slot, own[at])


def lefts(machines: Machines, pool: int) -> Ints:
    """What is left of each slot of each node of a pool, (nodes, slots) in thousandths; 0 where it is held. Of slots
    that are not shared the first so many are free."""
    shape = machines.pools[pool]
    nodes = machines.of_pool(pool)
    if shape.shared:
        left = np.array([machines.parts[node] for node in nodes], np.int64).reshape(shape.count, shape.slots)
        return np.where(left == HELD, 0, left)
    free = machines.free[nodes.start : nodes.stop]
    return np.where(np.arange(shape.slots)[None, :] < free[:, None], WHOLE, 0)


def taken(request: Request, found: Candidates) -> Ints:
    """What would be left of each slot afterwards, of the same shape as ``found.left``: whole slots are the first."""
    after = found.left.copy()
    if request.milli:
        after[np.arange(len(after)), found.slot] -= request.milli
        return after
    whole = found.left == WHOLE
    after[whole & (np.cumsum(whole, axis=1) <= request.slots)] = 0
    return after
