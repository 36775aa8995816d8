"""Which requests could ever start: those that would find places if all machines were free and up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Request
from sim.engine.fleet.scheduling import Placement
from sim.engine.fleet.shape import PoolShape
from sim.later import later

with later():
    from sim.engine.fleet.schedulers.elastic import Elastic, sized, stretches
    from sim.engine.fleet.schedulers.spot import Spot


class Possible:
    """Asks placements once for each kind of request."""

    def __init__(self, pools: Sequence[PoolShape], placements: Sequence[Placement], *, shrinks: bool = False) -> None:
        """All that some ``placements`` could do with ``pools``; where it ``shrinks``, an elastic job may start with the
        least that it may have."""
        self._shrinks = shrinks
        self._machines = Machines([replace(pool, powered=True) for pool in pools])
        self._placements = placements
        self._known: dict[tuple[object, ...], bool] = {}

    def __call__(self, request: Request) -> bool:
        """Whether one of them finds places for it."""
        if self._shrinks and stretches(request):
            request = sized(request, request.least)
        asks = (request.slots, request.milli, request.nodes, request.cpu_milli, request.memory_mib, request.pools)
        if asks not in self._known:
            self._known[asks] = any(one.places(request, self._machines) is not None for one in self._placements)
        return self._known[asks]


def could_admit(scheduler: object, request: Request) -> bool:
    """Whether a scheduler, and those that it asks, would let a request start if nobody held anything."""
    own = getattr(scheduler, "could_admit", None)
    if own is not None and not own(request):
        return False
    if request.spot and isinstance(scheduler, Spot):  # which starts those itself
        return True
    inner = (getattr(scheduler, one.name) for one in fields(scheduler)) if is_dataclass(scheduler) else ()
    return all(could_admit(one, request) for one in inner if hasattr(one, "next"))


def starts_smaller(scheduler: object) -> bool:
    """Whether a scheduler, or one that it asks, starts elastic jobs with fewer slots than they ask for."""
    if isinstance(scheduler, Elastic):
        return True
    inner = (getattr(scheduler, one.name) for one in fields(scheduler)) if is_dataclass(scheduler) else ()
    return any(starts_smaller(one) for one in inner if hasattr(one, "next"))


def placements_of(scheduler: object) -> list[Placement]:
    """How a scheduler, and those that it asks, choose places; anywhere, where it does not say."""
    found: list[Placement] = []
    for inner in (getattr(scheduler, one.name) for one in fields(scheduler)) if is_dataclass(scheduler) else ():
        if hasattr(inner, "places"):
            found.append(inner)
        elif hasattr(inner, "next"):
            found += placements_of(inner)
    return found or [ANYWHERE]
