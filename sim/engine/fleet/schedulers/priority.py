"""By priority, and those of lower priority make room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.making_room import can_make_room, victims
from sim.engine.fleet.schedulers.queueing import Backfill, in_order
from sim.engine.fleet.scheduling import Decision, Placement, Preempt, View
from sim.units import HOUR_NS

Preemption = Literal["none", "lower"]


@dataclass(frozen=True)
class Priority:
    """The highest priority comes first, of equals the one that came first; ``aging_per_h`` is added for each hour since
    it was submitted.

    With preemption, the first that has no room is made room for by those that run at a lower priority, with and without
    aging (so that nobody is driven out only to come back before it): the lowest first, of equals the one that started
    last, and only those that help. They save their state or are killed as their workload says, and wait again. While
    they leave, nobody starts.
    """

    preemption: Preemption
    aging_per_h: float
    backfill: Backfill
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """The first, or whoever must make room for it, or one that may pass it."""
        if not view.waiting:
            return None
        now_ns = view.now_ns

        def key(request: Request) -> tuple[float, int]:
            waited_h = (now_ns - request.submit_ns) / HOUR_NS if self.aging_per_h else 0.0
            return -(request.priority + self.aging_per_h * waited_h), request.seq

        queue = sorted(view.waiting, key=key)
        head = queue[0]
        if self.preemption == "lower" and self.placement.places(head, view.machines) is None:
            lower = [
                one
                for one in view.running
                if one.priority < head.priority and key(one) > key(head) and can_make_room(one)
            ]
            lower.sort(key=lambda one: (one.priority, -(one.started_ns or 0), -one.seq))
            leave = victims(head, lower, self.placement, view)
            if leave is not None:
                return Preempt(leave[0]) if leave else None  # what is given back is for the head
        return in_order(iter(queue), self.backfill, self.placement, view)

    def ask_again_ns(self, _view: View) -> int | None:
        """Ages change the order, but starts need room."""
        return None
