"""Arrival times as sorted int64 nanoseconds from the start of the run."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.signals import Signal
from sim.units import NS_PER_S

Ints = npt.NDArray[np.int64]


def poisson(rate_per_s: float, duration_ns: int, rng: np.random.Generator) -> Ints:
    """Arrivals (n,) of a Poisson process over ``[0, duration_ns)``: exponential gaps, none of them clipped."""
    expected = rate_per_s * (duration_ns / NS_PER_S)
    chunk = int(expected + 4.0 * np.sqrt(expected)) + 16
    pieces: list[npt.NDArray[np.float64]] = []
    last_s = 0.0
    until_s = duration_ns / NS_PER_S
    while last_s * NS_PER_S < duration_ns:
        times_s = last_s + np.cumsum(rng.exponential(1.0 / rate_per_s, size=chunk))
        # A rate of next to nothing has gaps that no float in ns holds.
        pieces.append(np.minimum(times_s, 2.0 * until_s))
        last_s = float(times_s[-1])
    times_ns = np.concatenate(pieces) * NS_PER_S
    return times_ns[times_ns < duration_ns].astype(np.int64)


def poisson_by_rate(rate_per_s: Signal, until_ns: int, rng: np.random.Generator) -> Ints:
    """Arrivals (n,) over ``[0, until_ns)`` of a Poisson process whose rate is a step function that covers it."""
    edges_ns = np.concatenate([[0], rate_per_s.breakpoints(0, until_ns), [until_ns]]).astype(np.int64)
    widths_s = np.diff(edges_ns) / NS_PER_S
    counts = rng.poisson(rate_per_s.on_bins(edges_ns) * widths_s).astype(np.int64)
    return spread_at_random(edges_ns, counts, rng)


def spread_evenly(edges_ns: Ints, counts: Ints) -> Ints:
    """``counts`` (n,) requests in the intervals between ``edges_ns`` (n + 1,), equally spaced within each."""
    total = int(counts.sum())
    interval = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    position = np.arange(total) - first
    widths = np.diff(edges_ns)
    # (2k + 1) / 2n of the width, in integers: no rounding can reorder two arrivals
    return edges_ns[:-1][interval] + (widths[interval] // (2 * counts[interval])) * (2 * position + 1)


def spread_at_random(edges_ns: Ints, counts: Ints, rng: np.random.Generator) -> Ints:
    """``counts`` (n,) requests in the intervals between ``edges_ns`` (n + 1,), as a Poisson process given its counts.

    Given their number, the points of a Poisson process are independent and uniform (Ross, Stochastic Processes,
    theorem 2.3.1).
    """
    widths = np.repeat(np.diff(edges_ns), counts)
    starts = np.repeat(edges_ns[:-1], counts)
    return np.sort(starts + (rng.random(len(widths)) * widths).astype(np.int64))
