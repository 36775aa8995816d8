"""Random factors of mean 1 on a service time, each a value that names the stream it draws from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.rng import Stream


@dataclass(frozen=True)
class Exponential:
    """Exponential factors, as of a memoryless server."""

    stream: Stream

    def __call__(self) -> Callable[[], float]:
        """The draws from the first."""
        return self.stream().standard_exponential


@dataclass(frozen=True)
class Lognormal:
    """Lognormal factors with a coefficient of variation: the logarithm has variance ln(1 + cv**2)."""

    cv: float
    stream: Stream

    def __call__(self) -> Callable[[], float]:
        """The draws from the first."""
        rng, variance = self.stream(), float(np.log1p(self.cv**2))
        return lambda: float(rng.lognormal(-variance / 2.0, variance**0.5))
