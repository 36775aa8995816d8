"""When a price or a carbon intensity is cheap enough to charge at, or dear enough to discharge at.

The rule knows the value now and a window of others: those just gone by (persistence: tomorrow will be like the days
before), or a forecast of those to come with an error that is stated. A perfect forecast has to be asked for by name.
A cycle is wanted only where it pays for its own losses: low < round trip x high.

Bounds are order statistics over the series' own intervals, each counted once, so they do not depend on the bins of a
run. For ``n`` values and a ``share`` (0..0.5), the bounds are the ``1 + floor(share (n - 1))``-th smallest and largest.
Bounds of a signal are low and high ones of each of its intervals (n,), in its unit.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from sim.errors import RunError
from sim.onsite.loop import CHARGE, DISCHARGE, FOLLOW, REST
from sim.signals import Signal

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def window_bounds(values: Floats, first: Ints, last: Ints, share: float) -> tuple[Floats, Floats]:
    """Bounds (n,) of ``values[first[i]:last[i]]`` for each i; neither index may fall, and no window be empty."""
    low, high = np.empty(len(first)), np.empty(len(first))
    window: list[float] = []
    plain = values.tolist()
    begun, done = int(first[0]), int(first[0])
    for i, (begin, end) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        for value in plain[done:end]:
            insort(window, value)
        for value in plain[begun:begin]:
            del window[bisect_left(window, value)]
        begun, done = begin, max(done, end)
        k = int(share * (len(window) - 1))
        low[i], high[i] = window[k], window[-1 - k]
    return low, high


def trailing_bounds(signal: Signal, window_ns: int, share: float) -> tuple[Floats, Floats]:
    """Bounds over each interval and those begun less than ``window_ns`` before it: persistence, no look ahead."""
    starts = signal.edges_ns[:-1]
    first = np.searchsorted(starts, starts - window_ns, side="right")
    return window_bounds(signal.values, first, np.arange(1, len(starts) + 1), share)


def forecast_bounds(
    signal: Signal, window_ns: int, share: float, *, error: float, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Bounds over a forecast of each interval and those that begin less than ``window_ns`` after it.

    A forecast value is the true one plus a normal error, drawn once per interval, with a standard deviation of
    ``error`` times the mean magnitude of the series; 0 is a perfect forecast. Real errors grow with lead time and
    follow each other; this is the plainest form that says how wrong it is.
    """
    starts = signal.edges_ns[:-1]
    scale = error * float(np.abs(signal.values).mean())
    forecast = signal.values + scale * rng.standard_normal(len(starts))
    last = np.searchsorted(starts, starts + window_ns, side="left")
    return window_bounds(forecast, np.arange(len(starts)), last, share)


def wants(values: Floats, low: Floats, high: Floats, round_trip: float) -> npt.NDArray[np.int8]:
    """What the rule wants at each value: charge at or below ``low``, discharge at or above ``high``, else rest.

    Everywhere rest where a cycle between the bounds would not pay for its losses. The arguments broadcast.
    """
    pays = low < round_trip * high
    wish = np.where(values <= low, CHARGE, np.where(values >= high, DISCHARGE, REST))
    return np.asarray(np.where(pays, wish, REST), dtype=np.int8)


class Bounds(Protocol):
    """A way of telling cheap from dear."""

    def of(self, signal: Signal) -> tuple[Floats, Floats]:
        """Low and high bound in each interval of ``signal``."""


@dataclass(frozen=True)
class Fixed:
    """The same two values always, in the signal's unit."""

    low: float
    high: float

    def of(self, signal: Signal) -> tuple[Floats, Floats]:
        """The same two values in each interval."""
        return np.full(len(signal.values), self.low), np.full(len(signal.values), self.high)


@dataclass(frozen=True)
class Trailing:
    """Bounds by the window gone by; see ``trailing_bounds``."""

    window_ns: int
    share: float

    def of(self, signal: Signal) -> tuple[Floats, Floats]:
        """Low and high bound of the window gone by, in each interval."""
        return trailing_bounds(signal, self.window_ns, self.share)


@dataclass(frozen=True)
class Forecast:
    """Bounds by a forecast of the window to come; see ``forecast_bounds``.

    The same ``seed`` errs the same way each time it is asked; ``error`` 0 is perfect.
    """

    window_ns: int
    share: float
    error: float
    seed: int

    def of(self, signal: Signal) -> tuple[Floats, Floats]:
        """Low and high bound of the window to come, as forecast, in each interval."""
        rng = np.random.default_rng(self.seed)
        return forecast_bounds(signal, self.window_ns, self.share, error=self.error, rng=rng)


class Rule(Protocol):
    """A rule that tells a battery what to do."""

    def told(self, price: Signal | None, intensity: Signal) -> Signal:
        """The codes of ``loop`` over time: rest, charge, discharge or follow."""


@dataclass(frozen=True)
class Follow:
    """Self-consumption: the battery stores what is left over, and gives it when it is missing."""

    def told(self, price: Signal | None, intensity: Signal) -> Signal:  # noqa: ARG002
        """Always the code to follow surplus and load."""
        return Signal.constant(float(FOLLOW), "rule")


@dataclass(frozen=True)
class Trade:
    """Trading: the battery charges while the grid is cheap or clean, and serves the load while it is dear or dirty."""

    by: Literal["price", "intensity"]
    bounds: Bounds
    round_trip: float

    def told(self, price: Signal | None, intensity: Signal) -> Signal:
        """The codes over time by the signal it looks at. Raises ``RunError`` where that is a price not given."""
        signal = price if self.by == "price" else intensity
        if signal is None:
            raise RunError("a battery dispatched by price needs a price")
        codes = wants(signal.values, *self.bounds.of(signal), self.round_trip)
        return Signal(signal.edges_ns, codes.astype(np.float64), "rule")
