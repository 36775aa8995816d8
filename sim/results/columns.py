"""Arrow columns of numbers and words, made of their buffers.

``pa.array`` would do, but looks whether what it is given is pandas' and loads pandas for that: a quarter of a second
and 40 MB of every run. The columns are the same (``tests/test_columns.py``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bools = npt.NDArray[np.bool_]


def numbers(values: npt.NDArray[np.integer | np.floating], missing: Bools | None = None) -> pa.Array:
    """All of ``values`` (n,), in their own type; null where they are ``missing`` (n,)."""
    known = _mask(~missing) if missing is not None else None
    return pa.Array.from_buffers(
        pa.from_numpy_dtype(values.dtype), len(values), [known, pa.py_buffer(np.ascontiguousarray(values))]
    )


def _mask(there: Bools) -> pa.Buffer | None:
    """Arrow's bits of what is there; nothing where all is."""
    return None if there.all() else pa.py_buffer(np.packbits(there, bitorder="little"))


def instants(ns: npt.NDArray[np.int64]) -> pa.Array:
    """Nanoseconds since 1970 (n,), as instants in UTC."""
    kind = pa.timestamp("ns", tz="UTC")
    return pa.Array.from_buffers(kind, len(ns), [None, pa.py_buffer(np.ascontiguousarray(ns))])


def wholes(values: Sequence[int | None]) -> pa.Array:
    """Integers of 64 bits; None where there is none."""
    return numbers(np.array([value or 0 for value in values], dtype=np.int64), _none(values))


def reals(values: Sequence[float | None]) -> pa.Array:
    """Numbers of 64 bits; None where there is none."""
    return numbers(np.array([0.0 if value is None else value for value in values], dtype=np.float64), _none(values))


def truths(values: Sequence[bool | None]) -> pa.Array:
    """True or false; None where there is neither."""
    bits = np.packbits(np.array([bool(value) for value in values], dtype=bool), bitorder="little")
    return pa.Array.from_buffers(pa.bool_(), len(values), [_mask(~_none(values)), pa.py_buffer(bits)])


def texts(values: Sequence[str | None]) -> pa.Array:
    """Words; None where there is none."""
    written = [b"" if value is None else value.encode() for value in values]
    ends = np.cumsum([0, *map(len, written)], dtype=np.int32)
    buffers = [_mask(~_none(values)), pa.py_buffer(ends), pa.py_buffer(b"".join(written))]
    return pa.Array.from_buffers(pa.string(), len(written), buffers)


def _none(values: Sequence[object]) -> Bools:
    return np.array([value is None for value in values], dtype=bool)
