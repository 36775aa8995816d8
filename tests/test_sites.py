"""Several sites in one run: each under its own grid and building, and together what they are apart."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import sim
from sim.errors import InputError
from tests.small import small


def two_sites() -> dict[str, Any]:
    """The small scenario with its training job on a node in the north and its service on one in the south."""
    scenario = small()
    north = scenario.pop("site")
    south = copy.deepcopy(north)
    south["grid"]["intensity"] = "100 gCO2e/kWh"
    south["facility"]["pue"] = 1.1
    scenario["sites"] = {"north": north, "south": south}
    scenario["cluster"]["nodes"] = [
        {"profile": "dgx-a100", "count": 1, "name": "a", "site": "north"},
        {"profile": "dgx-a100", "count": 1, "name": "b", "site": "south"},
    ]
    scenario["workloads"]["tune"]["pool"] = "a"
    scenario["workloads"]["api"]["pool"] = "b"
    return scenario


def test_the_whole_is_its_sites() -> None:
    results = sim.run(two_sites())
    sites = results.summary["sites"]
    assert set(sites) == {"north", "south"}
    for path in (("energy_kwh", "it"), ("carbon_kg", "total"), ("carbon_kg", "embodied"), ("water_l", "total")):
        parts = sum(site[path[0]][path[1]] for site in sites.values())
        assert parts == pytest.approx(results.at(".".join(path)), rel=1e-12)
    for name, grams, pue in (("north", 0.4, 1.25), ("south", 0.1, 1.1)):
        here = sites[name]
        assert here["kpi"]["pue"] == pytest.approx(pue, rel=1e-12)
        assert here["carbon_kg"]["operational_location"] == pytest.approx(
            grams * pue * here["energy_kwh"]["it"], rel=1e-12
        )


def test_where_a_pool_stands_changes_its_carbon_and_not_its_energy() -> None:
    here, there = two_sites(), two_sites()
    there["cluster"]["nodes"][0]["site"] = "south"
    first, other = sim.run(here), sim.run(there)
    assert first.at("energy_kwh.it") == other.at("energy_kwh.it")
    assert other.at("energy_kwh.facility") < first.at("energy_kwh.facility")
    assert other.at("carbon_kg.operational_location") < first.at("carbon_kg.operational_location")
    assert other.at("sites.north.energy_kwh.it") == 0.0
    assert other.at("carbon_kg.embodied") == pytest.approx(first.at("carbon_kg.embodied"), rel=1e-12)


def test_the_mean_over_regions_by_hand_is_ours() -> None:
    """Dodge et al. 2022 (FAccT) price one job under many regions: the same ledger, each region's intensity."""
    base = sim.run(small())
    regions = (57.0, 369.5, 640.0)
    ours = [
        sim.account(base, set={"site.grid.intensity": f"{grams} gCO2e/kWh"}).at("carbon_kg.operational_location")
        for grams in regions
    ]
    by_hand = base.at("energy_kwh.facility") * sum(regions) / len(regions) / 1000
    assert sum(ours) / len(ours) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda s: s["cluster"]["nodes"][0].pop("site"), r"required where there are several sites  \(north, south\)"),
        (lambda s: s["cluster"]["nodes"][0].update(site="nort"), "unknown site 'nort'; did you mean 'north'"),
        (lambda s: s.update(site=s["sites"]["north"]), "give 'site' or 'sites', not both"),
        (lambda s: s.pop("sites"), "We do not guess where the machines stand"),
        (lambda s: s["sites"]["south"]["grid"].update(price="1 EUR/kWh"), "give all prices in one currency"),
        (lambda s: s["sites"]["south"]["grid"].pop("intensity"), "We do not guess a carbon intensity"),
    ],
)
def test_a_pool_without_a_place_is_refused(change: Any, says: str) -> None:
    scenario = two_sites()
    change(scenario)
    with pytest.raises(InputError, match=says):
        sim.load(scenario)


def test_a_quantity_that_one_site_does_not_model_has_no_total() -> None:
    scenario = two_sites()
    del scenario["sites"]["south"]["water"]["ewif"]
    results = sim.run(scenario)
    assert "offsite" not in results.summary["water_l"]
    assert "offsite" in results.at("sites.north.water_l")
    assert any(what.startswith("off-site water") and "south" in what for what in results.at("boundary.not_modelled"))
