"""What a battery holds more or less at the end of a run than at its start is neither free nor lost."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.accounting.indicators import indicators
from sim.accounting.market import Contract, Market
from sim.accounting.plan import GridPlan, SitePlan
from sim.accounting.site import SiteAccount, account_site
from sim.errors import InputError
from sim.facility.building import FixedPUE
from sim.onsite.battery import BatteryUnit
from sim.onsite.dispatch import SiteUnits
from sim.onsite.lifecycle import PerEnergy, Range
from sim.onsite.plan import OnsitePlan, Plant
from sim.onsite.thresholds import Fixed, Trade
from sim.report.run import report
from sim.signals import Signal
from sim.units import HOUR_NS, J_PER_KWH, NS_PER_S
from tests.small import small

HOUR_S = HOUR_NS / NS_PER_S
KW = 1000.0


def battery(start: float, *, one_way: float = 0.9, leak_per_s: float = 0.0) -> BatteryUnit:
    """100 kWh and 50 kW that do not fade."""
    return BatteryUnit(
        energy_j=100 * J_PER_KWH,
        charge_w=50 * KW,
        discharge_w=50 * KW,
        charge_efficiency=one_way,
        discharge_efficiency=one_way,
        soc_low=0.0,
        soc_high=1.0,
        soc_start=start,
        reserve=0.0,
        self_discharge_per_s=leak_per_s,
        fade_per_cycle=0.0,
        fade_per_s=0.0,
        end_of_life=0.8,
    )


def hourly(values: list[float], unit: str) -> Signal:
    """A value an hour."""
    return Signal(np.arange(len(values) + 1, dtype=np.int64) * HOUR_NS, np.array(values, dtype=np.float64), unit)


def accounted(
    unit: BatteryUnit,
    load_kw: list[float],
    price: list[float],
    intensity: list[float],
    *,
    sun_kw: list[float] | None = None,
    stated: dict[str, float] | None = None,
    **grid: Any,
) -> SiteAccount:
    """A site whose battery charges below a price of 1 and discharges from 2 on; intensity in g/kWh."""
    plants: tuple[Plant, ...] = ()
    if sun_kw is not None:
        shares = hourly([kw / 100 for kw in sun_kw], "W/W")
        plants = (Plant("pv", "pv 1", 100 * KW, shares, PerEnergy(Range(0, 0, 0, "none"))),)
    on_site = OnsitePlan(
        plants=plants,
        units=SiteUnits(unit, None, np.inf, 0.0),
        rule=Trade("price", Fixed(1.0, 2.0), unit.round_trip),
        stock=stated,
    )
    signals = GridPlan(
        intensity=hourly([g / J_PER_KWH for g in intensity], "g/J"),
        price=hourly(price, "USD/J"),
        **grid.pop("more", {}),
    )
    plan = SitePlan(building=FixedPUE(1.0), grid=signals, on_site=on_site, **grid)
    edges = np.arange(len(load_kw) + 1, dtype=np.int64) * HOUR_NS
    return account_site({"gpu": np.array(load_kw) * KW * HOUR_S}, plan, edges)


def operational_g(account: SiteAccount) -> float:
    """Location-based, with the change of what is stored."""
    assert account.stock is not None
    return float(account.taken["operational_g"].sum() + account.stock.taken["operational_g"].sum())


def test_a_full_battery_that_ends_empty_is_refilled_at_its_efficiency() -> None:
    """100 kWh give 90 kWh to the load and take 111.1 kWh to put back; 380 g and 0.11 each."""
    account = accounted(battery(1.0), [4.74] * 24, [3.0] * 24, [380.0] * 24)
    assert account.stock is not None
    assert account.stock.grid_j.sum() / J_PER_KWH == pytest.approx(100 / 0.9, rel=1e-12)
    assert operational_g(account) / 380 == pytest.approx(24 * 4.74 - 90 + 100 / 0.9, rel=1e-12)
    assert account.stock.taken["cost"].sum() == pytest.approx(3.0 * account.stock.grid_j.sum(), rel=1e-12)


days = st.integers(2, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(1.0, 60.0), min_size=n, max_size=n),
        st.lists(st.sampled_from([0.5, 1.5, 2.5]), min_size=n, max_size=n),
        st.integers(1, n - 1),
    )
)


@given(days, st.floats(0.0, 1.0), st.sampled_from([1.0, 0.9]), st.sampled_from([0.0, 1e-6]))
@settings(max_examples=60)
def test_two_halves_that_hand_the_stock_over_sum_to_the_long_run(
    day: tuple[list[float], list[float], int], start: float, one_way: float, leak: float
) -> None:
    load, price, cut = day
    unit = battery(start, one_way=one_way, leak_per_s=leak)
    whole = accounted(unit, load, price, [380.0] * len(load))
    first = accounted(unit, load[:cut], price[:cut], [380.0] * cut)
    assert first.stock is not None
    handed = replace(unit, soc_start=min(first.stock.end_j / unit.energy_j, 1.0))
    second = accounted(handed, load[cut:], price[cut:], [380.0] * (len(load) - cut))
    assert operational_g(first) + operational_g(second) == pytest.approx(operational_g(whole), rel=1e-9)


@given(days, st.floats(0.0, 1.0))
@settings(max_examples=60)
def test_a_battery_without_losses_changes_nothing_on_a_constant_grid(
    day: tuple[list[float], list[float], int], start: float
) -> None:
    load, price, _ = day
    account = accounted(battery(start, one_way=1.0), load, price, [380.0] * len(load))
    assert operational_g(account) == pytest.approx(380.0 * sum(load), rel=1e-9)


@given(days, st.floats(0.0, 1.0), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_a_credit_never_exceeds_what_charging_took(
    day: tuple[list[float], list[float], int], start: float, sunny: bool, seed: int
) -> None:
    load, price, _ = day
    rng = np.random.default_rng(seed)
    sun = rng.uniform(0, 100, len(load)).tolist() if sunny else None
    account = accounted(battery(start), load, price, rng.uniform(0, 900, len(load)).tolist(), sun_kw=sun)
    assert account.stock is not None
    assert (account.taken["operational_g"] + account.stock.taken["operational_g"] >= -1e-6).all()
    assert account.stock.supplied_j >= 0.0


def test_what_the_sun_left_in_the_battery_earns_nothing() -> None:
    account = accounted(battery(0.0), [10.0] * 4, [1.5] * 4, [380.0] * 4, sun_kw=[0.0, 30.0, 30.0, 10.0])
    assert account.stock is not None
    assert account.stock.end_j / J_PER_KWH == pytest.approx(2 * 20 * 0.9)
    assert account.stock.grid_j.tolist() == [0.0] * 4


def test_a_run_may_be_told_what_the_earlier_one_paid() -> None:
    """Charged at 100 g, drawn out in another run at 700 g: the second is told what the first was credited."""
    load, price, intensity = [10.0] * 8, [0.5] * 4 + [2.5] * 4, [100.0] * 4 + [700.0] * 4
    whole = accounted(battery(0.0), load, price, intensity)
    first = accounted(battery(0.0), load[:4], price[:4], intensity[:4])
    assert first.stock is not None
    assert whole.stock is not None
    paid = first.stock.taken["operational_g"].sum() / first.stock.grid_j.sum()
    handed = battery(first.stock.end_j / (100 * J_PER_KWH))
    stated = {"operational_g": paid, "cost": 0.5}
    second = accounted(handed, load[4:], price[4:], intensity[4:], stated=stated)
    taken = operational_g(whole) - operational_g(first)
    assert second.stock is not None
    assert second.stock.end_j == pytest.approx(whole.stock.end_j, abs=1.0)
    assert operational_g(second) == pytest.approx(taken, rel=1e-9)


def test_market_based_no_contract_is_claimed_for_a_refill_and_a_credit_gives_back_what_was_claimed() -> None:
    wind = Contract(Signal.constant(20 * KW, "W"), 0.0, True, True, True, True)
    market = Market((wind,), Signal.constant(500 / J_PER_KWH, "g/J"))
    drawn = accounted(battery(1.0), [10.0] * 6, [2.5] * 6, [380.0] * 6, market=market)
    assert drawn.stock is not None
    refill_kwh = drawn.stock.grid_j.sum() / J_PER_KWH
    assert drawn.stock.taken["market_g"].sum() == pytest.approx(500 * refill_kwh, rel=1e-12)
    filled = accounted(battery(0.0), [10.0] * 2, [0.5] * 2, [380.0] * 2, market=market)
    assert filled.stock is not None
    # 60 kW drawn in each hour, 20 kW of it contracted; 40 of 60 at 500 g, and 90 of 90 kWh stored stay
    assert filled.taken["market_g"].sum() == pytest.approx(2 * 40 * 500, rel=1e-12)
    assert filled.stock.taken["market_g"].sum() == pytest.approx(-2 * 50 * (40 / 60) * 500, rel=1e-12)


@pytest.mark.parametrize("start", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("price", [[0.5] * 6, [2.5] * 6, [0.5] * 3 + [2.5] * 3])
def test_a_grid_free_of_carbon_is_100_percent_whatever_the_battery_does(start: float, price: list[float]) -> None:
    one = Signal.constant(1.0, "J/J")
    account = accounted(battery(start), [10.0] * 6, price, [0.0] * 6, more={"carbon_free": one})
    kwh = float(account.facility_j.sum()) / J_PER_KWH
    found = indicators({"it": kwh, "facility": kwh}, {"operational_location": 0.0}, {}, [account])
    assert found["cfe_24_7"] == pytest.approx(1.0, rel=1e-12)


BATTERY = {
    "kind": "battery",
    "energy": "20 kWh",
    "power": "10 kW",
    "round_trip": 0.81,
    "start": "100 %",
    "self_discharge": "0 %",
    "life": {"end_of_life": 0.7, "cycles": 6000, "calendar": "15 years"},
    "lifecycle": "ivl-2019-lithium-ion",
    "dispatch": {"kind": "self-consumption"},
}


def stored(**more: Any) -> dict[str, Any]:
    """The small scenario with a battery that starts full and is emptied within its six hours."""
    scenario = copy.deepcopy(small())
    scenario["site"]["on_site"] = [{**BATTERY, **more}, {"kind": "connection", "export_limit": "0 W"}]
    return scenario


def test_the_change_has_its_line_its_carbon_and_its_cost_in_every_summary() -> None:
    results = sim.run(stored())
    table = results.at("stored_energy")
    held_kwh = 20.0
    assert table["start_kwh"] == pytest.approx(held_kwh, rel=1e-12)
    assert table["change_kwh"] == pytest.approx(-held_kwh, rel=1e-9)
    assert table["grid_kwh"] == pytest.approx(held_kwh / 0.9, rel=1e-9)
    assert table["carbon_kg"]["operational_location"] == pytest.approx(0.4 * held_kwh / 0.9, rel=1e-9)
    assert table["cost"]["energy"] == pytest.approx(0.18 * held_kwh / 0.9, rel=1e-9)
    bought = results.at("energy_kwh.grid_import") + table["grid_kwh"]
    assert results.at("carbon_kg.operational_location") == pytest.approx(0.4 * bought, rel=1e-9)
    assert results.at("cost.energy") == pytest.approx(0.18 * bought, rel=1e-9)
    assert results.at("carbon_kg.by_component.stored_energy") == pytest.approx(0.4 * held_kwh / 0.9, rel=1e-9)
    for group in ("by_component", "by_workload"):
        assert sum(results.at(f"carbon_kg.{group}").values()) == pytest.approx(results.at("carbon_kg.total"), rel=1e-12)
    assert "counts as refilled from the grid" in results.at("boundary.stored_energy")[0]
    page = report(results)
    assert "refilling what was drawn from it" in page
    assert "counts as refilled from the grid" in page
    assert "stored_energy" not in sim.run(small()).summary
    dearer = sim.account(results, set={"site.grid.intensity": "800 gCO2e/kWh"})
    assert dearer.at("carbon_kg.operational_location") == pytest.approx(0.8 * bought, rel=1e-9)


def test_what_the_first_charge_took_is_stated_for_every_account_that_is_kept() -> None:
    scenario = stored(stock={"kind": "stated", "intensity": "0 gCO2e/kWh"})
    with pytest.raises(InputError) as error:
        sim.load(scenario)
    at = "site.on_site.0.stock"
    assert [problem.path for problem in error.value.problems] == [f"{at}.price", f"{at}.water"]
    scenario["site"]["on_site"][0]["stock"] |= {"price": "0.02 USD/kWh", "water": "0 L/kWh"}
    results = sim.run(scenario)
    assert results.at("carbon_kg.operational_location") == pytest.approx(0.4 * results.at("energy_kwh.grid_import"))
    assert results.at("stored_energy.cost.energy") == pytest.approx(0.02 * 20 / 0.9, rel=1e-9)
    assert "at what the scenario states" in results.at("boundary.stored_energy")[0]
    scenario["site"]["on_site"][0]["stock"]["price"] = "0.02 EUR/kWh"
    with pytest.raises(InputError, match="is in EUR, the grid's price in USD"):
        sim.load(scenario)
