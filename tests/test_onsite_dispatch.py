"""Who serves the load: what is conserved, what the battery may and may not do, and that both loops say the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.onsite import loop, thresholds
from sim.onsite.battery import BatteryUnit, fade_rates, health, leak_per_s, life_used, one_way_efficiency
from sim.onsite.diesel import DieselUnit
from sim.onsite.dispatch import Dispatch, SiteUnits, dispatch
from sim.signals import Signal
from sim.units import DAY_NS, HOUR_NS, J_PER_KWH
from tests.onsite_worlds import imbalance_w, storage_imbalance_j

HOUR_S = 3600.0
MWH = 1e3 * J_PER_KWH
BINS = 24

IDEAL = BatteryUnit(
    energy_j=4 * MWH,
    charge_w=1e6,
    discharge_w=1e6,
    charge_efficiency=1.0,
    discharge_efficiency=1.0,
    soc_low=0.0,
    soc_high=1.0,
    soc_start=0.0,
    reserve=0.0,
    self_discharge_per_s=0.0,
    fade_per_cycle=0.0,
    fade_per_s=0.0,
    end_of_life=0.8,
)
NO_LIMIT = SiteUnits(None, None, np.inf, np.inf)

powers = st.floats(0.0, 1e7)
shares = st.floats(0.0, 1.0)
efficiencies = st.floats(0.5, 1.0)


@st.composite
def batteries(draw: st.DrawFn) -> BatteryUnit:
    low = draw(st.floats(0.0, 0.4))
    high = draw(st.floats(0.6, 1.0))
    return BatteryUnit(
        energy_j=draw(st.floats(1e6, 1e12)),
        charge_w=draw(powers),
        discharge_w=draw(powers),
        charge_efficiency=draw(efficiencies),
        discharge_efficiency=draw(efficiencies),
        soc_low=low,
        soc_high=high,
        soc_start=draw(st.floats(low, high)),
        reserve=draw(st.floats(0.0, high)),
        self_discharge_per_s=draw(st.floats(0.0, 1e-5)),
        fade_per_cycle=draw(st.floats(0.0, 1e-3)),
        fade_per_s=draw(st.floats(0.0, 1e-8)),
        end_of_life=0.8,
    )


@st.composite
def sites(draw: st.DrawFn) -> tuple[Any, SiteUnits, dict[str, Any]]:
    battery = draw(st.none() | batteries())
    diesel = draw(st.none() | st.builds(DieselUnit, powers, shares, st.just(1e-8), st.just(7e-8)))
    units = SiteUnits(battery, diesel, draw(powers | st.just(np.inf)), draw(powers | st.just(np.inf)))
    signals = {
        "dt_s": draw(arrays(np.float64, BINS, elements=st.floats(1.0, 86_400.0))),
        "pv_w": draw(arrays(np.float64, BINS, elements=powers)),
        "wind_w": draw(powers),
        "wants": draw(arrays(np.int8, BINS, elements=st.integers(0, 3))),
        "grid_up": draw(arrays(np.bool_, BINS)),
        "on_test_w": draw(st.floats(0.0, diesel.capacity_w)) if diesel is not None else 0.0,
    }
    return draw(arrays(np.float64, BINS, elements=powers)), units, signals


def run(load_w: Any, units: SiteUnits, signals: dict[str, Any], *, compiled: bool = False) -> Dispatch:
    rest = {name: value for name, value in signals.items() if name != "dt_s"}
    return dispatch(load_w, signals["dt_s"], units, compiled=compiled, **rest)


@given(sites())
def test_no_energy_is_made_or_lost(site: tuple[Any, SiteUnits, dict[str, Any]]) -> None:
    """In every bin sources equal sinks, and the battery's charge changes by what went in, came out and leaked."""
    load_w, units, signals = site
    served = run(load_w, units, signals)
    assert np.abs(imbalance_w(served)).max() <= 1e-8  # sums of a dozen numbers up to 2e7: rounding is below 1e-7
    largest_j = 1e12 + 2e7 * 86_400.0
    assert np.abs(storage_imbalance_j(served)).max() <= 16 * np.spacing(largest_j)
    for power in (
        served.battery_charge_w,
        served.battery_discharge_w,
        served.diesel_w,
        served.grid_import_w,
        served.grid_export_w,
        served.curtailed_w,
        served.unserved_w,
    ):
        assert (power >= 0.0).all()
    assert (served.losses_w >= -1e-8).all()


@given(sites())
def test_limits_are_kept(site: tuple[Any, SiteUnits, dict[str, Any]]) -> None:
    load_w, units, signals = site
    served = run(load_w, units, signals)
    up = signals["grid_up"]
    assert (served.grid_import_w <= np.where(up, units.import_limit_w, 0.0)).all()
    assert (served.grid_export_w <= np.where(up, units.export_limit_w, 0.0)).all()
    assert (served.battery_charge_w * served.battery_discharge_w == 0.0).all()  # never both
    if units.diesel is None:
        assert not served.diesel_w.any()
    else:
        assert (served.backup_w <= units.diesel.capacity_w).all()
    if (battery := units.battery) is None:
        assert not served.battery_charge_w.any()
        assert not served.battery_discharge_w.any()
        assert not served.soc_j.any()
        return
    rounding = 8 * np.spacing(battery.energy_j)
    assert (served.battery_charge_w <= battery.charge_w).all()
    assert (served.battery_discharge_w <= battery.discharge_w).all()
    assert (served.soc_j >= 0.0).all()
    assert (served.soc_j <= battery.energy_j * battery.soc_high + rounding).all()
    # Discharging stops at the bottom of the window; only self-discharge and fade go below it.
    drawn = served.battery_discharge_w > 0.0
    ages = np.cumsum(served.dt_s)
    least_left = health(battery, served.cycles, ages)
    assert (served.soc_j[drawn] >= (battery.energy_j * battery.soc_low * least_left)[drawn] - rounding).all()


@given(sites())
def test_the_compiled_loop_gives_the_same_bits(site: tuple[Any, SiteUnits, dict[str, Any]]) -> None:
    load_w, units, signals = site
    plain, fast = run(load_w, units, signals), run(load_w, units, signals, compiled=True)
    for name in Dispatch.__dataclass_fields__:
        assert np.array_equal(getattr(plain, name), getattr(fast, name)), name


@given(sites())
def test_own_power_is_neither_bought_nor_counted_twice(site: tuple[Any, SiteUnits, dict[str, Any]]) -> None:
    """What PV and wind made went into the load (now or out of the battery), away, or is still stored or lost."""
    load_w, units, signals = site
    served = run(load_w, units, signals)
    made_w = served.pv_w + served.wind_w
    assert (served.own_w >= 0.0).all()
    assert (served.own_w <= served.load_w * (1 + 1e-12)).all()
    direct_w = np.minimum(made_w, load_w)
    assert (served.own_w >= direct_w).all()
    assert served.energy_j(served.own_w) <= served.energy_j(made_w) * (1 + 1e-9) + 1e-3
    without = run(load_w, replace(units, battery=None), signals)
    assert np.array_equal(without.own_w, direct_w)


def test_a_battery_filled_by_the_sun_gives_back_own_power_and_one_filled_by_the_grid_does_not() -> None:
    """Half of the charge from each: half of what it gives is own."""
    codes = np.array([loop.CHARGE, loop.CHARGE, loop.DISCHARGE, loop.DISCHARGE], dtype=np.int8)
    served = dispatch(
        np.full(4, 1e6),
        np.full(4, HOUR_S),
        replace(NO_LIMIT, battery=IDEAL),
        pv_w=np.array([2e6, 0.0, 0.0, 0.0]),
        wind_w=0.0,
        wants=codes,
    )
    assert served.battery_charge_w.tolist() == [1e6, 1e6, 0.0, 0.0]
    assert served.battery_discharge_w.tolist() == [0.0, 0.0, 1e6, 1e6]
    assert served.own_w == pytest.approx([1e6, 0.0, 0.5e6, 0.5e6])


@given(sites(), sites())
def test_sites_together_are_sites_alone(one: tuple[Any, SiteUnits, Any], two: tuple[Any, SiteUnits, Any]) -> None:
    signals = one[2] | {"on_test_w": 0.0}
    both = dispatch(
        np.stack([one[0], two[0]]),
        signals["dt_s"],
        [one[1], two[1]],
        pv_w=signals["pv_w"],
        wind_w=signals["wind_w"],
        wants=signals["wants"],
        grid_up=signals["grid_up"],
        compiled=False,
    )
    for i, (load_w, units, _) in enumerate((one, two)):
        alone = run(load_w, units, signals)
        assert np.array_equal(both.soc_j[i], alone.soc_j)
        assert np.array_equal(both.grid_import_w[i], alone.grid_import_w)
        assert np.array_equal(both.cycles[i], alone.cycles)


@given(sites(), batteries(), st.floats(1.0, 10.0))
def test_a_bigger_battery_never_raises_import(
    site: tuple[Any, SiteUnits, dict[str, Any]], battery: BatteryUnit, bigger: float
) -> None:
    """Under self-consumption, without fade (a battery that does more wears more), bin by bin and not just in sum.

    Charge above the floor follows clip(kept x charge + surplus - deficit, 0, window), which rises with the charge
    before and with the window; import is what of the deficit it cannot give. Both batteries start empty.
    """
    load_w, _, signals = site
    plain = replace(battery, soc_low=0.0, soc_start=0.0, reserve=0.0, fade_per_cycle=0.0, fade_per_s=0.0)
    follow = signals | {"wants": loop.FOLLOW, "grid_up": True, "on_test_w": 0.0}
    small = run(load_w, replace(NO_LIMIT, battery=plain), follow)
    big = run(load_w, replace(NO_LIMIT, battery=replace(plain, energy_j=plain.energy_j * bigger)), follow)
    none = run(load_w, NO_LIMIT, follow)
    assert (big.grid_import_w <= small.grid_import_w + 1e-3).all()  # W of 1e7: charges of 1e13 J round to 2e-3 J
    assert (small.grid_import_w <= none.grid_import_w).all()


def test_round_trip_efficiency() -> None:
    """A full charge from empty and back to empty gives the round trip of what went in, whatever the power."""
    one_way = one_way_efficiency(0.88)
    assert one_way * one_way == pytest.approx(0.88, rel=1e-15)
    battery = replace(IDEAL, charge_efficiency=one_way, discharge_efficiency=one_way)
    assert battery.round_trip == pytest.approx(0.88, rel=1e-15)
    pv_w = np.array([1e6] * 12 + [0.0] * 12)  # surplus, then demand: both more than 4 MWh
    served = dispatch(
        1e6 - pv_w, np.full(24, HOUR_S), replace(NO_LIMIT, battery=battery), pv_w=pv_w, wind_w=0.0, wants=loop.FOLLOW
    )
    taken, given_back = served.energy_j(served.battery_charge_w), served.energy_j(served.battery_discharge_w)
    assert served.soc_j[-1] == pytest.approx(0.0, abs=1.0)
    assert given_back / taken == pytest.approx(0.88, rel=1e-12)
    assert taken == pytest.approx(4 * MWH / one_way, rel=1e-12)
    assert served.energy_j(served.losses_w) == pytest.approx(taken - given_back, rel=1e-9)
    assert served.cycles[-1] == pytest.approx(1.0, rel=1e-12)


def test_self_discharge_tends_to_the_exponential_in_first_order() -> None:
    """A share of 10 % a month leaks 10 % in 30 days; the error of the implicit step halves with the bin."""
    rate = leak_per_s(0.1, 30 * DAY_NS)
    battery = replace(IDEAL, soc_start=1.0, self_discharge_per_s=rate)
    errors = []
    for bins in (30, 60, 120):
        month = np.full(bins, 30 * 24 * HOUR_S / bins)
        idle = dispatch(
            np.zeros(bins), month, replace(NO_LIMIT, battery=battery), pv_w=0.0, wind_w=0.0, wants=loop.FOLLOW
        )
        errors.append(float(idle.soc_j[-1]) / battery.energy_j - 0.9)
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    assert (np.abs(orders - 1.0) < 0.01).all()
    assert 0.0 < errors[-1] < 1e-4


def test_a_battery_reaches_the_end_of_its_life_by_cycles_or_by_years() -> None:
    per_cycle, per_s = fade_rates(0.8, 5000.0, 15 * 365 * DAY_NS)
    battery = replace(IDEAL, fade_per_cycle=per_cycle, fade_per_s=per_s)
    years_s = 15 * 365 * 24 * HOUR_S
    assert health(battery, 5000.0, 0.0) == pytest.approx(0.8)
    assert health(battery, 0.0, years_s) == pytest.approx(0.8)
    assert health(battery, 0.0, 0.0) == 1.0
    assert health(battery, 1e9, 1e12) == 0.0  # never less than nothing
    assert life_used(battery, 2500.0, years_s / 2) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="never fades"):
        life_used(IDEAL, 1.0, 1.0)


def test_the_loop_fades_as_the_law_says() -> None:
    """A year of full cycles: what the battery takes when full is its capacity times its health by the law."""
    days = 365
    per_cycle, per_s = fade_rates(0.8, 5000.0, 15 * 365 * DAY_NS)
    battery = replace(IDEAL, fade_per_cycle=per_cycle, fade_per_s=per_s)
    pv_w = np.tile(np.repeat([2e6, 0.0], 12), days)
    dt_s = np.full(24 * days, HOUR_S)
    served = dispatch(
        np.full(24 * days, 1e6), dt_s, replace(NO_LIMIT, battery=battery), pv_w=pv_w, wind_w=0.0, wants=loop.FOLLOW
    )
    full = served.soc_j.reshape(days, 24)[:, 11]  # at the end of each day's surplus
    cycles = np.cumsum(served.battery_discharge_w * dt_s).reshape(days, 24)[:, 11] / battery.energy_j
    age_s: Any = (np.arange(days) * 24 + 11) * HOUR_S  # when the last bin of the surplus begins
    assert full / battery.energy_j == pytest.approx(health(battery, cycles, age_s), rel=1e-12)
    assert 0.95 < full[-1] / full[0] < 1.0 - 364 * per_cycle * 0.95


def test_an_outage_is_bridged_by_the_battery_then_by_diesel() -> None:
    """4 MWh at 1 MW under a load of 3 MW: generators of 1.5 MW leave 0.5 MW, then 1.5 MW once the battery is empty."""
    units = SiteUnits(
        battery=replace(IDEAL, soc_start=1.0, reserve=1.0),
        diesel=DieselUnit(1.5e6, 0.3, 1e-8, 7e-8),
        import_limit_w=np.inf,
        export_limit_w=0.0,
    )
    up = np.array([True] * 2 + [False] * 6 + [True] * 2)
    served = dispatch(np.full(10, 3e6), np.full(10, HOUR_S), units, pv_w=0.0, wind_w=0.0, wants=loop.FOLLOW, grid_up=up)
    assert served.battery_discharge_w.tolist() == [0.0] * 2 + [1e6] * 4 + [0.0] * 4  # the reserve is for the outage
    assert served.diesel_w.tolist() == [0.0] * 2 + [1.5e6] * 6 + [0.0] * 2
    assert served.unserved_w.tolist() == [0.0] * 2 + [0.5e6] * 4 + [1.5e6] * 2 + [0.0] * 2
    assert served.grid_import_w.tolist() == [3e6] * 2 + [0.0] * 6 + [3e6] * 2


def test_a_generator_at_its_minimum_load_dumps_the_rest() -> None:
    units = SiteUnits(None, DieselUnit(1e6, 0.3, 1e-8, 7e-8), np.inf, 0.0)
    served = dispatch(
        np.array([1e5]), np.array([HOUR_S]), units, pv_w=0.0, wind_w=0.0, wants=loop.FOLLOW, grid_up=False
    )
    assert (served.diesel_w[0], served.curtailed_w[0], served.unserved_w[0]) == (3e5, 2e5, 0.0)


def _day_and_night(values: list[float]) -> Signal:
    hours = np.arange(len(values) + 1) * HOUR_NS
    return Signal(hours.astype(np.int64), np.array(values), "USD/J")


def test_trading_pays_only_by_the_spread() -> None:
    """Two levels of price with a round trip of 0.8: 10 and 12 pay (10 > 0.8 x 12) for no cycle; 10 and 13 do."""
    for high, traded in ((12.0, False), (13.0, True)):
        price = _day_and_night(([10.0] * 12 + [high] * 12) * 4)
        low_bound, high_bound = thresholds.trailing_bounds(price, 2 * DAY_NS, 0.25)
        codes = thresholds.wants(price.values, low_bound, high_bound, 0.8)
        assert bool((codes != loop.REST).any()) is traded


def test_persistence_sees_nothing_of_the_future() -> None:
    """Bounds up to an hour are the same whatever the prices after it are."""
    rng = np.random.default_rng(3)
    values = rng.normal(50.0, 30.0, 200)
    other = np.concatenate([values[:120], rng.normal(0.0, 500.0, 80)])
    for a, b in zip(
        thresholds.trailing_bounds(_day_and_night(values.tolist()), DAY_NS, 0.25),
        thresholds.trailing_bounds(_day_and_night(other.tolist()), DAY_NS, 0.25),
        strict=True,
    ):
        assert np.array_equal(a[:120], b[:120])
        assert not np.array_equal(a[120:], b[120:])


@given(arrays(np.float64, 60, elements=st.floats(-1e3, 1e3)), st.integers(1, 40), st.floats(0.0, 0.5))
def test_window_bounds_are_order_statistics(values: Any, hours: int, share: float) -> None:
    signal = _day_and_night(values.tolist())
    low, high = thresholds.trailing_bounds(signal, hours * HOUR_NS, share)
    ahead, _ = thresholds.forecast_bounds(signal, hours * HOUR_NS, share, error=0.0, rng=np.random.default_rng(0))
    for i in range(60):
        window = np.sort(values[max(0, i + 1 - hours) : i + 1])
        k = int(share * (len(window) - 1))
        assert (low[i], high[i]) == (window[k], window[len(window) - 1 - k])
        coming = np.sort(values[i : i + hours])
        assert ahead[i] == coming[int(share * (len(coming) - 1))]


def _bill(price: Signal, bounds: tuple[Any, Any], battery: BatteryUnit) -> float:
    """What a steady 2 MW load pays, with the charge left over worth the mean price."""
    codes = thresholds.wants(price.values, *bounds, battery.round_trip)
    n = len(price.values)
    served = dispatch(
        np.full(n, 2e6), np.full(n, HOUR_S), replace(NO_LIMIT, battery=battery), pv_w=0.0, wind_w=0.0, wants=codes
    )
    paid = float((served.grid_import_w * served.dt_s) @ price.values)
    return paid - float(served.soc_j[-1]) * float(price.values.mean())


def test_better_foresight_pays_more() -> None:
    """On a price with a daily shape and noise: perfect < 20 % error < no battery, and persistence pays too."""
    rng = np.random.default_rng(7)
    hours = np.arange(24 * 60)
    price = _day_and_night((50.0 + 20.0 * np.sin(hours / 24.0 * 2 * np.pi) + rng.normal(0, 5, len(hours))).tolist())
    one_way = one_way_efficiency(0.88)
    battery = replace(IDEAL, charge_efficiency=one_way, discharge_efficiency=one_way)

    def forecast(error: float) -> tuple[Any, Any]:
        return thresholds.forecast_bounds(price, DAY_NS, 0.2, error=error, rng=np.random.default_rng(1))

    perfect, wrong = _bill(price, forecast(0.0), battery), _bill(price, forecast(0.8), battery)
    persistent = _bill(price, thresholds.trailing_bounds(price, DAY_NS, 0.2), battery)
    without = 2e6 * HOUR_S * float(price.values.sum())
    assert perfect < wrong < without
    assert perfect <= persistent < without
