"""Instants as files write them: ISO 8601 with an offset, or a local clock whose zone somebody named.

A time without an offset is no instant. Read as UTC it is hours wrong without a word, so it is refused unless the file's
own format fixes its clock or the user names the zone (``Europe/Berlin``, from the IANA database). Where clocks go back,
an hour of a local clock comes twice: rows in order of time tell which is which. Where they go forward, an hour never
was.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from sim.errors import QuantityError
from sim.units import NS_PER_S

FIRST_YEAR, LAST_YEAR = 1900, 2200
"""Times outside these years do not fit the clock's 64 bits with room to spare."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

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
    """Of two readings, the first that is later than the row before; the first reading if none is."""
    return next((ns for ns in instants if ns > before), instants[0])


def nearest(instants: list[int], before: int) -> int:
    """Of two readings, the one nearest to the row before, as suits rows that may stand slightly out of order."""
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
