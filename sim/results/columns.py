"""Arrow columns of numbers and words, made of their buffers.

``pa.array`` would do, but looks whether what it is given is pandas' and loads pandas for that: a quarter of a second
and 40 MB of every run. The columns are the same (``tests/test_columns.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def numbers(values: npt.NDArray[np.int64] | npt.NDArray[np.int32] | npt.NDArray[np.float64]) -> pa.Array:
    """All of ``values`` (n,), in their own type."""
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))]
    )


def instants(ns: npt.NDArray[np.int64]) -> pa.Array:
    """Nanoseconds since 1970 (n,), as instants in UTC."""
    kind = pa.timestamp("ns", tz="UTC")
    return pa.Array.from_buffers(kind, len(ns), [None, pa.py_buffer(np.ascontiguousarray(ns))])


def wholes(values: Sequence[int]) -> pa.Array:
    """Integers of 64 bits."""
    return numbers(np.array(values, dtype=np.int64))


def reals(values: Sequence[float | None]) -> pa.Array:
    """Numbers of 64 bits; None where there is none."""
    there = np.array([value is not None for value in values], dtype=bool)
    known = np.array([0.0 if value is None else value for value in values], dtype=np.float64)
    mask = None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))
    return pa.Array.from_buffers(pa.float64(), len(known), [mask, pa.py_buffer(known)])


def texts(values: Sequence[str]) -> pa.Array:
    """Words."""
    written = [value.encode() for value in values]
    ends = np.cumsum([0, *map(len, written)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(written), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(written))])
