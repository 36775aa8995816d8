"""Reads request traces in their native formats, told by the names in their header or first record.

A row that cannot be used is counted and named by line with the reason; whether that stops the run is the user's choice.
Times are taken from the first row, so that of a clock without an offset (Azure 2023) only the differences count; where
a run is aligned to the clock it is taken as UTC. Sources of the formats: Azure (Splitwise, ISCA 2024, and its 2024
sequel), BurstGPT (arXiv:2401.17644), Mooncake (arXiv:2407.00079), Qwen-Bailian (arXiv:2506.02634), RAGPulse
(arXiv:2511.12979).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np

from sim.errors import InputError, Problem
from sim.instants import epoch_ns
from sim.plain import as_list, as_mapping, as_whole, one_or_more, spelled
from sim.reading import csv_rows, open_text, parse_json
from sim.units import NS_PER_S
from sim.validation import nearest
from sim.workload.lengths import MOST_TOKENS
from sim.workload.requests import Ints, RequestChunk

Format = Literal["azure", "burstgpt", "mooncake", "qwen-bailian", "ragpulse", "coldaisle"]

LONGEST_LINE = 1 << 22
FIRST_LINES = 20
"""Among which there must be a record that tells the format."""
MOST_PROBLEMS = 20
MOST_PRIORITY = (1 << 31) - 1
NS_PER_MS = NS_PER_S // 1000

HASHED_TOKENS: dict[Format, int] = {"mooncake": 512, "qwen-bailian": 16}
"""Tokens of a hashed block, as the publishers of the format have it; others write its records with blocks of theirs."""

CSV_FORMATS: dict[tuple[str, ...], Format] = {
    ("TIMESTAMP", "ContextTokens", "GeneratedTokens"): "azure",
    ("Timestamp", "Request tokens", "Response tokens"): "burstgpt",
    ("timestamp_utc", "prompt_tokens", "output_tokens"): "coldaisle",
}
JSON_FORMATS: dict[tuple[str, ...], Format] = {
    ("chat_id", "parent_chat_id", "timestamp", "input_length", "output_length"): "qwen-bailian",
    ("session_id", "timestamp", "input_length", "output_length"): "ragpulse",
    ("timestamp", "input_length", "output_length"): "mooncake",
}


@dataclass
class TraceReport:
    """How many rows there were, how many could not be used, and the first of those with their reasons."""

    file: str
    format: Format
    rows: int = 0
    skipped: int = 0
    problems: list[Problem] = field(default_factory=list)
    last_line: int = 0

    def complain(self, line: int, message: str) -> None:
        """One more row that cannot be used."""
        self.skipped += 1
        self.last_line = line
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(self.file, line, "", message))

    def raise_if_any(self) -> None:
        """Raises ``InputError`` with every reason kept and a count of the others."""
        if self.skipped:
            more = self.skipped - len(self.problems)
            rest = [Problem(self.file, self.last_line, "", f"the last of {more:,} more such rows")] if more else []
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


@dataclass(frozen=True)
class _Row:
    time_ns: int
    prompt: int
    output: int
    session: str | None = None
    priority: int = 0
    hashes: Sequence[int] | None = None  # None where the row has none
    difficulty: float = 0.0  # kept only where it was asked for


class _BadRowError(ValueError):
    pass


def read_trace(
    path: Path,
    wanted: Format | None = None,
    *,
    skip: bool = False,
    block_tokens: int | None = None,
    difficulty: str | None = None,
) -> Trace:
    """A trace file, plain or .gz; ``block_tokens`` of a hashed block, where they are not those of ``HASHED_TOKENS``.

    ``difficulty`` names the column (or field) of each request's difficulty. Raises ``InputError`` for a file of no
    known format, without that column or a usable row, or (unless ``skip``) with rows that cannot be used. Blocks that
    cannot be those of the prompt make a row such a one.
    """
    with open_text(path) as text:
        first = text.readline(LONGEST_LINE)
        if not first.strip():
            raise InputError.one(str(path), "is empty; it needs a header or records, and rows")
        if first.lstrip().startswith("{"):
            found, rows = _json_rows(path, first, text, wanted, difficulty)
        else:
            found, rows = _csv_rows(path, first, text, wanted, difficulty)
        report = TraceReport(str(path), found)
        hashed = block_tokens or HASHED_TOKENS.get(found, 0)
        kept: list[_Row] = []
        for line, read in rows:
            report.rows += 1
            try:
                row = read()
                _hold_against_its_prompt(row, found, hashed)
            except _BadRowError as error:
                report.complain(line, str(error))
            else:
                kept.append(row)
    if not skip:
        report.raise_if_any()
    if not kept:
        if report.skipped:
            report.raise_if_any()
        raise InputError.one(str(path), "holds no requests")
    return _trace(kept, found, hashed, report, rated=difficulty is not None)


def _hold_against_its_prompt(row: _Row, found: Format, block_tokens: int) -> None:
    """Raises ``_BadRowError`` where its hashed blocks cannot be those of its prompt.

    A prompt has a block for each ``block_tokens`` begun, the last one perhaps partial; a chain of hashes never comes
    back to the same id. RAGPulse's ids are of parts (passages, history, the question), whose rest is unhashed.
    """
    if row.hashes is None:
        return
    ids = len(row.hashes)
    if len(set(row.hashes)) < ids:
        twice = next(block for i, block in enumerate(row.hashes) if block in row.hashes[:i])
        raise _BadRowError(f"names the hashed block {twice} twice in one prompt")
    least = 0 if found == "ragpulse" else -(-row.prompt // block_tokens)
    most = -(-row.prompt // (block_tokens or 1))
    if not least <= ids <= most:
        size = f" of {block_tokens} tokens" if block_tokens else ""
        has = f"which has {most}" if block_tokens else "at least a token each"
        remedy = "" if found == "ragpulse" and not block_tokens else "; blocks of another size need 'block_tokens'"
        raise _BadRowError(f"has {ids} hashed blocks{size} for a prompt of {row.prompt} tokens, {has}{remedy}")


def _trace(rows: list[_Row], found: Format, block_tokens: int, report: TraceReport, *, rated: bool) -> Trace:
    rows.sort(key=lambda row: row.time_ns)  # stable: rows of one instant keep the order of the file
    names: dict[str, int] = {}
    sessions = [-1 if row.session is None else names.setdefault(row.session, len(names)) for row in rows]
    first_ns = rows[0].time_ns
    widths = [len(row.hashes or ()) for row in rows]
    chunk = RequestChunk(
        np.array([row.time_ns - first_ns for row in rows], dtype=np.int64),
        np.array([row.prompt for row in rows], dtype=np.int64),
        np.array([row.output for row in rows], dtype=np.int64),
        np.array(sessions, dtype=np.int64),
        np.array([row.priority for row in rows], dtype=np.int64),
        np.concatenate([[0], np.cumsum(widths)]).astype(np.int64),
        np.array([block for row in rows for block in row.hashes or ()], dtype=np.int64),
        np.array([row.difficulty for row in rows], dtype=np.float64) if rated else None,
    )
    clock = found in ("azure", "coldaisle")
    return Trace(chunk, first_ns if clock else None, block_tokens, report)


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


def _pick(path: Path, names: Sequence[str], formats: dict[tuple[str, ...], Format], wanted: Format | None) -> Format:
    for needed, found in formats.items():
        if (wanted is None or wanted == found) and set(needed) <= set(names):
            return found
    known = "; ".join(f"{found}: {', '.join(needed)}" for needed, found in {**CSV_FORMATS, **JSON_FORMATS}.items())
    asked = f" of the format '{wanted}'" if wanted else " of any known format"
    raise InputError.one(str(path), f"is not{asked}; it has: {', '.join(names)}  ({known})", line=1)


def _rated(row: _Row, value: Any) -> _Row:
    """The row with its difficulty."""
    number = spelled(value)
    if math.isnan(number):
        raise _BadRowError(f"a difficulty that is no number: {_short(repr(value))}")
    return replace(row, difficulty=number)


def _has(path: Path, column: str | None, names: Sequence[str]) -> None:
    if column is not None and column not in names:
        told = f"has no column '{column}' of difficulties{nearest(column, names)}; it has: {', '.join(names)}"
        raise InputError.one(str(path), told, line=1)


def _csv_rows(
    path: Path, first: str, text: IO[str], wanted: Format | None, difficulty: str | None
) -> tuple[Format, Iterator[tuple[int, Callable[[], _Row]]]]:
    names = [name.strip() for name in _cells_of(first, str(path), 1)]
    found = _pick(path, names, CSV_FORMATS, wanted)
    _has(path, difficulty, names)
    column = {name: i for i, name in enumerate(names)}
    plain = {"azure": _azure, "burstgpt": _burstgpt, "coldaisle": _own}[found]

    def read(cell: dict[str, str]) -> _Row:
        return plain(cell) if difficulty is None else _rated(plain(cell), cell[difficulty])

    def rows() -> Iterator[tuple[int, Callable[[], _Row]]]:
        lines = _lines(path, first, text)
        next(lines)
        for number, line in lines:
            cells = _cells_of(line, str(path), number)
            yield number, partial(_tried, partial(_cells, read, cells, column), cells)

    return found, rows()


def _json_rows(
    path: Path, first: str, text: IO[str], wanted: Format | None, difficulty: str | None
) -> tuple[Format, Iterator[tuple[int, Callable[[], _Row]]]]:
    lines = list(islice(_lines(path, first, text), FIRST_LINES))
    record = next((found for found in map(_record, lines) if found), None)
    if record is None:
        raise InputError.one(str(path), f"has no JSON record in its first {len(lines)} lines", line=1)
    found = _pick(path, list(record), JSON_FORMATS, wanted)
    _has(path, difficulty, list(record))
    roots: dict[str, str] = {}
    plain: dict[str, Callable[[Any], _Row]] = {
        "mooncake": _mooncake,
        "ragpulse": _ragpulse,
        "qwen-bailian": lambda record: _bailian(record, roots),
    }

    def read(record: Any) -> _Row:
        row = plain[found](record)
        return row if difficulty is None else _rated(row, record[difficulty])

    def rows() -> Iterator[tuple[int, Callable[[], _Row]]]:
        for number, line in chain(lines, _lines(path, text.readline(LONGEST_LINE), text, lines[-1][0] + 1)):
            yield number, partial(_tried, partial(_decoded, read, line), line)

    return found, rows()


def _cells_of(line: str, file: str, number: int) -> list[str]:
    """The cells of one line of CSV. Raises ``InputError``."""
    try:
        return next((row for _, row in csv_rows([line], file)), [])
    except InputError as error:
        raise InputError.one(file, error.problems[0].message, line=number) from None


def _cells(read: Callable[[dict[str, str]], _Row], cells: list[str], column: dict[str, int]) -> _Row:
    return read({name: cells[i] for name, i in column.items()})


def _decoded(read: Callable[[Any], _Row], line: str) -> _Row:
    return read(parse_json(line, ""))


def _tried(read: Callable[[], _Row], written: object) -> _Row:
    """The row. Raises ``_BadRowError`` that says why it cannot be used."""
    try:
        return read()
    except _BadRowError:
        raise
    except KeyError as error:
        reason = f"has no {error}"
    except IndexError:
        reason = "has fewer fields than the header"
    except InputError as error:
        reason = error.problems[0].message
    except (ValueError, TypeError, OverflowError, AttributeError, RecursionError) as error:
        reason = f"cannot be read ({_short(error)})"
    raise _BadRowError(f"{reason}: {_short(written)}")


def _short(written: object) -> str:
    text = str(written).strip()
    return text if len(text) <= 80 else text[:77] + "..."


def _tokens(value: Any, what: str) -> int:
    number = spelled(value)
    if not number.is_integer():
        raise _BadRowError(f"{what} is not a whole number of tokens: {_short(repr(value))}")
    tokens = int(number)
    if not 1 <= tokens <= MOST_TOKENS:
        raise _BadRowError(f"{what} of {tokens} tokens; it must be from 1 to {MOST_TOKENS:,}")
    return tokens


def _seconds(value: Any) -> int:
    return _within(round(float(value) * NS_PER_S), f"{value} s")


def _within(time_ns: int, written: str) -> int:
    if not 0 <= time_ns < 1 << 62:
        raise _BadRowError(f"a time of {written}")
    return time_ns


def _clock(text: str) -> int:
    """ns since 1970 of an ISO time of any precision; without a zone it is UTC."""
    whole, _, tail = text.strip().partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    moment = datetime.fromisoformat(whole + tail[digits:])
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return _within(epoch_ns(moment) + int((tail[:digits] + "0" * 9)[:9]), text)


def _azure(cell: dict[str, str]) -> _Row:
    prompt = _tokens(cell["ContextTokens"], "ContextTokens")
    return _Row(_clock(cell["TIMESTAMP"]), prompt, _tokens(cell["GeneratedTokens"], "GeneratedTokens"))


def _burstgpt(cell: dict[str, str]) -> _Row:
    """A response of 0 tokens is a request that failed. The third release adds sessions, empty for the API's rows."""
    if cell["Response tokens"].strip() in ("0", "0.0"):
        raise _BadRowError("a response of 0 tokens: the request failed")
    return _Row(
        _seconds(cell["Timestamp"]),
        _tokens(cell["Request tokens"], "Request tokens"),
        _tokens(cell["Response tokens"], "Response tokens"),
        cell.get("Session ID", "").strip() or None,
    )


def _own(cell: dict[str, str]) -> _Row:
    priority = int(cell.get("priority", "0") or "0")
    if not 0 <= priority <= MOST_PRIORITY:
        raise _BadRowError(f"a priority of {_short(priority)}; it must be from 0 to {MOST_PRIORITY:,}")
    return _Row(
        _clock(cell["timestamp_utc"]),
        _tokens(cell["prompt_tokens"], "prompt_tokens"),
        _tokens(cell["output_tokens"], "output_tokens"),
        cell.get("session", "").strip() or None,
        priority,
    )


def _blocks(record: Any) -> list[int] | None:
    """Ids of a prompt's blocks in order, from a list; None where the record has none at all."""
    if "hash_ids" not in record:
        return None
    return _ids(record["hash_ids"])


def _ids(value: Any) -> list[int]:
    ids = as_list(value)
    if ids is None:
        raise _BadRowError(f"hash_ids is no list of ids: {_short(repr(value))}")
    for block in ids:
        if as_whole(block) is None:
            raise _BadRowError(f"a hashed block of {_short(repr(block))}; an id is a whole number")
        if not 0 <= block < 1 << 62:
            raise _BadRowError(f"a hashed block of {_short(block)}; ids are from 0 to 2**62")
    return ids


def _parts(record: Any) -> list[int] | None:
    """Ids of the parts of a prompt in order, from an object of lists (perhaps of lists) or from a list."""
    if "hash_ids" not in record:
        return None
    written = record["hash_ids"]
    named = as_mapping(written)
    parts = [written] if named is None else named.values()
    return _ids([one for part in parts for piece in one_or_more(part) for one in one_or_more(piece)])


def _mooncake(record: Any) -> _Row:
    time_ns = _within(round(float(record["timestamp"]) * NS_PER_MS), f"{record['timestamp']} ms")
    prompt, output = (_tokens(record[name], name) for name in ("input_length", "output_length"))
    return _Row(time_ns, prompt, output, hashes=_blocks(record))


def _ragpulse(record: Any) -> _Row:
    prompt, output = (_tokens(record[name], name) for name in ("input_length", "output_length"))
    session = str(record["session_id"])
    return _Row(_seconds(record["timestamp"]), prompt, output, session, hashes=_parts(record))


def _bailian(record: Any, roots: dict[str, str]) -> _Row:
    """A session is all that goes back to one first turn, whose parent is -1."""
    chat, parent = str(record["chat_id"]), str(record["parent_chat_id"])
    roots[chat] = chat if parent == "-1" else roots.get(parent, parent)
    prompt, output = (_tokens(record[name], name) for name in ("input_length", "output_length"))
    return _Row(_seconds(record["timestamp"]), prompt, output, roots[chat], hashes=_blocks(record))


@dataclass(frozen=True)
class Replay:
    """A trace played again: gaps divided by ``rate_scale``, lengths multiplied, over and over if it is to ``repeat``.

    A lap lasts as long as the trace and one mean gap; each has sessions and blocks of its own. ``offset_ns`` is when
    the first request comes; what lies before the run is left out.
    """

    trace: Trace
    rate_scale: float
    prompt_scale: float
    output_scale: float
    repeat: bool
    offset_ns: int
    until_ns: int | None
    limit: int | None

    @property
    def block_tokens(self) -> int:
        """Of a hashed block. Lengths that are scaled no longer have the blocks that were hashed."""
        return self.trace.block_tokens if self.prompt_scale == 1.0 else 0

    def chunks(self) -> Iterator[RequestChunk]:
        """See ``RequestSource``."""
        whole = self.trace.requests
        times_ns = np.rint(whole.arrival_ns / self.rate_scale).astype(np.int64)
        prompt, output = (
            _scaled(whole.prompt_tokens, self.prompt_scale),
            _scaled(whole.output_tokens, self.output_scale),
        )
        lap_ns = int(times_ns[-1]) + max(1, int(times_ns[-1]) // max(1, len(whole) - 1))
        hashed = self.block_tokens > 0
        ids = int(whole.prefix_hashes.max()) + 1 if hashed and len(whole.prefix_hashes) else 1
        sessions = int(whole.session.max()) + 1
        lap, left = 0, self.limit
        while True:
            arrival_ns = times_ns + self.offset_ns + lap * lap_ns
            chunk = RequestChunk(
                arrival_ns,
                prompt,
                output,
                np.where(whole.session >= 0, whole.session + lap * sessions, -1),
                whole.priority,
                whole.prefix_start if hashed else np.zeros(len(whole) + 1, dtype=np.int64),
                whole.prefix_hashes + lap * ids if hashed else np.zeros(0, dtype=np.int64),
                whole.difficulty,
            )
            inside = arrival_ns >= 0
            if self.until_ns is not None:
                inside &= arrival_ns < self.until_ns
            rows = np.flatnonzero(inside)
            rows = rows if left is None else rows[:left]
            if len(rows):
                yield chunk if len(rows) == len(whole) else chunk.take(rows)
            left = None if left is None else left - len(rows)
            lap += 1
            over = self.until_ns is not None and lap * lap_ns + self.offset_ns >= self.until_ns
            if not self.repeat or over or left == 0:
                return


def _scaled(tokens: Ints, scale: float) -> Ints:
    return tokens if scale == 1.0 else np.clip(np.rint(tokens * scale), 1, MOST_TOKENS).astype(np.int64)
