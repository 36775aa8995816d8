"""A cooling tower: fans, and water that evaporates because heat is rejected.

Air leaves saturated at the mean water temperature. Of its gain in enthalpy the latent part is the water it took up; in
cold air some heat leaves as warmth, in hot dry air more water would evaporate than the heat accounts for, and that
share is held at one: a tower rejects heat and does no more. Blowdown keeps salts at ``cycles`` times those of the
make-up; drift leaves with the air.

Sources: Merkel's saturated-air model, ASHRAE Handbook, HVAC Systems and Equipment, 2020, chapter 40; blowdown =
evaporation / (cycles - 1) - drift, ibid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.weather.psychrometrics import latent_heat_j_per_kg, saturated_ratio
from sim.weather.series import Air

Floats = npt.NDArray[np.float64]

WATER_J_PER_KG_K = 4186.0
"""A litre of water is taken as a kilogram."""

MOIST_AIR_J_PER_KG_K = 1020.0
"""Per kg of dry air, at the humidity of warm air (ASHRAE Fundamentals, 2017, chapter 1: 1.006 + 1.86 W)."""

DRIFT_SHARE = 2e-5
"""Of the circulating water, with drift eliminators: 0.002 %, the limit of ASHRAE 189.1-2014, section 6.3.2.3."""


@dataclass(frozen=True)
class Tower:
    """A cooling tower by its design point.

    Heat in W, fan power as a share of it, approach to the wet bulb and range in K, and cycles of concentration.
    """

    heat_w: float
    fan_share: float
    approach_k: float
    range_k: float
    cycles: float


def fan_power_w(heat_w: Floats, tower: Tower) -> Floats:
    """Electric W (n,) of the fans while ``heat_w`` (n,) is rejected: air follows the heat, and power its cube."""
    flow = heat_w / tower.heat_w
    return np.asarray(tower.fan_share * tower.heat_w * flow * flow * flow)


def evaporated_share(air: Air, tower: Tower) -> Floats:
    """Share (n,) of the rejected heat that leaves by evaporation, 0..1."""
    leaving_c = air.wet_bulb_c + (tower.approach_k + tower.range_k / 2.0)
    taken_up = saturated_ratio(leaving_c, air.pressure_pa) - air.humidity_ratio
    latent = latent_heat_j_per_kg(leaving_c) * taken_up
    sensible = MOIST_AIR_J_PER_KG_K * (leaving_c - air.dry_bulb_c)
    return np.asarray(np.clip(latent / (latent + sensible), 0.0, 1.0))


def water_l_per_s(heat_w: Floats, air: Air, tower: Tower) -> dict[str, Floats]:
    """Water that the tower takes while ``heat_w`` (n,) is rejected: evaporation, blowdown and drift, L/s (n,) each."""
    latent_heat = latent_heat_j_per_kg(air.wet_bulb_c + (tower.approach_k + tower.range_k / 2.0))
    evaporated = heat_w * evaporated_share(air, tower) / latent_heat
    drift = heat_w * (DRIFT_SHARE / (WATER_J_PER_KG_K * tower.range_k))
    blowdown = np.maximum(evaporated / (tower.cycles - 1.0) - drift, 0.0)
    return {"evaporation": evaporated, "blowdown": blowdown, "drift": drift}
