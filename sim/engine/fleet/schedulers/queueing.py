"""What happens to those behind one that has no room: it holds them up, or they pass, or they pass if that costs it
nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.reservation import reservation
from sim.engine.fleet.scheduling import Placement, Start, View

Backfill = Literal["none", "easy", "greedy"]
"""Behind the first in the queue that has no room: nobody starts; those who do not delay it; or whoever has room."""


def in_order(queue: Iterator[Request], backfill: Backfill, placement: Placement, view: View) -> Start | None:
    """The next to start of a queue, the first of which comes first."""
    head = next(queue, None)
    if head is None:
        return None
    places = placement.places(head, view.machines)
    if places is not None:
        return Start(head, places)
    if backfill == "none":
        return None
    if backfill == "greedy":
        return first_with_room(queue, placement, view.machines)
    return behind(head, queue, placement, view)


def first_with_room(queue: Iterable[Request], placement: Placement, machines: Machines) -> Start | None:
    """The first that has room."""
    for request in queue:
        if may_have_room(request, machines):
            places = placement.places(request, machines)
            if places is not None:
                return Start(request, places)
    return None


def none_may_start(view: View) -> bool:
    """Whether nobody can have room, as far as slots are counted: the cheap way out of a full fleet."""
    machines = view.machines
    return not any(may_have_room(request, machines) for request in view.waiting)


def may_have_room(request: Request, machines: Machines) -> bool:
    """Whether some pool has as many free slots, wherever they are: cheap, and so asked first."""
    slots, free = request.slots, machines.free_slots
    return any(slots <= free[pool] for pool in request.pools)


def behind(head: Request, queue: Iterable[Request], placement: Placement, view: View) -> Start | None:
    """The first of a queue that has room and does not delay the head, which has none (see ``Easy``)."""
    machines = view.machines
    free = machines.free_slots
    held = None
    looked = False
    by_ns = 0
    for request in queue:
        slots = request.slots
        if not any(slots <= free[pool] for pool in request.pools):
            continue
        places = placement.places(request, machines)
        if places is None:
            continue
        if not looked:  # not before somebody has room: most often nobody has
            held, looked = reservation(head, placement, view), True
            by_ns = held.at_ns - view.now_ns if held is not None else 0
        if held is None or request.asked_ns <= by_ns or held.spares(request, places):
            return Start(request, places)
    return None
