"""Damage to files as bytes, as lines with cells, and as JSON: cut, flipped, doubled, shuffled, renamed, blown up.

Nothing here aims at the libraries below: what is packed or binary is cut short and nothing more.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from random import Random
from typing import Any

from tests.fuzz.trees import mutated

ODD_CELLS = (
    "", " ", "0", "-1", "-0", "1e999", "-1e308", "5e-324", "nan", "NaN", "inf", "-inf", "null", "None", "[N/A]", "N/A",
    "true", "false", "1,5", "1_000", "0x10", "1e3", "99999999999999999999", "9" * 400, "\u0663", "½", "=1+1", "@x", "'",
    '"', '""', "\x00", "\x1b[2J", "\ufeff", "\u202e", "é", "1970-01-01T00:00:00Z", "2022-07-04T00:00:00",
    "2022-13-40T25:61:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2024-03-31T02:30:00+02:00", "10 W",
    "10 kW", "10 mW", "100 %", "x" * 200_000,
)  # fmt: skip
"""What stands in a cell now and then, and what never should."""

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def damaged(content: bytes, syntax: str, rng: Random) -> bytes:
    """``content`` with one to three faults, in the way of its ``syntax`` (csv, json, jsonl, text) or of any bytes."""
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        content = _damaged_once(content, syntax, rng)
    return content


def _damaged_once(content: bytes, syntax: str, rng: Random) -> bytes:
    if rng.random() < 0.3:
        return rng.choice(BYTES)(content, rng)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return rng.choice(BYTES)(content, rng)
    if syntax in ("json", "jsonl") and rng.random() < 0.7:
        return _json(text, syntax, rng).encode("utf-8", "surrogatepass")
    return rng.choice(LINES)(text, rng).encode("utf-8", "surrogatepass")


def _json(text: str, syntax: str, rng: Random) -> str:
    try:
        if syntax == "json":
            return _dumped(mutated(json.loads(text), rng), rng)
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        lines[at] = _dumped(mutated(json.loads(lines[at]), rng), rng)
        return "\n".join(lines)
    except (ValueError, RecursionError):  # a fault before this one nested it too deep
        return rng.choice(LINES)(text, rng)


def _dumped(tree: Any, rng: Random) -> str:
    """As JSON with NaN and infinities where they are, and sometimes far too deep."""
    written = json.dumps(tree, ensure_ascii=rng.random() < 0.5)
    if rng.random() < 0.03:
        depth = rng.choice((90, 200, 5_000, 100_000))
        return "[" * depth + written + "]" * depth
    return written


# Any bytes


def _cut(content: bytes, rng: Random) -> bytes:
    return content[: rng.randrange(len(content) + 1)]


def _beheaded(content: bytes, rng: Random) -> bytes:
    return content[rng.randrange(len(content) + 1) :]


def _flipped(content: bytes, rng: Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 3, 20))):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _put_in(content: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(content) + 1)
    odd = rng.choice((b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n\n\n", b'"', b",", b"\t", b"\x1a", b"{" * 50))
    return content[:at] + odd + content[at:]


def _piece_doubled(content: bytes, rng: Random) -> bytes:
    a, b = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:b] + content[a:b] + content[b:]


def _piece_gone(content: bytes, rng: Random) -> bytes:
    a = rng.randrange(len(content) + 1)
    return content[:a] + content[a + rng.choice((1, 5, 100, 2000)) :]


def _with_mark(content: bytes, _rng: Random) -> bytes:
    return b"\xef\xbb\xbf" + content


def _windows(content: bytes, _rng: Random) -> bytes:
    return content.replace(b"\n", b"\r\n")


def _other_encoding(content: bytes, rng: Random) -> bytes:
    return content.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "latin-1")), "replace")


def _packed(content: bytes, rng: Random) -> bytes:
    packed = gzip.compress(content, mtime=0)
    return packed if rng.random() < 0.4 else packed[: rng.randrange(len(packed))]


def _nothing(_content: bytes, rng: Random) -> bytes:
    return rng.choice((b"", b"\n", b" ", b"\0" * 100, b"\n" * 1000))


BYTES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _cut, _beheaded, _flipped, _put_in, _piece_doubled, _piece_gone, _with_mark, _windows, _other_encoding, _packed,
    _nothing,
)  # fmt: skip


# Lines with cells


def _split(text: str) -> tuple[list[str], str]:
    lines = text.split("\n")
    first = max(lines[:8], key=lambda line: line.count(",") + line.count("\t"))
    return lines, "\t" if first.count("\t") > first.count(",") else ","


def _cell(text: str, rng: Random) -> str:
    """One cell, in up to three lines."""
    lines, separator = _split(text)
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randrange(len(lines))
        cells = lines[at].split(separator)
        cells[rng.randrange(len(cells))] = rng.choice(ODD_CELLS)
        lines[at] = separator.join(cells)
    return "\n".join(lines)


def _column(text: str, rng: Random) -> str:
    """One column: gone, doubled, moved, or the same odd value throughout."""
    lines, separator = _split(text)
    width = max(line.count(separator) for line in lines) + 1
    at, other, how, odd = rng.randrange(width), rng.randrange(width), rng.randrange(4), rng.choice(ODD_CELLS[:-1])
    for i, line in enumerate(lines):
        cells = line.split(separator)
        if at >= len(cells) or other >= len(cells):
            continue
        if how == 0:
            del cells[at]
        elif how == 1:
            cells.insert(other, cells[at])
        elif how == 2:
            cells[at], cells[other] = cells[other], cells[at]
        elif i:
            cells[at] = odd
        lines[i] = separator.join(cells)
    return "\n".join(lines)


def _rows(text: str, rng: Random) -> str:
    """Rows: gone, doubled, in another order, or one by the thousand."""
    lines = text.split("\n")
    at, how = rng.randrange(len(lines)), rng.randrange(6)
    if how == 0:
        del lines[at]
    elif how == 1:
        lines.insert(at, lines[at])
    elif how == 2:
        tail = lines[1:]
        rng.shuffle(tail)
        lines[1:] = tail
    elif how == 3:
        lines[at:at] = [lines[at]] * rng.choice((20, 400))
    elif how == 4:
        lines[1:] = lines[:0:-1]
    else:
        lines = lines[: 1 + rng.randrange(len(lines))]
    return "\n".join(lines)


def _number(text: str, rng: Random) -> str:
    """One number, or every one of the same digits."""
    found = list(_NUMBER.finditer(text))
    if not found:
        return text
    one = rng.choice(found)
    odd = rng.choice((*ODD_CELLS[:24], str(float(one.group()) * 1000), "-" + one.group(), one.group() + "0"))
    if rng.random() < 0.3:
        return text.replace(one.group(), odd)
    return text[: one.start()] + odd + text[one.end() :]


def _header(text: str, rng: Random) -> str:
    """A word of the first lines: misspelt, in other case, doubled, with another unit."""
    lines = text.split("\n")
    at = rng.randrange(min(len(lines), 3))
    words = re.findall(r"[A-Za-z_]{2,}", lines[at]) or ["x"]
    word = rng.choice(words)
    other = rng.choice((word[:-1], word.upper(), word.lower(), word + word, "x" * 5000, "W", "kW", "mW", "MWh", ""))
    lines[at] = lines[at].replace(word, other, 1)
    return "\n".join(lines)


def _separator(text: str, rng: Random) -> str:
    return text.replace(rng.choice((",", "\t", ";", ":", ".", '"')), rng.choice((";", ",", "\t", "|", "", "'", '"')))


LINES: tuple[Callable[[str, Random], str], ...] = (_cell, _cell, _column, _rows, _number, _header, _separator)
