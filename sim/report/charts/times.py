"""Series over time in few points that keep every peak: the mean of a bucket, and the least and the most in it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.units import HOUR_NS, NS_PER_S

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_BUCKETS = 720
"""Drawn of a series over time, however many rows it has."""
DAY_NS = 24 * HOUR_NS
UNITS = ((3 * DAY_NS, DAY_NS, "days"), (HOUR_NS, HOUR_NS, "hours"), (5 * 60 * NS_PER_S, 60 * NS_PER_S, "minutes"))


@dataclass(frozen=True)
class Axis:
    """Time as a page counts it, from 0 to ``high`` in ``unit``."""

    ns_per_unit: int
    unit: str
    high: float

    @classmethod
    def of(cls, end_ns: int) -> Axis:
        """Days, hours, minutes or seconds, as the length of a run has it."""
        ns, unit = next(((ns, name) for least, ns, name in UNITS if end_ns > least), (NS_PER_S, "seconds"))
        return cls(ns, unit, max(end_ns, 1) / ns)

    def at(self, ns: Ints) -> Floats:
        """Instants in the unit of the axis."""
        return np.asarray(ns / self.ns_per_unit, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Buckets:
    """Consecutive bins in groups: the first bin of each, and the edges of the groups (groups + 1,), ns."""

    firsts: Ints
    edges_ns: Ints
    lengths_ns: Ints
    """Of the bins themselves (bins,)."""

    @classmethod
    def of(cls, edges_ns: Ints, most: int = MOST_BUCKETS) -> Buckets:
        """At most ``most`` groups of the bins between ``edges_ns``; every bin by itself where they are few."""
        ends = np.unique(np.linspace(0, len(edges_ns) - 1, most + 1).astype(np.int64))
        return cls(ends[:-1], edges_ns[ends], np.diff(edges_ns))

    @property
    def grouped(self) -> bool:
        """Whether any holds more than one bin."""
        return len(self.firsts) < len(self.lengths_ns)

    def mean(self, values: Floats) -> Floats:
        """The mean over time of each group, of values a bin."""
        weighed = np.add.reduceat(values * self.lengths_ns, self.firsts)
        return np.asarray(weighed / np.diff(self.edges_ns))

    def most(self, values: Floats) -> Floats:
        """The largest value in each group."""
        return np.asarray(np.maximum.reduceat(values, self.firsts))

    def least(self, values: Floats) -> Floats:
        """The smallest value in each group."""
        return np.asarray(np.minimum.reduceat(values, self.firsts))
