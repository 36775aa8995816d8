"""Reads a trace whose rows are an instant and two numbers of tokens in whole columns, where every row is plainly so.

Of anything else in the file (a quote, a blank in a cell, a time with a zone, a row too short, a number out of range) it
says nothing: whoever asked reads the file row by row, which names the row and the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from sim.workload.lengths import MOST_TOKENS

if TYPE_CHECKING:
    import pyarrow as pa

Ints = npt.NDArray[np.int64]

AT_ONCE = 1 << 26
"""Characters that are read together."""
MOST_NS = 1 << 62
_INSTANT = r"^\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:[0-5]\d(\.\d{1,9})?$"
_TOKENS = r"^[1-9]\d{0,9}$"


class PlainRows(NamedTuple):
    """Rows in the order of the file: ns since 1970 (UTC), and tokens of prompt and output (all n,)."""

    time_ns: Ints
    prompt: Ints
    output: Ints


def plain_rows(header: str, text: IO[str], columns: Sequence[str]) -> PlainRows | None:
    """What follows ``header`` in ``text``, by the ``columns`` of time, prompt and output; None where it is not plain.

    A time has up to nine decimals and no zone.
    """
    names = [name.strip() for name in header.split(",")]
    if not _plain(header) or len(set(names)) < len(names):
        return None
    parts = []
    while piece := text.read(AT_ONCE):
        read = _columns(piece + text.readline(AT_ONCE), names, columns)
        if read is None:
            return None
        parts.append(read)
    if not parts:
        return None
    return PlainRows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _plain(text: str) -> bool:
    quoted = '"' in text or "\0" in text
    return text.isascii() and not quoted and text.count("\r") == text.count("\r\n")


def _columns(text: str, names: Sequence[str], columns: Sequence[str]) -> tuple[Ints, Ints, Ints] | None:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    if not _plain(text) or not text.strip():
        return None
    try:
        table = csv.read_csv(
            pa.py_buffer(text.encode("ascii")),
            csv.ReadOptions(column_names=list(names), use_threads=False),
            csv.ParseOptions(quote_char=False),
            csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()), include_columns=list(columns)),
        ).combine_chunks()
        instant, *tokens = (table[name].chunk(0) for name in columns)
        shapes = zip((instant, *tokens), (_INSTANT, _TOKENS, _TOKENS), strict=True)
        if any(pc.match_substring_regex(cells, shape).false_count for cells, shape in shapes):
            return None
        time_ns = _whole(instant.cast(pa.timestamp("ns")).cast(pa.int64()))
        prompt, output = (_whole(cells.cast(pa.int64())) for cells in tokens)
    except pa.ArrowException:
        return None
    inside = time_ns.min() >= 0 and time_ns.max() < MOST_NS and max(prompt.max(), output.max()) <= MOST_TOKENS
    return (time_ns, prompt, output) if inside else None


def _whole(numbers: pa.Array) -> Ints:
    """Numbers of 64 bits of which none is missing. Arrow's own way to NumPy would load pandas."""
    return np.frombuffer(numbers.buffers()[1], dtype=np.int64, count=len(numbers), offset=8 * numbers.offset)
