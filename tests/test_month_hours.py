"""A year as twelve typical days: laid over any span, and nothing missing in it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import InputError
from sim.instants import epoch_ns
from sim.signals.local_clock import hours_over
from sim.signals.month_hours import read_month_hours
from sim.units import HOUR_NS

instants = st.datetimes(datetime(1990, 1, 1), datetime(2050, 1, 1)).map(lambda t: t.replace(tzinfo=UTC))


@given(instants, st.integers(1, 24 * 400))
def test_every_hour_is_that_of_the_calendar(start: datetime, hours: int) -> None:
    edges, month, hour = hours_over(epoch_ns(start), epoch_ns(start) + hours * HOUR_NS)
    assert edges[0] <= epoch_ns(start) < edges[1]
    assert edges[-1] >= epoch_ns(start) + hours * HOUR_NS
    assert (np.diff(edges) == HOUR_NS).all()
    for i in (0, len(month) // 2, len(month) - 1):
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=int(edges[i] // HOUR_NS))
        assert (when.month - 1, when.hour) == (month[i], hour[i])


def _rows() -> list[str]:
    return [f"{m},{h},{100 * m + h}" for m in range(1, 13) for h in range(24)]


def test_a_table_is_read_by_month_and_hour_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["month,hour_utc,x", *reversed(_rows())]))
    table = read_month_hours(path, ["x"])["x"]
    assert table[0, 0] == 100
    assert table[11, 23] == 1223


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda rows: rows.pop(30), "has 287 of 288 rows: month 2, hour 6 is missing"),
        (lambda rows: rows.append(rows[0]), "month 1, hour 0 was given in line 2"),
        (lambda rows: rows.__setitem__(5, "1,5,"), "a number in each column"),
        (lambda rows: rows.__setitem__(5, "1,5,nan"), "not finite"),
        (lambda rows: rows.__setitem__(5, "13,5,1"), "outside 1..12"),
    ],
)
def test_a_hole_is_refused_with_its_place(tmp_path: Path, change: object, says: str) -> None:
    rows = _rows()
    change(rows)  # type: ignore[operator]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["month,hour_utc,x", *rows]))
    with pytest.raises(InputError, match=says):
        read_month_hours(path, ["x"])
