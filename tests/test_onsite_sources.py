"""What the sun, the wind and diesel give."""

from __future__ import annotations

import builtins
import gzip
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.onsite import pv, wind
from sim.onsite.diesel import SCOPE_1_G_PER_L, DieselUnit, fuel_curve, fuel_l, seconds_on_test
from sim.units import G_PER_KG, HOUR_NS, J_PER_KWH, NS_PER_S
from tests.onsite_worlds import START_NS, Weather, clear

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
SOUTH = pv.Array(tilt_deg=30.0, azimuth_deg=180.0, transposition="perez")
# PV


def test_no_power_at_night_and_never_more_than_the_inverter() -> None:
    """Even with light on the meter: a pyranometer reads a few watts of nothing at night."""
    weather = clear()
    bright = replace(weather, ghi_w_m2=weather.ghi_w_m2 + 3.0, dhi_w_m2=weather.dhi_w_m2 + 3.0)
    power = bright.share(SOUTH, START_NS)
    night = np.isin(np.arange(len(power)) % 24, [21, 22, 23, 0, 1, 2, 3])
    assert (power[night] == 0.0).all()
    assert (power >= 0.0).all()
    assert power.max() > 0.3
    glaring = replace(weather, ghi_w_m2=5 * weather.ghi_w_m2, dni_w_m2=5 * weather.dni_w_m2)
    assert glaring.share(SOUTH, START_NS).max() == pytest.approx(1.0 / SOUTH.dc_to_ac, rel=1e-12)


def test_heat_and_loss_lower_the_yield_and_wind_raises_it() -> None:
    weather = clear(days=30)
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
        weather = clear(latitude)
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
        clear(days=1).share(SOUTH, START_NS)


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


def test_a_turbine_stops_by_the_wind_whatever_the_air() -> None:
    """What normalises a power curve to air is for its power; blades are feathered at a speed of the wind itself."""
    power = wind.specific_power(np.array([24.9, 25.1, 24.9, 25.1]), np.array([1.3, 1.3, 1.0, 1.0]), **TURBINE)
    assert power.tolist() == [1.0, 0.0, 1.0, 0.0]


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
