"""Parts that fail: how often, how that shows, and what they take with them; and profiles of them with their sources."""

from __future__ import annotations

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.profiles.sourced import Profile, Sourced
from sim.quantities import MTBF, PositiveFraction
from sim.validation import Spec

Time = TypeVar("Time")
Share = TypeVar("Share")
Number = TypeVar("Number")
Whole = TypeVar("Whole")

Shows = Annotated[
    Literal["crash", "hang", "silent"],
    Field(description="Work ends at once, stands still until a timeout, or goes on with wrong results."),
]


class Part(Spec, Generic[Time, Number]):
    """One kind of equal parts. ``mtbf`` is the mean time between failures of one, exponential, or Weibull of ``shape``.

    Parts that wear or settle are ``new`` at the start of the run, or of a fleet long ``settled``: which of the two
    decides what fails first.
    """

    mtbf: Time
    shape: Number | None = Field(default=None, description="Of a Weibull law: below 1 early failures, above 1 wear.")
    fleet: Literal["new", "settled"] | None = Field(
        default=None, description="Age of the parts where there is a shape."
    )

    @model_validator(mode="after")
    def _age_known(self) -> Part[Time, Number]:
        if (self.shape is None) != (self.fleet is None):
            raise PydanticCustomError(
                "age", "needs 'shape' and 'fleet' (new, settled) together, or neither: ages decide"
            )
        return self


class Device(Part[Time, Number], Generic[Time, Number]):
    """A part of a node that takes the node with it."""

    kind: Literal["device"]
    per: Literal["gpu", "node"]
    shows: Shows


class Switch(Part[Time, Number], Generic[Time, Number, Whole]):
    """A part that ``nodes`` nodes hang on, in the order of the pool: it takes all of them."""

    kind: Literal["switch"]
    nodes: Whole
    shows: Shows


class Process(Part[Time, Number], Generic[Time, Number]):
    """Software: it takes the job with it, and every node stays."""

    kind: Literal["process"]
    per: Literal["gpu", "node"]
    shows: Shows


class Slowdown(Part[Time, Number], Generic[Time, Number, Share]):
    """A part that slows its node, and with it the whole gang, to ``rate`` until it is found and its node taken out."""

    kind: Literal["slowdown"]
    per: Literal["gpu", "node"]
    rate: Share


PositiveShape = Annotated[float, Field(ge=0.2, le=20.0)]
SwitchNodes = Annotated[int, Field(ge=1, le=100_000, strict=True)]

PlainPart = Annotated[
    Device[MTBF, PositiveShape]
    | Switch[MTBF, PositiveShape, SwitchNodes]
    | Process[MTBF, PositiveShape]
    | Slowdown[MTBF, PositiveShape, PositiveFraction],
    Field(discriminator="kind"),
]
"""As a scenario writes it."""

SourcedPart = Annotated[
    Device[Sourced[MTBF], Sourced[PositiveShape]]
    | Switch[Sourced[MTBF], Sourced[PositiveShape], Sourced[SwitchNodes]]
    | Process[Sourced[MTBF], Sourced[PositiveShape]]
    | Slowdown[Sourced[MTBF], Sourced[PositiveShape], Sourced[PositiveFraction]],
    Field(discriminator="kind"),
]
"""As a profile tells it."""


class FailuresProfile(Profile):
    """What fails in a fleet, by component, as somebody counted it."""

    kind: Literal["failures"]
    components: dict[str, SourcedPart] = Field(min_length=1)
