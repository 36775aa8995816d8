"""The machines of a pool: its nodes, and the profiles of what they are made of."""

from __future__ import annotations

from dataclasses import dataclass

from sim.profiles.hardware import CPUProfile, GPUProfile, NodeProfile
from sim.spec.cluster import NodePool


@dataclass(frozen=True)
class Machine:
    """The nodes of one pool: of what they are made, and how many there are."""

    pool: NodePool
    node: NodeProfile
    cpu: CPUProfile
    gpu: GPUProfile | None

    @property
    def slots(self) -> int:
        """GPUs of all nodes of the pool."""
        return self.pool.count * self.node.slots
