"""What makes or keeps energy at a site: PV, wind, a battery, diesel generators, and the connection to the grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import (
    Azimuth,
    CarbonIntensity,
    CarbonPerLitre,
    CarbonPerPower,
    ConversionEfficiency,
    Duration,
    EnergyPrice,
    Fraction,
    FuelPerEnergy,
    Length,
    Lifetime,
    PositiveDuration,
    PositiveEnergy,
    PositiveFraction,
    PositiveLength,
    PositivePower,
    PositiveSpeed,
    Power,
    SmallRatio,
    Tilt,
    UpToHalf,
    WaterIntensity,
)
from sim.spec.times import StampsOfAny, Zone
from sim.validation import Spec, mapping_or


def _rises(low: float, central: float, high: float) -> None:
    if not low <= central <= high:
        raise PydanticCustomError("order", "low, central and high must not decrease")


class LifecyclePerEnergy(Spec):
    """Life-cycle carbon per energy: generated over a plant's life, or of a battery's capacity."""

    kind: Literal["per-energy"]
    low: CarbonIntensity
    central: CarbonIntensity
    high: CarbonIntensity
    source: str = Field(min_length=3, description="Where the three numbers come from.")

    @model_validator(mode="after")
    def _ordered(self) -> LifecyclePerEnergy:
        _rises(self.low, self.central, self.high)
        return self


class LifecyclePerCapacity(Spec):
    """Life-cycle carbon per rated power, spread evenly over the plant's lifetime."""

    kind: Literal["per-capacity"]
    low: CarbonPerPower
    central: CarbonPerPower
    high: CarbonPerPower
    lifetime: Lifetime = Field(description="We do not guess a lifetime: give e.g. '30 years'.")
    source: str = Field(min_length=3, description="Where the three numbers come from.")

    @model_validator(mode="after")
    def _ordered(self) -> LifecyclePerCapacity:
        _rises(self.low, self.central, self.high)
        return self


_OwnLifecycle = Annotated[LifecyclePerEnergy | LifecyclePerCapacity, Field(discriminator="kind")]
_NOT_FREE = "Panels, turbines and cells were made: name a published range"

PVLifecycle = Annotated[
    Annotated[Literal["ipcc-ar5-pv-utility", "ipcc-ar5-pv-rooftop"], Tag("@word")]
    | Annotated[_OwnLifecycle, Tag("@mapping")],
    mapping_or("@word"),
    Field(description=f"{_NOT_FREE} (ipcc-ar5-pv-utility, ipcc-ar5-pv-rooftop) or give {{kind: per-energy, ...}}."),
]
WindLifecycle = Annotated[
    Annotated[Literal["ipcc-ar5-wind-onshore", "ipcc-ar5-wind-offshore"], Tag("@word")]
    | Annotated[_OwnLifecycle, Tag("@mapping")],
    mapping_or("@word"),
    Field(description=f"{_NOT_FREE} (ipcc-ar5-wind-onshore, -offshore) or give {{kind: per-energy, ...}}."),
]
BatteryLifecycle = Annotated[
    Annotated[Literal["ivl-2019-lithium-ion"], Tag("@word")] | Annotated[LifecyclePerEnergy, Tag("@mapping")],
    mapping_or("@word"),
    Field(description=f"{_NOT_FREE} (ivl-2019-lithium-ion) or give {{kind: per-energy, ...}} per capacity."),
]


class OutputSeries(Spec):
    """A plant's own output: one column of a CSV file with the times of its intervals in another."""

    file: str
    time_column: str = "datetime_utc"
    column: str
    stamps: StampsOfAny = "start"
    zone: Zone = None
    unit: SmallRatio = Field(description="What one unit of the column is, in W per W installed: 1 for a share, 1 %.")


class OnSiteUnit(Choice):
    """Something that makes, keeps or carries energy at a site."""

    family: ClassVar[str] = "on-site unit"
    needs_sky: ClassVar[bool] = False
    """Whether it makes its output from the site's sun or wind."""
    instead_of_two: ClassVar[str | None] = None
    """What to write in place of a second one; None where there may be several."""

    @property
    def series(self) -> OutputSeries | None:
        """The file that holds its output, where one does."""
        return None


class PV(OnSiteUnit):
    """A fixed array whose output follows the site's weather. ``capacity`` is DC; azimuth 180 deg faces south."""

    needs_sky: ClassVar[bool] = True

    kind: Literal["pv"]
    capacity: PositivePower
    tilt: Tilt
    azimuth: Azimuth
    transposition: Literal["perez", "haydavies"] = "perez"
    loss: Fraction = Field(default="14 %", validate_default=True, description="PVWatts 5: soiling, wiring and so on.")
    temperature_coefficient: float = Field(
        default=-0.0047, ge=-0.02, le=0.0, description="Per kelvin above 25 degC (PVWatts 5, standard module)."
    )
    dc_to_ac: float = Field(default=1.1, ge=0.5, le=3.0, description="PVWatts 5.")
    inverter_efficiency: ConversionEfficiency = Field(default="96 %", validate_default=True, description="PVWatts 5.")
    albedo: Fraction = Field(default=0.2, validate_default=True, description="Of the ground (PVWatts 5).")
    lifecycle: PVLifecycle


class PVSeries(OnSiteUnit):
    """An array whose output is given."""

    kind: Literal["pv-series"]
    capacity: PositivePower
    output: OutputSeries
    lifecycle: PVLifecycle

    @property
    def series(self) -> OutputSeries:
        """Its output."""
        return self.output


class Wind(OnSiteUnit):
    """Turbines whose output follows the site's wind, measured at ``measured_at`` (10 m in weather files)."""

    needs_sky: ClassVar[bool] = True

    kind: Literal["wind"]
    capacity: PositivePower
    hub_height: PositiveLength
    measured_at: PositiveLength = Field(default="10 m", validate_default=True)
    shear: float = Field(ge=0.0, le=0.6, description="Power-law exponent: 0.14 over open land, 0.2 in IEC 61400-1.")
    cut_in: PositiveSpeed
    rated: PositiveSpeed
    cut_out: PositiveSpeed
    altitude: Length = Field(description="Of the site above the sea: thin air carries less.")
    loss: Fraction = Field(description="Wakes, icing, availability, cables; e.g. 15 %.")
    lifecycle: WindLifecycle

    @model_validator(mode="after")
    def _speeds_rise(self) -> Wind:
        if not self.cut_in < self.rated < self.cut_out:
            raise PydanticCustomError("order", "needs cut_in < rated < cut_out")
        return self


class WindSeries(OnSiteUnit):
    """Turbines whose output is given."""

    kind: Literal["wind-series"]
    capacity: PositivePower
    output: OutputSeries
    lifecycle: WindLifecycle

    @property
    def series(self) -> OutputSeries:
        """Its output."""
        return self.output


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

    kind: Literal["forecast"]
    window: PositiveDuration
    share: UpToHalf = Field(default=0.25, validate_default=True)
    error: PositiveFraction = Field(description="We do not guess how good a forecast is; {kind: perfect} is none.")


class PerfectBounds(PriceBounds, IntensityBounds):
    """Cheap and dear by the true future, which nobody knows: a bound on what any rule could save."""

    kind: Literal["perfect"]
    window: PositiveDuration
    share: UpToHalf = Field(default=0.25, validate_default=True)


class FixedPrices(PriceBounds):
    """Charge at or below one price, discharge at or above another."""

    kind: Literal["fixed"]
    charge_at: EnergyPrice
    discharge_at: EnergyPrice

    @model_validator(mode="after")
    def _apart(self) -> FixedPrices:
        if self.charge_at.currency != self.discharge_at.currency or not self.charge_at < self.discharge_at:
            raise PydanticCustomError("order", "needs charge_at < discharge_at, in one currency")
        return self


class FixedIntensities(IntensityBounds):
    """Charge at or below one carbon intensity, discharge at or above another."""

    kind: Literal["fixed"]
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

    kind: Literal["self-consumption"]


class PriceDispatch(BatteryDispatch):
    """Charge while the grid is cheap, discharge into the load while it is dear; a surplus is always taken."""

    kind: Literal["price"]
    bounds: PriceBounds = Field(default_factory=TrailingBounds)


class CarbonDispatch(BatteryDispatch):
    """Charge while the grid is clean, discharge into the load while it is dirty; a surplus is always taken."""

    kind: Literal["carbon"]
    bounds: IntensityBounds = Field(default_factory=TrailingBounds)


class BatteryLife(Spec):
    """Capacity left at the end of its life, reached after so many full cycles, or so long at rest."""

    end_of_life: PositiveFraction
    cycles: Annotated[float, Field(gt=0.0, le=1e6)]
    calendar: PositiveDuration

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

    kind: Literal["battery"]
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


class FuelCurve(Spec):
    """Fuel per energy generated at full and at half load, as a data sheet gives it."""

    full: FuelPerEnergy
    half: FuelPerEnergy

    @model_validator(mode="after")
    def _possible(self) -> FuelCurve:
        if not self.full <= self.half < 2.0 * self.full:
            raise PydanticCustomError("order", "needs full <= half < twice full")
        return self


class GeneratorTests(Spec):
    """Test runs of the generators, every so often. A load bank burns the energy; the ``facility`` uses it."""

    first: Duration = Field(default="0 s", validate_default=True)
    every: PositiveDuration
    duration: PositiveDuration
    load: PositiveFraction = Field(description="Share of the rating; NFPA 110 asks for 30 % or more.")
    into: Literal["load-bank", "facility"]

    @model_validator(mode="after")
    def _apart(self) -> GeneratorTests:
        if not self.duration <= self.every:
            raise PydanticCustomError("order", "a test must be over before the next")
        return self


class Diesel(OnSiteUnit):
    """Backup generators, together. They start for what the grid and the battery cannot give."""

    instead_of_two: ClassVar[str | None] = "add their capacities"

    kind: Literal["diesel"]
    capacity: PositivePower
    minimum_load: Fraction = Field(description="Below this share of the rating they are not run; e.g. 30 %.")
    fuel: FuelCurve
    fuel_upstream: CarbonPerLitre | None = Field(
        default=None, description="Scope 3 of making and moving the fuel; not counted if absent."
    )
    tests: GeneratorTests | None = None


class Outage(Spec):
    """A time without the grid, from so long after the start of the run."""

    after: Duration
    duration: PositiveDuration


class Connection(OnSiteUnit):
    """The way to the grid: what it carries each way, and when it is down."""

    instead_of_two: ClassVar[str | None] = "give the sum of what they carry"

    kind: Literal["connection"]
    import_limit: PositivePower | None = Field(default=None, description="No limit if absent.")
    export_limit: Power = Field(description="What may be fed into the grid; 0 W where a surplus is curtailed.")
    outages: list[Outage] = Field(default_factory=list, max_length=10_000)


def _one_of_each(units: list[OnSiteUnit]) -> list[OnSiteUnit]:
    words = [unit.kind for unit in units]
    for unit in units:
        if unit.instead_of_two is not None and words.count(unit.kind) > 1:
            message = "has more than one {k}: {a}"
            raise PydanticCustomError("on_site", message, {"k": unit.kind, "a": unit.instead_of_two})
    if units and not any(isinstance(unit, Connection) for unit in units):
        raise PydanticCustomError(
            "on_site", "needs a {k}; we do not guess what may be fed into the grid", {"k": "{kind: connection, ...}"}
        )
    return units


def needs_sky(units: Sequence[OnSiteUnit]) -> bool:
    """Whether one of them makes its output from sun or wind."""
    return any(unit.needs_sky for unit in units)


OnSite = Annotated[list[OnSiteUnit], Field(max_length=1000), AfterValidator(_one_of_each)]
"""The value of ``site.on_site``: at most one battery, one diesel and exactly one connection, any number of plants."""
