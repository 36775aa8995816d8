"""Rules by the hours of a local clock: what it reads decides, in winter and summer and where it changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.power.caps import EveryDay, cap_at
from sim.build.site.grid import grid_series
from sim.build.site.weather import weather_series
from sim.errors import InputError
from sim.instants import epoch_ns, offset_ns, spans_of_offset
from sim.profiles.catalog import Catalog
from sim.signals import Signal
from sim.signals.calendar import repeated
from sim.signals.local_clock import hours_over, offsets_ns
from sim.spec.grid import PriceMonthHours
from sim.spec.policies import Daily
from sim.spec.weather import MonthHours
from sim.units import DAY_NS, HOUR_NS, J_PER_KWH
from sim.workload.processes import Diurnal
from tests.test_policies import scenario

ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "UTC"]
"""Lord Howe changes by half an hour, Casablanca four times some years, for Ramadan."""
zones = st.sampled_from(ZONES)
instants = st.datetimes(datetime(1995, 1, 1), datetime(2045, 1, 1)).map(lambda t: t.replace(tzinfo=UTC, microsecond=0))


def _ns(year: int, month: int, day: int, hour: int = 0, minute: int = 0) -> int:
    return epoch_ns(datetime(year, month, day, hour, minute, tzinfo=UTC))


def _when(ns: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)


@given(zones, instants, st.integers(1, 800), st.floats(0.0, 1.0, exclude_max=True))
def test_spans_tile_time_and_keep_one_offset(zone: str, start: datetime, days: int, share: float) -> None:
    start_ns = epoch_ns(start)
    end_ns = start_ns + days * DAY_NS
    spans = list(spans_of_offset(ZoneInfo(zone), start_ns, end_ns))
    assert (spans[0][0], spans[-1][1]) == (start_ns, end_ns)
    assert all(before[1] == after[0] and before[2] != after[2] for before, after in pairwise(spans))
    at = start_ns + int(share * days) * DAY_NS
    (offset,) = (offset for since, until, offset in spans if since <= at < until)
    assert offset == offset_ns(ZoneInfo(zone), at) == offsets_ns(ZoneInfo(zone), np.array([at]))[0]


@given(zones, instants, st.integers(1, 24 * 400), st.floats(0.0, 1.0, exclude_max=True))
def test_every_hour_is_what_the_clock_reads(zone: str, start: datetime, hours: int, share: float) -> None:
    start_ns = epoch_ns(start)
    edges, month, hour = hours_over(start_ns, start_ns + hours * HOUR_NS, zone)
    assert edges[0] <= start_ns
    assert edges[-1] >= start_ns + hours * HOUR_NS
    assert (np.diff(edges) > 0).all()
    assert np.diff(edges).max() <= HOUR_NS
    at = start_ns + int(share * hours * HOUR_NS)
    i = int(np.searchsorted(edges, at, side="right")) - 1
    reads = _when(at).astimezone(ZoneInfo(zone))
    assert (month[i] + 1, hour[i]) == (reads.month, reads.hour)


def test_a_change_of_clock_doubles_an_hour_and_skips_one() -> None:
    autumn = hours_over(_ns(2025, 10, 25, 22), _ns(2025, 10, 26, 3), "Europe/Berlin")[2]
    spring = hours_over(_ns(2025, 3, 29, 23), _ns(2025, 3, 30, 3), "Europe/Berlin")[2]
    assert (autumn.tolist(), spring.tolist()) == ([0, 1, 2, 2, 3], [0, 1, 3, 4])


def _table(path: Path, hour: str) -> None:
    rows = [f"{m},{h},{h},{h},0.5,101325" for m in range(1, 13) for h in range(24)]
    path.write_text("\n".join([f"month,{hour},price,dry_bulb_c,relative_humidity,pressure_pa", *rows]))


def test_a_tariff_by_the_local_hour_follows_its_clock_through_the_change(tmp_path: Path) -> None:
    """18:00 in Berlin is 17:00 UTC in winter and 16:00 in summer."""
    _table(tmp_path / "t.csv", "hour_local")
    spec = PriceMonthHours(kind="month-hours", file=str(tmp_path / "t.csv"), unit="1 EUR/kWh", zone="Europe/Berlin")
    origin = _ns(2025, 1, 1)
    price = grid_series(spec, origin_ns=origin, start_ns=0, end_ns=365 * DAY_NS, catalog=Catalog()).price
    assert price is not None
    for when in ((2025, 1, 15, 17), (2025, 7, 15, 16), (2025, 3, 30, 16), (2025, 10, 26, 17)):
        assert price.at(_ns(*when) - origin) * J_PER_KWH == pytest.approx(18.0)
    weather = MonthHours(
        kind="month-hours", file=str(tmp_path / "t.csv"), latitude=52.5, longitude=13.4, zone="Asia/Kolkata"
    )
    series = weather_series(weather, start_ns=origin, end_ns=origin + HOUR_NS)
    assert series.edges_ns.tolist() == [-HOUR_NS // 2, HOUR_NS // 2, 3 * HOUR_NS // 2]
    assert series.dry_bulb_c.tolist() == [5.0, 6.0]


@pytest.mark.parametrize(
    ("column", "zone", "says"),
    [
        ("hour_utc", "Europe/Berlin", "leave 'zone' out"),
        ("hour_local", None, "write its 'zone'"),
        ("hour", "Europe/Berlin", "no column 'hour_local'"),
        ("hour", None, "no column 'hour_utc'"),
    ],
)
def test_a_table_by_another_clock_than_the_scenario_s_is_refused(
    tmp_path: Path, column: str, zone: str | None, says: str
) -> None:
    _table(tmp_path / "t.csv", column)
    spec = PriceMonthHours(kind="month-hours", file=str(tmp_path / "t.csv"), unit="1 EUR/kWh", zone=zone)
    with pytest.raises(InputError, match=says):
        grid_series(spec, origin_ns=_ns(2025, 1, 1), start_ns=0, end_ns=HOUR_NS, catalog=Catalog())


clock_times = st.tuples(st.integers(0, 23), st.sampled_from([0, 15, 30, 45])).map(lambda t: f"{t[0]:02d}:{t[1]:02d}")


@given(zones, instants, clock_times, clock_times, st.integers(0, 400 * 96))
def test_a_daily_cap_holds_exactly_while_the_clock_reads_so(
    zone: str, start: datetime, since: str, until: str, quarters: int
) -> None:
    if since == until:
        return
    start_ns = epoch_ns(start.replace(second=0))
    at = quarters * HOUR_NS // 4 + 1
    when = Daily(kind="daily", since=since, until=until, zone=zone)
    changes = list(takewhile(lambda change: change[0] <= at, EveryDay.of(when, 250.0, start_ns)()))
    assert all(a[0] < b[0] and a[1] != b[1] for a, b in pairwise(changes))
    reads = _when(start_ns + at).astimezone(ZoneInfo(zone)).strftime("%H:%M")
    inside = since <= reads < until if since < until else reads >= since or reads < until
    assert (cap_at(changes, at) is not None) == inside


def _spans(since: str, until: str, start_ns: int, hours: int) -> list[tuple[float, bool]]:
    when = Daily(kind="daily", since=since, until=until, zone="Europe/Berlin")
    found = takewhile(lambda change: change[0] < hours * HOUR_NS, EveryDay.of(when, 250.0, start_ns)())
    return [(at / HOUR_NS, cap is not None) for at, cap in found]


def test_a_time_that_a_change_of_clock_doubles_or_skips() -> None:
    """26 October 2025, 00:00 UTC on: 02:30 to 03:00 comes at 00:30 UTC and again an hour later."""
    autumn, spring = _ns(2025, 10, 26), _ns(2025, 3, 30)
    assert _spans("02:30", "03:00", autumn, 4) == [(0.5, True), (1.0, False), (1.5, True), (2.0, False)]
    assert _spans("02:30", "03:00", spring, 20) == []
    assert _spans("02:30", "04:00", spring, 20) == [(1.0, True), (2.0, False)]
    assert _spans("01:00", "05:00", autumn, 5) == [(0.0, True), (4.0, False)]  # one span: five hours long


def test_a_cap_in_the_evening_of_a_zone_over_a_change_of_clock() -> None:
    """16:00 to 20:00 in Berlin: 14:00 UTC on Saturday in summer time, 15:00 UTC on Sunday."""
    when = {"kind": "daily", "since": "16:00", "until": "20:00", "zone": "Europe/Berlin"}
    cap = {"kind": "power-cap", "target": "tune", "cap": "250 W", "when": when}
    (log,) = sim.run(scenario(cap, start="2025-10-25T17:00:00Z", duration="24 h")).summary["policies"]
    assert (log["times"], log["in_force_s"]) == (2, (1.0 + 2.0) * 3600)  # 17:00-18:00, then 15:00-17:00
    when["zone"] = "Europe/Berln"
    assert any("Europe/Berlin" in problem.message for problem in sim.check(scenario(cap)))


@pytest.mark.parametrize(("day", "utc_hour"), [((2025, 1, 15), 14), ((2025, 7, 16), 13)])
def test_a_day_of_requests_peaks_at_the_hour_of_its_clock(day: Any, utc_hour: int) -> None:
    law = Diurnal(10.0, 1.6, 15.0, 0.5, _ns(*day), ZoneInfo("Europe/Berlin"))
    rates = law.rate_at(np.arange(24, dtype=np.int64) * HOUR_NS)
    assert (int(rates.argmax()), rates.max()) == (utc_hour, pytest.approx(16.0))


def test_a_weekend_is_that_of_the_clock() -> None:
    """Saturday begins in Auckland at 12:00 UTC of Friday, half a day before it does in UTC."""
    law = Diurnal(10.0, 1.0, 0.0, 0.5, _ns(2025, 7, 4), ZoneInfo("Pacific/Auckland"))  # a Friday
    assert law.rate_at(np.array([11, 13]) * HOUR_NS).tolist() == [10.0, 5.0]


def test_a_year_of_a_zone_off_the_hour_is_a_whole_year() -> None:
    """It begins at 18:30 UTC: in each of 2026's hours there is what was 365 days before."""
    first = _ns(2024, 12, 31, 18, 30)
    values = np.arange(8760, dtype=np.float64)
    series = Signal(np.arange(8761, dtype=np.int64) * HOUR_NS + first, values, "g/J")
    start, end = _ns(2025, 12, 30), _ns(2027, 1, 2)
    laid = repeated(series, origin_ns=0, start_ns=start, end_ns=end, file="x")
    assert laid.covers(start, end)
    at = laid.edges_ns[:-1]
    assert np.array_equal(laid.values, (at - first) // HOUR_NS % 8760)
    assert set((at % HOUR_NS).tolist()) == {HOUR_NS // 2}
