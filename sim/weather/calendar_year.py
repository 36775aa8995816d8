"""A year as slots by month, day and time of day, in which a record stands for that time of any year.

A slot has one record: a second one for it is refused, since nobody can say which of the two is right. 29 February takes
the records of the 28th where the file has none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import numpy.typing as npt

from sim.complaints import Complaints
from sim.errors import InputError
from sim.units import DAY_NS, HOUR_NS
from sim.weather.records import Floats, Place, TypicalYear

Ints = npt.NDArray[np.int64]
MONTHS, DAYS = 12, 31
LENGTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
MINUTE_NS = HOUR_NS // 60


def is_a_day(month: int, day: int) -> bool:
    """Whether some year has that day (month and day from 1)."""
    return 1 <= month <= MONTHS and 1 <= day <= LENGTHS[month - 1]


def slot(month: int, day: int, at_ns: int, step_ns: int) -> int:
    """Slot of the record that begins ``at_ns`` after midnight of a day of any year (month and day from 1)."""
    return ((month - 1) * DAYS + day - 1) * (DAY_NS // step_ns) + at_ns // step_ns


def slots_at(local_ns: Ints, step_ns: int) -> Ints:
    """Slots of the records that begin at ``local_ns`` (n,), ns since 1970 on the clock of the year -> (n,)."""
    days = (local_ns // DAY_NS).astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    month, day = months.astype(np.int64) % MONTHS, (days - months).astype(np.int64)
    return np.asarray((month * DAYS + day) * (DAY_NS // step_ns) + local_ns % DAY_NS // step_ns, dtype=np.int64)


def typical_year(
    file: str,
    place: Place,
    step_ns: int,
    slots: Sequence[int],
    columns: Mapping[str, Floats],
    lines: Sequence[int],
    *,
    step: str,
) -> TypicalYear:
    """The year of records in whatever order the file has them. Raises ``InputError`` for two of one slot.

    ``step`` says in messages how the length of a record is known.
    """
    order = np.argsort(np.array(slots, dtype=np.int64), kind="stable")
    at, line_of = np.array(slots, dtype=np.int64)[order], np.array(lines, dtype=np.int64)[order]
    again = np.flatnonzero(at[1:] == at[:-1]) + 1
    if len(again):
        complaints = Complaints(file)
        first = int(again[0])
        message = f"is a second row for {_said(int(at[first]), step_ns)}, which line {line_of[first - 1]} has ({step})"
        for i in again.tolist():
            complaints.add(int(line_of[i]), message)  # the others are alike
        complaints.raise_if_any()
    return TypicalYear(place, step_ns, at, {name: values[order] for name, values in columns.items()}, line_of, step)


def rows_by_slot(file: str, slots: Ints, step_ns: int, step: str = "") -> Ints:
    """The row for each slot, the first of several. Raises ``InputError`` for a slot that has none.

    ``step`` says how the length of a record is known, as in ``typical_year``.
    """
    per_day = DAY_NS // step_ns
    table = np.full(MONTHS * DAYS * per_day, -1, dtype=np.int64)
    table[slots[::-1]] = np.arange(len(slots))[::-1]
    by_day = table.reshape(MONTHS, DAYS, per_day)
    february = by_day[1]
    february[28] = np.where(february[28] < 0, february[27], february[28])
    for month, length in enumerate(LENGTHS):
        lacking = np.argwhere(by_day[month, :length] < 0)
        if len(lacking):
            day, at = lacking[0].tolist()
            first = slot(month + 1, day + 1, at * step_ns, step_ns)
            message = f"has nothing for {_said(first, step_ns)}: it is not a whole year"
            raise InputError.one(file, message + (f" ({step})" if step else ""))
    return table


def _said(slot: int, step_ns: int) -> str:
    day, at = divmod(slot, DAY_NS // step_ns)
    minutes = at * step_ns // MINUTE_NS
    date = datetime(2000, day // DAYS + 1, day % DAYS + 1)  # a leap year
    return f"{date.day}.{date.month}. {minutes // 60:02d}:{minutes % 60:02d}"
