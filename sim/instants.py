"""Instants as files write them: ISO 8601 with an offset, or a local clock whose zone somebody named.

A time without an offset is no instant. Read as UTC it is hours wrong without a word, so it is refused unless the file's
own format fixes its clock or the user names the zone (``Europe/Berlin``, from the IANA database). Where clocks go back,
an hour of a local clock comes twice: rows in order of time tell which is which. Where they go forward, an hour never
was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from sim.errors import QuantityError
from sim.units import NS_PER_S

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Times outside these years do not fit the clock's 64 bits with room to spare."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_CHANGES = 9997

NO_OFFSET = "has no offset from UTC, so it is no instant: write one ('+02:00' or 'Z'), or name the zone of its clock"


def epoch_ns(moment: datetime) -> int:
    """Nanoseconds since 1970 of an aware datetime, exactly."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1_000


@lru_cache(maxsize=64)
def named_zone(name: str) -> ZoneInfo:
    """The zone called ``name`` in the IANA database. Raises ``QuantityError``, with the nearest names, for none."""
    known = available_timezones()
    if name in known:
        return ZoneInfo(name)
    near = get_close_matches(name, sorted(known), n=3, cutoff=0.6)
    hint = f"; did you mean {' or '.join(repr(zone) for zone in near)}?" if near else ""
    raise QuantityError(f"unknown time zone {name!r}{hint}  (a name of the IANA database, such as 'Europe/Berlin')")


def parse_moment(text: str) -> datetime:
    """An ISO 8601 time, with or without an offset. Raises ``ValueError``."""
    moment = datetime.fromisoformat(text.strip())
    if not FIRST_YEAR < moment.year < LAST_YEAR:
        raise ValueError(f"{moment.year} is outside the years that can be simulated")
    return moment


def parse_instant(text: str, zone: tzinfo | None = None) -> int:
    """Nanoseconds since 1970 of an ISO 8601 time; one without an offset is on the clock of ``zone``.

    For single times. Rows of a file go through a ``LocalClock``, which tells the two hours apart that a change of clock
    makes alike. Raises ``ValueError`` for no time, and for one without an offset where ``zone`` is None.
    """
    moment = parse_moment(text)
    if moment.tzinfo is None:
        if zone is None:
            raise ValueError(NO_OFFSET)
        return LocalClock(zone).ns(moment)
    return epoch_ns(moment)


def later(instants: list[int], before: int) -> int:
    """The first of two readings that is later than the row before; the first reading if none is."""
    return next((ns for ns in instants if ns > before), instants[0])


def nearest(instants: list[int], before: int) -> int:
    """The one of two readings nearest to the row before, as suits rows that may stand slightly out of order."""
    return min(instants, key=lambda ns: abs(ns - before))


class LocalClock:
    """Turns times of a local clock, given in the order of a file, into instants.

    ``choose`` picks among the two instants of a doubled hour by the row before: ``later`` for series, whose rows
    increase; ``nearest`` for logs. ``assumed`` counts doubled times that no row before decides, read as the first pass.
    """

    def __init__(self, zone: tzinfo, choose: Callable[[list[int], int], int] = later) -> None:
        self.zone = zone
        self.assumed = 0
        self._choose = choose
        self._before: int | None = None

    def ns(self, moment: datetime) -> int:
        """Nanoseconds since 1970 of a naive ``moment``. Raises ``ValueError`` for one that a change of clock skips."""
        readings = [moment.replace(tzinfo=self.zone, fold=fold) for fold in (0, 1)]
        if readings[0].astimezone(UTC).astimezone(self.zone).replace(tzinfo=None) != moment:
            raise ValueError(f"{moment.isoformat(sep=' ')} never was in {self.zone}: clocks went forward over it")
        instants = sorted({epoch_ns(reading.astimezone(UTC)) for reading in readings})
        if len(instants) > 1 and self._before is None:
            self.assumed += 1
        found = instants[0] if len(instants) == 1 or self._before is None else self._choose(instants, self._before)
        self._before = found
        return found


def offset_ns(zone: tzinfo, instant_ns: int) -> int:
    """How far ``zone``'s clock is ahead of UTC at an instant, in nanoseconds."""
    ahead = (EPOCH + timedelta(microseconds=instant_ns // 1000)).astimezone(zone).utcoffset()
    assert ahead is not None  # a zone always knows
    return (ahead.days * 86_400 + ahead.seconds) * NS_PER_S


def spans_of_offset(zone: tzinfo, start_ns: int, end_ns: int | None) -> Iterator[tuple[int, int, int]]:
    """Spans (start, end, offset) that tile ``[start_ns, end_ns)``, in each of which ``zone`` keeps one offset from UTC.

    They end where clocks change. Without ``end_ns`` they go on as long as there are years, and end with each, too.
    """
    year = (EPOCH + timedelta(microseconds=start_ns // 1000)).year
    since, offset = start_ns, offset_ns(zone, start_ns)
    while year <= _LAST_CHANGES and (end_ns is None or since < end_ns):
        for change_ns, after in _changes(zone, year):
            if since < change_ns and (end_ns is None or change_ns < end_ns):
                yield since, change_ns, offset
                since, offset = change_ns, after
        year += 1
        year_ns = epoch_ns(datetime(year, 1, 1, tzinfo=UTC))
        if end_ns is None:
            yield since, year_ns, offset
            since = year_ns
        elif end_ns <= year_ns:
            yield since, end_ns, offset
            return


@lru_cache(maxsize=1024)
def _changes(zone: tzinfo, year: int) -> tuple[tuple[int, int], ...]:
    """When ``zone`` changes its offset within a year of UTC, to the second, and the offset from then on."""
    if zone is UTC:
        return ()
    first, last = (epoch_ns(datetime(y, 1, 1, tzinfo=UTC)) // NS_PER_S for y in (year, year + 1))
    found = []
    days = [*range(first, last, 86_400), last]
    offsets = [offset_ns(zone, second * NS_PER_S) for second in days]
    for i in range(len(days) - 1):
        if offsets[i] != offsets[i + 1]:
            low, high = days[i], days[i + 1]
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_ns(zone, middle * NS_PER_S) == offsets[i] else (low, middle)
            found.append((high * NS_PER_S, offsets[i + 1]))
    return tuple(found)
