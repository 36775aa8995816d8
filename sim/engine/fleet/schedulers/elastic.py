"""Elastic jobs, which grow into what is free and shrink to let others in (after Qiao et al., "Pollux", OSDI 2021, with
speed-up curves that are stated, not learnt)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from heapq import heapify, heapreplace

from sim.engine.fleet.machines import ON, Machines
from sim.engine.fleet.placements.anywhere import ANYWHERE, anywhere
from sim.engine.fleet.request import Place, Places, Request
from sim.engine.fleet.scheduling import Decision, Placement, Resize, Start, View


@dataclass(frozen=True)
class Elastic:
    """First come first served. The head starts with what it asks for; where that has no room, with as many slots as
    there are, of those that it may have. Where even its least has no room, elastic jobs that run make some: those give
    slots first that lose least speed by it, if all together can give enough.

    When nobody waits, every ``every_ns`` the slots of each pool that are free or held by elastic jobs are dealt anew:
    each has its least, and slot after slot goes to the job that gains most speed by it, as long as somebody gains. That
    is the best there is where speed-up curves are concave. ``speed_up`` counts relative to what a job asks for. A job
    that has no curve, or asks for nodes, keeps its size. What a change costs is up to the workload, and is not weighed:
    ``every_ns`` says how often one may come.
    """

    every_ns: int
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """A start, or somebody who shrinks for it; else, from time to time, better sizes."""
        if view.waiting:
            head = view.waiting[0]
            places = self._start(head, view)
            if places is not None:
                return Start(head, places)
            return _make_room(head, view)
        if view.now_ns % self.every_ns == 0:
            return _deal(view)
        return None

    def ask_again_ns(self, view: View) -> int | None:
        """At the next time for better sizes, while there is somebody to have one."""
        if any(resizable(one) for one in view.running):
            return (view.now_ns // self.every_ns + 1) * self.every_ns
        return None

    def _start(self, head: Request, view: View) -> Places | None:
        places = self.placement.places(head, view.machines)
        if places is not None or not stretches(head):
            return places
        most = min(head.slots - 1, max(view.machines.free_slots[pool] for pool in head.pools))
        for slots in range(most, head.least - 1, -1):
            places = self.placement.places(sized(head, slots), view.machines)
            if places is not None:
                return places
        return None


def stretches(request: Request) -> bool:
    """Whether a request may have another number of slots than it asks for."""
    return request.elastic and request.speed_up is not None and not request.nodes and request.gang is None


def resizable(request: Request) -> bool:
    """Whether one that runs may change its size."""
    return stretches(request) and not request.leaving and request.started_ns is not None


def sized(request: Request, slots: int) -> Request:
    """The same request for so many slots."""
    other = copy(request)
    other.slots = slots
    return other


def speed(request: Request, slots: int) -> float:
    """Its rate of work on so many slots, relative to what it asks for."""
    assert request.speed_up is not None
    return request.speed_up(slots, request.slots)


def _make_room(head: Request, view: View) -> Resize | None:
    """The next to shrink so that the head can start with its least; None where that would not help."""
    least = head.least if stretches(head) else head.slots
    for pool in head.pools:
        missing = least - view.machines.free_slots[pool]
        running = [one for one in view.running if resizable(one) and _pool(one, view) == pool]
        if missing <= 0 or sum(max(0, one.held_slots - one.least) for one in running) < missing:
            continue
        held = {one: one.held_slots for one in running}
        for _ in range(missing):
            one = min(
                (one for one in running if held[one] > one.least),
                key=lambda one: (speed(one, held[one]) - speed(one, held[one] - 1), -one.seq),
            )
            held[one] -= 1
        shrinks = next(one for one in running if held[one] < one.held_slots)
        return Resize(shrinks, fewer(shrinks.places, shrinks.held_slots - held[shrinks]))
    return None


def _deal(view: View) -> Resize | None:
    """The next change of size on the way to the best sizes: those who give come first."""
    for pool in range(len(view.machines.pools)):
        running = [one for one in view.running if resizable(one) and _pool(one, view) == pool]
        if not running:
            continue
        total = sum(one.held_slots for one in running) + view.machines.free_slots[pool]
        sizes = best_sizes(running, total)
        for one in running:
            if sizes[one] < one.held_slots:
                return Resize(one, fewer(one.places, one.held_slots - sizes[one]))
        for one in running:
            grown = more(one, sizes[one] - one.held_slots, view.machines, pool) if sizes[one] > one.held_slots else None
            if grown is not None:
                return Resize(one, grown)
    return None


def best_sizes(requests: Sequence[Request], total: int) -> dict[Request, int]:
    """So many slots dealt to requests: each its least, then slot after slot to whoever gains most; of equals, to the
    one that came first. ``total`` is no less than the sum of the least."""
    sizes = {one: one.least for one in requests}
    left = total - sum(sizes.values())

    def gain(one: Request) -> float:
        size = sizes[one]
        return speed(one, size + 1) - speed(one, size) if size < one.most else 0.0

    heap = [(-gain(one), one.seq, one) for one in requests]
    heapify(heap)
    while left > 0 and heap[0][0] < 0.0:
        one = heap[0][2]
        sizes[one] += 1
        left -= 1
        heapreplace(heap, (-gain(one), one.seq, one))
    return sizes


def fewer(places: Places, slots: int) -> Places:
    """Without so many slots, those on the nodes with fewest of its slots first."""
    kept: list[Place] = []
    for place in sorted(places, key=lambda place: (place.slots, -place.node)):
        given = min(slots, place.slots)
        slots -= given
        if place.slots > given:
            kept.append(Place(place.node, place.slots - given))
    return tuple(sorted(kept))


def more(request: Request, slots: int, machines: Machines, pool: int) -> Places | None:
    """With so many slots more, on its own nodes first; None where there are too few, or not what goes with them."""
    held = {place.node: place.slots for place in request.places}
    for node in held:
        here = min(slots, int(machines.free[node])) if machines.rank[node] == ON else 0
        held[node] += here
        slots -= here
    if slots:
        imagined = machines.copy()
        imagined.imagine_given(request, request.places)
        imagined.imagine_taken(request, tuple(Place(node, taken) for node, taken in held.items()))
        bare = sized(request, slots)
        bare.cpu_milli, bare.memory_mib = 0, 0
        added = anywhere(bare, imagined, pool)
        if added is None:
            return None
        for place in added:
            held[place.node] = held.get(place.node, 0) + place.slots
    places = tuple(Place(node, taken) for node, taken in sorted(held.items()))
    without = machines.copy()
    without.imagine_given(request, request.places)
    return places if without.has_room(request, places) else None


def _pool(request: Request, view: View) -> int:
    return view.machines.pool_of[request.places[0].node]
