"""What will be free, node by node, over time: for each span the nodes with at least so many free slots, in bits.

The least of several spans is then the intersection of their sets, and what a request takes moves bits down, of any
number of nodes at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator

from sim.engine.fleet.machines import AWAY
from sim.engine.fleet.request import WHOLE, Places
from sim.engine.fleet.scheduling import View

Levels = list[int]
"""By a number of slots (from 1; at 0 are all nodes): the nodes with at least so many free."""


class Profile:
    """One pool from now on: whoever runs gives back when its user said, who is late in the next ns. Slots that are
    shared are free once nobody has a part of them."""

    def __init__(self, view: View, pool: int) -> None:
        machines = view.machines
        self._first = machines.first[pool]
        most = machines.pools[pool].slots
        everywhere = (1 << machines.pools[pool].count) - 1
        self._times = [view.now_ns]
        self._levels = [[everywhere, *(machines.with_room(pool, slots) for slots in range(1, most + 1))]]
        parts: dict[tuple[int, int], int] = {}
        for due_ns, _, request in view.ends(pool):
            back: dict[int, int] = {}
            for place in request.places:
                node, slots = place.node, place.slots
                if place.milli:
                    left = parts.get((node, place.slot), machines.parts[node][place.slot]) + place.milli
                    parts[node, place.slot] = left
                    slots += left == WHOLE
                if slots and machines.rank[node] != AWAY:
                    back[slots] = back.get(slots, 0) | 1 << (node - self._first)
            if back:
                at = self._split(max(due_ns, view.now_ns + 1))
                self._levels[at] = _raised(self._levels[at], back)

    def reserve(self, places: Places, from_ns: int, until_ns: int) -> None:
        """Takes these places for this span."""
        self._change(places, from_ns, until_ns, up=False)

    def give_up(self, places: Places, from_ns: int, until_ns: int) -> None:
        """Gives back what was reserved."""
        self._change(places, from_ns, until_ns, up=True)

    def allows(self, places: Places, from_ns: int, until_ns: int) -> bool:
        """Whether these places are free over all of a span."""
        free = self._least(self._at(from_ns), until_ns)
        return all(nodes & ~free[slots] == 0 for slots, nodes in self._sets(places).items())

    def spans(self, slots: int, takes_ns: int) -> Iterator[tuple[int, Levels]]:
        """Starts, the earliest first, from which at least so many slots are free for so long, and where."""
        i = 0
        while i < len(self._times):
            if _count(self._levels[i]) < slots:
                i += 1
                continue
            until_ns = self._times[i] + takes_ns
            free = self._levels[i]
            j = i + 1
            while j < len(self._times) and self._times[j] < until_ns:
                free = [a & b for a, b in zip(free, self._levels[j], strict=True)]
                if _count(free) < slots:
                    break
                j += 1
            else:
                yield self._times[i], free
                i += 1
                continue
            i = j + 1 if _count(self._levels[j]) < slots else i + 1

    def _change(self, places: Places, from_ns: int, until_ns: int, *, up: bool) -> None:
        sets = self._sets(places)
        low, high = self._split(from_ns), self._split(until_ns)
        for i in range(low, high):
            self._levels[i] = _raised(self._levels[i], sets) if up else _lowered(self._levels[i], sets)

    def _sets(self, places: Places) -> dict[int, int]:
        sets: dict[int, int] = defaultdict(int)
        for place in places:
            sets[place.slots] |= 1 << (place.node - self._first)
        return sets

    def _least(self, i: int, until_ns: int) -> Levels:
        free = self._levels[i]
        for j in range(i + 1, bisect_left(self._times, until_ns)):
            free = [a & b for a, b in zip(free, self._levels[j], strict=True)]
        return free

    def _at(self, ns: int) -> int:
        return bisect_right(self._times, ns) - 1

    def _split(self, ns: int) -> int:
        """The span that begins then, which may have been part of a longer one."""
        at = self._at(ns)
        if self._times[at] == ns:
            return at
        self._times.insert(at + 1, ns)
        self._levels.insert(at + 1, self._levels[at])
        return at + 1


def _count(levels: Levels) -> int:
    return sum(nodes.bit_count() for nodes in levels[1:])


def _lowered(levels: Levels, sets: dict[int, int]) -> Levels:
    for slots, nodes in sets.items():
        shifted = [*levels[slots:], *([0] * slots)]
        levels = [levels[0], *(a & ~nodes | b & nodes for a, b in zip(levels[1:], shifted[1:], strict=True))]
    return levels


def _raised(levels: Levels, sets: dict[int, int]) -> Levels:
    for slots, nodes in sets.items():
        shifted = [*([levels[0]] * slots), *levels[: len(levels) - slots]]
        levels = [levels[0], *(a & ~nodes | b & nodes for a, b in zip(levels[1:], shifted[1:], strict=True))]
    return levels
