"""Arrival processes as streams of sorted int64 nanoseconds without an end in sight: renewal, modulated and diurnal.

``Renewal`` and ``Thinned`` are processes as values: they know the streams they draw from, and begin anew when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.rng import Stream
from sim.signals.local_clock import offsets_ns
from sim.units import DAY_NS, HOUR_NS, NS_PER_S
from sim.workload.exact import FAR_NS
from sim.workload.requests import CHUNK, Ints

Floats = npt.NDArray[np.float64]
Gaps = Callable[[int], Floats]
"""The next n gaps between arrivals, in s."""


def renewal(gaps: Gaps, size: int = CHUNK) -> Iterator[Ints]:
    """Arrivals with independent gaps, each rounded to a nanosecond and then added up without rounding.

    The first that is not before ``FAR_NS`` is told as that, and is the last.
    """
    last_ns = 0
    while last_ns < FAR_NS:
        gaps_ns = np.minimum(np.rint(gaps(size) * NS_PER_S), FAR_NS)
        near = int(np.searchsorted(last_ns + np.cumsum(gaps_ns), FAR_NS))
        times_ns = last_ns + np.cumsum(gaps_ns[:near].astype(np.int64))
        if near < size:
            times_ns = np.append(np.minimum(times_ns, FAR_NS), FAR_NS)
        last_ns = int(times_ns[-1])
        yield times_ns


def exponential_gaps(rate_per_s: float, rng: np.random.Generator) -> Gaps:
    """Gaps of a Poisson process: exponential."""
    return lambda n: rng.exponential(1.0 / rate_per_s, n)


def gamma_gaps(rate_per_s: float, cv: float, rng: np.random.Generator) -> Gaps:
    """Gamma gaps of mean 1 / rate and coefficient of variation ``cv``: shape 1 / cv**2."""
    shape = 1.0 / cv**2
    return lambda n: rng.gamma(shape, 1.0 / (rate_per_s * shape), n)


def weibull_gaps(rate_per_s: float, cv: float, rng: np.random.Generator) -> Gaps:
    """Weibull gaps of mean 1 / rate and coefficient of variation ``cv``, whose shape solves ``weibull_cv(k) = cv``."""
    from scipy.optimize import brentq
    from scipy.special import gamma

    shape = float(brentq(lambda k: weibull_cv(k) - cv, 0.08, 200.0))
    scale = 1.0 / (rate_per_s * float(gamma(1.0 + 1.0 / shape)))
    return lambda n: scale * rng.weibull(shape, n)


@dataclass(frozen=True)
class Renewal:
    """Arrivals with independent gaps by a law that has yet to be given what it draws from."""

    gaps: Callable[[np.random.Generator], Gaps]
    arrivals: Stream

    def __call__(self) -> Iterator[Ints]:
        """The arrivals from the first."""
        return renewal(self.gaps(self.arrivals()))


def weibull_cv(shape: float) -> float:
    """Coefficient of variation of a Weibull law: cv**2 + 1 = Gamma(1 + 2/k) / Gamma(1 + 1/k)**2.

    Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 2nd ed., section 21.4.
    """
    from scipy.special import gammaln

    return float(np.sqrt(np.expm1(gammaln(1.0 + 2.0 / shape) - 2.0 * gammaln(1.0 + 1.0 / shape))))


def thinned(
    most_per_s: float, rate_at: Callable[[Ints], Floats], rng: np.random.Generator, choice: np.random.Generator
) -> Iterator[Ints]:
    """A Poisson process whose rate varies: candidates at the highest rate, each kept with chance rate / highest.

    Exact for any rate that stays below ``most_per_s`` (Lewis and Shedler 1979, doi 10.1002/nav.3800260304).
    """
    for times_ns in renewal(exponential_gaps(most_per_s, rng)):
        yield times_ns[choice.random(len(times_ns)) * most_per_s < rate_at(times_ns)]


class Rate(Protocol):
    """A rate that varies, and never exceeds ``most_per_s``."""

    @property
    def most_per_s(self) -> float: ...

    def begun(self) -> Callable[[Ints], Floats]:
        """Requests/s at sorted times (n,) from the start of the run, for a run that begins now."""
        ...


@dataclass(frozen=True)
class Thinned:
    """A Poisson process of a varying rate: candidates and the choice among them have a stream each."""

    rate: Rate
    arrivals: Stream
    thinning: Stream

    def __call__(self) -> Iterator[Ints]:
        """The arrivals from the first."""
        return thinned(self.rate.most_per_s, self.rate.begun(), self.arrivals(), self.thinning())


@dataclass(frozen=True)
class Diurnal:
    """Rate over the day as a cosine about its mean, highest at ``peak_hour``; weekends are scaled.

    By the clock of ``zone``, or UTC: on a day of 23 or 25 hours the hours that are skipped or doubled are the clock's.
    """

    mean_per_s: float
    peak_to_mean: float
    peak_hour: float
    weekend: float
    start_ns: int
    zone: tzinfo | None = None

    @property
    def most_per_s(self) -> float:
        """The highest rate of a day, requests/s."""
        return self.mean_per_s * self.peak_to_mean * max(1.0, self.weekend)

    def begun(self) -> Callable[[Ints], Floats]:
        """See ``Rate``."""
        return self.rate_at

    def rate_at(self, times_ns: Ints) -> Floats:
        """Requests/s at ``times_ns`` (n,) from the start of the run. 1970-01-01 was a Thursday."""
        clock = times_ns + self.start_ns
        if self.zone is not None:
            clock = clock + offsets_ns(self.zone, clock)
        phase = 2.0 * np.pi * (clock % DAY_NS - self.peak_hour * HOUR_NS) / DAY_NS
        day = (clock // DAY_NS + 3) % 7
        return (
            self.mean_per_s * (1.0 + (self.peak_to_mean - 1.0) * np.cos(phase)) * np.where(day >= 5, self.weekend, 1.0)
        )


@dataclass(frozen=True)
class Modulated:
    """States with a rate and an exponential dwell time each; every other state is equally likely to follow (MMPP)."""

    rates_per_s: tuple[float, ...]
    dwells_s: tuple[float, ...]
    states: Stream

    @property
    def most_per_s(self) -> float:
        """The highest rate there is."""
        return max(self.rates_per_s)

    def begun(self) -> Callable[[Ints], Floats]:
        """See ``Rate``."""
        return Modulation(self.rates_per_s, self.dwells_s, self.states()).rate_at


class Modulation:
    """How far the states of a ``Modulated`` rate have come."""

    def __init__(self, rates_per_s: Sequence[float], dwells_s: Sequence[float], rng: np.random.Generator) -> None:
        self._rates = np.asarray(rates_per_s, dtype=np.float64)
        self._dwells = np.asarray(dwells_s, dtype=np.float64)
        self._rng = rng
        share = self._dwells / self._dwells.sum()
        self._state = int(np.searchsorted(np.cumsum(share), rng.random()))
        self._edges: list[int] = [0]
        self._states: list[int] = []

    def rate_at(self, times_ns: Ints) -> Floats:
        """Requests/s at sorted ``times_ns`` (n,); what lies before the first of them is forgotten."""
        if not len(times_ns):
            return np.zeros(0)
        while self._edges[-1] <= times_ns[-1]:
            dwell_s = self._rng.exponential(self._dwells[self._state])
            self._edges.append(self._edges[-1] + max(1, round(dwell_s * NS_PER_S)))
            self._states.append(self._state)
            other = int(self._rng.integers(len(self._rates) - 1))
            self._state = other + (other >= self._state)
        at = np.searchsorted(np.array(self._edges, dtype=np.int64), times_ns, side="right") - 1
        rates: Floats = self._rates[np.array(self._states)[at]]
        past = int(at[0])
        self._edges, self._states = self._edges[past:], self._states[past:]
        return rates
