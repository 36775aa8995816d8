"""Time stamps of one file: instants where they have an offset, else a local clock, with its zone or without.

With a zone (``--zone Europe/Berlin``) local times become instants, also where clocks change. Without one they stay on
their own clock, as if it were UTC: only their differences mean anything, and those are wrong over a change of clock.
``moved_on`` finds where such a clock went back: nothing but the clock can make rows in order fall by about an hour.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo

import numpy as np

from sim.instants import LocalClock, epoch_ns, nearest, parse_moment
from sim.measure.known import HOLE_INTERVALS, SHORTEST_HOLE_NS, Ints
from sim.units import NS_PER_S

HOUR_NS = 3600 * NS_PER_S
CHANGES_NS = (HOUR_NS, HOUR_NS // 2)
"""How far clocks are set: an hour, or half of one on Lord Howe Island."""
ABOUT_NS = 600 * NS_PER_S
"""A log may have paused for up to so long while the clock was set by an hour."""
OFTEN_NS = 60 * NS_PER_S
"""Only a log with samples at least so often tells a pause from a change of clock."""
SLOWEST_NS = 600 * NS_PER_S
"""Of logs with samples more seldom a change of clock is not told from rows out of order."""

MOST_COMPARED = 10
"""Rows after a fall that are looked at: if they go on in order below it, no row is merely late."""

REMEDY = "name the zone of its clock with --zone, such as Europe/Berlin"


class Stamps:
    """The clock of one file's rows, in their order. ``local`` is whether one of its times had no offset.

    ``choose`` picks among the two instants of a doubled hour by the row before.
    """

    def __init__(self, zone: tzinfo | None, choose: Callable[[list[int], int], int] = nearest) -> None:
        self.zone = zone
        self.local = False
        self._clock = LocalClock(zone, choose) if zone is not None else None
        self._before: tuple[datetime, int] | None = None
        self._went_back = False

    @property
    def assumed(self) -> int:
        """Doubled times at the start of the file that no row tells: read as the first of the two.

        Where the clock is seen to go back later on, that they are the first is known.
        """
        return self._clock.assumed if self._clock is not None and not self._went_back else 0

    @property
    def clock(self) -> str:
        """The clock in words, for the origin of a recording."""
        if self.zone is None:
            return "local time without a zone, taken as UTC: only differences of times mean anything"
        return f"local time of {self.zone}"

    def ns(self, moment: datetime) -> int:
        """ns since 1970 of a time, with an offset or without. Raises ``ValueError`` for one that a zone skips."""
        if moment.tzinfo is not None:
            return epoch_ns(moment)
        self.local = True
        if self._clock is None:
            return epoch_ns(moment.replace(tzinfo=UTC))
        found = self._clock.ns(moment)
        if self._before is not None and moment < self._before[0] and found > self._before[1]:
            self._went_back = True
        self._before = (moment, found)
        return found

    def iso_ns(self, written: str) -> int:
        """ns since 1970 of a time in ISO 8601. Raises ``ValueError``."""
        return self.ns(parse_moment(written))


def moved_on(times_ns: Ints) -> tuple[Ints, list[tuple[int, int]]]:
    """Times of rows in the order of their file with changes of clock taken out that set it back.

    Also where: the first row after each, and by how much it was set. A fall counts as one where it leaves a usual
    interval once the hour (or half hour) is put back, or, of samples that come often, a pause of up to ``ABOUT_NS``
    after which rows go on in order.
    """
    steps = np.diff(times_ns)
    rising = steps[steps > 0]
    falls = np.flatnonzero(steps < 0)
    if not len(falls) or not len(rising):
        return times_ns, []
    usual = float(np.median(rising))
    if usual > SLOWEST_NS:
        return times_ns, []
    close = max(HOLE_INTERVALS * usual, float(SHORTEST_HOLE_NS))
    moved = times_ns.copy()
    changes: list[tuple[int, int]] = []
    for fall in falls.tolist():
        after = fall + 1
        covered = max(int(-steps[fall] // usual), 2)  # rows that lie below the last one before the fall
        later = times_ns[after : after + min(covered, MOST_COMPARED)]
        in_order = len(later) > 1 and bool((np.diff(later) >= 0).all())
        below = bool((later < times_ns[fall]).all())  # one late row is back at once
        for change in CHANGES_NS:
            pause = int(steps[fall]) + change
            most = ABOUT_NS if change == HOUR_NS and usual <= OFTEN_NS else close
            if 0 <= pause <= max(close, most) and in_order and below:
                moved[after:] += change
                changes.append((after, change))
                break
    return moved, changes


def may_be_set_forward(gap_ns: int, usual_ns: float = 0.0) -> bool:
    """Whether a gap is about an hour or half an hour, or that and a usual interval, as a clock set forward leaves."""
    return any(0 <= gap_ns - change <= change // 10 + usual_ns for change in CHANGES_NS)
