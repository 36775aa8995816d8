"""What a job does beside its steps: it waits for data that comes too slowly, and it evaluates.

Loaders prefetch, so what they need beyond the time of a step is all that shows. Evaluation is forward passes of the
same layout: of a step's time what is neither the optimizer's nor the reduction of gradients, by its share of FLOP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sim.training.terms import Phase, StepCost

AFTER_BACKWARD = "data"
"""What gradients are exchanged for; there are none in an evaluation."""


def with_loading(cost: StepCost, tokens_per_s: float) -> StepCost:
    """A step whose tokens come at no more than such a rate: it lasts at least as long as they take."""
    without = cost.step_s - cost.seconds.get("stall", 0.0)
    stall_s = max(cost.seconds.get("stall", 0.0), cost.tokens / tokens_per_s - without)
    seconds: dict[Phase, float] = {**cost.seconds, "stall": stall_s}
    return replace(cost, seconds=seconds)


def evaluation_s(
    seconds: Mapping[Phase, float], cost: StepCost, forward_flop: float, tokens: int
) -> dict[Phase, float]:
    """s by phase of an evaluation of so many tokens, from the ``seconds`` of a step (under a cap, if there is one).

    ``forward_flop`` are a token's, forward; a step's hardware FLOP stand for the time that its kernels take.
    """
    exposed_s = seconds.get("communication", 0.0)
    of_data = cost.exposed_s.get(AFTER_BACKWARD, 0.0)
    share = forward_flop * tokens / cost.hardware_flop
    taken: dict[Phase, float] = {"compute": seconds.get("compute", 0.0), "bubble": seconds.get("bubble", 0.0)}
    taken["communication"] = max(0.0, exposed_s - of_data)
    return {phase: share * s for phase, s in taken.items() if s}
