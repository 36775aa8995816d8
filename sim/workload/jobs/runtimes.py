"""How long jobs run: laws of seconds, each of which can be held below a longest run, its mean in closed form.

A law is asked for draws given that they do not exceed ``top`` (n,), s, which may be infinite. Held below it a law is
cut and scaled (truncated), not piled up at the end: what ends jobs at one instant are time limits, see ``limits``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class RunLaw(Protocol):
    """Seconds above zero, drawn independently."""

    def cdf(self, seconds: Floats) -> Floats:
        """The share that is not longer, of the shape of ``seconds``."""
        ...

    def below(self, seconds: Floats) -> Floats:
        """The mean of all runs with those longer than ``seconds`` counted as 0, s, of its shape."""
        ...

    def draw(self, top: Floats, rng: np.random.Generator) -> Floats:
        """Runs (n,) that are not longer than ``top`` (n,), s."""
        ...


def mean_s(law: RunLaw, top: Floats) -> Floats:
    """The mean run given that it is not longer than ``top``, s, of its shape."""
    return np.asarray(law.below(top) / law.cdf(top))


@dataclass(frozen=True)
class Constant:
    """Always as long."""

    seconds: float

    def cdf(self, seconds: Floats) -> Floats:
        """All or none."""
        return np.where(seconds >= self.seconds, 1.0, 0.0)

    def below(self, seconds: Floats) -> Floats:
        """All or none."""
        return np.asarray(self.seconds * self.cdf(seconds))

    def draw(self, top: Floats, _rng: np.random.Generator) -> Floats:
        """As many of them; whoever asks for shorter ones gets those."""
        return np.asarray(np.minimum(self.seconds, top))


@dataclass(frozen=True)
class Lognormal:
    """The logarithm is normal, with its mean at ln ``median_s`` and the standard deviation ``sigma``."""

    median_s: float
    sigma: float

    def cdf(self, seconds: Floats) -> Floats:
        """Phi((ln x - mu) / sigma)."""
        from scipy.special import ndtr

        return np.asarray(ndtr(np.log(np.asarray(seconds) / self.median_s) / self.sigma))

    def below(self, seconds: Floats) -> Floats:
        """exp(mu + sigma**2 / 2) Phi((ln x - mu) / sigma - sigma).

        Source: Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1, 2nd ed., section 14.3.
        """
        from scipy.special import ndtr

        mean = self.median_s * np.exp(self.sigma**2 / 2.0)
        return np.asarray(mean * ndtr(np.log(np.asarray(seconds) / self.median_s) / self.sigma - self.sigma))

    def draw(self, top: Floats, rng: np.random.Generator) -> Floats:
        """By inversion of the part below ``top``."""
        from scipy.special import ndtri

        return np.asarray(self.median_s * np.exp(self.sigma * ndtri(rng.random(len(top)) * self.cdf(top))))


@dataclass(frozen=True)
class Weibull:
    """exp(-(x / ``scale_s``)**``shape``) are longer than x; exponential at shape 1, with a heavy tail below."""

    scale_s: float
    shape: float

    def cdf(self, seconds: Floats) -> Floats:
        """1 - exp(-(x / scale)**shape)."""
        return -np.expm1(-((np.asarray(seconds) / self.scale_s) ** self.shape))

    def below(self, seconds: Floats) -> Floats:
        """scale times the lower incomplete gamma function of 1 + 1 / shape, at (x / scale)**shape."""
        from scipy.special import gamma, gammainc

        order = 1.0 + 1.0 / self.shape
        return np.asarray(
            self.scale_s * gamma(order) * gammainc(order, (np.asarray(seconds) / self.scale_s) ** self.shape)
        )

    def draw(self, top: Floats, rng: np.random.Generator) -> Floats:
        """By inversion of the part below ``top``."""
        return np.asarray(self.scale_s * (-np.log1p(-rng.random(len(top)) * self.cdf(top))) ** (1.0 / self.shape))


@dataclass(frozen=True)
class Mixture:
    """One of several laws, with probabilities ``shares`` that sum to 1."""

    shares: tuple[float, ...]
    laws: tuple[RunLaw, ...]

    def cdf(self, seconds: Floats) -> Floats:
        """Weighed."""
        return np.asarray(sum(share * law.cdf(seconds) for share, law in zip(self.shares, self.laws, strict=True)))

    def below(self, seconds: Floats) -> Floats:
        """Weighed."""
        return np.asarray(sum(share * law.below(seconds) for share, law in zip(self.shares, self.laws, strict=True)))

    def draw(self, top: Floats, rng: np.random.Generator) -> Floats:
        """First which law, by how much of it lies below ``top``, then from that."""
        weights = np.cumsum([share * law.cdf(top) for share, law in zip(self.shares, self.laws, strict=True)], axis=0)
        which = (rng.random(len(top)) * weights[-1] >= weights[:-1]).sum(axis=0)
        drawn = np.empty(len(top))
        for i, (law, own) in enumerate(zip(self.laws, rng.spawn(len(self.laws)), strict=True)):
            drawn[which == i] = law.draw(top[which == i], own)  # else more of one draw another of the next
        return drawn
