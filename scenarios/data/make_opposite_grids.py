"""Writes opposite_grids.csv: two made-up grids by month and hour, one clean by day and the other by night."""

import math
from pathlib import Path


def main() -> None:
    """Writes the file beside this script."""
    lines = ["month,hour_utc,west,east"]
    for month in range(12):
        summer = 0.5 - 0.5 * math.cos(2.0 * math.pi * (month + 0.5) / 12.0)
        for hour in range(24):
            sun = max(0.0, math.cos(2.0 * math.pi * (hour - 20) / 24.0))  # noon in the west is 20:00 UTC
            wind = 0.5 + 0.5 * math.cos(2.0 * math.pi * (hour - 7) / 24.0)  # blows at night in the east
            west = 480.0 - (200.0 + 160.0 * summer) * sun
            east = 430.0 - (300.0 - 80.0 * summer) * wind
            lines.append(f"{month + 1},{hour},{west:.1f},{east:.1f}")
    (Path(__file__).parent / "opposite_grids.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
