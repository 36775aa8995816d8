"""Power of a training job within its steps: a trace of it over a window, and what boards do to smooth it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.quantities import Duration, Fraction, PositiveDuration, PowerRamp
from sim.validation import Spec

MOST_SAMPLES = 5_000_000
"""Of one trace: an hour at a millisecond is 3.6 million."""


class Trace(Spec):
    """Power over ``window`` of the run from its ``start`` on, as means over each ``resolution``.

    ``meter``: as an instrument shows it that averages over so long before each reading (NVML: 25 ms to 1 s, by
    generation of the board).
    """

    start: Duration = Field(description="From the start of the run, e.g. '1 h'.")
    window: PositiveDuration
    resolution: PositiveDuration = Field(description="E.g. '1 ms'.")
    meter: PositiveDuration | None = Field(default=None, description="Averaging time of the meter; none, if absent.")

    @model_validator(mode="after")
    def _bounded(self) -> Trace:
        if self.resolution > self.window:
            raise PydanticCustomError("trace", "the resolution is longer than the window")
        if self.window / self.resolution > MOST_SAMPLES:
            raise PydanticCustomError(
                "trace",
                "has {count} samples, and at most {most} can be kept; shorten the window or coarsen the resolution",
                {"count": f"{self.window / self.resolution:,.0f}", "most": f"{MOST_SAMPLES:,}"},
            )
        return self


class FloorSmoothing(Spec):
    """No board draws less than ``share`` of the most that it draws in its step: it burns the difference."""

    kind: Literal["floor"]
    share: Fraction


class RampSmoothing(Spec):
    """No board's power rises or falls by more than ``ramp`` within its step: it burns before work begins and after it
    ends, and no work is slowed."""

    kind: Literal["ramp-limit"]
    ramp: PowerRamp = Field(description="Of one board, e.g. '500 W/s'.")


SmoothingChoice = Annotated[FloorSmoothing | RampSmoothing, Field(discriminator="kind")]
