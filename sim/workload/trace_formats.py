"""The formats of request traces: what each is told by, and how one of its rows is read.

Sources: Azure (Splitwise, ISCA 2024, and its 2024 sequel), BurstGPT (arXiv:2401.17644), Mooncake (arXiv:2407.00079;
with a ``session_id`` as NVIDIA's AIPerf 0.14 writes and reads its form: milliseconds, a number),
Qwen-Bailian (arXiv:2506.02634), RAGPulse (arXiv:2511.12979).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sim.instants import epoch_ns
from sim.plain import as_list, as_mapping, as_whole, one_or_more, spelled
from sim.units import NS_PER_S
from sim.workload.lengths import MOST_TOKENS

MOST_PRIORITY = (1 << 31) - 1
NS_PER_MS = NS_PER_S // 1000


@dataclass(frozen=True)
class TraceRow:
    """A request: its time (ns, since 1970 or any other instant), its tokens, and what else its trace tells of it.

    ``hashes`` are the blocks that its prompt begins with, None where the row has none; ``difficulty`` and
    ``key``, by which requests are the same, are kept only where they were asked for.
    """

    time_ns: int
    prompt: int
    output: int
    session: str | None = None
    priority: int = 0
    hashes: Sequence[int] | None = None
    difficulty: float = 0.0
    key: str = ""


class BadRowError(ValueError):
    """A row that cannot be used, and why."""


@dataclass(frozen=True)
class TraceFormat:
    """A format of request traces: CSV, or a record of JSON a line, told by the columns (or fields) that it has.

    ``read`` makes a row of the cells (text) or the record, by their names; the dictionary beside them starts empty with
    each file, for what earlier rows tell of later ones. ``hashed_tokens`` are those of a hashed block as the publishers
    have it (others write their records with blocks of theirs), ``of_parts`` says that ids are of parts of a prompt, of
    any length. ``by_clock`` says that times are since 1970. Of a format with ``in_columns`` a row is its three
    ``columns`` (instant, prompt, output) and those of ``besides`` that the file has. ``is_one`` is asked of the first
    record where names alone do not tell.
    """

    name: str
    columns: tuple[str, ...]
    read: Callable[[Any, dict[str, str]], TraceRow]
    json: bool = False
    hashed_tokens: int = 0
    of_parts: bool = False
    by_clock: bool = False
    in_columns: bool = False
    besides: tuple[str, ...] = ()
    is_one: Callable[[Mapping[str, Any]], bool] = lambda _: True


def short(written: object) -> str:
    """What is written, as far as a message shows it."""
    text = str(written).strip()
    return text if len(text) <= 80 else text[:77] + "..."


def tokens(value: Any, what: str) -> int:
    """A number of tokens, as a number or as text."""
    number = spelled(value)
    if not number.is_integer():
        raise BadRowError(f"{what} is not a whole number of tokens: {short(repr(value))}")
    whole = int(number)
    if not 1 <= whole <= MOST_TOKENS:
        raise BadRowError(f"{what} of {whole} tokens; it must be from 1 to {MOST_TOKENS:,}")
    return whole


def seconds(value: Any) -> int:
    """ns of a time in seconds."""
    return _within(round(float(value) * NS_PER_S), f"{value} s")


def _within(time_ns: int, written: str) -> int:
    if not 0 <= time_ns < 1 << 62:
        why = "before 0, or 1970" if time_ns < 0 else "after 2116; it may be a count in a smaller unit"
        raise BadRowError(f"a time of {written}, {why}")
    return time_ns


def clock(text: str, seen: dict[str, str]) -> int:
    """ns since 1970 of an ISO time of any precision; without a zone it is UTC.

    ``seen`` holds the first time of the file: where only some times have zones, those without are not known to be UTC.
    """
    whole, _, tail = text.strip().partition(".")
    digits = len(tail) - len(tail.lstrip("0123456789"))
    moment = _moment(whole + tail[digits:])
    zoned = "with" if moment.tzinfo is not None else "without"
    if seen.setdefault("zone", zoned) != zoned:
        raise BadRowError(
            f"a time {zoned} an offset from UTC, and the first has {ONE[zoned]}: write one at all or at none"
        )
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return _within(epoch_ns(moment) + int((tail[:digits] + "0" * 9)[:9]), text)


ONE = {"with": "none", "without": "one"}
ISO_DAY = 8
"""Digits of a day without hyphens; a longer row of digits is a count."""
MS_BEFORE_SECONDS = 10**11
"""A count since 1970 from here on is of milliseconds: in seconds it were the year 5138."""


def _moment(text: str) -> datetime:
    if text.isdecimal() and len(text) > ISO_DAY:
        count = int(text)
        counted = f"a time of {short(text)} is a count, and an ISO time is wanted"
        second = count / 1000 if count >= MS_BEFORE_SECONDS else count
        try:
            iso = datetime.fromtimestamp(second, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        except (ValueError, OverflowError, OSError):
            raise BadRowError(counted) from None
        unit = "milliseconds" if count >= MS_BEFORE_SECONDS else "seconds"
        raise BadRowError(f"{counted}; if it is {unit} since 1970, write {iso}")
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise BadRowError(
            f"a time that cannot be read: {short(repr(text))}; write it as 2026-01-05T09:30:00Z"
        ) from None


def _azure(cell: Any, seen: dict[str, str]) -> TraceRow:
    prompt = tokens(cell["ContextTokens"], "ContextTokens")
    return TraceRow(clock(cell["TIMESTAMP"], seen), prompt, tokens(cell["GeneratedTokens"], "GeneratedTokens"))


def _burstgpt(cell: Any, _seen: Any) -> TraceRow:
    """A response of 0 tokens is a request that failed. The third release adds sessions, empty for the API's rows."""
    if cell["Response tokens"].strip() in ("0", "0.0"):
        raise BadRowError("a response of 0 tokens: the request failed")
    return TraceRow(
        seconds(cell["Timestamp"]),
        tokens(cell["Request tokens"], "Request tokens"),
        tokens(cell["Response tokens"], "Response tokens"),
        cell.get("Session ID", "").strip() or None,
    )


def _own(cell: Any, seen: dict[str, str]) -> TraceRow:
    priority = int(cell.get("priority", "0") or "0")
    if not 0 <= priority <= MOST_PRIORITY:
        raise BadRowError(f"a priority of {short(priority)}; it must be from 0 to {MOST_PRIORITY:,}")
    return TraceRow(
        clock(cell["timestamp_utc"], seen),
        tokens(cell["prompt_tokens"], "prompt_tokens"),
        tokens(cell["output_tokens"], "output_tokens"),
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
        raise BadRowError(f"hash_ids is no list of ids: {short(repr(value))}")
    for block in ids:
        if as_whole(block) is None:
            raise BadRowError(f"a hashed block of {short(repr(block))}; an id is a whole number")
        if not 0 <= block < 1 << 62:
            raise BadRowError(f"a hashed block of {short(block)}; ids are from 0 to 2**62")
    return ids


def _parts(record: Any) -> list[int] | None:
    """Ids of the parts of a prompt in order, from an object of lists (perhaps of lists) or from a list."""
    if "hash_ids" not in record:
        return None
    written = record["hash_ids"]
    named = as_mapping(written)
    parts = [written] if named is None else named.values()
    return _ids([one for part in parts for piece in one_or_more(part) for one in one_or_more(piece)])


def _mooncake(record: Any, _seen: Any) -> TraceRow:
    if record.get("timestamp") is None and "delay" in record:  # AIPerf's later turns, which wait for an answer
        raise BadRowError(
            "waits 'delay' ms after an answer, whose end a trace does not tell: write its timestamp, or use arrivals "
            f"of the kind closed-loop, whose users wait ({short(record)})"
        )
    time_ns = _within(round(float(record["timestamp"]) * NS_PER_MS), f"{record['timestamp']} ms")
    prompt, output = (tokens(record[name], name) for name in ("input_length", "output_length"))
    session = record.get("session_id")  # AIPerf's and Dynamo's: turns of one conversation
    return TraceRow(time_ns, prompt, output, None if session is None else str(session), hashes=_blocks(record))


def _ragpulse(record: Any, _seen: Any) -> TraceRow:
    prompt, output = (tokens(record[name], name) for name in ("input_length", "output_length"))
    session = str(record["session_id"])
    return TraceRow(seconds(record["timestamp"]), prompt, output, session, hashes=_parts(record))


def _bailian(record: Any, roots: dict[str, str]) -> TraceRow:
    """A session is all that goes back to one first turn, whose parent is -1."""
    chat, parent = str(record["chat_id"]), str(record["parent_chat_id"])
    roots[chat] = chat if parent == "-1" else roots.get(parent, parent)
    prompt, output = (tokens(record[name], name) for name in ("input_length", "output_length"))
    return TraceRow(seconds(record["timestamp"]), prompt, output, roots[chat], hashes=_blocks(record))


AZURE = TraceFormat("azure", ("TIMESTAMP", "ContextTokens", "GeneratedTokens"), _azure, by_clock=True, in_columns=True)
BURSTGPT = TraceFormat("burstgpt", ("Timestamp", "Request tokens", "Response tokens"), _burstgpt)
COLDAISLE = TraceFormat(
    "coldaisle",
    ("timestamp_utc", "prompt_tokens", "output_tokens"),
    _own,
    by_clock=True,
    in_columns=True,
    besides=("session", "priority"),
)
MOONCAKE = TraceFormat(
    "mooncake", ("timestamp", "input_length", "output_length"), _mooncake, json=True, hashed_tokens=512
)
QWEN_BAILIAN = TraceFormat(
    "qwen-bailian",
    ("chat_id", "parent_chat_id", "timestamp", "input_length", "output_length"),
    _bailian,
    json=True,
    hashed_tokens=16,
)
RAGPULSE = TraceFormat(
    "ragpulse",
    ("session_id", "timestamp", "input_length", "output_length"),
    _ragpulse,
    json=True,
    of_parts=True,  # passages, history, the question
    is_one=lambda record: isinstance(record["timestamp"], str),  # a number is of ms, in Mooncake's form with sessions
)
