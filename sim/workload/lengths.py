"""How many tokens: laws of prompt and output lengths, whole numbers of at least 1."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sim.workload.requests import Ints, LengthLaw

Draw = Callable[[int], Ints]
"""The next n lengths in tokens (n,)."""

MOST_TOKENS = 1 << 21


def constant(tokens: int) -> Draw:
    """Always the same."""
    return lambda n: np.full(n, tokens, dtype=np.int64)


def uniform(low: int, high: int, rng: np.random.Generator) -> Draw:
    """Every number from ``low`` to ``high`` equally likely."""
    return lambda n: rng.integers(low, high, n, dtype=np.int64, endpoint=True)


def lognormal(mean: float, cv: float, least: int, most: int, rng: np.random.Generator) -> Draw:
    """Lognormal with this mean and coefficient of variation, rounded and then held between ``least`` and ``most``.

    The bounds change the mean where they cut much of it off.
    """
    variance = float(np.log1p(cv**2))
    location, sigma = float(np.log(mean)) - variance / 2.0, variance**0.5
    return lambda n: np.clip(np.rint(rng.lognormal(location, sigma, n)), least, most).astype(np.int64)


def histogram(tokens: Sequence[int], weights: Sequence[float], rng: np.random.Generator) -> Draw:
    """``tokens`` drawn with chances in proportion to ``weights``."""
    values = np.asarray(tokens, dtype=np.int64)
    upto = np.cumsum(np.asarray(weights, dtype=np.float64))
    return lambda n: values[np.minimum(np.searchsorted(upto, rng.random(n) * upto[-1], side="right"), len(values) - 1)]


def separate(prompt: Draw, output: Draw) -> LengthLaw:
    """Prompt and output independent of each other."""
    return lambda n: (prompt(n), output(n))


def resampled(prompt: Ints, output: Ints, rng: np.random.Generator) -> LengthLaw:
    """Rows of a trace (m,) drawn with replacement, each prompt with its own output."""

    def law(n: int) -> tuple[Ints, Ints]:
        rows = rng.integers(0, len(prompt), n)
        return prompt[rows], output[rows]

    return law
