"""Earliest deadline first, or least slack first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import NEVER_NS, Request
from sim.engine.fleet.schedulers.queueing import Backfill, in_order, none_may_start
from sim.engine.fleet.scheduling import Decision, Placement, View

Urgency = Literal["deadline", "slack"]
Late = Literal["first", "last"]


@dataclass(frozen=True)
class Deadline:
    """The one that must be done first comes first (Liu and Layland 1973, https://doi.org/10.1145/321738.321743), or the
    one that can wait least: its deadline less the time that it asks for. One without a deadline comes after all that
    have one. Those that can meet theirs no more, by the time they ask for, keep their place, or come last of all."""

    urgency: Urgency
    late: Late
    backfill: Backfill
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """The most urgent, or one that may pass it."""
        if none_may_start(view):
            return None
        now_ns = view.now_ns

        def key(request: Request) -> tuple[bool, int, int]:
            if request.deadline_ns is None:
                return False, 2 * NEVER_NS, request.seq
            latest_ns = request.deadline_ns - request.asked_ns
            urgent_ns = request.deadline_ns if self.urgency == "deadline" else latest_ns
            return self.late == "last" and latest_ns < now_ns, urgent_ns, request.seq

        return in_order(iter(sorted(view.waiting, key=key)), self.backfill, self.placement, view)

    def ask_again_ns(self, _view: View) -> int | None:
        """It waits for room alone: who becomes late frees nothing."""
        return None
