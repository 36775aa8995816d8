"""An inventory of five sites over a leap year, held against what an auditor reckons from the meters by hand.

Contracts by the hour and the year, certificates, residual mixes, a site that says nothing of its market, one without a
price, one without a machine, generators on test, refrigerants, and a price of carbon.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim
from sim.exports import codecarbon, ghg, sci
from sim.exports.run import Run
from sim.onsite.diesel import SCOPE_1_G_PER_L
from sim.results.files import read, write
from sim.units import J_PER_KWH
from tests.test_known_totals import DIESEL

HOURS, YEAR_H = 8784, 8766
"""Of 2024, and of the year in which contracts and leaks are written."""
SITES = {  # g/kWh, EUR/kWh, PUE, L/kWh of IT and of the facility
    "paris": (57, 0.12, 1.25, 1.1, 2.0),
    "berlin": (380, 0.20, 1.4, 0.3, 1.5),
    "nairobi": (90, 0.18, 1.5, 1.8, 4.0),
    "austin": (400, None, 1.3, None, 1.7),
    "spare": (300, None, 1.6, None, None),
}
PARIS_BUYS = {
    "residual_mix": "78 gCO2e/kWh",
    "contracts": [
        {"kind": "ppa", "source": "nuclear", "energy": "25 MWh/year", "supply": "flat", "matching": "hourly"},
        {"kind": "certificates", "source": "wind", "energy": "2 MWh/year"},
    ],
}
BURNT = {"source": "biomass", "intensity": "30 gCO2e/kWh", "energy": "500 MWh/year", "supply": "flat"}
AUSTIN_BUYS = {"residual_mix": "420 gCO2e/kWh", "contracts": [{"kind": "ppa", "matching": "annual", **BURNT}]}
GAS = {"name": "R-134a", "charge": "80 kg", "leak": "3 %", "gwp": 1530}


def inventory() -> dict[str, Any]:
    sites: dict[str, Any] = {}
    for name, (intensity, price, pue, wue, ewif) in SITES.items():
        grid = {"intensity": f"{intensity} gCO2e/kWh"} | ({"price": f"{price} EUR/kWh"} if price else {})
        water = {word: f"{rate} L/kWh" for word, rate in (("wue", wue), ("ewif", ewif)) if rate}
        sites[name] = {"grid": grid, "facility": {"kind": "fixed-pue", "pue": pue}, "water": water, "refrigerants": []}
    sites["paris"]["grid"]["market"], sites["paris"]["refrigerants"] = PARIS_BUYS, [GAS]
    sites["berlin"]["grid"]["market"] = {"residual_mix": "724 gCO2e/kWh"}
    sites["berlin"]["on_site"] = [{"kind": "connection", "export_limit": "0 W"}, DIESEL | {"tests": TESTS}]
    sites["austin"]["grid"]["market"] = AUSTIN_BUYS
    work = {"kind": "training", "gpus": 8, "cpu_load": 0.1}
    load = {"kind": "measured", "active": "300 W"}
    machines = [name for name in SITES if name != "spare"]
    return {
        "name": "five sites",
        "start": "2024-01-01T00:00:00Z",
        "end": "2025-01-01T00:00:00Z",
        "sites": sites,
        "cluster": {"nodes": [{"profile": "dgx-a100", "count": 1, "name": f"at-{n}", "site": n} for n in machines]},
        "workloads": {
            name: {**work, "pool": f"at-{name}", "work": {"kind": "gpu-hours", "gpu_hours": hours, "load": load}}
            for name, hours in zip(machines, (35_000, 50_000, 60_000, 70_000), strict=True)
        },
        "accounting": {
            "gpu_lifetime": "5 years",
            "server_lifetime": "6 years",
            "carbon_price": {"price": "70 EUR/t CO2e", "scopes": [1, 2], "base": "market"},
            "functional_unit": {"of": "paris", "per": "gpu-hour"},
        },
        "outputs": {"bin": "1 h"},
    }


TESTS = {"every": "30 d", "duration": "1 h", "load": "30 %", "into": "load-bank"}
BURNT_KG = 13 * (0.25 * 30.0 + 0.02 * 100.0) * SCOPE_1_G_PER_L / 1e3
"""Thirteen tests of an hour at 30 kW: a line through 27 L/h at 100 kW and 14.5 L/h at 50 kW."""
ESCAPED_KG = 80 * 0.03 * 1530 * HOURS / YEAR_H


def market_kg(name: str, facility_kwh: np.ndarray, location_kg: float) -> float:
    """Scope 2 by what was bought: contracts by the hour, then certificates of the year, then the residual mix."""
    whole = float(facility_kwh.sum())
    if name == "paris":
        left = whole - float(np.minimum(facility_kwh, 25e3 / YEAR_H).sum())
        return (left - min(left, 2e3 * HOURS / YEAR_H)) * 78 / 1e3
    if name == "austin":
        bought = min(whole, 500e3 * HOURS / YEAR_H)
        return (bought * 30 + (whole - bought) * 420) / 1e3
    return whole * 724 / 1e3 if name == "berlin" else location_kg


def test_every_table_is_what_an_auditor_reckons_by_hand(tmp_path: Path) -> None:
    results = sim.run(inventory())
    it_kwh = {name: np.zeros(HOURS) for name in SITES}
    for key, joules in zip(results.energy.keys, results.energy.energy_j, strict=True):
        it_kwh[key.site] = it_kwh[key.site] + joules / J_PER_KWH
    totals = dict.fromkeys(("location", "market", "charged", "cost", "onsite", "offsite", "facility", "scope_1"), 0.0)
    for name, (intensity, price, pue, wue, ewif) in SITES.items():
        facility = it_kwh[name] * pue
        kwh, location = float(facility.sum()), float(facility.sum()) * intensity / 1e3
        market = market_kg(name, facility, location)
        on_site = {"berlin": BURNT_KG, "paris": ESCAPED_KG}.get(name, 0.0)
        found = {
            "facility": kwh, "location": location + on_site, "market": market + on_site, "scope_1": on_site,
            "charged": 0.07 * (market + on_site), "cost": kwh * (price or 0.0),
            "onsite": float(it_kwh[name].sum()) * (wue or 0.0), "offsite": kwh * (ewif or 0.0),
        }  # fmt: skip
        told = results.at(f"sites.{name}")
        for path, part in PATHS.items():
            table, _, field = path.partition(".")
            value = told[table]["scopes"]["scope_1"] if part == "scope_1" else told[table].get(field)
            lacks = name == "austin" and part in ("cost", "onsite")
            assert (value is None) == lacks, (name, path)
            assert lacks or value == pytest.approx(found[part], rel=1e-9, abs=1e-9), (name, path)
        totals = {part: sum_ + found[part] for part, sum_ in totals.items()}
    summary = results.summary
    for path, part in PATHS.items():
        partly = summary["known_in_part"].get(path)
        value = partly["known"] if partly else results.at("carbon_kg.scopes.scope_1" if part == "scope_1" else path)
        assert value == pytest.approx(totals[part], rel=1e-9), path
    assert {*summary["known_in_part"]} == {"cost.energy", "water_l.onsite"}
    (rule,) = summary["boundary"]["market_based"]
    assert rule.startswith("nairobi: its location-based factor")
    write(results, tmp_path / "run")
    run = Run(tmp_path / "run", read(tmp_path / "run"))
    rows = {(row.site, row.scope, row.category, row.item): row.value for row in ghg.rows(run)}
    assert rows["all", "1", "", "fuel burnt on site"] == pytest.approx(BURNT_KG, rel=1e-9)
    assert rows["all", "1", "", "refrigerants that escape"] == pytest.approx(ESCAPED_KG, rel=1e-9)
    scope_2 = {by: totals[by] - totals["scope_1"] for by in ("location", "market")}
    for by, kg in scope_2.items():
        assert rows["all", "2", f"{by}-based", "electricity"] == pytest.approx(kg, rel=1e-9)
    terms = sci.statement(run)["terms"]
    assert terms["E_times_I_g"] == pytest.approx(1e3 * totals["location"], rel=1e-9)
    assert terms["E_kwh"] == pytest.approx(totals["facility"], rel=1e-9)
    lines = list(csv.DictReader(io.StringIO(codecarbon.emissions_csv(run))))
    assert sum(float(line["emissions"]) for line in lines) == pytest.approx(totals["location"], rel=1e-9)


PATHS = {
    "energy_kwh.facility": "facility", "carbon_kg.operational_location": "location", "cost.carbon": "charged",
    "carbon_kg.operational_market": "market", "carbon_kg.scopes": "scope_1", "cost.energy": "cost",
    "water_l.onsite": "onsite", "water_l.offsite": "offsite",
}  # fmt: skip
