"""How many tokens: laws of prompt and output lengths, whole numbers of at least 1.

A law takes its generator last, so that ``partial(lognormal, mean, cv, least, most)`` is the law as a value, and a
value with the streams it draws from (``Separate``, ``Resampled``) begins anew each time it is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.rng import Stream
from sim.workload.requests import Ints, LengthLaw

Floats = npt.NDArray[np.float64]
Draw = Callable[[int], Ints]
"""The next n lengths in tokens (n,)."""

MOST_TOKENS = 1 << 21


Law = Callable[[np.random.Generator], Draw]
"""A law that has yet to be given what it draws from."""


def constant(tokens: int, _rng: np.random.Generator) -> Draw:
    """Always the same length."""
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


def histogram(tokens: Sequence[int] | Ints, weights: Sequence[float] | Floats, rng: np.random.Generator) -> Draw:
    """``tokens`` drawn with chances in proportion to ``weights``."""
    values = np.asarray(tokens, dtype=np.int64)
    upto = np.cumsum(np.asarray(weights, dtype=np.float64))
    return lambda n: values[np.minimum(np.searchsorted(upto, rng.random(n) * upto[-1], side="right"), len(values) - 1)]


@dataclass(frozen=True)
class Separate:
    """Prompt and output independent of each other, each from a stream of its own."""

    prompt: Law
    output: Law
    prompts: Stream
    outputs: Stream

    def __call__(self) -> LengthLaw:
        """The law from the start of its streams."""
        prompt, output = self.prompt(self.prompts()), self.output(self.outputs())
        return lambda n: (prompt(n), output(n))


@dataclass(frozen=True, eq=False)
class Resampled:
    """Rows of a trace, ``prompt_tokens`` and ``output_tokens`` (m,), with replacement: each prompt with its output."""

    prompt_tokens: Ints
    output_tokens: Ints
    rows: Stream

    def __call__(self) -> LengthLaw:
        """The law from the start of its stream."""
        rng = self.rows()

        def law(n: int) -> tuple[Ints, Ints]:
            drawn = rng.integers(0, len(self.prompt_tokens), n)
            return self.prompt_tokens[drawn], self.output_tokens[drawn]

        return law
