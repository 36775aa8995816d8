"""Condenses a year of hourly records into twelve typical days (means by month and hour, UTC) that are small to ship.

    python make_month_hours.py grid eia_2022_ERCO.csv.gz ercot_price_2022.csv.gz ercot-2022.csv
    python make_month_hours.py weather USA_TX_Dallas-Fort.Worth.epw.gz dallas.csv

Sources of the files beside it: hourly generation by fuel of ERCOT in 2022, U.S. Energy Information Administration (Form
EIA-930, public domain); ERCOT's hourly price in 2022; typical meteorological years 2007-2021 of Dallas-Fort Worth and
Seattle-Tacoma, climate.onebuilding.org. Only the means are kept: no hour of any record is in them.
"""

import csv
import gzip
import sys
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

FUELS = ("WND", "SUN", "WAT", "OIL", "NG", "COL", "NUC", "OTH")
EPW_COLUMNS = {
    "dry_bulb_c": (6, 1.0),
    "relative_humidity": (8, 0.01),
    "pressure_pa": (9, 1.0),
    "ghi_w_m2": (13, 1.0),
    "dni_w_m2": (14, 1.0),
    "dhi_w_m2": (15, 1.0),
    "wind_m_s": (21, 1.0),
}
Means = dict[tuple[int, int], dict[str, list[float]]]


def rows(path: str) -> list[list[str]]:
    """Of a CSV, unpacked if need be."""
    packed = Path(path).read_bytes()
    text = (gzip.decompress(packed) if path.endswith(".gz") else packed).decode("utf-8")
    return list(csv.reader(text.splitlines()))


def of_grid(mix: str, price: str) -> Means:
    """MWh by fuel, and USD/MWh."""
    means: Means = defaultdict(lambda: defaultdict(list))
    header, *records = rows(mix)
    for record in records:
        when = datetime.fromisoformat(record[0])
        if all(record[header.index(fuel)] for fuel in FUELS):
            for fuel in FUELS:
                means[when.month, when.hour][fuel].append(float(record[header.index(fuel)]))
    for record in rows(price)[1:]:
        when = datetime.fromisoformat(record[0])
        means[when.month, when.hour]["price_usd_per_mwh"].append(float(record[2]))
    return means


def of_weather(epw: str) -> Means:
    """Columns of an EPW file; its hours end at the time they are named by, in local standard time."""
    means: Means = defaultdict(lambda: defaultdict(list))
    records = rows(epw)
    offset = timedelta(hours=float(records[0][8]))
    for record in records[8:]:
        start = datetime(2021, int(record[1]), int(record[2]), int(record[3]) - 1, tzinfo=UTC) - offset
        for name, (column, factor) in EPW_COLUMNS.items():
            means[start.month, start.hour][name].append(float(record[column]) * factor)
    return means


def main() -> None:
    """Writes the last file named."""
    kind, *inputs, out = sys.argv[1:]
    means = of_grid(*inputs) if kind == "grid" else of_weather(*inputs)
    names = list(means[1, 0])
    lines = [",".join(("month", "hour_utc", *names))]
    for (month, hour), values in sorted(means.items()):
        cells = (f"{sum(values[name]) / len(values[name]):.5g}" for name in names)
        lines.append(",".join((str(month), str(hour), *cells)))
    Path(out).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
