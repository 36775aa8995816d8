"""Market-based carbon: contracts never cover more than the load, the rest stands at the residual mix, hours matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.accounting.market import Contract, Market, match
from sim.errors import InputError
from sim.results.environment import component_grid
from sim.signals import Signal
from sim.units import HOUR_NS
from tests.small import small

HOUR_S = 3600.0
RESIDUAL = 2.0
loads = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=12)


def contract(watts: list[float], *, hourly: bool, grams: float = 0.0, by_the_hour: bool = True) -> Contract:
    """A supply by the hour."""
    edges = np.arange(len(watts) + 1, dtype=np.int64) * HOUR_NS
    supply = Signal(edges, np.array(watts, dtype=np.float64), "W")
    return Contract(supply, grams, carbon_free=grams == 0.0, renewable=True, hourly=hourly, by_the_hour=by_the_hour)


def matched(load_w: list[float], *contracts: Contract) -> tuple[float, float, float]:
    """Carbon in g, carbon-free in the hour and renewable in J."""
    edges = np.arange(len(load_w) + 1, dtype=np.int64) * HOUR_NS
    seconds = np.full(len(load_w), HOUR_S)
    market = Market(contracts, Signal.constant(RESIDUAL, "g/J"))
    result = match(market, np.array(load_w) * seconds, edges, seconds)
    return float(result.carbon_g.sum()), float(result.carbon_free_j.sum()), float(result.renewable_j.sum())


@given(st.data())
def test_an_hourly_match_never_beats_an_annual_one_of_the_same_supply(data: st.DataObject) -> None:
    load = data.draw(loads)
    supply = data.draw(st.lists(st.floats(0.0, 1e6), min_size=len(load), max_size=len(load)))
    total_j = sum(load) * HOUR_S
    by_hour = matched(load, contract(supply, hourly=True))
    by_year = matched(load, contract(supply, hourly=False))
    assert by_hour[0] >= by_year[0] - 1e-9 * RESIDUAL * total_j
    # by hand: what each hour's supply does not reach, and what the year's does not
    assert by_hour[0] == pytest.approx(
        RESIDUAL * HOUR_S * sum(max(0.0, a - b) for a, b in zip(load, supply, strict=True)), abs=1e-9 * total_j + 1e-9
    )
    assert by_year[0] == pytest.approx(RESIDUAL * HOUR_S * max(0.0, sum(load) - sum(supply)), abs=1e-6 * total_j + 1e-9)
    assert by_hour[1] == by_year[1] <= total_j * (1 + 1e-12)  # hour by hour, however the contract is matched


@given(loads, st.floats(0.0, 1e6), st.floats(0.0, 1e6))
def test_contracts_together_cover_each_joule_once(load: list[float], one_w: float, other_w: float) -> None:
    n = len(load)
    both = matched(load, contract([one_w] * n, hourly=False), contract([other_w] * n, hourly=True))
    renewable_j, total_j = both[2], sum(load) * HOUR_S
    assert renewable_j <= total_j * (1 + 1e-9)
    assert both[0] == pytest.approx(RESIDUAL * (total_j - renewable_j), abs=1e-6 * total_j + 1e-9)


@pytest.mark.parametrize("first", [True, False])
def test_what_is_matched_by_the_hour_is_used_before_what_is_matched_by_the_year(first: bool) -> None:
    """Two hours of 10 W: 10 W in the first by the hour, 10 W-hours by the year for the other, and nothing is left, in
    whatever order they are written; used the other way, the year's half of the first hour would leave 5 W-hours."""
    by_hour, by_year = contract([10.0, 0.0], hourly=True), contract([5.0, 5.0], hourly=False, grams=0.5)
    bought = (by_hour, by_year) if first else (by_year, by_hour)
    carbon_g, _, renewable_j = matched([10.0, 10.0], *bought)
    assert renewable_j == 20.0 * HOUR_S
    assert carbon_g == pytest.approx(10.0 * HOUR_S * 0.5)


def test_a_certificate_claims_the_year_and_no_hour() -> None:
    carbon_g, carbon_free_j, renewable_j = matched(
        [100.0, 0.0], contract([50.0, 50.0], hourly=False, by_the_hour=False)
    )
    assert (carbon_g, carbon_free_j, renewable_j) == (0.0, 0.0, 100.0 * HOUR_S)


def test_what_a_contract_conveys_counts() -> None:
    carbon_g, _, _ = matched([100.0], contract([60.0], hourly=True, grams=0.5))
    assert carbon_g == pytest.approx((60.0 * 0.5 + 40.0 * RESIDUAL) * HOUR_S)


MARKET = {
    "residual_mix": "500 gCO2e/kWh",
    "contracts": [{"kind": "ppa", "source": "wind", "energy": "20 MWh/year", "supply": "flat", "matching": "hourly"}],
}


def test_market_and_location_stand_side_by_side_and_are_never_summed() -> None:
    base = sim.run(small())
    bought = sim.account(base, set={"site.grid.market": MARKET})
    assert "operational_market" not in base.summary["carbon_kg"]
    for path in ("carbon_kg.operational_location", "carbon_kg.total", "carbon_kg.scopes.scope_2_location"):
        assert bought.at(path) == base.at(path)
    facility = base.at("energy_kwh.facility")  # more than the 2.3 kW of the contract in every hour
    delivered = 20e3 * 6 / (365.25 * 24)
    assert bought.at("carbon_kg.operational_market") == pytest.approx(0.5 * (facility - delivered), rel=1e-9)
    carbon = bought.summary["carbon_kg"]
    assert carbon["total_market"] == pytest.approx(carbon["operational_market"] + carbon["embodied"], rel=1e-12)
    assert carbon["total"] == base.at("carbon_kg.total")
    assert "total_market" not in base.summary["carbon_kg"]
    assert component_grid(base.summary, [])[2][0] == "total"
    assert component_grid(bought.summary, [])[2][0] == "total (location-based)"
    labels = {one.path: one.label for one in sim.compare(base, bought).differences[0]}
    for path, said in {"total": "total carbon", "operational_location": "operational carbon"}.items():
        assert labels[f"carbon_kg.{path}"] == f"{said}, location-based"
    assert labels["carbon_kg.total_market"] == "total carbon, market-based"
    assert "total carbon" in {one.label for one in sim.compare(base, base).differences[0]}
    assert bought.at("kpi.cfe_24_7") == pytest.approx(delivered / facility, rel=1e-9)
    assert bought.at("kpi.ref") == pytest.approx(delivered / facility, rel=1e-9)
    nothing = sim.account(base, set={"site.grid.market": {"residual_mix": "400 gCO2e/kWh"}})
    assert nothing.at("carbon_kg.operational_market") == pytest.approx(nothing.at("carbon_kg.operational_location"))


@pytest.mark.parametrize(
    ("contract", "says"),
    [
        ({"kind": "ppa", "source": "wind", "supply": "flat", "matching": "hourly"}, "a flat supply needs 'energy'"),
        ({"kind": "certificates", "source": "biomass", "energy": "1 GWh/year"}, "biomass is burnt"),
        ({"kind": "certificates", "source": "wind", "energy": "1 GWh"}, "not a power"),
    ],
)
def test_a_contract_that_leaves_out_what_decides_is_refused(contract: dict[str, str], says: str) -> None:
    scenario = small()
    scenario["site"]["grid"]["market"] = {"residual_mix": "500 gCO2e/kWh", "contracts": [contract]}
    with pytest.raises(InputError, match=says):
        sim.load(scenario)
