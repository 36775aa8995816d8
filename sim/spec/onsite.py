"""What makes energy at a site, or brings it there: PV, wind, diesel generators, and the connection to the grid.

Batteries stand in ``battery``.
"""

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
    Fraction,
    FuelPerEnergy,
    Length,
    Lifetime,
    PositiveDuration,
    PositiveFraction,
    PositiveLength,
    PositivePower,
    PositiveSpeed,
    Power,
    SmallRatio,
    Tilt,
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

    capacity: PositivePower
    output: OutputSeries
    lifecycle: WindLifecycle

    @property
    def series(self) -> OutputSeries:
        """Its output."""
        return self.output


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
