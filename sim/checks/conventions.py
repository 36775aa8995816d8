"""What a convention asks of a scenario: numbers that it leaves open, and things at a site that it multiplies by."""

from __future__ import annotations

from collections.abc import Iterator

from sim.build.accounts.conventions import convention_profile, given_problems, sides
from sim.build.resolved import Resolved
from sim.build.site.plates import standing
from sim.checks.named_profiles import faults
from sim.documents import KeyPath
from sim.errors import InputError
from sim.spec.accounting import ProfileConvention

WHERE: KeyPath = ("accounting", "convention")
SIDES = {"runtime": "what serves", "development": "what makes a model"}


def convention_problems(resolved: Resolved) -> Iterator[tuple[KeyPath, str]]:
    """Every problem between the convention, the sites and the workloads."""
    accounting = resolved.parts.accounting
    spec = accounting.convention if accounting is not None else None
    name = convention_profile(spec) if spec is not None else None
    if spec is None or name is None:
        return
    try:
        profile = resolved.catalog.convention(name)
    except InputError as error:
        yield from (((*WHERE, "profile"), fault) for fault in faults(error))
        return
    if not isinstance(spec, ProfileConvention):
        return
    for path, message in given_problems(profile, spec.given):
        yield (*WHERE, "given", *path), message
    if profile.embodied.kind == "nothing" and accounting is not None and accounting.break_even:
        what = f"'{name}' counts no making of machines, so that there is nothing to break even with; leave it out"
        yield ("accounting", "break_even"), what
    needs = profile.intensity.kind
    unbought = all(place.grid.market is None for place in resolved.places.values())
    for site, place in resolved.places.items():
        # without a market a site is counted by location where another has one; without machines it needs none
        lacks = unbought if needs == "market" else needs == "marginal" and place.grid.marginal is None
        if lacks and (len(resolved.places) == 1 or any(True for _ in standing(resolved, site))):
            yield WHERE, f"'{name}' counts the {needs} carbon of a kWh, and {site} has no grid.{needs}"
        if place.on_site and (profile.building.kind != "site" or needs == "stated"):
            yield (
                WHERE,
                f"'{name}' states what the building adds or a kWh emits, and {site} has units of its own, "
                "which follow the site's",
            )
    if profile.workloads.kind != "all":
        both = sides(resolved)
        known = frozenset().union(*both.values())
        if resolved.parts.workloads and not both[profile.workloads.kind]:
            yield WHERE, f"'{name}' counts {SIDES[profile.workloads.kind]} alone, and nothing here does"
        for workload in resolved.parts.workloads.keys() - known:
            yield (
                WHERE,
                f"'{name}' has to know whether '{workload}' serves or makes a model, which its kind does not say",
            )
