"""When jobs are submitted: a renewal process in a time of its own, in which the rate of the day and the week is even.

Local hours and weekdays have weights; the clock of the process runs as fast as they say, so that any law of gaps keeps
its character and an exponential one is exactly a Poisson process of that varying rate (Cox and Lewis 1966, The
Statistical Analysis of Series of Events, section 4.2: a change of the scale of time).

Left out: bursts of one user (arrays, sessions), holidays, and growth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo

import numpy as np
import numpy.typing as npt

from sim.rng import Stream
from sim.signals.local_clock import offsets_ns
from sim.units import DAY_NS, HOUR_NS, NS_PER_S
from sim.workload.processes import exponential_gaps, gamma_gaps, weibull_gaps

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_STEP_NS = HOUR_NS // 4
"""Clocks are ahead of UTC by multiples of 15 minutes: within such a step no local hour begins."""


@dataclass(frozen=True)
class Weeks:
    """Weights of the local hours (24) and the weekdays (7, from Monday), each of mean 1, by the clock of ``zone``."""

    hours: tuple[float, ...]
    days: tuple[float, ...]
    zone: tzinfo | None
    start_ns: int

    def weights(self, edges_ns: Ints) -> Floats:
        """The weight of each step between ``edges_ns`` (n + 1,), ns from the start of the run: (n,)."""
        clock = edges_ns[:-1] + self.start_ns
        if self.zone is not None:
            clock = clock + offsets_ns(self.zone, clock)
        hour, day = clock % DAY_NS // HOUR_NS, (clock // DAY_NS + 3) % 7  # 1970-01-01 was a Thursday
        return np.asarray(np.asarray(self.hours)[hour] * np.asarray(self.days)[day])


def scale(weeks: Weeks | None, until_ns: int) -> tuple[Ints, Floats]:
    """Edges (n + 1,) ns of steps up to ``until_ns``, and how much of the process's own time has passed at each, s."""
    if weeks is None:
        return np.array([0, until_ns]), np.array([0.0, until_ns / NS_PER_S])
    # steps of the clock of the world, the first and the last of them cut: local hours begin at whole steps of it
    first = (-weeks.start_ns) % _STEP_NS
    edges = np.unique(np.concatenate([[0], np.arange(first, until_ns, _STEP_NS), [until_ns]])).astype(np.int64)
    passed = np.cumsum(weeks.weights(edges) * np.diff(edges) / NS_PER_S)
    return edges, np.concatenate([[0.0], passed])


@dataclass(frozen=True)
class Exponential:
    """Gaps without memory: a Poisson process."""

    def __call__(self, rate_per_s: float, rng: np.random.Generator) -> Callable[[int], Floats]:
        """What gives the next n gaps, s."""
        return exponential_gaps(rate_per_s, rng)


@dataclass(frozen=True)
class Gamma:
    """Gamma gaps with a coefficient of variation."""

    cv: float

    def __call__(self, rate_per_s: float, rng: np.random.Generator) -> Callable[[int], Floats]:
        """What gives the next n gaps, s."""
        return gamma_gaps(rate_per_s, self.cv, rng)


@dataclass(frozen=True)
class Weibull:
    """Weibull gaps with a coefficient of variation."""

    cv: float

    def __call__(self, rate_per_s: float, rng: np.random.Generator) -> Callable[[int], Floats]:
        """What gives the next n gaps, s."""
        return weibull_gaps(rate_per_s, self.cv, rng)


Gaps = Exponential | Gamma | Weibull


@dataclass(frozen=True)
class Submissions:
    """Instants at which jobs are submitted in ``[0, until_ns)``."""

    gaps: Gaps
    weeks: Weeks | None
    until_ns: int
    stream: Stream

    def at_rate(self, rate_per_s: float) -> Ints:
        """Sorted instants (n,) ns at a rate, jobs/s, that is the mean over a whole week."""
        edges, passed = scale(self.weeks, self.until_ns)
        gaps = self.gaps(rate_per_s, self.stream())
        chunk = int(1.1 * rate_per_s * passed[-1]) + 64
        own: list[Floats] = []
        last = 0.0
        while last < passed[-1]:
            own.append(last + np.cumsum(gaps(chunk)))
            last = float(own[-1][-1])
        return self._told(np.concatenate(own), edges, passed)

    def so_many(self, count: int) -> Ints:
        """``count`` sorted instants (count,) ns.

        They are those of the process given their number: ``count + 1`` gaps scaled to the time there is, which is exact
        for gamma gaps, exponential ones among them, whose shares of a sum do not depend on it (Lukacs 1955,
        doi:10.1214/aoms/1177728549), and close for others.
        """
        edges, passed = scale(self.weeks, self.until_ns)
        own = np.cumsum(self.gaps(1.0, self.stream())(count + 1))
        last = np.nextafter(passed[-1], 0.0)  # a last gap may be lost in rounding, and no instant with it
        return self._told(np.minimum(own[:-1] * (passed[-1] / own[-1]), last), edges, passed)

    def _told(self, own_s: Floats, edges_ns: Ints, passed_s: Floats) -> Ints:
        """The instants, ns, of the process's own time, as far as it goes."""
        own_s = own_s[own_s < passed_s[-1]]
        step = np.searchsorted(passed_s, own_s, side="right") - 1  # beyond steps in which its time stands still
        share = (own_s - passed_s[step]) / (passed_s[step + 1] - passed_s[step])
        times = edges_ns[step] + (share * (edges_ns[step + 1] - edges_ns[step])).astype(np.int64)
        return np.minimum(times, self.until_ns - 1)
