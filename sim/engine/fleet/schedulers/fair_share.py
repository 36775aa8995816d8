"""Fair share: who has had least of what is due to them comes first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.queueing import Backfill, in_order, none_may_start
from sim.engine.fleet.scheduling import Decision, Placement, View
from sim.engine.fleet.usage import LABELS

By = Literal["user", "account", "queue"]


@dataclass(frozen=True)
class FairShare:
    """By the slot-seconds that each user (account, queue) has held over its share, faded by half in each half life (Kay
    and Lauder 1988, https://doi.org/10.1145/35043.35047): who has least comes first, with all its jobs as they came. Of
    those with equal usage, the one that holds less for its share. Nothing is taken from who runs."""

    by: By
    half_life_ns: int | None
    shares: tuple[tuple[str, float], ...]
    others: float
    """The share of each that is not named."""
    backfill: Backfill
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """The first job of whoever is furthest below its share, or one that may pass it."""
        used = view.usage(self.by, self.half_life_ns)  # counted from the first time that it is asked for
        if none_may_start(view):
            return None
        return in_order(self._queue(view, used), self.backfill, self.placement, view)

    def ask_again_ns(self, _view: View) -> int | None:
        """Usage changes all the time, but starts need room."""
        return None

    def _queue(self, view: View, used: dict[str, float]) -> Iterator[Request]:
        label, share = LABELS[self.by], dict(self.shares)
        own: dict[str, list[Request]] = {}
        for request in view.waiting:
            own.setdefault(label(request), []).append(request)
        held = view.held(self.by)

        def key(name: str) -> tuple[float, float, int]:
            weight = share.get(name, self.others)
            return used.get(name, 0.0) / weight, held.get(name, 0) / weight, own[name][0].seq

        return chain.from_iterable(own[name] for name in sorted(own, key=key))
