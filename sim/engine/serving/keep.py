"""Rules of what a serving workload keeps of finished requests: all rows, or a sample of them."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.plan import Ints
from sim.workload.row_spool import RowSpool


class Keep(Protocol):
    """A rule of what is kept of finished requests: all of them, a sample, or none."""

    def add(self, rows: Ints) -> None: ...
    def rows(self) -> RowSpool: ...


class KeepAll:
    """A rule that keeps every row in the order in which requests finished; beyond 131,072 in a temporary file."""

    def __init__(self) -> None:
        self._spool = RowSpool()

    def add(self, rows: Ints) -> None:
        """Adds rows (n, 16)."""
        self._spool.add(rows)

    def rows(self) -> RowSpool:
        """All rows so far."""
        return self._spool


class KeepNone:
    """A rule that keeps no row."""

    def add(self, rows: Ints) -> None:
        """Forgets rows (n, 16)."""

    def rows(self) -> RowSpool:
        """None."""
        return RowSpool()


class KeepSample:
    """A uniform sample of ``count`` rows, whatever the pieces in which they come.

    Each row gets a hash of its request as its key and the smallest keys stay, so no choice depends on the order.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        self._kept: Ints = np.zeros((0, len(p.ROW_COLUMNS)), dtype=np.int64)

    def add(self, rows: Ints) -> None:
        """Adds rows (n, 16)."""
        if not len(rows):
            return
        both = np.concatenate([self._kept, rows])
        if len(both) > self._count:
            keys = np.array([p.draw(self._seed, int(i), 0) for i in both[:, 0]], dtype=np.uint64)
            both = both[np.sort(np.argsort(keys, kind="stable")[: self._count])]
        self._kept = both

    def rows(self) -> RowSpool:
        """The sample, in the order in which requests finished."""
        return RowSpool.of(self._kept)
