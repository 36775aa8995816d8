"""What every run keeps, whatever its scenario: sums agree, nothing is lost or negative that cannot be, PUE >= 1."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sim.accounting.ledger import OUTSIDE
from sim.results.files import to_json
from sim.results.results import Results
from sim.results.shape import lacks_of_summary
from sim.units import J_PER_KWH
from tests.fuzz.guard import NonsenseError

MAY_BE_NEGATIVE = (
    "cost", "credit", "marginal", "price", "intervals", "forecast", "immediate", "actual",
    "overhead_by_component", "warm_air", "stored_energy", "counted_less_physical",
)  # fmt: skip
"""In the path of a number that may lie below zero: prices, credits, and what the building takes off the
servers' own power: fans in a bath, leakage in colder air; the change of what batteries hold; and what a convention
leaves out."""
LEFT_OF_SUMS = 1e-12
"""What may be left below zero, in kWh or kg, where equal amounts are taken from each other."""
ROUNDING = 1e-9
"""Relative: a sum of some thousand doubles in another order."""


def must_hold(results: Results) -> None:
    """Raises ``NonsenseError`` at the first law that is broken."""
    summary = results.summary
    _plain(summary)
    for path in lacks_of_summary(json.loads(to_json(summary))):
        raise NonsenseError(f"a summary that its own reader would refuse: {path.split('.')[0]}..{path.split('.')[-1]}")
    _ledger(results)
    _energy(summary["energy_kwh"], "energy_kwh")
    for name, site in summary.get("sites", {}).items():
        _energy(site["energy_kwh"], f"sites.{name}.energy_kwh")
    _carbon(summary["carbon_kg"])
    _recovered(results)
    for part in (summary, *summary.get("sites", {}).values()):
        pue = part["kpi"].get("pue")
        if pue is not None and not pue >= 1.0 - ROUNDING:
            raise NonsenseError("PUE below 1")


def _recovered(results: Results) -> None:
    """What a job that recovers from faults drew went into something, all of it."""
    for name, job in results.summary["jobs"].items():
        split = job.get("energy_split_kwh")
        if split is None:
            continue
        own = results.energy.where(lambda key, name=name: key.owner == name and key.component not in OUTSIDE)  # type: ignore[misc]
        drawn_kwh = own.total_j() / J_PER_KWH
        if not math.isclose(sum(split.values()), drawn_kwh, rel_tol=ROUNDING, abs_tol=LEFT_OF_SUMS):
            raise NonsenseError("activities of a job that do not add up to its energy")
        if min(split.values()) < -LEFT_OF_SUMS or not 0.0 <= job.get("effective_time_share", 0.0) <= 1.0:
            raise NonsenseError("a share of a job's time or energy that cannot be")


def same_again(one: Results, two: Results) -> None:
    """The same scenario and seed give the same bytes."""
    if to_json(one.summary) != to_json(two.summary):
        raise NonsenseError("the same scenario and seed give another summary")
    if one.energy.keys != two.energy.keys or not np.array_equal(one.energy.energy_j, two.energy.energy_j):
        raise NonsenseError("the same scenario and seed give another ledger")


def _plain(summary: Mapping[str, Any]) -> None:
    if json.loads(to_json(summary), parse_constant=_refuse) is None:
        raise NonsenseError("no summary")
    for path, value in _numbers(summary, ()):
        if not math.isfinite(value):
            raise NonsenseError(f"{_general(path)} is not finite")
        rounding = ROUNDING if "unattributed" in path else LEFT_OF_SUMS
        if value < -rounding and not any(word in part for part in path for word in MAY_BE_NEGATIVE):
            raise NonsenseError(f"{_general(path)} is negative")


def _refuse(word: str) -> None:
    raise NonsenseError(f"{word} in summary.json")


def _general(path: tuple[str, ...]) -> str:
    return f"{path[0]}..{path[-1]}"


def _numbers(tree: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], float]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _numbers(value, (*path, str(key)))
    elif isinstance(tree, list | tuple):
        for value in tree:
            yield from _numbers(value, path)
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield path, float(tree)


def _ledger(results: Results) -> None:
    ledger = results.energy
    if not (np.isfinite(ledger.energy_j).all() and (ledger.energy_j >= 0).all() and (ledger.slot_ns >= 0).all()):
        raise NonsenseError("the ledger holds what no meter can")
    convention = results.scenario["accounting"].get("convention", {}).get("kind", "physical")
    if convention != "physical":
        return
    inside = sum(
        float(row.sum()) for key, row in zip(ledger.keys, ledger.energy_j, strict=True) if key.component not in OUTSIDE
    )
    _equal("ledger and energy_kwh.it", inside / J_PER_KWH, results.summary["boundary"]["metered_it_kwh"])


def _energy(energy: Mapping[str, Any], where: str) -> None:
    _equal(f"{where}.facility", energy["facility"], energy["it"] + energy["facility_overhead"])
    for name in ("by_component", "by_workload", "by_state"):
        _equal(f"{where}.{name}", sum(energy[name].values()), energy["it"])
    _equal(f"{where}.overhead", sum(energy["overhead_by_component"].values()), energy["facility_overhead"])


def _carbon(carbon: Mapping[str, Any]) -> None:
    _equal("carbon_kg.total", carbon["total"], carbon["operational_location"] + carbon["embodied"])
    _equal("carbon_kg.by_component", sum(carbon["by_component"].values()), carbon["total"])
    _equal("carbon_kg.by_workload", sum(carbon["by_workload"].values()), carbon["total"])
    scopes = carbon["scopes"]
    _equal("carbon_kg.scopes", scopes["scope_1"] + scopes["scope_2_location"] + scopes["scope_3"], carbon["total"])


def _equal(what: str, one: float, two: float) -> None:
    if not math.isclose(one, two, rel_tol=ROUNDING, abs_tol=1e-12):
        raise NonsenseError(f"{what.split('.')[0]}..{what.split('.')[-1]}: parts and whole differ")
