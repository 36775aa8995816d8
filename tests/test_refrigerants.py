"""Refrigerants that escape: scope 1, whatever the load, in every account but the marginal one."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import sim
from sim.errors import InputError
from sim.exports import ghg
from sim.exports.run import Run
from sim.results.environment import account_rows
from sim.results.explain.text import text_of
from sim.results.files import read, write
from sim.running.explain import explanations
from tests.small import small
from tests.test_known_totals import BARE, DIESEL, priced

GAS = {"name": "R-134a", "charge": "120 kg", "leak": "2 %", "gwp": 1530}
OF_6_H_KG = 120 * 0.02 * 1530 * 6 / (365.25 * 24)
"""Charge x share lost in a year x GWP (IPCC 2006, volume 3, equation 7.13), for the six hours of the small scenario."""


def test_what_escapes_is_charge_times_leak_times_gwp_in_both_accounts() -> None:
    scenario = small()
    scenario["site"]["grid"] |= {"marginal": "600 gCO2e/kWh", "market": {"residual_mix": "500 gCO2e/kWh"}}
    without = sim.run(scenario)
    for gases, times in (([GAS], 1.0), ([GAS, {**GAS, "name": "R-410A", "charge": "60 kg"}], 1.5), ([], 0.0)):
        run = sim.account(without, set={"site.refrigerants": copy.deepcopy(gases)})
        escaped = times * OF_6_H_KG
        assert run.at("carbon_kg.refrigerants") == pytest.approx(escaped, rel=1e-12)
        for path in ("scopes.scope_1", "operational_location", "operational_market", "total", "total_market"):
            assert run.at(f"carbon_kg.{path}") - without.at(f"carbon_kg.{path}") == pytest.approx(
                escaped, rel=1e-9, abs=1e-12
            )
        for path in ("scopes.scope_2_location", "scopes.scope_2_market", "scopes.scope_3", "marginal_effect"):
            assert run.at(f"carbon_kg.{path}") == pytest.approx(without.at(f"carbon_kg.{path}"), rel=1e-12)
    assert "refrigerants" not in without.summary["carbon_kg"]


def test_where_nothing_draws_it_escapes_all_the_same_and_is_nobodys() -> None:
    results = sim.run(priced(spare={**BARE, "refrigerants": [GAS]}))
    assert results.at("sites.spare.carbon_kg.refrigerants") == pytest.approx(OF_6_H_KG, rel=1e-12)
    assert results.at("carbon_kg.scopes.scope_1") == pytest.approx(OF_6_H_KG, rel=1e-12)
    assert results.at("sites.spare.carbon_kg.by_workload") == {"unallocated": pytest.approx(OF_6_H_KG, rel=1e-12)}


def test_who_does_not_say_what_escapes_is_named_and_shown_as_nothing_known(tmp_path: Any) -> None:
    """Two sites that draw and say nothing of it: their rows have no 0, and the total is of the third alone."""
    results = sim.run(priced(spare={**BARE, "refrigerants": [GAS]}))
    part = results.at("known_in_part")["carbon_kg.refrigerants"]
    assert (part["sites"], part["lacking"]) == (["spare"], ["north", "south"])
    assert part["known"] == pytest.approx(OF_6_H_KG, rel=1e-12)
    assert "refrigerants" not in results.summary["carbon_kg"]
    assert "refrigerants" not in results.at("sites.north.carbon_kg")
    told = "refrigerants that escape at north, south (give sites.north.refrigerants)"
    assert told in results.at("boundary.not_modelled")
    write(results, tmp_path / "run")
    table = ghg.rows(Run(tmp_path / "run", read(tmp_path / "run")))
    rows = {row.site: row for row in table if row.item == "refrigerants that escape"}
    assert [rows[site].value for site in ("north", "south")] == [None, None]
    assert rows["all"].value == part["known"]
    assert rows["all"].note == "of spare alone: give sites.north.refrigerants, sites.south.refrigerants"
    burnt = {row.site: row.value for row in table if row.item == "fuel burnt on site"}
    assert burnt == {site: pytest.approx(0.0, abs=1e-9) for site in ("all", "north", "south", "spare")}
    nothing = sim.run(priced(north={**priced()["sites"]["north"], "refrigerants": []}, spare=BARE))
    assert "spare" not in nothing.at("known_in_part")["carbon_kg.refrigerants"]["lacking"]  # it needs no cooling


def test_they_are_told_priced_explained_and_exported(tmp_path: Any) -> None:
    scenario = small()
    scenario["site"]["refrigerants"] = [GAS]
    scenario["accounting"]["carbon_price"] = {"price": "100 USD/t", "scopes": [1]}
    run = sim.run(scenario)
    assert run.at("cost.carbon") == pytest.approx(0.1 * OF_6_H_KG, rel=1e-12)
    assert "of it refrigerants that escaped" in dict(account_rows(run.summary))
    for path in ("carbon_kg.refrigerants", "carbon_kg.scopes.scope_1"):
        (told,) = explanations(run, path)
        assert told.steps[0].again == pytest.approx(OF_6_H_KG, rel=1e-9)
    text = " ".join(text_of(explanations(run, "carbon_kg.refrigerants")[0]).split())
    assert "site.refrigerants" in text
    assert "R-134a" in text
    write(run, tmp_path / "run")
    rows = {row.item: row for row in ghg.rows(Run(tmp_path / "run", read(tmp_path / "run"))) if row.scope == "1"}
    assert rows["refrigerants that escape"].value == run.at("carbon_kg.refrigerants")
    assert rows["fuel burnt on site"].value == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(InputError, match=r"is not in this run: give site\.refrigerants"):
        explanations(sim.run(small()), "carbon_kg.refrigerants")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"charge": "120 L"}, "is not mass"),
        ({"leak": "120 %"}, "leak"),
        ({"gwp": -1}, "gwp"),
        ({"charge": "-1 kg"}, "negative"),
        ({"gas": "R-134a"}, "gas"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], says: str) -> None:
    scenario = small()
    scenario["site"]["refrigerants"] = [{**GAS, **change}]
    with pytest.raises(InputError, match=says):
        sim.load(scenario)


def test_what_is_emitted_on_site_is_no_part_of_the_grids_rate() -> None:
    """Fuel and gas stand beside what was drawn: a kWh is told at the intensity that the scenario gives."""
    units = [{"kind": "connection", "export_limit": "0 W"}, DIESEL]
    scenario = small()
    scenario["site"] |= {"refrigerants": [GAS], "on_site": units}
    scenario["site"]["grid"] |= {"marginal": "600 gCO2e/kWh", "market": {"residual_mix": "500 gCO2e/kWh"}}
    run = sim.run(scenario)
    rates = {"operational_location": "400", "operational_market": "500", "marginal_effect": "600"}
    for name, rate in rates.items():
        (told,) = explanations(run, f"carbon_kg.{name}")
        terms = {term.label: term for term in told.steps[0].terms}
        assert f" x {rate} g/kWh" in terms["site"].product
        assert terms["site: fuel"].value == pytest.approx(
            run.at("carbon_kg.scopes.scope_1") - run.at("carbon_kg.refrigerants"), rel=1e-9
        )
        assert ("site: refrigerants" in terms) is (name != "marginal_effect")
        assert told.steps[0].again == pytest.approx(run.at(f"carbon_kg.{name}"), rel=1e-9)
    (told,) = explanations(run, "carbon_kg.scopes.scope_1")
    assert [term.label for term in told.steps[0].terms] == ["site: fuel", "site: refrigerants"]
    assert any(one.name == "site.refrigerants" for one in told.inputs)
