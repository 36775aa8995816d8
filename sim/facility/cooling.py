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
from sim.weather.psychrometrics import enthalpy_j_per_kg, humidity_ratio, latent_heat_j_per_kg
from sim.weather.series import Air

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Cooled:
    """What cooling takes and gives in each bin, as arrays (n,).

    Electric W by component, heat rejected outdoors in W, and water in L/s by use (empty where none is).
    """

    power_w: dict[str, Floats]
    rejected_w: Floats
    water_l_per_s: dict[str, Floats]


class Cooling(Protocol):
    """A way of cooling a hall: carries ``capacity_w`` of heat, and gives the servers air (or water) of ``supply_c``."""

    @property
    def capacity_w(self) -> float: ...
    @property
    def supply_c(self) -> float: ...
    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """Takes ``heat_w`` (n,) out while the outdoors is ``air``."""


@dataclass(frozen=True)
class RoomAir:
    """Fans that move the hall's air.

    They take a share of the design heat at design and run no slower than a share of the design flow; the air warms by
    some K from supply to return.
    """

    design_heat_w: float
    fan_share: float
    slowest: float
    supply_c: float
    rise_k: float

    def fan_w(self, heat_w: Floats) -> Floats:
        """Power of the fans (n,), W, while they carry ``heat_w`` (n,); all of it becomes heat in the hall."""
        return cubic_power_w(
            heat_w, design_load_w=self.design_heat_w, design_share=self.fan_share, slowest=self.slowest
        )


@dataclass(frozen=True)
class ChilledWater:
    """The hall's air and the water that cools it: supply, rise, and pumps as a share of the heat at design."""

    air: RoomAir
    supply_c: float
    rise_k: float
    pump_share: float
    slowest_pump: float

    def load(self, heat_w: Floats) -> tuple[dict[str, Floats], Floats]:
        """Power of fans and pumps, W by component, and the heat left for the chiller: the hall's and theirs, W (n,)."""
        pump_w = cubic_power_w(
            heat_w, design_load_w=self.air.design_heat_w, design_share=self.pump_share, slowest=self.slowest_pump
        )
        power = {"air_fan": self.air.fan_w(heat_w), "pump": pump_w}
        return power, heat_w + power["air_fan"] + pump_w

    def free_share(self, coldest_c: Floats) -> Floats:
        """Share of the heat (n,) that needs no chiller, where outdoors brings the water to ``coldest_c`` (n,).

        All of it at the supply temperature, none at the return's, in proportion between.
        """
        return np.asarray(np.clip((self.supply_c + self.rise_k - coldest_c) / self.rise_k, 0.0, 1.0))


@dataclass(frozen=True)
class WaterCooledChiller:
    """Chilled water, a chiller and a tower; ``economizer_k`` is a water-side economizer's approach, None without."""

    water: ChilledWater
    chiller: Chiller
    tower: t.Tower
    coldest_condenser_c: float
    economizer_k: float | None

    @property
    def capacity_w(self) -> float:
        """Heat that the cooling carries, W: the design heat of the hall."""
        return self.water.air.design_heat_w

    @property
    def supply_c(self) -> float:
        """Temperature of the air that servers take in, degC."""
        return self.water.air.supply_c

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """Power, rejected heat and water in each bin; see ``Cooling.cool``."""
        power, load_w = self.water.load(heat_w)
        tower_c = air.wet_bulb_c + self.tower.approach_k
        chilled_w = load_w
        if self.economizer_k is not None:
            chilled_w = load_w * (1.0 - self.water.free_share(tower_c + self.economizer_k))
        condensing_c = np.maximum(tower_c, self.coldest_condenser_c) + self.tower.range_k
        power["chiller"] = chiller_power_w(chilled_w, self.water.supply_c, condensing_c, self.chiller)
        rejected_w = load_w + power["chiller"]
        power["tower_fan"] = t.fan_power_w(rejected_w, self.tower)
        return Cooled(power, rejected_w, t.water_l_per_s(rejected_w, air, self.tower))


@dataclass(frozen=True)
class AirCooledChiller:
    """Chilled water and a chiller whose condenser is cooled by outdoor air; its rated power includes its fans.

    ``economizer_k`` is the approach of a dry free-cooling coil, None without one.
    """

    water: ChilledWater
    chiller: Chiller
    coldest_condenser_c: float
    condenser_approach_k: float
    economizer_k: float | None

    @property
    def capacity_w(self) -> float:
        """Heat that the cooling carries, W: the design heat of the hall."""
        return self.water.air.design_heat_w

    @property
    def supply_c(self) -> float:
        """Temperature of the air that servers take in, degC."""
        return self.water.air.supply_c

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """Power and rejected heat in each bin; see ``Cooling.cool``. It takes no water."""
        power, load_w = self.water.load(heat_w)
        chilled_w = load_w
        if self.economizer_k is not None:
            chilled_w = load_w * (1.0 - self.water.free_share(air.dry_bulb_c + self.economizer_k))
        condensing_c = np.maximum(air.dry_bulb_c + self.condenser_approach_k, self.coldest_condenser_c)
        power["chiller"] = chiller_power_w(chilled_w, self.water.supply_c, condensing_c, self.chiller)
        return Cooled(power, load_w + power["chiller"], {})


@dataclass(frozen=True)
class OutdoorAir:
    """Outdoor air through the hall, wetted first where ``effectiveness`` is above 0, trimmed by a compressor.

    Air up to the supply temperature is mixed with return air and costs nothing but fans; up to the return temperature
    the compressor takes the rest of the way; beyond it the hall's own air is recirculated. Wetting cools by
    ``effectiveness`` of the wet-bulb depression, by no more than is wanted, and by no more than the rise through the
    hall (an indirect unit), so that no more evaporates than the rejected heat accounts for. Air drier than
    ``least_humidity`` at the supply is humidified, by the same media where it has some.
    """

    air: RoomAir
    trim: Chiller
    condenser_approach_k: float
    coldest_condenser_c: float
    effectiveness: float
    cycles: float | None
    least_humidity: float | None = None

    @property
    def wets(self) -> bool:
        """Whether water is evaporated into the air, by heat or by drought."""
        return self.effectiveness > 0.0 or self.least_humidity is not None

    @property
    def capacity_w(self) -> float:
        """Heat that the cooling carries, W: the design heat of the hall."""
        return self.air.design_heat_w

    @property
    def supply_c(self) -> float:
        """Temperature of the air that servers take in, degC."""
        return self.air.supply_c

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """Power, rejected heat and water in each bin; see ``Cooling.cool``."""
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
        water: dict[str, Floats] = {}
        evaporated = load_w * wetted_k / self.air.rise_k / latent_heat_j_per_kg(air.wet_bulb_c)
        if self.cycles is not None:
            water["evaporation"] = evaporated
        if self.least_humidity is not None:
            # What cools is in the air already: the same media do both.
            water["humidification"] = np.maximum(self._humidified(load_w, air, self.least_humidity) - evaporated, 0.0)
        if self.cycles is not None:
            water["blowdown"] = np.asarray(sum(water.values())) / (self.cycles - 1.0)
        return Cooled(power, load_w + compressor_w, water)

    def _humidified(self, load_w: Floats, air: Air, least: float) -> Floats:
        """Water (n,), L/s, that keeps the supply's relative humidity.

        Outdoor air takes the heat as enthalpy, from what it has outdoors to what it has at the return, wherever return
        air is mixed in; all of the flow is outdoor air once that is too warm for it, and none beyond the return's
        temperature. What is added evaporates in the air (no boiler), so that colder days mix in less of it.
        """
        supply_c, return_c = self.air.supply_c, self.air.supply_c + self.air.rise_k
        wanted = humidity_ratio(np.asarray(supply_c), np.asarray(least), air.pressure_pa)
        missing = np.maximum(wanted - air.humidity_ratio, 0.0)
        returned = enthalpy_j_per_kg(np.asarray(return_c), wanted)
        flow = load_w / (returned - enthalpy_j_per_kg(np.asarray(supply_c), wanted))
        gained = np.maximum(returned - enthalpy_j_per_kg(air.dry_bulb_c, air.humidity_ratio), 1.0)
        outdoor = np.where(air.dry_bulb_c < return_c, np.minimum(load_w / gained, flow), 0.0)
        return np.asarray(outdoor * missing)


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
        """Heat that the cooling carries, W: the design heat of the hall."""
        return self.design_heat_w

    @property
    def supply_c(self) -> float:
        """Temperature that servers take in, degC: of the air where some heat is left in it, else of the water."""
        return self.rest.supply_c if self.rest is not None else self.water_c

    def cool(self, heat_w: Floats, air: Air) -> Cooled:
        """Power, rejected heat and water in each bin; see ``Cooling.cool``."""
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
