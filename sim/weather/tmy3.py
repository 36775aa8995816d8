"""TMY3 files of the National Renewable Energy Laboratory: a typical year in local standard time; times are *ends*.

The first line is the station (code, name, state, time zone, latitude, longitude, elevation), the second names the
columns. -9900 marks what is missing. A file whose times end every quarter or half of an hour is read at that step;
00:00 is the end of the day before (24:00). SolarAnywhere's files in this format head a column ``DNI (W/m^2))`` and
leave pressure out (tests/data of pvlib 0.16.1). Format: Wilcox and Marion, "Users Manual for TMY3 Data Sets",
NREL/TP-581-43156, 2008.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sim.errors import InputError
from sim.units import DAY_NS, HOUR_NS, PA_PER_MBAR, PERCENT
from sim.weather.calendar_year import LENGTHS, MINUTE_NS, MONTHS, is_a_day, slot, typical_year
from sim.weather.files import place_on_earth, read_rows
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
MINUTES = 60


def read_tmy3(path: Path) -> TypicalYear:
    """The year in a TMY3 file. Raises ``InputError`` naming what is no row of one."""
    file = str(path)
    rows = read_rows(path)
    try:
        ahead_h, latitude, longitude, elevation = (float(rows[0][i]) for i in (3, 4, 5, 6))
        names = [name.strip().replace("))", ")") for name in rows[1]]
    except (IndexError, ValueError):
        raise InputError.one(file, "is no TMY3 file: its first line is not a station", line=1) from None
    place = place_on_earth(file, Place(latitude, longitude, elevation, ahead_h), line=1)
    lacking = [name for name, _ in COLUMNS.values() if name not in names]
    if lacking or names[:2] != ["Date (MM/DD/YYYY)", "Time (HH:MM)"]:
        what = ", ".join(lacking) or "Date (MM/DD/YYYY), Time (HH:MM)"
        raise InputError.one(file, f"is no TMY3 file: it has no column {what}", line=2)
    at = {name: (names.index(column), factor) for name, (column, factor) in COLUMNS.items()}
    leap = any(row and row[0].lstrip("0").startswith("2/29/") for row in rows[2:])
    ends: list[tuple[int, int, int]] = []
    lines: list[int] = []
    cells: dict[str, list[float]] = {name: [] for name in COLUMNS}
    for i, row in enumerate(rows[2:], start=3):
        if not row:
            continue
        ends.append(_end(file, i, row, leap))
        lines.append(i)
        for name, (column, factor) in at.items():
            value = number(row[column]) if column < len(row) else math.nan
            cells[name].append(value * factor if value > MISSING_BELOW else math.nan)
    if not ends:
        raise InputError.one(file, "has no hours")
    step_ns = _step_ns(file, ends, lines)
    slots = [slot(month, day, minutes * MINUTE_NS - step_ns, step_ns) for month, day, minutes in ends]
    columns = {name: np.array(values) for name, values in cells.items()}
    said = f"its times are {step_ns // MINUTE_NS} minutes apart"
    return typical_year(file, place, step_ns, slots, columns, lines, step=said)


def _end(file: str, line: int, row: Sequence[str], leap: bool) -> tuple[int, int, int]:
    """Month, day and the minute of the day at which the row ends, 1..1440; ``leap`` if there is a 29 February."""
    try:
        month, day = (int(part) for part in row[0].split("/")[:2])
        hours, minutes = (int(part) for part in row[1].split(":")[:2])
    except (ValueError, IndexError):
        raise InputError.one(file, "has no date and time", line=line) from None
    ends = hours * MINUTES + minutes
    if not (is_a_day(month, day) and 0 <= minutes < MINUTES and 0 <= ends <= DAY_NS // MINUTE_NS):
        raise InputError.one(file, f"{row[0]} {row[1]} is no date and time", line=line)
    if ends:
        return month, day, ends
    if day > 1:
        return month, day - 1, DAY_NS // MINUTE_NS
    before = (month - 2) % MONTHS + 1
    return before, 28 if before == 2 and not leap else LENGTHS[before - 1], DAY_NS // MINUTE_NS


def _step_ns(file: str, ends: Sequence[tuple[int, int, int]], lines: Sequence[int]) -> int:
    """How far apart the times are: the minutes of the hour that occur, which divide it evenly."""
    minutes = sorted({minute % MINUTES for _, _, minute in ends})
    even = [k * MINUTES // len(minutes) for k in range(len(minutes))]
    if MINUTES % len(minutes) or minutes != even:
        odd = next((i for i, (_, _, minute) in enumerate(ends) if minute % MINUTES not in even), 0)
        message = (
            f"its times end at minutes {', '.join(map(str, minutes[:8]))} of the hour, which do not divide it evenly"
        )
        raise InputError.one(file, message, line=lines[odd])
    return HOUR_NS // len(minutes)
