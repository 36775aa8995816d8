"""A trace read in whole columns is the one that is read row by row; whatever is not plain is left to rows."""

from __future__ import annotations

import io
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.workload import traces
from sim.workload.trace_columns import plain_rows
from sim.workload.traces import Trace, read_trace

NAMES = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
HEADER = ",".join(NAMES)
GOOD = "2023-11-16 18:15:46.6805900,374,44"
INSTANT = st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2110, 1, 1))
FRACTION = st.text("0123456789", max_size=9)


def by_rows(path: Path, monkeypatch: pytest.MonkeyPatch) -> Trace:
    with monkeypatch.context() as patched:
        patched.setattr(traces, "_in_columns", lambda *_: None)
        return read_trace.__wrapped__(path)  # type: ignore[attr-defined, no-any-return]


def same(one: Trace, other: Trace) -> None:
    for each in fields(one.requests):
        mine, theirs = getattr(one.requests, each.name), getattr(other.requests, each.name)
        assert (mine is None) == (theirs is None)
        if mine is not None:
            assert mine.dtype == theirs.dtype
            assert np.array_equal(mine, theirs)
    assert (one.first_ns, one.block_tokens, one.report) == (other.first_ns, other.block_tokens, other.report)


@given(
    st.lists(
        st.tuples(INSTANT, FRACTION, st.integers(1, 5000), st.integers(1, 5000), st.sampled_from("T ")), min_size=1
    )
)
def test_columns_are_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[datetime, str, int, int, str]]
) -> None:
    lines = []
    for moment, fraction, prompt, output, between in rows:
        whole = f"{moment:%Y-%m-%d}{between}{moment:%H:%M:%S}"
        lines.append(f"{whole}{'.' if fraction else ''}{fraction},{prompt},{output}")
    path = tmp_path_factory.mktemp("trace") / "trace.csv"
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="ascii")
    assert plain_rows(HEADER, io.StringIO("\n".join(lines)), NAMES) is not None
    with pytest.MonkeyPatch.context() as monkeypatch:
        same(read_trace.__wrapped__(path), by_rows(path, monkeypatch))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "row",
    [
        '2023-11-16 18:15:46,"374",44',
        "2023-11-16 18:15:46+01:00,374,44",
        "2023-11-16 18:15:60,374,44",
        "2023-02-30 18:15:46,374,44",
        "1969-11-16 18:15:46,374,44",
        "2023-11-16 18:15:46.1234567891,374,44",
        "2023-11-16 18:15:46, 374,44",
        "2023-11-16 18:15:46,374.0,44",
        "2023-11-16 18:15:46,0,44",
        "2023-11-16 18:15:46,374,9999999999",
        "2023-11-16 18:15:46,374",
        "2023-11-16 18:15:46,374,44,1",
        "2023-11-16 18:15:46,374,44é",
        "2023-11-16 18:15:46\r,374,44",
        " ",
    ],
)
def test_what_is_not_plain_is_left_to_rows(row: str) -> None:
    assert plain_rows(HEADER, io.StringIO(f"{GOOD}\n"), NAMES) is not None
    assert plain_rows(HEADER, io.StringIO(f"{GOOD}\n{row}\n{GOOD}\n"), NAMES) is None


def test_a_bad_row_is_named_by_its_line(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_text(f"{HEADER}\n{GOOD}\n2023-11-16 18:15:47,0,44\n", encoding="ascii")
    with pytest.raises(InputError) as refused:
        read_trace(path)
    assert [problem.line for problem in refused.value.problems] == [3]
    assert "ContextTokens of 0 tokens" in refused.value.problems[0].message


def test_pieces_end_at_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(f"2023-11-16 18:15:{second:02d},{second + 1},44\n" for second in range(60))
    monkeypatch.setattr("sim.workload.trace_columns.AT_ONCE", 50)
    rows = plain_rows(HEADER, io.StringIO(text), NAMES)
    assert rows is not None
    assert rows.prompt.tolist() == list(range(1, 61))
