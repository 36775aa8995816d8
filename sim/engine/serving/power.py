"""What shared power asks of a serving replica: caps in whole watts, as boards take them, and what they make an
iteration cost.

A cap that the plan does not know is costed when it is first asked for; there are as many as watts of a board at most.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor
from typing import TYPE_CHECKING

from sim.engine.serving.plan import StepCost

if TYPE_CHECKING:
    from sim.engine.serving.replicas import ReplicaGroup


def whole_w(cap_w: float, loaded_w: float) -> float:
    """The cap that a board is set to for one of ``cap_w``: whole W, and above what it draws only loaded."""
    return float(max(floor(cap_w), floor(loaded_w) + 1))


class CostsUnderCaps:
    """The costs of a pool by the group of its replicas and their cap. ``add`` has the pool know another."""

    def __init__(self, add: Callable[[StepCost], int]) -> None:
        self._add = add
        self._known: dict[tuple[ReplicaGroup, float], int] = {}

    def of(self, group: ReplicaGroup, planned: int, cap_w: float) -> int:
        """The cost under ``cap_w`` (inf: none) beside the cap ``planned`` of the plan's schedule."""
        if cap_w >= group.caps_w[planned]:
            return group.costs[planned]
        if (group, cap_w) not in self._known:
            self._known[group, cap_w] = self._add(group.under_cap(cap_w))
        return self._known[group, cap_w]
