"""The machines of a pool: its nodes, the profiles of what they are made of, and how they fail."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.failures import FailurePlan
from sim.profiles.hardware import CPUProfile, GPUProfile, NodeProfile
from sim.spec.cluster import NodePool


@dataclass(frozen=True)
class Machine:
    """The nodes of one pool: of what they are made, and how many there are."""

    pool: NodePool
    node: NodeProfile
    cpu: CPUProfile
    gpu: GPUProfile | None
    failures: FailurePlan | None = None

    @property
    def slots(self) -> int:
        """GPUs of all nodes of the pool that work is placed on."""
        return self.pool.given_away * self.node.slots

    def mtbf_ns(self, gpus: int) -> float | None:
        """Mean time between interruptions of a gang on as few nodes as hold it; None where nothing fails."""
        if self.failures is None:
            return None
        return 1.0 / self.failures.interruptions_per_ns(-(-gpus // self.node.slots))
