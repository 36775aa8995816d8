"""Series of one meter, as several exporters or one that restarted gave them, put together into one.

Labels around a device change: a pod is restarted, an exporter is installed twice, a target gets another address. The
device does not, so its series are one: where one stops another goes on, and where they overlap the one with the most
samples counts. That the others say the same there is checked, and told where they do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SAME = 1e-6
"""Values at one moment that differ by less are the same, but for rounding."""
MEANS_APART = 0.05
"""Two meters at different moments never agree in each sample; their means should."""
HOLE = 2.5
"""Usual intervals without a sample, from which another series goes on."""


class Series(NamedTuple):
    """Times in ns, rising, values, and the lines they stand in (0 where there are none)."""

    times: Ints
    values: Floats
    lines: Ints

    @property
    def answered(self) -> int:
        """How many values are known."""
        return int(np.count_nonzero(~np.isnan(self.values)))


class Disagreement(NamedTuple):
    """How many values of overlapping series have another beside them at that moment, and how far means are apart."""

    at_one_time: int
    means_apart: float
    line: int
    time_ns: int


def series(samples: Sequence[tuple[int, float, int]]) -> tuple[Series, int]:
    """Samples of one source, (ns, value, line), in order of time; and how many had a second value at their time.

    The first one is kept. What is unknown is left out, unless all is.
    """
    times = np.array([time for time, _, _ in samples], dtype=np.int64)
    values = np.array([value for _, value, _ in samples], dtype=np.float64)
    lines = np.array([line for _, _, line in samples], dtype=np.int64)
    known = np.flatnonzero(~np.isnan(values)) if not np.isnan(values).all() else np.arange(len(values))
    order = known[np.argsort(times[known], kind="stable")]
    times, values, lines = times[order], values[order], lines[order]
    new = np.concatenate([[True], np.diff(times) > 0])[: len(times)]
    twice = (
        ~new & ~np.isnan(values) & (values != values[np.maximum.accumulate(np.where(new, np.arange(len(times)), 0))])
    )
    return Series(times[new], values[new], lines[new]), int(twice.sum())


def put_together(sources: Sequence[Series], *, counts: bool) -> tuple[Series, Disagreement | None]:
    """One series of them all, and where they disagree. ``counts``: values count up, so their means are rises."""
    first, *others = sorted((one for one in sources if len(one.times)), key=lambda one: -len(one.times))
    together, found = first, []
    for other in others:
        covered = _covered(other.times, together.times)
        found += [_compared(other, covered, together, counts=counts)]
        merged = [np.concatenate([mine, theirs[~covered]]) for mine, theirs in zip(together, other, strict=True)]
        order = np.argsort(merged[0], kind="stable")
        together = Series(*(column[order] for column in merged))
    worst = max((one for one in found if one is not None), key=lambda one: one.at_one_time, default=None)
    if worst is None:
        return together, None
    apart = max(one.means_apart for one in found if one is not None)
    total = sum(one.at_one_time for one in found if one is not None)
    return together, worst._replace(at_one_time=total, means_apart=apart)


def _covered(times: Ints, by: Ints) -> npt.NDArray[np.bool_]:
    """Which times lie between two samples ``by`` another series that follow each other, or next to one."""
    usual = float(np.median(np.diff(by))) if len(by) > 1 else 0.0
    after = np.searchsorted(by, times)
    before, behind = by[np.maximum(after - 1, 0)], by[np.minimum(after, len(by) - 1)]
    inside = (before <= times) & (times <= behind) & (behind - before <= HOLE * usual)
    near = np.minimum(np.abs(times - before), np.abs(times - behind)) < usual / 2
    return np.asarray(inside | near | (times == behind) | (times == before))


def _compared(other: Series, covered: npt.NDArray[np.bool_], together: Series, *, counts: bool) -> Disagreement | None:
    """How the samples of a series that another covers differ from it; None where they do not."""
    times, values, lines = (column[covered] for column in other)
    if not len(times):
        return None
    there = np.interp(times, together.times, together.values)
    same_time = np.isin(times, together.times)
    scale = np.maximum(np.abs(values), np.abs(there))
    unequal = same_time & (np.abs(values - there) > SAME * scale)
    mine, theirs = (np.array([column[-1] - column[0]]) if counts else column for column in (values, there))
    larger = max(abs(float(mine.mean())), abs(float(theirs.mean())))
    apart = abs(float(mine.mean()) - float(theirs.mean())) / larger if larger > 0 else 0.0
    if not unequal.any() and apart <= MEANS_APART:
        return None
    at = int(np.argmax(unequal))
    return Disagreement(int(unequal.sum()), apart, int(lines[at]), int(times[at]))
