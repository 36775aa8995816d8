"""What a site has bought: power purchase agreements and certificates, and the residual mix of the rest."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, Tag, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import CarbonIntensity, EnergyOverTime, PositivePower
from sim.spec.times import StampsOfAny, Zone
from sim.validation import Spec, mapping_or

Source = Literal["wind", "solar", "hydro", "nuclear", "geothermal", "biomass", "gas", "coal", "oil"]
CARBON_FREE = ("wind", "solar", "hydro", "nuclear", "geothermal")
RENEWABLE = ("wind", "solar", "hydro", "geothermal", "biomass")


class PowerSeries(Spec):
    """A supply that changes: one column of a CSV file with the times of its intervals in another."""

    kind: Literal["series"]
    file: str
    time_column: str = "datetime_utc"
    column: str = "power"
    stamps: StampsOfAny = "start"
    zone: Zone = None
    unit: PositivePower = Field(description="What one unit of the column is, e.g. '1 MW'.")


class Contract(Choice):
    """Energy that was bought, and what is known of where it comes from."""

    family: ClassVar[str] = "contract"

    source: Source
    intensity: CarbonIntensity | None = Field(
        default=None,
        description="What the contract conveys. Zero for wind, solar, hydro, nuclear and geothermal, which burn "
        "nothing (GHG Protocol, Scope 2 Guidance, 2015); required for anything that burns.",
    )

    @model_validator(mode="after")
    def _states_what_burns(self) -> Contract:
        if self.intensity is None and self.source not in CARBON_FREE:
            raise PydanticCustomError("intensity", "needs its 'intensity': {source} is burnt", {"source": self.source})
        return self

    @property
    def series(self) -> PowerSeries | None:
        """What is delivered over time; None where it is the same at all hours, or knows none."""
        return None


class PPA(Contract):
    """Power purchased from a generator: so much energy in a year, delivered evenly or as a series says."""

    energy: EnergyOverTime | None = Field(default=None, description="Energy over time, e.g. '40 GWh/year'.")
    supply: Annotated[
        Annotated[Literal["flat"], Tag("@word")] | Annotated[PowerSeries, Tag("@mapping")], mapping_or("@word")
    ] = Field(description="'flat', or the generator's own output as {kind: series, file: ...}.")
    matching: Literal["hourly", "annual"] = Field(description="How the supply is held against the load.")

    @model_validator(mode="after")
    def _one_amount(self) -> PPA:
        if (self.energy is None) == (self.supply == "flat"):
            raise PydanticCustomError("energy", "a flat supply needs 'energy'; a series brings its own and takes none")
        return self

    @property
    def series(self) -> PowerSeries | None:
        """The generator's own output, where it is given."""
        return self.supply if self.supply != "flat" else None


class Certificates(Contract):
    """Unbundled certificates (GO, REC, I-REC): claims on energy of the same year, which know no hours."""

    energy: EnergyOverTime = Field(description="Energy over time, e.g. '40 GWh/year'.")


class Market(Spec):
    """Market-based accounting. What no contract covers is charged at the residual mix."""

    residual_mix: CarbonIntensity = Field(
        description="Of the market in the year, e.g. AIB's for Europe or Green-e's for the US; where none is "
        "published, the location-based average, and say so."
    )
    contracts: list[Contract] = Field(default_factory=list)
