"""Tables with a header, as tools write them: CSV whose header may come again, with cells that may be quoted.

A header comes again where files were appended to each other, or where a tool is called in a loop. A line that does not
fit under its header, or holds a cell longer than CSV allows (131,072 characters), is a fault and costs that line.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Sequence

from sim.measure.readers.gathering import Gathering
from sim.measure.readers.text import Text
from sim.units import NS_PER_S

UNKNOWN = ("", "n/a", "nan", "none", "null")
"""What tools write for what they do not know."""

LAST_S = 5e9
"""A time in s since 1970 is below this; it would lie in the year 2128."""


def cells(line: str, separator: str = ",") -> list[str]:
    """The cells of a line. Raises ``ValueError`` where it is none of CSV."""
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator), [])]
    except csv.Error as error:
        raise ValueError(str(error)) from None


def rows(
    text: Text, gathering: Gathering, is_header: Callable[[Sequence[str]], bool], separator: str = ","
) -> Iterator[tuple[int, dict[str, str]]]:
    """Each row under a header, with its line: its cells by the name of their column."""
    names: list[str] = []
    for line, written in text.numbered():
        try:
            found = cells(written, separator)
        except ValueError as error:
            gathering.fault(f"is no row of cells: {error}", line=line)
            continue
        if is_header(found):
            names = found
        elif not names:
            gathering.fault(f"stands before the header, and is left out: {written[:60]!r}", line=line)
        elif len(found) != len(names):
            gathering.fault(f"has {len(found)} cells, not {len(names)}", line=line)
        else:
            yield line, dict(zip(names, found, strict=True))


def seconds_ns(written: str) -> int:
    """Nanoseconds since 1970 of a decimal number of seconds, exactly. Raises ``ValueError``."""
    whole, _, fraction = written.partition(".")
    if not (whole.isascii() and whole.isdecimal() and len(whole) <= 10 and (not fraction or fraction.isdecimal())):
        raise ValueError(written)
    time_ns = int(whole) * NS_PER_S + int(fraction[:9].ljust(9, "0"))
    if time_ns >= LAST_S * NS_PER_S:
        raise ValueError(written)
    return time_ns


def number(written: str, unit: str = "") -> float:
    """A number, with or without its unit behind it; NaN for what a tool does not know. Raises ``ValueError``."""
    if written.lower() in UNKNOWN or written.lower().startswith("n/a"):
        return math.nan
    value, _, found = written.partition(" ")
    if found.strip() not in ("", unit):
        raise ValueError(f"is in {found.strip()!r}, not in {unit or 'a bare number'}")
    return float(value)
