"""Opens a table as text, plain, packed or Parquet, which is then as if it had been written as CSV."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv as pacsv

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
    written = pa.BufferOutputStream()
    pacsv.write_csv(read_parquet(path), written)
    yield io.TextIOWrapper(pa.BufferReader(written.getvalue()), encoding="utf-8", newline="")
