"""Writes carbon_price_hourly.csv: USD that a made-up consumer pays for a MWh of ``sun_and_gas``, by carbon price.

Electricity is a tariff with cheap nights (22:00 to 06:00, UTC): 45 USD/MWh, and 65 by day. On top comes the carbon
price of what is emitted, at the grid's average intensity of the hour: 50 USD a tonne leave the nights the cheapest, 150
make it the sunny hours.
"""

import csv
from pathlib import Path

FOLDER = Path(__file__).parent
NIGHT, DAY = 45.0, 65.0
CARBON_USD_PER_T = (0, 50, 150)
T_PER_MWH = 1e-3
"""In a g/kWh."""


def main() -> None:
    """Writes the file beside this script."""
    with (FOLDER / "grid_intensity_hourly.csv").open(encoding="utf-8") as file:
        hours = [(row["datetime_utc"], float(row["sun_and_gas"])) for row in csv.DictReader(file)]
    lines = [",".join(["datetime_utc", *(f"at_{price}" for price in CARBON_USD_PER_T)])]
    for time, intensity in hours:
        tariff = DAY if 6 <= int(time[11:13]) < 22 else NIGHT
        prices = (tariff + price * intensity * T_PER_MWH for price in CARBON_USD_PER_T)
        lines.append(",".join([time, *(f"{price:.2f}" for price in prices)]))
    (FOLDER / "carbon_price_hourly.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
