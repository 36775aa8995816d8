"""CSV files with a header, plain or .gz: a failure to read one, or a bad row, is an input error with its line."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TextIO

from sim.errors import InputError, Problem
from sim.instants import parse_instant
from sim.units import NS_PER_S

LONGEST_LINE = 1 << 16

MOST_PROBLEMS = 20
"""Bad rows named one by one before the rest are only counted."""


class Table:
    """The rows of an open file, and what is found wrong with them."""

    def __init__(self, file: str, text: TextIO) -> None:
        self.file = file
        self._rows = csv.reader(self._lines(text))
        header = next(self._rows, None)
        if header is None:
            raise InputError.one(file, "is empty; it needs a header and rows")
        self.names = [name.strip() for name in header]
        self._problems: list[Problem] = []
        self._more = 0

    def _lines(self, text: TextIO) -> Iterator[str]:
        """Line by line, so that a file without an end of line is refused and not held in memory."""
        number = 0
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise InputError.one(self.file, f"has a line of more than {LONGEST_LINE:,} characters", line=number)
            yield line

    def column(self, wanted: str) -> int:
        """Index of the column called ``wanted``; an ``InputError`` that lists the columns there are, if none is."""
        if wanted not in self.names:
            known = ", ".join(self.names)
            raise InputError.one(self.file, f"has no column '{wanted}'; its columns are: {known}", line=1)
        return self.names.index(wanted)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row that is not blank, with its line."""
        for row in self._rows:
            if row:
                yield self._rows.line_num, row

    def complain(self, line: int, message: str) -> None:
        """One more bad row: the first few are named, the rest counted."""
        if len(self._problems) < MOST_PROBLEMS:
            self._problems.append(Problem(self.file, line, "", message))
        else:
            self._more += 1

    def instant(self, line: int, row: list[str], column: int) -> int | None:
        """The time in a cell in ns since 1970; None, and a complaint, where it is none."""
        try:
            return parse_instant(row[column], UTC)
        except (ValueError, IndexError, OverflowError):
            cell = row[column] if column < len(row) else ""
            self.complain(line, f"'{self.names[column]}' is not an ISO 8601 time: {cell!r}")
            return None

    def check_steps(self, times_ns: list[int], lines: list[int]) -> None:
        """Complains of each row that follows the one before it by another step than the first; raises if they are few
        or do not increase."""
        self.raise_if_any()
        if len(times_ns) < 2:
            raise InputError.one(self.file, f"needs at least two rows to show its interval; it has {len(times_ns)}")
        step = times_ns[1] - times_ns[0]
        if step <= 0:
            raise InputError.one(self.file, "its times do not increase", line=lines[1])
        for i in range(2, len(times_ns)):
            found = times_ns[i] - times_ns[i - 1]
            if found != step:
                message = f"follows the row before it by {found / NS_PER_S:g} s, not {step / NS_PER_S:g} s"
                self.complain(lines[i], message)
        self.raise_if_any()

    def raise_if_any(self) -> None:
        """Raises ``InputError`` with every complaint, if there was one."""
        if self._more:
            self._problems.append(Problem(self.file, None, "", f"and {self._more} more rows like these"))
        if self._problems:
            raise InputError(self._problems)


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """The table in ``path``, unpacked if its name ends in .gz; every failure to read it is an ``InputError``."""
    file = str(path)
    if "\0" in file:
        raise InputError.one(repr(file), "is no usable path: it has a NUL in it")
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as unpacked:
                yield Table(file, unpacked)
        else:
            with path.open(encoding="utf-8-sig", newline="") as plain:
                yield Table(file, plain)
    except FileNotFoundError:
        raise InputError.one(file, "no such file") from None
    except UnicodeDecodeError as error:
        raise InputError.one(file, f"is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError.one(file, f"cannot be read: {error}") from None
    except csv.Error as error:
        raise InputError.one(file, f"is not a CSV table: {error}") from None
