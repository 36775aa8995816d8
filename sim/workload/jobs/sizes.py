"""How many GPUs a job asks for: a discrete law, in thousandths of a GPU. Zero is a job that runs on CPUs alone.

Left out: that a user's jobs resemble one another, and that sizes drift over months.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MILLI = 1000
"""Thousandths of a GPU in one."""


@dataclass(frozen=True)
class Sizes:
    """``milli`` thousandths of a GPU with probabilities ``shares``, which sum to 1."""

    milli: tuple[int, ...]
    shares: tuple[float, ...]

    def __call__(self, rng: np.random.Generator, count: int) -> Ints:
        """Sizes of ``count`` jobs (count,), in thousandths of a GPU."""
        return np.asarray(self.milli, np.int64)[one_of(self.shares, rng.random(count))]

    @property
    def mean_gpus(self) -> float:
        """GPUs of a job, on average."""
        return float(np.dot(self.milli, self.shares)) / MILLI


def one_of(shares: tuple[float, ...], uniform: Floats) -> npt.NDArray[np.int64]:
    """Which of the ``shares`` each number (n,) of [0, 1) falls into, by inversion: (n,) of 0..len(shares) - 1."""
    edges = np.cumsum(shares)
    return np.searchsorted(edges[:-1] / edges[-1], uniform, side="right").astype(np.int64)


def powers_of_two(mean_gpus: float, most_gpus: int, single: float | None) -> Sizes:
    """1, 2, 4 ... ``most_gpus`` GPUs, a power of two, each of them rarer (or more frequent) by one and the same factor
    than the one before it, so that the mean is ``mean_gpus``. A share of ``single`` takes one, where it is given, and
    the factor holds from two on.

    Raises ``ValueError`` where no such law has that mean.
    """
    from scipy.optimize import brentq

    powers = 2 ** np.arange(int(most_gpus).bit_length(), dtype=np.int64)
    apart = 0 if single is None else 1
    steps = np.arange(len(powers) - apart, dtype=np.float64)

    def shares(log_ratio: float) -> Floats:
        weights = np.exp(log_ratio * steps - max(0.0, log_ratio * steps[-1]))
        weights /= weights.sum()
        return weights if single is None else np.concatenate([[single], (1.0 - single) * weights])

    def fault(log_ratio: float) -> float:
        return float(shares(log_ratio) @ powers) - mean_gpus

    if most_gpus != powers[-1]:
        raise ValueError(f"{most_gpus} is no power of two")
    if len(steps) < 2 or not fault(-_STEEPEST) < 0.0 < fault(_STEEPEST):
        least, most = fault(-_STEEPEST) + mean_gpus, fault(_STEEPEST) + mean_gpus
        raise ValueError(f"a mean of {mean_gpus:g} GPUs does not lie between {least:g} and {most:g}")
    chosen = shares(float(brentq(fault, -_STEEPEST, _STEEPEST, xtol=1e-14)))
    return Sizes(tuple(int(p) * MILLI for p in powers), tuple(chosen.tolist()))


_STEEPEST = 40.0
"""Of the logarithm of that factor: 2**-57, with which no job has the next size."""
