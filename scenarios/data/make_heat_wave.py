"""Writes heat_wave.json: eight made-up days of a heat wave in Dallas, hour by hour, as Open-Meteo would give them.

A typical July day of dallas.csv, which rises by up to 8 K on the fourth and fifth day and falls again; the water in the
air stays what it is, so that its relative humidity falls (Magnus' formula: Alduchov and Eskridge 1996,
doi:10.1175/1520-0450(1996)035<0601:IMFAOS>2.0.CO;2).
"""

import csv
import json
import math
from datetime import datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent
FIRST = datetime(2022, 7, 15)
DAYS = 8
RISE_K = 8.0


def saturated(celsius: float) -> float:
    """Vapour pressure above water, hPa."""
    return 6.1094 * math.exp(17.625 * celsius / (243.04 + celsius))


def main() -> None:
    """Writes the file beside this script."""
    with (FOLDER / "dallas.csv").open(encoding="utf-8") as file:
        july = {int(row["hour_utc"]): row for row in csv.DictReader(file) if row["month"] == "7"}
    times, dry, humidity, pressure = [], [], [], []
    for i in range(24 * DAYS):
        time = FIRST + timedelta(hours=i)
        typical = july[time.hour]
        usual = float(typical["dry_bulb_c"])
        hot = usual + RISE_K * math.sin(math.pi * i / (24 * DAYS)) ** 2
        times.append(f"{time:%Y-%m-%dT%H:%M}")
        dry.append(round(hot, 1))
        humidity.append(round(100.0 * float(typical["relative_humidity"]) * saturated(usual) / saturated(hot), 1))
        pressure.append(round(float(typical["pressure_pa"]) / 100.0, 1))
    written = {
        "latitude": 32.9,
        "longitude": -97.0,
        "elevation": 171.0,
        "utc_offset_seconds": 0,
        "timezone": "GMT",
        "hourly_units": {"temperature_2m": "°C", "relative_humidity_2m": "%", "surface_pressure": "hPa"},
        "hourly": {
            "time": times,
            "temperature_2m": dry,
            "relative_humidity_2m": humidity,
            "surface_pressure": pressure,
        },
    }
    (FOLDER / "heat_wave.json").write_text(json.dumps(written, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
