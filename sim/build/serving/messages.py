"""What a served model's messages take where its GPUs are joined by PCIe: NCCL's times, by the law that trainings go by.

Kernels of a stack's own sum small messages on NVLink, and over PCIe only among as many GPUs as its profile says
(``own_over_pcie``); what these take is the stack's. Beyond, messages go by NCCL, which has other latencies there.
"""

from __future__ import annotations

from sim.later import later
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import NodeProfile, link_of, linked
from sim.profiles.stacks.serving import StackProfile

with later():
    from sim.training.collectives import Kind, lines
    from sim.training.protocols import Library
    from sim.training.topology import island_of, switched


def over_pcie(
    kind: Kind, gpus: int, node: NodeProfile, gpu: GPUProfile, stack: StackProfile
) -> tuple[tuple[float, float], ...]:
    """s, and s for each B of the buffer, of every way that NCCL has; none where the stack's own kernel does it, or a
    link other than PCIe."""
    own = int(stack.own_over_pcie.value) if stack.own_over_pcie is not None else 1
    if gpus <= max(1, own) or gpus > node.slots or link_of(node, gpu, gpus).medium != "pcie":
        return ()
    reach = switched(gpus, island_of(linked(node, gpu, gpus), gpus), None).reach(gpus, 1)
    library = Library(float(stack.link_efficiency.value), 1.0)
    return tuple((line.latency_s, line.s_per_byte) for line in lines(kind, reach, library))
