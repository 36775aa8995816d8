"""What a format of job traces is: how it is told from the beginning of a file, and what reads the file's blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import numpy as np

from sim.errors import InputError
from sim.workload.jobs.cells import Cells
from sim.workload.jobs.columns import Columns
from sim.workload.jobs.lines import as_table, blocks
from sim.workload.jobs.report import JobReport

UNENDED = "the last line, which has no end of line: read as it stands, and perhaps cut off"


@dataclass(frozen=True)
class Terms:
    """What a user must say where a trace does not: its zone, what a processor is, and in which unit its times are.

    ``tasks`` is the second file of a trace that has two; ``loads`` is a table of what its jobs draw over time.
    """

    zone: str | None = None
    processors: Literal["slots", "cores"] | None = None
    time_unit: Literal["seconds", "hours"] | None = None
    tasks: Path | None = None
    loads: Path | None = None


@dataclass(frozen=True)
class Opened:
    """A trace that was opened: its path, its beginning, and the text that comes after that."""

    path: Path
    head: str
    rest: IO[str]
    terms: Terms
    report: JobReport

    @property
    def file(self) -> str:
        """Its name in messages."""
        return str(self.path)


@dataclass
class Read:
    """The jobs of a block, what is wrong with its rows, and whether its instants are since 1970 (or since the trace's
    own beginning)."""

    cells: Cells
    columns: Columns
    by_clock: bool


Reader = Callable[[Opened], Iterator[Read]]


@dataclass(frozen=True)
class JobFormat:
    """A format by its name. ``fits`` tells it from a file's beginning; of several that fit, the one with the most
    ``columns`` is meant. ``uses`` names the ``Terms`` that say something of such a file; ``separator`` stands between
    the columns of a header.
    """

    name: str
    columns: tuple[str, ...]
    fits: Callable[[str], bool]
    read: Reader
    uses: tuple[str, ...] = ()
    separator: str = ","


def header(head: str, separator: str = ",") -> list[str]:
    """The names in the first line that has something on it."""
    first = next((line for line in head.split("\n") if line.strip()), "")
    return [name.strip().strip('"') for name in first.split(separator)]


def has_columns(*names: str, separator: str = ",") -> Callable[[str], bool]:
    """Whether a file's header has all of these."""
    return lambda head: set(names) <= set(header(head, separator))


def under_header(
    read: Callable[[Cells, Opened], Columns],
    *,
    by_clock: bool,
    separator: str = ",",
    quoted: bool = True,
    whole: tuple[str, Callable[[str], str]] | None = None,
) -> Reader:
    """A reader of a table with a header, from what makes jobs of a block of it.

    ``whole`` is a column, and what of it keeps rows in one block.
    """

    def reader(opened: Opened) -> Iterator[Read]:
        before, _, after = opened.head.partition("\n")
        first = 1
        while not before.strip():
            before, _, after = after.partition("\n")
            first += 1
        names = header(before, separator)
        twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
        if twice is not None:
            raise InputError.one(opened.file, f"has two columns '{twice}'", line=first)
        names = [name or f"column {i + 1}" for i, name in enumerate(names)]
        together = None if whole is None else _field(names.index(whole[0]), separator, whole[1])
        rows = rows_of(
            opened,
            names,
            after,
            first + 1,
            read,
            by_clock=by_clock,
            separator=separator,
            quoted=quoted,
            together=together,
        )
        yield from rows

    return reader


def _field(at: int, separator: str, read: Callable[[str], str]) -> Callable[[str], str]:
    """What ``read`` makes of one field of a line."""
    return lambda line: read((line.split(separator, at + 1) + [""] * (at + 1))[at])


def rows_of(
    opened: Opened,
    names: Sequence[str],
    carried: str,
    first: int,
    read: Callable[[Cells, Opened], Columns],
    *,
    by_clock: bool,
    separator: str = ",",
    quoted: bool = True,
    smoothed: Callable[[str], str] | None = None,
    together: Callable[[str], str] | None = None,
) -> Iterator[Read]:
    """The blocks of a table without its header, which begins with the lines ``carried`` at number ``first``.

    ``smoothed`` makes lines of the table of those that are written; ``together`` is as of ``blocks``.
    """
    rest, file = opened.rest, opened.file
    for lines in blocks(rest, file, first=first, carried=carried, smoothed=smoothed, together=together):
        table = as_table(lines, names, separator, opened.file, quoted=quoted)
        cells = Cells(table, opened.file, opened.report)
        if not lines.ended and len(table.line) and not any(one.cut for one in table.odd):
            opened.report.note(UNENDED, [int(table.line[-1])], 1)
        with np.errstate(over="ignore"):  # what is infinite in ns or MiB is refused as more than there can be
            columns = read(cells, opened)
        yield Read(cells, columns, by_clock)
