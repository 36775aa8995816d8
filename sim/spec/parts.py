"""The parts of a scenario that parsed, whole or salvaged one by one, so that each can still be checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sim.documents import Document, KeyPath
from sim.errors import Problem
from sim.instants import epoch_ns
from sim.later import later
from sim.quantities import PositiveDuration
from sim.spec.accounting import Accounting
from sim.spec.cluster import Cluster
from sim.spec.scenario import Instant, Outputs, Scenario
from sim.spec.site import Grid, Place
from sim.spec.work import Workload
from sim.validation import validate

with later():
    from sim.spec.inference import Arrivals, Inference
    from sim.spec.policies import Policy
    from sim.spec.requests import RoutedArrivals
    from sim.spec.routes import Route
    from sim.spec.split import SplitSpec


if TYPE_CHECKING:
    from sim.spec.inference import OwnArrivals


_NO_MATTER_OF_RUNS = frozenset({"scenario", "seed", "grids", "places", "accounting"})


def _own(arrivals: Mapping[str, OwnArrivals | RoutedArrivals]) -> dict[str, OwnArrivals]:
    """Those of services that have arrivals of their own."""
    return {name: one for name, one in arrivals.items() if not isinstance(one, RoutedArrivals)}


def place_paths(scenario: Scenario) -> dict[KeyPath, Place]:
    """Each place of a scenario by where it is written."""
    if scenario.site is not None:
        return {("site",): scenario.site}
    return {("sites", name): place for name, place in (scenario.sites or {}).items()}


@dataclass(frozen=True)
class Parts:
    """None, or absent from a mapping, where a part did not parse.

    ``scenario`` is there where all of it did. ``names`` are of all workloads as written. ``open_ended`` means that
    neither an end nor a duration is written; ``duration_ns`` is None then, and where what is written did not parse.
    ``profiles`` is its own folder of them, and ``sites`` are the names of its places.
    """

    scenario: Scenario | None = None
    seed: int = 0
    profiles: str | None = None
    sites: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None
    duration_ns: int | None = None
    duration_written: bool = False
    open_ended: bool = False
    grids: Mapping[KeyPath, Grid] = field(default_factory=dict)
    places: Mapping[KeyPath, Place] = field(default_factory=dict)
    cluster: Cluster | None = None
    accounting: Accounting | None = None
    outputs: Outputs | None = None
    policies: Sequence[Policy] = ()
    names: tuple[str, ...] = ()
    workloads: Mapping[str, Workload] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    arrivals: Mapping[str, OwnArrivals] = field(default_factory=dict)

    @classmethod
    def of(cls, scenario: Scenario) -> Parts:
        """All of them."""
        workloads = scenario.asked
        return cls(
            scenario=scenario,
            seed=scenario.seed,
            profiles=scenario.profiles,
            sites=tuple(scenario.places),
            start=scenario.start,
            end=scenario.end,
            duration_ns=scenario.duration_ns,
            duration_written=scenario.duration is not None,
            open_ended=scenario.duration_ns is None,
            grids={(*path, "grid"): place.grid for path, place in place_paths(scenario).items()},
            places=place_paths(scenario),
            cluster=scenario.cluster,
            accounting=scenario.accounting,
            outputs=scenario.outputs,
            policies=scenario.policies,
            names=tuple(workloads),
            workloads=workloads,
            routes=scenario.routes,
            arrivals=_own({name: w.arrivals for name, w in workloads.items() if isinstance(w, Inference | SplitSpec)}),
        )

    def of_run(self) -> Parts:
        """Those that a run is given beside its seed: of its sites the names, and nothing of the accounting.

        What work and machines see of a site while they run, they see as its signals.
        """
        return Parts(**self.given)

    @property
    def given(self) -> dict[str, Any]:
        """What ``of_run`` leaves, by the names of the parts; the others are as if they were not there."""
        return {name: part for name, part in vars(self).items() if name not in _NO_MATTER_OF_RUNS}

    @property
    def start_ns(self) -> int:
        """The start of a scenario that parsed, in ns since 1970."""
        assert self.start is not None
        return epoch_ns(self.start)

    @classmethod
    def salvaged(cls, document: Document) -> Parts:
        """The parts that parse by themselves; what is wrong with the others has been told already."""
        document = document.without_nulls()

        def part(kind: Any, *path: str) -> Any:
            heard: list[Problem] = []
            if path[-1] not in document.mapping(*path[:-1]):
                return None
            return validate(kind, document, path, problems=heard)

        names = tuple(document.mapping("workloads"))
        workloads = {name: part(Workload, "workloads", name) for name in names}
        queues = [name for name in names if document.at("workloads", name, "kind") in ("inference", "split")]
        arrivals = {name: part(Arrivals, "workloads", name, "arrivals") for name in queues}
        start, end = part(Instant, "start"), part(Instant, "end")
        duration = part(PositiveDuration, "duration")
        if duration is None and "duration" not in document.data and end is not None and start is not None:
            duration = max(0, epoch_ns(end) - epoch_ns(start)) or None
        routes = document.mapping("routes")
        paths = [("site", "grid"), *(("sites", name, "grid") for name in document.mapping("sites"))]
        return cls(
            seed=part(int, "seed") or 0,
            profiles=part(str, "profiles"),
            sites=tuple(document.mapping("sites")) or ((only,) if (only := part(str, "site", "name")) else ()),
            start=start,
            end=end,
            duration_ns=duration,
            duration_written="duration" in document.data,
            open_ended=not {"duration", "end"} & set(document.data),
            grids={path: grid for path in paths if (grid := part(Grid, *path)) is not None},
            cluster=part(Cluster, "cluster"),
            accounting=part(Accounting, "accounting"),
            outputs=part(Outputs, "outputs"),
            policies=part(list[Policy], "policies") or (),
            names=names,
            workloads={name: workload for name, workload in workloads.items() if workload is not None},
            routes={name: route for name in routes if (route := part(Route, "routes", name)) is not None},
            arrivals=_own({name: arrival for name, arrival in arrivals.items() if arrival is not None}),
        )
