"""Writes central_us_6h.csv: marginal intensity of the Central US over three days, from half of the runs of a table.

Dodge et al. (FAccT 2022, arXiv:2206.05229, table 3) print what fine-tuning BERT (6 h, 3.1 kWh) would have emitted at 24
starts, three hours apart. Every second of them (0, 6, 12 and 18 h) tiles the three days: its grams over 3.1 kWh are the
mean intensity of its six hours. The others (3, 9, 15 and 21 h) are not used, so that they can judge.
"""

from datetime import datetime, timedelta
from pathlib import Path

FIRST = datetime(2020, 6, 1)
ENERGY_KWH = 3.1
GRAMS = (2381, 2210, 2354, 2410, 2330, 2204, 2320, 2339, 2430, 2257, 2393, 2317)
HOURS = 6


def main() -> None:
    """Writes the file beside this script."""
    lines = ["datetime_utc,carbon_intensity"]
    for i, grams in enumerate(GRAMS):
        lines += [f"{FIRST + timedelta(hours=HOURS * i + h)},{grams / ENERGY_KWH:.3f}" for h in range(HOURS)]
    (Path(__file__).parent / "central_us_6h.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
