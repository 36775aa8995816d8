"""CSV files with a header, plain or gzip: a failure to read one, or a bad row, is an input error with its line."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import IO

from sim.complaints import Complaints
from sim.errors import InputError
from sim.instants import LocalClock, epoch_ns, named_zone, parse_moment
from sim.reading import open_text
from sim.signals.labels import AS_DOCUMENTED, NO_OFFSET, Labels, says_utc
from sim.units import NS_PER_S

LONGEST_LINE = 1 << 16


class Table:
    """The rows of an open file, and what is found wrong with them."""

    def __init__(self, file: str, text: IO[str]) -> None:
        self.file = file
        self._rows = csv.reader(self._lines(text))
        header = next(self._rows, None)
        if not header:
            raise InputError.one(file, "is empty; it needs a header and rows")
        self.names = [name.strip() for name in header]
        self._complaints = Complaints(file)

    def _lines(self, text: IO[str]) -> Iterator[str]:
        """Line by line, so that a file without an end of line is refused and not held in memory."""
        number = 0
        while line := text.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise InputError.one(self.file, f"has a line of more than {LONGEST_LINE:,} characters", line=number)
            yield line

    def column(self, wanted: str, named_by: str = "") -> int:
        """Index of the column called ``wanted``; an ``InputError`` that lists the columns there are, if none is.

        ``named_by`` is the field of the scenario that names it.
        """
        if wanted not in self.names:
            known = ", ".join(self.names)
            remedy = f"; '{named_by}:' says which to take" if named_by else ""
            raise InputError.one(self.file, f"has no column '{wanted}'; its columns are: {known}{remedy}", line=1)
        return self._only(wanted)

    def _only(self, name: str) -> int:
        if self.names.count(name) > 1:
            raise InputError.one(self.file, f"has two columns '{name}'", line=1)
        return self.names.index(name)

    def first_of(self, *names: str) -> int | None:
        """Index of the first of ``names`` that is a column's; None where none is."""
        return next((self._only(name) for name in names if name in self.names), None)

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Each row that is not blank, with its line."""
        for row in self._rows:
            if row:
                yield self._rows.line_num, row

    def complain(self, line: int, message: str) -> None:
        """Notes one more bad row; rows at one fault are told together."""
        self._complaints.add(line, message)

    def times(self, column: int, labels: Labels = AS_DOCUMENTED) -> Times:
        """A reader of the times in ``column``. Raises ``InputError`` where it is in UTC and the user says otherwise."""
        name = self.names[column]
        if says_utc(name):
            labels.refuse_zone(self.file, f"'{name}' is in UTC by its name")
        return Times(self, column, UTC if says_utc(name) else None, labels)

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
        self._complaints.raise_if_any()


class Times:
    """Turns the cells of one column, in their order, into instants. See ``labels``."""

    def __init__(self, table: Table, column: int, clock: tzinfo | None, labels: Labels) -> None:
        self._table, self._column, self._clock = table, column, clock
        self._local = LocalClock(named_zone(labels.zone)) if clock is None and labels.zone is not None else None

    def instant(self, line: int, row: list[str]) -> int | None:
        """The time in a row in ns since 1970; None, and a complaint, where it is none."""
        name = self._table.names[self._column]
        cell = row[self._column] if self._column < len(row) else ""
        try:
            moment = parse_moment(cell)
        except (ValueError, OverflowError):
            self._table.complain(line, f"'{name}' is not an ISO 8601 time: {cell[:60]!r}")
            return None
        return self.of(line, moment)

    def of(self, line: int, moment: datetime) -> int | None:
        """The instant of a time that was read already; None, and a complaint, where it is none."""
        if moment.tzinfo is not None:
            return epoch_ns(moment)
        if self._clock is not None:
            return epoch_ns(moment.replace(tzinfo=self._clock))
        if self._local is None:
            self._table.complain(line, f"'{self._table.names[self._column]}' {NO_OFFSET}")
            return None
        try:
            return self._local.ns(moment)
        except ValueError as error:
            self._table.complain(line, str(error))
            return None


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """The table in ``path``, plain or gzip; every failure to read it is an ``InputError``."""
    with open_text(path) as text:
        yield Table(str(path), text)
