"""Signals are steps: exact to integrate, undefined outside, and read from files without guessing."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError, SignalRangeError
from sim.signals import Signal, read_series
from sim.units import HOUR_NS, SECONDS_PER_NS


@st.composite
def signals(draw: st.DrawFn) -> Signal:
    """A signal of 1 to 20 steps."""
    edges = sorted(draw(st.sets(st.integers(-(10**15), 10**15), min_size=2, max_size=21)))
    values = draw(st.lists(st.floats(-1e6, 1e6), min_size=len(edges) - 1, max_size=len(edges) - 1))
    return Signal(np.array(edges, dtype=np.int64), np.array(values), "g/J")


@given(signals(), st.data())
def test_an_integral_is_the_sum_over_any_division(signal: Signal, data: st.DataObject) -> None:
    inside = st.integers(signal.first_ns, signal.last_ns)
    a, b, c = sorted(data.draw(st.tuples(inside, inside, inside)))
    whole = signal.integral(a, c)
    scale = float(np.abs(signal.values).max()) * (c - a) * SECONDS_PER_NS
    assert signal.integral(a, b) + signal.integral(b, c) == pytest.approx(whole, rel=0, abs=1e-12 * scale + 1e-300)


@given(signals(), st.data())
def test_between_breakpoints_the_value_is_one(signal: Signal, data: st.DataObject) -> None:
    t = data.draw(st.integers(signal.first_ns, signal.last_ns - 1))
    later = signal.breakpoints(t, signal.last_ns)
    until = int(later[0]) if len(later) else signal.last_ns
    assert signal.at(until - 1) == signal.at(t)
    assert signal.integral(t, until) == pytest.approx(signal.at(t) * (until - t) * SECONDS_PER_NS, rel=1e-12)


@given(signals())
def test_a_query_outside_raises_and_never_extrapolates(signal: Signal) -> None:
    for t in (signal.first_ns - 1, signal.last_ns):
        with pytest.raises(SignalRangeError):
            signal.at(t)
    with pytest.raises(SignalRangeError):
        signal.integral(signal.first_ns - 1, signal.last_ns)
    with pytest.raises(SignalRangeError):
        signal.on_bins(np.array([signal.first_ns, signal.last_ns + 1]))


@given(signals())
def test_bins_across_a_change_are_refused(signal: Signal) -> None:
    whole = np.array([signal.first_ns, signal.last_ns], dtype=np.int64)
    if len(signal.values) == 1:
        assert signal.on_bins(whole).tolist() == signal.values.tolist()
    else:
        with pytest.raises(ValueError, match="every change"):
            signal.on_bins(whole)
        assert signal.on_bins(signal.edges_ns).tolist() == signal.values.tolist()


def test_a_constant_covers_the_whole_clock() -> None:
    constant = Signal.constant(3.0, "g/J")
    assert constant.at(0) == constant.at(10**18) == 3.0
    assert constant.integral(0, HOUR_NS) == 3.0 * 3600
    assert len(constant.breakpoints(0, 10**18)) == 0


def _series(path: Path) -> Signal:
    return read_series(
        path,
        time_column="time",
        value_column="ci",
        si_per_value=2.0,
        unit="g/J",
        origin_ns=1_640_995_200 * 10**9,
        may_be_negative=False,
    )


GOOD = "time,ci,other\n2022-01-01 00:00:00+00:00,10,x\n2022-01-01T01:00:00Z,20,x\r\n2022-01-01 02:00:00Z,30\n"


@pytest.mark.parametrize("packed", [False, True])
def test_a_series_is_read_with_its_last_step_as_long_as_the_one_before(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / ("s.csv.gz" if packed else "s.csv")
    path.write_bytes(gzip.compress(GOOD.encode()) if packed else GOOD.encode())
    signal = _series(path)
    assert signal.edges_ns.tolist() == [0, HOUR_NS, 2 * HOUR_NS, 3 * HOUR_NS]
    assert signal.values.tolist() == [20.0, 40.0, 60.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("time,ci\n", "at least two rows"),
        ("when,ci\n2022-01-01,1\n", "no column 'time'; its columns are: when, ci; 'time_column:' says which to take"),
        (GOOD + "2022-01-01 04:00:00Z,40\n", "5: follows the row before it by 7200 s, not 3600 s"),
        (GOOD + "2022-01-01 02:00:00Z,40\n", "by 0 s, not 3600 s"),
        (GOOD + "2022-01-01 03:00:00Z,\n", "5: 'ci' is not a number"),
        (GOOD + "2022-01-01 03:00:00Z,nan\n", "5: 'ci' is not a number"),
        (GOOD + "2022-01-01 03:00:00Z,-3\n2022-01-01 04:00:00Z,nan\n", "5: 'ci' is below zero"),
        (GOOD + "9999-01-01 03:00:00Z,3\n", "5: 'time' is not an ISO 8601 time"),
        (GOOD + "2022-01-01 03:00:00Z,1e308\n", "5: 'ci' is not a number"),
        (GOOD + "2022-01-01 03:00:00Z," + "9" * 100_000 + "\n", "a line of more than"),
        (GOOD + "yesterday,40\n", "5: 'time' is not an ISO 8601 time"),
        ("time,ci\n2022-01-02T00Z,1\n2022-01-01T00Z,2\n", "do not increase"),
        ("time,ci\n2022-01-01T00Z,1\n2022-01-01T00Z,2\n", "do not increase"),
    ],
)
def test_what_it_would_have_to_guess_is_refused_by_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "s.csv"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        _series(path)
    assert says in str(caught.value)


def test_rows_at_one_fault_are_one_line_with_their_count_and_faults_of_many_kinds_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_text("time,ci\n" + "".join(f"2022-01-{d + 1:02d}T00Z,oops\n" for d in range(30)))
    with pytest.raises(InputError) as caught:
        _series(path)
    assert [problem.line for problem in caught.value.problems] == [2]
    assert "(29 more alike: lines 3, 4, 5" in str(caught.value)
    assert "and 17 further)" in str(caught.value)
    path.write_text("time,ci\n" + "".join(f"2022-01-{d + 1:02d}T00Z,oops{d}\n" for d in range(30)))
    with pytest.raises(InputError) as caught:
        _series(path)
    assert len(caught.value.problems) == 21
    assert "and 10 more rows at fault" in str(caught.value)


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08junk", b"\xff\xfe\x00"])
def test_a_damaged_file_is_an_input_error(tmp_path: Path, content: bytes) -> None:
    for name in ("s.csv.gz", "s.csv"):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError):
            _series(tmp_path / name)
    with pytest.raises(InputError, match="no such file"):
        _series(tmp_path / "absent.csv")
