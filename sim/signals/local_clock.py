"""The hours of a local clock over a span of time: where they begin and end in UTC, changes of clock included."""

from __future__ import annotations

from datetime import UTC, tzinfo

import numpy as np
import numpy.typing as npt

from sim.instants import named_zone, spans_of_offset
from sim.units import DAY_NS, HOUR_NS

Ints = npt.NDArray[np.int64]
MONTHS, HOURS = 12, DAY_NS // HOUR_NS


def zone_of(name: str | None) -> tzinfo:
    """The time zone of a name of the IANA database; UTC for None."""
    return UTC if name is None else named_zone(name)


def offsets_ns(zone: tzinfo, instants_ns: Ints) -> Ints:
    """How far a zone's clock is ahead of UTC, in ns, at ``instants_ns`` (n,) since 1970 in any order -> (n,)."""
    if not len(instants_ns):
        return np.zeros(0, dtype=np.int64)
    spans = list(spans_of_offset(zone, int(instants_ns.min()), int(instants_ns.max()) + 1))
    starts, offsets = np.array([(start, offset) for start, _, offset in spans], dtype=np.int64).T
    return np.asarray(offsets[np.searchsorted(starts, instants_ns, side="right") - 1], dtype=np.int64)


def hours_over(start_ns: int, end_ns: int, zone: str | None = None) -> tuple[Ints, Ints, Ints]:
    """Edges (n + 1,) in ns since 1970 of the hours of a clock that cover ``[start_ns, end_ns)``; month and hour (n,).

    The clock is that of the named zone, or UTC. An hour that a change of clock doubles comes twice, one that it skips
    not at all, and one that it cuts ends there. Months count from 0.
    """
    edges, index = [], []
    for since, until, offset in spans_of_offset(zone_of(zone), start_ns, end_ns):
        first, last = (since + offset) // HOUR_NS, -(-(until + offset) // HOUR_NS)
        hours = np.arange(first, last, dtype=np.int64)
        begins = hours * HOUR_NS - offset
        if since > start_ns:
            begins[0] = since
        edges.append(begins)
        index.append(hours)
    hour = np.concatenate(index)
    months = (hour // HOURS).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) % MONTHS
    return np.concatenate([*edges, [last * HOUR_NS - offset]]), months, hour % HOURS


def readings_ns(zone: tzinfo, clock_ns: Ints) -> tuple[Ints, Ints, npt.NDArray[np.bool_]]:
    """Instants in ns since 1970 at which a zone's clock shows ``clock_ns`` (n,), which is written as if it were UTC.

    The first and the second, the same unless a change of clock makes the hour come twice, and which of them never were,
    since clocks went forward over them: each (n,).
    """
    if not len(clock_ns):
        return clock_ns, clock_ns, np.zeros(0, dtype=bool)
    spans = list(spans_of_offset(zone, int(clock_ns.min()) - 2 * DAY_NS, int(clock_ns.max()) + 2 * DAY_NS))
    starts, ends, offsets = np.array(spans, dtype=np.int64).T
    shown_from, shown_until = starts + offsets, ends + offsets
    last = np.searchsorted(shown_from, clock_ns, side="right") - 1
    before = np.maximum(last - 1, 0)
    second = clock_ns - offsets[last]
    twice = clock_ns < shown_until[before]
    first = np.where(twice, clock_ns - offsets[before], second)
    return first, second, (clock_ns >= shown_until[last]) & ~twice
