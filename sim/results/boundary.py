"""What counts in a summary and what does not, who lacks which number, and what is known of a total all the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sim.accounting.footprint import Footprint, Part
from sim.accounting.known import Known, by_location, gpus_without_water
from sim.accounting.ledger import DEVICES, OUTSIDE, Key, Ledger
from sim.accounting.plan import AccountingPlan
from sim.results.catalogue.needs import ASKED
from sim.units import J_PER_KWH

if TYPE_CHECKING:
    from sim.accounting.stock import StockChange


UNTOLD = ("onsite_l", "offsite_l", "cost")
"""Named as missing even where no site tells them; the others are missing only where some sites do."""


def _at_all(field: str, plan: AccountingPlan) -> str:
    """A field of sites, as a scenario of one or of several writes it."""
    return f"site.{field}" if len(plan.sites) == 1 else f"sites.NAME.{field}"


def _lacks(plan: AccountingPlan, known: Known) -> Iterator[str]:
    """What is missing, and where."""
    for quantity, asked in ASKED.items():
        at = known.lacking.get(quantity)
        if (at is None and quantity in UNTOLD) or (at and len(at) == len(plan.sites)):
            yield f"{asked.words} (give {_at_all(asked.field, plan)})"
        elif at:
            yield f"{asked.words} at {', '.join(at)} (give sites.{at[0]}.{asked.field})"
    dry = [name for name, site in plan.sites.items() if site.building.misses_extremes]
    if dry:
        hours = "hot and dry hours, in which wetted air drinks most"
        where = "" if len(dry) == len(plan.sites) else f" at {', '.join(dry)}"
        yield f"{hours}{where} (give {_at_all('weather', plan)} by the hour)"


def known_in_part(footprint: Footprint, plan: AccountingPlan, known: Known) -> dict[str, dict[str, Any]]:
    """Of each total that some of several sites lack a number for: what the others come to, and who they are."""
    found: dict[str, dict[str, Any]] = {}
    for quantity, at in known.lacking.items():
        asked = ASKED.get(quantity)
        told = [name for name in plan.sites if name not in at]
        if asked is None or not at or not told:
            continue
        sums = footprint.by(_site, *asked.quantities)
        found[asked.path] = {
            "known": sum(sums.get(name, 0.0) for name in told) / asked.per,
            "unit": asked.unit or str(plan.currency),
            "sites": told,
            "lacking": [*at],
            "give": [f"sites.{name}.{asked.field}" for name in at],
        }
    return found


def _site(key: Key, _part: Part) -> str:  # one function: labels keep their groups by it
    return key.site


def _stock_rule(stock: StockChange) -> str:
    taken = "at what the scenario states" if stock.stated else "from the grid at its mean over the run"
    return (
        f"what was drawn out of a battery beyond what was put in counts as refilled {taken}; what was put in beyond "
        "what was drawn out is credited with what charging it from the grid took"
    )


def _market_rules(footprint: Footprint, plan: AccountingPlan) -> list[str]:
    """Which factor stands in for what was not bought, in the market-based account."""
    return [
        f"{name}: its location-based factor, as the scenario gives neither contracts nor a residual mix there (GHG "
        f"Protocol Scope 2 Guidance, 7.1 and table 6.3); give sites.{name}.grid.market"
        for name in by_location(footprint, plan)
    ]


def boundary_of(
    ledger: Ledger,
    footprint: Footprint,
    plan: AccountingPlan,
    known: Known,
    not_metered: Mapping[str, Mapping[str, str]],
) -> dict[str, Any]:
    """What counts and what does not: the convention beside the meters, and what nobody metered or modelled."""
    of_it = sorted(ledger.by_component.items())
    metered = {name: float(joules.sum()) / J_PER_KWH for name, joules in of_it if name not in OUTSIDE}
    energy_j = footprint.column("energy_j").tolist()
    lines = zip(footprint.labels.keys, footprint.labels.parts, energy_j, strict=True)
    counted = {key.component for key, part, joules in lines if part != "building" and joules}
    stands_for = plan.convention.components
    counted |= {name for label in counted for name in stands_for.get(label, ())}
    left_out = {name: kwh for name, kwh in metered.items() if name not in counted and kwh}
    boundary: dict[str, Any] = {
        "convention": plan.convention.name,
        "metered_it_kwh": sum(metered.values()),
        "not_modelled": [*_lacks(plan, known), *_outside(ledger, footprint, plan)],
    }
    stored = {_stock_rule(account.stock) for account in footprint.accounts.values() if account.stock is not None}
    if stored:
        boundary["stored_energy"] = sorted(stored)
    by_rule = _market_rules(footprint, plan)
    if by_rule:
        boundary["market_based"] = by_rule
    if left_out:
        boundary["metered_but_not_counted_kwh"] = left_out
    if not_metered:
        boundary["not_metered"] = {node: dict(reasons) for node, reasons in not_metered.items()}
    return boundary


def _outside(ledger: Ledger, footprint: Footprint, plan: AccountingPlan) -> Sequence[str]:
    """What the models leave out, or the scenario does not ask for."""
    made = {*(item.label for item in plan.embodied), *(plant.label for plant in plan.plants)}
    outside = {
        "embodied water of all but GPU dies": False,
        "network outside the nodes (give accounting.embodied.network_share)": "network" in made,
        "storage outside the nodes": False,
        "the building (give accounting.embodied.building)": "building" in made,
        "end of life (give accounting.embodied.end_of_life)": "end_of_life" in made,
    }
    missing = [what for what, there in outside.items() if not there]
    dry = gpus_without_water(footprint, plan)
    if dry:
        missing.append(f"embodied water of {', '.join(dry)}")
    devices = {key.hardware for key in ledger.keys if key.component == DEVICES}
    if devices:
        held = {item.hardware for item in plan.embodied if item.component == DEVICES}
        missing += [] if devices <= held else ["embodied carbon of users' devices"]
        missing += ["water and marginal effect of users' devices and their networks"]
    return missing
