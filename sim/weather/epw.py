"""EnergyPlus weather files: a typical (or actual) year of hours, or of shorter records if the header says so.

Eight header lines, then 35 columns. Hour 1 is the hour *ending* at 01:00, in local *standard* time (whatever daylight
saving the header names); months come from different years. ``DATA PERIODS`` says how many records an hour has. Of two,
minutes 30 and 60 end the halves of hour 1; files that count from 0 (0 and 30) begin them, and where every row has the
same minute they stand in order, as EnergyPlus reads them. Missing values have marks: 99.9 degC, 999 %, 999999 Pa, 9999
W/m2, 999 m/s. Format: EnergyPlus Auxiliary Programs, "EnergyPlus Weather File (EPW) Data Dictionary".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.units import HOUR_NS, PERCENT
from sim.weather.calendar_year import is_a_day, slot, typical_year
from sim.weather.files import place_on_earth, read_lines
from sim.weather.records import Place, TypicalYear, number

HEADERS, COLUMNS = 8, 35
MINUTES = 60
PERIODS = "DATA PERIODS"
MARKS = {
    "dry_bulb_c": (6, 99.9),
    "relative_humidity": (8, 999.0),
    "pressure_pa": (9, 999999.0),
    "ghi_w_m2": (13, 9999.0),
    "dni_w_m2": (14, 9999.0),
    "dhi_w_m2": (15, 9999.0),
    "wind_m_s": (21, 999.0),
}
"""Column, and the value from which on it is missing."""


@dataclass(frozen=True)
class _When:
    """A row's line and time: hour 1..24 ends at its name, ``minute`` is as written."""

    line: int
    month: int
    day: int
    hour: int
    minute: str


def read_epw(path: Path) -> TypicalYear:
    """The year in an EPW file. Raises ``InputError`` naming lines that are no rows of one."""
    text = read_lines(path)
    file = str(path)
    if len(text) <= HEADERS or not text[0].startswith("LOCATION"):
        raise InputError.one(file, "is no EPW file: its first line is not LOCATION", line=1)
    location = text[0].split(",")
    try:
        latitude, longitude, ahead_h, elevation = (float(location[i]) for i in (6, 7, 8, 9))
    except (IndexError, ValueError):
        raise InputError.one(file, "its LOCATION has no latitude, longitude, time zone and elevation", line=1) from None
    place = place_on_earth(file, Place(latitude, longitude, elevation, ahead_h), line=1)
    per_hour = _records_per_hour(file, text[:HEADERS])
    rows: list[_When] = []
    cells: dict[str, list[float]] = {name: [] for name in MARKS}
    for i, line in enumerate(text[HEADERS:], start=HEADERS + 1):
        if not line.strip():
            continue
        row = line.split(",")
        try:
            m, d, h = (int(row[k]) for k in (1, 2, 3))
        except (ValueError, IndexError):
            m = d = h = 0
        if not (is_a_day(m, d) and 1 <= h <= 24):
            raise InputError.one(file, "is no row of an EPW file: it has no month, day and hour 1..24", line=i)
        if len(row) < COLUMNS - 3:
            raise InputError.one(file, f"has {len(row)} of {COLUMNS} columns: the file was cut", line=i)
        rows.append(_When(i, m, d, h, row[4].strip()))
        for name, (column, mark) in MARKS.items():
            cells[name].append(number(row[column], missing=mark))
    if not rows:
        raise InputError.one(file, "has no hours")
    columns = {name: np.array(values) for name, values in cells.items()}
    columns["relative_humidity"] = columns["relative_humidity"] / PERCENT
    step_ns = HOUR_NS // per_hour
    parts = [0] * len(rows) if per_hour == 1 else _parts_of_hours(file, rows, per_hour)
    slots = [
        slot(row.month, row.day, (row.hour - 1) * HOUR_NS + part * step_ns, step_ns)
        for row, part in zip(rows, parts, strict=True)
    ]
    said = f"{PERIODS} says {per_hour} record{'s' if per_hour > 1 else ''} an hour"
    return typical_year(file, place, step_ns, slots, columns, [row.line for row in rows], step=said)


def _records_per_hour(file: str, headers: Sequence[str]) -> int:
    """Records in an hour, as the header says; 1 where it says nothing, which two rows of one hour then contradict."""
    for i, line in enumerate(headers, start=1):
        if not line.startswith(PERIODS):
            continue
        cells = line.split(",")
        try:
            per_hour = int(cells[2])
        except (ValueError, IndexError):
            raise InputError.one(file, f"its {PERIODS} do not say how many records an hour has", line=i) from None
        if per_hour < 1 or MINUTES % per_hour:
            raise InputError.one(file, f"its {PERIODS} say {per_hour} records an hour; 60 minutes do not", line=i)
        return per_hour
    return 1


def _parts_of_hours(file: str, rows: Sequence[_When], per_hour: int) -> list[int]:
    """Which part of its hour each row is, from 0."""
    if len({row.minute for row in rows}) == 1:
        return _by_order(file, rows, per_hour)
    length = MINUTES // per_hour
    minutes: list[int] = []
    for row in rows:
        try:
            minutes.append(int(row.minute))
        except ValueError:
            message = f"has no minute, and {PERIODS} says {per_hour} records an hour"
            raise InputError.one(file, message, line=row.line) from None
    first = length if 0 not in minutes else 0
    for row, minute in zip(rows, minutes, strict=True):
        if not (first <= minute <= first + MINUTES - length and minute % length == 0):
            allowed = ", ".join(str(first + k * length) for k in range(per_hour))
            message = f"its minute {minute} is none of {allowed}, and {PERIODS} says {per_hour} records an hour"
            raise InputError.one(file, message, line=row.line)
    return [(minute - first) // length for minute in minutes]


def _by_order(file: str, rows: Sequence[_When], per_hour: int) -> list[int]:
    parts: list[int] = []
    done: set[tuple[int, int, int]] = set()
    before: tuple[int, int, int] | None = None
    for row in rows:
        hour = (row.month, row.day, row.hour)
        part = parts[-1] + 1 if hour == before else 0
        if part == per_hour or (part == 0 and hour in done):
            message = f"is one row too many for its hour: {PERIODS} says {per_hour} records an hour"
            raise InputError.one(file, message, line=row.line)
        done.add(hour)
        parts.append(part)
        before = hour
    return parts
