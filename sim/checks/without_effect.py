"""What is asked for and comes to nothing: it is run, and told.

Who follows a signal that is one number all the time does nothing, or always the same; a trace of power that begins
after the run keeps nothing; cold plates spare no fan of a server whose profile knows of none. So is told an SCI whose
unit of work is that of some workloads, while the carbon of all stands above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sim.build.site.plates import standing
from sim.paths import joined

if TYPE_CHECKING:
    from sim.build.resolved import Resolved
    from sim.spec.scenario import Scenario
    from sim.spec.site import Grid

WRITTEN = {"carbon": "intensity", "marginal": "marginal", "price": "price"}
"""What is called so by those who follow it -> where the grid has it."""


def remarks(resolved: Resolved) -> Iterator[str]:
    """A line for each that follows what never changes where it stands, for a trace past the run's end, and for an SCI
    of a part of the work."""
    scenario = resolved.scenario
    grids = {name: place.grid for name, place in scenario.places.items()}
    for path, place in resolved.parts.places.items():
        for i, unit in enumerate(place.on_site):
            dispatch = getattr(unit, "dispatch", None)
            if dispatch is not None and _steady(place.grid, dispatch.kind):
                does = "the battery has no hour to prefer"
                yield _told((*path, "on_site", i, "dispatch"), dispatch.kind, does)
    for name, job in resolved.jobs.items():
        schedule = job.schedule
        if schedule is not None and _steady(grids[resolved.sites[resolved.pool(name)]], schedule.signal):
            yield _told(("workloads", name, "schedule"), schedule.signal, "no hour is better than another")
        if job.trace is not None and scenario.duration_ns is not None and int(job.trace.start) >= scenario.duration_ns:
            at = joined(("workloads", name, "trace", "start"))
            yield f"{at}: {job.trace.start.text} is past the end of the run: no power is kept"
    for i, policy in resolved.caps.items():
        compared = policy.condition.compared if policy.condition is not None else None
        sites = {resolved.sites[capped.pool] for capped in resolved.held[i]}
        if compared is not None and all(_steady(grids[site], compared[0]) for site in sites):
            yield _told(("policies", i, "when"), compared[0], "the cap holds always, or never")
    scheduler = scenario.cluster.scheduler
    for signal in dict.fromkeys(scheduler.looks_at if scheduler is not None else ()):
        if all(_steady(grids[site], signal) for site in set(resolved.sites.values())):
            yield _told(("cluster", "scheduler"), signal, "jobs have no hour to wait for")
    yield from _spared_fans(resolved)
    yield from _sci(scenario)


def _spared_fans(resolved: Resolved) -> Iterator[str]:
    """Cold plates in servers whose profiles know of none take heat from the hall, and nothing from their own fans."""
    for path, place in resolved.parts.places.items():
        cooling = getattr(place.facility, "cooling", None)
        if getattr(cooling, "liquid_share", None) is None:
            continue
        nodes = [machine.node for machine in standing(resolved, str(path[1]) if len(path) > 1 else None)]
        for node in {node.name: node for node in nodes if node.liquid_share is None and node.fans is not None}.values():
            assert node.fans is not None
            watts = f"{float(node.fans.idle.value):,.0f} to {float(node.fans.active.value):,.0f} W"
            yield (
                f"{joined((*path, 'facility', 'cooling', 'liquid_share'))}: '{node.name}' is the profile of a server "
                f"cooled by air, and its fans draw {watts} beside cold plates, too; a profile with its own "
                "'liquid_share' and 'fans' has those of a server built with them"
            )


def _steady(grid: Grid, signal: str) -> bool:
    """Whether a signal of a grid is written as one number, or is the mean of a year."""
    written = getattr(grid, WRITTEN[signal], None) if signal in WRITTEN else None
    return written is not None and getattr(written, "kind", "average") == "average"


def _told(path: tuple[str | int, ...], signal: str, does: str) -> str:
    where = WRITTEN[signal]
    return f"{joined(path)}: follows the grid's {where}, which is one number here: {does}"


def _sci(scenario: Scenario) -> Iterator[str]:
    unit = scenario.accounting.functional_unit
    if unit is None:
        return
    route: Mapping[str, object] = scenario.routes[unit.of].to if unit.of in scenario.routes else {unit.of: None}
    others = [f"'{name}'" for name in scenario.workloads if name not in route]
    if others:
        named = ", ".join(others[:3]) + (f" and {len(others) - 3} more" if len(others) > 3 else "")
        says = f"the SCI is of all that runs, {named} too, per {unit.per} of '{unit.of}' alone"
        yield f"accounting.functional_unit: {says}"
