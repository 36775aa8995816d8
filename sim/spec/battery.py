"""A battery of a site: what it holds, how it ages, and by what it is charged and discharged."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.later import later
from sim.quantities import (
    CarbonIntensity,
    ConversionEfficiency,
    EnergyPrice,
    Fraction,
    Lifetime,
    PositiveDuration,
    PositiveEnergy,
    PositiveFraction,
    PositivePower,
    UpToHalf,
    WaterIntensity,
)
from sim.spec.onsite import OnSiteUnit
from sim.validation import Spec

with later():
    from sim.spec.onsite import BatteryLifecycle


class Bounds(Choice):
    """What a battery takes for cheap and dear, or for clean and dirty."""

    family: ClassVar[str] = "battery bounds"


class PriceBounds(Bounds):
    """Of a price."""


class IntensityBounds(Bounds):
    """Of a carbon intensity."""


class TrailingBounds(PriceBounds, IntensityBounds):
    """Cheap and dear by the window just gone by: its ``share`` lowest and highest values. No look ahead."""

    kind: Literal["trailing"] = "trailing"
    window: PositiveDuration = Field(default="7 d", validate_default=True)
    share: UpToHalf = Field(default=0.25, validate_default=True)


class ForecastBounds(PriceBounds, IntensityBounds):
    """Cheap and dear by a forecast of the window to come, as wrong as ``error`` (standard deviation over the mean)."""

    window: PositiveDuration
    share: UpToHalf = Field(default=0.25, validate_default=True)
    error: PositiveFraction = Field(description="We do not guess how good a forecast is; {kind: perfect} is none.")


class PerfectBounds(PriceBounds, IntensityBounds):
    """Cheap and dear by the true future, which nobody knows: a bound on what any rule could save."""

    window: PositiveDuration
    share: UpToHalf = Field(default=0.25, validate_default=True)


class FixedPrices(PriceBounds):
    """Charge at or below one price, discharge at or above another."""

    charge_at: EnergyPrice
    discharge_at: EnergyPrice

    @model_validator(mode="after")
    def _apart(self) -> FixedPrices:
        if self.charge_at.currency != self.discharge_at.currency or not self.charge_at < self.discharge_at:
            raise PydanticCustomError("order", "needs charge_at < discharge_at, in one currency")
        return self


class FixedIntensities(IntensityBounds):
    """Charge at or below one carbon intensity, discharge at or above another."""

    charge_at: CarbonIntensity
    discharge_at: CarbonIntensity

    @model_validator(mode="after")
    def _apart(self) -> FixedIntensities:
        if not self.charge_at < self.discharge_at:
            raise PydanticCustomError("order", "needs charge_at < discharge_at")
        return self


class BatteryDispatch(Choice):
    """When a battery charges and when it gives."""

    family: ClassVar[str] = "battery dispatch"


class SelfConsumption(BatteryDispatch):
    """Self-consumption: the battery stores what is left over, and gives it when it is missing."""


class PriceDispatch(BatteryDispatch):
    """Charge while the grid is cheap, discharge into the load while it is dear; a surplus is always taken."""

    bounds: PriceBounds = Field(default_factory=TrailingBounds)


class CarbonDispatch(BatteryDispatch):
    """Charge while the grid is clean, discharge into the load while it is dirty; a surplus is always taken."""

    bounds: IntensityBounds = Field(default_factory=TrailingBounds)


class BatteryLife(Spec):
    """Capacity left at the end of its life, reached after so many full cycles, or so long at rest."""

    end_of_life: PositiveFraction
    cycles: Annotated[float, Field(gt=0.0, le=1e6)]
    calendar: Lifetime

    @model_validator(mode="after")
    def _fades(self) -> BatteryLife:
        if not self.end_of_life < 1.0:
            raise PydanticCustomError("order", "end_of_life must be below 100 %: it is the capacity left then")
        return self


class RefilledStock(Spec):
    """What the battery holds less at the end counts as refilled from the grid, at the run's mean carbon and price."""

    kind: Literal["refill"] = "refill"


class StatedStock(Spec):
    """What the battery held at the start was charged by energy that took this much: by an earlier run, or the sun.

    Each is per energy drawn to charge it, losses included, as an account of that time has it. What the site's grid has
    must be stated; what it does not have is not read.
    """

    kind: Literal["stated"]
    intensity: CarbonIntensity = Field(description="Location-based; 0 gCO2e/kWh where the site's own plants did.")
    market: CarbonIntensity | None = None
    marginal: CarbonIntensity | None = None
    price: EnergyPrice | None = None
    water: WaterIntensity | None = Field(default=None, description="Consumed at the power stations (EWIF).")
    withdrawal: WaterIntensity | None = None
    carbon_free: Fraction = Field(default=0.0, validate_default=True, description="Share of it; none unless stated.")


class Battery(OnSiteUnit):
    """A battery. ``power`` (or ``c_rate`` times the energy in an hour) is the limit at its AC terminals both ways."""

    instead_of_two: ClassVar[str | None] = "add their energies and powers"

    energy: PositiveEnergy
    power: PositivePower | None = None
    c_rate: Annotated[float, Field(gt=0.0, le=100.0)] | None = None
    round_trip: ConversionEfficiency = Field(description="AC energy out per AC energy in; e.g. 0.88.")
    soc_low: Fraction = Field(default=0.0, validate_default=True)
    soc_high: PositiveFraction = Field(default=1.0, validate_default=True)
    start: Fraction = Field(description="Charge when the run starts, as a share of the energy; e.g. 50 %.")
    reserve: Fraction = Field(default=0.0, validate_default=True, description="Share kept for outages.")
    self_discharge: Fraction = Field(description="Share of the charge lost in 30 days at rest; e.g. 2 %.")
    life: BatteryLife = Field(description="We do not guess a lifetime: give {end_of_life, cycles, calendar}.")
    lifecycle: BatteryLifecycle
    stock: Annotated[RefilledStock | StatedStock, Field(discriminator="kind")] = Field(
        default_factory=RefilledStock,
        description="What the energy it starts with took, which a run that draws it out is charged for.",
    )
    dispatch: BatteryDispatch

    @model_validator(mode="after")
    def _window(self) -> Battery:
        if (self.power is None) == (self.c_rate is None):
            raise PydanticCustomError("power", "needs either 'power' or 'c_rate'")
        if not self.soc_low < self.soc_high:
            raise PydanticCustomError("order", "needs soc_low < soc_high")
        if not self.soc_low <= self.start <= self.soc_high or not self.reserve <= self.soc_high:
            raise PydanticCustomError("order", "start and reserve must lie within soc_low..soc_high")
        if not self.self_discharge < 1.0:
            raise PydanticCustomError("order", "self_discharge must be below 100 %")
        return self
