"""EnergyPlus weather files: a typical (or actual) year of hours.

Eight header lines, then 35 columns. Hour 1 is the hour *ending* at 01:00, in local *standard* time; months come from
different years. Missing values have marks: 99.9 degC, 999 %, 999999 Pa, 9999 W/m2, 999 m/s.
Format: EnergyPlus Auxiliary Programs, "EnergyPlus Weather File (EPW) Data Dictionary".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.units import PERCENT
from sim.weather.files import read_lines
from sim.weather.records import Place, TypicalYear, number

HEADERS, COLUMNS = 8, 35
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


def read_epw(path: Path) -> TypicalYear:
    """The file's year. Raises ``InputError`` naming lines that are no rows of an EPW file."""
    text = read_lines(path)
    file = str(path)
    if len(text) <= HEADERS or not text[0].startswith("LOCATION"):
        raise InputError.one(file, "is no EPW file: its first line is not LOCATION", line=1)
    location = text[0].split(",")
    try:
        latitude, longitude, ahead_h, elevation = (float(location[i]) for i in (6, 7, 8, 9))
    except (IndexError, ValueError):
        raise InputError.one(file, "its LOCATION has no latitude, longitude, time zone and elevation", line=1) from None
    when = []
    lines: list[int] = []
    cells: dict[str, list[float]] = {name: [] for name in MARKS}
    for i, line in enumerate(text[HEADERS:], start=HEADERS + 1):
        if not line.strip():
            continue
        row = line.split(",")
        try:
            m, d, h = (int(row[k]) for k in (1, 2, 3))
        except (ValueError, IndexError):
            m = d = h = 0
        if not (1 <= m <= 12 and 1 <= d <= 31 and 1 <= h <= 24):
            raise InputError.one(file, "is no row of an EPW file: it has no month, day and hour 1..24", line=i)
        if len(row) < COLUMNS - 3:
            raise InputError.one(file, f"has {len(row)} of {COLUMNS} columns: the file was cut", line=i)
        when.append((m, d, h - 1))
        lines.append(i)
        for name, (column, mark) in MARKS.items():
            cells[name].append(number(row[column], missing=mark))
    if not when:
        raise InputError.one(file, "has no hours")
    columns = {name: np.array(values) for name, values in cells.items()}
    columns["relative_humidity"] = columns["relative_humidity"] / PERCENT
    month, day, hour = np.array(when, dtype=np.int64).T
    place = Place(latitude, longitude, elevation, ahead_h)
    return TypicalYear(place, month, day, hour, columns, np.array(lines, dtype=np.int64))
