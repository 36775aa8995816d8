"""Opens a table as text, plain, packed or Parquet, which is then as if it had been written as CSV."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv as pacsv

from sim.errors import InputError, Problem
from sim.reading import open_regular, open_text, read_parquet

PARQUET = b"PAR1"
HEAD = 1 << 16
"""Characters from the beginning of a file among which is what tells its format."""


@contextmanager
def text_of(path: Path) -> Iterator[IO[str]]:
    """The text of a file; of Parquet, its table as CSV, a header and a line a row. Raises ``InputError``."""
    with open_regular(path) as stream:
        columnar = stream.read(len(PARQUET)) == PARQUET
    if not columnar:
        with open_text(path) as text:
            yield text
        return
    table = read_parquet(path)
    faults = [
        Problem(str(path), None, "", f"'{name}' is a column of {kind}; write numbers, texts or times, or leave it out")
        for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if not _is_plain(kind)
    ]
    if faults:
        raise InputError(faults)
    written = pa.BufferOutputStream()
    pacsv.write_csv(table, written)
    yield io.TextIOWrapper(pa.BufferReader(written.getvalue()), encoding="utf-8", newline="")


def _is_plain(kind: Any) -> bool:
    """Whether CSV says all of it. A duration's bare number would lose its unit: 10 minutes be 600,000,000."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    tests = ("integer", "floating", "decimal", "string", "large_string", "boolean", "timestamp", "date", "null")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)
