"""Rows of finished requests, as they come: the first in memory, all of them in an unnamed temporary file beyond that.

A row is 128 bytes, and a run may have a billion. The file lies where temporary files lie (TMPDIR), has no name, and so
goes with the process or with the last who refers to it, however that ends.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

import numpy as np
import numpy.typing as npt

from sim.errors import RunError
from sim.workload.serving_records import ROW_COLUMNS

Ints = npt.NDArray[np.int64]

HELD = 1 << 17
"""Rows kept in memory: 16 MiB."""

BLOCK = 1 << 17
"""Rows read back at a time."""

ROW_BYTES = 8 * len(ROW_COLUMNS)


class RowSpool:
    """Rows (n, 16) in the order in which they were added, columns ``ROW_COLUMNS``; in a file if there are many."""

    def __init__(self) -> None:
        self._held: list[Ints] = []
        self._in_memory = 0
        self._in_file = 0
        self._file: IO[bytes] | None = None

    @classmethod
    def of(cls, rows: Ints) -> RowSpool:
        """A spool of these rows (n, 16)."""
        spool = cls()
        spool.add(rows)
        return spool

    def __len__(self) -> int:
        return self._in_file + self._in_memory

    def add(self, rows: Ints) -> None:
        """Adds rows (n, 16). Raises ``RunError`` where the disk has no room for them."""
        if not len(rows):
            return
        self._held.append(rows)
        self._in_memory += len(rows)
        if self._in_memory >= HELD:
            self._spill()

    def _spill(self) -> None:
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  (it lives as long as this object)
                weakref.finalize(self, self._file.close)
            for rows in self._held:
                self._file.write(np.ascontiguousarray(rows).data)
            self._file.flush()
        except OSError as error:
            size = f"{len(self):,} rows of requests ({len(self) * ROW_BYTES / 1e9:.1f} GB)"
            remedy = "point TMPDIR elsewhere, or keep a sample: outputs.requests: {sample: 100000}"
            raise RunError(f"{tempfile.gettempdir()}: no room for {size}: {error.strerror}; {remedy}") from None
        self._held, self._in_file, self._in_memory = [], len(self), 0

    def blocks(self) -> Iterator[Ints]:
        """All rows in order, ``BLOCK`` at a time whatever the pieces in which they came; the last block has fewer."""
        held = np.concatenate([np.zeros((0, len(ROW_COLUMNS)), dtype=np.int64), *self._held])
        for begin in range(0, len(self), BLOCK):
            end = min(begin + BLOCK, len(self))
            of_memory = held[max(0, begin - self._in_file) : max(0, end - self._in_file)]
            if begin >= self._in_file:
                yield of_memory
                continue
            of_file = self._read(begin, min(end, self._in_file))
            yield np.concatenate([of_file, of_memory]) if len(of_memory) else of_file

    def _read(self, begin: int, end: int) -> Ints:
        assert self._file is not None
        read, parts = begin * ROW_BYTES, []
        while read < end * ROW_BYTES:
            parts.append(os.pread(self._file.fileno(), end * ROW_BYTES - read, read))
            read += len(parts[-1])
        return np.frombuffer(b"".join(parts), dtype=np.int64).reshape(-1, len(ROW_COLUMNS))
