"""Sums of whole numbers and of products without bound: a cluster's slot-ns over a year are more than 64 bits hold.

Numbers are cut into limbs so short that the products of so many of them, added in floating point, are whole numbers
below 2**53: nothing is rounded.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sim.units import LONGEST_NS

Ints = npt.NDArray[np.int64]

FAR_NS = 1 << 62
"""146 years on: later than any run, and sums of two such instants still fit a word."""
HALF_BITS = 32
LOW_HALF = (1 << HALF_BITS) - 1
LIMB = 18
AT_ONCE = 1 << 16
"""Rows whose products are added at once: 2 x 18 + 16 bits are 52."""


def dot(left: Ints, right: Ints) -> int:
    """The sum of their products, exactly."""
    return sum(sums_by(np.zeros(len(left), np.int64), left, right).values())


def at_most_ns(values: npt.NDArray[np.float64], most_ns: int = LONGEST_NS) -> Ints:
    """Whole ns of what was reckoned or drawn, and may be longer than a word holds."""
    return np.minimum(np.rint(values), float(most_ns)).astype(np.int64)


def total(values: Ints) -> int:
    """The sum of whole numbers, exactly: of their lower and upper halves apart."""
    low, high = (int(half.sum()) for half in (values & LOW_HALF, values >> HALF_BITS))
    return (high << HALF_BITS) + low


def sums_by(codes: Ints, left: Ints, right: Ints) -> dict[int, int]:
    """The sum of products by the code of each row, exactly; codes are at least -1, and each that there is has one."""
    sums: dict[int, int] = {}
    for first in range(0, len(codes), AT_ONCE):
        rows = slice(first, first + AT_ONCE)
        present, group = np.unique(codes[rows], return_inverse=True)
        found = [0] * len(present)
        rights = list(_limbs(right[rows]))
        for high, one in _limbs(left[rows]):
            for low, other in rights:
                part = np.bincount(group, weights=one * other, minlength=len(present))
                found = [
                    total + (int(value) << (high + low)) for total, value in zip(found, part.tolist(), strict=True)
                ]
        for code, value in zip(present.tolist(), found, strict=True):
            sums[code] = sums.get(code, 0) + value
    return sums


def _limbs(values: Ints) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Limbs of numbers (n,), each with how far it is shifted; the last has the sign."""
    longest = max(int(values.max(initial=0)), ~int(values.min(initial=0))).bit_length()
    shift = 0
    while longest - shift > LIMB:
        yield shift, (values >> shift & ((1 << LIMB) - 1)).astype(np.float64)
        shift += LIMB
    yield shift, (values >> shift).astype(np.float64)
