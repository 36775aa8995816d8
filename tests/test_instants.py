"""Instants: offsets are kept, local clocks need a zone, and the doubled and the skipped hour of a zone are known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.errors import QuantityError
from sim.instants import EPOCH, LocalClock, epoch_ns, named_zone, nearest, offset_ns, parse_instant
from sim.units import HOUR_NS

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "UTC"])


def test_a_time_without_an_offset_is_refused_unless_its_zone_is_named() -> None:
    with pytest.raises(ValueError, match="no offset from UTC"):
        parse_instant("2024-07-01T00:00")
    assert parse_instant("2024-07-01T02:00", BERLIN) == parse_instant("2024-07-01T00:00Z")


@given(
    ZONES,
    st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2035, 1, 1)),
    st.sampled_from([15, 30, 60]),
    st.integers(2, 60),
)
def test_rows_on_a_local_clock_come_back_as_the_instants_they_were(
    name: str, start: datetime, step_min: int, count: int
) -> None:
    """Steps across any change of clock, told only by the order of rows; the first row is in no doubled hour."""
    zone = ZoneInfo(name)
    instants = [start.replace(microsecond=0, tzinfo=UTC) + timedelta(minutes=step_min * i) for i in range(count)]
    first = instants[0].astimezone(zone)
    if first.replace(fold=1).utcoffset() != first.replace(fold=0).utcoffset():
        return
    clock = LocalClock(zone)
    assert [clock.ns(moment.astimezone(zone).replace(tzinfo=None)) for moment in instants] == [
        epoch_ns(moment) for moment in instants
    ]
    assert clock.assumed == 0


def test_logs_that_stand_slightly_out_of_order_stay_in_their_pass_of_the_doubled_hour() -> None:
    clock = LocalClock(BERLIN, nearest)
    first = clock.ns(datetime(2024, 10, 27, 1, 59))
    written = [datetime(2024, 10, 27, 2, 1), datetime(2024, 10, 27, 2, 0), datetime(2024, 10, 27, 2, 59)]
    assert [(clock.ns(moment) - first) / HOUR_NS * 60 for moment in written] == [2, 1, 60]
    assert clock.ns(datetime(2024, 10, 27, 2, 0)) - first == 61 * HOUR_NS / 60  # an hour back: the second pass


def test_the_first_row_in_a_doubled_hour_is_assumed_and_counted() -> None:
    clock = LocalClock(BERLIN)
    assert clock.ns(datetime(2024, 10, 27, 2, 30)) == parse_instant("2024-10-27T00:30Z")
    assert clock.assumed == 1


def test_an_hour_that_never_was_is_refused() -> None:
    with pytest.raises(ValueError, match="never was in Europe/Berlin"):
        LocalClock(BERLIN).ns(datetime(2024, 3, 31, 2, 30))


def test_an_unknown_zone_is_refused_with_the_nearest_names() -> None:
    with pytest.raises(QuantityError, match="did you mean 'Europe/Berlin'"):
        named_zone("Europe/Berln")


@given(ZONES, st.integers(0, 2_000_000_000))
def test_the_offset_of_a_zone_is_what_its_clock_says(name: str, second: int) -> None:
    zone, ns = ZoneInfo(name), second * 1_000_000_000
    local = (EPOCH + timedelta(seconds=second)).astimezone(zone).replace(tzinfo=UTC)
    assert offset_ns(zone, ns) == epoch_ns(local) - ns
