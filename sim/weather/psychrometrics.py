"""Moist air: saturation, humidity ratio, wet bulb, latent heat. In degC, Pa, and kg of water per kg of dry air.

All broadcast. Source of the relations: ASHRAE Handbook, Fundamentals, 2017, chapter 1 (equations by number). They are
PsychroLib's too (Meyer and Thevenard 2019, doi:10.21105/joss.01137), which the tests hold them against; it is not
called here because it compiles for three seconds in every process that asks it for a year of wet bulbs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.units import KELVIN_AT_0_C

Floats = npt.NDArray[np.float64]

TRIPLE_POINT_C = 0.01
COLDEST_C = -100.0
"""The saturation pressure is valid from here up (to 200 degC)."""

_ICE = (-5.6745359e3, 6.3925247, -9.677843e-3, 6.2215701e-7, 2.0747825e-9, -9.484024e-13, 4.1635019)
_WATER = (-5.8002206e3, 1.3914993, -4.8640239e-2, 4.1764768e-5, -1.4452093e-8, 6.5459673)
_RATIO = 0.621945  # molar masses of water and dry air
_CP_AIR, _CP_VAPOUR, _CP_WATER, _LATENT_0 = 1.006, 1.86, 4.186, 2501.0  # kJ/(kg K), kJ/kg, as the handbook has them
_HALVINGS = 40


def saturation_pressure_pa(temperature_c: Floats) -> Floats:
    """Saturation pressure of water vapour, Pa: over ice below the triple point, over water above it (equations 5, 6).

    Any shape, and the result has it.
    """
    kelvin = np.asarray(temperature_c) + KELVIN_AT_0_C
    log_k = np.log(kelvin)
    a, b, c, d, e, f, g = _ICE
    ice = a / kelvin + b + kelvin * (c + kelvin * (d + kelvin * (e + kelvin * f))) + g * log_k
    a, b, c, d, e, g = _WATER
    water = a / kelvin + b + kelvin * (c + kelvin * (d + kelvin * e)) + g * log_k
    return np.asarray(np.exp(np.where(np.asarray(temperature_c) <= TRIPLE_POINT_C, ice, water)))


def humidity_ratio(temperature_c: Floats, relative_humidity: Floats, pressure_pa: Floats) -> Floats:
    """Water in air at ``relative_humidity`` (0..1), kg per kg of dry air (equation 20); the arguments broadcast."""
    vapour = np.asarray(relative_humidity) * saturation_pressure_pa(temperature_c)
    return np.asarray(_RATIO * vapour / (pressure_pa - vapour))


def saturated_ratio(temperature_c: Floats, pressure_pa: Floats) -> Floats:
    """Water in saturated air, kg per kg of dry air; the arguments broadcast."""
    return humidity_ratio(temperature_c, np.ones(()), pressure_pa)


def latent_heat_j_per_kg(temperature_c: Floats) -> Floats:
    """Heat of evaporating water at ``temperature_c``, J/kg: steam's enthalpy less the water's (as in equation 33)."""
    return np.asarray((_LATENT_0 - (_CP_WATER - _CP_VAPOUR) * np.asarray(temperature_c)) * 1e3)


def enthalpy_j_per_kg(temperature_c: Floats, ratio: Floats) -> Floats:
    """Enthalpy of moist air, J per kg of dry air, above dry air and water at 0 degC (equation 30)."""
    dry = np.asarray(temperature_c)
    return np.asarray((_CP_AIR * dry + ratio * (_LATENT_0 + _CP_VAPOUR * dry)) * 1e3)


def wet_bulb_c(temperature_c: Floats, relative_humidity: Floats, pressure_pa: Floats) -> Floats:
    """Thermodynamic wet bulb by bisection between -100 degC and the dry bulb (equations 33 and 35), to 1e-9 K."""
    dry = np.asarray(temperature_c, dtype=np.float64)
    ratio = humidity_ratio(dry, relative_humidity, pressure_pa)
    low = np.maximum(dry - 60.0, COLDEST_C)  # no air is that much drier than its wet bulb
    high = dry.copy()
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        too_hot = _ratio_at_wet_bulb(dry, middle, pressure_pa) > ratio
        high = np.where(too_hot, middle, high)
        low = np.where(too_hot, low, middle)
    return np.asarray(0.5 * (low + high))


def _ratio_at_wet_bulb(dry: Floats, wet: Floats, pressure_pa: Floats) -> Floats:
    saturated = saturated_ratio(wet, pressure_pa)
    over_water = ((_LATENT_0 - (_CP_WATER - _CP_VAPOUR) * wet) * saturated - _CP_AIR * (dry - wet)) / (
        _LATENT_0 + _CP_VAPOUR * dry - _CP_WATER * wet
    )
    over_ice = ((2830.0 - 0.24 * wet) * saturated - _CP_AIR * (dry - wet)) / (2830.0 + _CP_VAPOUR * dry - 2.1 * wet)
    return np.asarray(np.where(wet >= 0.0, over_water, over_ice))


def standard_pressure_pa(elevation_m: float) -> float:
    """Air pressure of the standard atmosphere, Pa (equation 3), valid from -5,000 m to 11,000 m."""
    return float(101325.0 * (1.0 - 2.25577e-5 * elevation_m) ** 5.2559)
