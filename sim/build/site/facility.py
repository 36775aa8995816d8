"""A facility as written -> the building that the account of a site asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.facility.building import Building, FixedPUE
from sim.kinds import builder
from sim.later import later

with later():
    from sim.spec import building as spec


if TYPE_CHECKING:
    from sim.weather.series import WeatherSeries


def building(facility: spec.Facility, weather: WeatherSeries | None) -> Building:
    """The building of a site that has passed its checks: one that needs weather has it."""
    made: Building = builder(facility)(facility, weather)
    return made


def fixed_pue(facility: spec.FixedPUE, _weather: WeatherSeries | None) -> FixedPUE:
    """A building of one PUE."""
    return FixedPUE(float(facility.pue))
