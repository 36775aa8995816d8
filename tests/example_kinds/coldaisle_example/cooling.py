"""Cooling by cold sea water: heat exchangers and pumps, no chiller and no evaporation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sim.facility.cooling import Cooled
from sim.quantities import PositiveFraction, Temperature
from sim.spec.facility import CoolingSpec
from sim.weather.series import Air

Floats = npt.NDArray[np.float64]


class SeaWater(CoolingSpec):
    """Sea water through heat exchangers, cold enough all year."""

    example: ClassVar[dict[str, Any]] = {"supply": "24 degC", "pump_power": "3 %"}

    kind: Literal["sea-water"]
    supply: Temperature = Field(description="Of the air to the servers, e.g. '24 degC'.")
    pump_power: PositiveFraction = Field(description="As a share of the heat, e.g. '3 %'.")


@dataclass(frozen=True)
class SeaWaterCooling:
    """``pump_share`` of the heat as pumping power, whatever the weather."""

    capacity_w: float
    supply_c: float
    pump_share: float

    def cool(self, heat_w: Floats, _air: Air) -> Cooled:
        """The pumps stand outside: their power adds nothing to the heat."""
        return Cooled({"pump": self.pump_share * heat_w}, heat_w, {})


def sea_water(spec: SeaWater, heat_w: float) -> SeaWaterCooling:
    """For ``heat_w`` of heat at design."""
    return SeaWaterCooling(heat_w, float(spec.supply), float(spec.pump_power))
