"""The float sum of one term added many times over, without adding it many times: the same bits as one by one.

While a sum stays between two powers of two it lies on one grid, and adding a term moves it by the same number of grid
points every time (a tie goes to the even point, from where it moves alike again). So the sum is followed by leaps, one
for each power of two that it passes: 100,000 terms from nothing take 17. Nothing is assumed of the rounding but that it
is IEEE 754's to nearest even (Goldberg 1991, doi:10.1145/103162.103163).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_ADDED_PLAINLY = 3
"""Terms fewer than these are added one by one."""


def added(total: float, term: float, count: int) -> float:
    """``total`` + ``term`` + ... + ``term``, ``count`` times; neither is negative."""
    while count > _ADDED_PLAINLY:
        once = total + term
        twice = once + term
        step = twice + term - twice
        if not step:
            return twice
        exponent = math.frexp(twice)[1]
        top = math.ldexp(1.0, exponent)
        leaps = 0
        if math.frexp(once)[1] == exponent and twice + step < top:  # twice is on its grid, ties behind it are even
            point = math.ulp(twice)
            leaps = min(count - 2, (int((top - twice) / point) - 1) // int(step / point))
        total = twice + leaps * step
        count -= 2 + leaps
    for _ in range(count):
        total += term
    return total


def added_each(totals: Floats, terms: npt.NDArray[np.floating], count: int) -> Floats:
    """The same for every element of (n,) and (n,)."""
    totals = totals.copy()
    left = np.full(len(totals), count, dtype=np.int64)
    while len(some := np.flatnonzero(left > _ADDED_PLAINLY)):
        term = terms[some]
        once = totals[some] + term
        twice = once + term
        step = twice + term - twice
        exponent = np.frexp(twice)[1]
        top = np.ldexp(1.0, exponent)
        moves = (step > 0.0) & (np.frexp(once)[1] == exponent) & (twice + step < top)
        point = np.where(moves, np.spacing(twice), 1.0)
        room = np.where(moves, (top - twice) / point, 1.0).astype(np.int64) - 1
        leaps = np.minimum(left[some] - 2, room // np.where(moves, step / point, 1.0).astype(np.int64)) * moves
        totals[some] = twice + leaps * step
        left[some] = np.where(step > 0.0, left[some] - 2 - leaps, 0)
    for k in range(_ADDED_PLAINLY):
        totals = np.where(left > k, totals + terms, totals)
    return totals
