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
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Topology:
    """Gangs by the islands that links join: within a node, a node, then a rack, then racks. One of at most a node's
    slots is on one node, the fullest that has room, of those on which it lies on as few islands as can be. A bigger one
    takes whole nodes and a rest (equal parts of as many nodes as it asks for) of one rack, where one has room: of those
    the one that keeps least; else of as few as can be, those with most room first, and the last of them the one that
    keeps least. With ``most_racks`` it waits for so few.
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
        low = machines.first[pool]
        racks = machines.rack[low : machines.first[pool + 1]]
        fits = _fits(request, machines, pool, each)
        room = np.bincount(racks[fits])
        names = np.flatnonzero(room)
        ways: list[tuple[int, list[Place]]] = []
        for nodes in dict.fromkeys((count, count + (rest > 0))):  # the rest on a node with others, or on one of its own
            chosen = _fewest(names.tolist(), room[names].tolist(), nodes)
            if chosen is None:
                continue
            found = [_fullest_first(np.flatnonzero(fits & (racks == rack)) + low, machines) for rack in chosen]
            places = [Place(node, each) for node in np.concatenate(found).tolist()[:count]]
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


def _fits(request: Request, machines: Machines, pool: int, each: int) -> Flags:
    """Which nodes of a pool have so many free slots and what goes with them."""
    low, high = machines.first[pool], machines.first[pool + 1]
    fits: Flags = (machines.free[low:high] >= each) & (machines.rank[low:high] != AWAY)
    if request.cpu_milli:
        fits &= machines.cpu_free[low:high] >= each * -(-request.cpu_milli // request.slots)
    if request.memory_mib:
        fits &= machines.memory_free[low:high] >= each * -(-request.memory_mib // request.slots)
    return fits


def _fullest_first(nodes: Ints, machines: Machines) -> Ints:
    """Those that are on before those on their way up, then those to be booted; of these the fullest first."""
    return nodes[np.lexsort((nodes, machines.free[nodes], machines.rank[nodes]))]


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
    low = machines.first[pool]
    fits = _fits(request, machines, pool, rest)
    fits[np.array(taken, np.int64) - low] = False
    near = fits & np.isin(machines.rack[low : low + len(fits)], racks)
    found = np.flatnonzero(near if near.any() else fits) + low
    return int(_fullest_first(found, machines)[0]) if len(found) else None
