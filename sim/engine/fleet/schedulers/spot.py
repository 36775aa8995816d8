"""Spot jobs: in what all others leave, and gone at once when one of these wants it."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.schedulers.making_room import can_make_room
from sim.engine.fleet.schedulers.queueing import first_with_room
from sim.engine.fleet.schedulers.seen import Seen
from sim.engine.fleet.scheduling import Decision, Placement, Preempt, Scheduler, Start, View


@dataclass(frozen=True)
class Spot:
    """``regular`` decides for all that are not spot, as if no spot job were there. One that it starts has room by the
    placement beside the spot jobs, or those in its way make room, the one that started last first, and only as many as
    help.

    Spot jobs start in the order in which they came, whoever has room, once ``regular`` has nothing to start; not while
    others make room.
    """

    regular: Scheduler
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """What the scheduler of the others wants, then spot jobs."""
        holders = [one for one in view.running if one.spot]
        wanted = self.regular.next(self._without(holders, view))
        if isinstance(wanted, Start) and holders:
            beside = self.placement.places(wanted.request, view.machines)
            if beside is not None:
                return Start(wanted.request, beside)
            return _make_room(wanted.request, wanted.places, holders, view)
        if wanted is not None:
            return wanted
        spot = [request for request in view.waiting if request.spot]
        return first_with_room(spot, self.placement, view.machines)

    def ask_again_ns(self, view: View) -> int | None:
        """When the scheduler of the others wants to be."""
        return self.regular.ask_again_ns(self._without([one for one in view.running if one.spot], view))

    def _without(self, holders: list[Request], view: View) -> Seen:
        others = [request for request in view.waiting if not request.spot]
        if not holders:
            return Seen(view, others, view.machines)
        machines = view.machines.copy()
        for one in holders:
            machines.imagine_given(one, one.places)
        return Seen(view, others, machines, frozenset(holders))


def _make_room(request: Request, places: Places, holders: list[Request], view: View) -> Preempt | None:
    """The next to leave, of those in the way at these places; None once all that must have been told."""
    machines = view.machines.copy()
    for one in holders:
        if one.leaving:
            machines.imagine_given(one, one.places)
    wanted = {place.node for place in places}
    for one in sorted(holders, key=lambda one: (-(one.started_ns or 0), -one.seq)):
        if machines.has_room(request, places):
            return None
        if can_make_room(one) and any(place.node in wanted for place in one.places):
            return Preempt(one)
    return None
