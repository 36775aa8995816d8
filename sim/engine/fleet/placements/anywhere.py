"""Any slots of a pool, as processors of a machine whose nodes do not matter."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.fleet.machines import RANKS, Machines
from sim.engine.fleet.placements.parts import bare, first_pool, on_equal_nodes, part_or_none, room_for
from sim.engine.fleet.request import Place, Places, Request


@dataclass(frozen=True)
class Anywhere:
    """Any slots of one pool: the fullest powered nodes first, then those on their way up, then those to be booted. A
    request on so many nodes takes equal parts of as many; one for part of a slot takes the fullest slot that has it."""

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room."""
        return first_pool(request, machines, anywhere)

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether free slots are all that counts."""
        return bare(request) and not machines.pools[pool].shared


ANYWHERE = Anywhere()


def anywhere(request: Request, machines: Machines, pool: int) -> Places | None:
    """Any slots of one pool; None where they are too few."""
    if not request.slots:
        return part_or_none(request, machines, pool)
    if request.nodes:
        return on_equal_nodes(request, machines, pool)
    constrained = request.cpu_milli or request.memory_mib
    chosen: list[Place] = []
    missing = request.slots
    for rank in RANKS:
        for free in range(1, machines.pools[pool].slots + 1):
            if not constrained:
                whole = machines.first_with(pool, rank, free, -(-missing // free))
                chosen += whole
                missing -= free * len(whole)
                if missing <= 0:
                    chosen[-1] = Place(whole[-1].node, free + missing)
                    return tuple(chosen)
                continue
            for node in machines.with_free(pool, rank, free):
                taken = room_for(request, machines, node, min(free, missing))
                if taken < 1:
                    continue
                chosen.append(Place(node, taken))
                missing -= taken
                if not missing:
                    return tuple(chosen)
    return None
