"""A year as twelve typical days: a table of means by month and hour of the day (UTC), laid over any span of time.

Small enough to ship, and it keeps the season and the day; it has no extremes and no streaks, so peaks and limits come
out milder than they are. Give a real year where those matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.signals.csv_table import open_table
from sim.units import HOUR_NS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
MONTHS, HOURS = 12, 24


def read_month_hours(path: Path, columns: Sequence[str]) -> Mapping[str, Floats]:
    """The named columns of a CSV with ``month`` (1..12) and ``hour_utc`` (0..23), each (12, 24).

    Raises ``InputError`` for a cell that is no number, and where a month's hour is missing or comes twice.
    """
    tables = {name: np.full((MONTHS, HOURS), math.nan) for name in columns}
    seen: dict[tuple[int, int], int] = {}
    with open_table(path) as table:
        at_month, at_hour = table.column("month"), table.column("hour_utc")
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


def hours_over(start_ns: int, end_ns: int) -> tuple[Ints, Ints, Ints]:
    """Edges (n + 1,) of the whole UTC hours that cover ``[start_ns, end_ns)``, ns since 1970; month and hour (n,).

    Months count from 0.
    """
    first, last = start_ns // HOUR_NS, -(-end_ns // HOUR_NS)
    edges = np.arange(first, last + 1, dtype=np.int64) * HOUR_NS
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    days = range(int(first // HOURS), int((last - 1) // HOURS) + 1)
    month_of = np.array([(epoch + timedelta(days=day)).month - 1 for day in days], dtype=np.int64)
    index = edges[:-1] // HOUR_NS
    return edges, month_of[index // HOURS - days[0]], index % HOURS
