"""What breaks, and when: nodes on streams of their own, or the parts of a pool by component.

Exponential times are the usual reading of a published MTBF (Meta, "Revisiting Reliability in Large-Scale Machine
Learning Research Clusters", HPCA 2025, arXiv:2410.21680). The clock of failures is calendar time: a failure that falls
while its node is not up (off, booting, already failed) breaks nothing.

Failures of many equal parts with exponential times are one Poisson process at the sum of their rates, each failure
falling on any of them alike: that is exact, and costs one draw a failure whatever the number of parts. Weibull times
are renewals of each part, its next failure drawn when it is mended; the parts wait in a heap.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from heapq import heapify, heapreplace
from typing import Protocol

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.gang import Fault, Shows
from sim.engine.machines.node import Node
from sim.rng import Streams


class FailurePlan(Protocol):
    """How the nodes of a pool fail: a frozen value."""

    def begin(self, env: Clock, cluster: Cluster, pool: str, nodes: Sequence[Node], streams: Streams) -> None:
        """Starts the processes that fail the ``nodes`` of ``pool``."""

    def interruptions_per_ns(self, nodes: int) -> float:
        """Mean rate at which failures interrupt a gang that holds ``nodes`` nodes."""


@dataclass(frozen=True)
class NodeFailures:
    """Every node fails as a whole, after exponential times of mean ``mtbf_ns``, and is back ``repair_ns`` later."""

    mtbf_ns: int
    repair_ns: int

    def begin(self, env: Clock, cluster: Cluster, _pool: str, nodes: Sequence[Node], streams: Streams) -> None:
        """A process for every node, on its own stream."""
        for node in nodes:
            env.process(self._break_now_and_then(env, cluster, node, streams(f"failures/{node.name}")))

    def interruptions_per_ns(self, nodes: int) -> float:
        """As many as nodes."""
        return nodes / self.mtbf_ns

    def _break_now_and_then(
        self, env: Clock, cluster: Cluster, node: Node, rng: np.random.Generator
    ) -> Generator[simpy.Event, object, None]:
        while True:
            yield env.wait(max(1, round(rng.exponential(self.mtbf_ns))))
            if node.state != "on":
                continue
            cluster.strike(Fault("node", "crash", (node,), breaks=True))
            yield env.wait(self.repair_ns)
            cluster.repair(node)


@dataclass(frozen=True)
class Hazard:
    """Equal parts that fail: how many each node has, or how many nodes (in the order of the pool) hang on one.

    Times between failures of one have the mean ``mtbf_ns``, exponential where ``shape`` is None and else Weibull's. A
    ``settled`` fleet has long been in use; else all parts are new at the start. ``repair_ns`` None leaves nodes as they
    are: a process died, or the job is slowed to ``rate``.
    """

    component: str
    per_node: int
    nodes: int
    mtbf_ns: int
    shape: float | None
    settled: bool
    shows: Shows
    repair_ns: int | None
    rate: float = 1.0

    def parts(self, nodes: int) -> int:
        """How many there are in a pool of ``nodes``."""
        return -(-nodes // self.nodes) * self.per_node

    def struck(self, part: int, nodes: Sequence[Node]) -> tuple[Node, ...]:
        """The nodes that a part serves."""
        first = part // self.per_node * self.nodes
        return tuple(nodes[first : first + self.nodes])

    def times(self, nodes: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Every failure in a pool of ``nodes``: when, in ns, and of which part; without an end."""
        parts = self.parts(nodes)
        return superposed(parts, self.mtbf_ns, rng) if self.shape is None else self._renewals(parts, self.shape, rng)

    def _renewals(self, parts: int, shape: float, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        scale_ns = self.mtbf_ns / math.gamma(1.0 + 1.0 / shape)
        draw = settled_weibull if self.settled else new_weibull
        first_ns = draw(rng, scale_ns, shape, parts)
        return renewals(first_ns, self.repair_ns or 0, scale_ns, shape, rng)


def superposed(parts: int, mtbf_ns: int, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """Failures of ``parts`` with exponential times: when, in ns, and of which."""
    at_ns = 0
    while True:
        at_ns += max(1, round(rng.exponential(mtbf_ns / parts)))
        yield at_ns, int(rng.integers(parts))


def renewals(
    first_ns: Sequence[int], repair_ns: int, scale_ns: float, shape: float, rng: np.random.Generator
) -> Iterator[tuple[int, int]]:
    """Failures of parts that fail first at ``first_ns``, and a Weibull time after each repair again."""
    heap = [(at_ns, part) for part, at_ns in enumerate(first_ns)]
    heapify(heap)
    while True:
        at_ns, part = heap[0]
        yield at_ns, part
        again_ns = new_weibull(rng, scale_ns, shape, 1)[0]
        heapreplace(heap, (at_ns + repair_ns + again_ns, part))


def new_weibull(rng: np.random.Generator, scale_ns: float, shape: float, count: int) -> list[int]:
    """Times to failure of ``count`` new parts, ns."""
    return [max(1, round(time)) for time in (scale_ns * rng.weibull(shape, count)).tolist()]


def settled_weibull(rng: np.random.Generator, scale_ns: float, shape: float, count: int) -> list[int]:
    """Times to the next failure of ``count`` parts of a fleet long in use, ns.

    The interval that a given instant falls into is drawn by its length, and the instant lies anywhere in it. Where X is
    Weibull, the length-biased X has (X / scale)^shape ~ Gamma(1 + 1 / shape) (Cox, Renewal Theory, 1962, chapter 5).
    """
    lengths = scale_ns * rng.gamma(1.0 + 1.0 / shape, size=count) ** (1.0 / shape)
    return [max(1, round(time)) for time in (lengths * rng.random(count)).tolist()]


@dataclass(frozen=True)
class ComponentFailures:
    """A pool's parts that fail, each component on a stream of its own."""

    hazards: tuple[Hazard, ...]

    def begin(self, env: Clock, cluster: Cluster, pool: str, nodes: Sequence[Node], streams: Streams) -> None:
        """A process for every component."""
        for hazard in self.hazards:
            rng = streams(f"failures/{pool}/{hazard.component}")
            env.process(self._strike(env, cluster, hazard, nodes, rng))

    def interruptions_per_ns(self, nodes: int) -> float:
        """Of all components; of those that wear, over the life of their parts."""
        return sum(hazard.parts(nodes) / hazard.mtbf_ns for hazard in self.hazards)

    def _strike(
        self, env: Clock, cluster: Cluster, hazard: Hazard, nodes: Sequence[Node], rng: np.random.Generator
    ) -> Generator[simpy.Event, object, None]:
        for at_ns, part in hazard.times(len(nodes), rng):
            yield env.wait(at_ns - env.now_ns)
            up = tuple(node for node in hazard.struck(part, nodes) if node.state == "on")
            if up:
                breaks = hazard.repair_ns is not None
                cluster.strike(Fault(hazard.component, hazard.shows, up, breaks, hazard.repair_ns, hazard.rate))
