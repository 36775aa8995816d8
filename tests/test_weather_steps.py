"""Weather stays where it was: headers that state the step, zones off the hour, one row for one time, units believed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sim
from sim.build.site.weather import sky, weather_series
from sim.errors import InputError
from sim.instants import epoch_ns
from sim.onsite import pv
from sim.spec.weather import OpenMeteo, TypicalWeather
from sim.units import DAY_NS, HOUR_NS
from sim.weather.series import WeatherSeries
from tests.small import small

Rows = list[list[str]]
YEAR = 8760


def _ns(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return epoch_ns(datetime(year, month, day, hour, minute, tzinfo=UTC))


def _epw(
    path: Path, per_hour: int, minute: Callable[[int], int], *, says: str | None = None, ahead: float = 0.0
) -> Rows:
    """Rows of a year whose temperature is the number of the record, in hundredths of a degree modulo 40 degrees."""
    rows = []
    for i in range(YEAR * per_hour):
        when = datetime(2021, 1, 1, tzinfo=UTC) + timedelta(hours=i // per_hour)
        cells = ["0"] * 35
        cells[:5] = ["2021", str(when.month), str(when.day), str(when.hour + 1), str(minute(i % per_hour))]
        cells[6], cells[8], cells[9] = f"{i % 4000 / 100}", "50", "98000"
        rows.append(cells)
    _write_epw(path, rows, says or f"DATA PERIODS,1,{per_hour},Data,Sunday,1/ 1,12/31", ahead)
    return rows


def _write_epw(path: Path, rows: Rows, says: str, ahead: float = 0.0) -> None:
    head = [f"LOCATION,Town,TX,USA,X,1,32.9,-97.0,{ahead},170.0", *(f"HEADER {i}" for i in range(6)), says]
    path.write_text("\n".join([*head, *(",".join(cells) for cells in rows)]))


def _typical(
    path: Path, kind: str = "epw", hours: int = 48, start: int = _ns(2021, 1, 1), **fields: Any
) -> WeatherSeries:
    spec = TypicalWeather(kind=kind, file=str(path), **fields)
    return weather_series(spec, start_ns=start, end_ns=start + hours * HOUR_NS)


@pytest.mark.parametrize(
    ("per_hour", "minute"),
    [
        (2, lambda k: 30 * k + 30),
        (4, lambda k: 15 * k + 15),
        (4, lambda k: 15 * k),
        (2, lambda _: 0),
        (2, lambda _: 60),
    ],
    ids=["ends", "quarters", "begins", "in order", "in order, 60"],
)
def test_as_many_records_an_hour_as_the_header_says(
    tmp_path: Path, per_hour: int, minute: Callable[[int], int]
) -> None:
    """Record i is the i-th part of the year, each of its own length; none is lost, so the mean is that of all."""
    _epw(tmp_path / "t.epw", per_hour, minute)
    series = _typical(tmp_path / "t.epw")
    assert (np.diff(series.edges_ns) == HOUR_NS // per_hour).all()
    assert np.array_equal(series.dry_bulb_c, np.arange(48 * per_hour) / 100)


def test_records_of_parts_of_hours_in_a_zone_off_the_hour(tmp_path: Path) -> None:
    """00:00 UTC is 05:45 in Kathmandu: the last quarter of the sixth hour, record 23 of the day."""
    _epw(tmp_path / "t.epw", 4, lambda k: 15 * k + 15, ahead=5.75)
    series = _typical(tmp_path / "t.epw")
    assert (series.edges_ns[0], series.dry_bulb_c[0]) == (0, 0.23)


def test_the_order_of_rows_says_nothing_about_time(tmp_path: Path) -> None:
    rows = _epw(tmp_path / "t.epw", 2, lambda k: 30 * k + 30)
    rows[50][6] = "99.9"
    whole, mixed = tmp_path / "whole.epw", tmp_path / "mixed.epw"
    _write_epw(whole, rows, "DATA PERIODS,1,2,Data,Sunday,1/ 1,12/31")
    _write_epw(mixed, random.Random(0).sample(rows, len(rows)), "DATA PERIODS,1,2,Data,Sunday,1/ 1,12/31")
    held = _typical(mixed, gaps="hold")
    assert held.dry_bulb_c[50] == held.dry_bulb_c[49]  # the half hour before, not the row above
    assert np.array_equal(held.dry_bulb_c, _typical(whole, gaps="hold").dry_bulb_c)


def _doubled(rows: Rows) -> Rows:
    return [*rows[:5], rows[4], *rows[5:]]


@pytest.mark.parametrize(
    ("header", "change", "says"),
    [
        ("DATA PERIODS,1,1,Data,Sunday,1/1,12/31", _doubled, "a second row for 1.1. 04:00.*1 record an hour"),
        ("HEADER", _doubled, "a second row for 1.1. 04:00"),
        ("DATA PERIODS,1,2,Data,Sunday,1/1,12/31", lambda rows: rows, "nothing for 1.1. 00:30.*says 2 records an hour"),
        ("DATA PERIODS,1,7,Data,Sunday,1/1,12/31", lambda rows: rows, "7 records an hour"),
        ("DATA PERIODS,1,many", lambda rows: rows, "do not say how many"),
        ("DATA PERIODS,2,1,A,Sunday,1/1,12/31,B,Sunday,1/1,1/1", lambda rows: rows + rows[:9], "a second row for 1."),
        ("DATA PERIODS,2,1,A,Sunday,1/1,3/31,B,Sunday,6/1,12/31", lambda rows: rows[:2160] + rows[3624:], "whole year"),
        ("HEADER", lambda rows: [["2021", "4", "31", *rows[0][3:]], *rows[1:]], "no month, day and hour"),
    ],
)  # fmt: skip
def test_rows_that_the_header_does_not_allow_are_refused(tmp_path: Path, header: str, change: Any, says: str) -> None:
    rows = _epw(tmp_path / "t.epw", 1, lambda _: 60)
    _write_epw(tmp_path / "t.epw", change(rows), header)
    with pytest.raises(InputError, match=says):
        _typical(tmp_path / "t.epw")


def test_a_fault_of_every_hour_is_one_problem_with_their_number(tmp_path: Path) -> None:
    """Two records an hour where the header says one; and a column that is missing half of the time."""
    rows = _epw(tmp_path / "t.epw", 2, lambda part: 30 * (part + 1))
    _write_epw(tmp_path / "t.epw", rows, "DATA PERIODS,1,1,Data,Sunday,1/1,12/31")
    with pytest.raises(InputError) as error:
        _typical(tmp_path / "t.epw")
    (problem,) = error.value.problems
    assert problem.line == 10
    assert "is a second row for 1.1. 00:00, which line 9 has (DATA PERIODS says 1 record an hour)" in problem.message
    assert "(8,759 more alike: lines 12, 14," in problem.message
    whole = _epw(tmp_path / "t.epw", 1, lambda _: 60)
    _write_epw(tmp_path / "t.epw", [[*row[:6], "99.9", *row[7:]] for row in whole[::2]] + whole[1::2], "HEADER")
    with pytest.raises(InputError) as error:
        _typical(tmp_path / "t.epw")
    (problem,) = error.value.problems
    assert "the dry-bulb temperature is missing" in problem.message
    assert "(4,379 more alike" in problem.message


def test_periods_that_make_a_year_are_one(tmp_path: Path) -> None:
    rows = _epw(tmp_path / "t.epw", 1, lambda _: 60)
    _write_epw(tmp_path / "t.epw", rows[4344:] + rows[:4344], "DATA PERIODS,2,1,A,Sunday,7/1,12/31,B,Sunday,1/1,6/30")
    assert np.array_equal(_typical(tmp_path / "t.epw").dry_bulb_c, np.arange(48) / 100)


def test_parts_without_minutes_must_stand_together(tmp_path: Path) -> None:
    rows = _epw(tmp_path / "t.epw", 2, lambda _: 0)
    rows[1], rows[2] = rows[2], rows[1]
    _write_epw(tmp_path / "t.epw", rows, "DATA PERIODS,1,2,Data,Sunday,1/1,12/31")
    with pytest.raises(InputError, match="one row too many for its hour"):
        _typical(tmp_path / "t.epw")


TMY3_COLUMNS = "Dry-bulb (C),RHum (%),Pressure (mbar),GHI (W/m^2),DNI (W/m^2),DHI (W/m^2),Wspd (m/s)"


def _tmy3(path: Path, minutes: int, *, ahead: float = 0.0, midnight: str = "24:00", extra: str = "") -> None:
    rows = [f"1,Town,XX,{ahead},32.9,-97.0,170", f"Date (MM/DD/YYYY),Time (HH:MM),{TMY3_COLUMNS}"]
    for i in range(YEAR * 60 // minutes):
        begins = datetime(1999, 1, 1, tzinfo=UTC) + timedelta(minutes=i * minutes)
        at = begins.hour * 60 + begins.minute + minutes
        date, time = begins, f"{at // 60:02d}:{at % 60:02d}"
        if time == "24:00" and midnight == "00:00":
            date, time = begins + timedelta(days=1), midnight
        rows.append(f"{date:%m/%d/%Y},{time},{i % 4000 / 100},50,980,{i % 1000},0,0,4")
    path.write_text("\n".join([*rows, *([extra] if extra else [])]))


@pytest.mark.parametrize(("minutes", "midnight"), [(15, "24:00"), (30, "00:00"), (60, "24:00"), (60, "00:00")])
def test_tmy3_times_end_their_step_whatever_it_is(tmp_path: Path, minutes: int, midnight: str) -> None:
    _tmy3(tmp_path / "t.csv", minutes, midnight=midnight)
    series = _typical(tmp_path / "t.csv", "tmy3")
    assert (np.diff(series.edges_ns) == minutes * HOUR_NS // 60).all()
    assert np.array_equal(series.dry_bulb_c, np.arange(48 * 60 // minutes) / 100)
    over_new_year = _typical(tmp_path / "t.csv", "tmy3", start=_ns(2021, 12, 31, 23), hours=2)
    per_hour, records = 60 // minutes, YEAR * 60 // minutes
    assert over_new_year.dry_bulb_c[per_hour - 1 : per_hour + 1].tolist() == [(records - 1) % 4000 / 100, 0.0]


def test_solaranywhere_s_heading_and_its_missing_pressure(tmp_path: Path) -> None:
    """Its files in TMY3's format head ``DNI (W/m^2))``, leave pressure out, and end a day at 00:00 of the next."""
    _tmy3(tmp_path / "t.csv", 60, midnight="00:00")
    plain = _typical(tmp_path / "t.csv", "tmy3")
    (tmp_path / "s.csv").write_text(
        (tmp_path / "t.csv").read_text().replace("DNI (W/m^2)", "DNI (W/m^2))").replace(",980,", ",,")
    )
    found = _typical(tmp_path / "s.csv", "tmy3")
    assert np.array_equal(found.dry_bulb_c, plain.dry_bulb_c)
    assert found.pressure_pa == pytest.approx(101_325 * (1 - 2.25577e-5 * 170) ** 5.25588)  # ICAO's at 170 m


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("01/01/1999,05:00,1,50,980,0,0,0,4", "a second row for 1.1. 04:00"),
        ("01/01/1999,05:20,1,50,980,0,0,0,4", "minutes 0, 20 of the hour, which do not divide it"),
        ("13/01/1999,05:00,1,50,980,0,0,0,4", "no date and time"),
        ("02/30/1999,05:00,1,50,980,0,0,0,4", "no date and time"),
        ("01/01/1999,24:30,1,50,980,0,0,0,4", "no date and time"),
    ],
)
def test_a_row_out_of_step_in_a_tmy3_file_is_refused(tmp_path: Path, row: str, says: str) -> None:
    _tmy3(tmp_path / "t.csv", 60, extra=row)
    with pytest.raises(InputError, match=says):
        _typical(tmp_path / "t.csv", "tmy3")


OFFSETS_S = [0, 19_800, 20_700, -12_600, 45_900, -18_000]
"""UTC, India, Nepal, Newfoundland, the Chatham Islands, Chicago in summer."""


def _open_meteo(
    path: Path,
    starts_ns: npt.NDArray[np.int64],
    offset_s: int,
    columns: dict[str, Any],
    units: Any = None,
    **changes: Any,
) -> OpenMeteo:
    local = (starts_ns // 1_000_000_000 + offset_s).astype("datetime64[s]").astype(str)
    base = {"temperature_2m": [20.0] * len(local), "relative_humidity_2m": [50] * len(local)}
    data = {
        "latitude": 19.1,
        "longitude": 72.9,
        "elevation": 10.0,
        "utc_offset_seconds": offset_s,
        "hourly_units": units or {},
        "hourly": {"time": [time[:16] for time in local], **base, **columns},
    }
    path.write_text(json.dumps(data | changes))
    return OpenMeteo(kind="open-meteo", file=str(path))


def _year(offset_s: int, year: int = 2025, hours: int = YEAR) -> npt.NDArray[np.int64]:
    """Starts of the hours of a year of the local clock."""
    return np.asarray(_ns(year, 1, 1) - offset_s * 1_000_000_000 + np.arange(hours) * HOUR_NS, dtype=np.int64)


@pytest.mark.parametrize("offset_s", OFFSETS_S)
def test_hours_repeated_by_the_calendar_stay_at_their_time_of_day(tmp_path: Path, offset_s: int) -> None:
    """2026 has the days of 2025: at any instant there is what was 365 days before, across the year's seam, too.

    That holds for the last hour's radiation as well, which the first row of the year tells.
    """
    starts = _year(offset_s)
    number = np.arange(YEAR)
    columns = {"temperature_2m": (number % 400 / 10).tolist(), "shortwave_radiation": (number % 1000).tolist()}
    spec = _open_meteo(tmp_path / "w.json", starts, offset_s, columns).model_copy(update={"repeat": "calendar"})
    begins = _ns(2025, 12, 30)
    series = weather_series(spec, start_ns=begins, end_ns=begins + 367 * DAY_NS)
    assert series.covers(0, 367 * DAY_NS)
    row = (series.edges_ns[:-1] + begins - starts[0]) // HOUR_NS % YEAR
    assert (series.edges_ns[:-1] + begins - starts[0]).max() % HOUR_NS == 0
    assert np.array_equal(series.dry_bulb_c, row % 400 / 10)
    assert np.array_equal(series.extra["ghi_w_m2"], (row + 1) % YEAR % 1000)  # the mean of the hour before


@pytest.mark.parametrize("offset_s", OFFSETS_S)
def test_a_leap_day_of_the_file_s_own_clock_takes_the_day_before(tmp_path: Path, offset_s: int) -> None:
    spec = _open_meteo(
        tmp_path / "w.json", _year(offset_s), offset_s, {"temperature_2m": [h // 24 / 10 for h in range(YEAR)]}
    )
    leap_ns = _ns(2028, 2, 29) - offset_s * 1_000_000_000
    series = weather_series(
        spec.model_copy(update={"repeat": "calendar"}), start_ns=leap_ns - HOUR_NS, end_ns=leap_ns + 25 * HOUR_NS
    )
    assert series.dry_bulb_c.tolist() == [5.8] * 25 + [5.9]  # the 59th day, its stand-in, and 1 March


@pytest.mark.parametrize("offset_s", [19_800, -12_600, 20_700])
def test_the_same_sun_gives_the_same_pv_by_either_clock(tmp_path: Path, offset_s: int) -> None:
    """A clear sky labelled on two clocks: each hour half an hour early would make some 5 % of a morning."""
    pytest.importorskip("pvlib")
    array = pv.Array(20.0, 180.0, "perez", 0.14, -0.0037, 1.2, 0.96, 0.2)
    energy = []
    for clock_s in (0, offset_s):
        starts = _year(clock_s)
        minutes = (np.arange(60) + 0.5) * 60e9
        sun = _cosine_of_zenith(starts[:, None] - HOUR_NS + minutes, 19.1, 72.9).clip(0.0)
        mean = sun.mean(axis=1)
        columns = {
            "shortwave_radiation": (900.0 * mean).tolist(),
            "direct_normal_irradiance": (800.0 * (sun > 0.0).mean(axis=1)).tolist(),
            "diffuse_radiation": (100.0 * mean).tolist(),
            "wind_speed_10m": [7.2] * YEAR,
        }
        spec = _open_meteo(tmp_path / f"{clock_s}.json", starts, clock_s, columns)
        begins = _ns(2026, 3, 19, 18, 30)  # midnight in Mumbai
        series = weather_series(
            spec.model_copy(update={"repeat": "calendar"}), start_ns=begins, end_ns=begins + DAY_NS // 2
        )
        seen = sky(series, DAY_NS // 2)
        fields = {name: value for name, value in vars(seen).items() if name != "edges_ns"}
        power = pv.specific_power(array, seen.edges_ns + begins, **fields)
        inside = np.diff(seen.edges_ns.clip(0, DAY_NS // 2)) / HOUR_NS
        energy.append(float((power * inside).sum()))
    assert energy[1] == pytest.approx(energy[0], rel=0.01)  # hours cut elsewhere differ by a few tenths of a percent


def _cosine_of_zenith(ns: npt.NDArray[Any], latitude: float, longitude: float) -> npt.NDArray[np.float64]:
    """By Cooper's declination and mean solar time: close enough, and the same for every clock."""
    days = ns / DAY_NS
    day_of_year = days - _ns(2025, 1, 1) / DAY_NS + 1
    declination = np.radians(23.45) * np.sin(2 * np.pi * (284 + day_of_year) / 365)
    hour_angle = 2 * np.pi * (days % 1.0 + longitude / 360.0 - 0.5)
    phi = np.radians(latitude)
    return np.asarray(np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour_angle))


def _day(path: Path, **fields: Any) -> OpenMeteo:
    starts = _ns(2025, 6, 1) + np.arange(24, dtype=np.int64) * HOUR_NS
    light = {name: list(range(24)) for name in ("shortwave_radiation", "direct_normal_irradiance", "diffuse_radiation")}
    return _open_meteo(path, starts, 0, {**light, "wind_speed_10m": [10.0] * 24}).model_copy(update=fields)


def test_the_last_hour_s_radiation_is_not_the_one_before(tmp_path: Path) -> None:
    """It is told by the first row of the next day, which the file does not have: refused, or filled and counted."""
    start = _ns(2025, 6, 1)
    spec = _day(tmp_path / "w.json")
    series = weather_series(spec, start_ns=start, end_ns=start + DAY_NS)
    assert series.extra["ghi_w_m2"][:23].tolist() == list(range(1, 24))
    assert np.isnan(series.extra["ghi_w_m2"][23])
    assert series.filled == 0  # a plant needs no sun and may run until midnight
    assert series.on_bins(np.array([23 * HOUR_NS, DAY_NS])).dry_bulb_c.tolist() == [20.0]
    with pytest.raises(InputError, match="no radiation in the last hour of its file"):
        sky(series, DAY_NS)
    assert sky(series, 23 * HOUR_NS).ghi_w_m2.tolist() == list(range(1, 24))
    held = weather_series(_day(tmp_path / "w.json", gaps="hold"), start_ns=start, end_ns=start + DAY_NS)
    assert (held.filled, sky(held, DAY_NS).ghi_w_m2[-1]) == (3, 23.0)


@pytest.mark.parametrize(
    ("column", "unit", "written", "means"),
    [
        ("temperature_2m", "°F", 77.0, 25.0),
        ("wind_speed_10m", "mp/h", 10.0, 4.4704),
        ("wind_speed_10m", "kn", 10.0, 5.14444),
        ("wind_speed_10m", "m/s", 10.0, 10.0),
        ("wind_speed_10m", "km/h", 36.0, 10.0),
    ],
)
def test_units_are_those_the_file_names(tmp_path: Path, column: str, unit: str, written: float, means: float) -> None:
    starts = _ns(2025, 6, 1) + np.arange(24, dtype=np.int64) * HOUR_NS
    spec = _open_meteo(tmp_path / "w.json", starts, 0, {column: [written] * 24}, {column: unit})
    series = weather_series(spec, start_ns=int(starts[0]), end_ns=int(starts[0]) + HOUR_NS)
    got = series.dry_bulb_c if column == "temperature_2m" else series.extra["wind_m_s"]
    assert got[0] == pytest.approx(means, rel=1e-5)


@pytest.mark.parametrize(
    ("times", "units"),
    [
        (lambda ns: ns // 1_000_000_000, {"time": "unixtime"}),
        (lambda ns: datetime.fromtimestamp(ns // 1_000_000_000, UTC).isoformat(), {}),
    ],
    ids=["unixtime", "with an offset"],
)
def test_times_that_are_instants_are_not_moved_by_the_file_s_offset(tmp_path: Path, times: Any, units: Any) -> None:
    starts = _ns(2025, 6, 1) + np.arange(24, dtype=np.int64) * HOUR_NS
    written = {"time": [times(int(ns)) for ns in starts], "temperature_2m": list(range(24))}
    spec = _open_meteo(tmp_path / "w.json", starts, 19_800, written, units)
    series = weather_series(spec, start_ns=int(starts[3]), end_ns=int(starts[5]))
    assert series.on_bins(np.array([0, HOUR_NS])).dry_bulb_c.tolist() == [3.0]


def test_csv_in_seconds_since_1970(tmp_path: Path) -> None:
    rows = [f"{1748736000 + 3600 * h},{h},50" for h in range(24)]  # 2025-06-01 00:00 UTC
    head = "latitude,longitude,elevation,utc_offset_seconds,timezone\n19.1,72.9,10,19800,Asia/Kolkata\n\n"
    (tmp_path / "w.csv").write_text("\n".join([head + "time,temperature_2m (°C),relative_humidity_2m (%)", *rows]))
    spec = OpenMeteo(kind="open-meteo", file=str(tmp_path / "w.csv"))
    series = weather_series(spec, start_ns=_ns(2025, 6, 1, 3), end_ns=_ns(2025, 6, 1, 4))
    assert series.on_bins(np.array([0, HOUR_NS])).dry_bulb_c.tolist() == [3.0]


def test_quarters_of_hours_of_open_meteo(tmp_path: Path) -> None:
    starts = _ns(2025, 6, 1) + np.arange(96, dtype=np.int64) * HOUR_NS // 4
    spec = _open_meteo(tmp_path / "w.json", starts, 0, {"shortwave_radiation": list(range(96))})
    data = json.loads((tmp_path / "w.json").read_text())
    data["minutely_15"], data["minutely_15_units"] = data.pop("hourly"), data.pop("hourly_units")
    (tmp_path / "w.json").write_text(json.dumps(data))
    series = weather_series(spec, start_ns=int(starts[0]), end_ns=int(starts[4]))
    assert series.edges_ns[1] == HOUR_NS // 4
    assert series.extra["ghi_w_m2"][:4].tolist() == [1.0, 2.0, 3.0, 4.0]  # the mean of the quarter before


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"time": ["2025-06-01T00:00"] * 24}, "hourly.time.1.: is a second row for one time"),
        ({"time": [f"2025-06-01T{h // 2:02d}:00" for h in range(24)]}, "second row"),
        ({"time": [f"2025-06-01T{h:02d}:00" for h in (*range(23), 5)]}, "hourly.time.23.: its hours do not follow"),
        ({"temperature_2m": [20.0] * 23}, "hourly.temperature_2m: has 23 values for 24 times"),
        (
            {"temperature_2m": [20.0, None, *[20.0] * 22]},
            "hourly.temperature_2m.1.: the dry-bulb temperature is missing",
        ),
    ],
)
def test_a_second_row_for_one_time_is_refused_where_it_stands(tmp_path: Path, changes: Any, says: str) -> None:
    starts = _ns(2025, 6, 1) + np.arange(24, dtype=np.int64) * HOUR_NS
    spec = _open_meteo(tmp_path / "w.json", starts, 0, changes)
    with pytest.raises(InputError, match=says):
        weather_series(spec, start_ns=int(starts[0]), end_ns=int(starts[1]))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"utc_offset_seconds": 90_000}, "clock's offset in hours is 25"),
        ({"latitude": 191.0}, "latitude is 191"),
        ({"hourly": {"time": [[]], "temperature_2m": 1}}, "no hourly answer"),
    ],
)
def test_a_file_of_no_place_on_earth_is_refused(tmp_path: Path, changes: Any, says: str) -> None:
    starts = _ns(2025, 6, 1) + np.arange(24, dtype=np.int64) * HOUR_NS
    spec = _open_meteo(tmp_path / "w.json", starts, 0, {}, **changes)
    with pytest.raises(InputError, match=says):
        weather_series(spec, start_ns=int(starts[0]), end_ns=int(starts[1]))


def test_a_file_without_its_clock_is_refused(tmp_path: Path) -> None:
    starts = _ns(2025, 6, 1) + np.arange(24, dtype=np.int64) * HOUR_NS
    spec = _open_meteo(tmp_path / "w.json", starts, 0, {})
    data = json.loads((tmp_path / "w.json").read_text())
    del data["utc_offset_seconds"]
    (tmp_path / "w.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match="utc_offset_seconds"):
        weather_series(spec, start_ns=int(starts[0]), end_ns=int(starts[1]))


def test_check_and_run_agree_on_the_last_hour_and_the_manifest_counts_it(tmp_path: Path) -> None:
    pytest.importorskip("pvlib")
    file = _day(tmp_path / "w.json").file
    array = {"kind": "pv", "capacity": "1 kW", "tilt": "20 deg", "azimuth": "180 deg"}
    array["lifecycle"] = "ipcc-ar5-pv-utility"
    data = {**small(), "start": "2025-06-01T20:00:00Z", "duration": "3 h"}
    data["workloads"].pop("api")
    data["site"] |= {
        "weather": {"kind": "open-meteo", "file": file},
        "on_site": [array, {"kind": "connection", "export_limit": "0 kW"}],
    }
    assert not sim.check(data)  # until 23:00
    data["duration"] = "4 h"
    (problem,) = sim.check(data)
    assert (problem.path, "no radiation in the last hour" in problem.message) == ("site.weather", True)
    with pytest.raises(InputError, match="no radiation in the last hour"):
        sim.run(data)
    data["site"]["weather"]["gaps"] = "interpolate"
    assert sim.run(data).manifest["series"]["site"] == {"weather": {"filled": 3}}


def test_the_hours_of_a_leap_year_in_tmy3_end_at_midnight_of_1_march(tmp_path: Path) -> None:
    _tmy3(tmp_path / "t.csv", 60, midnight="00:00")
    lines = (tmp_path / "t.csv").read_text().split("\n")
    march = next(i for i, line in enumerate(lines) if line.startswith("03/01/1999,00:00"))
    leap = [f"02/29/1999,{h:02d}:00,{h},50,980,0,0,0,4" for h in range(24)]
    leap[0] = lines[march].replace("03/01", "02/29")  # what ended 28 February
    lines[march] = "03/01/1999,00:00,24,50,980,0,0,0,4"
    (tmp_path / "t.csv").write_text("\n".join([*lines[:march], *leap, *lines[march:]]))
    series = _typical(tmp_path / "t.csv", "tmy3", start=_ns(2024, 2, 29), hours=24)
    assert series.dry_bulb_c.tolist() == [float(h) for h in range(1, 25)]
