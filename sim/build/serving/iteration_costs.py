"""What an iteration costs by the tokens in it, with a draft model where there is one.

What is asked for again is kept: each draw of an uncertain scenario builds its services anew, and so do both halves of a
disaggregated one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from sim.profiles.iteration.capped import BLOCK
from sim.profiles.iteration.cost import Floats, IterationCost, Known, iteration_cost
from sim.profiles.iteration.terms import Terms

if TYPE_CHECKING:
    from sim.build.serving.drafter import Drafter

FINE_TOKENS, STRIDE = 1 << 17, 64
"""Up to so many tokens each number of them has its cost; beyond, one in so many: batches of tens of data-parallel ranks
alone hold more, and what every number of theirs would take are minutes and gigabytes."""


@dataclass(frozen=True)
class Iterations:
    """Those of a replica: what they are made of, who guesses beside it, and how its batches are bounded.

    At most ``verified`` tokens decode, ``guesses`` of each sequence guessed; KV blocks are of ``block_tokens``, and a
    token's KV of all layers counts as ``blocks_step`` blocks.
    """

    terms: Terms
    drafter: Drafter | None
    verified: int
    block_tokens: int
    blocks_step: int
    guesses: int

    def of_tokens(self, tokens: Floats, known: Known | None = None) -> IterationCost:
        """Cost of one by these numbers of tokens (n,), with kernels as ``known`` where they were measured."""
        drafter = self.drafter
        cost = iteration_cost(
            self.terms,
            tokens=tokens,
            most_sampled=float(self.verified),
            block_tokens=self.block_tokens,
            guesses=self.guesses,
            draft=drafter.guessing() if drafter is not None else None,
            known=known,
        )
        cost.slope[:, BLOCK] /= self.blocks_step  # of a token's KV in all layers before
        return drafter.reading_along(cost, tokens, self.verified) if drafter is not None else cost


@lru_cache(maxsize=8)  # of 12 MB each where prompts of 128 ki tokens are prefilled whole
def of_all_tokens(most_tokens: int, iterations: Iterations) -> IterationCost:
    """The same of every number of tokens up to the most. It is shared, and not to be written to."""
    tokens = np.arange(most_tokens + 1.0)
    if most_tokens <= FINE_TOKENS or iterations.drafter is not None:
        cost = iterations.of_tokens(tokens)
    else:
        cost = _between(tokens, iterations)
    cost.table.flags.writeable = cost.slope.flags.writeable = False
    return cost


def _between(tokens: Floats, iterations: Iterations) -> IterationCost:
    """Told for few of many numbers of tokens, and on a line between those."""
    told = np.unique(np.concatenate([tokens[:FINE_TOKENS], tokens[FINE_TOKENS::STRIDE], tokens[-1:]]))
    few = iterations.of_tokens(told)
    table = np.empty((few.table.shape[0], len(tokens), few.table.shape[2]))
    for row, column in np.ndindex(few.table.shape[0], few.table.shape[2]):
        table[row, :, column] = np.interp(tokens, told, few.table[row, :, column])
    return IterationCost(table, few.slope)
