"""How much is left of every slot of nodes whose slots may be shared, and which nodes have so much left of one.

``left[node]`` has the thousandths of each slot: ``HELD`` where somebody has all of it, undivided. A list is never
changed, but replaced: copies share them.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence

from sim.engine.fleet.request import WHOLE, Place

HELD = -1


class SlotParts:
    """Pools that begin at the nodes ``first``, with so many ``slots`` on each node, 0 where they are not shared."""

    def __init__(self, first: Sequence[int], slots: Sequence[int]) -> None:
        self._first = first
        self.left = {
            node: [WHOLE] * count
            for pool, count in enumerate(slots)
            if count
            for node in range(first[pool], first[pool + 1])
        }
        self._with_part: list[dict[int, int]] = [{} for _ in slots]
        self._lefts: list[list[int]] = [[] for _ in slots]

    def copy(self) -> SlotParts:
        """The same, to be changed on its own."""
        twin = object.__new__(SlotParts)
        twin._first = self._first
        twin.left = self.left.copy()
        twin._with_part = [sets.copy() for sets in self._with_part]
        twin._lefts = [lefts[:] for lefts in self._lefts]
        return twin

    def at_least(self, pool: int, milli: int) -> Iterator[tuple[int, int]]:
        """What is left of slots that somebody has a part of, if it is so much, the least first; and the nodes of the
        pool that have such a slot, as a set of bits."""
        lefts = self._lefts[pool]
        for left in lefts[bisect_left(lefts, milli) :]:
            yield left, self._with_part[pool][left]

    def take(self, pool: int, place: Place) -> bool:
        """Gives a place to somebody; whether a slot that was whole has become one that is shared."""
        parts = self.left[place.node][:]
        left = place.slots
        for i, part in enumerate(parts):
            if not left:
                break
            if part == WHOLE and not (place.milli and i == place.slot):
                parts[i] = HELD
                left -= 1
        was_whole = bool(place.milli) and parts[place.slot] == WHOLE
        if place.milli:
            parts[place.slot] -= place.milli
        self._put(pool, place.node, parts)
        return was_whole

    def give(self, pool: int, place: Place) -> bool:
        """Takes a place back; whether a slot that was shared has become whole again."""
        parts = self.left[place.node][:]
        left = place.slots
        for i in range(len(parts) - 1, -1, -1):
            if not left:
                break
            if parts[i] == HELD:  # which of several is nobody's concern
                parts[i] = WHOLE
                left -= 1
        if place.milli:
            parts[place.slot] += place.milli
        self._put(pool, place.node, parts)
        return bool(place.milli) and parts[place.slot] == WHOLE

    def _put(self, pool: int, node: int, parts: list[int]) -> None:
        """Slots of a node have so much left; the index follows."""
        before, self.left[node] = set(self.left[node]), parts
        after = set(parts)
        bit = 1 << (node - self._first[pool])
        sets, lefts = self._with_part[pool], self._lefts[pool]
        for left in before - after:
            if 0 < left < WHOLE:
                sets[left] ^= bit
                if not sets[left]:
                    del sets[left]
                    del lefts[bisect_left(lefts, left)]
        for left in after - before:
            if 0 < left < WHOLE:
                if left not in sets:
                    insort(lefts, left)
                    sets[left] = 0
                sets[left] |= bit
