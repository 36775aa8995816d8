"""Power of wind turbines from the wind at another height: shear, air density and a generic power curve.

Left out: wakes, turbulence, icing and availability, which the caller puts into one stated loss.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.units import KELVIN_AT_0_C

Floats = npt.NDArray[np.float64]

GAS_CONSTANT_AIR = 287.05
"""J/(kg K), of dry air (IEC 61400-12-1)."""

REFERENCE_DENSITY = 1.225
"""kg/m3 at sea level and 15 degC, for which power curves are given (ISO 2533)."""


def wind_at_height(wind_m_s: Floats, *, measured_m: float, hub_m: float, shear: float) -> Floats:
    """Wind speed at ``hub_m`` from that at ``measured_m``, m/s, by the power law; same shape as ``wind_m_s``.

    v_hub = v (hub / measured)^shear. ``shear`` is 1/7 = 0.14 over open land in neutral air (C. G. Justus and A.
    Mikhail, "Height variation of wind speed and wind distribution statistics", Geophys. Res. Lett. 3(5), 1976,
    doi:10.1029/GL003i005p00261) and 0.2 in the normal wind profile of IEC 61400-1. Weather files measure at 10 m.
    """
    return np.asarray(wind_m_s * (hub_m / measured_m) ** shear)


def air_density(dry_bulb_c: Floats, pressure_pa: Floats | float) -> Floats:
    """Density of dry air, kg/m3, by the ideal gas law p / (R T) (IEC 61400-12-1).

    The arguments broadcast. Humid air is lighter, by less than 1 % below 25 degC.
    """
    return np.asarray(pressure_pa / (GAS_CONSTANT_AIR * (dry_bulb_c + KELVIN_AT_0_C)))


def standard_pressure(altitude_m: float) -> float:
    """Air pressure in Pa at ``altitude_m`` above the sea in the standard atmosphere (ISO 2533), up to 11,000 m."""
    return 101_325.0 * float((1.0 - 0.0065 * altitude_m / 288.15) ** 5.2559)


def specific_power(
    wind_m_s: Floats,
    density: Floats | float,
    *,
    cut_in_m_s: float,
    rated_m_s: float,
    cut_out_m_s: float,
) -> Floats:
    """Power as a share of the rating, 0..1, by wind at the hub and air ``density``; the arguments broadcast.

    Between cut-in and rated speed (v^3 - v_in^3) / (v_rated^3 - v_in^3), the rating from there to cut-out, else none:
    the cubic curve of V. Sohoni, S. C. Gupta and R. K. Nema, "A Critical Review on Wind Turbine Power Curve Modelling
    Techniques and Their Applications in Wind Based Energy Systems", J. Energy 2016, doi:10.1155/2016/8519785.
    Density enters through the wind, v (density / 1.225)^(1/3), as IEC 61400-12-1 normalises pitch-controlled
    turbines; cut-out is by the wind itself.
    """
    v = wind_m_s * np.cbrt(np.asarray(density) / REFERENCE_DENSITY)
    share = (v**3 - cut_in_m_s**3) / (rated_m_s**3 - cut_in_m_s**3)
    return np.asarray(np.where(wind_m_s >= cut_out_m_s, 0.0, np.clip(share, 0.0, 1.0)))
