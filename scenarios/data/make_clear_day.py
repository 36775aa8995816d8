"""Writes clear_day.csv: what a panel gives on a clear day between equinox and summer, as a share of what it is rated.

A half-sine from 6:00 to 18:00 (UTC), 80 % at noon: losses of the plant and of warm cells take the rest.
"""

import math
from pathlib import Path

FOLDER = Path(__file__).parent
NOON_SHARE = 0.8


def main() -> None:
    """Writes the file beside this script."""
    lines = ["datetime_utc,share"]
    for hour in range(48):
        mid = hour % 24 + 0.5
        share = NOON_SHARE * math.sin(math.pi * (mid - 6.0) / 12.0) if 6.0 < mid < 18.0 else 0.0
        lines.append(f"2025-04-{1 + hour // 24:02d} {hour % 24:02d}:00:00,{share:.4f}")
    (FOLDER / "clear_day.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
