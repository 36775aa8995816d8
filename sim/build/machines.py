"""Which node and GPU profile stands in each pool of a scenario."""

from __future__ import annotations

from dataclasses import dataclass

from sim.profiles.catalog import Catalog
from sim.profiles.hardware import GPUProfile, NodeProfile
from sim.spec.cluster import Cluster


@dataclass(frozen=True)
class Machine:
    """One kind of node, and its GPU if it has any."""

    node: NodeProfile
    gpu: GPUProfile | None


def machines_of(cluster: Cluster, catalog: Catalog) -> dict[str, Machine]:
    """By the label of the pool."""
    machines = {}
    for pool in cluster.nodes:
        node = catalog.node(pool.profile)
        gpu = catalog.gpu(node.gpus.profile) if node.gpus is not None else None
        machines[pool.label] = Machine(node, gpu)
    return machines
