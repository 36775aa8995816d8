"""When one that waits will have room, if all who run end when their users said; and who may start before it and leave
it its room.

Where free slots are all that counts, slots are counted; else the machines are imagined as they will be then.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from typing import Protocol

from sim.engine.fleet.machines import AWAY, Machines
from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.scheduling import Placement, View


class Reservation(Protocol):
    """Room for one request from ``at_ns`` on."""

    @property
    def at_ns(self) -> int: ...

    def spares(self, held_by: Request, places: Places) -> bool:
        """Whether there would be room all the same if a request still had these places then."""


def reservation(head: Request, placement: Placement, view: View) -> Reservation | None:
    """Room for ``head``, which has none now, at the earliest time at which there is some; None where there is none
    even when all have ended, since nodes are broken.

    Whoever runs past its end is taken to end in the next ns. All that end at the same time have ended.
    """
    if all(placement.by_count(head, view.machines, pool) for pool in head.pools):
        return _counted(head, view)
    return _imagined(head, placement, view)


@dataclass(frozen=True)
class Counted:
    """``spare`` slots beyond what the head needs, by the pools it may stand in; below zero where they are too few."""

    at_ns: int
    spare: dict[int, int]
    machines: Machines

    def spares(self, _held_by: Request, places: Places) -> bool:
        """Whether in some pool enough is left."""
        held_in = self.machines.pool_of[places[0].node]
        slots = sum(place.slots for place in places)
        return any(spare >= (slots if pool == held_in else 0) for pool, spare in self.spare.items())


def _counted(head: Request, view: View) -> Counted | None:
    machines = view.machines
    spare = {pool: machines.free_slots[pool] - head.slots for pool in head.pools}
    at_ns: int | None = None
    for due_ns, pool, request in _ends(head, view):
        if at_ns is not None and due_ns > at_ns:
            break
        spare[pool] += sum(place.slots for place in request.places if machines.rank[place.node] != AWAY)
        if spare[pool] >= 0:
            at_ns = due_ns
    return Counted(at_ns, spare, machines) if at_ns is not None else None


def _ends(head: Request, view: View) -> Iterator[tuple[int, int, Request]]:
    """When who gives back what of which pool, soonest first."""
    soonest_ns = view.now_ns + 1

    def of(pool: int) -> Iterator[tuple[int, int, Request]]:
        for due_ns, _, request in view.ends(pool):
            yield max(soonest_ns, due_ns), pool, request

    if len(head.pools) == 1:
        return of(head.pools[0])
    return merge(*(of(pool) for pool in head.pools), key=lambda end: end[0])


@dataclass(frozen=True)
class Imagined:
    """The machines as they will be, and who is to have room there."""

    at_ns: int
    machines: Machines
    head: Request
    placement: Placement

    def spares(self, held_by: Request, places: Places) -> bool:
        """Whether the head has room beside it."""
        self.machines.imagine_taken(held_by, places)
        room = self.placement.places(self.head, self.machines) is not None
        self.machines.imagine_given(held_by, places)
        return room


def _imagined(head: Request, placement: Placement, view: View) -> Imagined | None:
    """By steps that double and then halve: whoever has room keeps it as more comes free."""
    ends = list(_ends(head, view))
    groups = [i for i in range(len(ends)) if i + 1 == len(ends) or ends[i + 1][0] > ends[i][0]]
    low, low_machines = -1, view.machines  # no room after group ``low``
    step = 1
    while True:
        high = min(low + step, len(groups) - 1)
        if high == low:
            return None
        machines = _after(low_machines, ends, groups, low, high)
        if placement.places(head, machines) is not None:
            break
        low, low_machines, step = high, machines, 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        between = _after(low_machines, ends, groups, low, middle)
        if placement.places(head, between) is not None:
            high, machines = middle, between
        else:
            low, low_machines = middle, between
    return Imagined(ends[groups[high]][0], machines, head, placement)


def _after(
    machines: Machines, ends: list[tuple[int, int, Request]], groups: list[int], low: int, high: int
) -> Machines:
    """The machines once the groups of ends after ``low`` up to ``high`` have come."""
    imagined = machines.copy()
    for _, _, request in ends[groups[low] + 1 if low >= 0 else 0 : groups[high] + 1]:
        imagined.imagine_given(request, request.places)
    return imagined
