"""The YAML that people write, read at once: a part of the language that needs no scanner, with the line of each value.

``read`` takes block mappings and sequences, flow collections, quoted scalars, plain ones of one line, folded and
literal blocks, and gives what a whole reader gives of them. Of anything else (an anchor, a tag, a duplicate name, a
plain scalar of several lines, a mistake) it gives None: that is for the whole reader, which takes twenty times as long
and says what is wrong. ``tests/test_common_yaml.py`` holds both equal.
"""

from __future__ import annotations

import math
import re
from typing import Any

MOST_VALUES = 2_000_000
DEEPEST = 40
LONGEST_NUMBER = 40
LONGEST_KEY = 1_000

KeyPath = tuple[str | int, ...]

_SHOWN = re.compile(r"[\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]*")
"""Texts of these characters alone are read here: no tab, no other end of a line than the plain one."""

_FIRST = r"""(?:[^\n !"#%&')*,\-:;>?@\[\\\]`{|}]|-(?=[A-Za-z0-9.]))"""
"""What a plain scalar may begin with, as far as it is read here: letters, digits, ``_./+(<=~$^`` and all beyond ASCII,
said by what is left out of what ``_SHOWN`` lets through, since it takes 6 ms to compile a range of so many letters."""

_KEY = re.compile(rf"({_FIRST}[^:#?,\[\]{{}}\"'\n]*)(?<! ):(?=[ \n]|$)")
_BLOCK_PLAIN = re.compile(rf"{_FIRST}[^\n]*")
_FLOW_PLAIN = re.compile(rf"{_FIRST}(?:[^:#,\[\]{{}}\n?]|:(?=[^ \n,\[\]{{}}]))*")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_SINGLE = re.compile(r"'((?:[^']|'')*)'(?!')")
_ESCAPED = re.compile(r'\\(["\\])')
_BLANK = re.compile(r"(?:[ \n]+(?:#[^\n]*)?)*")
_REST = re.compile(r" *(?: #[^\n]*)?(?:\n|$)")

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?[0-9]+(?:\.[0-9]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)")
_LIKE_NUMBER = re.compile(r"[-+]?(?:[0-9_.]+(?:[eE][-+]?[0-9_]*)?|0[xob][0-9a-fA-F_]*|\.(?:inf|Inf|INF|nan|NaN|NAN))")
_WORDS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULLS = ("null", "Null", "NULL", "~")


class _OtherError(Exception):
    """Not in the part of the language that is read here."""


def read(text: str) -> tuple[Any, dict[KeyPath, int]] | None:
    """The plain data of ``text`` and the line from 1 of each value by its path; None where it is not read here."""
    if _SHOWN.fullmatch(text) is None:
        return None
    try:
        return _Reader(text).whole()
    except _OtherError:
        return None


def _scalar(text: str) -> Any:
    """What a plain scalar means."""
    if text[0] in "-+.0123456789":
        if _LIKE_NUMBER.fullmatch(text) is None:
            return text
        if len(text) <= LONGEST_NUMBER:
            if _INT.fullmatch(text):
                return int(text)
            if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
                return number
        raise _OtherError
    if text in _WORDS:
        return _WORDS[text]
    if text in _NULLS:
        return None
    if text in ("<<", "="):
        raise _OtherError
    return text


class _Reader:
    """Goes through the lines that hold something: ``lines`` are their numbers, ``columns`` where what they hold begins.

    A line whose sequence has been entered (``- name: x``) begins where the entry does.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.raw = text.split("\n")
        self.starts = [0]
        for line in self.raw:
            self.starts.append(self.starts[-1] + len(line) + 1)
        self.columns: list[int | None] = [self._column(line) for line in self.raw]
        self.places: dict[KeyPath, int] = {}
        self.at = 0

    @staticmethod
    def _column(line: str) -> int | None:
        held = line.lstrip(" ")
        return None if not held or held[0] == "#" else len(line) - len(held)

    def whole(self) -> tuple[Any, dict[KeyPath, int]]:
        """The document."""
        if any(line[:1] == "%" or line[:3] in ("---", "...") for line in self.raw):
            raise _OtherError
        if self._next() is None:
            raise _OtherError
        self.places[()] = self.at + 1
        data = self._block((), -1)
        if self._next() is not None:
            raise _OtherError
        return data, self.places

    def _next(self) -> int | None:
        """The column of the next line that holds something, where the reader then stands; None at the end."""
        while self.at < len(self.raw):
            column = self.columns[self.at]
            if column is not None:
                return column
            self.at += 1
        return None

    def _placed(self, path: KeyPath, line: int) -> None:
        self.places[path] = line
        if len(path) > DEEPEST or len(self.places) > MOST_VALUES:
            raise _OtherError

    def _block(self, path: KeyPath, outer: int) -> Any:
        """What begins on this line, deeper than ``outer``."""
        column = self.columns[self.at]
        assert column is not None
        line = self.raw[self.at]
        if line.startswith("- ", column) or line[column:] == "-":
            return self._sequence(path, column)
        if _KEY.match(line, column):
            return self._mapping(path, column)
        return self._inline(self.starts[self.at] + column, path, outer)

    def _mapping(self, path: KeyPath, column: int) -> dict[str, Any]:
        built: dict[str, Any] = {}
        while self._next() == column:
            line = self.raw[self.at]
            found = _KEY.match(line, column)
            if found is None or found[1] in built or found[1] in ("<<", "=") or len(found[1]) > LONGEST_KEY:
                raise _OtherError
            below = (*path, found[1])
            self._placed(below, self.at + 1)
            built[found[1]] = self._value(found.end(), below, column, line)
        return built

    def _value(self, end: int, path: KeyPath, column: int, line: str) -> Any:
        """What stands behind ``name:``, or below it."""
        if _REST.match(line, end) is None:
            return self._inline(self.starts[self.at] + end + _spaces(line, end), path, column)
        self.at += 1
        following = self._next()
        if following is None or following < column:
            return None
        if following == column:
            return self._sequence(path, column) if self.raw[self.at].startswith("- ", column) else None
        return self._block(path, column)

    def _sequence(self, path: KeyPath, column: int) -> list[Any]:
        built: list[Any] = []
        while self._next() == column and self.raw[self.at].startswith("- ", column):
            line = self.raw[self.at]
            start = column + 1 + _spaces(line, column + 1)
            if start == len(line) or line[start] == "#":
                raise _OtherError
            below = (*path, len(built))
            self._placed(below, self.at + 1)
            self.columns[self.at] = start
            built.append(self._block(below, column))
        if not built:
            raise _OtherError
        return built

    def _inline(self, start: int, path: KeyPath, column: int) -> Any:
        """A scalar or a flow collection that begins at ``start`` of the text, on this line; leaves the line."""
        first = self.text[start]
        if first in "|>":
            return self._literal(self.text[start : self.starts[self.at + 1] - 1], column)
        if first in "[{":
            value, end = self._flow(start, path)
        elif first in "\"'":
            value, end = self._quoted(start)
        else:
            found = _BLOCK_PLAIN.match(self.text, start)
            if found is None:
                raise _OtherError
            written = found[0].partition(" #")[0].rstrip(" ")
            if ": " in written or written[-1] == ":":
                raise _OtherError
            self.at += 1
            return _scalar(written)
        rest = _REST.match(self.text, end)
        if rest is None:
            raise _OtherError
        self.at += 1
        return value

    def _quoted(self, start: int) -> tuple[str, int]:
        double = self.text[start] == '"'
        found = (_DOUBLE if double else _SINGLE).match(self.text, start)
        if found is None:
            raise _OtherError
        written = found[1]
        if "\n" in written:
            first, *others = written.split("\n")
            self.at += len(others)
            parts = [first.rstrip(" "), *(line.strip(" ") for line in others[:-1]), others[-1].lstrip(" ")]
            if not all(parts):
                raise _OtherError  # an empty line ends a line of the text
            written = " ".join(parts)
        return _ESCAPED.sub(r"\1", written) if double else written.replace("''", "'"), found.end()

    def _skip(self, position: int) -> int:
        """Where in a flow collection the next thing stands; lines that it passes are left."""
        found = _BLANK.match(self.text, position)
        assert found is not None
        end = found.end()
        self.at += self.text.count("\n", position, end)
        return end

    def _flow(self, start: int, path: KeyPath) -> tuple[Any, int]:
        text = self.text
        closing = "]" if text[start] == "[" else "}"
        named: dict[str, Any] = {}
        listed: list[Any] = []
        position = self._skip(start + 1)
        while text[position : position + 1] != closing or named or listed:
            if closing == "}":
                found = _KEY.match(text, position)
                if found is None or found[1] in named or found[1] in ("<<", "=") or len(found[1]) > LONGEST_KEY:
                    raise _OtherError
                below: KeyPath = (*path, found[1])
                self._placed(below, self.at + 1)
                named[found[1]], position = self._in_flow(self._skip(found.end()), below)
            else:
                below = (*path, len(listed))
                self._placed(below, self.at + 1)
                value, position = self._in_flow(position, below)
                listed.append(value)
            position = self._skip(position)
            if text[position : position + 1] == closing:
                break
            if text[position : position + 1] != ",":
                raise _OtherError
            position = self._skip(position + 1)
        return (listed if closing == "]" else named), position + 1

    def _in_flow(self, position: int, path: KeyPath) -> tuple[Any, int]:
        first = self.text[position : position + 1]
        if first and first in "[{":
            return self._flow(position, path)
        if first and first in "\"'":
            return self._quoted(position)
        found = _FLOW_PLAIN.match(self.text, position)
        if found is None:
            raise _OtherError
        return _scalar(found[0].rstrip(" ")), found.end()

    def _literal(self, header: str, column: int) -> str:
        """The text of a block (``|`` or ``>``), whose first line has been met."""
        style = header.partition(" #")[0].rstrip(" ")
        if style not in ("|", "|-", ">", ">-"):
            raise _OtherError
        self.at += 1
        lines: list[str] = []
        indent = 0
        while self.at < len(self.raw):
            line = self.raw[self.at]
            held = len(line) - len(line.lstrip(" "))
            if held == len(line):
                if held > indent:
                    raise _OtherError
                lines.append("")
            elif not indent:
                if lines or held <= max(column, 0):
                    raise _OtherError
                indent = held
                lines.append(line[indent:])
            elif held < indent:
                if held > column:
                    raise _OtherError
                break
            else:
                lines.append(line[indent:])
            self.at += 1
        if self.at == len(self.raw) and self.raw[-1] != "":
            raise _OtherError  # no end of the last line
        while lines and not lines[-1]:
            lines.pop()
        if not lines or (style[0] == ">" and any(line[:1] == " " for line in lines)):
            raise _OtherError
        return ("\n".join(lines) if style[0] == "|" else _folded(lines)) + ("" if style[1:] else "\n")


def _folded(lines: list[str]) -> str:
    """Lines as one; an empty one ends a line."""
    whole = ""
    for line in lines:
        if not line:
            whole += "\n"
        elif not whole or whole[-1] == "\n":
            whole += line
        else:
            whole += " " + line
    return whole


def _spaces(line: str, start: int) -> int:
    return len(line) - start - len(line[start:].lstrip(" "))
