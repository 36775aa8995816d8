"""The Pareto front: points that no other point beats in one result without losing in another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def pareto_front(outputs: Floats) -> npt.NDArray[np.bool_]:
    """Which rows of ``outputs`` (points, results), all to be minimised, are on the front, shape (points,).

    A point is off it if another is at most as large in all results and smaller in one; equal points stand or fall
    together. Exact; a row with a nan never is on it and beats nothing. Sorted lexically, a point can only be beaten by
    one before it, and whatever beats it is itself beaten by one on the front (Kung, Luccio, Preparata 1975,
    doi:10.1145/321906.321910): O(n log n) + O(n x front).
    """
    points = np.asarray(outputs, dtype=np.float64)
    on_front = np.zeros(len(points), dtype=np.bool_)
    known = np.flatnonzero(~np.isnan(points).any(axis=1))
    if not len(known):
        return on_front
    distinct, inverse = np.unique(points[known], axis=0, return_inverse=True)  # sorted lexically
    kept = np.zeros(len(distinct), dtype=np.bool_)
    front = np.empty_like(distinct)
    size = 0
    for i, point in enumerate(distinct):
        # distinct and lexically before: at most as large in all means smaller in one
        if not (front[:size] <= point).all(axis=1).any():
            kept[i], front[size] = True, point
            size += 1
    on_front[known] = kept[inverse.ravel()]
    return on_front
