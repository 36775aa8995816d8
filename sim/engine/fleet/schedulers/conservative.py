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
from sim.engine.fleet.scheduling import Decision, Placement, Reserve, Start, View

Promise = tuple[int, Places]


@dataclass(frozen=True)
class Conservative:
    """Each request is promised, when it comes, the earliest time at which the placement finds it room for as long as it
    asks for, beside all who run and all who have been promised something; and the very slots. When somebody ends early
    the promises are gone through in the order of the queue, and each is moved to the earliest time there is then. So
    nobody starts later than it was first promised, as long as nobody runs longer than was asked for and no node breaks.
    A promise that cannot be kept is made anew, after those that can.

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
        found = _Plan(view, self.placement).made(queue)
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

    def __init__(self, view: View, placement: Placement) -> None:
        self._view = view
        self._now_ns = view.now_ns
        self._placement = placement
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
        found: dict[Request, Promise] = {}
        for request in queue:
            if request in kept:
                at_ns, places = kept[request]
                if at_ns == self._now_ns:
                    found[request] = kept[request]
                    continue
                self._profile(self._view.machines.pool_of[places[0].node]).give_up(
                    places, at_ns, at_ns + _left_ns(request)
                )
            promise = self._earliest(request)
            if promise is None or (request in kept and kept[request][0] <= promise[0]):
                promise = kept.get(request)
            if promise is not None:
                at_ns, places = promise
                profile = self._profile(self._view.machines.pool_of[places[0].node])
                profile.reserve(places, at_ns, at_ns + _left_ns(request))
                found[request] = promise
        return found

    def _profile(self, pool: int) -> Profile:
        if pool not in self._profiles:
            self._profiles[pool] = Profile(self._view, pool)
        return self._profiles[pool]

    def _earliest(self, request: Request) -> Promise | None:
        best: Promise | None = None
        for pool in request.pools:
            alone = _in_one(request, pool)
            for at_ns, levels in self._profile(pool).spans(alone.slots, _left_ns(request)):
                if best is not None and at_ns >= best[0]:
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
