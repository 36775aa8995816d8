"""What weather, sun, batteries and generators give by published tables, by other units, and at the edges of a span."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sim.accounting.metrics import job_metrics
from sim.build.site.onsite import onsite_plan
from sim.build.site.weather import weather_series
from sim.errors import InputError
from sim.instants import epoch_ns
from sim.onsite import loop, pv, thresholds
from sim.onsite.lifecycle import PUBLISHED, PerCapacity, Range
from sim.onsite.plan import OnsitePlan
from sim.signals import Signal
from sim.signals.grid.plain import read_plain
from sim.signals.grid.series import Terms
from sim.signals.labels import Labels
from sim.spec.weather import OpenMeteo
from sim.units import DAY_NS, G_PER_KG, HOUR_NS, J_PER_KWH, NS_PER_S
from sim.weather.calendar_year import slots_at
from sim.weather.psychrometrics import standard_pressure_pa
from sim.weather.series import WeatherSeries
from sim.workload.records import JobRecord
from tests.test_onsite_site import ON_SITE

START_NS = epoch_ns(datetime(2022, 6, 21, 12, tzinfo=UTC))


def test_a_panel_that_lies_flat_under_an_even_sky_is_pvwatts_at_its_rating() -> None:
    """1,000 W/m2 from everywhere and cells at 25 degC (Faiman: 16.9 K above air that moves at 5 m/s): DC is the rating
    less 14 % (PVWatts 5, table 5), AC by its inverter, eta = 0.96 / 0.9637 (-0.0162 z - 0.0059 / z + 0.9858)."""
    flat = pv.Array(tilt_deg=0.0, azimuth_deg=180.0, transposition="perez")

    def ac(above_k: float, ghi: float = 1000.0) -> float:
        warmer = ghi / (25.0 + 6.84 * 5.0)
        given = {"ghi_w_m2": ghi, "dni_w_m2": 0.0, "dhi_w_m2": ghi, "dry_bulb_c": 25.0 + above_k - warmer}
        columns = {name: np.array([value]) for name, value in {**given, "wind_m_s": 5.0}.items()}
        edges = np.array([START_NS, START_NS + HOUR_NS])
        return float(pv.specific_power(flat, edges, latitude_deg=0.0, longitude_deg=0.0, **columns)[0])

    def inverted(dc: float) -> float:
        z = dc * 1.1 * 0.96
        return 0.96 / 0.9637 * (-0.0162 * z - 0.0059 / z + 0.9858) * dc

    assert ac(0.0) == pytest.approx(inverted(0.86), rel=1e-9)
    assert ac(20.0) == pytest.approx(inverted(0.86 * (1.0 - 0.0047 * 20.0)), rel=1e-9)
    assert ac(0.0, 500.0) == pytest.approx(inverted(0.43), rel=1e-9)


def test_life_cycles_are_those_of_their_tables() -> None:
    """IPCC AR5 WG III, table A.III.2, g/kWh: minimum, median, maximum; IVL C 444, kg/kWh of a battery."""
    table = {
        "ipcc-ar5-pv-utility": (18, 48, 180),
        "ipcc-ar5-pv-rooftop": (26, 41, 60),
        "ipcc-ar5-wind-onshore": (7, 11, 56),
        "ipcc-ar5-wind-offshore": (8, 12, 35),
        "ivl-2019-lithium-ion": (61 * G_PER_KG, 83.5 * G_PER_KG, 106 * G_PER_KG),
    }
    found = {
        name: (one.low * J_PER_KWH, one.central * J_PER_KWH, one.high * J_PER_KWH) for name, one in PUBLISHED.items()
    }
    assert found == {name: pytest.approx(row) for name, row in table.items()}


def test_a_plant_s_making_is_spread_evenly_over_its_life() -> None:
    made = PerCapacity(Range(1.0, 2.0, 3.0, "here"), lifetime_ns=10 * DAY_NS)
    spent = made.carbon(123.0, 50.0, 5 * DAY_NS / NS_PER_S)
    assert (spent.low, spent.central, spent.high) == pytest.approx((25.0, 50.0, 75.0))


def test_a_battery_trades_at_its_bounds_too() -> None:
    """At or below the low bound it charges, at or above the high one it discharges; both are taken from the series."""
    codes = thresholds.wants(np.array([1.0, 2.0, 3.0, 4.0]), np.full(4, 2.0), np.full(4, 3.0), 0.9)
    assert codes.tolist() == [loop.CHARGE, loop.CHARGE, loop.DISCHARGE, loop.DISCHARGE]
    tie = thresholds.wants(np.array([2.0]), np.array([2.0]), np.array([4.0]), 0.5)
    assert tie.tolist() == [loop.REST]  # 2 is not below half of 4: a cycle earns nothing


def plan(*units: dict[str, Any]) -> OnsitePlan:
    return onsite_plan(
        ON_SITE.validate_python(list(units)), start_ns=0, weather=None, currency=None, rng=np.random.default_rng(0)
    )


def test_an_outage_is_out_in_a_part_of_a_run_that_begins_or_ends_in_it() -> None:
    """Of the outage from 1 to 3 h, an hour is in [2 h, 4 h) and an hour in [0 h, 2 h); all else needs no edge."""
    outage = {"after": "1 h", "duration": "2 h"}
    cut = plan({"kind": "connection", "export_limit": "0 W", "outages": [outage]})
    steady = Signal.constant(1e-4, "g/J")
    for edges_h, out in (((2, 3, 4), [True, False]), ((0, 1, 2), [False, True]), ((4, 5), [False]), ((1, 3), [True])):
        edges = np.array(edges_h, dtype=np.int64) * HOUR_NS
        served = cut.dispatch(np.full(len(edges) - 1, 1e6), edges, None, steady)
        assert (served.unserved_w > 0.0).tolist() == out
        assert (served.grid_import_w > 0.0).tolist() == [not one for one in out]


def test_making_fuel_is_scope_3_of_what_was_burned() -> None:
    diesel = {
        "kind": "diesel",
        "capacity": "2 MW",
        "minimum_load": "30 %",
        "fuel": {"full": "0.25 L/kWh", "half": "0.25 L/kWh"},
        "fuel_upstream": "0.6 kgCO2e/L",
        "tests": {"every": "30 d", "duration": "30 min", "load": "30 %", "into": "load-bank"},
    }
    made = plan(diesel, {"kind": "connection", "export_limit": "0 W", "outages": [{"after": "2 h", "duration": "1 h"}]})
    edges = np.arange(6, dtype=np.int64) * HOUR_NS
    served = made.dispatch(np.full(5, 1e6), edges, None, Signal.constant(1e-4, "g/J"))
    litres = 0.25 * (1000.0 + 0.3 * 2000.0 / 2)  # an hour of 1 MW, and a test of half an hour at 0.6 MW
    assert made.fuel_l(served, edges).sum() == pytest.approx(litres)
    lines = {(line.unit, line.scope): line.carbon_g.central for line in made.carbon(served, edges)}
    assert lines["diesel", 3] == pytest.approx(600.0 * litres)
    assert lines["diesel", 1] == pytest.approx(2705.1 * litres, rel=1e-4)


def open_meteo(folder: Path, units: Mapping[str, str], values: Mapping[str, float]) -> WeatherSeries:
    data = {
        "latitude": 32.9,
        "longitude": -97.0,
        "elevation": 180.0,
        "utc_offset_seconds": 0,
        "hourly_units": dict(units),
        "hourly": {"time": [f"2022-06-21T{h:02d}:00" for h in range(24)]} | {k: [v] * 24 for k, v in values.items()},
    }
    path = folder / "weather.json"
    path.write_text(json.dumps(data))
    start_ns = epoch_ns(datetime(2022, 6, 21, tzinfo=UTC))
    spec = OpenMeteo(kind="open-meteo", file=str(path))
    series: WeatherSeries = weather_series(spec, start_ns=start_ns, end_ns=start_ns + 6 * HOUR_NS)
    return series


@pytest.mark.parametrize(
    ("celsius", "wind"),
    [
        (("°C", 25.0), ("km/h", 36.0)),
        (("°F", 77.0), ("m/s", 10.0)),
        (("°C", 25.0), ("ms", 10.0)),
        (("°F", 77.0), ("mp/h", 22.369362920544)),
        (("°F", 77.0), ("mph", 22.369362920544)),
        (("°C", 25.0), ("kn", 19.438444924406)),
    ],
)
def test_weather_is_the_same_in_any_units(tmp_path: Path, celsius: tuple[str, float], wind: tuple[str, float]) -> None:
    units = {"temperature_2m": celsius[0], "wind_speed_10m": wind[0], "surface_pressure": "hPa"}
    units |= {"relative_humidity_2m": "%", "shortwave_radiation": {"°C": "W/m²", "°F": "W/m2"}[celsius[0]]}
    values = {"temperature_2m": celsius[1], "wind_speed_10m": wind[1], "surface_pressure": 985.0}
    series = open_meteo(tmp_path, units, {**values, "relative_humidity_2m": 40.0, "shortwave_radiation": 640.0})
    assert series.dry_bulb_c[0] == pytest.approx(25.0)
    assert series.extra["wind_m_s"][0] == pytest.approx(10.0)
    assert series.extra["ghi_w_m2"][0] == 640.0
    assert series.pressure_pa[0] == pytest.approx(98_500.0)
    assert series.relative_humidity[0] == pytest.approx(0.4)


def test_the_standard_atmosphere_is_that_of_its_table() -> None:
    """ISO 2533: 101,325 Pa at the sea, 89,875 at 1,000 m, 70,109 at 3,000, 54,020 at 5,000."""
    found = [standard_pressure_pa(metres) for metres in (0.0, 1000.0, 3000.0, 5000.0)]
    assert found == pytest.approx([101_325.0, 89_875.0, 70_109.0, 54_020.0], rel=3e-4)


def test_days_of_a_year_are_found_before_1970_as_after() -> None:
    """Noon of 31 December 1969 lies half a day before the count of days begins."""
    noons = [datetime(year, 12, 31, 12, tzinfo=UTC) for year in (1969, 1971)]
    before, after = slots_at(np.array([epoch_ns(noon) for noon in noons]), HOUR_NS).tolist()
    assert before == after == (11 * 31 + 30) * 24 + 12


def test_a_row_of_parquet_is_told_by_its_number(tmp_path: Path) -> None:
    """The third has a time that its clock skips: 2:30 on 13 March 2022 in Chicago."""
    times = [datetime(2022, 3, 13, h, 30) for h in (0, 1, 2, 3)]  # a clock's own
    path = tmp_path / "price.parquet"
    pq.write_table(pa.table({"time": pa.array(times, pa.timestamp("us")), "price": [1.0, 2.0, 3.0, 4.0]}), path)
    with pytest.raises(InputError) as error:
        read_plain(
            path,
            Terms("refuse", 0, Labels(zone="America/Chicago")),
            time_column="time",
            column="price",
            si_per_value=1.0,
            unit="USD/J",
            may_be_negative=True,
        )
    assert [problem.line for problem in error.value.problems] == [3]


def record(submitted_h: int, started_h: int, ended_h: int) -> JobRecord:
    """A job of an hour."""
    times = (submitted_h * HOUR_NS, started_h * HOUR_NS, ended_h * HOUR_NS)
    return JobRecord("jobs", "completed", 1, *times, HOUR_NS, HOUR_NS, 0, HOUR_NS, 0, 0)


def test_a_makespan_is_the_same_whenever_the_jobs_come() -> None:
    """From the first that is submitted to the end of the last."""
    for late in (0, 7):
        jobs = [record(1 + late, 2 + late, 3 + late), record(2 + late, 4 + late, 5 + late)]
        told = job_metrics(jobs)
        assert told["makespan_s"] == timedelta(hours=4).total_seconds()
        assert told["wait_s"] == timedelta(hours=1.5).total_seconds()
