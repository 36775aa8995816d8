"""Few racks: gangs where their links are short."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.machines import AWAY, Machines
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.placements.parts import first_pool, fullest, part_or_none
from sim.engine.fleet.request import Place, Places, Request

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Topology:
    """Gangs by the islands that links join: a node, then a rack, then racks. One of at most a node's slots is on one
    node, the fullest that has room. A bigger one takes whole nodes and a rest (equal parts of as many nodes as it asks
    for) of one rack, where one has room: of those the one that keeps least; else of as few as can be, those with most
    room first, and the last of them the one that keeps least. With ``most_racks`` it waits for so few.
    """

    most_racks: int | None = None

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room."""
        return first_pool(request, machines, self._within)

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether free slots are all that counts: as for packed ones."""
        return Packed().by_count(request, machines, pool)

    def _within(self, request: Request, machines: Machines, pool: int) -> Places | None:
        if not request.slots:
            return part_or_none(request, machines, pool)
        size = machines.pools[pool].slots
        if request.slots <= size and not request.nodes:
            node = fullest(request, machines, pool, request.slots)
            return (Place(node, request.slots),) if node is not None else None
        each = request.slots // request.nodes if request.nodes else size
        count, rest = divmod(request.slots, each)
        eligible = _eligible(request, machines, pool, each)
        racks = machines.rack[eligible]
        names, room = np.unique(racks, return_counts=True)
        ways: list[tuple[int, list[Place]]] = []
        for nodes in dict.fromkeys((count, count + (rest > 0))):  # the rest on a node with others, or on one of its own
            chosen = _fewest(names.tolist(), room.tolist(), nodes)
            if chosen is None:
                continue
            places = [Place(node, each) for rack in chosen for node in eligible[racks == rack].tolist()][:count]
            if rest:
                node = _for_rest(request, machines, pool, rest, chosen, [place.node for place in places])
                if node is None:
                    continue
                places.append(Place(node, rest))
            ways.append((len({int(machines.rack[place.node]) for place in places}), places))
        crossed, best = min(ways, key=lambda way: way[0], default=(0, None))
        if best is None or (self.most_racks is not None and crossed > self.most_racks):
            return None
        return tuple(best)


def _eligible(request: Request, machines: Machines, pool: int, each: int) -> Ints:
    """Nodes with so many free slots and what goes with them, the fullest first within those that are on, then on their
    way up, then off."""
    low, high = machines.first[pool], machines.first[pool + 1]
    free, rank = machines.free[low:high], machines.rank[low:high]
    cpu = each * -(-request.cpu_milli // request.slots)
    memory = each * -(-request.memory_mib // request.slots)
    fits = (free >= each) & (rank != AWAY)
    fits &= (machines.cpu_free[low:high] >= cpu) & (machines.memory_free[low:high] >= memory)
    found = np.flatnonzero(fits)
    return found[np.lexsort((found, free[found], rank[found]))] + low


def _fewest(racks: list[int], room: list[int], nodes: int) -> list[int] | None:
    """As few racks as have so many nodes, the fullest that will do for the last of them; None where all are too few."""
    left = dict(zip(racks, room, strict=True))
    if sum(room) < nodes:
        return None
    chosen: list[int] = []
    while nodes > 0:
        enough = [rack for rack, nodes_free in left.items() if nodes_free >= nodes]
        rack = min(enough, key=lambda one: (left[one], one)) if enough else max(left, key=lambda one: (left[one], -one))
        chosen.append(rack)
        nodes -= left.pop(rack)
    return chosen


def _for_rest(
    request: Request, machines: Machines, pool: int, rest: int, racks: list[int], taken: list[int]
) -> int | None:
    """The fullest node with room for the rest, in one of the racks where there is one."""
    found = _eligible(request, machines, pool, rest)
    found = found[~np.isin(found, taken)]
    if not len(found):
        return None
    near = found[np.isin(machines.rack[found], racks)]
    return int((near if len(near) else found)[0])
