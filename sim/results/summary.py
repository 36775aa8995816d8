"""The footprint as ``summary.json``: names that carry their units, and a thing not modelled is absent, not zero."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sim.accounting.footprint import AccountingPlan, Footprint, Line, fold
from sim.accounting.ledger import Key, Ledger
from sim.units import G_PER_KG, J_PER_KWH, SECONDS_PER_NS


@dataclass(frozen=True)
class Unit:
    """A functional unit: ``quantity`` of them were delivered, called ``name``; None where none were."""

    name: str
    quantity: float | None


def _component(key: Key) -> str:
    return key.component


def _owner(key: Key) -> str:
    return key.owner


def _state(key: Key) -> str:
    return key.state


def _kept(sums: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in sums.items() if value != 0.0}


def environmental_summary(
    ledger: Ledger, plan: AccountingPlan, not_metered: Mapping[str, Mapping[str, str]], unit: Unit | None
) -> dict[str, Any]:
    """Energy, carbon, water, cost and their indicators. ``not_metered`` is node profile -> component -> why.

    Raises what ``sim.accounting.footprint.fold`` raises.
    """
    footprint = fold(ledger, plan)
    energy = _energy(footprint)
    carbon = _carbon(footprint)
    summary: dict[str, Any] = {"energy_kwh": energy, "carbon_kg": carbon}
    water = _water(footprint, plan)
    if water:
        summary["water_l"] = water
    if plan.price is not None:
        cost = footprint.total(lambda line: line.cost or 0.0)
        summary["cost"] = {"energy": cost, "currency": plan.currency}
    summary["kpi"] = _indicators(energy, carbon, water, unit)
    summary["boundary"] = _boundary(ledger, footprint, plan, not_metered)
    summary["simulated_s"] = ledger.end_ns * SECONDS_PER_NS
    return summary


def _energy(footprint: Footprint) -> dict[str, Any]:
    def it_kwh(line: Line) -> float:
        return line.energy_j / J_PER_KWH if line.is_it else 0.0

    def kwh(line: Line) -> float:
        return line.energy_j / J_PER_KWH

    return {
        "it": footprint.total(it_kwh),
        "facility": footprint.total(kwh),
        "facility_overhead": footprint.total(kwh) - footprint.total(it_kwh),
        "by_component": _kept(footprint.by(_component, it_kwh)),
        "by_workload": _kept(footprint.by(_owner, it_kwh)),
        "by_state": _kept(footprint.by(_state, it_kwh)),
    }


def _carbon(footprint: Footprint) -> dict[str, Any]:
    def kg(of: Callable[[Line], float]) -> float:
        return footprint.total(of) / G_PER_KG

    def parts(name: Callable[[Key], str], of: Callable[[Line], float]) -> dict[str, float]:
        return {label: grams / G_PER_KG for label, grams in _kept(footprint.by(name, of)).items()}

    def operational(line: Line) -> float:
        return line.operational_g

    def embodied(line: Line) -> float:
        return line.embodied_g

    def both(line: Line) -> float:
        return line.operational_g + line.embodied_g

    return {
        "operational_location": kg(operational),
        "embodied": kg(embodied),
        "total": kg(both),
        "by_component": parts(_component, both),
        "by_workload": parts(_owner, both),
        "operational_by_state": parts(_state, operational),
        "embodied_by_workload": parts(_owner, embodied),
        "embodied_range": {
            "low": kg(lambda line: line.embodied_low_g),
            "central": kg(embodied),
            "high": kg(lambda line: line.embodied_high_g),
        },
    }


def _water(footprint: Footprint, plan: AccountingPlan) -> dict[str, float]:
    """On-site and off-site water; a total only where both are known."""
    water: dict[str, float] = {}
    if plan.wue_l_per_j is not None:
        water["onsite"] = footprint.total(lambda line: line.onsite_l or 0.0)
    if plan.ewif_l_per_j is not None:
        water["offsite"] = footprint.total(lambda line: line.offsite_l or 0.0)
    if len(water) == 2:
        water["total"] = water["onsite"] + water["offsite"]
    return water


def _indicators(
    energy: Mapping[str, Any],
    carbon: Mapping[str, Any],
    water: Mapping[str, float],
    unit: Unit | None,
) -> dict[str, Any]:
    it_kwh = energy["it"]
    if it_kwh == 0.0:
        return {}
    indicators: dict[str, Any] = {
        "pue": energy["facility"] / it_kwh,
        "cue_kg_per_kwh": carbon["operational_location"] / it_kwh,
    }
    if "onsite" in water:
        indicators["wue_l_per_kwh"] = water["onsite"] / it_kwh
    if "total" in water:
        indicators["wue_source_l_per_kwh"] = water["total"] / it_kwh
    if unit is not None and unit.quantity:
        indicators["sci_g_per_unit"] = carbon["total"] * G_PER_KG / unit.quantity
        indicators["sci_unit"] = unit.name
    return indicators


def _boundary(
    ledger: Ledger, footprint: Footprint, plan: AccountingPlan, not_metered: Mapping[str, Mapping[str, str]]
) -> dict[str, Any]:
    """What counts and what does not: the convention beside the meters, and what nobody metered or modelled."""
    metered = {name: joules / J_PER_KWH for name, joules in ledger.sums(_component).items()}
    counted = {line.key.component for line in footprint.lines if line.is_it and line.energy_j}
    left_out = {name: kwh for name, kwh in metered.items() if name not in counted and kwh}
    missing = []
    if plan.wue_l_per_j is None:
        missing.append("on-site water (give site.water.wue)")
    if plan.ewif_l_per_j is None:
        missing.append("off-site water (give site.water.ewif)")
    if plan.price is None:
        missing.append("energy cost (give site.grid.price)")
    missing += ["embodied water", "network outside the nodes", "storage outside the nodes", "end of life"]
    boundary: dict[str, Any] = {
        "convention": plan.convention.name,
        "metered_it_kwh": sum(metered.values()),
        "not_modelled": missing,
    }
    if left_out:
        boundary["metered_but_not_counted_kwh"] = left_out
    if not_metered:
        boundary["not_metered"] = {node: dict(reasons) for node, reasons in not_metered.items()}
    return boundary
