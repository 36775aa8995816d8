"""Intervals of results as rows, and the interval of a difference between two runs that drew alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import isclose
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.results.catalogue import in_words
from sim.results.formats import Grid, number, percent

if TYPE_CHECKING:
    import pyarrow as pa

Floats = npt.NDArray[np.float64]
NAMED = ("draw", "seed")
SAME = 1e-9
"""Relative: what draws leave as it is differs by rounding alone."""


@dataclass(frozen=True)
class DifferenceInterval:
    """Percentiles of other - first over common draws, and the share of draws in which the first is below the other."""

    p05: float
    p50: float
    p95: float
    first_below: float

    def as_dict(self) -> dict[str, float]:
        """The interval as plain data."""
        return asdict(self)


ROUNDING = 1e-12
"""Relative difference of two sums of the same floats in another order."""


def share_below(first: Floats, other: Floats) -> float:
    """Share of pairs in which ``first`` < ``other``; an equal pair counts half."""
    return float((first < other).mean() + 0.5 * (first == other).mean())


def difference(first: Floats, other: Floats) -> DifferenceInterval:
    """The interval of a difference of pairs under common random numbers: what draws share cancels, as rounding does."""
    first = np.where(np.abs(other - first) <= ROUNDING * np.maximum(np.abs(first), np.abs(other)), other, first)
    p05, p50, p95 = (float(value) for value in np.percentile(other - first, (5.0, 50.0, 95.0)))
    return DifferenceInterval(p05, p50, p95, share_below(first, other))


def common_draws(first: pa.Table | None, other: pa.Table | None) -> dict[str, DifferenceInterval]:
    """The interval of every result's difference, by dotted path; empty where two runs did not draw the same.

    Two runs drew the same if they have the same draws under the same seeds of the same inputs: an input has the same
    random numbers wherever its name and the scenario's seed are the same.
    """
    if first is None or other is None:
        return {}
    inputs = [{name for name in table.column_names if name.startswith("input:")} for table in (first, other)]
    if inputs[0] != inputs[1] or first.num_rows != other.num_rows:
        return {}
    if any(not first[name].equals(other[name]) for name in NAMED):
        return {}
    results = [name for name in first.column_names if name not in NAMED and not name.startswith("input:")]
    both = [name for name in results if name in other.column_names]
    return {name: difference(first[name].to_numpy(), other[name].to_numpy()) for name in both}


def interval_grid(summary: Mapping[str, Any]) -> Grid | None:
    """Percentiles of every uncertain result, and the share of its variance that the parameters contribute."""
    intervals = summary.get("intervals")
    if not intervals:
        return None
    rows = [
        [
            in_words(path, summary),
            *(number(found[end]) for end in ("p05", "p50", "p95")),
            percent(found.get("from_parameters")),
            percent(found.get("from_chance")),
        ]
        for path, found in intervals.items()
        if not isclose(found["p05"], found["p95"], rel_tol=SAME)  # sums of equal numbers in another order
    ]
    header = ("interval of", "p05", "p50", "p95", "parameters", "chance")
    if not any(row[4] or row[5] for row in rows):  # under one seed nothing tells them apart
        return header[:4], [row[:4] for row in rows]
    return header, rows


def interval_remark(summary: Mapping[str, Any]) -> str:
    """How the intervals came about."""
    about = summary["uncertainty"]
    refused = f", {about['refused_draws']} refused as impossible and drawn again" if about["refused_draws"] else ""
    seeds = "one seed" if about["seeds"] == 1 else f"{about['seeds']} seeds each"
    return f"Intervals over {about['draws']} draws under {seeds}{refused}."


def difference_grid(intervals: Mapping[str, DifferenceInterval]) -> Grid | None:
    """The interval of each difference, and in what share of the draws the first run is below the other."""
    rows = [
        [in_words(path), number(found.p05), number(found.p50), number(found.p95), percent(found.first_below)]
        for path, found in intervals.items()
        if found.p05 or found.p95
    ]
    return (("other - first", "p05", "p50", "p95", "first < other"), rows) if rows else None
