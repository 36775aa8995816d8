"""Cells of tables of grid data: a number, a blank, or a fault with its line; and which rows of a table are read."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np

from sim.errors import InputError
from sim.signals.csv_table import Table, Times
from sim.signals.gaps import Floats, Rows

BLANK = {"", "nan", "na", "n/a", "-", "null", "none"}
MOST_ROWS = 5_000_000
"""A series of more is refused: they are held in memory, and a year has 525,600 minutes."""
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


class Collected:
    """Rows of a table as they are read."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.values: list[list[float]] = []
        self.lines: list[int] = []
        self.estimated = 0
        self._given_back: list[float] = []

    def add(
        self,
        line: int,
        start: int | None,
        cells: Sequence[float],
        *,
        end: int | None = None,
        stores: Sequence[float] = (),
    ) -> None:
        """One row, and what ``stores`` gave back in it (charging and blanks are nothing).

        Without a start it is left out, or was complained of already.
        """
        if len(self.starts) >= MOST_ROWS:
            raise InputError.one(self._table.file, f"has more than {MOST_ROWS:,} rows; give fewer, coarser ones")
        if start is not None:
            self.starts.append(start)
            self.values.append(list(cells))
            self.lines.append(line)
            self._given_back.append(sum(max(store, 0.0) for store in stores if not np.isnan(store)))
            if end is not None:
                self.ends.append(end)

    def given_back(self) -> Floats:
        """What storages gave back in each row (n,), in the unit of the rows."""
        return np.array(self._given_back, dtype=np.float64)

    def rows(self, *, at_end: bool = False, names: Sequence[str] = ()) -> Rows:
        """All rows collected, whose columns are called ``names``; ``at_end`` where the starts given are ends.

        Raises ``InputError`` with every complaint, or where there is no row.
        """
        self._table.raise_if_any()
        if not self.starts:
            raise InputError.one(self._table.file, "has no rows under its header")
        return Rows(
            file=self._table.file,
            starts_ns=np.array(self.starts, dtype=np.int64),
            values=np.array(self.values, dtype=np.float64),
            lines=self.lines,
            ends_ns=np.array(self.ends, dtype=np.int64) if self.ends else None,
            estimated=self.estimated,
            at_end=at_end,
            names=names,
        )


def cell(row: Sequence[str], column: int) -> str:
    """What stands in a column of a row, without blanks around it."""
    return row[column].strip() if column < len(row) else ""


def number(table: Table, line: int, row: Sequence[str], column: int) -> float:
    """The number in a cell (``1,234.5`` too), NaN where it is blank; a complaint, and NaN, where it is none."""
    text = cell(row, column)
    if text.lower() in BLANK:
        return math.nan
    try:
        value = float(text.replace(",", "") if _THOUSANDS.fullmatch(text) else text)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        table.complain(line, f"'{table.names[column]}' is not a number: {text[:60]!r}")
        return math.nan
    return value


class Selection:
    """Which rows are read: those with the wanted words, and of what tells series apart (an area, say) one alone."""

    def __init__(self, table: Table, only: Mapping[str, str], apart: Sequence[str]) -> None:
        self._table = table
        self._wanted = {table.column(name): word for name, word in only.items()}
        self._unread = dict(only)
        alike = [name for name in apart if name in table.names and name not in only]
        self._first: dict[int, str | None] = {table.names.index(name): None for name in alike}

    def takes(self, line: int, row: Sequence[str]) -> bool:
        """Whether a row is read; complains of one that is of another area, say, than the first."""
        if any(cell(row, column) != word for column, word in self._wanted.items()):
            return False
        self._unread.clear()
        for column, first in self._first.items():
            word = cell(row, column)
            if first is None:
                self._first[column] = word
            elif word != first:
                name = self._table.names[column]
                message = f"has {name} {word!r}, and the first row {first!r}: say which, with only: {{{name}: {first}}}"
                self._table.complain(line, message)
                return False
        return True

    def raise_if_none(self) -> None:
        """Raises ``InputError`` where no row had the wanted words."""
        if self._unread:
            wanted = ", ".join(f"{name}: {word}" for name, word in self._unread.items())
            raise InputError.one(self._table.file, f"has no row of 'only: {{{wanted}}}'")


def collect(
    table: Table,
    start: Times,
    columns: Sequence[int],
    *,
    end: Times | None = None,
    stores: Sequence[int] = (),
    selection: Selection | None = None,
) -> Collected:
    """The numbers in ``columns`` and ``stores`` of the rows that ``selection`` takes, with their times.

    Raises ``InputError`` with every complaint.
    """
    found = Collected(table)
    for line, row in table.rows():
        if selection is None or selection.takes(line, row):
            found.add(
                line,
                start.instant(line, row),
                end=end.instant(line, row) if end is not None else None,
                cells=[number(table, line, row, column) for column in columns],
                stores=[number(table, line, row, column) for column in stores],
            )
    table.raise_if_any()
    if selection is not None:
        selection.raise_if_none()
    return found
