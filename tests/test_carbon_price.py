"""A price of carbon: of which scopes, by which method and where, in every place where a cost is told."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.errors import InputError, QuantityError
from sim.exports import ghg
from sim.exports.run import Run
from sim.report.compare import report as compared
from sim.report.run import report
from sim.results.environment import account_rows
from sim.results.explain.text import text_of
from sim.results.files import read, to_yaml, write
from sim.running.explain import explanations
from sim.units import parse_price
from tests.job_worlds import jobs_scenario
from tests.small import small
from tests.test_known_totals import BARE, MARKET, priced

PRICES = [
    ([1], None, lambda of: of["scope_1"]),
    ([2], "location", lambda of: of["scope_2_location"]),
    ([2], "market", lambda of: of["scope_2_market"]),
    ([3], None, lambda of: of["scope_3"]),
    ([1, 2, 3], "market", lambda of: of["scope_1"] + of["scope_2_market"] + of["scope_3"]),
    ([3, 2], "location", lambda of: of["scope_2_location"] + of["scope_3"]),
]
DIESEL = {
    "kind": "diesel", "capacity": "100 kW", "minimum_load": "30 %",
    "fuel": {"full": "0.27 L/kWh", "half": "0.29 L/kWh"}, "fuel_upstream": "0.6 kgCO2e/L",
    "tests": {"every": "1 d", "duration": "30 min", "load": "30 %", "into": "load-bank"},
}  # fmt: skip


def charged(price: str = "50 EUR/t CO2e", **more: Any) -> dict[str, Any]:
    return {"price": price, "scopes": [1, 2, 3], "base": "market", **more}


def burning() -> dict[str, Any]:
    """Two sites of which one tests its generator, so that every scope has something."""
    units = [{"kind": "connection", "export_limit": "0 W"}, DIESEL]
    north = priced()["sites"]["north"]
    return priced(north={**north, "on_site": units})


def test_a_price_is_text_with_its_currency_and_its_mass() -> None:
    for text in ("50 EUR/t CO2e", "50 EUR/tCO2e", "50 EUR/t", "0.05 EUR/kgCO2e", "50 EUR/t CO2"):
        value, currency = parse_price(text, "carbon price")
        assert value * 1e6 == pytest.approx(50.0, rel=1e-12)
        assert currency == "EUR"
    for wrong in ("50 EUR", "50 /t", "50 EUR/kWh", "50 CHF/t", "fifty EUR/t", "50 EUR/t CO2e per year"):
        with pytest.raises(QuantityError):
            parse_price(wrong, "carbon price")


@pytest.mark.parametrize(("scopes", "base", "of"), PRICES)
def test_the_cost_is_the_price_times_the_scopes_it_is_of(scopes: list[int], base: str | None, of: Any) -> None:
    run = sim.run(burning())
    assert run.at("carbon_kg.scopes.scope_1") > 0.0
    spec = {"price": "50 EUR/t CO2e", "scopes": scopes, **({"base": base} if base else {})}
    priced_run = sim.account(run, set={"accounting.carbon_price": spec})
    for place in ("", "sites.north.", "sites.south."):
        by_hand = 0.05 * of(run.at(f"{place}carbon_kg.scopes"))
        cost = priced_run.at(f"{place}cost")
        assert cost["carbon"] == pytest.approx(by_hand, rel=1e-12, abs=1e-15)
        assert cost["total"] == pytest.approx(cost["energy"] + by_hand, rel=1e-12)
        assert sum(cost["carbon_by_scope"].values()) == pytest.approx(by_hand, rel=1e-12, abs=1e-15)
        assert {*cost["carbon_by_scope"]} == {f"scope_{scope}" for scope in scopes}
        assert cost["energy"] == run.at(f"{place}cost.energy")
    method = f" ({base}-based)" if base else ""
    assert priced_run.at("cost.carbon_basis").endswith(method)
    for path in ("carbon_kg", "energy_kwh", "water_l", "kpi"):  # it prices carbon, and changes none
        assert priced_run.at(path) == run.at(path)


def test_twice_the_price_is_twice_the_cost_and_it_is_due_where_it_is_said_to_be() -> None:
    run = sim.run(burning())
    once, twice, north = (
        sim.account(run, set={"accounting.carbon_price": spec})
        for spec in (charged(), charged("100 EUR/t"), charged(sites=["north"]))
    )
    assert twice.at("cost.carbon") == pytest.approx(2.0 * once.at("cost.carbon"), rel=1e-12)
    assert north.at("cost.carbon") == pytest.approx(once.at("sites.north.cost.carbon"), rel=1e-12)
    assert north.at("sites.south.cost.carbon") == 0.0
    assert north.at("cost.carbon_basis").endswith("at north")


def test_networks_and_users_devices_are_of_scope_3() -> None:
    spec = {"price": "100 EUR/t", "scopes": [3]}
    run = sim.run("split-detector", set={"duration": "10 min", "accounting.carbon_price": spec})
    assert run.at("energy_kwh.network") > 0.0
    assert run.at("cost.carbon") == pytest.approx(0.1 * run.at("carbon_kg.scopes.scope_3"), rel=1e-12)


def test_without_a_price_of_energy_it_is_all_that_is_told() -> None:
    scenario = small()
    del scenario["site"]["grid"]["price"]
    scenario["accounting"]["carbon_price"] = {"price": "50 EUR/t", "scopes": [2], "base": "location"}
    run = sim.run(scenario)
    assert {*run.at("cost")} == {"carbon", "carbon_by_scope", "carbon_basis", "currency"}
    assert run.at("cost.currency") == "EUR"
    page = report(run, folder="DIR")
    assert "Cost of carbon" in page
    with pytest.raises(InputError, match=r"cost\.total: is not in this run: give both site\.grid\.price and"):
        explanations(run, "cost.total")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (charged("50 USD/t"), "is in USD, and that of energy in EUR; give all prices in one currency"),
        (charged("50 EUR/kWh"), "not a carbon price"),
        (charged("-5 EUR/t"), "from 0 to 100,000 per t"),
        ({"price": "50 EUR/t", "scopes": [1, 2]}, "needs 'base' for scope 2: location or market"),
        ({"price": "50 EUR/t", "scopes": [1], "base": "market"}, "'base' counts scope 2, which is not among"),
        ({"price": "50 EUR/t", "scopes": [1, 1]}, "names a scope twice"),
        ({"price": "50 EUR/t", "scopes": []}, "scopes"),
        ({"price": "50 EUR/t", "scopes": [4]}, "scopes"),
        ({"scopes": [1]}, "price"),
        (charged(sites=["nort"]), "unknown site 'nort'; did you mean 'north'"),
    ],
)
def test_what_it_does_not_say_is_refused(spec: dict[str, Any], says: str) -> None:
    scenario = priced()
    scenario["accounting"]["carbon_price"] = spec
    with pytest.raises(InputError, match=says) as refused:
        sim.load(scenario)
    assert all("carbon_price" in problem.path for problem in refused.value.problems)


def test_by_market_it_needs_a_site_that_says_what_it_bought() -> None:
    scenario = small()
    scenario["accounting"]["carbon_price"] = charged("50 USD/t")
    with pytest.raises(InputError, match=r"no site says what it did; give grid\.market, or base: location"):
        sim.load(scenario)
    scenario["site"]["grid"]["market"] = dict(MARKET)
    assert sim.run(scenario).at("cost.carbon") > 0.0


def test_everything_that_tells_a_cost_tells_it(tmp_path: Any) -> None:
    scenario = burning()
    scenario["accounting"]["carbon_price"] = charged()
    run = sim.run(scenario)
    rows = dict(account_rows(run.summary))
    assert {"energy cost", "carbon cost", "cost of energy and carbon", "carbon is priced at"} <= {*rows}
    for path in ("cost.carbon", "cost.total", "sites.north.cost.carbon", "cost.carbon_by_scope.scope_2"):
        (told,) = explanations(run, path)
        if path != "cost.carbon_by_scope.scope_2":
            assert told.steps[0].again == pytest.approx(run.at(path), rel=1e-9)
    (told,) = explanations(run, "cost.carbon")
    text = " ".join(text_of(told).split())
    assert "scope 2" in text
    assert "accounting.carbon_price.price = 50 EUR/t CO2e" in text
    assert "sites.north.grid.market" in text
    page = report(run, folder="DIR")
    assert "Cost of energy and carbon" in page
    assert "50 EUR/t CO2e on scopes 1, 2 and 3 (market-based)" in page
    dearer = sim.account(run, set={"accounting.carbon_price.price": "80 EUR/t"})
    changes = {one.path: one.change for one in sim.compare(run, dearer).differences[0]}
    assert changes["cost.carbon"] == pytest.approx(0.6 * run.at("cost.carbon"), rel=1e-9)
    assert changes["cost.total"] == pytest.approx(0.6 * run.at("cost.carbon"), rel=1e-9)
    assert changes["cost.energy"] == 0.0
    assert "Cost of energy and carbon" in compared([run, dearer], folders=["a", "b"])
    write(run, tmp_path / "run")
    table = [row for row in ghg.rows(Run(tmp_path / "run", read(tmp_path / "run"))) if row.item.startswith("price of")]
    assert [(row.site, row.value) for row in table] == [
        (site, run.at(f"{at}cost.carbon"))
        for site, at in (("all", ""), ("north", "sites.north."), ("south", "sites.south."))
    ]
    assert {row.unit for row in table} == {"EUR"}


@pytest.mark.parametrize("rule", ["apart", "by-use", "by-reservation"])
def test_who_answers_for_carbon_answers_for_what_it_costs(rule: str) -> None:
    """Of every share, scopes 2 and 3 are all of its carbon, so that the price times it is its cost."""
    scenario = jobs_scenario(
        carbon_price={"price": "80 EUR/t", "scopes": [2, 3], "base": "location"}, attribution={"idle": rule}
    )
    scenario["site"]["grid"].pop("price", None)
    run = sim.run(scenario)
    for word in ("workload", "user", "account", "queue"):
        rows = [*run.at(f"attribution.by_{word}"), run.at("attribution.unallocated")]
        for row in rows:
            assert row["carbon_cost"] == pytest.approx(0.08 * row["carbon_kg"], rel=1e-9, abs=1e-12)
        assert sum(row["carbon_cost"] for row in rows) == pytest.approx(run.at("cost.carbon"), rel=1e-9)


def test_a_price_may_be_uncertain_and_moves_nothing_but_costs() -> None:
    scenario = small()
    scenario["accounting"]["carbon_price"] = {"price": "50 USD/t", "scopes": [2], "base": "location"}
    over = {"accounting.carbon_price.price": {"kind": "uniform", "low": "40 USD/t", "high": "60 USD/t"}}
    scenario["uncertainty"] = {"draws": 16, "seeds": 1, "over": over}
    run = sim.run(scenario)
    drawn = run.at("intervals")["cost.carbon"]
    assert 0.8 * run.at("cost.carbon") <= drawn["p05"] < drawn["p95"] <= 1.2 * run.at("cost.carbon")
    assert run.at("intervals")["cost.total"]["p95"] - run.at("intervals")["cost.total"]["p05"] == pytest.approx(
        drawn["p95"] - drawn["p05"], rel=1e-9
    )
    energy = run.at("intervals")["cost.energy"]
    assert energy["p05"] == energy["p95"]


def test_a_site_that_says_nothing_of_its_market_pays_by_location() -> None:
    scenario = priced(south=BARE)
    scenario["accounting"]["carbon_price"] = {"price": "50 EUR/t", "scopes": [2], "base": "market"}
    run = sim.run(scenario)
    south = run.at("sites.south")
    assert south["cost"]["carbon"] == pytest.approx(0.05 * south["carbon_kg"]["operational_location"], rel=1e-12)
    assert "total" not in run.summary["cost"]  # energy lacks a price at one site, so that both together are not known
    assert run.at("known_in_part")["cost.energy"]["lacking"] == ["south"]


def test_cost_of_carbon_can_be_what_a_search_makes_least(tmp_path: Any) -> None:
    pytest.importorskip("optuna")
    from sim.spec.search import load_search
    from sim.study.search.optimize import optimize

    base = small()
    base["accounting"]["carbon_price"] = {"price": "500 USD/t", "scopes": [2], "base": "location"}
    file = tmp_path / "base.yaml"
    file.write_text(to_yaml(base))
    over = {"site.grid.intensity": ["400 gCO2e/kWh", "50 gCO2e/kWh"]}
    found = optimize(
        load_search({"base": str(file), "optimize": {"minimise": "cost.total", "over": over, "trials": 6}})
    )
    assert found.best is not None
    assert found.best.values["site.grid.intensity"] == "50 gCO2e/kWh"
