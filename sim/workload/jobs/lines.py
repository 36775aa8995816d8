"""A text file in blocks of whole lines, and such a block as columns of text: what a trace of any size is read through.

A line that does not have as many fields as there are columns is no row: it is kept with its number, so that it can be
shown. One that has nothing on it counts as a line and is otherwise passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv

from sim.errors import InputError

Ints = npt.NDArray[np.int64]

BLOCK = 1 << 23
"""Characters that are held at once, and no line is longer."""


@dataclass(frozen=True)
class Lines:
    """Whole lines, the first of which is number ``first`` of its file; ``ended`` says whether the last has an end."""

    text: str
    first: int
    ended: bool


@dataclass(frozen=True)
class Odd:
    """A line that is no row, how many fields it has, and whether it is the last of its file and has no end."""

    line: int
    fields: int
    text: str
    cut: bool


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of text by name, the number of each row's line (n,), and the lines that are no rows."""

    columns: dict[str, pa.StringArray]
    line: Ints
    odd: Sequence[Odd]


def blocks(
    text: IO[str],
    file: str,
    *,
    first: int = 1,
    carried: str = "",
    size: int = BLOCK,
    smoothed: Callable[[str], str] | None = None,
    together: Callable[[str], str] | None = None,
) -> Iterator[Lines]:
    """The lines of an open file from number ``first`` on, those in ``carried`` before what is still to be read.

    ``smoothed`` makes as many other lines of some. Lines of which ``together`` says the same stay in one block, as far
    as one holds them. Raises ``InputError`` for a line of more than ``size`` characters.
    """
    made = smoothed or (lambda lines: lines)
    while True:
        piece = text.read(size)
        held = carried + piece
        if not piece:
            if held:
                yield Lines(made(held), first, ended=held.endswith("\n"))
            return
        whole, end, carried = held.rpartition("\n")
        if len(carried) > size:
            raise InputError.one(file, f"has a line of more than {size:,} characters", line=first + whole.count("\n"))
        if end and together is not None:
            before = _before_the_last(whole, together)
            if len(whole) - len(before) <= size:
                carried = f"{whole.removeprefix(before).removeprefix(end)}{end}{carried}"
                whole, end = before, end if before else ""
        if end:
            yield Lines(made(whole + end), first, ended=True)
            first += whole.count("\n") + 1


def _before_the_last(text: str, together: Callable[[str], str]) -> str:
    """Lines without the last and those before it that belong to it."""
    before, _, line = text.rpartition("\n")
    last = together(line)
    while before:
        shorter, _, line = before.rpartition("\n")
        if together(line) != last:
            break
        before = shorter
    return before


def as_table(lines: Lines, names: Sequence[str], separator: str, file: str, *, quoted: bool) -> Table:
    """The fields of each line by the column that they stand in.

    Raises ``InputError`` where a line ends within quotation marks, or holds a carriage return within.
    """
    odd: list[Odd] = []

    def keep(row: pacsv.InvalidRow) -> str:
        number = lines.first - 1 + row.number
        odd.append(Odd(number, row.actual_columns, row.text, cut=number == last and not lines.ended))
        return "skip"

    written = lines.text.encode()
    last = lines.first + lines.text.count("\n") - lines.ended
    try:
        table = pacsv.read_csv(
            pa.py_buffer(written),
            pacsv.ReadOptions(use_threads=False, column_names=list(names), block_size=len(written) + 1),
            pacsv.ParseOptions(
                delimiter=separator,
                quote_char='"' if quoted else False,
                ignore_empty_lines=False,
                invalid_row_handler=keep,
            ),
            pacsv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid:
        raise _torn(lines, file) from None
    found = table.num_rows + len(odd)
    if found != last + 1 - lines.first:
        raise _torn(lines, file)
    at = np.arange(lines.first, lines.first + found, dtype=np.int64)
    at = np.delete(at, [one.line - lines.first for one in odd])
    columns = {name: table.column(i).combine_chunks() for i, name in enumerate(names)}
    empty = np.ones(len(at), dtype=bool)
    for column in columns.values():
        if empty.any():
            empty &= np.asarray(pc.equal(pc.binary_length(column), 0))
    if empty.any():
        keeping = pa.array(~empty)
        columns, at = {name: column.filter(keeping) for name, column in columns.items()}, at[~empty]
    return Table(columns, at, [one for one in odd if one.text.strip()])


def _torn(lines: Lines, file: str) -> InputError:
    """What to raise for lines that are not what they seem."""
    for number, line in enumerate(lines.text.split("\n"), lines.first):
        if line.count('"') % 2 or "\r" in line.removesuffix("\r"):
            told = "has a quotation mark without its other, or a carriage return within the line"
            return InputError.one(file, told, line=number)
    return InputError.one(file, "is no table whose rows are a line each", line=lines.first)
