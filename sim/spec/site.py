"""Where the machines stand: the grid that feeds them, the building around them, the water both need."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, Tag

from sim.later import later
from sim.quantities import CarbonIntensity, EnergyPrice, Fraction, Mass, WaterIntensity
from sim.validation import LONGEST_NAME, Spec, mapping_or

with later():
    from sim.spec.building import Facility
    from sim.spec.grid import IntensitySource, PriceSource, WaterSource
    from sim.spec.market import Market
    from sim.spec.onsite import OnSite
    from sim.spec.weather import WeatherSource


Intensity = Annotated[
    Annotated[CarbonIntensity, Tag("@quantity")] | Annotated[IntensitySource, Tag("@mapping")],
    mapping_or("@quantity"),
]
EnergyCost = Annotated[
    Annotated[EnergyPrice, Tag("@quantity")] | Annotated[PriceSource, Tag("@mapping")],
    mapping_or("@quantity"),
]
PowerStationWater = Annotated[
    Annotated[WaterIntensity, Tag("@quantity")] | Annotated[WaterSource, Tag("@mapping")],
    mapping_or("@quantity"),
]


class Grid(Spec):
    """The electricity: its location-based average carbon intensity, and what it costs."""

    intensity: Intensity = Field(
        description="We do not guess a carbon intensity: give one such as '57 gCO2e/kWh', or {kind: series, file: ...}."
    )
    marginal: Intensity | None = Field(default=None, description="What one more kWh causes, e.g. WattTime's MOER.")
    carbon_free: Fraction | None = Field(
        default=None, description="Share of the grid's own mix; a source of 'intensity' with a mix knows it."
    )
    price: EnergyCost | None = None
    market: Market | None = Field(default=None, description="What was bought, for market-based carbon.")


class Scarcity(Spec):
    """What a litre weighs where it is taken, e.g. in AWARE's world-average litres (Boulay et al. 2018)."""

    site: float = Field(ge=0, le=1000)
    grid: float = Field(ge=0, le=1000, description="At the power stations.")


class Water(Spec):
    """Water in L/kWh: on site per IT energy (WUE), at the power stations per facility energy (EWIF)."""

    wue: WaterIntensity | None = None
    ewif: PowerStationWater | None = None
    scarcity: Scarcity | None = None


class Refrigerant(Spec):
    """What cooling holds and loses: what escapes is of scope 1, whatever the load."""

    name: str = Field(min_length=1, max_length=LONGEST_NAME, description="E.g. R-134a.")
    charge: Mass = Field(description="Of the whole site, e.g. '120 kg'.")
    leak: Fraction = Field(description="Share of the charge that escapes in a year, e.g. 2 %.")
    gwp: float = Field(ge=0, le=50_000, description="Over 100 years, e.g. 1530 of R-134a by IPCC AR6.")


class Place(Spec):
    """Where machines stand; its name is given elsewhere."""

    grid: Grid = Field(description="It needs 'grid.intensity': we do not guess a carbon intensity.")
    facility: Facility = Field(
        description="We do not guess a PUE: give {kind: fixed-pue, pue: ...} or {kind: plant, ...}."
    )
    weather: WeatherSource | None = Field(default=None, description="Needed by a plant, and by PV and wind.")
    on_site: OnSite = Field(default_factory=list, description="PV, wind, a battery, diesel, and the connection.")
    water: Water = Field(default_factory=Water)
    refrigerants: list[Refrigerant] | None = Field(
        default=None, max_length=100, description="What escapes from the cooling; [] where nothing does."
    )


class Site(Place):
    """The one place of a scenario."""

    name: str = Field(default="site", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=LONGEST_NAME)
