"""Serving stacks: what the software makes of the hardware, as coefficients of an iteration's cost.

The same model on the same GPU takes 27 to 45 % less energy a token one release of a stack later (ML.ENERGY v3 against
v2), so the stack is an input of its own, with its version in its name.
"""

from __future__ import annotations

from typing import Literal

from sim.profiles.sourced import Profile, Sourced, SourcedByteRate, SourcedDuration
from sim.quantities import Fraction, PositiveFraction

SourcedFraction = Sourced[PositiveFraction]


class StackProfile(Profile):
    """See ``profiles.step`` for what each coefficient does."""

    kind: Literal["stack"]
    compute_efficiency: SourcedFraction
    memory_efficiency: SourcedFraction
    expert_efficiency: SourcedFraction
    link_efficiency: SourcedFraction
    overlap: Sourced[Fraction]
    iteration: SourcedDuration
    layer: SourcedDuration
    sequence: SourcedDuration
    link_latency: SourcedDuration
    swap_bandwidth: SourcedByteRate
    gpu_memory_utilization: SourcedFraction
    activation_reserve: SourcedFraction
