"""Records of JSON one behind the other, read a piece of the file at a time: a trace of any size never is one value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sim.errors import InputError
from sim.workload.jobs.formats import Opened
from sim.workload.jobs.lines import BLOCK
from sim.workload.trace_formats import short

PIECE = 1 << 20
BETWEEN = " \t\r\n,"
ALONE = BETWEEN + "[]"


def records(opened: Opened, begins: int | None = None) -> Iterator[tuple[int, Any]]:
    """Each record with the line that it begins on. ``begins`` is where in the file's head a list within an object
    begins, behind its bracket: its records alone are read; without it all there is.

    Raises ``InputError`` for what is no JSON; a last record that was cut off is a row that cannot be used.
    """
    between, decoder = ALONE if begins is None else BETWEEN, json.JSONDecoder()
    text, at = opened.head, begins or 0
    line = 1 + text.count("\n", 0, at)
    while True:
        while at < len(text) and text[at] in between:
            line += text[at] == "\n"
            at += 1
        if begins is not None and text[at : at + 1] == "]":
            return
        try:
            record, until = decoder.raw_decode(text, at)
        except RecursionError:
            raise InputError.one(opened.file, "is JSON nested too deep", line=line) from None
        except json.JSONDecodeError as error:
            ended = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
            piece = opened.rest.read(PIECE)
            if piece and len(text) - at <= BLOCK:
                text, at = text[at:] + piece, 0
                continue
            if not text[at:].strip(ALONE):
                return
            if piece or not ended:
                raise InputError.one(opened.file, f"is not valid JSON: {error.msg}", line=line) from None
            opened.report.rows += 1
            opened.report.complain(opened.file, line, f"is the last and was cut off: {short(text[at:])}")
            return
        yield line, record
        line += text.count("\n", at, until)
        at = until
