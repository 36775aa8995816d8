"""Power of a PV array from the sun, the air and the wind, through pvlib (extra ``coldaisle[pvlib]``).

Position of the sun -> irradiance on the tilted plane -> temperature of the cells -> DC power -> AC power. Fixed tilt,
no horizon and no shading between rows; soiling, wiring, mismatch and the like are one stated loss, as in PVWatts.
Panels do not age.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sim.errors import InputError

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NEED_PVLIB = "PV from weather needs pvlib, which is not installed: pip install 'coldaisle[pvlib]'"

# A. P. Dobos, "PVWatts Version 5 Manual", NREL/TP-6A20-62641, 2014, doi:10.2172/1158421
TEMPERATURE_COEFFICIENT = -0.0047
"""Change of DC power per kelvin of cell temperature above 25 degC, of a standard crystalline module (table 2)."""
SYSTEM_LOSS = 0.14
"""Soiling, shading, mismatch, wiring, connections, light-induced degradation, nameplate, availability (table 5)."""
INVERTER_EFFICIENCY = 0.96
"""Nominal efficiency of the inverter (section 8)."""
DC_TO_AC = 1.1
"""DC rating of the array over AC rating of the inverter (the manual's default)."""
ALBEDO = 0.2
"""Of the ground (the manual's default)."""

Transposition = Literal["perez", "haydavies"]


@dataclass(frozen=True)
class Array:
    """A fixed array: ``tilt_deg`` from horizontal, ``azimuth_deg`` clockwise from north (180 faces south).

    ``loss`` and ``inverter_efficiency`` are shares; ``temperature_coefficient`` is per kelvin (negative).
    """

    tilt_deg: float
    azimuth_deg: float
    transposition: Transposition
    loss: float = SYSTEM_LOSS
    temperature_coefficient: float = TEMPERATURE_COEFFICIENT
    dc_to_ac: float = DC_TO_AC
    inverter_efficiency: float = INVERTER_EFFICIENCY
    albedo: float = ALBEDO


def _pvlib() -> Any:
    try:
        import pvlib
    except ImportError:
        raise InputError.one("site.on_site", NEED_PVLIB) from None
    return pvlib


def specific_power(
    array: Array,
    edges_ns: Ints,
    *,
    latitude_deg: float,
    longitude_deg: float,
    ghi_w_m2: Floats,
    dni_w_m2: Floats,
    dhi_w_m2: Floats,
    dry_bulb_c: Floats,
    wind_m_s: Floats,
) -> Floats:
    """AC power per watt of DC rating in each interval between ``edges_ns`` (n + 1,), ns since 1970 UTC -> (n,).

    Irradiance is the mean over each interval, wind is at 10 m or roof height. The sun stands where it does in the
    middle of the interval; an hour that it rises or sets in is therefore a little off, and one in which it is below
    the horizon in the middle gives nothing. Hourly data in years, the usual use, come within the spread of the models
    themselves. Position: I. Reda and A. Andreas, "Solar position algorithm", NREL/TP-560-34302. Diffuse light: R.
    Perez et al., "Modeling daylight availability and irradiance components from direct and global irradiance", Solar
    Energy 44(5), 1990, or Hay and Davies 1980. Cell temperature: D. Faiman, "Assessing the outdoor operating
    temperature of photovoltaic modules", Prog. Photovolt. 16(4), 2008, with its mean coefficients 25 and 6.84. DC and
    inverter: PVWatts 5. All as in pvlib (K. Anderson et al., J. Open Source Softw. 8(92), 2023).

    Raises ``InputError`` where pvlib is not installed.
    """
    pvlib = _pvlib()
    import pandas as pd

    middle = pd.DatetimeIndex(edges_ns[:-1] + np.diff(edges_ns) // 2, tz="UTC")
    sun = pvlib.solarposition.get_solarposition(middle, latitude_deg, longitude_deg)
    zenith, azimuth = sun["apparent_zenith"].to_numpy(), sun["azimuth"].to_numpy()
    extra = pvlib.irradiance.get_extra_radiation(middle.day_of_year.to_numpy())
    with np.errstate(divide="ignore", invalid="ignore"):  # Perez divides by a diffuse light that is zero at night
        plane = pvlib.irradiance.get_total_irradiance(
            array.tilt_deg,
            array.azimuth_deg,
            zenith,
            azimuth,
            dni_w_m2,
            ghi_w_m2,
            dhi_w_m2,
            dni_extra=extra,
            airmass=pvlib.atmosphere.get_relative_airmass(zenith),
            albedo=array.albedo,
            model=array.transposition,
        )["poa_global"]
    lit = (zenith < 90.0) & (ghi_w_m2 > 0.0)  # where there is no light the sky models answer 0/0
    poa = np.where(lit, np.nan_to_num(np.asarray(plane, dtype=np.float64)), 0.0).clip(min=0.0)
    cell_c = pvlib.temperature.faiman(poa, dry_bulb_c, wind_m_s)
    dc = pvlib.pvsystem.pvwatts_dc(poa, cell_c, 1.0, array.temperature_coefficient) * (1.0 - array.loss)
    # pvwatts takes the DC input at which the inverter reaches its AC rating
    dc_limit = 1.0 / (array.dc_to_ac * array.inverter_efficiency)
    ac = pvlib.inverter.pvwatts(np.maximum(dc, 0.0), dc_limit, eta_inv_nom=array.inverter_efficiency)
    return np.asarray(np.where(poa > 0.0, ac, 0.0), dtype=np.float64)
