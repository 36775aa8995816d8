"""Reads a time series from a CSV file (plain or .gz) into a Signal, refusing every row it would have to guess at.

The file has a header. One column holds the *start* of each interval as ISO 8601 (``2022-01-01 00:00:00+00:00``; a time
without a zone is UTC); another holds the value. Intervals last until the next row; the last one lasts as long as the
one before it. A step that differs from the first one (a gap, a duplicate, a daylight-saving slip) is refused with its
line, and so is a blank or non-finite value: filling gaps is a choice, and this reader makes none.
"""

from __future__ import annotations

import csv
import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import numpy as np

from sim.errors import InputError, Problem
from sim.signals.signal import Signal
from sim.units import NS_PER_S

MOST_PROBLEMS = 20
"""Bad rows named one by one before the rest are only counted."""


def epoch_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware datetime, exactly."""
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


def parse_instant(text: str) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time; without a zone it is UTC. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text.strip())
    return epoch_ns(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """The file as text, unpacked if its name ends in .gz; every failure to read it is an ``InputError``."""
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as unpacked:
                yield unpacked
        else:
            with path.open(encoding="utf-8-sig", newline="") as plain:
                yield plain
    except FileNotFoundError:
        raise InputError.one(str(path), "no such file") from None
    except UnicodeDecodeError as error:
        raise InputError.one(str(path), f"is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError.one(str(path), f"cannot be read: {error}") from None
    except csv.Error as error:
        raise InputError.one(str(path), f"is not a CSV table: {error}") from None


class RowProblems:
    """Collects what is wrong with rows of one file, naming the first few and counting the rest."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._named: list[Problem] = []
        self._more = 0

    def add(self, line: int, message: str) -> None:
        """One more bad row."""
        if len(self._named) < MOST_PROBLEMS:
            self._named.append(Problem(self._file, line, "", message))
        else:
            self._more += 1

    def raise_if_any(self) -> None:
        """Raises ``InputError`` with everything added, if anything was."""
        if self._more:
            self._named.append(Problem(self._file, None, "", f"and {self._more} more rows like these"))
        if self._named:
            raise InputError(self._named)


def column(header: list[str], wanted: str, file: str) -> int:
    """Index of the column called ``wanted``; an ``InputError`` that lists the columns there are, if none is."""
    names = [name.strip() for name in header]
    if wanted not in names:
        raise InputError.one(file, f"has no column '{wanted}'; its columns are: {', '.join(names)}", line=1)
    return names.index(wanted)


def read_series(
    path: Path, *, time_column: str, value_column: str, si_per_value: float, unit: str, origin_ns: int
) -> Signal:
    """The series as a ``Signal`` in nanoseconds from ``origin_ns`` (since 1970), each value times ``si_per_value``.

    Raises ``InputError`` naming every unusable row (the first 20, then a count), or what is wrong with the file.
    """
    file = str(path)
    problems = RowProblems(file)
    starts: list[int] = []
    values: list[float] = []
    lines: list[int] = []
    with open_text(path) as text:
        rows = csv.reader(text)
        header = next(rows, None)
        if header is None:
            raise InputError.one(file, "is empty; it needs a header and one row per interval")
        at_time, at_value = column(header, time_column, file), column(header, value_column, file)
        for row in rows:
            if not row:
                continue
            try:
                start = parse_instant(row[at_time])
            except (ValueError, IndexError):
                problems.add(rows.line_num, f"'{time_column}' is not an ISO 8601 time: {row[at_time : at_time + 1]}")
                continue
            try:
                value = float(row[at_value])
            except (ValueError, IndexError):
                value = math.nan
            if not math.isfinite(value):
                problems.add(rows.line_num, f"'{value_column}' is not a number: {row[at_value : at_value + 1]}")
                continue
            starts.append(start - origin_ns)
            values.append(value)
            lines.append(rows.line_num)
    problems.raise_if_any()
    if len(starts) < 2:
        raise InputError.one(file, f"needs at least two rows to show its interval; it has {len(starts)}")
    edges = np.array([*starts, 2 * starts[-1] - starts[-2]], dtype=np.int64)
    steps = np.diff(edges)
    for i in np.flatnonzero(steps[:-1] != steps[0]):
        seconds = steps[i] / NS_PER_S
        problems.add(lines[int(i) + 1], f"follows the row before it by {seconds:g} s, not {steps[0] / NS_PER_S:g} s")
    problems.raise_if_any()
    if steps[0] <= 0:
        raise InputError.one(file, "its times do not increase", line=lines[1])
    return Signal(edges, np.array(values, dtype=np.float64) * si_per_value, unit)
