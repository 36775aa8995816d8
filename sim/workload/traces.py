"""Reads request traces in their native formats, told by the names in their header or first record.

A row that cannot be used is counted and named by line with the reason; whether that stops the run is the user's choice.
Times are taken from the first row, so that of a clock without an offset (Azure 2023) only the differences count; where
a run is aligned to the clock it is taken as UTC. The formats stand in ``trace_formats``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim.errors import InputError, Problem
from sim.kinds import named
from sim.memo import kept_while_unchanged
from sim.plain import as_mapping, spelled
from sim.reading import csv_rows, open_text, parse_json
from sim.validation import nearest
from sim.workload.requests import RequestChunk
from sim.workload.trace_columns import plain_rows
from sim.workload.trace_formats import BadRowError, TraceRow, short

if TYPE_CHECKING:
    from sim.workload.trace_formats import TraceFormat


FAMILY = "request trace"
LONGEST_LINE = 1 << 22
FIRST_LINES = 20
"""Among which there must be a record that tells the format."""
MOST_PROBLEMS = 20


class Columns(NamedTuple):
    """What a trace is read for besides, by the names of its columns or fields."""

    difficulty: str | None
    key: str | None


@dataclass
class TraceReport:
    """Counts of a trace's rows: how many there were and could not be used, and the first of those with reasons."""

    format: str
    rows: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)
    last_line: int = 0

    def complain(self, file: str, line: int, message: str) -> None:
        """One more row of ``file`` that cannot be used."""
        self.skipped += 1
        self.last_line = line
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(file, line, "", message))

    def raise_if_any(self, file: str) -> None:
        """Raises ``InputError`` with every reason kept and a count of the others."""
        if self.skipped:
            more = self.skipped - len(self.problems)
            rest = [Problem(file, self.last_line, "", f"the last of {more:,} more such rows")] if more else []
            raise InputError([*self.problems, *rest])


@dataclass(frozen=True)
class Trace:
    """All requests of a file, sorted by time, times from the first; and what was wrong with it."""

    requests: RequestChunk
    first_ns: int | None  # since 1970, where the format says
    block_tokens: int
    report: TraceReport

    @property
    def has_hashes(self) -> bool:
        """Whether some prompt says which blocks it begins with."""
        return len(self.requests.prefix_hashes) > 0


@kept_while_unchanged(most=4)
def read_trace(
    path: Path,
    wanted: str | None = None,
    *,
    skip: bool = False,
    block_tokens: int | None = None,
    difficulty: str | None = None,
    key: str | None = None,
) -> Trace:
    """A trace file, plain or .gz; ``block_tokens`` of a hashed block, where they are not those of the format.

    ``difficulty`` names the column (or field) of each request's difficulty, ``key`` that of what makes it the same as
    another. Raises ``InputError`` for a file of no known format, without such a column or a usable row, or (unless
    ``skip``) with rows that cannot be used. Blocks that cannot be those of the prompt make a row such a one.
    """
    asked = Columns(difficulty, key)
    if asked == Columns(None, None):
        whole = _in_columns(path, wanted, block_tokens)
        if whole is not None:
            return whole
    with open_text(path) as text:
        first = text.readline(LONGEST_LINE)
        if not first.strip():
            raise InputError.one(str(path), "is empty; it needs a header or records, and rows")
        if first.lstrip().startswith("{"):
            found, rows = _json_rows(path, first, text, wanted, asked)
        else:
            found, rows = _csv_rows(path, first, text, wanted, asked)
        report = TraceReport(found.name)
        hashed = block_tokens or found.hashed_tokens
        kept: list[TraceRow] = []
        for line, read in rows:
            report.rows += 1
            try:
                row = read()
                _hold_against_its_prompt(row, found, hashed)
            except BadRowError as error:
                report.complain(str(path), line, str(error))
            else:
                kept.append(row)
    if not skip:
        report.raise_if_any(str(path))
    if not kept:
        if report.skipped:
            report.raise_if_any(str(path))
        raise InputError.one(str(path), "holds no requests")
    return _trace(kept, found, hashed, report, asked)


def _in_columns(path: Path, wanted: str | None, block_tokens: int | None) -> Trace | None:
    """The trace, read in whole columns where all of its rows are plain; None where they must be looked at singly."""
    with open_text(path) as text:
        header = text.readline(LONGEST_LINE)
        names = [name.strip() for name in header.split(",")]
        if not header.strip() or header.lstrip().startswith("{") or '"' in header:
            return None
        found = _pick(path, names, json=False, wanted=wanted)
        rows = None
        if found.in_columns and not set(found.besides) & set(names):
            rows = plain_rows(header, text, found.columns)
    if rows is None:
        return None
    order = np.argsort(rows.time_ns, kind="stable")
    n, first_ns = len(order), int(rows.time_ns[order[0]])
    chunk = RequestChunk(
        rows.time_ns[order] - first_ns,
        rows.prompt[order],
        rows.output[order],
        np.full(n, -1, dtype=np.int64),
        np.zeros(n, dtype=np.int64),
        np.zeros(n + 1, dtype=np.int64),
        np.zeros(0, dtype=np.int64),
        None,
        None,
    )
    report = TraceReport(found.name, rows=n)
    return Trace(chunk, first_ns if found.by_clock else None, block_tokens or found.hashed_tokens, report)


def _hold_against_its_prompt(row: TraceRow, found: TraceFormat, block_tokens: int) -> None:
    """Raises ``BadRowError`` where its hashed blocks cannot be those of its prompt.

    A prompt has a block for each ``block_tokens`` begun, the last one perhaps partial; a chain of hashes never comes
    back to the same id. Where ids are of parts of a prompt, its rest is unhashed.
    """
    if row.hashes is None:
        return
    ids = len(row.hashes)
    if len(set(row.hashes)) < ids:
        twice = next(block for i, block in enumerate(row.hashes) if block in row.hashes[:i])
        raise BadRowError(f"names the hashed block {twice} twice in one prompt")
    least = 0 if found.of_parts else -(-row.prompt // block_tokens)
    most = -(-row.prompt // (block_tokens or 1))
    if not least <= ids <= most:
        size = f" of {block_tokens} tokens" if block_tokens else ""
        has = f"which has {most}" if block_tokens else "at least a token each"
        remedy = "" if found.of_parts and not block_tokens else "; blocks of another size need 'block_tokens'"
        raise BadRowError(f"has {ids} hashed blocks{size} for a prompt of {row.prompt} tokens, {has}{remedy}")


def _trace(rows: list[TraceRow], found: TraceFormat, block_tokens: int, report: TraceReport, asked: Columns) -> Trace:
    rows.sort(key=lambda row: row.time_ns)  # stable: rows of one instant keep the order of the file
    names: dict[str, int] = {}
    sessions = [-1 if row.session is None else names.setdefault(row.session, len(names)) for row in rows]
    first_ns = rows[0].time_ns
    widths = [len(row.hashes or ()) for row in rows]
    known: dict[str, int] = {}
    keys = [known.setdefault(row.key, len(known)) for row in rows]
    chunk = RequestChunk(
        np.array([row.time_ns - first_ns for row in rows], dtype=np.int64),
        np.array([row.prompt for row in rows], dtype=np.int64),
        np.array([row.output for row in rows], dtype=np.int64),
        np.array(sessions, dtype=np.int64),
        np.array([row.priority for row in rows], dtype=np.int64),
        np.concatenate([[0], np.cumsum(widths)]).astype(np.int64),
        np.array([block for row in rows for block in row.hashes or ()], dtype=np.int64),
        np.array([row.difficulty for row in rows], dtype=np.float64) if asked.difficulty is not None else None,
        np.array(keys, dtype=np.int64) if asked.key is not None else None,
    )
    return Trace(chunk, first_ns if found.by_clock else None, block_tokens, report)


def _record(numbered: tuple[int, str]) -> Mapping[str, Any] | None:
    try:
        return as_mapping(parse_json(numbered[1], "", line=numbered[0]))
    except InputError:
        return None


def _lines(path: Path, first: str, text: IO[str], number: int = 1) -> Iterator[tuple[int, str]]:
    line = first
    while line:
        if len(line) >= LONGEST_LINE:
            raise InputError.one(str(path), f"has a line of more than {LONGEST_LINE:,} characters", line=number)
        if line.strip():
            yield number, line
        line, number = text.readline(LONGEST_LINE), number + 1


def trace_formats() -> dict[str, TraceFormat]:
    """Every format by its name, those that ship first. Raises ``InputError`` for a package that cannot be used."""
    return named(FAMILY)


def _pick(
    path: Path, names: Sequence[str], *, json: bool, wanted: str | None, record: Mapping[str, Any] | None = None
) -> TraceFormat:
    """The format that needs the most of the columns that are there, each once; ``record`` is the first of JSON."""
    twice = next((name for i, name in enumerate(names) if name and name in names[:i]), None)
    if twice is not None:
        raise InputError.one(str(path), f"has two columns '{twice}'", line=1)
    formats = sorted(trace_formats().values(), key=lambda one: (one.json, -len(one.columns) if one.json else 0))
    for one in formats:
        if one.json == json and wanted in (None, one.name) and set(one.columns) <= set(names):
            if wanted is None and record is not None and not one.is_one(record):
                continue
            return one
    known = "; ".join(f"{one.name}: {', '.join(one.columns)}" for one in formats)
    asked = f" of the format '{wanted}'" if wanted else " of any known format"
    told = f"is not{asked}; it has: {', '.join(names)}; name its columns as those of one format  ({known})"
    raise InputError.one(str(path), told, line=1)


def _rated(row: TraceRow, value: Any) -> TraceRow:
    """The row with its difficulty."""
    number = spelled(value)
    if math.isnan(number):
        raise BadRowError(f"a difficulty that is no number: {short(repr(value))}")
    return replace(row, difficulty=number)


def _has(path: Path, asked: Columns, names: Sequence[str]) -> None:
    for column, what in ((asked.difficulty, "difficulties"), (asked.key, "keys")):
        if column is not None and column not in names:
            told = f"has no column '{column}' of {what}{nearest(column, names)}; it has: {', '.join(names)}"
            raise InputError.one(str(path), told, line=1)


def _reader(found: TraceFormat, asked: Columns) -> Callable[[Any], TraceRow]:
    """What reads the rows of one file in turn."""
    seen: dict[str, str] = {}

    def read(written: Any) -> TraceRow:
        row = found.read(written, seen)
        row = row if asked.difficulty is None else _rated(row, written[asked.difficulty])
        return row if asked.key is None else replace(row, key=str(written[asked.key]))

    return read


def _csv_rows(
    path: Path, first: str, text: IO[str], wanted: str | None, asked: Columns
) -> tuple[TraceFormat, Iterator[tuple[int, Callable[[], TraceRow]]]]:
    names = [name.strip() for name in _cells_of(first, str(path), 1)]
    found = _pick(path, names, json=False, wanted=wanted)
    _has(path, asked, names)
    column = {name: i for i, name in enumerate(names)}
    read = _reader(found, asked)

    def rows() -> Iterator[tuple[int, Callable[[], TraceRow]]]:
        lines = _lines(path, first, text)
        next(lines)
        for number, line in lines:
            cells = _cells_of(line, str(path), number)
            yield number, partial(_tried, partial(_cells, read, cells, column), cells)

    return found, rows()


def _json_rows(
    path: Path, first: str, text: IO[str], wanted: str | None, asked: Columns
) -> tuple[TraceFormat, Iterator[tuple[int, Callable[[], TraceRow]]]]:
    lines = list(islice(_lines(path, first, text), FIRST_LINES))
    record = next((found for found in map(_record, lines) if found), None)
    if record is None:
        raise InputError.one(str(path), f"has no JSON record in its first {len(lines)} lines", line=1)
    found = _pick(path, list(record), json=True, wanted=wanted, record=record)
    _has(path, asked, list(record))
    read = _reader(found, asked)

    def rows() -> Iterator[tuple[int, Callable[[], TraceRow]]]:
        for number, line in chain(lines, _lines(path, text.readline(LONGEST_LINE), text, lines[-1][0] + 1)):
            yield number, partial(_tried, partial(_decoded, read, line), line)

    return found, rows()


def _cells_of(line: str, file: str, number: int) -> list[str]:
    """The cells of one line of CSV. Raises ``InputError``."""
    try:
        return next((row for _, row in csv_rows([line], file)), [])
    except InputError as error:
        raise InputError.one(file, error.problems[0].message, line=number) from None


def _cells(read: Callable[[dict[str, str]], TraceRow], cells: list[str], column: dict[str, int]) -> TraceRow:
    return read({name: cells[i] for name, i in column.items()})


def _decoded(read: Callable[[Any], TraceRow], line: str) -> TraceRow:
    return read(parse_json(line, ""))


def _tried(read: Callable[[], TraceRow], written: object) -> TraceRow:
    """The row. Raises ``BadRowError`` that says why it cannot be used."""
    try:
        return read()
    except BadRowError:
        raise
    except KeyError as error:
        reason = f"has no {error}"
    except IndexError:
        reason = "has fewer fields than the header"
    except InputError as error:
        reason = error.problems[0].message
    except (ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        reason = f"cannot be read ({short(error)})"
    raise BadRowError(f"{reason}: {short(written)}")
