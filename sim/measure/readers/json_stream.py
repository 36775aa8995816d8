"""JSON values one behind the other, as tools print them: an object or array for each sample, with or without commas.

Each value is read by itself and guarded (``sim.reading``): one that is damaged costs its sample, and one that never
ends is the end that is missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sim.errors import InputError
from sim.measure.readers.gathering import Gathering
from sim.measure.readers.text import Text
from sim.reading import parse_json

PREAMBLE = 40
"""Lines among which a format is told: tools warn before they answer."""
MOST_TOLD_BY = 4000
"""Characters that are enough to tell a format by."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}\n]')


def opening(text: Text) -> str:
    """The first lines, from the first bracket on; '' if there is none. Enough to tell a format by."""
    first = "\n".join(line[:MOST_TOLD_BY] for line in (*text.lines[:PREAMBLE], text.tail))[:MOST_TOLD_BY]
    begin = re.search(r"^\s*[\[{]", first, re.M)
    return first[begin.start() :] if begin else ""


def values(text: Text, gathering: Gathering) -> Iterator[tuple[int, Any]]:
    """Each value with the line where it begins. What is none is told to ``gathering``."""
    whole = "\n".join((*text.lines, text.tail))
    depth, begin, line, first_line = 0, 0, 1, 1
    for token in _TOKEN.finditer(whole):
        found = token[0]
        if found == "\n":
            line += 1
        elif found in "[{":
            if depth == 0:
                begin, first_line = token.start(), line
            depth += 1
        elif found in "]}" and depth:
            depth -= 1
            if depth == 0:
                try:
                    yield first_line, parse_json(whole[begin : token.end()], text.file, line=first_line)
                except InputError as error:
                    gathering.fault(error.problems[0].message, line=first_line)
        else:
            line += found.count("\n")
    if depth:
        gathering.incomplete("the JSON that begins here does not end", line=first_line)
