"""What a request computes, as passes through networks: whatever is not served token by token."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.machines.gpu import Precision
from sim.quantities import Bytes, Duration, Operations, PositiveFraction
from sim.validation import LONGEST_NAME, Spec

MOST_IN_BATCH = 4096
MOST_PICTURES = 256
"""In a batch of generation: each size is reckoned kernel by kernel."""
MOST_PIXELS = 16_384


class PassEfficiency(Spec):
    """Achieved fractions of the device's peaks while kernels run."""

    compute: PositiveFraction
    memory: PositiveFraction


class NetworkPass(Spec):
    """``times`` passes through a network, one after another: a denoising step, a decoded token, an encoder once.

    ``flops`` and ``traffic`` are of one request, ``weights`` are read once for all of a batch. ``launch`` is what the
    host takes to launch the kernels of a pass; the device waits for it where its own work is shorter.
    """

    times: int = Field(default=1, ge=1, le=1_000_000, strict=True)
    flops: Operations
    traffic: Bytes = Field(default="0 B", validate_default=True, description="Activations and caches of one request.")
    weights: Bytes
    launch: Duration = Field(default="0 s", validate_default=True, description="Host time to launch a pass.")
    precision: Precision | None = Field(default=None, description="Of its arithmetic; the service's, if absent.")

    @model_validator(mode="after")
    def _takes_time(self) -> NetworkPass:
        if not (self.flops or self.traffic or self.weights or self.launch):
            raise PydanticCustomError("work", "a pass needs work: all of its costs are zero")
        return self


class Roofline(Spec):
    """Time and power of a batch from what it computes, and the peaks of its GPU or socket."""

    law: Literal["roofline"]
    precision: Precision
    efficiency: PassEfficiency
    host: Duration = Field(
        default="0 s", validate_default=True, description="Host time of a request, during which the device waits."
    )
    passes: dict[Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)], NetworkPass] = Field(
        min_length=1, max_length=64, description="By a name of yours, in sequence."
    )


class Denoising(Spec):
    """Time and power of pictures, or of a film, that a network makes of noise in so many steps, kernel by kernel.

    Its weights have to fit the device's memory; what pictures take beside them is not reckoned.
    """

    law: Literal["denoising"]
    network: str = Field(description="A profile of kind 'denoiser'.")
    stack: str = Field(description="A profile of kind 'denoising-stack': what the framework makes of the hardware.")
    precision: Literal["fp32", "bf16", "fp16"] = Field(
        description="Of the network; in fp32 convolutions run in TF32 where the device has it."
    )
    height: int = Field(ge=8, le=MOST_PIXELS, strict=True, description="Pixels.")
    width: int = Field(ge=8, le=MOST_PIXELS, strict=True, description="Pixels.")
    frames: int = Field(default=1, ge=1, le=10_000, strict=True, description="Of a film; 1 is a picture.")
    steps: int = Field(ge=1, le=10_000, strict=True)
    guided: bool = Field(description="Whether each step asks the network with the prompt and without.")
    host: Duration = Field(
        default="0 s", validate_default=True, description="Host time of a picture, during which the device waits."
    )

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of those of its network and its stack."""
        return (self.network, self.stack)
