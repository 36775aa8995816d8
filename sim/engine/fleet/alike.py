"""Requests that are alike and come in one instant, decided at once: each gets the places that it would have been given,
had the scheduler been asked for one after the other."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from sim.engine.fleet.machines import ON, Ints, Machines
from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.parts import bare
from sim.engine.fleet.request import Place, Places, Request
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.scheduling import Scheduler

_place: Callable[[tuple[Any, ...]], Place] = partial(tuple.__new__, Place)  # in a third of the time


def starts_who_has_room(scheduler: Scheduler) -> bool:
    """Whether a scheduler starts one that comes while nobody waits as soon as any slots are free for it, and else does
    nothing."""
    return type(scheduler) in (FirstCome, Easy) and type(getattr(scheduler, "placement", None)) is Anywhere


class PlacesOfAll(NamedTuple):
    """Places (P,) of so many ``requests`` in their order, and of each its places in theirs: whose it is, its node in
    the fleet, and how many slots."""

    requests: int
    whose: Ints
    node: Ints
    slots: Ints

    def each(self) -> list[Places]:
        """The places of each."""
        found: list[Places] = [()] * self.requests
        for at, on, taken in zip(self.whose.tolist(), self.node.tolist(), self.slots.tolist(), strict=True):
            found[at] += (_place((on, taken, 0, -1)),)
        return found


def places_of_all(request: Request, count: int, machines: Machines) -> PlacesOfAll | None:
    """Places of ``count`` requests like ``request``, by ``Anywhere``, one after the other. None where nodes that are on
    have no room for all, or where more than free slots counts.

    Of nodes that are on, the fullest comes first, and of those equally full the first. Who takes some of the slots of
    one leaves it fuller than all others. So whatever each asks for, they take slots in one order: by how many are free
    on a node, then by its number.
    """
    pool = request.pools[0]
    if len(request.pools) > 1 or not bare(request) or machines.pools[pool].shared:
        return None
    low, high = machines.first[pool], machines.first[pool + 1]
    free = np.where(machines.rank[low:high] == ON, machines.free[low:high], 0)
    slots, asked = request.slots, request.slots * count
    if free.sum() < asked:
        return None
    nodes = np.flatnonzero(free)
    nodes = nodes[np.argsort(free[nodes], kind="stable")]
    upto = np.cumsum(free[nodes])
    edges = np.union1d(upto[upto < asked], np.arange(1, count + 1) * slots)
    begin = np.concatenate([[0], edges[:-1]])
    node = low + nodes[np.searchsorted(upto, begin, side="right")]
    return PlacesOfAll(count, begin // slots, node, edges - begin)
