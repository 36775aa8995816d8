"""Laws of growth over years: levels relative to the year in which growth begins, where each of them is 1.

All of them are closed forms of the years passed. Compound growth is the law of things that grow in proportion to
themselves; a logistic curve is the same with a ceiling. They are laws of a projection, not of nature: what they are
given decides what comes out, so that they carry no default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


class Law(Protocol):
    """A level in any year, relative to the year ``since``."""

    def level(self, since: float, year: float) -> float:
        """Level in ``year``; 1 in ``since``."""
        ...


@dataclass(frozen=True)
class Compound:
    """``factor`` in every ``years``."""

    factor: float
    years: float

    def level(self, since: float, year: float) -> float:
        """factor^((year - since) / years)."""
        try:
            return float(self.factor ** ((year - since) / self.years))
        except OverflowError:
            return math.inf


@dataclass(frozen=True)
class Reached:
    """``times`` as much in the year ``by``, compound."""

    times: float
    by: float

    def level(self, since: float, year: float) -> float:
        """times^((year - since) / (by - since))."""
        return Compound(self.times, self.by - since).level(since, year)


@dataclass(frozen=True)
class Logistic:
    """From ``share`` of a ceiling on; far below it, twice as much in every ``doubling`` years.

    Griliches, "Hybrid corn: an exploration in the economics of technological change", 1957, doi:10.2307/1905380.
    """

    share: float
    doubling: float

    def level(self, since: float, year: float) -> float:
        """The logistic curve through ``share``, over ``share``."""
        try:
            left = math.exp(-math.log(2.0) * (year - since) / self.doubling)
        except OverflowError:
            return 0.0
        return 1.0 / (self.share + (1.0 - self.share) * left)


@dataclass(frozen=True)
class Table:
    """Levels by year, straight lines between; years outside are refused where they are written."""

    values: Mapping[int, float]

    def level(self, since: float, year: float) -> float:
        """The value of ``year`` over that of ``since``."""
        return self._at(year) / self._at(since)

    def _at(self, year: float) -> float:
        before = max(one for one in self.values if one <= year)
        after = min(one for one in self.values if one >= year)
        if before == after:
            return self.values[before]
        share = (year - before) / (after - before)
        return self.values[before] + share * (self.values[after] - self.values[before])
