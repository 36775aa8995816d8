"""Laws of random factors: how much more or less than the stated work one of many takes. Values, which draw nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Law(Protocol):
    """Factors above zero, drawn independently."""

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """``count`` of them (count,)."""


@dataclass(frozen=True)
class Same:
    """Always 1."""

    def __call__(self, _rng: np.random.Generator, count: int) -> Floats:
        """``count`` ones."""
        return np.ones(count)


@dataclass(frozen=True)
class Exponential:
    """Of mean 1, without memory."""

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """``count`` factors."""
        return rng.standard_exponential(count)


@dataclass(frozen=True)
class Lognormal:
    """Of mean 1 and a coefficient of variation: the logarithm has variance ln(1 + cv**2)."""

    cv: float

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """``count`` factors."""
        variance = float(np.log1p(self.cv**2))
        return np.asarray(rng.lognormal(-variance / 2.0, variance**0.5, count))


@dataclass(frozen=True)
class LogUniform:
    """From ``low`` to ``high``, each octave as likely as any other."""

    low: float
    high: float

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """``count`` factors."""
        return np.asarray(np.exp(rng.uniform(np.log(self.low), np.log(self.high), count)))


@dataclass(frozen=True)
class Choice:
    """One of ``values``, with probabilities ``shares`` that sum to 1."""

    values: tuple[float, ...]
    shares: tuple[float, ...]

    def __call__(self, rng: np.random.Generator, count: int) -> Floats:
        """``count`` factors."""
        return rng.choice(np.array(self.values), size=count, p=np.array(self.shares))
