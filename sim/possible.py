"""What quantities can be: the range of each that is physically or commercially possible, with where it is from.

A number outside is a slip of a unit or of digits and is refused; one that is possible and far from what is built today
(``usual``) is run, and told. Ranges are wide on purpose: an order of magnitude or so past the most extreme known case,
which the source names. SI, but where a unit is said.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Possible:
    """From ``low`` to ``high``, as people write them in ``shown``; and the part of it that is ``usual``."""

    low: float
    high: float
    shown: str
    source: str
    usual: tuple[float, float] = (-inf, inf)
    usually: str = ""

    def fault(self, si: float) -> str | None:
        """What is wrong with a value; None where it is possible."""
        return None if self.low <= si <= self.high else f"must be {self.shown} ({self.source})"

    def remark(self, si: float) -> str | None:
        """What is unusual about a value; None where nothing is."""
        return None if self.usual[0] <= si <= self.usual[1] else f"is unusual: {self.usually}"


YEAR_S = 365.25 * 86400
KWH = 3.6e6

POWER = Possible(
    0.0, 25e9, "at most 25 GW", "the largest power station, Three Gorges, has 22.5 GW", (0.0, 5e9),
    "campuses that are announced draw up to 5 GW",
)  # fmt: skip
DEVICE_POWER = Possible(
    0.0, 50e3, "at most 50 kW for one accelerator or socket", "the largest, a whole wafer, draws 23 kW: Cerebras CS-3",
    (0.0, 3e3), "accelerators on the market draw up to 3 kW",
)  # fmt: skip
NODE_POWER = Possible(
    0.0, 2e6, "at most 2 MW for one node", "racks of 600 kW are announced: Nvidia, Kyber, GTC 2025", (0.0, 200e3),
    "a node that fills a rack, such as a GB200 NVL72, draws up to 140 kW",
)  # fmt: skip
PUE = Possible(
    1.0, 20.0, "from 1 to 20", "surveys' means fell from 2.5 in 2007 to 1.56 in 2024: Uptime Institute",
    (1.0, 3.0), "surveys' means were never above 2.5",
)  # fmt: skip
CONVERSION = Possible(
    0.05, 1.0, "from 5 % to 100 %", "power electronics reach 50 % even at a tenth of their load: 80 PLUS", (0.5, 1.0),
    "power electronics reach 80 % or more",
)  # fmt: skip
LIFETIME = Possible(
    86400.0, 200 * YEAR_S, "from 1 day to 200 years", "hardware is written off over 3 to 8 years, buildings over 60",
    (0.5 * YEAR_S, 100 * YEAR_S), "hardware is kept for years",
)  # fmt: skip
MTBF = Possible(
    1.0, inf, "1 s or more", "a run in which parts fail faster than that would never end",
)  # fmt: skip
ENERGY_PRICE = Possible(
    -20.0 / KWH, 100.0 / KWH, "from -20 to 100 per kWh",
    "the highest caps are 17.5 AUD/kWh (AEMO) and 9 USD/kWh (ERCOT until 2021), the lowest floor -1 AUD/kWh",
    (-1.0 / KWH, 20.0 / KWH), "markets are capped at 20 per kWh and floored at -1",
)  # fmt: skip
DATA_PRICE = Possible(0.0, 1e3 / 1e9, "from 0 to 1,000 per GB", "egress costs 0.01 to 0.2 per GB; satellites about 100")
CARBON_PRICE = Possible(
    0.0, 1e5 / 1e6, "from 0 to 100,000 per t", "the highest tax is 156 USD/t: World Bank, State and Trends 2023",
    (0.0, 1e3 / 1e6), "taxes and markets ask up to 160 USD/t, estimates of the social cost up to some 1,000",
)  # fmt: skip
CARBON_INTENSITY = Possible(
    0.0, 10e3 / KWH, "at most 10 kgCO2e/kWh", "the dirtiest stations on coal emit 1.69: IPCC SRREN 2011, annex II",
    (0.0, 2e3 / KWH), "the dirtiest stations emit 1.7 kgCO2e/kWh",
)  # fmt: skip
WATER_INTENSITY = Possible(
    0.0, 10e3 / KWH, "at most 10,000 L/kWh", "a reservoir loses up to 846 m3/GJ, 3,046 L/kWh: Mekonnen, Hoekstra 2012",
    (0.0, 3.1e3 / KWH), "even the worst reservoir loses 3,046 L/kWh",
)  # fmt: skip
BATTERY = Possible(0.0, 1e12 * 3600.0, "at most 1 TWh", "the largest batteries hold some 5 GWh")

MEASURED_W = (1e-3, DEVICE_POWER.high)
"""What a device that is switched on draws, as the rows of a measured table say it."""

WEATHER: Mapping[str, Possible] = {
    "dry_bulb_c": Possible(-95.0, 65.0, "from -95 to 65 degC", "records are -89.2 and 56.7 degC: WMO"),
    "relative_humidity": Possible(0.0, 1.1, "from 0 to 110 %", "EnergyPlus' own limits of an EPW file"),
    "pressure_pa": Possible(25e3, 120e3, "from 250 to 1,200 hPa", "Everest has 337 hPa, the record is 1,084: WMO"),
    "ghi_w_m2": Possible(-50.0, 2500.0, "from -50 to 2,500 W/m2", "1,361 W/m2 above the air; clouds add up to 60 %"),
    "dni_w_m2": Possible(-50.0, 2500.0, "from -50 to 2,500 W/m2", "1,361 W/m2 above the air"),
    "dhi_w_m2": Possible(-50.0, 2500.0, "from -50 to 2,500 W/m2", "1,361 W/m2 above the air"),
    "wind_m_s": Possible(0.0, 150.0, "from 0 to 150 m/s", "the fastest gust measured was 113 m/s: WMO, 2010"),
}
"""By column of a weather file. Sensors of radiation read a little below zero at night."""

DIMENSIONS: Mapping[str, Possible] = {
    "power": POWER,
    "energy": BATTERY,
    "carbon intensity": CARBON_INTENSITY,
    "mass of CO2e": Possible(0.0, 1e15, "at most 1 Gt", "the world emits 40 Gt a year"),
    "carbon per power": Possible(0.0, 1e5, "at most 100 t/kW", "data centers embody some 0.3 to 3 t/kW"),
    "carbon per byte": Possible(0.0, 1e9 / 1e9, "at most 1 t/GB", "memory embodies 0.1 to 2 kg/GB"),
    "carbon per area": Possible(0.0, 1e9, "at most 100 kg/cm2", "logic dies embody 1 to 5 kg/cm2: imec"),
    "carbon per litre": Possible(0.0, 1e6, "at most 1 t/L", "diesel gives 2.7 kg/L"),
    "mass": Possible(0.0, 1e9, "at most 1,000 t", "for one device"),
    "energy per area": Possible(0.0, 1e3 * KWH * 1e4, "at most 1,000 kWh/cm2", "wafers take 1 to 5 kWh/cm2: imec"),
    "water per area": Possible(0.0, 1e4 * 1e4, "at most 10,000 L/cm2", "wafers take some 10 to 20 L/cm2"),
    "water per energy": WATER_INTENSITY,
    "fuel per energy": Possible(
        0.08 / KWH, 10.0 / KWH, "from 0.08 to 10 L/kWh", "a litre of diesel holds 10 kWh, and no engine uses all of it"
    ),
    "request rate": Possible(0.0, 1e9, "at most 1e9 requests/s", "the busiest services see some 1e7"),
    "job rate": Possible(0.0, 1e6, "at most 1e6 jobs/s", "the busiest clusters start some 100"),
    "frequency": Possible(0.0, 1e11, "at most 100 GHz", "processors run at 0.2 to 6 GHz"),
    "operation rate": Possible(0.0, 1e20, "at most 100 EFLOP/s for one device", "the fastest reach some 1e16"),
    "operations": Possible(0.0, 1e32, "at most 1e32 FLOP", "the largest trainings take some 1e27: Epoch AI"),
    "energy per operation": Possible(0.0, 1e-6, "at most 1 uJ/FLOP", "accelerators use 0.1 to 100 pJ"),
    "bytes": Possible(0.0, 1e21, "at most 1 ZB", "the world makes some 200 ZB a year: IDC"),
    "byte rate": Possible(0.0, 1e18, "at most 1 EB/s", "the fastest memory moves some 1e13 B/s"),
    "energy per byte": Possible(0.0, 10.0, "at most 10 J/B", "networks used 0.02 J/B in 2000: Aslan et al. 2018"),
    "power per byte": Possible(0.0, 1e-6, "at most 1 kW/GB", "memory draws 0.1 to 0.5 W/GB"),
    "power ramp": Possible(0.0, 1e12, "at most 1 TW/s", "a board changes by some 1 kW in milliseconds"),
    "length": Possible(0.0, 1e8, "at most 100,000 km", "the Earth is 40,000 km around"),
    "area": Possible(0.0, 1e7, "at most 10 km2", "the largest campuses cover a few"),
    "speed": Possible(0.0, 150.0, "at most 150 m/s", "the fastest gust measured was 113 m/s: WMO, 2010"),
}
"""By dimension of ``sim.units``, whatever the quantity is of."""
