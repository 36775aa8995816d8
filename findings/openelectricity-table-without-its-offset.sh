#!/usr/bin/env bash
# Guess: a table that the client of Open Electricity makes of an answer keeps its times as they came, with their offset from UTC.
# Found with openelectricity 0.12.0: to_pandas() and to_records() give naive local times of each network, and nothing in the table
# names it. 12:00+10:00 in the east (NEM) and 12:00+08:00 in the west (WEM), two hours apart, are one row's time: joined, the west's
# noon stands beside the east's, and taken for UTC, as tables without an offset often are, a site's solar power comes 8 or 10
# hours late. A CSV of the table keeps none of it either.
# The network is not needed: the client's own models read answers in the form of its API.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openelectricity==0.12.0 pandas==2.3.3 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
from datetime import datetime, timedelta
from importlib.metadata import version

from openelectricity.models.timeseries import TimeSeriesResponse


def answer(network, hours, megawatts):
    noon = f"2026-03-01T12:00:00+{hours:02d}:00"
    result = {"name": "power_solar", "date_start": noon, "date_end": noon, "columns": {"fueltech": "solar"},
              "data": [[noon, megawatts]]}
    series = {"network_code": network, "metric": "power", "unit": "MW", "interval": "1h", "date_start": noon, "date_end": noon,
              "groupings": ["fueltech"], "results": [result], "network_timezone_offset": f"+{hours:02d}:00"}
    return TimeSeriesResponse.model_validate({"version": "4", "created_at": noon, "success": True, "data": [series]})


east, west = answer("NEM", 10, 9000.0), answer("WEM", 8, 1500.0)
instants = [one.data[0].results[0].data[0].timestamp for one in (east, west)]
rows = [one.to_pandas().iloc[0] for one in (east, west)]
for network, instant, row in zip(("NEM", "WEM"), instants, rows):
    print(f"openelectricity {version('openelectricity')}, {network}: read {instant.isoformat()}, in the table {row['interval'].isoformat()}")
assert instants[1] - instants[0] == timedelta(hours=2) and instants[0].utcoffset() == timedelta(hours=10)
assert all(row["interval"].tzinfo is None for row in rows), "changed: times keep an offset"
assert rows[0]["interval"] == rows[1]["interval"] == datetime(2026, 3, 1, 12), "changed: two networks' noons are two times"
assert not {"network", "network_code", "timezone"} & set(east.to_pandas().columns), "changed: the table names its network"
joined = east.to_pandas().merge(west.to_pandas(), on=["interval", "fueltech"], suffixes=("_nem", "_wem"))
print(joined.to_string(index=False))
assert len(joined) == 1
PYTHON
