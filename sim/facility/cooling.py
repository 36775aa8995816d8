"""Ways to take the heat of a hall outdoors. Each turns heat and outdoor air into power, water and the heat it rejects.

Every way holds its supply temperature; what a colder outside spares is compressor work. Heat balances in each: what is
rejected is what came in, the work of compressors, and the fans and pumps inside the cooled loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.facility import tower as t
from sim.facility.chiller import Chiller, chiller_power_w
from sim.facility.flow import cubic_power_w
from sim.weather.psychrometrics import latent_heat_j_per_kg
from sim.weather.series import Air

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cooled:
    """Arrays (n,): electric W by component, heat rejected outdoors in W, water in L/s by use (empty where none is)."""

    power_w: dict[str, Floats]
    rejected_w: Floats
    water_l_per_s: dict[str, Floats]


class Cooling(Protocol):
    """Cooling of a hall for ``capacity_w`` of heat; ``supply_c`` is the air (or water) it gives the servers."""

    @property
    def capacity_w(self) -> float: ...
    @property
    def supply_c(self) -> float: ...
    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """Takes ``heat_w`` (n,) out while the outdoors is ``air``."""


@dataclass(frozen=True)
class RoomAir:
    """Fans that move the hall's air: share of the design heat at design, slowest flow, K from supply to return."""

    design_heat_w: float
    fan_share: float
    slowest: float
    supply_c: float
    rise_k: float

    def fan_w(self, heat_w: Floats) -> Floats:
        """Their power; all of it becomes heat in the hall."""
        return cubic_power_w(
            heat_w, design_load_w=self.design_heat_w, design_share=self.fan_share, slowest=self.slowest
        )


@dataclass(frozen=True)
class WaterCooledChiller:
    """Chilled water, a chiller, a tower; ``economizer_k`` is the approach of a water-side economizer, None without one.

    The economizer takes the share of the heat that water of the tower can take before the chiller: all of it where that
    water is as cold as the chilled water, none where it is as warm as its return.
    """

    air: RoomAir
    chiller: Chiller
    tower: t.Tower
    chilled_water_c: float
    chilled_rise_k: float
    pump_share: float
    slowest_pump: float
    coldest_condenser_c: float
    economizer_k: float | None

    @property
    def capacity_w(self) -> float:
        """The design heat of the hall."""
        return self.air.design_heat_w

    @property
    def supply_c(self) -> float:
        """Of the air."""
        return self.air.supply_c

    def free_share(self, air: Air) -> Floats:
        """Of the heat that needs no chiller, 0..1 (n,)."""
        if self.economizer_k is None:
            return np.zeros_like(air.wet_bulb_c)
        coldest = air.wet_bulb_c + self.tower.approach_k + self.economizer_k
        return_c = self.chilled_water_c + self.chilled_rise_k
        return np.asarray(np.clip((return_c - coldest) / self.chilled_rise_k, 0.0, 1.0))

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """See ``Cooling``."""
        fan_w = self.air.fan_w(heat_w)
        pump_w = cubic_power_w(
            heat_w, design_load_w=self.capacity_w, design_share=self.pump_share, slowest=self.slowest_pump
        )
        load_w = heat_w + fan_w + pump_w
        condenser_c = np.maximum(air.wet_bulb_c + self.tower.approach_k, self.coldest_condenser_c)
        compressor_w = chiller_power_w(
            load_w * (1.0 - self.free_share(air)),
            self.chilled_water_c,
            condenser_c + self.tower.range_k,
            self.chiller,
        )
        rejected_w = load_w + compressor_w
        power = {
            "air_fan": fan_w,
            "pump": pump_w,
            "chiller": compressor_w,
            "tower_fan": t.fan_power_w(rejected_w, self.tower),
        }
        return Cooled(power, rejected_w, t.water_l_per_s(rejected_w, air, self.tower))


@dataclass(frozen=True)
class AirCooledChiller:
    """Chilled water and a chiller whose condenser is cooled by outdoor air; its rated power includes its fans.

    ``economizer_k`` is the approach of a dry free-cooling coil, None without one.
    """

    air: RoomAir
    chiller: Chiller
    chilled_water_c: float
    chilled_rise_k: float
    pump_share: float
    slowest_pump: float
    coldest_condenser_c: float
    condenser_approach_k: float
    economizer_k: float | None

    @property
    def capacity_w(self) -> float:
        """The design heat of the hall."""
        return self.air.design_heat_w

    @property
    def supply_c(self) -> float:
        """Of the air."""
        return self.air.supply_c

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """See ``Cooling``."""
        fan_w = self.air.fan_w(heat_w)
        pump_w = cubic_power_w(
            heat_w, design_load_w=self.capacity_w, design_share=self.pump_share, slowest=self.slowest_pump
        )
        load_w = heat_w + fan_w + pump_w
        free = np.zeros_like(load_w)
        if self.economizer_k is not None:
            coldest = air.dry_bulb_c + self.economizer_k
            free = np.clip((self.chilled_water_c + self.chilled_rise_k - coldest) / self.chilled_rise_k, 0.0, 1.0)
        condensing_c = np.maximum(air.dry_bulb_c + self.condenser_approach_k, self.coldest_condenser_c)
        compressor_w = chiller_power_w(load_w * (1.0 - free), self.chilled_water_c, condensing_c, self.chiller)
        return Cooled({"air_fan": fan_w, "pump": pump_w, "chiller": compressor_w}, load_w + compressor_w, {})


@dataclass(frozen=True)
class OutdoorAir:
    """Outdoor air through the hall, wetted first where ``effectiveness`` is above 0, trimmed by a compressor.

    Air up to the supply temperature is mixed with return air and costs nothing but fans; up to the return temperature
    the compressor takes the rest of the way; beyond it the hall's own air is recirculated. Wetting cools by
    ``effectiveness`` of the wet-bulb depression, by no more than is wanted, and by no more than the rise through the
    hall (an indirect unit), so that no more evaporates than the rejected heat accounts for.
    """

    air: RoomAir
    trim: Chiller
    condenser_approach_k: float
    coldest_condenser_c: float
    effectiveness: float
    cycles: float | None

    @property
    def capacity_w(self) -> float:
        """The design heat of the hall."""
        return self.air.design_heat_w

    @property
    def supply_c(self) -> float:
        """Of the air."""
        return self.air.supply_c

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """See ``Cooling``."""
        fan_w = self.air.fan_w(heat_w)
        load_w = heat_w + fan_w
        excess_k = np.maximum(air.dry_bulb_c - self.air.supply_c, 0.0)
        wetted_k = np.minimum(
            self.effectiveness * (air.dry_bulb_c - air.wet_bulb_c), np.minimum(excess_k, self.air.rise_k)
        )
        trimmed = np.minimum((excess_k - wetted_k) / self.air.rise_k, 1.0)
        condensing_c = np.maximum(air.dry_bulb_c + self.condenser_approach_k, self.coldest_condenser_c)
        compressor_w = chiller_power_w(load_w * trimmed, self.air.supply_c, condensing_c, self.trim)
        power = {"air_fan": fan_w, "chiller": compressor_w}
        if self.cycles is None:
            return Cooled(power, load_w + compressor_w, {})
        evaporated = load_w * wetted_k / self.air.rise_k / latent_heat_j_per_kg(air.wet_bulb_c)
        water = {"evaporation": evaporated, "blowdown": evaporated / (self.cycles - 1.0)}
        return Cooled(power, load_w + compressor_w, water)


@dataclass(frozen=True)
class Liquid:
    """Warm water to the chips (or the bath) and a dry cooler; ``rest`` takes what stays in the air, None for a bath.

    ``liquid_share`` of the heat goes to water of ``water_c``. The dry cooler's fans follow the heat and the temperature
    that drives it; where outdoor air comes within ``approach_k`` of the water, ``trim`` chills the missing part.
    """

    design_heat_w: float
    liquid_share: float
    water_c: float
    rise_k: float
    approach_k: float
    design_dry_bulb_c: float
    fan_share: float
    pump_share: float
    slowest_pump: float
    trim: Chiller
    condenser_approach_k: float
    rest: Cooling | None

    @property
    def capacity_w(self) -> float:
        """The design heat of the hall."""
        return self.design_heat_w

    @property
    def supply_c(self) -> float:
        """Of the air where some is left, else of the water."""
        return self.rest.supply_c if self.rest is not None else self.water_c

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """See ``Cooling``."""
        wet_w = heat_w * self.liquid_share
        design_w = self.design_heat_w * self.liquid_share
        pump_w = cubic_power_w(wet_w, design_load_w=design_w, design_share=self.pump_share, slowest=self.slowest_pump)
        load_w = wet_w + pump_w
        missing_k = np.maximum(air.dry_bulb_c + self.approach_k - self.water_c, 0.0)
        trimmed = np.minimum(missing_k / self.rise_k, 1.0)
        condensing_c = air.dry_bulb_c + self.condenser_approach_k
        compressor_w = chiller_power_w(load_w * trimmed, self.water_c, condensing_c, self.trim)
        rejected_w = load_w + compressor_w
        driving_k = np.maximum(self.water_c + self.rise_k / 2.0 - air.dry_bulb_c, self.approach_k + self.rise_k / 2.0)
        design_k = max(self.water_c + self.rise_k / 2.0 - self.design_dry_bulb_c, self.approach_k + self.rise_k / 2.0)
        flow = np.minimum(rejected_w / design_w * (design_k / driving_k), 1.0)
        fan_w = self.fan_share * design_w * flow * flow * flow
        power = {"pump": pump_w, "chiller": compressor_w, "dry_cooler_fan": fan_w}
        if self.rest is None:
            return Cooled(power, rejected_w, {})
        other = self.rest.cool(heat_w - wet_w, air)
        merged = {
            name: power.get(name, 0.0) + other.power_w.get(name, 0.0) for name in sorted({*power, *other.power_w})
        }
        return Cooled(
            {name: np.asarray(watts) for name, watts in merged.items()},
            rejected_w + other.rejected_w,
            other.water_l_per_s,
        )
