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


def powers_of_two(mean_gpus: float, most_gpus: int) -> Sizes:
    """1, 2, 4 ... ``most_gpus`` GPUs, each of them so many times rarer than the one before that the mean is as given.

    The law of largest entropy of the exponent k for a given mean of 2**k would fall faster than any geometric; traces fall
    slower, and geometrically is the plain middle. Raises ``ValueError`` where no such law has that mean: one must be
    the likeliest, so that it lies between 1 and that of equal shares.
    """
    from scipy.optimize import brentq

    powers = 2 ** np.arange(int(most_gpus).bit_length(), dtype=np.int64)
    if powers[-1] != most_gpus:
        raise ValueError(f"{most_gpus} is no power of two")

    def shares(ratio: float) -> Floats:
        weights: Floats = ratio ** np.arange(len(powers), dtype=np.float64)
        return weights / weights.sum()

    if not 1.0 <= mean_gpus <= powers.mean():
        raise ValueError(f"a mean of {mean_gpus:g} GPUs lies beyond 1 to {powers.mean():g}, that of equal shares")
    if len(powers) == 1 or mean_gpus == 1.0:
        return Sizes((MILLI,), (1.0,))
    ratio = float(brentq(lambda q: float(shares(q) @ powers) - mean_gpus, 0.0, 1.0, xtol=1e-15))
    return Sizes(tuple(int(p) * MILLI for p in powers), tuple(shares(ratio).tolist()))
