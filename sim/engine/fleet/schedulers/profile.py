"""What will be free, node by node, over time: for each span the nodes with at least so many free slots, in bits.

The least of several spans is then the intersection of their sets, and what a request takes moves bits down, of any
number of nodes at once.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence

from sim.engine.fleet.machines import AWAY
from sim.engine.fleet.request import WHOLE, Places
from sim.engine.fleet.scheduling import View

Span = tuple[int, int]
"""From an instant until another, not included."""
END_NS = 1 << 100
"""Behind all that may be promised, one after the other, by those who run for ever."""
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
        self._counts = [0]
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
        self._counts = [_count(levels) for levels in self._levels]

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

    def could_start(self, slots: int, takes_ns: int, over: Sequence[Span], before_ns: int) -> bool:
        """Whether anywhere before an instant so many slots are free at once, in a time that meets a span of ``over``.
        If not, ``spans`` gives no start there, whatever is given back from that instant on."""
        for since_ns, until_ns in over:
            first = bisect_right(self._times, since_ns - takes_ns)
            last = bisect_left(self._times, min(until_ns, before_ns))
            if any(count >= slots for count in self._counts[first:last]):
                return True
        return False

    def spans(self, slots: int, takes_ns: int, over: Sequence[Span]) -> Iterator[tuple[int, Levels]]:
        """Starts, the earliest first, from which at least so many slots are free for so long, and where; of those whose
        time meets one of the spans ``over``, which are apart and in order."""
        i = k = 0
        while i < len(self._times):
            at_ns = self._times[i]
            while k < len(over) and over[k][1] <= at_ns:
                k += 1
            if k == len(over):
                return
            if over[k][0] >= at_ns + takes_ns:
                i = max(i + 1, self._at(over[k][0] - takes_ns))
                continue
            if self._counts[i] < slots:
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
            i = j + 1 if self._counts[j] < slots else i + 1

    def _change(self, places: Places, from_ns: int, until_ns: int, *, up: bool) -> None:
        sets = self._sets(places)
        low, high = self._split(from_ns), self._split(until_ns)
        more = sum(place.slots for place in places) * (1 if up else -1)
        for i in range(low, high):
            self._counts[i] += more
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
        self._counts.insert(at + 1, self._counts[at])
        return at + 1


def raised_between(then: Profile, now: Profile) -> Iterator[Span]:
    """Where in time, from the start of ``now`` on, any node has more free slots in it than in ``then``."""
    edges = sorted({*now._times, *(ns for ns in then._times if ns > now._times[0])})
    for since_ns, until_ns in zip(edges, [*edges[1:], END_NS], strict=True):
        before, after = then._levels[max(0, then._at(since_ns))], now._levels[now._at(since_ns)]
        if any(b & ~a for a, b in zip(before[1:], after[1:], strict=True)):
            yield since_ns, until_ns


def _count(levels: Levels) -> int:
    return sum([nodes.bit_count() for nodes in levels[1:]])


def _lowered(levels: Levels, sets: dict[int, int]) -> Levels:
    for slots, nodes in sets.items():
        others, shifted = ~nodes, [*levels[slots + 1 :], *([0] * slots)]
        levels = [levels[0], *[a & others | b & nodes for a, b in zip(levels[1:], shifted, strict=True)]]
    return levels


def _raised(levels: Levels, sets: dict[int, int]) -> Levels:
    for slots, nodes in sets.items():
        others, shifted = ~nodes, [*([levels[0]] * (slots - 1)), *levels[: len(levels) - slots]]
        levels = [levels[0], *[a & others | b & nodes for a, b in zip(levels[1:], shifted, strict=True)]]
    return levels
