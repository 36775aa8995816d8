"""A term added many times over, by leaps: the same bits as one by one."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sim.accounting.repeated import added, added_each

JOULES = st.floats(0.0, 1e15)


def one_by_one(total: float, term: float, count: int) -> float:
    for _ in range(count):
        total += term
    return total


@settings(max_examples=300, deadline=None)
@given(JOULES, JOULES, st.integers(0, 5000))
@example(0.0, 0.1, 5000)
@example(2.0**53, 1.0, 1000)  # ties that never move it
@example(2.0**53 - 1, 1.0, 1000)
@example(2.0**53 + 2, 3.0, 1000)  # ties that go to even
@example(2.0**52 + 1, 0.5, 1000)
@example(2.0**52 + 1, 1.5, 1000)
@example(1.0, 2.0**-53, 100)
@example(5.0, 0.0, 100)
@example(0.0, 5e-324, 100)
def test_leaps_end_where_steps_do(total: float, term: float, count: int) -> None:
    assert added(total, term, count) == one_by_one(total, term, count)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(JOULES, JOULES), max_size=20), st.integers(0, 3000))
@example([(0.0, 0.1), (2.0**53, 1.0), (2.0**53 + 2, 3.0), (2.0**52 + 1, 0.5), (5.0, 0.0), (0.0, 0.0)], 3000)
def test_leaps_of_many_end_where_those_of_each_do(pairs: list[tuple[float, float]], count: int) -> None:
    totals, terms = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    found = added_each(totals, terms, count).tolist()
    assert found == [one_by_one(total, term, count) for total, term in pairs]


@given(st.integers(-60, 60), st.integers(1, 2**53 - 1), st.integers(1, 200), st.integers(0, 2000))
def test_terms_just_between_two_points_of_the_grid(exponent: int, whole: int, halves: int, count: int) -> None:
    """Ties: terms of an odd number of half grid points."""
    point = 2.0 ** (exponent - 52)
    total, term = whole * point, halves * point / 2.0
    assert added(total, term, count) == one_by_one(total, term, count)
