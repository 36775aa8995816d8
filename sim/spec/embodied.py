"""How a scenario says what was emitted to make its machines and its building, and how that is spread."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import (
    CarbonMass,
    CarbonPerArea,
    CarbonPerPower,
    Fraction,
    Length,
    Lifetime,
    Mass,
    PositiveArea,
    PositiveFraction,
    PositivePower,
)
from sim.validation import Spec, mapping_or


class Amortization(Choice):
    """How the making of a machine is spread over what it does."""

    family: ClassVar[str] = "amortization"


class TimeAmortization(Amortization):
    """Embodied carbon by time held over the lifetime; time nobody holds is a line of its own."""

    kind: Literal["time"] = "time"


class ExpectedUtilisation(Amortization):
    """Embodied carbon over the share of the lifetime expected to be used; unheld time is then charged to no one."""

    utilisation: PositiveFraction


class UseAmortization(Amortization):
    """Embodied carbon by time at work over the working time expected of a device; its rest is free."""

    active_lifetime: Lifetime = Field(description="Time at work before it is replaced, e.g. '20000 h'.")


class CarbonPerPowerRange(Spec):
    """Carbon per kW of IT capacity as a range, with where it comes from."""

    low: CarbonPerPower
    central: CarbonPerPower
    high: CarbonPerPower
    source: str = Field(min_length=3)

    @model_validator(mode="after")
    def _ordered(self) -> CarbonPerPowerRange:
        if not self.low <= self.central <= self.high:
            raise PydanticCustomError("order", "low, central and high must not decrease")
        return self


class Plant(Choice):
    """The making of a building, or of its cooling and power plant."""

    family: ClassVar[str] = "embodied plant"


class PlantByPower(Plant):
    """Building, or cooling and power plant, by the IT power it is built for."""

    carbon: Annotated[
        Annotated[CarbonPerPower, Tag("@quantity")] | Annotated[CarbonPerPowerRange, Tag("@mapping")],
        mapping_or("@quantity"),
    ] = Field(description="We know no figure that could be verified: give the project's own, e.g. '900 kgCO2e/kW'.")
    capacity: PositivePower = Field(description="IT power that it is built for.")
    lifetime: Lifetime = Field(
        description="We do not guess a lifetime: EcoDataCenter takes 50 years for buildings and 19 for installations."
    )


class PlantByArea(Plant):
    """A building by its floor."""

    carbon: CarbonPerArea = Field(description="Give the project's own, e.g. '1000 kgCO2e/m2'.")
    area: PositiveArea
    lifetime: Lifetime = Field(
        description="We do not guess a lifetime: EcoDataCenter takes 50 years for buildings and 19 for installations."
    )


class SecondLife(Choice):
    """What the next user of a device answers for."""

    family: ClassVar[str] = "second life"


class SecondLifeShare(SecondLife):
    """The share of a device's making that its next user answers for, by agreement."""

    share: Fraction


class SecondLifeYears(SecondLife):
    """A second life that answers for its years."""

    years: Lifetime = Field(description="How long the next user keeps it, e.g. '3 years'.")


class EndOfLife(Spec):
    """The end of a node: moved and treated. A credit for what is recovered is shown beside it and never deducted."""

    mass: Mass = Field(description="Of one node, e.g. '130 kg'.")
    distance: Length = Field(description="To treatment, e.g. '500 km'.")
    credit: CarbonMass | None = Field(default=None, description="Of one node, by the recycler; shown, not deducted.")


class Embodied(Spec):
    """Carbon of making machines and building. ``gpu`` and ``server`` take the place of what the profiles say."""

    nodes: Literal["profile", "bill-of-materials"] = "profile"
    factors: str | None = Field(
        default=None, description="A YAML file of carbon per part of one's own; those that ship, if absent."
    )
    gpu: CarbonMass | None = Field(default=None, description="Of one GPU; the profile's range, if absent.")
    server: CarbonMass | None = Field(
        default=None, description="Of one server without GPUs; the profile's range, if absent."
    )
    network_share: CarbonMass | None = Field(
        default=None, description="One node's share of switches, optics and cables; not counted if absent."
    )
    building: Plant | None = None
    cooling_plant: Plant | None = None
    second_life: SecondLife | None = None
    end_of_life: EndOfLife | None = None
    amortization: Amortization = Field(default_factory=TimeAmortization)

    @model_validator(mode="after")
    def _factors_are_used(self) -> Embodied:
        if self.factors is not None and self.nodes == "profile" and self.end_of_life is None:
            raise PydanticCustomError(
                "unused", "'factors' is only read for 'nodes: bill-of-materials' or 'end_of_life'"
            )
        if self.nodes == "bill-of-materials" and self.server is not None:
            raise PydanticCustomError("unused", "'server' replaces the bill of materials: write only one of them")
        return self
