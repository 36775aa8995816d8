"""The Pareto front is what its definition says, point by point."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.study.tradeoffs import pareto_front

few = st.one_of(st.integers(0, 4).map(float), st.just(float("nan")), st.floats(-1e3, 1e3))
shapes = st.tuples(st.integers(0, 30), st.integers(2, 3))
points = shapes.flatmap(lambda shape: arrays(np.float64, shape, elements=few))


def brute_force(outputs: np.ndarray) -> list[bool]:
    known = ~np.isnan(outputs).any(axis=1)

    def beats(a: np.ndarray, b: np.ndarray) -> bool:
        return bool((a <= b).all() and (a < b).any())

    def beaten(mine: np.ndarray) -> bool:
        return any(beats(other, mine) for other in outputs[known])

    return [bool(held) and not beaten(mine) for held, mine in zip(known, outputs, strict=True)]


@given(points)
def test_it_is_every_point_that_no_other_beats(outputs: np.ndarray) -> None:
    assert pareto_front(outputs).tolist() == brute_force(outputs)


@given(points)
def test_order_and_rising_scales_do_not_matter(outputs: np.ndarray) -> None:
    front = pareto_front(outputs)
    assert np.array_equal(pareto_front(outputs[::-1])[::-1], front)
    assert np.array_equal(pareto_front(outputs * 4.0), front)  # a power of 2 is exact
