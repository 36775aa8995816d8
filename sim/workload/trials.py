"""What trials of a campaign are like, drawn before any is trained, and what each shows of its quality on the way.

The quality of a trial is a standard normal number, lower is better: only ranks mean anything. What it shows after a
share p of its training is that number plus an error, as if the training were a sum of equal, independent pieces of
evidence of which p have been seen: a Brownian motion W of variance noise**2 at 1 has W(p)/p - W(1) of variance
noise**2 (1/p - 1), so that at the end it shows what it is. The correlation of what is shown with the quality is
1 / sqrt(1 + noise**2 (1/p - 1)), and the errors of one trial at two rungs are correlated as those of running means are.

Left out: that quality depends on a trial's size, that curves cross for reasons of their own, and what a search learns
from one trial for the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sim.rng import Stream

if TYPE_CHECKING:
    from sim.workload.laws import Law


@dataclass(frozen=True)
class Drawn:
    """One trial: which variant it is, its work relative to what is stated, its quality, what it ``shows`` at each
    rung, and at which share of its training it fails, if it does."""

    variant: int
    factor: float
    quality: float
    shows: tuple[float, ...]
    fails_at: float | None = None


@dataclass(frozen=True)
class Trials:
    """All trials, each by its number, from a stream of its own: a rule changes nothing of who they are.

    A share of them is ``failing``, at a share of their training between 0 and ``fails_within``.
    """

    stream: Stream
    weights: tuple[float, ...]
    factors: Law
    noise: float
    rungs: tuple[float, ...]
    failing: float = 0.0
    fails_within: float = 1.0

    def __getitem__(self, number: int) -> Drawn:
        """The trial of that number."""
        rng = self.stream.of(str(number))()
        variant = int(rng.choice(len(self.weights), p=np.array(self.weights)))
        factor = float(self.factors(rng, 1)[0])
        quality = float(rng.standard_normal())
        return Drawn(variant, factor, quality, shown(quality, self.noise, self.rungs, rng), self._fails_at(number))

    def _fails_at(self, number: int) -> float | None:
        """From draws of its own: that some fail changes nothing of who the others are."""
        if not self.failing:
            return None
        rng = self.stream.of(f"{number}/failed")()
        fails, at = rng.random(2)
        return self.fails_within * (1.0 - float(at)) if fails < self.failing else None


def shown(quality: float, noise: float, rungs: tuple[float, ...], rng: np.random.Generator) -> tuple[float, ...]:
    """What a trial of some ``quality`` shows at rising ``rungs`` of its training, the last of them 1."""
    ahead = 1.0 / np.array(rungs[::-1]) - 1.0  # rises from 0 at the end of the training
    steps = np.sqrt(np.diff(ahead, prepend=0.0)) * rng.standard_normal(len(rungs))
    return tuple((quality + noise * np.cumsum(steps))[::-1].tolist())
