"""Instants as traces write them, a column at once: with an offset from UTC, or on a clock whose zone the user names.

Where clocks go back, an hour of a local clock comes twice. Which of the two a time is, its row tells: a job starts
after it was submitted and ends after it started, by as long as it is said to have run. Where that leaves both, it is
the first; a submission is the one nearest to that of the row before. Where clocks go forward, an hour never was: a row
with such a time cannot be used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from itertools import product
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.errors import InputError
from sim.instants import NO_OFFSET, named_zone, nearest
from sim.signals.local_clock import readings_ns
from sim.units import NS_PER_S
from sim.workload.jobs.cells import ABSENT, Bools, Cells, Ints
from sim.workload.trace_formats import short

_WITH_OFFSET = r"(Z|[+-]\d{2}(:?\d{2})?)$"
_DATED = r"^(19|20|21)\d{2}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)"
"""The years of ``sim.instants``, and an hour of the day or none."""
_COUNTED = r"^\d{8,10}$"
"""Seconds since 1970."""
DOUBLED = "have a time in an hour that a change of clock doubles, told by the row"


@dataclass(frozen=True, eq=False)
class Readings:
    """ns since 1970 (n,), ABSENT where there is none; ``late`` differs from ``early`` in an hour that comes twice."""

    early: Ints
    late: Ints

    @property
    def doubled(self) -> Bools:
        """Which come twice."""
        return np.asarray(self.early != self.late, dtype=bool)


@dataclass
class Clock:
    """The clock of one file: its zone, where somebody named it, and the last submission that was read."""

    file: str
    zone: str | None
    hint: str
    before: int | None = None
    _zone: tzinfo | None = field(init=False)

    def __post_init__(self) -> None:
        self._zone = None if self.zone is None else named_zone(self.zone)

    def read(self, cells: Cells, name: str, none: Sequence[str]) -> Readings:
        """The instants of a column, in which the words of ``none`` stand for no time.

        Raises ``InputError`` for times without an offset where no zone is named.
        """
        column = cells.text(name)
        there = ~cells.is_one_of(name, none)
        dated = _matches(column, _DATED) & there
        counted = _matches(column, _COUNTED) & there
        ns = np.full(len(cells), ABSENT, dtype=np.int64)
        ns[counted] = pc.cast(column.filter(pa.array(counted)), pa.int64()).to_numpy() * NS_PER_S
        ns[dated] = _parsed(column, dated)
        none_at_all = there & (ns == ABSENT)
        cells.complain(none_at_all, lambda row: f"{name} is no time: {short(repr(column[row].as_py()))}")
        local = dated & ~none_at_all & ~_matches(column, _WITH_OFFSET)
        if not local.any():
            return Readings(ns, ns)
        if self._zone is None:
            line = int(cells.line[np.argmax(local)])
            raise InputError.one(self.file, f"{name} {NO_OFFSET}; write 'zone', e.g. {self.hint}", line=line)
        late = ns.copy()
        ns[local], late[local], never = readings_ns(self._zone, ns[local])
        skipped = np.zeros(len(cells), dtype=bool)
        skipped[local] = never
        cells.complain(
            skipped, lambda row: f"{name} {column[row].as_py()} never was in {self._named}: clocks went over it"
        )
        return Readings(ns, late)

    @property
    def _named(self) -> str:
        return self._zone.key if isinstance(self._zone, ZoneInfo) else str(self._zone)

    def settle(
        self, cells: Cells, submit: Readings, start: Readings, end: Readings, ran: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """When each job was submitted, started and ended, of all that its times may mean; ``ran`` in ns or ABSENT."""
        submitted = submit.early.copy()
        for row in np.flatnonzero(submit.doubled).tolist():
            before = submitted[row - 1] if row else self.before
            both = [int(submit.early[row]), int(submit.late[row])]
            submitted[row] = both[0] if before in (None, ABSENT) else nearest(both, int(before))
        if len(submitted):
            self.before = int(submitted[-1])
        started, ended = start.early.copy(), end.early.copy()
        open_ = start.doubled | end.doubled
        settled = ~open_
        for strict, (one, other) in product((True, False), product((start.early, start.late), (end.early, end.late))):
            fits = ((one == ABSENT) | (one >= submitted)) & ((one == ABSENT) | (other == ABSENT) | (other >= one))
            if strict:
                fits &= (ran == ABSENT) | (other - one == ran)
            now = fits & ~settled
            started[now], ended[now] = one[now], other[now]
            settled |= now
        cells.note(open_ | submit.doubled, DOUBLED)
        return submitted, started, ended


def _matches(column: pa.StringArray, pattern: str) -> Bools:
    return np.asarray(pc.match_substring_regex(column, pattern).to_numpy(zero_copy_only=False), dtype=bool)


def _parsed(column: pa.StringArray, rows: Bools) -> Ints:
    """ns since 1970 of the times at ``rows``, those without an offset as if on UTC's clock; ABSENT for what is none."""
    chosen = column if rows.all() else column.filter(pa.array(rows))
    if not len(chosen):
        return np.empty(0, dtype=np.int64)
    import pandas as pd  # a quarter of a second, which traces that count seconds need not wait for

    texts = chosen.dictionary_encode()
    read = pd.to_datetime(
        pd.Series(texts.dictionary.to_pylist(), dtype=object), format="ISO8601", utc=True, errors="coerce"
    )
    values = read.to_numpy(dtype="datetime64[ns]").astype(np.int64)  # NaT is the least of all numbers, as ABSENT is
    return np.asarray(values[texts.indices.to_numpy(zero_copy_only=False)], dtype=np.int64)
