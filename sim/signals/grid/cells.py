"""Cells of grid files: a number, a blank, or a fault with its line; and entries of JSON files with theirs."""

from __future__ import annotations

import gzip
import json
import math
import re
import zlib
from collections.abc import Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from sim.errors import InputError
from sim.signals.csv_table import Table
from sim.signals.gaps import Rows

BLANK = {"", "nan", "na", "n/a", "-", "null", "none"}


class Collected:
    """Rows of a table as they are read."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self.starts: list[int] = []
        self.ends: list[int] = []
        self.values: list[list[float]] = []
        self.lines: list[int] = []
        self.estimated = 0

    def add(self, line: int, start: int | None, cells: Sequence[float], *, end: int | None = None) -> None:
        """One row; without a start it was complained of already."""
        if start is not None:
            self.starts.append(start)
            self.values.append(list(cells))
            self.lines.append(line)
            if end is not None:
                self.ends.append(end)

    def rows(self) -> Rows:
        """All of them. Raises ``InputError`` with every complaint, or where there is no row."""
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
        )


def number(table: Table, line: int, row: Sequence[str], column: int) -> float:
    """The number in a cell, NaN where it is blank; a complaint, and NaN, where it is something else."""
    cell = row[column].strip() if column < len(row) else ""
    if cell.lower() in BLANK:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        value = math.inf
    if not math.isfinite(value):
        table.complain(line, f"'{table.names[column]}' is not a number: {cell[:60]!r}")
        return math.nan
    return value


def json_entries(path: Path, names: Sequence[str], time_name: str) -> tuple[Mapping[str, Any], list[Any], list[int]]:
    """The document in ``path`` (.gz or plain), the list under the first of ``names`` that it has, and its lines.

    The line of an entry is that of its ``time_name``. Raises ``InputError``.
    """
    file = str(path)
    try:
        packed = path.read_bytes()
        text = (gzip.decompress(packed) if path.suffix == ".gz" else packed).decode("utf-8-sig")
        document = json.loads(text)
    except FileNotFoundError:
        raise InputError.one(file, "no such file") from None
    except json.JSONDecodeError as error:
        raise InputError.one(file, f"is not JSON: {error.msg}", line=error.lineno) from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise InputError.one(file, f"cannot be read: {error}") from None
    if isinstance(document, list):
        document = {names[0]: document}
    found = next((document[name] for name in names if name in document), None) if isinstance(document, dict) else None
    if not isinstance(found, list) or not found:
        raise InputError.one(file, f"has no list of values called {' or '.join(repr(name) for name in names)}")
    breaks = list(accumulate((part.count("\n") for part in re.split(rf'(?="{time_name}"\s*:)', text)), initial=1))
    lines = breaks[1 : len(found) + 1]
    return document, found, lines + [1] * (len(found) - len(lines))
