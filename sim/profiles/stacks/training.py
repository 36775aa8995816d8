"""Training stacks: what a training framework makes of the hardware, as the constants of a step's time.

``sim.training.stack`` says what each is. A framework gets faster from release to release (6 % in the median between
NVIDIA's containers of 2025 and 2026, a mixture of experts half as much again), so a stack is of a year.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.profiles.sourced import Profile, Sourced, SourcedDuration
from sim.quantities import Fraction, PositiveFraction
from sim.validation import Spec

Efficiency = Sourced[PositiveFraction]
Share = Sourced[Fraction]
Exponent = Sourced[Annotated[float, Field(ge=0.0, le=2.0)]]
Passes = Sourced[Annotated[float, Field(ge=1.0, le=1000.0)]]


class TensorsApart(Spec):
    """Of a framework that keeps a layer's tensors apart where they are shared out (``sim.training.tensors``)."""

    matrices: Sourced[Annotated[float, Field(ge=1.0, le=1000.0)]]
    vectors: Sourced[Annotated[float, Field(ge=0.0, le=1000.0)]]
    collective: SourcedDuration
    rank: SourcedDuration
    reuse: Sourced[Annotated[float, Field(gt=0.0, le=1e15)]]


class TrainingStackProfile(Profile):
    """Constants of a framework; none has a default, as each decides what a step takes. Without ``tensors_apart`` a
    layer is gathered as one tensor."""

    kind: Literal["training-stack"]
    year: Sourced[Annotated[float, Field(ge=2015.0, le=2100.0)]]
    compute_efficiency: Efficiency
    compute8_efficiency: Efficiency
    compute4_efficiency: Efficiency
    attention_efficiency: Efficiency
    memory_efficiency: Efficiency
    watt_exponent: Exponent
    attention_watt_exponent: Exponent
    unthrottled: Sourced[Annotated[float, Field(ge=1.0, le=3.0)]]
    passes: Passes
    expert_passes: Passes
    logit_bytes: Sourced[Annotated[float, Field(ge=2.0, le=1000.0)]]
    layer: SourcedDuration
    expert_layer: SourcedDuration
    link_efficiency: Efficiency
    network_efficiency: Efficiency
    latency: Sourced[Annotated[float, Field(gt=0.0, le=100.0)]]
    tensor_exposed: Share
    expert_exposed: Share
    data_exposed: Share
    tensors_apart: TensorsApart | None = None
    head_imbalance: Share
    straggling: Sourced[Annotated[float, Field(ge=0.0, le=1.0)]]
    progress: Sourced[Annotated[float, Field(ge=0.0, le=5.0)]]
    kernel_progress: Sourced[Annotated[float, Field(ge=0.0, le=1.0)]]
    first_year: Sourced[Annotated[float, Field(ge=2015.0, le=2100.0)]]
