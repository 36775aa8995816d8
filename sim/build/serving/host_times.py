"""What a stack's host takes on the CPU of its node: by how much longer than the stack says, and, where it serves, s of
an iteration, a sequence, a prompt and launches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim.profiles.catalog import Catalog
from sim.profiles.machines.host import host_slowdown
from sim.profiles.machines.node import CPUProfile
from sim.profiles.sourced import Sourced
from sim.profiles.stacks.denoising import DenoisingStackProfile
from sim.profiles.stacks.serving import QuantisedKernels, StackProfile
from sim.units import SECONDS_PER_NS


@dataclass(frozen=True)
class HostTimes:
    """As ``profiles.iteration.terms.Stack`` has them."""

    iteration_s: float
    sequence_s: float
    prompt_s: float
    launch_s: float
    expert_launch_s: float
    index_launch_s: float


def reference_cpu(stack: StackProfile | DenoisingStackProfile, catalog: Catalog) -> CPUProfile | None:
    """The CPU that its host's times are of. Raises ``InputError`` for one that is not in the catalog."""
    return catalog.cpu(stack.host.value) if stack.host is not None else None


def slowdown_of(stack: StackProfile | DenoisingStackProfile, cpu: CPUProfile, catalog: Catalog) -> float:
    """By how much longer the stack's host takes on this CPU than its profile says; 1 where that is not known. Raises
    ``InputError`` as ``reference_cpu`` does."""
    slowdown = host_slowdown(reference_cpu(stack, catalog), cpu)
    return slowdown if slowdown is not None else 1.0


def host_times(stack: StackProfile, kernels: QuantisedKernels | None, ranks: int, slowdown: float) -> HostTimes:
    """On a CPU that is slower by a factor; with what launching quantised ``kernels`` adds.

    Of a sequence of one of the data-parallel ``ranks`` it is the slower of scheduling it and of handing out its token,
    which run beside each other and beside the GPU.
    """
    handed_s = 0.0
    if stack.text is not None:
        handed_s = _seconds(stack.text.token) * (ranks if stack.text.one_for.value == "server" else 1)
    return HostTimes(
        iteration_s=slowdown * _seconds(stack.iteration),
        sequence_s=slowdown * max(_seconds(stack.sequence), handed_s),
        prompt_s=slowdown * _seconds(stack.prompt),
        launch_s=slowdown * (_seconds(stack.launch) + _seconds(kernels.launch if kernels is not None else None)),
        expert_launch_s=slowdown * _seconds(stack.expert_launch),
        index_launch_s=slowdown * _seconds(stack.index_launch),
    )


def _seconds(duration: Sourced[Any] | None) -> float:
    return float(duration.value) * SECONDS_PER_NS if duration is not None else 0.0
