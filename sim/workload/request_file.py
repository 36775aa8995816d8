"""Reads request logs: a count per interval, or one row per request. Rows that cannot be read are refused by line.

The columns of times say by their names that they are in UTC; a time with an offset is the instant that it says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.memo import kept_while_unchanged
from sim.signals.csv_table import open_table

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IntervalCounts:
    """``counts[i]`` requests in ``[edges_ns[i], edges_ns[i + 1])``; edges (n + 1,) in ns since 1970."""

    edges_ns: Ints
    counts: Ints


@kept_while_unchanged(most=16)
def read_interval_counts(path: Path) -> IntervalCounts:
    """A log with one row an interval: ``requests`` beside ``interval_start_utc`` or ``interval_end_utc``.

    Intervals are of equal length, known from the first two rows; further columns are ignored. Raises ``InputError``
    naming each row with a time that is not ISO 8601, a count that is not a whole number, or a step unlike the first.
    """
    times: list[int] = []
    counts: list[int] = []
    lines: list[int] = []
    with open_table(path) as table:
        at_end = "interval_end_utc" in table.names
        clock = table.times(table.column("interval_end_utc" if at_end else "interval_start_utc"))
        at_count = table.column("requests")
        for line, row in table.rows():
            moment = clock.instant(line, row)
            cell = row[at_count].strip() if at_count < len(row) else ""
            if not cell.isascii() or not cell.isdigit() or len(cell) > 12:
                table.complain(line, f"'requests' is not a whole number of requests: {cell!r}")
            elif moment is not None:
                times.append(moment)
                counts.append(int(cell))
                lines.append(line)
        table.check_steps(times, lines)
    step = times[1] - times[0]
    edges = [times[0] - step, *times] if at_end else [*times, times[-1] + step]
    return IntervalCounts(np.array(edges, dtype=np.int64), np.array(counts, dtype=np.int64))


@kept_while_unchanged(most=16)
def read_request_times(path: Path) -> Ints:
    """Requests (n,) of a log with a row each and its ``timestamp_utc`` (ISO 8601), in ns since 1970, sorted by time.

    Raises ``InputError`` naming each row whose time cannot be read.
    """
    times: list[int] = []
    with open_table(path) as table:
        clock = table.times(table.column("timestamp_utc"))
        for line, row in table.rows():
            moment = clock.instant(line, row)
            if moment is not None:
                times.append(moment)
        table.raise_if_any()
    if not times:
        raise InputError.one(str(path), "holds no requests")
    return np.sort(np.array(times, dtype=np.int64))
