"""Columns made of their buffers are those that Arrow makes of the same values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from sim.results.columns import instants, numbers, reals, texts, truths, wholes

WHOLE = st.integers(-(2**63), 2**63 - 1)
REAL = st.floats(allow_nan=False)


def _same(made: pa.Array, plain: pa.Array) -> None:
    made.validate(full=True)
    assert made.equals(plain)
    assert made.type == plain.type
    assert made.null_count == plain.null_count


@given(
    st.lists(WHOLE | st.none()),
    st.lists(REAL | st.none()),
    st.lists(st.text() | st.none()),
    st.lists(st.booleans() | st.none()),
)
def test_columns_are_arrows_own(
    whole: list[int | None], real: list[float | None], words: list[str | None], told: list[bool | None]
) -> None:
    _same(wholes(whole), pa.array(whole, pa.int64()))
    _same(reals(real), pa.array(real, pa.float64()))
    _same(texts(words), pa.array(words, pa.string()))
    _same(truths(told), pa.array(told, pa.bool_()))


@given(st.lists(WHOLE, max_size=40), st.integers(1, 3))
def test_numbers_keep_their_type_and_their_order_whatever_their_strides(whole: list[int], every: int) -> None:
    values = np.array(whole, dtype=np.int64)[::every]
    for kind in (np.int64, np.int32, np.float64):
        backwards: Any = values.astype(kind)[::-1]
        _same(numbers(backwards), pa.array(backwards.copy()))
    _same(instants(values), pa.array(values.copy(), type=pa.timestamp("ns", tz="UTC")))


@given(st.lists(st.tuples(WHOLE, st.booleans()), max_size=40), st.integers(1, 3))
def test_what_is_missing_is_null(pairs: list[tuple[int, bool]], every: int) -> None:
    values = np.array([value for value, _ in pairs], dtype=np.int64)[::every]
    missing = np.array([gone for _, gone in pairs], dtype=bool)[::every]
    for kind in (np.int64, np.int8, np.float64):
        _same(numbers(values.astype(kind), missing), pa.array(values.astype(kind), mask=missing))
