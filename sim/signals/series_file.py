"""Reads a time series from a CSV file (plain or .gz) into a Signal, refusing every row it would have to guess at.

The file has a header. One column holds the *start* of each interval as ISO 8601 (``2022-01-01 00:00:00+00:00``; a time
without a zone is UTC); another holds the value. Intervals last until the next row; the last one lasts as long as the
one before it. A step that differs from the first one (a gap, a duplicate, a daylight-saving slip) is refused with its
line, and so is a blank or non-finite value: filling gaps is a choice, and this reader makes none.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from sim.signals.csv_table import open_table
from sim.signals.signal import Signal


def read_series(
    path: Path,
    *,
    time_column: str,
    value_column: str,
    si_per_value: float,
    unit: str,
    origin_ns: int,
    may_be_negative: bool,
) -> Signal:
    """The series as a ``Signal`` in nanoseconds from ``origin_ns`` (since 1970), each value times ``si_per_value``.

    Raises ``InputError`` naming every unusable row (the first 20, then a count), or what is wrong with the file.
    """
    starts: list[int] = []
    values: list[float] = []
    lines: list[int] = []
    with open_table(path) as table:
        at_time, at_value = table.column(time_column), table.column(value_column)
        for line, row in table.rows():
            start = table.instant(line, row, at_time)
            try:
                value = float(row[at_value]) * si_per_value
            except (ValueError, IndexError):
                value = math.nan
            if value < 0 and not may_be_negative:
                table.complain(line, f"'{value_column}' is below zero: {row[at_value : at_value + 1]}")
            elif not math.isfinite(value):
                table.complain(line, f"'{value_column}' is not a number: {row[at_value : at_value + 1]}")
            elif start is not None:
                starts.append(start - origin_ns)
                values.append(value)
                lines.append(line)
        table.check_steps(starts, lines)
    edges = np.array([*starts, 2 * starts[-1] - starts[-2]], dtype=np.int64)
    return Signal(edges, np.array(values, dtype=np.float64), unit)
