"""The footprint as ``summary.json``: names that carry their units, and a thing not modelled is absent, not zero.

The tables themselves are always there, empty where nothing in them was modelled, so that a script can look into them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.accounting.fold import fold
from sim.accounting.footprint import OUTSIDE_PARTS, Footprint, Name, Part
from sim.accounting.indicators import exceeded_limits, indicators
from sim.accounting.ledger import DEVICES, OUTSIDE, Key, Ledger
from sim.accounting.plan import AccountingPlan, SitePlan, Told
from sim.accounting.site import SiteAccount
from sim.accounting.stock import STORED
from sim.results.project import project_summary
from sim.units import G_PER_KG, J_PER_KWH, SECONDS_PER_NS

if TYPE_CHECKING:
    from sim.accounting.stock import StockChange


@dataclass(frozen=True)
class Unit:
    """A functional unit: ``quantity`` of them were delivered, called ``name``; None where none were."""

    name: str
    quantity: float | None


def _component(key: Key, _part: Part) -> str:
    return key.component


def component_or_building(key: Key, part: Part) -> str:
    """The building as one, whatever its parts; the change of what is stored stands by itself."""
    return "facility" if part == "building" and key.component != STORED else key.component


def _owner(key: Key, _part: Part) -> str:
    return key.owner


def _state(key: Key, _part: Part) -> str:
    return key.state


def _site(key: Key, _part: Part) -> str:
    return key.site


def _kept(sums: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in sums.items() if value != 0.0}


def environmental_summary(
    ledger: Ledger, plan: AccountingPlan, not_metered: Mapping[str, Mapping[str, str]], unit: Unit | None
) -> dict[str, Any]:
    """Energy, carbon, water, cost and their indicators. ``not_metered`` is node profile -> component -> why.

    A quantity that one of several sites does not model has no total, but stands under the sites that do.
    Raises what ``sim.accounting.footprint.fold`` raises.
    """
    footprint = fold(ledger, plan)
    summary = _of(footprint, plan, tuple(plan.sites))
    if unit is not None and unit.quantity and summary["kpi"]:
        summary["kpi"]["sci_g_per_unit"] = summary["carbon_kg"]["total"] * G_PER_KG / unit.quantity
        summary["kpi"]["sci_unit"] = unit.name
    if len(plan.sites) > 1:
        summary["sites"] = {name: _of(footprint.at(name), plan, (name,)) for name in plan.sites}
    limits = [
        limit
        for name, account in footprint.accounts.items()
        for limit in exceeded_limits(name, account, ledger.edges_ns)
    ]
    if limits:
        summary["limits_exceeded"] = limits
    summary |= project_summary(ledger, plan, footprint)
    summary["intervals"] = {}  # until something is uncertain
    summary["boundary"] = _boundary(ledger, footprint, plan, not_metered)
    if plan.told is not None:
        summary["convention"] = _convention(plan.told, footprint, plan, fold(ledger, plan.told.physical))
    summary["simulated_s"] = ledger.end_ns * SECONDS_PER_NS
    return summary


def _of(footprint: Footprint, plan: AccountingPlan, sites: Sequence[str]) -> dict[str, Any]:
    """What some of the sites came to."""
    plans = [plan.sites[name] for name in sites]
    accounts = [footprint.accounts[name] for name in sites]
    energy = _energy(footprint)
    summary: dict[str, Any] = {"energy_kwh": energy, "carbon_kg": _carbon(footprint, plans)}
    water = summary["water_l"] = _water(footprint, plan, plans)
    priced = all(site.grid.price is not None for site in plans)
    summary["cost"] = {"energy": footprint.total("cost"), "currency": plan.currency} if priced else {}
    stored = _stored(summary, footprint, accounts)
    if stored:
        summary["stored_energy"] = stored
    carbon = summary["carbon_kg"]
    if {"network", "devices"} & energy.keys():  # the indicators are of the data center, which these are outside of
        inside = footprint.inside()
        carbon, water = _carbon(inside, plans), _water(inside, plan, plans)
    summary["kpi"] = indicators(energy, carbon, water, accounts)
    return summary


def _energy(footprint: Footprint) -> dict[str, Any]:
    def kwh(name: Name, part: Part) -> dict[str, float]:
        return _kept({label: joules / J_PER_KWH for label, joules in footprint.by(name, "energy_j", part=part).items()})

    it = footprint.total("energy_j", part="it") / J_PER_KWH
    overhead = footprint.total("energy_j", part="building") / J_PER_KWH
    energy = {
        "it": it,
        "facility": it + overhead,
        "facility_overhead": overhead,
        "by_component": kwh(_component, "it"),
        "overhead_by_component": kwh(_component, "building"),
        "by_workload": kwh(_owner, "it"),
        "by_state": kwh(_state, "it"),
    }
    if "network" in footprint.labels.parts:
        energy["network"] = footprint.total("energy_j", part="network") / J_PER_KWH
    if "devices" in footprint.labels.parts:
        energy["devices"] = footprint.total("energy_j", part="devices") / J_PER_KWH
    served = [account.served for account in footprint.accounts.values() if account.served is not None]
    if served:
        powers = {
            "on_site_pv": sum(float(s.energy_j(s.pv_w)) for s in served),
            "on_site_wind": sum(float(s.energy_j(s.wind_w)) for s in served),
            "on_site_other": sum(float(s.energy_j(s.other_w)) for s in served),
            "on_site_consumed": sum(float(s.energy_j(s.own_w)) for s in served),
            "on_site_diesel": sum(float(s.energy_j(s.diesel_w)) for s in served),
            "battery_discharged": sum(float(s.energy_j(s.battery_discharge_w)) for s in served),
            "battery_losses": sum(float(s.energy_j(s.losses_w)) for s in served),
            "curtailed": sum(float(s.energy_j(s.curtailed_w)) for s in served),
            "grid_export": sum(float(s.energy_j(s.grid_export_w)) for s in served),
            "unserved": sum(float(s.energy_j(s.unserved_w)) for s in served),
        }
        energy["grid_import"] = footprint.total("import_j") / J_PER_KWH
        energy |= {name: joules / J_PER_KWH for name, joules in powers.items() if joules}
    return energy


def _carbon(footprint: Footprint, plans: Sequence[SitePlan]) -> dict[str, Any]:
    def kg(*quantities: str) -> float:
        return footprint.total(*quantities) / G_PER_KG

    def parts(name: Name, *quantities: str) -> dict[str, float]:
        return {label: grams / G_PER_KG for label, grams in _kept(footprint.by(name, *quantities)).items()}

    scope1, credit = kg("scope1_g"), kg("credit_g")
    # carriers buy the energy of networks and users that of their devices: scope 3
    outside = sum(footprint.total("operational_g", part=part) for part in OUTSIDE_PARTS) / G_PER_KG
    carbon: dict[str, Any] = {
        "operational_location": kg("operational_g"),
        "embodied": kg("embodied_g"),
        "total": kg("operational_g", "embodied_g"),
    }
    scopes = {"scope_1": scope1, "scope_2_location": carbon["operational_location"] - scope1 - outside}
    if all(site.market is not None for site in plans):
        carbon["operational_market"] = kg("market_g")
        carbon["total_market"] = kg("market_g", "embodied_g")
        scopes["scope_2_market"] = carbon["operational_market"] - scope1 - outside
    if all(site.grid.marginal is not None for site in plans):
        carbon["marginal_effect"] = kg("marginal_g", "scope1_g")
    carbon |= {
        "scopes": {**scopes, "scope_3": carbon["embodied"] + outside},
        "by_component": parts(component_or_building, "operational_g", "embodied_g"),
        "by_workload": parts(_owner, "operational_g", "embodied_g"),
        "operational_by_state": parts(_state, "operational_g"),
        "embodied_by_workload": parts(_owner, "embodied_g"),
        **({"recycling_credit_not_deducted": credit} if credit else {}),
        "embodied_range": {
            "low": kg("embodied_low_g"),
            "central": kg("embodied_g"),
            "high": kg("embodied_high_g"),
        },
    }
    return carbon


def _stored(summary: Mapping[str, Any], footprint: Footprint, accounts: Sequence[SiteAccount]) -> dict[str, Any]:
    """What batteries held at the start and at the end, and what their change comes to; empty without one.

    Everything here is in the totals already. ``grid_kwh`` is what refilling takes, or below 0 what charging was for
    a time after the run.
    """
    stocks = [account.stock for account in accounts if account.stock is not None]
    if not stocks:
        return {}

    def of(quantity: str) -> float:
        return footprint.by(_component, quantity, part="building").get(STORED, 0.0)

    start_j, end_j = sum(stock.start_j for stock in stocks), sum(stock.end_j for stock in stocks)
    carbon = {
        "operational_location": "operational_g",
        "operational_market": "market_g",
        "marginal_effect": "marginal_g",
    }
    water = {"offsite": "offsite_l", "offsite_withdrawal": "withdrawal_l"}
    stored: dict[str, Any] = {
        "start_kwh": start_j / J_PER_KWH,
        "end_kwh": end_j / J_PER_KWH,
        "change_kwh": (end_j - start_j) / J_PER_KWH,
        "grid_kwh": sum(float(stock.grid_j.sum()) for stock in stocks) / J_PER_KWH,
        "carbon_kg": {
            name: of(quantity) / G_PER_KG for name, quantity in carbon.items() if name in summary["carbon_kg"]
        },
    }
    if summary["cost"]:
        stored["cost"] = {"energy": of("cost"), "currency": summary["cost"]["currency"]}
    known = {name: of(quantity) for name, quantity in water.items() if name in summary["water_l"]}
    return {**stored, **({"water_l": known} if known else {})}


def _water(footprint: Footprint, plan: AccountingPlan, plans: Sequence[SitePlan]) -> dict[str, Any]:
    """On-site and off-site water; a total only where both are known. Water withdrawn and weighed stand beside it."""
    water: dict[str, Any] = {}
    if all(site.onsite_water_known for site in plans):
        water["onsite"] = footprint.total("onsite_l")
    if all(site.grid.water is not None for site in plans):
        water["offsite"] = footprint.total("offsite_l")
    if len(water) == 2:
        water["total"] = water["onsite"] + water["offsite"]
        weights = [site.scarcity for site in plans]
        if all(weight is not None for weight in weights):
            onsite, offsite = footprint.by(_site, "onsite_l"), footprint.by(_site, "offsite_l")
            water["scarcity_weighted"] = sum(
                onsite.get(name, 0.0) * weight[0] + offsite.get(name, 0.0) * weight[1]
                for name, weight in zip(footprint.accounts, weights, strict=True)
                if weight is not None
            )
    if all(site.grid.withdrawal is not None for site in plans):
        water["offsite_withdrawal"] = footprint.total("withdrawal_l")
    if plan.embodied_water_known:
        water["embodied"] = footprint.total("embodied_l")
    parts: dict[str, float] = {}
    for account in footprint.accounts.values():
        for name, litres in (account.onsite_l or {}).items():
            parts[name] = parts.get(name, 0.0) + float(litres.sum())
    if "onsite" in water and len(parts) > 1:
        water["onsite_by_use"] = dict(sorted(parts.items()))
    return water


CARBON_OF: Mapping[str, tuple[str, ...]] = {
    "location": ("operational_g",),
    "stated": ("operational_g",),
    "market": ("market_g",),
    "marginal": ("marginal_g", "scope1_g"),
}
"""The quantities of a line that a convention counts as operational carbon, by what it takes a kWh to emit."""


def _convention(told: Told, footprint: Footprint, plan: AccountingPlan, metered: Footprint) -> dict[str, Any]:
    """What the convention counts, what the meters and the scenario's own factors come to, and the difference."""
    counted = _figures(footprint, plan, told.carbon)
    physical = _figures(metered, told.physical, "location")
    more = {name: counted[name] - physical[name] for name in counted if name in physical}
    return {
        "title": told.title,
        "carbon_of_a_kwh": told.carbon,
        "terms": dict(told.terms),
        "counted": counted,
        "physical": physical,
        "counted_less_physical": more,
    }


def _figures(footprint: Footprint, plan: AccountingPlan, carbon: str) -> dict[str, float]:
    it_j, building_j = (footprint.total("energy_j", part=part) for part in ("it", "building"))
    operational = footprint.total(*CARBON_OF[carbon]) / G_PER_KG
    embodied = footprint.total("embodied_g") / G_PER_KG
    figures = {
        "it_kwh": it_j / J_PER_KWH,
        "facility_kwh": (it_j + building_j) / J_PER_KWH,
        "operational_kg": operational,
        "embodied_kg": embodied,
        "total_kg": operational + embodied,
    }
    known = _water(footprint, plan, list(plan.sites.values()))
    water = {"onsite_water_l": known.get("onsite"), "offsite_water_l": known.get("offsite")}
    return figures | {name: litres for name, litres in water.items() if litres is not None}


def _stock_rule(stock: StockChange) -> str:
    taken = "at what the scenario states" if stock.stated else "from the grid at its mean over the run"
    return (
        f"what was drawn out of a battery beyond what was put in counts as refilled {taken}; what was put in beyond "
        "what was drawn out is credited with what charging it from the grid took"
    )


def _boundary(
    ledger: Ledger, footprint: Footprint, plan: AccountingPlan, not_metered: Mapping[str, Mapping[str, str]]
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
    lacks: dict[str, list[str]] = {}
    by_market = {site.market is not None for site in plan.sites.values()}  # nobody need give it; some lack it for all
    at_margin = {site.grid.marginal is not None for site in plan.sites.values()}
    for name, site in plan.sites.items():
        known = {
            "on-site water (give site.water.wue, or a plant)": site.onsite_water_known,
            "hot and dry hours, in which wetted air drinks most (give site.weather by the hour)": (
                not site.building.misses_extremes
            ),
            "off-site water (give site.water.ewif)": site.grid.water is not None,
            "energy cost (give site.grid.price)": site.grid.price is not None,
            "market-based carbon (give site.grid.market)": site.market is not None or True not in by_market,
            "marginal carbon (give site.grid.marginal)": site.grid.marginal is not None or True not in at_margin,
        }
        for what, there in known.items():
            if not there:
                lacks.setdefault(what, []).append(name)
    alone = len(plan.sites) == 1
    missing = [
        what if alone or len(at) == len(plan.sites) else f"{what} at {', '.join(at)}" for what, at in lacks.items()
    ]
    made = {*(item.label for item in plan.embodied), *(plant.label for plant in plan.plants)}
    outside = {
        "embodied water of all but GPU dies": False,
        "network outside the nodes (give accounting.embodied.network_share)": "network" in made,
        "storage outside the nodes": False,
        "the building (give accounting.embodied.building)": "building" in made,
        "end of life (give accounting.embodied.end_of_life)": "end_of_life" in made,
    }
    missing += [what for what, there in outside.items() if not there]
    devices = {key.hardware for key in ledger.keys if key.component == DEVICES}
    if devices:
        held = {item.hardware for item in plan.embodied if item.component == DEVICES}
        missing += [] if devices <= held else ["embodied carbon of users' devices"]
        missing += ["water and marginal effect of users' devices and their networks"]
    boundary: dict[str, Any] = {
        "convention": plan.convention.name,
        "metered_it_kwh": sum(metered.values()),
        "not_modelled": missing,
    }
    stored = {_stock_rule(account.stock) for account in footprint.accounts.values() if account.stock is not None}
    if stored:
        boundary["stored_energy"] = sorted(stored)
    if left_out:
        boundary["metered_but_not_counted_kwh"] = left_out
    if not_metered:
        boundary["not_metered"] = {node: dict(reasons) for node, reasons in not_metered.items()}
    return boundary
