"""Shortest job first: of those for which there is room, the one that is expected to be done soonest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim.engine.fleet.scheduling import Anywhere, Decision, Start, View
from sim.spec.cluster import SchedulerSpec


class ShortestFirst(SchedulerSpec):
    """The job that is expected to be done soonest, of those for which there is room; services before all jobs."""

    kind: Literal["shortest-first"]


@dataclass(frozen=True)
class Shortest:
    """Long jobs may wait for ever: that is its price."""

    def next(self, view: View) -> Decision | None:
        """The shortest that fits; of equals, the one that came first."""
        for request in sorted(view.waiting, key=lambda request: request.limit_ns or 0):
            places = Anywhere().places(request, view.machines)
            if places is not None:
                return Start(request, places)
        return None

    def ask_again_ns(self, _view: View) -> int | None:
        """It waits for nothing but room."""
        return None


def shortest_first(_spec: ShortestFirst) -> Shortest:
    """Shortest job first."""
    return Shortest()
