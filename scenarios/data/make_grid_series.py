"""Writes grid_intensity_hourly.csv: made-up carbon intensities of three grids, four weeks of June, in gCO2e/kWh.

They have the shapes that real grids have, and means within the 200 to 755 g/kWh that Dodge et al. (FAccT 2022, doi
10.1145/3531146.3533234) found over sixteen regions: water and gas, low and flat; sun and gas, with a valley at noon;
coal and wind, high, with weather that lasts for days. Every number in the file comes from this script.
"""

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

FIRST = datetime(2020, 6, 1)
HOURS = 28 * 24

Floats = npt.NDArray[np.float64]


def weather(rng: np.random.Generator, memory_h: float, size: float) -> Floats:
    """A wandering level of standard deviation ``size`` that forgets itself over ``memory_h``."""
    kept = np.exp(-1.0 / memory_h)
    level, levels = 0.0, np.empty(HOURS)
    for i, draw in enumerate(rng.standard_normal(HOURS)):
        level = kept * level + (1.0 - kept**2) ** 0.5 * draw
        levels[i] = level
    return size * levels


def main() -> None:
    """Writes the file beside this script."""
    rng = np.random.default_rng(1877)
    hours = np.arange(HOURS, dtype=np.float64)
    day = 2.0 * np.pi * hours / 24.0
    evening = np.cos(day - 2.0 * np.pi * 19.0 / 24.0)  # demand is highest at 19:00
    sun = np.maximum(0.0, np.cos(day - np.pi)) ** 1.5 * (1.0 - 0.5 * np.clip(weather(rng, 18.0, 0.6), 0.0, 1.0))
    weekend = np.where((hours // 24) % 7 >= 5, 1.0, 0.0)
    grids = {
        "water_and_gas": 215.0 + 18.0 * evening - 12.0 * weekend + weather(rng, 30.0, 9.0),
        "sun_and_gas": 430.0 + 45.0 * evening - 260.0 * sun - 20.0 * weekend + weather(rng, 12.0, 15.0),
        "coal_and_wind": 690.0 + 25.0 * evening - 30.0 * weekend + weather(rng, 40.0, 70.0),
    }
    lines = [",".join(["datetime_utc", *grids])]
    lines += [
        ",".join([f"{FIRST + timedelta(hours=i)}", *(f"{grid[i]:.1f}" for grid in grids.values())])
        for i in range(HOURS)
    ]
    (Path(__file__).parent / "grid_intensity_hourly.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
