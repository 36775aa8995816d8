"""What the sun, the wind and diesel give, what they cost in carbon, and a site built from its YAML."""

from __future__ import annotations

import builtins
import gzip
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from sim.build_onsite import onsite_plan
from sim.errors import InputError
from sim.onsite import pv, wind
from sim.onsite.diesel import SCOPE_1_G_PER_L, DieselUnit, fuel_curve, fuel_l, seconds_on_test
from sim.onsite.lifecycle import PUBLISHED, total
from sim.onsite.plan import OnsitePlan
from sim.signals import Signal
from sim.signals.csv_table import epoch_ns
from sim.spec.onsite import OnSite
from sim.units import DAY_NS, G_PER_KG, HOUR_NS, J_PER_KWH, NS_PER_S

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SOUTH = pv.Array(tilt_deg=30.0, azimuth_deg=180.0, transposition="perez")
START_NS = epoch_ns(datetime(2021, 1, 1, tzinfo=UTC))


@dataclass(frozen=True)
class Weather:
    """A place's weather, hour by hour."""

    edges_ns: Ints
    latitude_deg: float
    longitude_deg: float
    ghi_w_m2: Floats
    dni_w_m2: Floats
    dhi_w_m2: Floats
    dry_bulb_c: Floats
    wind_m_s: Floats

    def share(self, array: pv.Array, origin_ns: int) -> Floats:
        return pv.specific_power(
            array,
            self.edges_ns + origin_ns,
            latitude_deg=self.latitude_deg,
            longitude_deg=self.longitude_deg,
            ghi_w_m2=self.ghi_w_m2,
            dni_w_m2=self.dni_w_m2,
            dhi_w_m2=self.dhi_w_m2,
            dry_bulb_c=self.dry_bulb_c,
            wind_m_s=self.wind_m_s,
        )


def _clear(latitude: float = 33.0, days: int = 365) -> Weather:
    """A made-up year: a diffuse sky whenever the sun is up, and some beam."""
    hours = np.arange(24 * days + 1) * HOUR_NS
    noon = np.clip(np.sin((np.arange(24 * days) % 24 - 5.5) / 12 * np.pi), 0.0, None)  # local solar time
    n = len(noon)
    return Weather(
        edges_ns=(hours + 0).astype(np.int64),
        latitude_deg=latitude,
        longitude_deg=0.0,
        ghi_w_m2=700.0 * noon,
        dni_w_m2=np.where(noon > 0.2, 500.0, 0.0),
        dhi_w_m2=250.0 * noon,
        dry_bulb_c=np.full(n, 20.0),
        wind_m_s=np.full(n, 6.0),
    )


# PV


def test_no_power_at_night_and_never_more_than_the_inverter() -> None:
    """Even with light on the meter: a pyranometer reads a few watts of nothing at night."""
    weather = _clear()
    bright = replace(weather, ghi_w_m2=weather.ghi_w_m2 + 3.0, dhi_w_m2=weather.dhi_w_m2 + 3.0)
    power = bright.share(SOUTH, START_NS)
    night = np.isin(np.arange(len(power)) % 24, [21, 22, 23, 0, 1, 2, 3])
    assert (power[night] == 0.0).all()
    assert (power >= 0.0).all()
    assert power.max() > 0.3
    glaring = replace(weather, ghi_w_m2=5 * weather.ghi_w_m2, dni_w_m2=5 * weather.dni_w_m2)
    assert glaring.share(SOUTH, START_NS).max() == pytest.approx(1.0 / SOUTH.dc_to_ac, rel=1e-12)


def test_heat_and_loss_lower_the_yield_and_wind_raises_it() -> None:
    weather = _clear(days=30)
    mild = weather.share(SOUTH, START_NS)
    lit = mild > 0.0
    hot = replace(weather, dry_bulb_c=weather.dry_bulb_c + 20.0).share(SOUTH, START_NS)
    windy = replace(weather, wind_m_s=weather.wind_m_s + 5.0).share(SOUTH, START_NS)
    dirty = weather.share(replace(SOUTH, loss=0.3), START_NS)
    assert (hot[lit] < mild[lit]).all()
    assert (windy[lit] > mild[lit]).all()
    assert (dirty[lit] < mild[lit]).all()
    # 20 K at -0.47 %/K takes 9.4 % of the DC power at 25 degC; the inverter's curve is nearly flat up there.
    strong = mild > 0.4
    assert hot[strong] / mild[strong] == pytest.approx(1 - 0.094, abs=0.01)


def test_the_equator_facing_side_yields_more_in_both_hemispheres() -> None:
    for latitude, better, worse in ((35.0, 180.0, 0.0), (-35.0, 0.0, 180.0)):
        weather = _clear(latitude)
        toward = weather.share(replace(SOUTH, azimuth_deg=better), START_NS).sum()
        away = weather.share(replace(SOUTH, azimuth_deg=worse), START_NS).sum()
        assert toward > 1.1 * away


def test_without_pvlib_the_message_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.startswith("pvlib"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InputError, match=r"pip install 'coldaisle\[pvlib\]'"):
        _clear(days=1).share(SOUTH, START_NS)


def _epw(path: Path, utc_offset_h: int) -> tuple[Weather, int]:
    """A typical year as if it were 2021; hour 1 ends at 01:00 local standard time."""
    with gzip.open(path, "rt") as file:
        rows = [line.split(",") for line in file]
    columns = np.array([[float(row[i]) for i in (6, 13, 14, 15, 21)] for row in rows[8:]])
    dry, ghi, dni, dhi, wind_m_s = columns.T
    edges = np.arange(len(columns) + 1, dtype=np.int64) * HOUR_NS
    weather = Weather(edges, float(rows[0][6]), float(rows[0][7]), ghi, dni, dhi, dry, wind_m_s)
    return weather, START_NS - utc_offset_h * HOUR_NS


@pytest.mark.shared_data
@pytest.mark.parametrize("transposition", ["perez", "haydavies"])
def test_a_year_in_dallas_yields_what_pvwatts_says(shared_data: Path, transposition: pv.Transposition) -> None:
    """PVWatts gives 1,450 to 1,650 kWh per kW a year for a fixed array at Dallas tilted 20 to 33 deg south.

    The year of an hourly file whose hours are shifted would lose several per cent; Seattle's gives about a quarter
    less than Dallas, as its sun does.
    """
    dallas, origin_ns = _epw(shared_data / "weather" / "USA_TX_Dallas-Fort.Worth.epw.gz", -6)
    tilted = replace(SOUTH, tilt_deg=dallas.latitude_deg, transposition=transposition)
    annual = dallas.share(tilted, origin_ns).sum()
    assert 1450.0 < annual < 1650.0
    for hours in (-2, 2):
        assert dallas.share(tilted, origin_ns + hours * HOUR_NS).sum() < 0.97 * annual
    seattle, origin_ns = _epw(shared_data / "weather" / "USA_WA_Seattle-Tacoma.epw.gz", -8)
    assert 0.65 * annual < seattle.share(tilted, origin_ns).sum() < 0.85 * annual


# Wind

TURBINE = {"cut_in_m_s": 3.0, "rated_m_s": 12.0, "cut_out_m_s": 25.0}


@given(st.floats(0.0, 24.9), st.floats(0.0, 5.0), st.floats(0.9, 1.3))
def test_more_wind_below_cut_out_never_gives_less(v: float, more: float, density: float) -> None:
    power = wind.specific_power(np.array([v, min(v + more, 24.9)]), density, **TURBINE)
    assert 0.0 <= power[0] <= power[1] <= 1.0


def test_a_power_curve_at_its_corners() -> None:
    """At sea level: none at 3, all at 12, half way where v^3 = (3^3 + 12^3) / 2, none at 25 m/s."""
    half = ((3.0**3 + 12.0**3) / 2) ** (1 / 3)
    speeds = np.array([0.0, 3.0, half, 12.0, 24.99, 25.0, 40.0])
    power = wind.specific_power(speeds, wind.REFERENCE_DENSITY, **TURBINE)
    assert power == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.0, 0.0, 0.0], abs=1e-12)


def test_shear_and_air() -> None:
    """The standard atmosphere: 1.225 kg/m3 at sea level and 15 degC, 89,875 Pa and 1.112 kg/m3 at 1,000 m, 8.5 degC."""
    assert wind.air_density(np.array([15.0]), 101_325.0)[0] == pytest.approx(1.225, abs=5e-4)
    assert wind.standard_pressure(0.0) == 101_325.0
    assert wind.standard_pressure(1000.0) == pytest.approx(89_875.0, rel=2e-4)
    assert wind.air_density(np.array([8.5]), wind.standard_pressure(1000.0))[0] == pytest.approx(1.112, abs=1e-3)
    low = np.array([5.0, 10.0])
    assert wind.wind_at_height(low, measured_m=10.0, hub_m=10.0, shear=0.14) == pytest.approx(low)
    up = wind.wind_at_height(low, measured_m=10.0, hub_m=80.0, shear=0.14)
    down = wind.wind_at_height(up, measured_m=80.0, hub_m=10.0, shear=0.14)
    assert (up > low).all()
    assert down == pytest.approx(low)
    # Between cut-in and rated, power above the cut-in cube follows density: P (v_r^3 - v_i^3) + v_i^3 = v^3 density.
    v, dense = np.array([8.0]), np.array([1.0, 1.225])
    cubes = wind.specific_power(v, dense, **TURBINE) * (12.0**3 - 3.0**3) + 3.0**3
    assert cubes[0] / cubes[1] == pytest.approx(1.0 / 1.225)


# Diesel


def test_carbon_of_a_litre() -> None:
    """0.138 mmBtu/gal x (73.96 + 28 x 0.003 + 265 x 0.0006) kg/mmBtu / 3.785411784 L/gal = 2.7051 kg/L.

    Cross-check by IPCC 2006: 74.1 kg CO2/GJ at 43.0 MJ/kg and 0.84 kg/L is 2.68 kg/L of CO2 alone, within 1.5 %.
    """
    carbon_kg = SCOPE_1_G_PER_L / G_PER_KG
    assert carbon_kg == pytest.approx(0.138 * (73.96 + 0.084 + 0.159) / 3.785411784, rel=1e-12)
    assert carbon_kg == pytest.approx(74.1e-3 * 43.0 * 0.84, rel=0.015)


def test_a_fuel_curve_goes_through_its_points() -> None:
    """0.27 L/kWh at full load, 0.29 at half: a generator of 1 MW burns 270 L/h and 145 L/h."""
    full, half = 0.27 / J_PER_KWH, 0.29 / J_PER_KWH
    unit = DieselUnit(1e6, 0.3, *fuel_curve(full, half))
    hour_s = HOUR_NS / NS_PER_S
    generated = np.array([1e6, 0.5e6, 0.0]) * hour_s
    assert fuel_l(unit, generated, hour_s) == pytest.approx([270.0, 145.0, 20.0])
    assert fuel_l(unit, 0.0, 0.0) == 0.0
    for wrong in ((full, full * 2.0), (full, full * 0.9)):
        with pytest.raises(ValueError, match="half load"):
            fuel_curve(*wrong)


@given(st.integers(0, 50), st.integers(1, 20), st.integers(1, 20), st.lists(st.integers(1, 400), max_size=30))
def test_tests_fill_the_bins_they_fall_into(first: int, extra: int, duration: int, cuts: list[int]) -> None:
    """Against a second-by-second count, on any bins."""
    every = duration + extra
    edges = np.unique([0, 400, *cuts])
    each = np.arange(400)
    on = (each >= first) & ((each - first) % every < duration)
    counted = [on[a:b].sum() for a, b in pairwise(edges)]
    seconds = seconds_on_test(
        edges * NS_PER_S, first_ns=first * NS_PER_S, every_ns=every * NS_PER_S, duration_ns=duration * NS_PER_S
    )
    assert seconds == pytest.approx(np.array(counted, dtype=float))


# The whole of a site

UNITS: list[dict[str, Any]] = [
    {"kind": "pv", "capacity": "2 MW", "tilt": "30 deg", "azimuth": "180 deg", "lifecycle": "ipcc-ar5-pv-utility"},
    {
        "kind": "wind",
        "capacity": "1 MW",
        "hub_height": "100 m",
        "shear": 0.14,
        "cut_in": "3 m/s",
        "rated": "12 m/s",
        "cut_out": "25 m/s",
        "altitude": "170 m",
        "loss": "15 %",
        "lifecycle": "ipcc-ar5-wind-onshore",
    },
    {
        "kind": "battery",
        "energy": "4 MWh",
        "power": "1 MW",
        "round_trip": 0.88,
        "start": "50 %",
        "self_discharge": "2 %",
        "life": {"end_of_life": 0.8, "cycles": 6000, "calendar": "15 years"},
        "lifecycle": "ivl-2019-lithium-ion",
        "dispatch": {"kind": "self-consumption"},
    },
    {
        "kind": "diesel",
        "capacity": "3 MW",
        "minimum_load": "30 %",
        "fuel": {"full": "0.27 L/kWh", "half": "0.29 L/kWh"},
        "tests": {"every": "30 d", "duration": "30 min", "load": "30 %", "into": "load-bank"},
    },
    {"kind": "connection", "export_limit": "0 W", "outages": [{"after": "10 d", "duration": "3 h"}]},
]
ON_SITE: TypeAdapter[Any] = TypeAdapter(OnSite)


def _plan(units: list[dict[str, Any]], weather: Weather | None = None, price: Signal | None = None) -> OnsitePlan:
    return onsite_plan(
        ON_SITE.validate_python(units),
        start_ns=START_NS,
        weather=weather,
        intensity=Signal.constant(1e-4, "g/J"),
        price=price,
        rng=np.random.default_rng(0),
    )


def test_a_site_from_its_yaml() -> None:
    """Thirty-one days of a 3 MW load: the outage is served, the books close, and each line of carbon by hand."""
    weather = _clear(days=31)
    plan = _plan(UNITS, weather)
    end_ns = 31 * DAY_NS
    edges = np.unique(np.concatenate([weather.edges_ns, *plan.breakpoints(0, end_ns)]))
    served = plan.dispatch(np.full(len(edges) - 1, 3e6), edges)
    assert np.abs(served.imbalance_w()).max() < 1e-8
    assert np.abs(served.storage_imbalance_j()).max() < 1e-3
    out = (edges[:-1] >= 10 * DAY_NS) & (edges[:-1] < 10 * DAY_NS + 3 * HOUR_NS)
    assert out.sum() == 3
    assert (served.grid_import_w[out] == 0.0).all()
    assert not served.unserved_w.any()
    assert served.backup_w[out].any()
    assert not served.backup_w[~out].any()

    lines = {(line.unit, line.scope): line for line in plan.carbon(served, edges)}
    assert set(lines) == {("pv 1", 3), ("wind 1", 3), ("battery", 3), ("diesel", 1)}
    pv_kwh = served.energy_j(served.pv_w) / J_PER_KWH
    assert lines["pv 1", 3].carbon_g.central == pytest.approx(48.0 * pv_kwh)
    years = 31 / (15 * 365.25)
    wear = served.cycles / 6000 + years
    assert lines["battery", 3].carbon_g.central == pytest.approx(4000 * 83_500 * wear)
    # Backup by the straight line, and two tests (days 0 and 30) of 30 min at 0.9 MW into the load bank
    hours = np.count_nonzero(served.backup_w) + 2 * 0.5
    kwh = served.energy_j(served.backup_w) / J_PER_KWH + 2 * 450.0
    litres = 0.02 * 3000.0 * hours + 0.25 * kwh
    assert plan.fuel_l(served, edges).sum() == pytest.approx(litres)
    assert lines["diesel", 1].carbon_g.central == pytest.approx(litres * SCOPE_1_G_PER_L)
    scope_3 = total(tuple(lines.values()), 3)
    assert scope_3.central == pytest.approx(sum(x.carbon_g.central for x in lines.values() if x.scope == 3))
    assert scope_3.low < scope_3.central < scope_3.high


def test_published_ranges_rise() -> None:
    for name, one in PUBLISHED.items():
        assert 0.0 < one.low <= one.central <= one.high, name


def test_tests_into_the_facility_spare_the_grid() -> None:
    diesel = UNITS[3] | {"tests": {"every": "1 d", "duration": "1 h", "load": "30 %", "into": "facility"}}
    plan = _plan([diesel, {"kind": "connection", "export_limit": "0 W"}])
    edges = np.arange(49, dtype=np.int64) * HOUR_NS
    served = plan.dispatch(np.full(48, 2e6), edges)
    assert served.diesel_w.nonzero()[0].tolist() == [0, 24]
    assert served.grid_import_w[[0, 1, 24]].tolist() == pytest.approx([1.1e6, 2e6, 1.1e6])
    assert plan.fuel_l(served, edges).sum() == pytest.approx(2 * (0.02 * 3000 + 0.25 * 900))


def test_a_price_dispatched_battery_needs_a_price_and_buys_low() -> None:
    battery = UNITS[2] | {"dispatch": {"kind": "price"}}
    units = [battery, {"kind": "connection", "export_limit": "0 W"}]
    with pytest.raises(InputError, match=r"needs 'site\.grid\.price'"):
        _plan(units)
    edges = np.arange(24 * 28 + 1, dtype=np.int64) * HOUR_NS
    price = Signal(edges, np.tile(np.repeat([20.0, 60.0], 12), 28) / J_PER_KWH, "USD/J")
    served = _plan(units, price=price).dispatch(np.full(24 * 28, 3e6), edges)
    paid_charging = served.battery_charge_w @ price.values / served.battery_charge_w.sum()
    saved = served.battery_discharge_w @ price.values / served.battery_discharge_w.sum()
    assert paid_charging * J_PER_KWH < 25.0
    assert saved * J_PER_KWH == pytest.approx(60.0)


def test_weather_is_asked_for() -> None:
    with pytest.raises(InputError, match="needs the site's weather"):
        _plan(UNITS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda u: [*u, u[2]], "more than one battery"),
        (lambda u: u[:-1], "needs a {kind: connection"),
        (lambda u: [u[2] | {"c_rate": 0.5}, u[4]], "either 'power' or 'c_rate'"),
        (lambda u: [u[2] | {"soc_low": "60 %"}, u[4]], "within soc_low"),
        (lambda u: [u[3] | {"fuel": {"full": "0.3 L/kWh", "half": "0.2 L/kWh"}}, u[4]], "full <= half"),
        (lambda u: [u[1] | {"cut_in": "13 m/s"}, u[4]], "cut_in < rated < cut_out"),
        (lambda u: [u[0] | {"lifecycle": "free"}, u[4]], "ipcc-ar5-pv-utility"),
        (lambda u: [u[0] | {"tilt": "95 deg"}, u[4]], "at most 90"),
        (lambda u: [{k: v for k, v in u[2].items() if k != "life"}, u[4]], "Field required"),
    ],
)
def test_what_cannot_be_is_refused(change: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ON_SITE.validate_python(change(UNITS))


def test_a_perfect_forecast_has_to_be_asked_for() -> None:
    """A dispatch that says nothing of forecasts looks back; a forecast must say how wrong it is."""
    by_carbon = UNITS[2] | {"dispatch": {"kind": "carbon"}}
    assert ON_SITE.validate_python([by_carbon, UNITS[4]])[0].dispatch.bounds.kind == "trailing"
    with pytest.raises(ValidationError, match="error"):
        ON_SITE.validate_python(
            [UNITS[2] | {"dispatch": {"kind": "carbon", "bounds": {"kind": "forecast", "window": "1 d"}}}, UNITS[4]]
        )


def test_the_same_power_by_c_rate() -> None:
    """0.25 C of 4 MWh is 1 MW."""
    by_rate = {k: v for k, v in UNITS[2].items() if k != "power"} | {"c_rate": 0.25}
    battery = _plan([by_rate, UNITS[4]]).units.battery
    assert battery == _plan([UNITS[2], UNITS[4]]).units.battery
    assert battery is not None
    assert battery.charge_w == 1e6
