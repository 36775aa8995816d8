"""Nodes that break: exponential times to failure on each node's own stream, and a constant time to repair.

Exponential times are the usual reading of a published MTBF (Meta, "Revisiting Reliability in Large-Scale Machine
Learning Research Clusters", HPCA 2025, arXiv:2410.21680). The clock of failures is calendar time: a failure that falls
while the node is not up (off, booting, already failed) breaks nothing.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.cluster import Cluster
from sim.engine.node import Node


def break_now_and_then(
    env: Clock,
    cluster: Cluster,
    node: Node,
    *,
    mtbf_ns: int,
    repair_ns: int,
    rng: np.random.Generator,
) -> Generator[simpy.Event, object, None]:
    """The process that fails ``node`` and has it repaired, for ever."""
    while True:
        yield env.wait(max(1, round(rng.exponential(mtbf_ns))))
        if node.state != "on":
            continue
        node.fail()
        yield env.wait(repair_ns)
        cluster.repair(node)
