"""The machines of a pool: its nodes, the profiles of what they are made of, and how they fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import CPUProfile, NodeProfile
from sim.spec.cluster import NodePool

if TYPE_CHECKING:
    from sim.engine.machines.failures import FailurePlan


class Uncut(NamedTuple):
    """What a machine of instances is made of: its node and its GPU whole, and the instances on each of these."""

    node: NodeProfile
    gpu: GPUProfile
    instances: int


@dataclass(frozen=True)
class Machine:
    """The nodes of one pool: of what they are made, and how many there are. Where its GPUs are cut, ``gpu`` is an
    instance, ``node`` one whose slots are instances, and ``uncut`` what there is in hardware."""

    pool: NodePool
    node: NodeProfile
    cpu: CPUProfile
    gpu: GPUProfile | None
    failures: FailurePlan | None = None
    uncut: Uncut | None = None

    @property
    def whole_node(self) -> NodeProfile:
        """The node as it is built."""
        return self.node if self.uncut is None else self.uncut.node

    @property
    def board(self) -> GPUProfile | None:
        """The GPU as it is built."""
        return self.gpu if self.uncut is None else self.uncut.gpu

    @property
    def slots_per_board(self) -> int:
        """Slots that are one GPU in hardware."""
        return 1 if self.uncut is None else self.uncut.instances

    @property
    def slots(self) -> int:
        """GPUs of all nodes of the pool that work is placed on."""
        return self.pool.given_away * self.node.slots

    def slots_of(self, sockets: int) -> int:
        """Slots of a node that go with so many of its sockets: the GPUs that hang on them, rounded up."""
        return -(-sockets * self.node.slots // self.node.cpus.count)

    def mtbf_ns(self, gpus: int) -> float | None:
        """Mean time between interruptions of a gang on as few nodes as hold it; None where nothing fails."""
        if self.failures is None:
            return None
        return 1.0 / self.failures.interruptions_per_ns(-(-gpus // self.node.slots))
