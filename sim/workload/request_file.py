"""Reads request logs: a count per interval, or one row per request. Rows that cannot be read are refused by line."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.signals.series_file import RowProblems, column, open_text, parse_instant
from sim.units import NS_PER_S

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IntervalCounts:
    """``counts[i]`` requests in ``[edges_ns[i], edges_ns[i + 1])``; edges (n + 1,) in ns since 1970."""

    edges_ns: Ints
    counts: Ints


def read_interval_counts(path: Path) -> IntervalCounts:
    """A log with one row an interval: ``requests`` beside ``interval_start_utc`` or ``interval_end_utc``.

    Intervals are of equal length, known from the first two rows; further columns are ignored. Raises ``InputError``
    naming each row with a time that is not ISO 8601, a count that is not a whole number, or a step unlike the first.
    """
    file = str(path)
    problems = RowProblems(file)
    times: list[int] = []
    counts: list[int] = []
    lines: list[int] = []
    with open_text(path) as text:
        rows = csv.reader(text)
        header = next(rows, None)
        if header is None:
            raise InputError.one(file, "is empty; it needs a header and one row per interval")
        at_end = "interval_end_utc" in [name.strip() for name in header]
        time_name = "interval_end_utc" if at_end else "interval_start_utc"
        at_time, at_count = column(header, time_name, file), column(header, "requests", file)
        for row in rows:
            if not row:
                continue
            try:
                moment = parse_instant(row[at_time])
            except (ValueError, IndexError):
                problems.add(rows.line_num, f"'{time_name}' is not an ISO 8601 time: {row[at_time : at_time + 1]}")
                continue
            cell = row[at_count].strip() if at_count < len(row) else ""
            if not cell.isascii() or not cell.isdigit() or len(cell) > 12:
                problems.add(rows.line_num, f"'requests' is not a whole number of requests: {cell!r}")
                continue
            times.append(moment)
            counts.append(int(cell))
            lines.append(rows.line_num)
    problems.raise_if_any()
    if len(times) < 2:
        raise InputError.one(file, f"needs at least two rows to show its interval; it has {len(times)}")
    step = times[1] - times[0]
    if step <= 0:
        raise InputError.one(file, "its times do not increase", line=lines[1])
    for i in range(2, len(times)):
        if times[i] - times[i - 1] != step:
            seconds = (times[i] - times[i - 1]) / NS_PER_S
            problems.add(lines[i], f"follows the row before it by {seconds:g} s, not {step / NS_PER_S:g} s")
    problems.raise_if_any()
    edges = [times[0] - step, *times] if at_end else [*times, times[-1] + step]
    return IntervalCounts(np.array(edges, dtype=np.int64), np.array(counts, dtype=np.int64))


def read_request_times(path: Path) -> Ints:
    """A log with one row a request and its ``timestamp_utc`` (ISO 8601), in ns since 1970, sorted by time.

    Raises ``InputError`` naming each row whose time cannot be read.
    """
    file = str(path)
    problems = RowProblems(file)
    times: list[int] = []
    with open_text(path) as text:
        rows = csv.reader(text)
        header = next(rows, None)
        if header is None:
            raise InputError.one(file, "is empty; it needs a header and one row per request")
        at_time = column(header, "timestamp_utc", file)
        for row in rows:
            if not row:
                continue
            try:
                times.append(parse_instant(row[at_time]))
            except (ValueError, IndexError):
                problems.add(rows.line_num, f"'timestamp_utc' is not an ISO 8601 time: {row[at_time : at_time + 1]}")
    problems.raise_if_any()
    if not times:
        raise InputError.one(file, "holds no requests")
    return np.sort(np.array(times, dtype=np.int64))
