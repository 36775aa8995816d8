"""What a draft model takes beside its guesses: it reads every prompt as well, and its own cache with every guess.

Guesses themselves are counted by sequence (``cost.Drafting``). A prompt passes through the draft model once, since it
could guess from nothing else, and its cache is read once a guess. With one sequence both are small beside two models'
weights; with many, a small model's cache is as long to read as its weights, and its prompts are as much work beside the
large model's as it has parameters.

Left out: what the draft model's cache takes to be swapped, and its share of pairs in the passes that verify.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.profiles.iteration.capped import PAIR, READ, SEQUENCE, WINDOW_PAIR, WINDOW_READ
from sim.profiles.iteration.cost import BOTH, CAPPED, COMPUTE, ENERGY, MEMORY, PROMPTS, IterationCost

Floats = npt.NDArray[np.float64]

ONCE = (PAIR, WINDOW_PAIR)
EVERY_GUESS = (READ, WINDOW_READ, SEQUENCE)


def with_drafter(
    cost: IterationCost, prompts: IterationCost, beside: IterationCost, *, guesses: int, headroom_w: float
) -> IterationCost:
    """``cost`` of an iteration, and what a draft model takes of prompts and of contexts.

    ``prompts`` is the draft model's cost by the same tokens as ``cost``, and ``beside`` that by how many of them are of
    prompts where some decode. ``headroom_w`` is what all GPUs of the replica may draw beyond loaded (W).
    """
    table, slope = cost.table.copy(), cost.slope.copy()
    for kind, own in ((PROMPTS, prompts), (BOTH, beside)):
        for row in (COMPUTE, MEMORY, ENERGY):
            table[kind, :, row] += own.table[PROMPTS, :, row]
    for places, times in ((ONCE, 1), (EVERY_GUESS, guesses)):
        for row in (COMPUTE, MEMORY, ENERGY):
            slope[row, places] += times * prompts.slope[row, places]
    table[..., CAPPED] = table[..., ENERGY] / headroom_w
    slope[CAPPED] = slope[ENERGY] / headroom_w
    return IterationCost(table, slope)
