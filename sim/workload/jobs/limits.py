"""How long users say that a job will run: wrong, as in reality, and wrong in the way that matters to backfilling.

Real limits are few round values: some twenty of them are those of nine jobs in ten, the longest that is allowed is
among the commonest, and they say little of the run but that it is shorter. A law of limits that multiplies the run by
a factor tells a scheduler far more than users do (Tsafrir, Etsion and Feitelson 2005, "Modeling User Runtime
Estimates", JSSPP, doi:10.1007/11605300_1; Mu'alem and Feitelson 2001, doi:10.1109/71.932708).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.units import MINUTE_NS
from sim.workload.exact import at_most_ns
from sim.workload.jobs.table import UNKNOWN

Ints = npt.NDArray[np.int64]

POPULAR = (5, 10, 15, 20, 30, 60, 120, 180, 240, 300, 360, 480, 600, 720, 1080)
"""Minutes. The limits that stand among the twenty commonest of all four traces that the model was made from (SDSC-106,
CTC, KTH and BLUE): constants of the authors' own implementation, est_model.cc (Parallel Workloads Archive)."""

ROUND = (12000, 6000, 3000, 600, 300, 120, 60, 20, 10, 5)
"""Minutes. Multiples of these, from the longest limit downwards, make up twenty. Source: as above."""

TOP = 20
SIZE, DECAY, LEAST = 0.140491, -0.177531, 0.00462513
"""Share of jobs with the limit of popularity rank x from 2 to 20: SIZE exp(DECAY x) + LEAST. Source: as above."""
OF_TOP = 0.89
"""Share of jobs with one of the twenty. Source: as above. The rest, of hundreds of values, is given to the twenty."""


class LimitLaw(Protocol):
    """What is asked for, once it is known how long jobs would run."""

    def __call__(self, run_ns: Ints, rng: np.random.Generator, /) -> Ints:
        """Limits (n,) ns of jobs that would run for ``run_ns`` (n,); UNKNOWN for none."""
        ...


@dataclass(frozen=True)
class Unlimited:
    """Nobody says how long."""

    def __call__(self, run_ns: Ints, _rng: np.random.Generator) -> Ints:
        """None."""
        return np.full(len(run_ns), UNKNOWN, np.int64)


@dataclass(frozen=True)
class Exact:
    """Everybody knows: what no user does, and what an upper bound of a scheduler's performance needs."""

    def __call__(self, run_ns: Ints, _rng: np.random.Generator) -> Ints:
        """The runs themselves."""
        return run_ns.copy()


@dataclass(frozen=True)
class Multiple:
    """The run times a factor between 1 and ``most``, each as likely (the f-model of Mu'alem and Feitelson 2001)."""

    most: float

    def __call__(self, run_ns: Ints, rng: np.random.Generator) -> Ints:
        """At least the runs."""
        return at_most_ns(np.ceil(run_ns * (1.0 + (self.most - 1.0) * rng.random(len(run_ns)))))


@dataclass(frozen=True)
class Estimates:
    """A few round values, ``limits_ns`` rising, which have the shares ``shares`` of all jobs.

    ``killed`` of the jobs run into theirs: all who would run longer than the last value, and as many others as make up
    the share, who get the longest value that is too short. The rest get values at random, among all ways of giving them
    out in which nobody's is too short. Where so many run long that the shares cannot be kept, more get the longest.
    """

    limits_ns: tuple[int, ...]
    shares: tuple[float, ...]
    killed: float

    def __call__(self, run_ns: Ints, rng: np.random.Generator) -> Ints:
        """Limits (n,); see the class."""
        values = np.asarray(self.limits_ns, np.int64)
        least = np.searchsorted(values, run_ns, side="left")  # the first that is long enough
        chosen = np.full(len(run_ns), len(values) - 1)
        beyond = int((least == len(values)).sum())
        others = round(self.killed * len(run_ns)) - beyond
        too_short = _some(np.flatnonzero((least > 0) & (least < len(values))), others, rng)
        chosen[too_short] = least[too_short] - 1
        left = _rounded(np.asarray(self.shares), len(run_ns))
        left -= np.bincount(chosen[least == len(values)], minlength=len(values))
        left -= np.bincount(chosen[too_short], minlength=len(values))
        left = np.maximum(left, 0)
        waiting = np.ones(len(run_ns), bool)
        waiting[too_short] = False
        # From the longest runs down, those who have the same choice draw from what is left of it. How many choices
        # there are at each step does not depend on what was drawn before: all ways are equally likely.
        for value in range(len(values) - 1, -1, -1):
            asking = rng.permutation(np.flatnonzero(waiting & (least == value)))
            served = min(len(asking), int(left[value:].sum()))
            drawn = rng.multivariate_hypergeometric(left[value:], served, method="marginals")
            chosen[asking[:served]] = value + np.repeat(np.arange(len(drawn)), drawn)
            left[value:] -= drawn
        return np.asarray(values[chosen])


def _some(rows: Ints, count: int, rng: np.random.Generator) -> Ints:
    """As many of ``rows`` as asked for, or all."""
    return np.asarray(rng.choice(rows, min(len(rows), max(0, count)), replace=False, shuffle=False))


def _rounded(shares: npt.NDArray[np.float64], count: int) -> Ints:
    """``count`` split by ``shares``: whole numbers that sum to it, each at most 1 away: the running sum is rounded."""
    return np.asarray(np.diff(np.rint(np.concatenate([[0.0], np.cumsum(shares)]) / shares.sum() * count)), np.int64)


@dataclass(frozen=True)
class Popular:
    """The model of Tsafrir et al. (2005) for a system that allows no more than ``longest_ns``, an hour at least.

    Its twenty values and their shares by popularity, of which the longest has the largest; which of the others is how
    popular is drawn, where the authors' implementation takes it from one of their four traces.
    """

    longest_ns: int
    killed: float

    def __call__(self, run_ns: Ints, rng: np.random.Generator) -> Ints:
        """Limits (n,); see ``Estimates``."""
        return self.estimates(rng)(run_ns, rng)

    def estimates(self, rng: np.random.Generator) -> Estimates:
        """The values, and which of them is how popular."""
        longest = self.longest_ns // MINUTE_NS
        minutes = [one for one in POPULAR if one < longest]
        for step in ROUND:
            for value in range(longest // step * step, 0, -step):
                if len(minutes) < TOP - 1 and value not in minutes and value < longest:
                    minutes.append(value)
        shares = SIZE * np.exp(DECAY * np.arange(2.0, len(minutes) + 2.0)) + LEAST
        by_limit = dict(zip(minutes, rng.permutation(shares).tolist(), strict=True))
        rising = sorted(by_limit)
        given = [by_limit[one] for one in rising]
        most = OF_TOP - sum(given)
        return Estimates(
            (*(one * MINUTE_NS for one in rising), self.longest_ns),
            (*(one / OF_TOP for one in given), most / OF_TOP),
            self.killed,
        )
