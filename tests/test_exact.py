"""Sums of products are exact, however large: as Python's whole numbers say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.workload import exact

NUMBERS = st.one_of(st.integers(-3, 3), st.integers(-(1 << 63), (1 << 63) - 1))
ROWS = st.lists(st.tuples(st.integers(-1, 3), NUMBERS, NUMBERS), max_size=20)


@given(ROWS, st.sampled_from([1, 3, exact.AT_ONCE]))
def test_sums_are_those_of_whole_numbers_without_bound(rows: list[tuple[int, int, int]], at_once: int) -> None:
    expected: dict[int, int] = {}
    for code, left, right in rows:
        expected[code] = expected.get(code, 0) + left * right
    codes, lefts, rights = (np.array(column, np.int64) for column in zip(*rows, strict=True)) if rows else 3 * (EMPTY,)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact, "AT_ONCE", at_once)
        assert exact.sums_by(codes, lefts, rights) == expected
        assert exact.dot(lefts, rights) == sum(expected.values())


EMPTY = np.empty(0, np.int64)


@given(st.lists(NUMBERS, max_size=20))
def test_a_sum_is_that_of_whole_numbers_without_bound(values: list[int]) -> None:
    assert exact.total(np.array(values, np.int64)) == sum(values)


def test_as_many_rows_as_are_added_at_once_do_not_round() -> None:
    """The largest limbs there are, and one more unit that 53 bits would lose if they were not enough."""
    most = np.full(exact.AT_ONCE, (1 << exact.LIMB) - 1)
    other = most.copy()
    other[-1] -= 1
    assert exact.dot(most, other) == int(most[0]) ** 2 * (exact.AT_ONCE - 1) + int(most[0]) * int(other[-1])
