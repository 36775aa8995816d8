"""First come first served."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.scheduling import Decision, Placement, Start, View


@dataclass(frozen=True)
class FirstCome:
    """First come first served, without backfill.

    Whenever it is asked: while the head of the queue (the first in ``waiting``, so by time of submission, then in the
    order of the file; who was preempted is where it was) has room by the placement, the head starts there. A head that
    has no room holds up all behind it, whatever pool they would stand in. Nobody starts before somebody who came first,
    and time limits play no part.
    """

    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """The head of the queue, as soon as there is room for it."""
        if not view.waiting:
            return None
        head = view.waiting[0]
        places = self.placement.places(head, view.machines)
        return Start(head, places) if places is not None else None

    def ask_again_ns(self, _view: View) -> int | None:
        """It waits for room alone."""
        return None
