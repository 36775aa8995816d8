"""What an iteration costs by the tokens in it, with a draft model where there is one.

What is asked for again is kept: each draw of an uncertain scenario builds its services anew, and so do both halves of a
disaggregated one.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from sim.profiles.capped_step import BLOCK
from sim.profiles.layers import Layers
from sim.profiles.model import ModelShape
from sim.profiles.step import Floats, IterationCost, Known, iteration_cost
from sim.profiles.terms import Device, Layout, Precision, Stack

if TYPE_CHECKING:
    from sim.build.drafter import Drafter


def of_tokens(
    tokens: Floats,
    layers: Layers,
    model: ModelShape,
    device: Device,
    stack: Stack,
    layout: Layout,
    precision: Precision,
    drafter: Drafter | None,
    verified: int,
    block_tokens: int,
    blocks_step: int,
    guesses: int,
    known: Known | None = None,
) -> IterationCost:
    """Cost of an iteration by these numbers of tokens, with a draft model where there is one."""
    draft = drafter.guessing() if drafter is not None else None
    cost = iteration_cost(
        layers, model, device, stack, layout, precision, tokens=tokens, most_sampled=float(verified),
        block_tokens=block_tokens, guesses=guesses, draft=draft, known=known,
    )  # fmt: skip
    cost.slope[:, BLOCK] /= blocks_step  # of a token's KV in all layers before
    return drafter.reading_along(cost, tokens, verified) if drafter is not None else cost


@lru_cache(maxsize=8)  # of 12 MB each where prompts of 128 ki tokens are prefilled whole
def of_all_tokens(most_tokens: int, *made_of: Any) -> IterationCost:
    """The same of every number of tokens up to the most. It is shared, and not to be written to."""
    cost = of_tokens(np.arange(most_tokens + 1.0), *made_of)
    cost.table.flags.writeable = cost.slope.flags.writeable = False
    return cost
