"""A series of some year laid on other years by month, day and hour (UTC): asked for, never done in silence.

The seasons and the hours of the day are kept; the days of the week are not, and what a real year would have brought is
not known. Hours are counted from the series' own start, so that a year of a zone off the hour, which begins at half
past in UTC, is a whole year. 29 February takes the hours of a 29 February where the series has one, else those of the
28th.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.signals.signal import Signal
from sim.units import DAY_NS, HOUR_NS

Ints = npt.NDArray[np.int64]
HOURS = DAY_NS // HOUR_NS


def repeated(signal: Signal, *, origin_ns: int, start_ns: int, end_ns: int, file: str) -> Signal:
    """``signal`` over hours that cover ``[start_ns, end_ns)``; all times but ``origin_ns`` count from ``origin_ns``.

    An hour that the signal covers is its own; any other is that month, day and hour of the first year that has it.
    Raises ``InputError``, naming ``file``, where none has.
    """
    past_ns = (signal.first_ns + origin_ns) % HOUR_NS
    origin_ns -= past_ns  # hours begin there
    start, end = start_ns + origin_ns, end_ns + origin_ns
    hours = np.arange(start // HOUR_NS, -(-end // HOUR_NS), dtype=np.int64)
    source = _source_hours(hours, signal.first_ns + origin_ns, signal.last_ns + origin_ns)
    if bool((source < 0).any()):
        lacking = np.datetime64(int(hours[np.argmax(source < 0)]) * HOUR_NS + past_ns, "ns")
        month_day_hour = str(lacking)[5:16].replace("T", " ")
        raise InputError.one(file, f"cannot be repeated by calendar: no year in it has {month_day_hour} UTC")
    # Of each source hour: the value at its start and every change inside it.
    begins = source * HOUR_NS - origin_ns
    first = np.searchsorted(signal.edges_ns, begins, side="right") - 1
    after = np.searchsorted(signal.edges_ns, begins + HOUR_NS, side="left")
    counts = after - first
    hour_of = np.repeat(np.arange(len(hours)), counts)
    index = np.arange(len(hour_of)) - np.repeat(np.cumsum(counts) - counts, counts) + first[hour_of]
    within = np.maximum(signal.edges_ns[index] - begins[hour_of], 0)
    edges = np.append(hours[hour_of] * HOUR_NS + within, (hours[-1] + 1) * HOUR_NS) - origin_ns
    return Signal(edges.astype(np.int64), signal.values[index], signal.unit)


def _source_hours(hours: Ints, first_ns: int, last_ns: int) -> Ints:
    """Which hour since 1970 stands for each of ``hours`` (n,); -1 where none does."""
    covered_from, covered_to = -(-first_ns // HOUR_NS), last_ns // HOUR_NS
    source = np.where((hours >= covered_from) & (hours < covered_to), hours, -1)
    days = (hours // HOURS).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    month, day = months.astype(np.int64) % 12, (days - months).astype(np.int64)
    leap_day = (month == 1) & (day == 28)
    first_year, last_year = (
        int(np.datetime64(hour, "h").astype("datetime64[Y]").astype(np.int64)) for hour in (covered_from, covered_to)
    )
    for stand_in in (False, True):
        for year in range(first_year, last_year + 1):
            wanted = np.minimum(day, 27) if stand_in else day
            month_start = (np.int64(year * 12) + month).astype("datetime64[M]")
            date = month_start.astype("datetime64[D]") + wanted
            exists = date.astype("datetime64[M]") == month_start
            hour = date.astype(np.int64) * HOURS + hours % HOURS
            fits = exists & (hour >= covered_from) & (hour < covered_to) & (leap_day if stand_in else True)
            source = np.where((source < 0) & fits, hour, source)
    return source.astype(np.int64)
