"""Gap policies: what is known stays, what is done is counted, what is refused is named. And calendar repeats."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sim.complaints import MOST_LINES
from sim.errors import InputError
from sim.instants import epoch_ns
from sim.signals import Signal
from sim.signals.calendar import repeated
from sim.signals.gaps import Rows, without_gaps
from sim.units import DAY_NS, HOUR_NS

NAN = float("nan")
FILLING: tuple[Literal["hold", "interpolate"], ...] = ("hold", "interpolate")


def _rows(hours: list[float], values: list[float], ends: list[float] | None = None) -> Rows:
    return Rows(
        file="grid.csv",
        starts_ns=np.array([round(h * HOUR_NS) for h in hours], dtype=np.int64),
        values=np.array(values, dtype=np.float64)[:, np.newaxis],
        lines=range(2, 2 + len(hours)),
        ends_ns=None if ends is None else np.array([round(h * HOUR_NS) for h in ends], dtype=np.int64),
    )


@st.composite
def damaged(draw: st.DrawFn) -> tuple[Rows, dict[int, float], set[int], set[int], list[int]]:
    """An hourly series with hours taken out, blanked and doubled; what is known, and which hours were harmed."""
    n = draw(st.integers(6, 40))
    truth = [float(v) for v in draw(st.lists(st.integers(-50, 900), min_size=n, max_size=n))]
    inner = st.integers(2, n - 3)  # two whole hours at either end, so that nothing is trimmed
    absent = draw(st.sets(inner, max_size=n // 4))
    blank = draw(st.sets(inner, max_size=n // 4)) - absent
    doubled = sorted(draw(st.sets(inner, max_size=4)) - absent - blank)
    hours: list[int] = []
    values: list[float] = []
    for hour in range(n):
        if hour not in absent:
            hours += [hour] * (2 if hour in doubled else 1)
            values += [NAN if hour in blank else truth[hour]] * (2 if hour in doubled else 1)
    known = {h: truth[h] for h in range(n) if h not in absent | blank}
    steps = np.diff(sorted(set(hours)))
    assume(int((steps == 1).sum()) > int((steps != 1).sum()))
    return _rows([float(h) for h in hours], values), known, absent, blank, doubled


@given(damaged(), st.sampled_from(FILLING))
def test_known_hours_are_kept_and_the_counts_are_exact(
    case: tuple[Rows, dict[int, float], set[int], set[int], list[int]], policy: Literal["hold", "interpolate"]
) -> None:
    rows, known, absent, blank, doubled = case
    edges, values, report = without_gaps(rows, policy)
    assert edges.tolist() == [h * HOUR_NS for h in range(len(values) + 1)]
    assert {h: values[h, 0] for h in known} == known
    assert np.isfinite(values).all()
    assert (report.filled, report.blank, report.duplicates) == (len(absent), len(blank), len(doubled))
    assert (report.mixed_steps, report.conflicting, report.trimmed) == (0, 0, 0)
    for hour in absent | blank:
        before = max(h for h in known if h < hour)
        after = min(h for h in known if h > hour)
        share = (hour - before) / (after - before)
        straight = known[before] + share * (known[after] - known[before])
        assert values[hour, 0] == pytest.approx(known[before] if policy == "hold" else straight, abs=1e-9)


@given(damaged())
def test_refuse_lists_the_line_of_every_fault_and_the_remedy(
    case: tuple[Rows, dict[int, float], set[int], set[int], list[int]],
) -> None:
    rows, known, absent, blank, doubled = case
    if not absent | blank and not doubled:
        _, values, _ = without_gaps(rows, "refuse")
        assert values[:, 0].tolist() == list(known.values())
        return
    with pytest.raises(InputError) as caught:
        without_gaps(rows, "refuse")
    hour_of = (rows.starts_ns // HOUR_NS).tolist()
    at_fault = {hour_of.index(h) + 2 for h in blank} | {hour_of.index(h) + 3 for h in doubled}
    at_fault |= {hour_of.index(h + 1) + 2 for h in absent if h + 1 not in absent}
    named = {int(n) for p in caught.value.problems for n in re.findall(r"\d+", p.message.partition(": line")[2])}
    named |= {p.line for p in caught.value.problems if p.line is not None}
    assert named == at_fault or len(at_fault) > MOST_LINES
    assert all("gaps: hold" in p.message for p in caught.value.problems if p.line is not None)


def test_of_rows_with_one_start_the_first_with_a_value_counts_and_a_contradiction_is_counted() -> None:
    _, values, report = without_gaps(_rows([0, 1, 1, 2, 2, 3], [5, NAN, 6, 7, 8, 9]), "hold")
    assert values[:, 0].tolist() == [5, 6, 7, 9]
    assert (report.duplicates, report.conflicting, report.blank) == (2, 1, 1)


def test_a_step_that_is_no_multiple_is_held_to_the_next_row() -> None:
    edges, values, report = without_gaps(_rows([0, 1, 2, 3.5, 4.5], [1, 2, 3, 4, 5]), "hold")
    assert (edges / HOUR_NS).tolist() == [0, 1, 2, 3, 3.5, 4.5, 5.5]
    assert values[:, 0].tolist() == [1, 2, 3, 3, 4, 5]
    assert (report.mixed_steps, report.filled) == (1, 1)
    with pytest.raises(InputError, match="5: follows the row above it by 5400 s, not 3600 s"):
        without_gaps(_rows([0, 1, 2, 3.5, 4.5], [1, 2, 3, 4, 5]), "refuse")


def test_rows_that_say_when_they_end_may_change_their_step() -> None:
    edges, values, report = without_gaps(_rows([0, 1, 2, 2.25], [1, 2, 3, 4], [1, 2, 2.25, 2.5]), "refuse")
    assert (edges / HOUR_NS).tolist() == [0, 1, 2, 2.25, 2.5]
    assert (values[:, 0].tolist(), report.mixed_steps, report.filled) == ([1, 2, 3, 4], 1, 0)
    with pytest.raises(InputError, match="4: comes 3600 s after the end"):
        without_gaps(_rows([0, 1, 3], [1, 2, 3], [1, 2, 4]), "refuse")


@pytest.mark.parametrize("policy", ["refuse", *FILLING])
def test_times_that_go_back_are_refused_whatever_the_policy(policy: Literal["refuse", "hold", "interpolate"]) -> None:
    with pytest.raises(InputError, match="4: starts before the row above it"):
        without_gaps(_rows([0, 2, 1], [1, 2, 3]), policy)
    with pytest.raises(InputError, match="at least two rows"):
        without_gaps(_rows([0], [1]), policy)
    with pytest.raises(InputError, match="ends when or before"):
        without_gaps(_rows([0, 1], [1, 2], [0, 2]), policy)


def test_blank_ends_are_left_out_and_never_extrapolated() -> None:
    for policy in FILLING:
        edges, values, report = without_gaps(_rows([0, 1, 2, 3, 4], [NAN, 1, 2, NAN, NAN]), policy)
        assert (edges / HOUR_NS).tolist() == [1, 2, 3]
        assert (values[:, 0].tolist(), report.trimmed) == ([1, 2], 3)
    with pytest.raises(InputError, match="no row with all its values"):
        without_gaps(_rows([0, 1], [NAN, NAN]), "hold")


def _year(year: int, step_ns: int = HOUR_NS) -> Signal:
    """A signal over a whole year, since 1970, in which every step has its own value."""
    first, last = (epoch_ns(datetime(y, 1, 1, tzinfo=UTC)) for y in (year, year + 1))
    edges = first + np.arange((last - first) // step_ns + 1, dtype=np.int64) * step_ns  # arange over ns rounds
    return Signal(edges, np.arange(len(edges) - 1, dtype=np.float64), "g/J")


@given(
    st.sampled_from([2022, 2024]),
    st.sampled_from([HOUR_NS // 12, HOUR_NS, DAY_NS]),
    st.integers(epoch_ns(datetime(2018, 1, 1, tzinfo=UTC)), epoch_ns(datetime(2030, 1, 1, tzinfo=UTC))),
    st.integers(1, 40 * DAY_NS),
    st.integers(-(10**18), 10**18),
)
def test_a_repeat_has_the_month_day_and_hour_of_the_series(
    year: int, step_ns: int, start: int, lasting: int, origin: int
) -> None:
    known = _year(year, step_ns)
    moved = Signal(known.edges_ns - origin, known.values, known.unit)
    laid = repeated(moved, origin_ns=origin, start_ns=start - origin, end_ns=start + lasting - origin, file="s.csv")
    assert laid.covers(start - origin, start + lasting - origin)
    for t in (start, start + lasting // 2, start + lasting - 1):
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=t // 1000)
        day = 28 if (moment.month, moment.day) == (2, 29) and year % 4 else moment.day
        there = epoch_ns(moment.replace(year=year, day=day)) + t % 1000
        assert laid.at(t - origin) == known.at(there)


def test_a_repeat_over_the_series_itself_changes_nothing_and_a_hole_in_the_calendar_is_refused() -> None:
    known = _year(2022)
    laid = repeated(known, origin_ns=0, start_ns=known.first_ns, end_ns=known.last_ns, file="s.csv")
    assert laid.edges_ns.tolist() == known.edges_ns.tolist()
    assert laid.values.tolist() == known.values.tolist()
    march = Signal(known.edges_ns[: 24 * 60], known.values[: 24 * 60 - 1], "g/J")
    with pytest.raises(InputError, match="no year in it has 03-01 23:00 UTC"):
        repeated(march, origin_ns=0, start_ns=known.first_ns, end_ns=known.last_ns, file="s.csv")


def test_a_year_that_starts_elsewhere_than_in_january_is_laid_by_its_own_months() -> None:
    """A local year (CET) in UTC: its last hour is of another year than the rest of 31 December."""
    known = _year(2022)
    shifted = Signal(known.edges_ns - HOUR_NS, known.values, known.unit)
    start = epoch_ns(datetime(2026, 12, 31, tzinfo=UTC))
    laid = repeated(shifted, origin_ns=0, start_ns=start, end_ns=start + DAY_NS, file="s.csv")
    assert laid.values.tolist() == [*(float(8760 - 23 + h) for h in range(23)), 0.0]
