"""Sets of numbers as the bits of one integer, and as arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def members(bits: int, size: int) -> Ints:
    """The members of a set of numbers below ``size``, in order."""
    raw = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), np.uint8)
    return np.flatnonzero(np.unpackbits(raw, bitorder="little"))


def as_bits(numbers: Ints, size: int) -> int:
    """The set of some numbers (n,) below ``size``."""
    there = np.zeros(size, np.uint8)
    there[numbers] = 1
    return int.from_bytes(np.packbits(there, bitorder="little").tobytes(), "little")
