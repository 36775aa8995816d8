"""The draft model of a serving deployment: what its guesses cost, and what it takes to read along."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.later import later
from sim.profiles.iteration.cost import Drafting, IterationCost, iteration_cost
from sim.profiles.iteration.terms import Precision as Bytes
from sim.profiles.iteration.terms import Stack, Terms

with later():
    from sim.profiles.iteration.drafting import with_drafter


Floats = npt.NDArray[np.float64]

IN_16_BITS = Bytes(2.0, 2.0, 2.0)
LOGIT_BYTES = 4.0
"""Logits are of 32 bits."""


@dataclass(frozen=True)
class Drafter:
    """A model that guesses ``guesses`` tokens for up to ``most`` sequences, on the GPUs of the one that verifies."""

    terms: Terms
    guesses: int
    most: int
    block_tokens: int

    def guessing(self) -> Drafting:
        """Its iterations, one token a sequence: exact for one sequence and for ``most``, linear between. Nothing is
        scheduled between its tokens."""
        alone = self._cost(self.terms.stack, np.array([1.0, float(self.most)]), sampled=float(self.most))
        seconds, joules = alone.table[0, :, :3].max(axis=1), alone.table[0, :, 3]
        rise = 1.0 / max(self.most - 1, 1)
        slower_s, more_j = float(seconds[1] - seconds[0]) * rise, float(joules[1] - joules[0]) * rise
        return Drafting(
            seconds=self.guesses * (float(seconds[0]) - slower_s),
            joules=self.guesses * (float(joules[0]) - more_j),
            seconds_per_sequence=self.guesses * slower_s,
            joules_per_sequence=self.guesses * more_j,
        )

    def reading_along(self, cost: IterationCost, tokens: Floats, verified: int) -> IterationCost:
        """``cost`` by ``tokens``, of which at most ``verified`` are not of prompts, and what it takes to read along."""
        along = [self._prompts(rows) for rows in (tokens, np.maximum(tokens - verified, 0.0))]
        device = self.terms.device
        headroom_w = self.terms.layout.gpus * (device.cap_w - device.loaded_w)
        return with_drafter(cost, *along, guesses=self.guesses, headroom_w=float(headroom_w))

    def _prompts(self, tokens: Floats) -> IterationCost:
        """Of so many tokens of prompts, whose pictures it is not shown; nothing where there are none."""
        alone = self._cost(replace(self.terms.stack, encoder_s=0.0), tokens, sampled=1.0)
        alone.table[:, tokens == 0.0] = 0.0
        return alone

    def _cost(self, stack: Stack, tokens: Floats, *, sampled: float) -> IterationCost:
        """Its likeliest tokens are taken: that reads each logit once."""
        greedy = replace(stack, sequence_s=0.0, logit_s=0.0, logit_byte=LOGIT_BYTES)
        return iteration_cost(
            replace(self.terms, stack=greedy), tokens=tokens, most_sampled=sampled, block_tokens=self.block_tokens
        )
