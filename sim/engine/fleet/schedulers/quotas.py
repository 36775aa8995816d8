"""Queues with quotas that borrow from each other, in the way of Kueue (https://kueue.sigs.k8s.io/docs/concepts/cluster_queue,
read 2025): cohorts of queues, nominal quotas, limits of borrowing, and quota that is taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import WHOLE, Request
from sim.engine.fleet.schedulers.making_room import can_make_room, victims
from sim.engine.fleet.scheduling import Decision, Placement, Preempt, Start, View

Reclaim = Literal["never", "lower-priority", "any"]
"""From whom of a queue that borrows, quota is taken back: nobody, jobs of lower priority, or all."""
Within = Literal["strict", "passing"]
"""Whether the first of a queue holds up those behind it in that queue."""


@dataclass(frozen=True)
class Quota:
    """``nominal`` slots are a queue's own; it may hold up to ``borrow`` more, of those that the others of its cohort do
    not use."""

    name: str
    nominal: int
    borrow: int
    cohort: str


@dataclass(frozen=True)
class Quotas:
    """In each queue the highest priority comes first, then the one that came first. It is admitted if its queue then
    holds no more than its nominal quota and what it may borrow, and its cohort no more than the nominal quotas of all
    its queues. Of those that may be admitted, those who need not borrow come first, then the highest priority, then the
    one that came first.

    One that stays within the nominal quota of its queue, and has no room for what others have borrowed, takes it back:
    jobs of queues that hold more than their own make room, of the lowest priority and the last start first, as long as
    these queues hold more than their own. Nobody else starts while they leave. ``others`` is the quota that all queues
    without one have together.
    """

    queues: tuple[Quota, ...]
    others: Quota
    reclaim: Reclaim
    within: Within
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """Who is admitted next, or makes room."""
        held = self._held(view)  # counted from the first time that it is asked for
        entries = []
        stopped: set[str] = set()
        for request in sorted(view.waiting, key=lambda one: (-one.priority, one.seq)):
            quota = self._quota(request)
            if self.within == "strict" and quota.name in stopped:
                continue
            stopped.add(quota.name)
            borrows = held.get(quota.name, 0) + _asks(request) > quota.nominal * WHOLE
            entries.append((borrows, -request.priority, request.seq, request))
        for borrows, _, _, request in sorted(entries, key=lambda one: one[:3]):
            if self._allows(request, held):
                places = self.placement.places(request, view.machines)
                if places is not None:
                    return Start(request, places)
            if not borrows and self.reclaim != "never":
                leave = self._taken_back(request, held, view)
                if leave is not None:
                    return Preempt(leave[0]) if leave else None
        return None

    def ask_again_ns(self, _view: View) -> int | None:
        """It waits for room and quota, which come when somebody ends."""
        return None

    def could_admit(self, request: Request) -> bool:
        """Whether a request would be admitted if nobody held anything."""
        return self._allows(request, {})

    def _quota(self, request: Request) -> Quota:
        return next((quota for quota in self.queues if quota.name == request.queue), self.others)

    def _held(self, view: View) -> Mapping[str, int]:
        held: dict[str, int] = {}
        names = {quota.name for quota in self.queues}
        for queue, milli in view.held("queue").items():
            name = queue if queue in names else self.others.name
            held[name] = held.get(name, 0) + milli
        return held

    def _allows(self, request: Request, held: Mapping[str, int]) -> bool:
        quota, asks = self._quota(request), _asks(request)
        own = held.get(quota.name, 0) + asks
        return own <= (quota.nominal + quota.borrow) * WHOLE and self._free(quota.cohort, held) >= asks

    def _free(self, cohort: str, held: Mapping[str, int]) -> int:
        """Thousandths of slots of the nominal quotas of a cohort that nobody holds."""
        members = [quota for quota in (*self.queues, self.others) if quota.cohort == cohort]
        return sum(quota.nominal * WHOLE - held.get(quota.name, 0) for quota in members)

    def _taken_back(self, request: Request, held: Mapping[str, int], view: View) -> list[Request] | None:
        """Who must leave; nobody, where it is enough that those leave who are about to; None where none would help."""
        own = self._quota(request)
        left = dict(held)
        leaving = [one for one in view.running if one.leaving]
        for one in leaving:
            left[self._quota(one).name] -= _asks(one)
        lenders = [
            one
            for one in view.running
            if can_make_room(one)
            and self._quota(one).cohort == own.cohort
            and self._quota(one) != own
            and (self.reclaim == "any" or one.priority < request.priority)
        ]
        among: list[Request] = []
        for one in sorted(lenders, key=lambda one: (one.priority, -(one.started_ns or 0), -one.seq)):
            quota = self._quota(one)
            if left[quota.name] > quota.nominal * WHOLE:
                left[quota.name] -= _asks(one)
                among.append(one)
        missing = _asks(request) - self._free(own.cohort, held) - sum(_asks(one) for one in leaving)
        for_room = victims(request, among, self.placement, view)
        if for_room is None:
            return None
        chosen = list(for_room)
        missing -= sum(_asks(one) for one in chosen)
        for one in among:
            if missing <= 0:
                break
            if one not in chosen:
                chosen.append(one)
                missing -= _asks(one)
        if missing > 0 or (not chosen and not leaving):
            return None
        return chosen


def _asks(request: Request) -> int:
    """Thousandths of slots: those that it holds while it runs."""
    if request.places:
        return sum(place.total_milli for place in request.places)
    return request.slots * WHOLE + request.milli
