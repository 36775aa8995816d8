"""Laws fitted to the jobs of a trace: shares of sizes, run times of several families, and how far each is off.

Run times are fitted as g**exponent times a law of one GPU (of one processor, one job), the exponent by least squares of
the logarithms. All is meant for some thousand jobs or more, of which half are kept to be judged by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from sim.workload.jobs.runtimes import Lognormal, Mixture, RunLaw, Weibull
from sim.workload.jobs.sizes import MILLI, Sizes

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def fitted_sizes(milli: Ints) -> Sizes:
    """The shares of the sizes that there are (n,), in thousandths of a GPU."""
    values, counts = np.unique(milli, return_counts=True)
    return Sizes(tuple(int(v) for v in values), tuple((counts / counts.sum()).tolist()))


def fitted_exponent(run_s: Floats, gpus: Floats) -> float:
    """Of run times ~ gpus**exponent, by least squares of logarithms; 0 where all are of one size."""
    logs = np.log(gpus)
    spread = float(np.var(logs))
    return float(np.mean((logs - logs.mean()) * np.log(run_s))) / spread if spread > 0.0 else 0.0


def exponential(run_s: Floats) -> RunLaw:
    """Of the same mean, which is the likeliest."""
    return Weibull(float(run_s.mean()), 1.0)


def weibull(run_s: Floats) -> RunLaw:
    """The likeliest: sum(x**k ln x) / sum(x**k) - 1 / k = mean(ln x), and scale**k = mean(x**k)."""
    from scipy.optimize import brentq

    logs = np.log(run_s)
    logs_from = logs - logs.max()  # so that no power overflows

    def fault(k: float) -> float:
        weights = np.exp(k * logs_from)
        return float(weights @ logs / weights.sum() - 1.0 / k - logs.mean())

    shape = float(brentq(fault, 0.01, 50.0))
    return Weibull(float(np.exp(logs.max()) * np.mean(np.exp(shape * logs_from)) ** (1.0 / shape)), shape)


def lognormal(run_s: Floats) -> RunLaw:
    """The likeliest: mean and standard deviation of the logarithms."""
    logs = np.log(run_s)
    return Lognormal(float(np.exp(logs.mean())), float(logs.std()))


def two_lognormals(run_s: Floats) -> RunLaw:
    """A mixture of two to runs (n,), s, by expectation and maximisation from the lower and the upper half on (Dempster,
    Laird, Rubin 1977, doi 10.1111/j.2517-6161.1977.tb01600.x)."""
    logs = np.log(run_s)
    upper = (logs > np.median(logs)).astype(np.float64)
    share, means, sigmas = np.zeros(2), np.zeros(2), np.zeros(2)
    for _ in range(500):
        for i, weights in enumerate((1.0 - upper, upper)):
            share[i] = weights.mean()
            means[i] = weights @ logs / weights.sum()
            sigmas[i] = max(1e-3, float(np.sqrt(weights @ (logs - means[i]) ** 2 / weights.sum())))
        density = share[:, None] / sigmas[:, None] * np.exp(-0.5 * ((logs - means[:, None]) / sigmas[:, None]) ** 2)
        before, upper = upper, density[1] / density.sum(axis=0)
        if float(np.abs(upper - before).max()) < 1e-6:
            break
    laws = tuple(Lognormal(float(np.exp(m)), float(s)) for m, s in zip(means, sigmas, strict=True))
    return Mixture((float(share[0]), float(share[1])), laws)


FAMILIES: Mapping[str, Callable[[Floats], RunLaw]] = {
    "exponential": exponential,
    "weibull": weibull,
    "lognormal": lognormal,
    "two-lognormals": two_lognormals,
}


def distance(law: RunLaw, run_s: Floats) -> float:
    """The largest distance between the law's share of runs up to a length and that of some runs (n,): 0..1.

    The statistic of Kolmogorov and Smirnov, of runs in whole seconds: compared half a second beyond each length.
    """
    values, counts = np.unique(run_s, return_counts=True)
    return float(np.abs(law.cdf(values + 0.5) - np.cumsum(counts) / counts.sum()).max())


def distance_of_sizes(law: Sizes, milli: Ints) -> float:
    """The same of sizes, in thousandths of a GPU."""
    values = np.unique(np.concatenate([milli, np.asarray(law.milli, np.int64)]))
    seen = np.searchsorted(np.sort(milli), values, side="right") / len(milli)
    said = np.array([sum(s for m, s in zip(law.milli, law.shares, strict=True) if m <= value) for value in values])
    return float(np.abs(seen - said).max())


def from_moments(
    sizes: Sizes, mean_s: float, median_s: float, mean_gpu_s: float, longest_s: float
) -> tuple[Lognormal, float]:
    """The lognormal law of one GPU, and the exponent of the size, from what is published of a trace: mean and median
    run, s, mean GPU-seconds of a job, and the longest run, by which the law is cut. Three numbers make three."""
    from scipy.optimize import brentq, least_squares

    gpus, shares = np.asarray(sizes.milli) / MILLI, np.asarray(sizes.shares)
    told = np.log([mean_s, median_s, mean_gpu_s])

    def faults(x: Floats) -> Floats:
        law, longer = Lognormal(float(np.exp(x[0])), float(x[1])), gpus ** x[2]
        top = longest_s / longer
        means = longer * law.below(top) / law.cdf(top)

        def beyond_half(log_s: float) -> float:
            return float(shares @ (law.cdf(np.minimum(np.exp(log_s) / longer, top)) / law.cdf(top))) - 0.5

        half = float(brentq(beyond_half, -10.0, np.log(longest_s)))
        return np.array([np.log(shares @ means), half, np.log(shares @ (gpus * means))]) - told

    found = least_squares(
        faults, np.array([np.log(median_s), np.sqrt(2.0 * np.log(mean_s / median_s)), 0.2]), xtol=1e-14
    ).x
    return Lognormal(float(np.exp(found[0])), float(found[1])), float(found[2])
