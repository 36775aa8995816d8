"""Reads a time series from a CSV file (plain or .gz) into a Signal, refusing every row it would have to guess at.

The file has a header. One column holds the start of each interval, or its end where ``labels`` says so, as ISO 8601
(``2022-01-01 00:00:00+00:00``; ``labels`` tells what is read without an offset); another holds the value. Intervals
last until the next row; the last one (of ends: the first) lasts as long as the one beside it. A step that differs from
the first one (a gap, a duplicate, a daylight-saving slip) is refused with its line, and so is a blank or non-finite
value: filling gaps is a choice, and this reader makes none.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from sim.signals.csv_table import open_table
from sim.signals.labels import AS_DOCUMENTED, Labels
from sim.signals.signal import Signal
from sim.signals.units_in_names import refuse_other_unit


def read_series(
    path: Path,
    *,
    time_column: str,
    value_column: str,
    si_per_value: float,
    unit: str,
    origin_ns: int,
    may_be_negative: bool,
    labels: Labels = AS_DOCUMENTED,
) -> Signal:
    """The series as a ``Signal`` in nanoseconds from ``origin_ns`` (since 1970), each value times ``si_per_value``.

    Raises ``InputError`` naming every unusable row (the first 20, then a count), or what is wrong with the file.
    """
    labels.refuse_ends(str(path), time_column)
    refuse_other_unit(str(path), value_column, si_per_value, unit)
    starts: list[int] = []
    values: list[float] = []
    lines: list[int] = []
    with open_table(path) as table:
        times, at_value = (
            table.times(table.column(time_column, "time_column"), labels),
            table.column(value_column, "column"),
        )
        for line, row in table.rows():
            start = times.instant(line, row)
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
    step = starts[1] - starts[0]
    edges = np.array([*starts, starts[-1] + step], dtype=np.int64) - (step if labels.at_end() else 0)
    return Signal(edges, np.array(values, dtype=np.float64), unit)
