#!/usr/bin/env bash
# Guess: in a typical year that PVGIS gives as an EPW, the radiation of a row is of the hour before its label, as in any EPW, or of the
# moment that its comment "Irradiance Time Offset (h)" tells from the label.
# Found with the EPW and the CSV of one place (45 N 8 E, 2005 to 2023) that pvlib 0.16.1 has among its tests' data: neither. By the
# CSV, which has the same rows with times in UTC and an offset of 0.18 h, the row of 9:00 has the sun of 9:11: the year's radiation then
# lies around noon. Read as hours before their labels it is 41 minutes early, and by the EPW's own offset of -0.82 h a whole hour, which
# is the time zone that LOCATION states. Temperatures are right by LOCATION's clock. One file does not tell whether places further
# from Greenwich are off by more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pvlib==0.16.1 2>/dev/null
venv/bin/pip download --quiet --disable-pip-version-check --no-deps --no-binary pvlib pvlib==0.16.1 2>/dev/null
tar xzf pvlib-0.16.1.tar.gz pvlib-0.16.1/tests/data
venv/bin/python -W ignore - <<'PYTHON'
from pathlib import Path

import numpy as np
import pandas as pd
from pvlib.solarposition import equation_of_time_spencer71

STEM = "pvlib-0.16.1/tests/data/tmy_45.000_8.000_2005_2023"
heading, *lines = Path(f"{STEM}.epw").read_text().splitlines()
longitude, zone_h = float(heading.split(",")[7]), float(heading.split(",")[8])
epw = [line.split(",") for line in lines[7:]]
own_offset_h = float(lines[5].split(":")[1])
table = Path(f"{STEM}.csv").read_text().splitlines()
csv = [line.split(",") for line in table if line[:8].isdigit() and line[8] == ":"]
offset_h = next(float(line.split(":")[1]) for line in table if line.startswith("Irradiance Time Offset"))
assert len(epw) == len(csv) == 8760
assert all(float(a[6]) == float(b[1]) and float(a[13]) == float(b[3]) for a, b in zip(epw, csv))
w_m2 = np.array([float(row[13]) for row in epw])
days = pd.date_range("2019-01-01", periods=8760, freq="h").dayofyear.to_numpy()
noon_utc_h = 12.0 - longitude / 15.0 - equation_of_time_spencer71(days) / 60.0


def minutes_after_noon(utc_h):
    """Where the year's radiation has its middle, from the sun's noon, if a row is of the hour ``utc_h`` of its day."""
    return 60.0 * float(np.average(utc_h - noon_utc_h, weights=w_m2))


label_utc_h = np.array([float(row[3]) for row in epw]) - zone_h
csv_utc_h = np.array([float(row[0][9:11]) for row in csv])
read = {
    "the CSV's time and offset": minutes_after_noon(csv_utc_h + offset_h),
    "the hour before the EPW's label": minutes_after_noon(label_utc_h - 0.5),
    "the EPW's label and its own offset": minutes_after_noon(label_utc_h + own_offset_h),
}
print(f"EPW at UTC+{zone_h:.0f}, offset {own_offset_h} h; CSV at UTC, offset {offset_h} h; alike in all {len(epw)} rows")
for how, minutes in read.items():
    print(f"by {how}: the middle of the year's radiation is {minutes:.0f} minutes from the sun's noon")
right, before, own = read.values()
assert abs(right) < 10.0
assert round(right - before) == 41, "changed: rows are of the hour before their labels"
assert round(right - own) == 60, "changed: the offset counts on LOCATION's clock"
PYTHON
