"""Islands within nodes: GPUs that a faster link joins than joins all of the node (pairs by a bridge, boards of four).

A node's free slots are counted by island, and who holds slots of a node holds them of certain islands until it gives
them back. Of which is a rule, not a choice: all of the island that keeps least, where one has room for all; else of as
few as can be, the emptiest first, and the rest of the one that keeps least. Nodes are chosen by placements.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from sim.engine.fleet.request import Place, Request


def split(free: Sequence[int], slots: int) -> tuple[int, ...]:
    """How many of so many ``slots`` are taken of each island with ``free`` ones, which are enough."""
    taken, left = [0] * len(free), list(free)
    while slots:
        enough = [i for i, there in enumerate(left) if there >= slots]
        i = min(enough, key=lambda k: (left[k], k)) if enough else max(range(len(left)), key=lambda k: (left[k], -k))
        taken[i] = min(slots, left[i])
        slots -= taken[i]
        left[i] = 0
    return tuple(taken)


class Islands:
    """Free slots by island of every node that has several, and who holds which. Lists are replaced, never changed:
    copies share them."""

    def __init__(self, first: Sequence[int], slots: Sequence[int], island_slots: Sequence[int]) -> None:
        """Pools that begin at the nodes ``first``, with so many ``slots`` on each node and on each of its islands (0:
        all are one)."""
        self._size = {
            node: size for pool, size in enumerate(island_slots) if size for node in range(first[pool], first[pool + 1])
        }
        self._first, self._slots = first, slots
        self.free = {node: [size] * (slots[self._pool(node)] // size) for node, size in self._size.items()}
        self._held: dict[tuple[Request, int], tuple[int, ...]] = {}

    def _pool(self, node: int) -> int:
        return bisect_right(self._first, node) - 1

    def copy(self) -> Islands:
        """The same, to be changed on its own."""
        twin = object.__new__(Islands)
        twin._size, twin._first, twin._slots = self._size, self._first, self._slots
        twin.free, twin._held = self.free.copy(), self._held.copy()
        return twin

    def more_than_needed(self, node: int, slots: int) -> int:
        """How many islands so many free slots of a node would be of beyond those that as many need."""
        if node not in self.free:
            return 0
        return sum(1 for part in split(self.free[node], slots) if part) - -(-slots // self._size[node])

    def take(self, request: Request, places: Iterable[Place]) -> None:
        """Gives places to a request, which holds nothing of their nodes."""
        for place in places if self.free else ():
            if place.node in self.free:
                free = self.free[place.node]
                taken = self._held[request, place.node] = split(free, place.slots)
                self.free[place.node] = [have - part for have, part in zip(free, taken, strict=True)]

    def give(self, request: Request, places: Iterable[Place]) -> None:
        """Takes them back."""
        for place in places if self.free else ():
            if place.node in self.free:
                taken = self._held.pop((request, place.node))
                free = self.free[place.node]
                self.free[place.node] = [have + part for have, part in zip(free, taken, strict=True)]

    def held(self, request: Request, node: int) -> tuple[int, ...]:
        """What it has of each island of a node that has several."""
        return self._held[request, node]

    def straddles(self, request: Request) -> bool:
        """Whether one that runs lies on more islands than its slots need."""
        places = request.places
        return bool(places) and places[0].node in self.free and self._on(request) > self._needs(request)

    def straddles_one(self, request: Request) -> bool:
        """The same of one that one island could hold."""
        return self.straddles(request) and self._needs(request) == 1

    def _on(self, request: Request) -> int:
        return sum(1 for place in request.places for part in self._held[request, place.node] if part)

    def _needs(self, request: Request) -> int:
        return -(-sum(place.slots for place in request.places) // self._size[request.places[0].node])

    def imagine(self, first: int, free: Sequence[int]) -> None:
        """So many slots of nodes from ``first`` on are free, of as few islands as can be: only for copies."""
        for node, slots in enumerate(free, start=first) if first in self.free else ():
            size = self._size[node]
            self.free[node] = [min(size, max(0, slots - i * size)) for i in range(len(self.free[node]))]
