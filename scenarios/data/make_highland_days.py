"""Writes johannesburg.csv and nairobi.csv: twelve typical days of two African highland cities, and their power mixes.

Made from published normals, not from records: each day is a cosine between the month's mean minimum and maximum,
warmest at 15:00 local time, and holds as much vapour all day as air of the month's mean temperature and humidity.

Sources. Johannesburg: daily maximum and humidity by month, UK Met Office ("Johannesburg weather averages"); daily
minimum 14 degC in January and 4 degC in June and July, Encyclopedia of the Nations ("South Africa, Climate"), a cosine
between.
Nairobi: daily minimum and maximum by month, World Meteorological Organization's normals as quoted by theodora.com; mean
humidity 68 %, assumed, within the 60 to 75 % that travel guides give. Mixes of 2023: Ember, as quoted by The Outlier (6
March 2025): Kenya 47 % geothermal, 21 % hydro, 20 % wind and solar; South Africa 82 % coal, 12 % wind and solar, 4 %
nuclear, below 1 % hydro. The rest is taken as oil; wind and solar count as wind.
"""

import math
from pathlib import Path

HEADER = "month,hour_utc,dry_bulb_c,relative_humidity,pressure_pa,coal,oil,nuclear,wind,hydro,geothermal"
WARMEST_LOCAL = 15


def saturation_pa(celsius: float) -> float:
    """Over water (Magnus form, WMO-No. 8, 2014, annex 4.B)."""
    return 611.2 * math.exp(17.62 * celsius / (243.12 + celsius))


def write(
    name: str, lows: list[float], highs: list[float], humidity: list[float], metres: float, ahead: int, mix: str
) -> None:
    """One city."""
    pressure = 101325.0 * (1.0 - 2.25577e-5 * metres) ** 5.2559
    lines = [HEADER]
    for month in range(12):
        mean, swing = (lows[month] + highs[month]) / 2.0, (highs[month] - lows[month]) / 2.0
        vapour = humidity[month] / 100.0 * saturation_pa(mean)
        for hour in range(24):
            celsius = mean + swing * math.cos(2.0 * math.pi * (hour + ahead - WARMEST_LOCAL) / 24.0)
            share = min(1.0, vapour / saturation_pa(celsius))
            lines.append(f"{month + 1},{hour},{celsius:.2f},{share:.3f},{pressure:.0f},{mix}")
    (Path(__file__).parent / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Writes both files beside this script."""
    write(
        "johannesburg.csv",
        [9.0 + 5.0 * math.cos(2.0 * math.pi * (month - 0.0) / 12.0) for month in range(12)],
        [25.2, 25.4, 24.2, 21.8, 19.3, 17.0, 17.0, 19.8, 23.4, 24.6, 24.7, 25.0],
        [73, 72, 71, 65, 55, 51, 50, 47, 46, 59, 66, 71],
        metres=1753.0,
        ahead=2,
        mix="0.82,0.01,0.04,0.12,0.01,0",
    )
    write(
        "nairobi.csv",
        [11.5, 11.6, 13.1, 14.0, 13.2, 11.0, 10.1, 10.2, 10.5, 12.5, 13.1, 12.6],
        [24.5, 25.6, 25.6, 24.1, 22.6, 21.5, 20.6, 21.4, 23.7, 24.7, 23.1, 23.4],
        [68] * 12,
        metres=1795.0,
        ahead=3,
        mix="0,0.12,0,0.2,0.21,0.47",
    )


if __name__ == "__main__":
    main()
