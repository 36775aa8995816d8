"""Answers of publishers' APIs, saved as JSON: entries with the lines they stand in, their numbers and their faults."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sim.complaints import Complaints
from sim.errors import InputError
from sim.instants import LocalClock, epoch_ns, named_zone, parse_moment
from sim.plain import as_list, as_text, has, spelled, under
from sim.reading import open_regular, parse_json, read_text
from sim.signals.gaps import Rows
from sim.signals.labels import NO_OFFSET, Labels

Read = TypeVar("Read")


def looks_like_json(path: Path) -> bool:
    """Whether the first character of the file at ``path``, unpacked, opens an object or a list."""
    with open_regular(path) as stream:
        head = stream.read(2)
        stream.seek(0)
        try:
            start = (gzip.GzipFile(fileobj=stream) if head == b"\x1f\x8b" else stream).read(256)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError.one(str(path), f"cannot be read: {error}") from None
    return start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


class Answer:
    """A JSON document, its entries, and what is found wrong with them."""

    def __init__(self, path: Path) -> None:
        self.file = str(path)
        self._text = read_text(path)
        self.document: Any = parse_json(self._text, self.file)
        self._complaints = Complaints(self.file)
        self._within = ""
        self._entries: Sequence[Any] = ()
        self._lines: Sequence[int] = ()

    def entries(self, names: Sequence[str], time_name: str) -> list[Any]:
        """The list under the first of ``names`` (dotted) that there is; the line of each is that of its ``time_name``.

        A document that is a list is taken for it. Raises ``InputError`` where there is none.
        """
        written: Any = as_list(self.document)
        for name in names:
            if written is None:
                written, self._within = self.at(name), f"{name}."
        found = as_list(written)
        if not found:
            known = " or ".join(repr(name) for name in names)
            raise InputError.one(self.file, f"has no list of values called {known}")
        parts = re.split(rf'(?="{re.escape(time_name)}"\s*:)', self._text)
        breaks = list(accumulate((part.count("\n") for part in parts), initial=1))
        lines = breaks[1 : len(found) + 1]
        self._lines = lines + [1] * (len(found) - len(lines))
        self._entries = found
        return found

    def with_names(self, names: Sequence[str], wanted: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Each of the entries in which ``names`` stand, with its number; complains of the others that they are not what
        is ``wanted``."""
        for i, entry in enumerate(self._entries):
            if has(entry, names):
                yield i, entry
            else:
                self.complain(i, f"is not an entry with {wanted}")

    def each(self, names: Sequence[str], wanted: str, read: Callable[[Mapping[str, Any]], Read]) -> list[Read]:
        """What ``read`` makes of each entry, see ``with_names``.

        Raises ``InputError`` with those that are none, and those of which ``read`` raises ``ValueError``.
        """
        found = []
        for i, entry in self.with_names(names, wanted):
            try:
                found.append(read(entry))
            except ValueError as error:
                self.complain(i, str(error))
        self.raise_if_any()
        return found

    def rows(self, read: Sequence[tuple[int, float]], *, at_end: bool) -> Rows:
        """The time and the value ``read`` of each entry as a row; ``at_end`` as in ``Rows``."""
        return Rows(
            file=self.file,
            starts_ns=np.array([start for start, _ in read], dtype=np.int64),
            values=np.array([[value] for _, value in read], dtype=np.float64),
            lines=self._lines,
            paths=[self.path(i) for i in range(len(self._entries))],
            at_end=at_end,
        )

    def at(self, name: str) -> Any:
        """What stands under a dotted name; None where there is nothing."""
        return under(self.document, *name.split("."))

    @property
    def lines(self) -> Sequence[int]:
        """The line of each entry."""
        return self._lines

    def path(self, i: int) -> str:
        """Where entry ``i`` stands."""
        return f"{self._within}{i}"

    def complain(self, i: int, message: str) -> None:
        """Notes one more entry at fault."""
        self._complaints.add(self._lines[i], message, self.path(i))

    def raise_if_any(self) -> None:
        """Raises ``InputError`` with every kind of fault, if there was one."""
        self._complaints.raise_if_any()

    def refuse(self, message: str, path: str = "") -> InputError:
        """The error that says what is wrong with the file as a whole."""
        return InputError.one(self.file, message, path=path)


def clock_of(labels: Labels) -> Callable[[object], int]:
    """Reads ISO 8601 times with an offset, or else on the clock of the zone that the user named, into instants.

    What it gives raises ``ValueError`` for anything else.
    """
    local = LocalClock(named_zone(labels.zone)) if labels.zone is not None else None

    def instant(written: object) -> int:
        try:
            moment = parse_moment(as_text(written) or "")
        except (ValueError, OverflowError):
            raise ValueError(f"is no ISO 8601 time: {str(written)[:60]!r}") from None
        if moment.tzinfo is not None:
            return epoch_ns(moment)
        if local is None:
            raise ValueError(NO_OFFSET)
        return local.ns(moment)

    return instant


def json_number(value: object) -> float:
    """A number, NaN for null, and for text what it spells. Raises ``ValueError`` for anything else."""
    if value is None:
        return math.nan
    number = spelled(value)
    if math.isnan(number):
        raise ValueError(f"is not a number: {str(value)[:60]!r}")
    return number
