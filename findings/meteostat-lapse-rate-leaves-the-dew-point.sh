#!/usr/bin/env bash
# Guess: a record that Meteostat moves to another height by the lapse rate is air still: temperature, dew point and humidity move
# together, and no dew point comes out above its temperature.
# Found with meteostat 2.1.5: interpolate() moves temperatures alone. Fog of 10 degC at a station of 100 m is 4.2 degC at a site of
# 1,000 m, with its dew point of 10 degC and its 100 % beside it; air of 20 degC and 50 % at the station is 14.2 degC and 50 % there,
# by its own dew point 72 %. Whoever works out a wet bulb gets another one from each of the two columns: towers and economizers, too.
# The network is not needed: a station of one's own with its records is what the library is given.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check meteostat==2.1.5 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import math
from datetime import datetime

import meteostat as ms
import pandas as pd
from meteostat.api.timeseries import TimeSeries
from meteostat.enumerations import Granularity


def vapour_hpa(celsius):
    return 6.112 * math.exp(17.62 * celsius / (243.12 + celsius))  # Magnus, WMO-No. 8


station = pd.DataFrame({"latitude": [48.0], "longitude": [11.0], "elevation": [100], "name": ["valley"]}, index=["X0001"])
station.index.name = "id"
times = pd.to_datetime(["2026-03-01 06:00", "2026-03-01 15:00"])
dew_c = 9.3  # of 20 degC and 50 %
index = pd.MultiIndex.from_product([["X0001"], times, ["own"]], names=["station", "time", "source"])
records = pd.DataFrame({"temp": [10.0, 20.0], "dwpt": [10.0, dew_c], "rhum": [100.0, 50.0]}, index=index)
there = ms.Point(48.0, 11.01, 1000)
series = TimeSeries(Granularity.HOURLY, station, records, datetime(2026, 3, 1, 6), datetime(2026, 3, 1, 15))
moved = ms.interpolate(series, there).fetch().loc[times]
for (_, was), (_, row) in zip(records.iterrows(), moved.iterrows()):
    told = 100.0 * vapour_hpa(row.dwpt) / vapour_hpa(row.temp)
    print(f"meteostat {ms.__version__}, {was.temp:.0f} degC, dew point {was.dwpt} and {was.rhum:.0f} % at 100 m: at 1,000 m {row.temp} degC, "
          f"dew point {row.dwpt} and {row.rhum} %; by its own dew point it has {told:.0f} %")
assert (abs(moved.temp.astype(float) - [4.2, 14.2]) < 0.11).all()
assert moved.dwpt.iloc[0] == 10.0 and moved.dwpt.iloc[1] == dew_c, "changed: the dew point moves, too"
assert moved.rhum.iloc[0] == 100 and moved.rhum.iloc[1] == 50, "changed: the humidity moves, too"
PYTHON
