"""Lays a weather file's hours on the time of a run: a typical year by its calendar, dated hours where they were."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.units import DAY_NS, HOUR_NS
from sim.weather.psychrometrics import standard_pressure_pa
from sim.weather.records import EXTRA, DatedHours, Gaps, Place, TypicalYear, without_gaps
from sim.weather.series import WeatherSeries

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def typical(file: str, year: TypicalYear, gaps: Gaps, *, start_ns: int, end_ns: int) -> WeatherSeries:
    """A typical year over ``[start_ns, end_ns)`` (since 1970), on a clock that starts with it.

    Each hour of the run has the weather of the same month, day and hour in the file's local standard time; a 29
    February that the file lacks has that of the 28th. Raises ``InputError`` where the file lacks any other hour.
    """
    columns, filled = without_gaps(file, year.columns, year.lines, gaps)
    place = year.place
    table = _by_calendar(file, year)
    ahead_ns = round(place.ahead_h * HOUR_NS)
    first, last = (start_ns + ahead_ns) // HOUR_NS, -(-(end_ns + ahead_ns) // HOUR_NS)
    rows = table[_hour_of_year(np.arange(first, last, dtype=np.int64))]
    edges = np.arange(first, last + 1, dtype=np.int64) * HOUR_NS - ahead_ns - start_ns
    return _series(place, edges, {name: values[rows] for name, values in columns.items()}, filled)


def dated(file: str, hours: DatedHours, gaps: Gaps, *, start_ns: int, end_ns: int, repeat: bool) -> WeatherSeries:
    """Hours that were, over ``[start_ns, end_ns)``; with ``repeat`` those of the same day and hour in another year.

    Raises ``InputError`` where they do not cover the run, or less than a year is to be repeated.
    """
    columns, filled = without_gaps(file, hours.columns, hours.lines, gaps)
    first_ns, last_ns = int(hours.start_ns[0]), int(hours.start_ns[-1]) + hours.step_ns
    if not repeat:
        if start_ns < first_ns or end_ns > last_ns:
            message = (
                f"covers {_clock(first_ns)} .. {_clock(last_ns)}; the run lasts from {_clock(start_ns)} to "
                f"{_clock(end_ns)}: give weather of that time, or write 'repeat: calendar'"
            )
            raise InputError.one(file, message)
        edges = np.append(hours.start_ns, last_ns) - start_ns
        return _series(hours.place, edges, columns, filled)
    if hours.step_ns != HOUR_NS or last_ns - first_ns < 365 * DAY_NS:
        raise InputError.one(file, "less than a year of hours cannot be repeated by the calendar")
    table = np.full((12 * 31 * 24,), -1, dtype=np.int64)
    table[_hour_of_year(hours.start_ns // HOUR_NS)[::-1]] = np.arange(len(hours.start_ns))[::-1]  # the first year wins
    whole = _leap_day_filled(file, table)
    first, last = start_ns // HOUR_NS, -(-end_ns // HOUR_NS)
    rows = whole[_hour_of_year(np.arange(first, last, dtype=np.int64))]
    edges = np.arange(first, last + 1, dtype=np.int64) * HOUR_NS - start_ns
    return _series(hours.place, edges, {name: values[rows] for name, values in columns.items()}, filled)


def _series(place: Place, edges: Ints, columns: Mapping[str, Floats], filled: int) -> WeatherSeries:
    """Pressure is that of the standard atmosphere at the site's height where the file has none."""
    pressure = columns.get("pressure_pa")
    if pressure is None:
        pressure = np.full(len(edges) - 1, standard_pressure_pa(place.elevation_m or 0.0))
    return WeatherSeries(
        edges_ns=edges,
        dry_bulb_c=columns["dry_bulb_c"],
        relative_humidity=np.clip(columns["relative_humidity"], 0.0, 1.0),
        pressure_pa=pressure,
        extra={name: columns[name] for name in EXTRA if name in columns},
        latitude_deg=place.latitude_deg,
        longitude_deg=place.longitude_deg,
        elevation_m=place.elevation_m,
        filled=filled,
    )


def _hour_of_year(hours: Ints) -> Ints:
    """A place for each hour since 1970 by its month, day and hour: (month x 31 + day) x 24 + hour, all from 0."""
    days, hour = hours // 24, hours % 24
    first = int(days[0])
    dates = [EPOCH + timedelta(days=int(day)) for day in range(first, int(days[-1]) + 1)]
    slots = np.array([(date.month - 1) * 31 + date.day - 1 for date in dates], dtype=np.int64)
    return np.asarray(slots[days - first] * 24 + hour)


def _by_calendar(file: str, year: TypicalYear) -> Ints:
    """The file's row for each month, day and hour. Raises ``InputError`` for one that is lacking."""
    table = np.full((12 * 31 * 24,), -1, dtype=np.int64)
    table[((year.month - 1) * 31 + year.day - 1) * 24 + year.hour] = np.arange(len(year.month))
    return _leap_day_filled(file, table)


def _leap_day_filled(file: str, table: Ints) -> Ints:
    by_hour = table.reshape(12, 31, 24)
    february = by_hour[1]
    february[28] = np.where(february[28] < 0, february[27], february[28])
    lengths = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    for month, length in enumerate(lengths):
        lacking = np.argwhere(by_hour[month, :length] < 0)
        if len(lacking):
            day, hour = lacking[0].tolist()
            raise InputError.one(file, f"has no hour {hour:02d}:00 of {day + 1}.{month + 1}.: it is not a whole year")
    return table


def _clock(ns: int) -> str:
    return (EPOCH + timedelta(microseconds=ns // 1000)).isoformat()
