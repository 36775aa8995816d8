"""What a scenario may say of its grid: where its intensity or price comes from, and what to do where that is silent."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.profiles.grids import Basis, Fuel, Hydro
from sim.quantities import CarbonIntensity, EnergyPrice, WaterIntensity
from sim.spec.times import Stamps, StampsOfAny, TableZone, Zone

Gaps = Annotated[
    Literal["refuse", "hold", "interpolate"],
    Field(description="Of missing, blank and doubled rows and of mixed steps: refuse them, or fill and count them."),
]
Repeat = Annotated[
    Literal["calendar"] | None,
    Field(description="Lay the series on times it does not cover, by month, day and hour."),
]
Only = Annotated[
    dict[str, str], Field(description="Which rows of a file with several, e.g. {Area: BZN|DK2, Sequence: Sequence 1}.")
]
Factors = Annotated[str, Field(description="A set of factors of fuels, such as dcrl-eia-lifecycle; see 'profiles'.")]
Also = Annotated[
    dict[Fuel, CarbonIntensity], Field(description="Intensities of fuels that the set lacks, or others than its own.")
]


class IntensitySource(Choice):
    """Where an intensity of the grid comes from. A field called ``file`` names a file beside the scenario."""

    family: ClassVar[str] = "grid intensity"


class MixSource(IntensitySource):
    """A file of generation by fuel, from which an intensity follows with a set of factors."""


class PriceSource(Choice):
    """Where the price of electricity comes from."""

    family: ClassVar[str] = "grid price"


class WaterSource(Choice):
    """Where the water per energy at the power stations comes from."""

    family: ClassVar[str] = "grid water"


class IntensitySeries(IntensitySource):
    """One column of a CSV or Parquet file with the times of its intervals in another."""

    file: str
    time_column: str = "datetime_utc"
    column: str = "carbon_intensity"
    unit: CarbonIntensity = Field(description="What one unit of the column is, e.g. '1 gCO2e/kWh'.")
    basis: Basis | None = None
    stamps: StampsOfAny = "start"
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class ElectricityMaps(IntensitySource):
    """A file of Electricity Maps: the portal's CSV of either vintage, or the API's JSON."""

    file: str
    basis: Basis = Field(description="Its files hold both: say life-cycle or direct.")
    stamps: Stamps = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class WattTime(IntensitySource):
    """Marginal emissions of WattTime: JSON of its v3 API, or a CSV file, of which the unit must be said."""

    file: str
    unit: CarbonIntensity | None = Field(default=None, description="Of a CSV file: '1 gCO2e/kWh' or '1 lb/MWh'.")
    time_column: str | None = None
    column: str | None = None
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None

    @property
    def is_json(self) -> bool:
        """Whether the file is an answer of the API, which says its own unit."""
        return ".json" in PurePath(self.file).suffixes

    @model_validator(mode="after")
    def _one_unit(self) -> WattTime:
        if self.is_json and (self.unit, self.time_column, self.column) != (None, None, None):
            raise PydanticCustomError("unit", "is JSON, which says its own unit and columns: leave them out")
        if not self.is_json and self.unit is None:
            raise PydanticCustomError("unit", "needs a 'unit': '1 gCO2e/kWh', or '1 lb/MWh'")
        return self


class EIAMix(MixSource):
    """Hourly generation by fuel of a US balancing authority, and a set of factors: form EIA-930 or made from it."""

    file: str
    only: Only = Field(default_factory=dict)
    factors: Factors
    also: Also = Field(default_factory=dict)
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class EntsoeMix(MixSource):
    """ENTSO-E's actual generation per production type, and a set of factors."""

    file: str
    only: Only = Field(default_factory=dict)
    factors: Factors
    also: Also = Field(default_factory=dict)
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class GridstatusMix(MixSource):
    """A fuel mix that the library gridstatus read, as CSV, and a set of factors."""

    file: str
    only: Only = Field(default_factory=dict)
    skip: list[str] = Field(default_factory=list, description="Columns that are no fuel of this grid, e.g. [Imports].")
    factors: Factors
    also: Also = Field(default_factory=dict)
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class EnergyChartsMix(MixSource):
    """Public power by production type from Energy-Charts, as JSON, and a set of factors."""

    file: str
    factors: Factors
    also: Also = Field(default_factory=dict)
    stamps: Stamps = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class OpenElectricityMix(MixSource):
    """Generation by fueltech from OpenElectricity (Australia), as JSON or CSV, and a set of factors."""

    file: str
    only: Only = Field(default_factory=dict)
    factors: Factors
    also: Also = Field(default_factory=dict)
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class CarbonIntensityUK(IntensitySource):
    """Great Britain's average intensity by half-hours, as JSON of the Carbon Intensity API."""

    file: str
    value: Literal["actual", "forecast"] = Field(description="Its files hold both: say actual or forecast.")
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class Average(IntensitySource):
    """The yearly average of a country or a state of the US, constant. ``basis`` and ``year`` are checked if given."""

    region: str = Field(description="A country by ISO 3166-1 alpha-3 (FRA), or a state of the US (US-TX).")
    basis: Basis | None = None
    year: int | None = Field(default=None, ge=1900, le=2200)


class MonthHours(IntensitySource):
    """A table of means by month (1..12) and hour of the day (UTC, or by ``zone``), laid over the run."""

    file: str
    column: str = "carbon_intensity"
    unit: CarbonIntensity = Field(description="What one unit of the column is, e.g. '1 gCO2e/kWh'.")
    basis: Basis | None = None
    zone: TableZone = None


class MonthHoursMix(IntensitySource):
    """Generation by fuel in a table of means by month and hour of the day (as of month-hours), and a set of factors."""

    file: str
    columns: dict[Fuel, str] = Field(min_length=1, description="The column of each fuel, e.g. {gas: gas_mwh}.")
    factors: Factors
    also: Also = Field(default_factory=dict)
    zone: TableZone = None


class PriceSeries(PriceSource):
    """One column of a CSV or Parquet file with the times of its intervals in another."""

    file: str
    time_column: str = "datetime_utc"
    column: str = "price"
    unit: EnergyPrice = Field(description="What one unit of the column is, e.g. '1 USD/MWh'.")
    stamps: StampsOfAny = "start"
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class PriceCSV(PriceSource):
    """Prices of a US market in a CSV of ``Datetime (UTC),Datetime (Local),Price (USD/MWh)``."""

    file: str
    stamps: Stamps = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class EntsoePrice(PriceSource):
    """ENTSO-E's day-ahead prices."""

    file: str
    only: Only = Field(default_factory=dict)
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class GridstatusPrice(PriceSource):
    """Prices of a market that the library gridstatus read, as CSV; ``only`` names the location, if it has several."""

    file: str
    only: Only = Field(default_factory=dict)
    column: str | None = Field(default=None, description="LMP, SPP or Price, if absent.")
    unit: EnergyPrice = Field(description="Its files do not say: '1 USD/MWh', or '1 CAD/MWh' of IESO and AESO.")
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class EnergyChartsPrice(PriceSource):
    """Day-ahead prices from Energy-Charts, as JSON."""

    file: str
    stamps: Stamps = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class OpenElectricityPrice(PriceSource):
    """Prices of a region from OpenElectricity (Australia), as JSON or CSV, in AUD."""

    file: str
    only: Only = Field(default_factory=dict)
    stamps: Stamps = None
    zone: Zone = None
    gaps: Gaps = "refuse"
    repeat: Repeat = None


class PriceMonthHours(PriceSource):
    """A table of mean prices by month (1..12) and hour of the day (UTC, or by ``zone``), laid over the run."""

    file: str
    column: str = "price"
    unit: EnergyPrice = Field(description="What one unit of the column is, e.g. '1 USD/MWh'.")
    zone: TableZone = None


class MixWater(WaterSource):
    """Water at the power stations from the grid's fuel mix, hour by hour."""

    factors: Factors
    hydro: Hydro = Field(
        description="Whether what evaporates from reservoirs is hydropower's decides the result: "
        "choose without-reservoirs or with-reservoirs."
    )
    also: dict[Fuel, WaterIntensity] = Field(default_factory=dict)


class AverageWater(WaterSource):
    """The mean water at the power stations of a country, constant."""

    region: str
