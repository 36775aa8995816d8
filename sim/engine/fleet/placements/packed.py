"""On as few nodes as can be."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.fleet.machines import ON, RANKS, Machines
from sim.engine.fleet.placements.parts import bare, first_pool, fullest, on_equal_nodes, part_or_none, room_for
from sim.engine.fleet.request import Place, Places, Request


@dataclass(frozen=True)
class Packed:
    """On as few nodes as can be: one of at most a node's slots on one node, the fullest that has room; a bigger one on
    whole nodes, and what is left of it on the fullest node that has room. Nodes that are on come first, then those on
    their way up, then those to be booted; of equals the first in the scenario. A request on so many nodes takes equal
    parts of as many; one for part of a slot takes the fullest slot that has it. Where nodes have several islands, one
    on which it lies on no more of them than it needs comes before a fuller one.

    It waits where no node has room for its part, whatever is free elsewhere.
    """

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room."""
        return first_pool(request, machines, packed)

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether free slots are all that counts: only of single ones."""
        shape = machines.pools[pool]
        return bare(request) and not shape.shared and (request.slots == 1 or shape.slots == 1)


def packed(request: Request, machines: Machines, pool: int) -> Places | None:
    """On as few nodes of one pool as can be; None where there is no room."""
    if not request.slots:
        return part_or_none(request, machines, pool)
    if request.nodes:
        return on_equal_nodes(request, machines, pool)
    size = machines.pools[pool].slots
    if request.slots <= size:
        node = fullest(request, machines, pool, request.slots)
        return (Place(node, request.slots),) if node is not None else None
    whole, rest = divmod(request.slots, size)
    chosen = empty_nodes(request, machines, pool, whole + 1)
    if len(chosen) < whole:
        return None
    places = tuple(Place(node, size) for node in chosen[:whole])
    if not rest:
        return places
    node = fullest(request, machines, pool, rest, size - 1)
    spare = chosen[whole] if len(chosen) > whole else None
    if node is None or (spare is not None and machines.rank[node] != ON and machines.rank[spare] == ON):
        node = spare
    return (*places, Place(node, rest)) if node is not None else None


def empty_nodes(request: Request, machines: Machines, pool: int, most: int) -> list[int]:
    """Up to so many nodes of which all slots are free, and that have what goes with them."""
    size = machines.pools[pool].slots
    chosen: list[int] = []
    for rank in RANKS:
        for node in machines.with_free(pool, rank, size):
            if room_for(request, machines, node, size) >= size:
                chosen.append(node)
                if len(chosen) == most:
                    return chosen
    return chosen
