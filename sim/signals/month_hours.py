"""A year as twelve typical days: a table of means by month and hour of the day, laid over any span of time.

Hours are of UTC (``hour_utc``), or of the clock of a zone that the scenario names (``hour_local``), with its changes.

Small enough to ship, and it keeps the season and the day; it has no extremes and no streaks, so peaks and limits come
out milder than they are. Give a real year where those matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.signals.csv_table import Table, open_table

Floats = npt.NDArray[np.float64]
MONTHS, HOURS = 12, 24
UTC_HOURS, LOCAL = "hour_utc", "hour_local"


def read_month_hours(path: Path, columns: Sequence[str], *, local: bool = False) -> Mapping[str, Floats]:
    """The named columns of a CSV with ``month`` (1..12) and ``hour_utc`` or, if ``local``, ``hour_local`` (0..23).

    Each is (12, 24).

    Raises ``InputError`` for a cell that is no number, and where a month's hour is missing or comes twice.
    """
    tables = {name: np.full((MONTHS, HOURS), math.nan) for name in columns}
    seen: dict[tuple[int, int], int] = {}
    with open_table(path) as table:
        at_month, at_hour = table.column("month"), _hour_column(table, local)
        at = {name: table.column(name) for name in columns}
        for line, row in table.rows():
            try:
                when = (int(row[at_month]), int(row[at_hour]))
                values = {name: float(row[index]) for name, index in at.items()}
            except (ValueError, IndexError):
                table.complain(line, "needs a month, an hour and a number in each column")
                continue
            if not (1 <= when[0] <= MONTHS and 0 <= when[1] < HOURS):
                table.complain(line, f"month {when[0]}, hour {when[1]} is outside 1..12 and 0..23")
            elif when in seen:
                table.complain(line, f"month {when[0]}, hour {when[1]} was given in line {seen[when]}")
            elif not all(math.isfinite(value) for value in values.values()):
                table.complain(line, "holds a value that is not finite")
            else:
                seen[when] = line
                for name, value in values.items():
                    tables[name][when[0] - 1, when[1]] = value
        table.raise_if_any()
    if len(seen) < MONTHS * HOURS:
        first = next((m, h) for m in range(1, MONTHS + 1) for h in range(HOURS) if (m, h) not in seen)
        raise InputError.one(str(path), f"has {len(seen)} of 288 rows: month {first[0]}, hour {first[1]} is missing")
    return tables


def _hour_column(table: Table, local: bool) -> int:
    """Where the hours are. Raises ``InputError`` where the table is by another clock than the scenario says."""
    if local and LOCAL not in table.names and UTC_HOURS in table.names:
        message = f"its hours are of UTC ('{UTC_HOURS}'), and the scenario names a zone: leave 'zone' out"
        raise InputError.one(table.file, message, line=1)
    if not local and UTC_HOURS not in table.names and LOCAL in table.names:
        message = f"its hours are of a local clock ('{LOCAL}'): write its 'zone', e.g. Europe/Berlin"
        raise InputError.one(table.file, message, line=1)
    return table.column(LOCAL if local else UTC_HOURS)
