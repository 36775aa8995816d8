"""Shortest first, by the time that users ask for."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.queueing import Backfill, in_order, none_may_start
from sim.engine.fleet.scheduling import Decision, Placement, View


@dataclass(frozen=True)
class Shortest:
    """The one that is expected to be done soonest comes first; of equals, the one that came first. One without a time
    limit comes last. Long ones may wait for ever: that is its price."""

    backfill: Backfill
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """The shortest, or one that may pass it."""
        if none_may_start(view):
            return None
        return in_order(iter(sorted(view.waiting, key=by_time)), self.backfill, self.placement, view)

    def ask_again_ns(self, _view: View) -> int | None:
        """It waits for room alone."""
        return None


def by_time(request: Request) -> tuple[int, int]:
    """By the time asked for, then as they came."""
    return request.asked_ns, request.seq
