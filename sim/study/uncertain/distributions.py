"""Draws of uncertain numbers: quantile functions, uniform designs from named streams, and Gaussian copulas.

Every input has its own stream of its name, so that adding one, or comparing two scenarios that share some, leaves the
draws of the others as they were: common random numbers by construction (Law 2015, *Simulation Modeling and Analysis*,
chapter 11). A latin hypercube stratifies each input (McKay, Beckman, Conover 1979, doi:10.2307/1268522); antithetic
draws come in pairs u, 1 - u (Hammersley, Morton 1956, doi:10.1017/S0305004100031455).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.rng import Streams

Floats = npt.NDArray[np.float64]
Design = Literal["latin-hypercube", "antithetic", "random"]
Quantile = Callable[[Floats], Floats]

MOST_REDRAWS = 200
"""Of one draw: a distribution with less than a hundredth of itself where it may lie is a mistake."""


def normal(mean: float, sd: float) -> Quantile:
    """Quantiles of the normal distribution."""
    return lambda u: mean + sd * from_shares(u)


def lognormal(cv: float, *, mean: float | None = None, median: float | None = None) -> Quantile:
    """Quantiles of the lognormal distribution with coefficient of variation ``cv``: s^2 = ln(1 + cv^2)."""
    variance = float(np.log1p(cv * cv))
    middle = median if median is not None else (mean or 0.0) * np.exp(-variance / 2.0)
    return lambda u: middle * np.exp(np.sqrt(variance) * from_shares(u))


def triangular(low: float, mode: float, high: float) -> Quantile:
    """Quantiles of the triangular distribution; a point where low = high."""
    span = high - low
    if span <= 0.0:
        return lambda u: np.full_like(u, low)
    knee = (mode - low) / span

    def quantile(u: Floats) -> Floats:
        rising = low + np.sqrt(u * span * (mode - low))
        falling = high - np.sqrt((1.0 - u) * span * (high - mode))
        return np.where(u < knee, rising, falling)

    return quantile


def uniform(low: float, high: float) -> Quantile:
    """Quantiles of the uniform distribution."""
    return lambda u: low + (high - low) * u


def empirical(values: Sequence[float], weights: Sequence[float] | None = None) -> Quantile:
    """Quantiles of a sample: the smallest value that at least a share u of the weight does not exceed."""
    order = np.argsort(np.asarray(values, dtype=np.float64), kind="stable")
    known = np.asarray(values, dtype=np.float64)[order]
    weight = (np.ones(len(known)) if weights is None else np.asarray(weights, dtype=np.float64))[order]
    upto = np.cumsum(weight) / weight.sum()
    upto[-1] = 1.0

    def quantile(u: Floats) -> Floats:
        return np.asarray(known[np.minimum(np.searchsorted(upto, u, side="left"), len(known) - 1)])

    return quantile


def scores(streams: Streams, name: str, draws: int, design: Design) -> Floats:
    """``draws`` standard normal scores of the input ``name``, shape (draws,), spread as ``design`` says."""
    rng = streams(f"uncertainty/{name}")
    if design == "latin-hypercube":
        u = (rng.permutation(draws) + rng.uniform(size=draws)) / draws
    elif design == "antithetic":
        half = rng.uniform(size=(draws + 1) // 2)
        u = np.stack([half, 1.0 - half], axis=1).ravel()[:draws]
    else:
        u = rng.uniform(size=draws)
    tiny = np.finfo(np.float64).tiny
    return from_shares(np.clip(u, tiny, 1.0 - np.finfo(np.float64).epsneg))


def correlate(independent: Floats, correlation: float | Literal["comonotone"]) -> Floats:
    """Normal scores, shape (draws, inputs), with ``correlation`` between all pairs: a Gaussian copula.

    The first input keeps its own scores. Raises ``ValueError`` for a correlation that so many inputs cannot have.
    """
    count = independent.shape[1]
    if correlation == "comonotone":
        return np.repeat(independent[:, :1], count, axis=1)
    if not -1.0 / (count - 1) <= correlation <= 1.0:
        raise ValueError(f"{count} inputs cannot have a correlation of {correlation:g}")
    matrix = np.full((count, count), correlation) + (1.0 - correlation) * np.eye(count)
    return independent @ semidefinite_root(matrix).T


def semidefinite_root(matrix: Floats) -> Floats:
    """Lower L with L L' = ``matrix``, symmetric and not negative; a column is zero where a pivot is.

    The scale of a pivot decides whether it is zero: a singular covariance has pivots of rounding only.
    """
    count = len(matrix)
    root = np.zeros_like(matrix)
    for j in range(count):
        pivot = matrix[j, j] - root[j, :j] @ root[j, :j]
        if pivot <= 1e-12 * abs(matrix[j, j]):
            continue
        root[j, j] = np.sqrt(pivot)
        root[j + 1 :, j] = (matrix[j + 1 :, j] - root[j + 1 :, :j] @ root[j, :j]) / root[j, j]
    return root


def shares(normal_scores: Floats) -> Floats:
    """Normal scores as shares in (0, 1), for quantile functions."""
    from scipy.special import ndtr

    return np.clip(ndtr(normal_scores), np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)


def from_shares(u: Floats) -> Floats:
    """Normal scores of shares within (0, 1)."""
    from scipy.special import ndtri  # a fifth of a second to import, which only draws need wait for

    return np.asarray(ndtri(u))


def redrawn(
    values: Floats,
    valid: Callable[[Floats], bool],
    again: Callable[[np.random.Generator], Floats],
    rng: np.random.Generator,
) -> tuple[Floats, int]:
    """``values``, shape (draws, inputs), with rows that are not ``valid`` drawn ``again``; how many were refused.

    This truncates the joint distribution to where it is valid. Raises ``ValueError`` where hardly any draw is.
    """
    kept, refused = values.copy(), 0
    for i in range(len(kept)):
        for _ in range(MOST_REDRAWS):
            if valid(kept[i]):
                break
            refused += 1
            kept[i] = again(rng)
        else:
            raise ValueError(f"of {MOST_REDRAWS} draws none was valid")
    return kept, refused


def joint(
    streams: Streams,
    names: Sequence[str],
    draws: int,
    design: Design,
    groups: Sequence[tuple[Sequence[str], float | Literal["comonotone"]]],
) -> Mapping[str, Floats]:
    """Normal scores of every input by name, shape (draws,) each, correlated within ``groups``."""
    found = {name: scores(streams, name, draws, design) for name in names}
    for members, correlation in groups:
        together = correlate(np.stack([found[name] for name in members], axis=1), correlation)
        found |= {name: together[:, i] for i, name in enumerate(members)}
    return found
