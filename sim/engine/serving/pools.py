"""Which engine's pool a serving workload runs on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from sim.engine.kernels.loading import SERVING, is_at_hand
from sim.engine.serving.iterations import IterationLog
from sim.engine.serving.plan import Settings, StepCost
from sim.engine.serving.replicas import Pool, ReplicaGroup
from sim.workload.requests import RequestChunk

Engine = Literal["fast", "reference"]


def make_pool(
    engine: Engine,
    settings: Settings,
    costs: Sequence[StepCost],
    groups: Sequence[ReplicaGroup],
    more: Callable[[], RequestChunk | None],
    iterations: IterationLog | None = None,
) -> Pool:
    """A pool with a lane for every pipeline stage of every replica there may be; the plain one where ``iterations`` are
    to be kept, as the compiled one holds many in a step and none by itself."""
    lanes = [group for group in groups for _ in range(group.most * group.lanes)]
    roles, blocks = [group.role for group in lanes], [group.kv_blocks for group in lanes]
    cost_of = [group.costs[0] for group in lanes]
    if engine == "reference" or iterations is not None or not is_at_hand(SERVING):
        from sim.engine.serving.reference.pool import ReferencePool

        return ReferencePool(settings, costs, roles, cost_of, blocks, more, iterations)
    from sim.engine.serving.fast import FastPool

    return FastPool(settings, costs, roles, cost_of, blocks, more)
