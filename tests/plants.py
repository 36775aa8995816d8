"""Buildings for tests: one of each kind of cooling as a scenario writes it, and weather of one's choice."""

from __future__ import annotations

from typing import Any

import numpy as np
from pydantic import TypeAdapter

from sim.build.site.facility import building
from sim.facility.plant import Plant
from sim.spec.building import Facility
from sim.units import HOUR_NS
from sim.weather.psychrometrics import humidity_ratio, saturation_pressure_pa
from sim.weather.series import WeatherSeries

FACILITY: TypeAdapter[Any] = TypeAdapter(Facility)
AIR = {"supply": "24 degC", "rise": "12 K", "fan_power": "5 %", "slowest": 0.3}
WATER = {"supply": "18 degC", "rise": "6 K", "pump_power": "1.5 %", "slowest": 0.3}
WET_CHILLER = {"cop": 6.28, "evaporating": "6.7 degC", "condensing": "35 degC"}
DRY_CHILLER = {"cop": 2.96, "evaporating": "6.7 degC", "condensing": "50 degC"}
TOWER = {"approach": "4 K", "range": "5.6 K", "fan_power": "1.4 %", "cycles_of_concentration": 5}
OUTDOOR = {"trim": DRY_CHILLER, "condenser_approach": "15 K", "coldest_condenser": "25 degC"}
WARM = {
    "supply": "32 degC",
    "rise": "10 K",
    "pump_power": "1.5 %",
    "slowest": 0.3,
    "dry_cooler_approach": "6 K",
    "dry_cooler_fan_power": "2 %",
    "design_dry_bulb": "38 degC",
    "trim": DRY_CHILLER,
    "condenser_approach": "15 K",
}
CHILLED = {
    "kind": "water-cooled-chiller",
    "air": AIR,
    "chilled_water": WATER,
    "chiller": WET_CHILLER,
    "tower": TOWER,
    "coldest_condenser": "15 degC",
}
COOLING: dict[str, dict[str, Any]] = {
    "water-cooled-chiller": CHILLED,
    "with an economizer": {**CHILLED, "economizer_approach": "2 K"},
    "air-cooled-chiller": {
        "kind": "air-cooled-chiller",
        "air": AIR,
        "chilled_water": WATER,
        "chiller": DRY_CHILLER,
        "condenser_approach": "15 K",
        "coldest_condenser": "25 degC",
        "economizer_approach": "5 K",
    },
    "air-side-economizer": {"kind": "air-side-economizer", "air": AIR, **OUTDOOR},
    "adiabatic": {
        "kind": "adiabatic",
        "air": AIR,
        **OUTDOOR,
        "effectiveness": 0.85,
        "cycles_of_concentration": 3,
    },
    "direct-to-chip": {"kind": "direct-to-chip", "liquid_share": 0.75, "water": WARM, "rest": CHILLED},
    "immersion": {"kind": "immersion", "water": WARM},
}
EVAPORATES = ("water-cooled-chiller", "with an economizer", "adiabatic", "direct-to-chip")
UPS = {
    "kind": "ups",
    "capacity": "12 MW",
    "redundancy": "N+1",
    "modules": 4,
    "efficiency": [{"load": 0.25, "value": 0.94}, {"load": 0.5, "value": 0.96}, {"load": 1.0, "value": 0.955}],
}
TRANSFORMER = {
    "kind": "transformer",
    "capacity": "20 MW",
    "redundancy": "2N",
    "efficiency": [{"load": 0.25, "value": 0.99}, {"load": 0.5, "value": 0.992}, {"load": 1.0, "value": 0.989}],
}


def plant_spec(cooling: str, **changes: Any) -> dict[str, Any]:
    """A 10 MW building with one kind of cooling, a transformer for all of it and a UPS for the IT."""
    return {
        "kind": "plant",
        "design_it": "10 MW",
        "cooling": COOLING[cooling],
        "power_chain": {"utility": [TRANSFORMER], "critical": [UPS]},
        "other": "50 kW",
        **changes,
    }


def weather(dry_bulb_c: Any, wet_bulb_c: Any) -> WeatherSeries:
    """An hour of weather for each pair of dry and wet bulb, at sea level."""
    dry, wet = (np.atleast_1d(np.asarray(x, dtype=np.float64)) for x in (dry_bulb_c, wet_bulb_c))
    pressure = np.full(len(dry), 101325.0)
    ratio = ((2501.0 - 2.326 * wet) * humidity_ratio(wet, np.ones(1), pressure) - 1.006 * (dry - wet)) / (
        2501.0 + 1.86 * dry - 4.186 * wet
    )
    vapour = pressure * ratio / (0.621945 + ratio)
    humidity = np.clip(vapour / saturation_pressure_pa(dry), 0.0, 1.0)
    edges = np.arange(len(dry) + 1, dtype=np.int64) * HOUR_NS
    return WeatherSeries(edges, dry, humidity, pressure, {}, None, None, None)


def plant(cooling: str, sky: WeatherSeries, **changes: Any) -> Plant:
    """The building of ``plant_spec`` under a sky."""
    made = building(FACILITY.validate_python(plant_spec(cooling, **changes)), sky)
    assert isinstance(made, Plant)
    return made
