"""What somebody who decides can know of a signal's future: forecasts with a stated error.

A forecast is made at one instant and covers what follows. ``Perfect`` is the truth, which nobody has: it bounds what
any forecast could reach. ``Persistence`` repeats the last day and uses only the past. ``Noisy`` is the truth with an
error of a stated size that grows with lead time and is correlated in time, as published day-ahead forecasts of carbon
intensity are. It has no bias, and its error does not know the weather that the truth knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.errors import SignalRangeError
from sim.signals.signal import Signal
from sim.units import DAY_NS

Floats = npt.NDArray[np.float64]

DEVIATION_PER_MEAN_ERROR = (np.pi / 2.0) ** 0.5
"""Of a normal error: its standard deviation over its mean absolute value."""


class Forecast(Protocol):
    """A way of forecasting."""

    def made(self, truth: Signal, now_ns: int, until_ns: int, rng: np.random.Generator) -> Signal:
        """The forecast of ``truth`` over ``[now_ns, until_ns)``, made at ``now_ns``, in the same unit.

        Raises ``SignalRangeError`` where ``truth`` does not hold what it needs.
        """


@dataclass(frozen=True)
class Perfect:
    """The true future, which nobody knows: a bound on what any forecast could reach."""

    def made(self, truth: Signal, now_ns: int, until_ns: int, rng: np.random.Generator) -> Signal:  # noqa: ARG002
        """``truth`` itself, cut to the span."""
        return cut(truth, now_ns, until_ns)


@dataclass(frozen=True)
class Persistence:
    """The same hour of the last day before the forecast is made, however far ahead."""

    def made(self, truth: Signal, now_ns: int, until_ns: int, rng: np.random.Generator) -> Signal:  # noqa: ARG002
        """The 24 h before ``now_ns`` again and again: nothing at or after ``now_ns`` is looked at."""
        day = cut(truth, now_ns - DAY_NS, now_ns)
        days = -(-(until_ns - now_ns) // DAY_NS)
        starts = [day.edges_ns[:-1] + k * DAY_NS for k in range(1, days + 1)]
        edges = np.append(np.concatenate(starts), now_ns + days * DAY_NS)
        return cut(Signal(edges, np.tile(day.values, days), day.unit), now_ns, until_ns)


@dataclass(frozen=True)
class Noisy:
    """The truth with an error whose mean absolute size is a stated share of the truth at every lead.

    ``at_once`` is that share at a lead of none, ``day_ahead`` at 24 h and beyond, and linear in between (errors are
    normal, so their deviation is 1.2533 times as much). Errors a time t apart correlate as exp(-t / ``memory_ns``): an
    Ornstein-Uhlenbeck process, taken at the middle of each interval.
    """

    at_once: float
    day_ahead: float
    memory_ns: int

    def made(self, truth: Signal, now_ns: int, until_ns: int, rng: np.random.Generator) -> Signal:
        """``truth + share(lead) x |truth| x z``, with z standard normal at every lead."""
        known = cut(truth, now_ns, until_ns)
        middle = known.edges_ns[:-1] + np.diff(known.edges_ns) // 2
        share = self.mean_error((middle - now_ns).astype(np.float64))
        z = correlated(middle, self.memory_ns, rng)
        error = share * DEVIATION_PER_MEAN_ERROR * np.abs(known.values) * z
        return Signal(known.edges_ns, known.values + error, known.unit)

    def mean_error(self, lead_ns: Floats) -> Floats:
        """Mean absolute error as a share of the truth at leads of any shape."""
        return np.asarray(self.at_once + (self.day_ahead - self.at_once) * np.minimum(lead_ns / DAY_NS, 1.0))


def correlated(t_ns: npt.NDArray[np.int64], memory_ns: int, rng: np.random.Generator) -> Floats:
    """Standard normal numbers at rising instants (n,) whose correlation falls as exp(-distance / ``memory_ns``)."""
    kept = np.exp(-np.diff(t_ns) / memory_ns)
    fresh = rng.standard_normal(len(t_ns))
    fresh[1:] *= np.sqrt(1.0 - kept**2)
    z = fresh
    for i, keep in enumerate(kept):  # each needs the one before
        z[i + 1] += keep * z[i]
    return z


def cut(signal: Signal, start_ns: int, end_ns: int) -> Signal:
    """``signal`` on ``[start_ns, end_ns)`` alone. Raises ``SignalRangeError`` where it does not cover that."""
    if not signal.covers(start_ns, end_ns):
        raise SignalRangeError(
            f"{signal.unit} is asked for over {start_ns}..{end_ns} ns, and known over "
            f"{signal.first_ns}..{signal.last_ns} ns"
        )
    first = int(np.searchsorted(signal.edges_ns, start_ns, side="right"))
    last = int(np.searchsorted(signal.edges_ns, end_ns, side="left"))
    edges = np.concatenate([[start_ns], signal.edges_ns[first:last], [end_ns]]).astype(np.int64)
    return Signal(edges, signal.values[first - 1 : last], signal.unit)
