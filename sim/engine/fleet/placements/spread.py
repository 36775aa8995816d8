"""Where most is free."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.fleet.machines import RANKS, Machines
from sim.engine.fleet.placements.packed import Packed, packed
from sim.engine.fleet.placements.parts import first_pool, part_or_none, room_for
from sim.engine.fleet.request import Place, Places, Request


@dataclass(frozen=True)
class Spread:
    """The emptiest nodes first, so that jobs disturb each other least: one of at most a node's slots on the node with
    most free, equal parts on as many of the emptiest; a bigger one on whole nodes and a rest, as packed ones. A part of
    a slot goes where a slot is whole, on the emptiest node; if none is, as packed ones."""

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room."""
        return first_pool(request, machines, spread)

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether free slots are all that counts: as for packed ones."""
        return Packed().by_count(request, machines, pool)


def spread(request: Request, machines: Machines, pool: int) -> Places | None:
    """On the emptiest nodes of one pool; None where there is no room."""
    if not request.milli and not request.slots:
        return part_or_none(request, machines, pool)
    most = machines.pools[pool].slots
    if request.slots > most and not request.nodes:
        return packed(request, machines, pool)
    count = request.nodes or 1
    each = request.slots // count
    chosen: list[Place] = []
    for rank in RANKS:
        for free in range(most, max(each, 1) - 1, -1):
            for node in machines.with_free(pool, rank, free):
                if request.milli:
                    if node in machines.parts and machines.holds(request, node):
                        return (Place(node, 0, request.milli, machines.whole_slot(node)),)
                elif room_for(request, machines, node, each) >= each:
                    chosen.append(Place(node, each))
                    if len(chosen) == count:
                        return tuple(chosen)
    return part_or_none(request, machines, pool) if request.milli else None
