"""Conservative backfill (Mu'alem and Feitelson 2001, https://doi.org/10.1109/71.932708): every one that waits has a
reservation, and nobody is let past who would move one."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.schedulers.profile import Profile
from sim.engine.fleet.schedulers.remembered import Raised, Remembered, remembered
from sim.engine.fleet.scheduling import Decision, Placement, Reserve, Start, View

Promise = tuple[int, Places]


@dataclass(frozen=True)
class Conservative:
    """Each request is promised, when it comes, the earliest time at which the placement finds it room for as long as it
    asks for, beside all who run and all who have been promised something; and the very slots. When somebody ends early
    the promises are gone through in the order of the queue, and each is moved to the earliest time there is then. So
    nobody starts later than it was first promised, as long as nobody runs longer than was asked for and no node breaks.
    A promise that cannot be kept is made anew, after those that can.

    A promise can only become earlier where more has come free since it was last tried: what was free of it over every
    earlier span was too little, and still is where nothing was added (``remembered``). So those are passed over whom
    nothing that has come free could help; what is remembered for that is a help alone, and forgetting it changes
    nothing.

    Slots are promised, not CPUs and memory: who lacks those at its time waits for more. A part of a slot is promised a
    whole one, and takes the part where the placement says once its time has come. Without a time limit a request is to
    run for ever. No more than the first ``depth`` of the queue are promised something, and no others start.
    """

    depth: int
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """Whoever is due; else better promises, if there are any."""
        queue = view.waiting[: self.depth]
        for request in queue:
            if request.promise is not None and request.promise[0] <= view.now_ns:
                places = self._now(request, request.promise[1], view)
                if places is not None:
                    return Start(request, places)
        if not queue:
            return None
        found = _Plan(view, self.placement, remembered(view, self)).made(queue)
        changed = tuple((request, *promise) for request, promise in found.items() if request.promise != promise)
        return Reserve(changed) if changed else None

    def ask_again_ns(self, _view: View) -> int | None:
        """Every promise is for a time at which somebody ends."""
        return None

    def _now(self, request: Request, places: Places, view: View) -> Places | None:
        if not request.slots:
            return self.placement.places(request, view.machines)
        return places if view.machines.has_room(request, places) else None


class _Plan:
    """What is free over time in all pools, and who has been promised what of it."""

    def __init__(self, view: View, placement: Placement, last: Remembered) -> None:
        self._view = view
        self._now_ns = view.now_ns
        self._placement = placement
        self._last = last
        self._profiles: dict[int, Profile] = {}
        self._imagined: Machines = view.machines.copy()
        self._imagined.imagine_plenty()

    def made(self, queue: Sequence[Request]) -> dict[Request, Promise]:
        """The promise of each for which there is one to make."""
        kept: dict[Request, Promise] = {}
        promised = [(request.promise, request) for request in queue if request.promise is not None]
        for (at_ns, places), request in sorted(promised, key=lambda one: (one[0][0], one[1].seq)):
            at_ns = max(at_ns, self._now_ns)
            profile = self._profile(self._view.machines.pool_of[places[0].node])
            if profile.allows(places, at_ns, at_ns + _left_ns(request)):
                profile.reserve(places, at_ns, at_ns + _left_ns(request))
                kept[request] = at_ns, places
        self._last.compare(self._profiles, self._now_ns)
        found: dict[Request, Promise] = {}
        for request in queue:
            before = kept.get(request)
            promise = before if before is not None and before[0] == self._now_ns else self._best(request, before)
            if promise is not None:
                found[request] = promise
        self._last.keep(self._profiles, found)
        return found

    def _best(self, request: Request, before: Promise | None) -> Promise | None:
        """The earliest promise there is, reserved: the one it has, if none is earlier."""
        takes_ns = _left_ns(request)
        raised = self._last.raised_for(request, takes_ns, before[0] if before is not None else None)
        if before is not None and not self._could_improve(request, takes_ns, raised, before[0]):
            self._last.tried(request, takes_ns)
            return before
        if before is not None:
            self._change(before, takes_ns, up=True)
        promise = self._earliest(request, raised, before[0] if before is not None else None)
        if before is not None and promise is not None:
            pool = self._view.machines.pool_of[before[1][0].node]
            self._last.came_free(pool, before[0], before[0] + takes_ns)
        promise = promise if promise is not None else before
        self._last.tried(request, takes_ns)
        if promise is not None:
            self._change(promise, takes_ns, up=False)
        return promise

    def _could_improve(self, request: Request, takes_ns: int, raised: Raised, before_ns: int) -> bool:
        return any(
            self._profile(pool).could_start(request.slots or 1, takes_ns, spans, before_ns)
            for pool, spans in raised.items()
        )

    def _change(self, promise: Promise, takes_ns: int, *, up: bool) -> None:
        at_ns, places = promise
        profile = self._profile(self._view.machines.pool_of[places[0].node])
        (profile.give_up if up else profile.reserve)(places, at_ns, at_ns + takes_ns)

    def _profile(self, pool: int) -> Profile:
        if pool not in self._profiles:
            self._profiles[pool] = Profile(self._view, pool)
        return self._profiles[pool]

    def _earliest(self, request: Request, raised: Raised, before_ns: int | None) -> Promise | None:
        """The earliest that is before ``before_ns`` (None: any), over spans that meet those in which more came free."""
        best: Promise | None = None
        for pool in request.pools:
            alone = _in_one(request, pool)
            for at_ns, levels in self._profile(pool).spans(alone.slots, _left_ns(request), raised.get(pool, ())):
                if (best is not None and at_ns >= best[0]) or (before_ns is not None and at_ns >= before_ns):
                    break
                self._imagined.imagine_free(pool, levels)
                places = self._placement.places(alone, self._imagined)
                if places is not None:
                    best = at_ns, places
                    break
        return best


def _left_ns(request: Request) -> int:
    """What it still asks for, no less than an ns."""
    return max(1, request.asked_ns - request.spent_ns)


def _in_one(request: Request, pool: int) -> Request:
    """The same in one pool, with a whole slot where it asks for part of one, and nothing beside its slots."""
    alone = copy(request)
    alone.pools, alone.cpu_milli, alone.memory_mib = (pool,), 0, 0
    alone.slots, alone.milli = (request.slots or 1), 0
    return alone
