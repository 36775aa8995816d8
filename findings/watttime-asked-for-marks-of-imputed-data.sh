#!/usr/bin/env bash
# Guess: get_historical_csv(include_imputed_marker=True) writes beside each rate whether it was imputed, as get_historical_pandas does.
# Found with watttime 1.4.0: it hands the option on as the one after: include_meta. WattTime is never asked for the marks, the file has
# none, and a column `meta` that nobody asked for: no row looks imputed to whoever counts marks by a column that is missing.
# The API is stood in for by a method of the client that answers in its form, with marks where they are asked for.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check watttime==1.4.0 2>/dev/null
cd "$folder"
HOME=$folder WATTTIME_USER=nobody WATTTIME_PASSWORD=none "$folder/venv/bin/python" - <<'PYTHON'
import csv
from pathlib import Path

from watttime import WattTimeHistorical

client, asked = WattTimeHistorical(), []


def answer(start, end, region, signal_type="co2_moer", model=None, include_imputed_marker=False):
    asked.append(include_imputed_marker)
    rows = [{"point_time": f"2026-03-01T00:{minute:02}:00+00:00", "value": 800.0} for minute in range(0, 60, 5)]
    if include_imputed_marker:
        rows = [{**row, "imputed_data_used": True} for row in rows]
    return [{"data": rows, "meta": {"region": region, "signal_type": signal_type, "units": "lbs_co2_per_mwh"}}]


client.get_historical_jsons = answer
WHEN = ("2026-03-01T00:00Z", "2026-03-01T01:00Z", "CAISO_NORTH")
frame = client.get_historical_pandas(*WHEN, include_imputed_marker=True)
client.get_historical_csv(*WHEN, include_imputed_marker=True)
(path,) = Path("watttime_historical_csvs").iterdir()
with path.open(newline="") as file:
    columns = next(csv.reader(file))
print(f"watttime 1.4.0: marks asked for {asked}; the table has {list(frame.columns)}, the file {columns}")
assert asked[0] is True and "imputed_data_used" in frame.columns
assert asked[1] is False, "changed: the marks are asked for"
assert columns == ["point_time", "value", "meta"], "changed: the file has other columns"
PYTHON
