"""Lays a weather file's hours on the time of a run: a typical year by its calendar, dated hours where they were."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.units import DAY_NS, HOUR_NS
from sim.weather.calendar_year import rows_by_slot, slots_at
from sim.weather.psychrometrics import standard_pressure_pa
from sim.weather.records import EXTRA, DatedHours, Gaps, Place, TypicalYear, refuse_impossible, without_gaps
from sim.weather.series import WeatherSeries

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def typical(file: str, year: TypicalYear, gaps: Gaps, *, start_ns: int, end_ns: int) -> WeatherSeries:
    """A typical year over ``[start_ns, end_ns)`` (since 1970), on a clock that starts with it.

    Each time of the run has the weather of the same month, day and time of day in the file's local standard time; a 29
    February that the file lacks has that of the 28th. Raises ``InputError`` where the file lacks any other hour.
    """
    refuse_impossible(file, year.columns, year.lines)
    columns, filled = without_gaps(file, year.columns, year.lines, gaps)
    table = rows_by_slot(file, year.slots, year.step_ns, year.step)
    return _by_calendar(year.place, table, year.step_ns, 0, columns, filled, start_ns, end_ns)


def dated(file: str, hours: DatedHours, gaps: Gaps, *, start_ns: int, end_ns: int, repeat: bool) -> WeatherSeries:
    """Hours that were, over ``[start_ns, end_ns)``; with ``repeat`` those of the same day and hour in another year.

    Days and hours are those of the file's own clock, and an hour that begins at half past is laid from half past. What
    is a mean of the hour before its time is unknown in the file's last hour: under ``gaps: refuse`` it stays so (NaN),
    for whoever needs it to refuse. Raises ``InputError`` where they do not cover the run, or less than a year is to be
    repeated.
    """
    refuse_impossible(file, hours.columns, hours.lines, hours.keys)
    place, step_ns = hours.place, hours.step_ns
    first_ns, last_ns = int(hours.start_ns[0]), int(hours.start_ns[-1]) + step_ns
    if not repeat:
        if start_ns < first_ns or end_ns > last_ns:
            message = (
                f"covers {_clock(first_ns)} .. {_clock(last_ns)}; the run lasts from {_clock(start_ns)} to "
                f"{_clock(end_ns)}: give weather of that time, or write 'repeat: calendar'"
            )
            raise InputError.one(file, message)
        columns, filled = _known(file, hours, hours.columns, gaps)
        return _series(place, np.append(hours.start_ns, last_ns) - start_ns, columns, filled)
    if DAY_NS % step_ns or last_ns - first_ns < 365 * DAY_NS:
        raise InputError.one(file, "less than a year of hours cannot be repeated by the calendar")
    local_ns = hours.start_ns + _ahead_ns(place)
    past_ns = int(local_ns[0]) % step_ns
    slots = slots_at(np.append(local_ns[0] - step_ns, local_ns) - past_ns, step_ns)
    columns = dict(hours.columns)
    if slots[0] == slots[-1]:  # a whole number of years: the end of one is told by the start of the next
        for name, value in hours.before.items():
            columns[name] = np.append(columns[name][:-1], value)
    columns, filled = _known(file, hours, columns, gaps)
    return _by_calendar(
        place, rows_by_slot(file, slots[1:], step_ns), step_ns, past_ns, columns, filled, start_ns, end_ns
    )


def _known(file: str, hours: DatedHours, columns: Mapping[str, Floats], gaps: Gaps) -> tuple[dict[str, Floats], int]:
    """The columns without gaps, but for the unknown last of those that are means of the step before."""
    if gaps != "refuse":
        return without_gaps(file, columns, hours.lines, gaps)
    open_ended = [name for name in hours.before if np.isnan(columns[name][-1])]
    cut = {name: values[:-1] if name in open_ended else values for name, values in columns.items()}
    whole, filled = without_gaps(file, cut, hours.lines, gaps, hours.keys)
    return {name: np.append(v, np.nan) if name in open_ended else v for name, v in whole.items()}, filled


def _by_calendar(
    place: Place,
    table: Ints,
    step_ns: int,
    past_ns: int,
    columns: Mapping[str, Floats],
    filled: int,
    start_ns: int,
    end_ns: int,
) -> WeatherSeries:
    """Rows of ``table`` on every step of the file's clock that the run touches.

    They begin ``past_ns`` after whole steps of that clock.
    """
    shift_ns = _ahead_ns(place) - past_ns
    first, last = (start_ns + shift_ns) // step_ns, -(-(end_ns + shift_ns) // step_ns)
    starts = np.arange(first, last + 1, dtype=np.int64) * step_ns
    rows = table[slots_at(starts[:-1], step_ns)]
    return _series(place, starts - shift_ns - start_ns, {name: v[rows] for name, v in columns.items()}, filled)


def _ahead_ns(place: Place) -> int:
    return round(place.ahead_h * HOUR_NS)


def _series(place: Place, edges: Ints, columns: Mapping[str, Floats], filled: int) -> WeatherSeries:
    """The series of these columns; pressure is the standard atmosphere's at the site's height if there is none."""
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


def _clock(ns: int) -> str:
    return (EPOCH + timedelta(microseconds=ns // 1000)).isoformat()
