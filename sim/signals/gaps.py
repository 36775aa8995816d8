"""What to do where a series does not say: a policy the user states, applied alike to every format, and counted.

``refuse`` names every place and stops. ``hold`` lets the last known value stand. ``interpolate`` draws a straight line
between the middles of the known intervals on both sides. Under the last two, rows without a value at either end are
left out, so that the series is shorter and a run outside it is still refused: nothing is extrapolated. Of rows with one
and the same start the first that has a value counts. Times that go back are refused under every policy.

Times label the starts of intervals, or their ends (``Rows.at_end``): then each interval starts a step before its label,
or at the label before, whichever is later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.complaints import Complaints
from sim.errors import InputError
from sim.units import DAY_NS, NS_PER_S

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Policy = Literal["refuse", "hold", "interpolate"]

MOST_FILLED = 5_000_000
"""Intervals filled in before a file is taken to be damaged."""

LONGEST_STEP_NS = 3660 * DAY_NS
"""Rows further apart are no series of a grid, and their ends might not fit the clock."""

REMEDY = "; mend it, or write gaps: hold, or gaps: interpolate"


@dataclass(frozen=True)
class GapReport:
    """What was done to a series, for the manifest. All counts are 0 under ``refuse``, but of rows that say how long
    they last (``mixed_steps``) or that they were estimated.

    ``filled``: intervals of ``step_ns`` that no row gave. ``blank``: rows in which a value was missing. ``duplicates``:
    rows left out because an earlier one has the same start; ``conflicting``: those of them with another value.
    ``mixed_steps``: rows that follow by no whole number of steps. ``trimmed``: rows without a value at either end.
    ``below_zero``: rows in which a generation below zero was taken as none. ``estimated``: rows so marked in the file.
    """

    policy: Policy
    rows: int
    step_ns: int
    filled: int = 0
    blank: int = 0
    duplicates: int = 0
    conflicting: int = 0
    mixed_steps: int = 0
    trimmed: int = 0
    below_zero: int = 0
    estimated: int = 0


@dataclass(frozen=True, eq=False)
class Rows:
    """A series as its file gives it.

    ``starts_ns`` (n,) since 1970; ``values`` (n, k), NaN where blank; ``lines`` (n,) for messages. ``ends_ns`` (n,)
    where the format says how long each row lasts, else None: then a row lasts until the next. ``at_end``: the times
    in ``starts_ns`` are those at which rows end. ``names`` (k,) of the columns, to tell which is blank.
    ``blank_because``: of blank rows, masks (n,) of those for which more can be said than that a value is missing.
    """

    file: str
    starts_ns: Ints
    values: Floats
    lines: Sequence[int]
    ends_ns: Ints | None = None
    below_zero: int = 0
    estimated: int = 0
    paths: Sequence[str] = ()
    at_end: bool = False
    names: Sequence[str] = ()
    blank_because: Mapping[str, Bools] = field(default_factory=dict)

    def path(self, i: int) -> str:
        """Where row ``i`` stands in its document, if it is one."""
        return self.paths[i] if self.paths else ""


class _Faults:
    def __init__(self, rows: Rows, policy: Policy) -> None:
        self._rows, self._policy = rows, policy
        self._complaints = Complaints(rows.file)

    def forgivable(self, places: Ints, message: str) -> int:
        """Faults at rows ``places`` (indices) that ``refuse`` alone minds; how many there are."""
        if self._policy == "refuse":
            self.always(places, message + REMEDY)
        return len(places)

    def blank(self, blank_row: Bools) -> int:
        """Faults of rows without a value, told with the reason where it is known; how many there are."""
        if self._policy == "refuse":
            rest = blank_row.copy()
            for reason, rows in self._rows.blank_because.items():
                self.always(np.flatnonzero(rows & rest), reason)
                rest &= ~rows
            for i in np.flatnonzero(rest):
                self.forgivable(np.array([i]), self._what_is_blank(int(i)))
        return int(blank_row.sum())

    def _what_is_blank(self, i: int) -> str:
        blank = np.isnan(self._rows.values[i])
        if not self._rows.names or bool(blank.all()):
            return "has no value"
        return f"has no value of {', '.join(self._rows.names[int(k)] for k in np.flatnonzero(blank))}"

    def always(self, places: Ints, message: str) -> None:
        for i in places:
            self._complaints.add(self._rows.lines[int(i)], message, self._rows.path(int(i)))

    def raise_if_any(self) -> None:
        self._complaints.raise_if_any()


def commonest_step(starts_ns: Ints) -> int:
    """The most frequent positive distance between starts (n,), the shortest of equals."""
    steps, counts = np.unique(np.diff(starts_ns), return_counts=True)
    return int(steps[np.argmax(np.where(steps > 0, counts, 0))])


def starts_of_ends(ends_ns: Ints) -> Ints:
    """When intervals start that end at ``ends_ns`` (n,), not falling: a step before, or when the one before ends."""
    distinct, index = np.unique(ends_ns, return_inverse=True)
    if len(distinct) < 2:
        return ends_ns
    step = np.int64(commonest_step(distinct))
    before = np.concatenate([distinct[:1] - step, distinct[:-1]])
    return np.asarray(np.maximum(distinct - step, before)[index], dtype=np.int64)


def lasting(times_ns: Ints, *, at_end: bool) -> tuple[Ints, Ints] | None:
    """Starts and ends (n,) of rows whose steps get finer once, as day-ahead prices did: hourly, then by quarter-hours.

    ``times_ns`` label their starts, or their ends. The first step of the finest length that comes twice running is
    where the finer rows begin; before it they last as long as most do. None where the steps get no finer.
    """
    steps = np.diff(np.unique(times_ns))
    twice = steps[:-1][steps[:-1] == steps[1:]]
    if not len(twice) or bool((np.diff(times_ns) < 0).any()):
        return None
    fine = int(twice.min())
    change = int(np.flatnonzero(steps == fine)[0])
    if change == 0:
        return None
    coarse = commonest_step(np.concatenate([[0], np.cumsum(steps[:change])]).astype(np.int64))
    if coarse <= fine or coarse % fine:
        return None
    last_coarse = np.unique(times_ns)[change if at_end else change - 1]
    length = np.where(times_ns <= last_coarse, np.int64(coarse), np.int64(fine))
    return (times_ns - length, times_ns) if at_end else (times_ns, times_ns + length)


def without_gaps(rows: Rows, policy: Policy) -> tuple[Ints, Floats, GapReport]:
    """Edges (m + 1,) in ns since 1970 and finite values (m, k) of ``rows`` under ``policy``, and what was done.

    Every known value is kept where it was. Raises ``InputError`` with every place that the policy does not allow, and
    under any policy where times go back, rows overlap, or fewer than two rows have values.
    """
    if len(rows.starts_ns) < 2:
        raise InputError.one(rows.file, f"needs at least two rows to show its interval; it has {len(rows.starts_ns)}")
    faults = _Faults(rows, policy)
    steps = np.diff(rows.starts_ns)
    faults.always(np.flatnonzero(steps < 0) + 1, "starts before the row above it")
    faults.raise_if_any()
    if rows.at_end:
        rows = replace(rows, starts_ns=starts_of_ends(rows.starts_ns), at_end=False)
        steps = np.diff(rows.starts_ns)
    blank_row: Bools = np.asarray(np.isnan(rows.values).any(axis=1))
    blank = faults.blank(blank_row)
    again = np.concatenate([[False], steps == 0])
    duplicates = faults.forgivable(np.flatnonzero(again), "starts when the row above it does")
    kept, conflicting = _first_known(rows, blank_row, again)
    if len(kept) < 2:
        raise InputError.one(rows.file, "all its rows start at one time")
    step = commonest_step(rows.starts_ns[kept])
    if step > LONGEST_STEP_NS:
        raise InputError.one(
            rows.file, f"has rows {step // DAY_NS:,} days apart; at most {LONGEST_STEP_NS // DAY_NS:,}"
        )
    starts = rows.starts_ns[kept]
    ends = _ends(rows, kept, step, faults)
    missing, mixed = _missing(rows, kept, ends, step, faults)
    faults.raise_if_any()

    known = np.flatnonzero(~blank_row[kept])
    if not len(known):
        raise InputError.one(rows.file, "has no row with all its values")
    first, last = int(known[0]), int(known[-1]) + 1
    starts, ends, missing = starts[first:last], ends[first:last], missing[first:last]
    missing[-1] = 0
    if int(missing.sum()) > MOST_FILLED:
        raise InputError.one(rows.file, f"has gaps of {int(missing.sum()):,} steps; that is more than is filled in")
    edges = _edges(starts, ends, missing, step)
    values = np.full((len(edges) - 1, rows.values.shape[1]), np.nan)
    values[np.searchsorted(edges, starts)] = rows.values[kept[first:last]]
    report = GapReport(
        policy=policy,
        rows=len(rows.starts_ns),
        step_ns=step,
        filled=int(missing.sum()),
        blank=blank,
        duplicates=duplicates,
        conflicting=conflicting,
        mixed_steps=mixed,
        trimmed=len(kept) - (last - first),
        below_zero=rows.below_zero,
        estimated=rows.estimated,
    )
    return edges, _filled(edges, values, policy), report


def _first_known(rows: Rows, blank_row: Bools, again: Bools) -> tuple[Ints, int]:
    """Of each start the first row with its values (else the first), and how many rows gainsay the one kept."""
    group = np.cumsum(~again) - 1
    kept = np.flatnonzero(~again)
    known = np.flatnonzero(~blank_row)
    groups, at = np.unique(group[known], return_index=True)
    kept[groups] = known[at]
    other = again | (np.arange(len(again)) != kept[group])
    differs = (rows.values != rows.values[kept[group]]).any(axis=1)
    return kept, int((other & differs & ~blank_row).sum())


def _ends(rows: Rows, kept: Ints, step: int, faults: _Faults) -> Ints:
    """When each kept row stops holding by itself: as it says, else a step later, or earlier at the next row."""
    starts = rows.starts_ns[kept]
    following = np.append(starts[1:], starts[-1] + np.int64(step))
    if rows.ends_ns is None:
        # The last lasts as long as the one before it, as in a series without faults.
        lasting = min(step, int(starts[-1] - starts[-2]))
        following[-1] = starts[-1] + lasting
        return np.asarray(np.minimum(starts + step, following), dtype=np.int64)
    ends = rows.ends_ns[kept]
    faults.always(kept[ends <= starts], "ends when or before it starts")
    overlaps = np.flatnonzero(ends[:-1] > starts[1:])
    faults.always(kept[overlaps + 1], "starts before the row above it ends")
    return ends


def _missing(rows: Rows, kept: Ints, ends: Ints, step: int, faults: _Faults) -> tuple[Ints, int]:
    """Intervals to fill in after each kept row, (n,), and how many rows come out of step."""
    starts = rows.starts_ns[kept]
    hole = np.append(starts[1:] - ends[:-1], np.int64(0))
    apart = np.diff(starts)
    if rows.ends_ns is None:
        uneven = np.flatnonzero(apart % step) + 1
        for i in uneven:
            message = f"follows the row above it by {apart[i - 1] / NS_PER_S:g} s, not {step / NS_PER_S:g} s"
            faults.forgivable(kept[i : i + 1], message)
    else:
        uneven = np.flatnonzero(apart != step) + 1
        uneven = uneven[hole[uneven - 1] == 0]  # rows of another length, side by side: the file says all
    for i in np.flatnonzero((hole[:-1] > 0) & ((apart % step == 0) | (rows.ends_ns is not None))) + 1:
        faults.forgivable(kept[i : i + 1], f"comes {hole[i - 1] / NS_PER_S:g} s after the end of the row above it")
    missing: Ints = np.asarray(np.maximum(-(-hole // step), 0), dtype=np.int64)
    return missing, len(uneven)


def _edges(starts: Ints, ends: Ints, missing: Ints, step: int) -> Ints:
    """Starts, and where rows are missing the steps from the end of the row before to the next."""
    gaps = np.flatnonzero(missing)
    inside = [ends[i] + np.arange(missing[i], dtype=np.int64) * step for i in gaps]
    return np.asarray(np.sort(np.concatenate([starts, ends[-1:], *inside])), dtype=np.int64)


def _filled(edges: Ints, values: Floats, policy: Policy) -> Floats:
    """Values (m, k) without NaN; the first and the last row have none already."""
    middles = (edges[:-1] - edges[0]) + np.diff(edges) / 2
    filled = values.copy()
    for column in filled.T:
        known = np.flatnonzero(~np.isnan(column))
        unknown = np.flatnonzero(np.isnan(column))
        if policy == "interpolate":
            column[unknown] = np.interp(middles[unknown], middles[known], column[known])
        else:
            column[unknown] = column[known[np.searchsorted(known, unknown) - 1]]
    return filled
