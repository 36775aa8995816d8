"""Shortest job first: of those for which there is room, the one that is expected to be done soonest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sim.engine.cluster import Gang
from sim.engine.node import Node
from sim.engine.scheduling import Start, packed
from sim.spec.cluster import SchedulerSpec


class ShortestFirst(SchedulerSpec):
    """The job that is expected to be done soonest, of those for which there is room; services before all jobs."""

    kind: Literal["shortest-first"]


@dataclass(frozen=True)
class Shortest:
    """Long jobs may wait for ever: that is its price."""

    def next(self, waiting: Sequence[Gang], nodes: Sequence[Node], _now_ns: int) -> Start | None:
        """The shortest that fits; of equals, the one that came first."""
        for gang in sorted(waiting, key=lambda gang: gang.expected_ns or 0):
            chosen = packed(gang, nodes)
            if chosen is not None:
                return gang, chosen
        return None


def shortest_first(_spec: ShortestFirst) -> Shortest:
    """Shortest job first."""
    return Shortest()
