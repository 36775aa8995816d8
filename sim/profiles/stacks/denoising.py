"""Denoising stacks: what a framework makes of the hardware when it runs networks that denoise.

``denoisers.time`` says what each number does. ``fused``: chains between products are compiled into one kernel;
``channels_last``: pictures and weights lie place by place. Without ``launch`` all kernels of a step come from a graph.
``attention_by_generation`` is of GPUs whose peak the same kernels of attention reach otherwise. ``host`` names the CPU
(a profile) that ``launch`` is of: others take as much longer as their threads are slower (``profiles.machines.host``).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.machines.gpu import Generation
from sim.profiles.sourced import Profile, Sourced, SourcedDuration
from sim.quantities import PositiveFraction
from sim.validation import LONGEST_NAME

Efficiency = Sourced[PositiveFraction]


class DenoisingStackProfile(Profile):
    """Constants of a framework; none has a default, as each decides what a step takes."""

    kind: Literal["denoising-stack"]
    source: str
    fused: bool
    channels_last: bool
    convolution_efficiency: Efficiency
    compute_efficiency: Efficiency
    attention_efficiency: Efficiency
    attention_by_generation: dict[Generation, Efficiency] = Field(default_factory=dict)
    memory_efficiency: Efficiency
    pass_efficiency: Efficiency
    launch: SourcedDuration | None = None
    host: Sourced[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]] | None = None

    @model_validator(mode="after")
    def _host_launches(self) -> DenoisingStackProfile:
        if self.host is not None and self.launch is None:
            raise PydanticCustomError(
                "host", "'host' is the CPU that 'launch' is of: give that too, or leave 'host' out"
            )
        return self
