"""TMY3 files of the National Renewable Energy Laboratory: a typical year of hours, local standard time, hours *ending*.

The first line is the station (code, name, state, time zone, latitude, longitude, elevation), the second names the
columns. -9900 marks what is missing. Format: Wilcox and Marion, "Users Manual for TMY3 Data Sets", NREL/TP-581-43156,
2008.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.units import PA_PER_MBAR, PERCENT
from sim.weather.files import read_lines
from sim.weather.records import Place, TypicalYear, number

COLUMNS = {
    "dry_bulb_c": ("Dry-bulb (C)", 1.0),
    "relative_humidity": ("RHum (%)", 1.0 / PERCENT),
    "pressure_pa": ("Pressure (mbar)", PA_PER_MBAR),
    "ghi_w_m2": ("GHI (W/m^2)", 1.0),
    "dni_w_m2": ("DNI (W/m^2)", 1.0),
    "dhi_w_m2": ("DHI (W/m^2)", 1.0),
    "wind_m_s": ("Wspd (m/s)", 1.0),
}
MISSING_BELOW = -900.0


def read_tmy3(path: Path) -> TypicalYear:
    """The file's year. Raises ``InputError`` naming what is no TMY3 file."""
    file = str(path)
    rows = list(csv.reader(read_lines(path)))
    try:
        ahead_h, latitude, longitude, elevation = (float(rows[0][i]) for i in (3, 4, 5, 6))
        names = [name.strip() for name in rows[1]]
    except (IndexError, ValueError):
        raise InputError.one(file, "is no TMY3 file: its first line is not a station", line=1) from None
    lacking = [name for name, _ in COLUMNS.values() if name not in names]
    if lacking or names[:2] != ["Date (MM/DD/YYYY)", "Time (HH:MM)"]:
        what = ", ".join(lacking) or "Date (MM/DD/YYYY), Time (HH:MM)"
        raise InputError.one(file, f"is no TMY3 file: it has no column {what}", line=2)
    when, lines = [], []
    cells: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for i, row in enumerate(rows[2:], start=3):
        if not row:
            continue
        try:
            m, d = (int(part) for part in row[0].split("/")[:2])
            h = int(row[1].split(":")[0])
        except (ValueError, IndexError):
            raise InputError.one(file, "has no date and time", line=i) from None
        when.append((m, d, h - 1))
        lines.append(i)
        for name, (column, factor) in COLUMNS.items():
            value = number(row[names.index(column)]) if names.index(column) < len(row) else math.nan
            cells[name].append(value * factor if value > MISSING_BELOW else math.nan)
    if not when:
        raise InputError.one(file, "has no hours")
    columns = {name: np.array(values) for name, values in cells.items()}
    month, day, hour = np.array(when, dtype=np.int64).T
    place = Place(latitude, longitude, elevation, ahead_h)
    return TypicalYear(place, month, day, hour, columns, np.array(lines, dtype=np.int64))
