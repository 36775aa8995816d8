"""A project's phases and its break-even, as a summary tells them and people read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sim.accounting.footprint import Footprint
from sim.accounting.ledger import Ledger
from sim.accounting.plan import AccountingPlan
from sim.later import later
from sim.results.catalogue import grid
from sim.results.catalogue.project import BREAK_EVENS, PHASES
from sim.results.formats import Grid
from sim.units import G_PER_KG, J_PER_KWH, SECONDS_PER_NS

with later():
    from sim.accounting.project import break_even, by_phase


if TYPE_CHECKING:
    from sim.accounting.project import BreakEven, Taken


def project_summary(ledger: Ledger, plan: AccountingPlan, footprint: Footprint) -> dict[str, Any]:
    """The parts of a summary that a scenario asks for: ``project`` and ``break_even``."""
    found: dict[str, Any] = {}
    if plan.phases:
        found["project"] = _project(*by_phase(footprint, plan.phases))
    if plan.break_even:
        workloads, whole = break_even(ledger, plan.embodied, footprint)
        found["break_even"] = {
            **({"machines": _told(whole)} if whole is not None else {}),
            "workloads": {name: _told(one) for name, one in workloads.items()},
        }
    return found


def _project(phases: Mapping[str, Taken], idle: Taken) -> dict[str, Any]:
    every = [*phases.values(), idle]
    energy_j, carbon_g = sum(one.energy_j for one in every), sum(one.carbon_g for one in every)
    at_work_j = energy_j - idle.energy_j

    def told(one: Taken, *, at_work: bool) -> dict[str, float]:
        shares = {"energy_share": one.energy_j / energy_j} if energy_j else {}
        shares |= {"carbon_share": one.carbon_g / carbon_g} if carbon_g else {}
        shares |= {"share_of_phases": one.energy_j / at_work_j} if at_work and at_work_j else {}
        return {
            "energy_kwh": one.energy_j / J_PER_KWH,
            "operational_kg": one.operational_g / G_PER_KG,
            "embodied_kg": one.embodied_g / G_PER_KG,
            "carbon_kg": one.carbon_g / G_PER_KG,
            **shares,
        }

    return {
        "phases": {name: told(one, at_work=True) for name, one in phases.items()},
        "unallocated": told(idle, at_work=False),
        "energy_kwh": energy_j / J_PER_KWH,
        "carbon_kg": carbon_g / G_PER_KG,
    }


def _told(one: BreakEven) -> dict[str, float]:
    return {
        "use_s": one.central_ns * SECONDS_PER_NS,
        "use_low_s": one.low_ns * SECONDS_PER_NS,
        "use_high_s": one.high_ns * SECONDS_PER_NS,
        "of_lifetime": one.of_lifetime,
    }


def project_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """A row a phase, with what nobody held; and a row for each use of machines that breaks even."""
    found = []
    if "project" in summary:
        told = summary["project"]
        found.append(grid(PHASES, {**told["phases"], "nobody (idle)": told["unallocated"]}))
    if "break_even" in summary:
        told = summary["break_even"]
        whole = {"all, as used here": told["machines"]} if "machines" in told else {}
        found.append(grid(BREAK_EVENS, {**told["workloads"], **whole}))
    return found
