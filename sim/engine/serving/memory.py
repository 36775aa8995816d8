"""The memory of the compiled pool: a record, and rows that it has the addresses of, which move as they grow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sim.engine.serving import records as k
from sim.engine.serving.layout import LINE, WORD
from sim.engine.serving.plan import Ints

WORD_OF = {name: place[1] // WORD for name, place in (k.Pool.dtype.fields or {}).items()}
"""Where a field of the pool stands in its words."""


def in_lines(count: int, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Rows of zeros that begin with a line of the processor's caches."""
    return _from_line(np.zeros(count * kind.itemsize + LINE, np.uint8), count, kind)


def _from_line(owner: npt.NDArray[np.uint8], count: int, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    """Rows in the bytes of ``owner``, from where the first line begins."""
    begin = -owner.ctypes.data % LINE
    return owner[begin : begin + count * kind.itemsize].view(kind)


class Memory:
    """``pool`` is the ``records.Pool``, at ``address``; ``words`` are the same, read and written in a fraction of the
    time of its fields, and ``counts`` its counts, by the places of ``COUNTS``. ``rows`` are those of each of its fields
    that is an address."""

    def __init__(self) -> None:
        record = np.zeros(1, k.Pool.dtype)
        self.address: int = record.ctypes.data
        self.pool: np.void = record[0]
        self.words: memoryview[int] = record.view(np.int64).data
        self.counts: Ints = record["counts"].view(np.int64)
        self.rows: dict[str, npt.NDArray[Any]] = {}
        self._owned: list[npt.NDArray[Any]] = []

    def own(self, rows: npt.NDArray[Any]) -> int:
        """Keeps rows that never grow; returns their address."""
        self._owned.append(rows)
        return int(rows.ctypes.data)

    def addresses(self, rows: npt.NDArray[Any]) -> Ints:
        """Keeps rows that never grow; returns the addresses of the first dimension's."""
        return self.own(rows) + np.arange(len(rows)) * rows.strides[0]

    def place(self, name: str, rows: npt.NDArray[Any]) -> None:
        """The pool finds its rows here from now on."""
        self.rows[name] = rows
        self.pool[name] = rows.ctypes.data

    def place_empty(self, name: str, count: int) -> None:
        """The same of rows of zeros."""
        self.place(name, in_lines(count, k.Pool.rows[name]))

    def grow(self, name: str, count: int, used: int | None = None) -> None:
        """Rows move to where there is room for more of them; those not ``used`` yet leave their memory untouched."""
        before = self.rows[name][:used]
        larger = in_lines(count, before.dtype)
        larger[: len(before)] = before
        self.place(name, larger)

    def stretch(self, name: str, count: int) -> None:
        """There is room for more of these rows: where they are many, their pages move, and nothing is copied."""
        rows = self.rows[name]
        owner, kind, used = rows.base, rows.dtype, rows.nbytes
        assert owner is not None
        before = rows.ctypes.data - owner.ctypes.data
        owner.resize(count * kind.itemsize + LINE, refcheck=False)
        larger = _from_line(owner, count, kind)
        after = larger.ctypes.data - owner.ctypes.data
        if after != before:
            owner[after : after + used] = owner[before : before + used].copy()
        self.place(name, larger)
