"""The building as a plant of cooling and power chain. What decides is written, never assumed."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from sim.kinds import Choice
from sim.quantities import (
    ConversionEfficiency,
    Fraction,
    PositiveDifference,
    PositiveFraction,
    PositivePower,
    Power,
    Temperature,
    TemperatureDifference,
)
from sim.spec.building import Facility
from sim.validation import Spec

FAN_POWER = "Electric power of the hall's fans at design, as a share of the heat; Title 24 (2013) allows 9.2 %."
PUMP_POWER = (
    "Electric power of the pumps at design, as a share of the heat; 22 W/gpm at 6.7 K is 1.3 % (ASHRAE 90.1-2013, G)."
)
SLOWEST = "Slowest flow that the drives run, as a share of design; 1 for fixed speed."
COP = (
    "At design; ASHRAE 90.1-2013 asks 6.28 of large water-cooled (29.4 degC entering the condenser) and 2.96 of "
    "air-cooled chillers (35 degC outdoors), both giving water of 6.7 degC."
)


class RoomAir(Spec):
    """The hall's air: supply temperature, rise through the servers, and the fans that move it."""

    supply: Temperature = Field(description="At the servers' inlets, e.g. '24 degC' (ASHRAE recommends 18 to 27 degC).")
    rise: PositiveDifference = Field(description="From supply to return, e.g. '12 K'.")
    fan_power: Fraction = Field(description=FAN_POWER)
    slowest: Fraction = Field(description=SLOWEST)


class ChilledWater(Spec):
    """The water between the hall's coils and the chiller."""

    supply: Temperature = Field(description="e.g. '18 degC'.")
    rise: PositiveDifference = Field(description="e.g. '6 K'.")
    pump_power: Fraction = Field(description=PUMP_POWER)
    slowest: Fraction = Field(description=SLOWEST)


class RatedChiller(Spec):
    """A chiller by its rating: COP between the evaporator's and the condenser's leaving temperatures."""

    cop: float = Field(gt=1.0, le=30.0, description=COP)
    evaporating: Temperature = Field(description="Leaving chilled water (or air) at the rating, e.g. '6.7 degC'.")
    condensing: Temperature = Field(description="Leaving condenser water, or condenser, at the rating, e.g. '35 degC'.")

    @model_validator(mode="after")
    def _possible(self) -> RatedChiller:
        lift, kelvin = self.condensing - self.evaporating, self.evaporating + 273.15
        if lift <= 0.0:
            raise PydanticCustomError("lift", "must condense above the temperature at which it evaporates")
        if self.cop >= kelvin / lift:
            message = "a COP of {cop} is beyond Carnot's {carnot} between these temperatures"
            raise PydanticCustomError("cop", message, {"cop": f"{self.cop:g}", "carnot": f"{kelvin / lift:.3g}"})
        return self


class Tower(Spec):
    """A wet cooling tower."""

    approach: PositiveDifference = Field(description="Leaving water above the wet bulb, e.g. '4 K'.")
    range: PositiveDifference = Field(description="Entering above leaving water, e.g. '5.6 K'.")
    fan_power: Fraction = Field(description="Of the rejected heat at design; 40.2 gpm/hp is 1.4 % (ASHRAE 90.1-2013).")
    cycles_of_concentration: float = Field(gt=1.0, le=100.0, description="Of salts in the water, e.g. 5.")


class CoolingSpec(Choice):
    """What takes the heat out of the hall. Servers that it immerses have no fans of their own."""

    family: ClassVar[str] = "cooling"
    immerses: ClassVar[bool] = False


class AirCooling(CoolingSpec):
    """What cools the hall's air, and may do so beside cold plates."""


class WaterCooledChillerSpec(AirCooling):
    """Chilled water, a chiller, a tower, and a water-side economizer if one is given."""

    air: RoomAir
    chilled_water: ChilledWater
    chiller: RatedChiller
    tower: Tower
    coldest_condenser: Temperature = Field(description="Coldest water the condenser takes, e.g. '15 degC'.")
    economizer_approach: TemperatureDifference | None = Field(
        default=None, description="Of a water-side economizer's heat exchanger, e.g. '2 K'; none, if absent."
    )


class AirCooledChillerSpec(AirCooling):
    """Chilled water and an air-cooled chiller, whose rated COP includes its fans."""

    air: RoomAir
    chilled_water: ChilledWater
    chiller: RatedChiller
    condenser_approach: PositiveDifference = Field(description="Condensing above outdoor air, e.g. '15 K'.")
    coldest_condenser: Temperature = Field(description="Lowest condensing temperature, e.g. '25 degC'.")
    economizer_approach: TemperatureDifference | None = Field(
        default=None, description="Of a dry free-cooling coil, e.g. '5 K'; none, if absent."
    )


class AirSideEconomizer(AirCooling):
    """Outdoor air through the hall, with a compressor to trim it."""

    air: RoomAir
    trim: RatedChiller
    condenser_approach: PositiveDifference = Field(description="Condensing above outdoor air, e.g. '15 K'.")
    coldest_condenser: Temperature = Field(description="Lowest condensing temperature, e.g. '25 degC'.")
    least_humidity: Fraction | None = Field(
        default=None,
        description="Relative humidity below which the supply is humidified, e.g. '20 %' (evaporating in the air: no "
        "heat for it); not at all, if absent.",
    )


class Adiabatic(AirSideEconomizer):
    """Outdoor air wetted before it cools, with a compressor to trim it."""

    effectiveness: PositiveFraction = Field(description="Share of the wet-bulb depression, e.g. 0.85.")
    cycles_of_concentration: float = Field(gt=1.0, le=100.0, description="Of salts in the water, e.g. 3.")


class WarmWater(Spec):
    """Warm water from chips or baths to a dry cooler, with a chiller to trim it."""

    supply: Temperature = Field(description="To the cold plates or the bath, e.g. '32 degC'.")
    rise: PositiveDifference = Field(description="e.g. '10 K'.")
    pump_power: Fraction = Field(description="Of the CDUs' pumps at design, as a share of the heat, e.g. '1.5 %'.")
    slowest: Fraction = Field(description=SLOWEST)
    dry_cooler_approach: PositiveDifference = Field(description="Water above outdoor air at best, e.g. '6 K'.")
    dry_cooler_fan_power: Fraction = Field(description="At design, as a share of the heat, e.g. '2 %'.")
    design_dry_bulb: Temperature = Field(description="Outdoor air for which the dry cooler is sized, e.g. '38 degC'.")
    trim: RatedChiller
    condenser_approach: PositiveDifference = Field(description="Condensing above outdoor air, e.g. '15 K'.")


class DirectToChip(CoolingSpec):
    """Cold plates take ``liquid_share`` of the heat; the air of the hall keeps the rest."""

    liquid_share: PositiveFraction | None = Field(
        default=None, description="Of the IT heat, e.g. 0.75; if absent, as the profiles of its nodes have it."
    )
    water: WarmWater
    rest: AirCooling = Field(description="What cools the hall's air.")


class Immersion(CoolingSpec):
    """Servers in a bath, without fans of their own."""

    immerses: ClassVar[bool] = True
    water: WarmWater


class EfficiencyAt(Spec):
    """Efficiency at a share of the rated load."""

    load: PositiveFraction
    value: ConversionEfficiency


class ElementSpec(Spec):
    """A stage of the power chain: what it carries, in how many modules, and its efficiency by load."""

    kind: Literal["transformer", "ups", "pdu", "rectifier"]
    capacity: PositivePower = Field(description="What must be carried, without spares.")
    redundancy: Literal["N", "N+1", "2N"] = Field(description="Spares share the load and add their no-load losses.")
    modules: int = Field(default=1, ge=1, le=1000, strict=True, description="That carry the capacity, without spares.")
    efficiency: list[EfficiencyAt] = Field(min_length=3, max_length=20, description="At three shares of load or more.")


class PowerChain(Spec):
    """From the grid to the racks: ``utility`` feeds everything, ``critical`` the IT. Power supplies are the nodes'."""

    utility: list[ElementSpec] = Field(default_factory=list, max_length=10)
    critical: list[ElementSpec] = Field(default_factory=list, max_length=10)
    feed: PositivePower | None = Field(default=None, description="What the site may draw; no limit, if absent.")

    @model_validator(mode="after")
    def _each_once(self) -> PowerChain:
        kinds = [element.kind for element in (*self.utility, *self.critical)]
        twice = next((kind for kind in kinds if kinds.count(kind) > 1), None)
        if twice is not None:
            raise PydanticCustomError("chain", "has more than one {kind}; give their chain as one", {"kind": twice})
        return self


class WarmServersSpec(Spec):
    """What warm air costs: the run's meters are taken to hold at ``reference``."""

    reference: Temperature = Field(description="Inlet at which the profiles' power was measured, e.g. '22 degC'.")
    fan_ramp_per_k: float = Field(ge=0.0, le=0.5, description="Rise of fan speed above it, e.g. 0.02.")
    leakage_per_k: float = Field(ge=0.0, le=0.1, description="Rise of the silicon's power above it, e.g. 0.002.")


class HeatReuseSpec(Spec):
    """Heat that is used outside the data center, lifted by a heat pump if need be."""

    share: PositiveFraction = Field(description="Of the hall's heat that can be taken.")
    demand: PositivePower = Field(description="Most that is wanted.")
    heat_pump_cop: float | None = Field(default=None, gt=1.0, le=20.0, description="None is needed, if absent.")


class PlantSpec(Facility):
    """A building of cooling and power chain, which needs the site's 'weather'."""

    needs_weather: ClassVar[bool] = True
    has_limits: ClassVar[bool] = True
    design_it: PositivePower = Field(description="IT power that the cooling is sized for.")
    cooling: CoolingSpec
    power_chain: PowerChain
    other: Power = Field(description="Lighting, offices, security: constant; '0 W' leaves them out.")
    servers: WarmServersSpec | None = None
    heat_reuse: HeatReuseSpec | None = None
