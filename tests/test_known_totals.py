"""Totals over several sites: what needs no number lacks none, and what is known of a total is told as a part of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.errors import InputError
from sim.exports import ghg
from sim.exports.run import Run
from sim.onsite.diesel import SCOPE_1_G_PER_L
from sim.report.run import report
from sim.results.environment import account_rows
from sim.results.explain.text import text_of
from sim.results.files import read, write
from sim.results.results import Results
from sim.running.explain import explanations
from tests.kind_examples import BATTERY
from tests.test_sites import two_sites

MARKET = {"residual_mix": "500 gCO2e/kWh"}
DIESEL = {
    "kind": "diesel",
    "capacity": "100 kW",
    "minimum_load": "30 %",
    "fuel": {"full": "0.27 L/kWh", "half": "0.29 L/kWh"},
    "tests": {"every": "1 d", "duration": "30 min", "load": "30 %", "into": "load-bank"},
}


def priced(**sites: Mapping[str, Any]) -> dict[str, Any]:
    """Two sites with every number, and with what is changed of each; a third one stands if it is named."""
    scenario = two_sites()
    for site in scenario["sites"].values():
        site["grid"] |= {"price": "0.20 EUR/kWh", "marginal": "600 gCO2e/kWh", "market": dict(MARKET)}
        site["water"] = {"wue": "1.8 L/kWh", "ewif": "3.1 L/kWh", "scarcity": {"site": 2, "grid": 3}}
    for name, site in sites.items():
        own = scenario["sites"].setdefault(name, {"facility": {"kind": "fixed-pue", "pue": 1.5}})
        for part, given in site.items():
            own[part] = given
    return scenario


BARE = {"grid": {"intensity": "300 gCO2e/kWh"}}
TOTALS = (
    "cost.energy", "carbon_kg.operational_market", "carbon_kg.total_market", "carbon_kg.scopes.scope_2_market",
    "carbon_kg.marginal_effect", "water_l.onsite", "water_l.offsite", "water_l.total", "water_l.scarcity_weighted",
    "kpi.ref", "kpi.wue_l_per_kwh", "kpi.wue_source_l_per_kwh",
)  # fmt: skip


@pytest.fixture(scope="module")
def whole() -> Results:
    return sim.run(priced())


def test_a_site_that_drew_nothing_lacks_no_number_and_adds_exactly_0(whole: Results) -> None:
    """A third place, of which nothing is known but its grid, and where no machine stands."""
    with_spare = sim.run(priced(spare=BARE))
    for path in TOTALS:
        assert with_spare.at(path) == whole.at(path), path
    assert with_spare.summary["boundary"]["not_modelled"] == whole.summary["boundary"]["not_modelled"]
    assert "market_based" not in with_spare.summary["boundary"]
    assert "known_in_part" not in with_spare.summary
    spare = with_spare.at("sites.spare")
    assert spare["cost"] == {"energy": 0.0, "currency": "EUR"}
    assert spare["carbon_kg"]["operational_market"] == spare["water_l"]["total"] == 0.0


def test_machines_that_are_off_all_the_time_need_no_number_either(whole: Results) -> None:
    """They drew standby power: a site with machines that draw has to say what that costs."""
    scenario = priced(spare=BARE)
    scenario["cluster"]["nodes"].append({"profile": "dgx-a100", "count": 1, "name": "c", "site": "spare"})
    results = sim.run(scenario)
    assert "energy" not in results.summary["cost"]
    assert results.at("known_in_part")["cost.energy"]["lacking"] == ["spare"]
    scenario["cluster"]["nodes"][-1]["count"] = 0
    try:
        empty = sim.run(scenario)
    except InputError:  # a pool of none may be refused: then there is nothing to price
        return
    assert empty.at("cost.energy") == whole.at("cost.energy")


def test_what_is_known_of_a_total_is_told_as_a_part_with_who_lacks_what(whole: Results) -> None:
    scenario = priced(south={"grid": {**BARE["grid"], "market": MARKET}, "water": {}})
    results = sim.run(scenario)
    part = results.at("known_in_part")
    assert {*part} == {"cost.energy", "carbon_kg.marginal_effect", "water_l.onsite", "water_l.offsite"}
    for path, one in part.items():
        assert one["sites"] == ["north"]
        assert one["lacking"] == ["south"]
        assert one["known"] == pytest.approx(results.at(f"sites.north.{path}"), rel=1e-12)
        assert one["known"] == pytest.approx(whole.at(f"sites.north.{path}"), rel=1e-12)
        assert one["known"] > 0.0
        table, _, name = path.partition(".")
        assert name not in results.summary[table]
        assert name not in results.at("sites.south")[table]
    assert part["cost.energy"]["give"] == ["sites.south.grid.price"]
    assert part["cost.energy"]["unit"] == "EUR"
    missing = results.at("boundary.not_modelled")
    assert "energy cost at south (give sites.south.grid.price)" in missing
    assert "on-site water at south (give sites.south.water.wue, or a plant)" in missing
    rows = dict(account_rows(results.summary))
    assert rows["energy cost of north alone"].endswith(" EUR")
    assert "energy cost" not in rows
    page = report(results, folder="DIR")
    assert "EUR at north alone: give sites.south.grid.price" in page
    (told,) = explanations(results, 'known_in_part."cost.energy".known')
    assert told.place.value == part["cost.energy"]["known"]
    with pytest.raises(InputError, match=r"not known of all sites: south needs it, so give sites\.south\.grid\.price"):
        explanations(results, "cost.energy")


def test_who_says_nothing_of_its_market_is_counted_by_location_and_named(whole: Results, tmp_path: Path) -> None:
    """GHG Protocol, Scope 2 Guidance 7.1: all operations by both methods, those without a market by location."""
    results = sim.run(priced(south={"grid": {"intensity": "100 gCO2e/kWh"}}))
    north, south = results.at("sites.north.carbon_kg"), results.at("sites.south.carbon_kg")
    assert south["operational_market"] == south["operational_location"] > 0.0
    assert north["operational_market"] == whole.at("sites.north.carbon_kg.operational_market")
    total = north["operational_market"] + south["operational_location"]
    assert results.at("carbon_kg.operational_market") == pytest.approx(total, rel=1e-12)
    (rule,) = results.at("boundary.market_based")
    assert rule.startswith("south: its location-based factor")
    assert rule.endswith("give sites.south.grid.market")
    write(results, tmp_path / "run")
    run = Run(tmp_path / "run", read(tmp_path / "run"))
    rows = [row for row in ghg.rows(run) if row.category == "market-based"]
    assert [bool(row.note) for row in rows] == [True, False, True]  # all, north, south
    assert all(row.value is not None for row in rows)
    table = list(csv.DictReader(io.StringIO(ghg.as_csv(run))))
    assert sum("location-based factor" in row["note"] for row in table) == 2
    assert rule in " ".join(report(results, folder="DIR").split())
    (told,) = explanations(results, "carbon_kg.operational_market")
    assert "its location-based factor" in " ".join(text_of(told).split())
    assert told.steps[0].again == pytest.approx(total, rel=1e-9)


def test_a_site_that_only_burnt_counts_its_fuel_in_both_accounts() -> None:
    """A generator that is tested at a place without a market: scope 1 is in the market-based total, too."""
    spare = {**BARE, "on_site": [{"kind": "connection", "export_limit": "0 W"}, DIESEL]}
    results = sim.run(priced(spare=spare))
    burnt = results.at("sites.spare.carbon_kg.scopes.scope_1")
    litres = 0.5 * (0.25 * 30.0 + 0.02 * 100.0)  # half an hour at 30 kW: a line through 27 L/h full and 14.5 L/h half
    assert burnt == pytest.approx(litres * SCOPE_1_G_PER_L / 1e3, rel=1e-9)  # though nothing there drew a joule
    assert results.at("carbon_kg.by_workload.unallocated") >= burnt
    assert results.at("sites.spare.carbon_kg.operational_market") == pytest.approx(burnt, rel=1e-12)
    scopes = results.at("carbon_kg.scopes")
    both = scopes["scope_1"] + scopes["scope_2_market"]
    assert results.at("carbon_kg.operational_market") == pytest.approx(both, rel=1e-12)


def test_a_battery_that_is_refilled_is_charged_by_location_where_nothing_was_bought() -> None:
    """Whoever says nothing of its market has one rate in both accounts, stock included."""
    bounds = {"kind": "fixed", "charge_at": "50 gCO2e/kWh", "discharge_at": "90 gCO2e/kWh"}
    battery = {"kind": "battery", **BATTERY, "dispatch": {"kind": "carbon", "bounds": bounds}}
    units = [{"kind": "connection", "export_limit": "0 W"}, battery]
    scenario = priced(south={"grid": {"intensity": "100 gCO2e/kWh"}, "on_site": units})
    results = sim.run(scenario)
    assert results.at("sites.south.stored_energy.carbon_kg.operational_market") > 0.0
    south = results.at("sites.south.carbon_kg")
    assert south["operational_market"] == pytest.approx(south["operational_location"], rel=1e-12)


@pytest.mark.parametrize("path", TOTALS[:9])
def test_totals_are_the_sum_of_their_sites(path: str, whole: Results) -> None:
    for results in (whole, sim.run(priced(spare=BARE)) if path == TOTALS[0] else whole):
        parts = [results.at(f"sites.{name}.{path}") for name in results.summary["sites"]]
        assert sum(parts) == pytest.approx(results.at(path), rel=1e-12)


def test_a_convention_by_market_is_told_of_a_site_without_one_by_location() -> None:
    """As the standard has it; it is refused only where no site says what it bought."""
    scenario = priced(south={"grid": {"intensity": "100 gCO2e/kWh"}})
    scenario["accounting"]["convention"] = {"kind": "profile", "profile": "ghg-protocol-market"}
    results = sim.run(scenario)
    assert results.at("convention.counted.operational_kg") == pytest.approx(
        results.at("carbon_kg.operational_market"), rel=1e-12
    )
    del scenario["sites"]["north"]["grid"]["market"]
    with pytest.raises(InputError, match=r"counts the market carbon of a kWh, and north has no grid\.market"):
        sim.load(scenario)
