#!/usr/bin/env bash
# Guess: a job of half an hour begins in the half-hour of the forecast whose value is least, and that value is what is said of it.
# Found with climate-aware-task-scheduler 1.2.1 (CATS): a value that Britain's API gives from one time to another becomes a point
# at the first of the two, with straight lines between points, so that each half-hour is the mean of its own value and of the
# next one's. One of 50 g before one of 300 is told as 175 g, and the job sent to one of 160 g: three times what was to be had.
# The network is not needed: the API's answer is stood in for by one in its form.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check climate-aware-task-scheduler==1.2.1 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime, timedelta, timezone

from cats.forecast import WindowedForecast
from cats.providers import uk_carbonintensity as api

BEGIN, HALF_HOUR = datetime(2026, 3, 1, tzinfo=timezone.utc), timedelta(minutes=30)
VALUES = [300, 50, 300, 300, 160, 160, 160, 160]
WRITTEN = "%Y-%m-%dT%H:%MZ"
half_hours = [
    {
        "from": (BEGIN + i * HALF_HOUR).strftime(WRITTEN),
        "to": (BEGIN + (i + 1) * HALF_HOUR).strftime(WRITTEN),
        "intensity": {"forecast": value, "index": "moderate"},
    }
    for i, value in enumerate(VALUES)
]
api.fetch_url = lambda url: {"data": {"regionid": 3, "postcode": "OX1", "data": half_hours}}
points = api.UKCarbonIntensityProvider().get_data(BEGIN, "OX1").values
windows = WindowedForecast(points, 30, start=BEGIN)
best = min(windows)
nth = (best.start - BEGIN) // HALF_HOUR
told = [window.value for window in windows]
print(f"cats 1.2.1: half-hours of {VALUES} g/kWh are told as {told}; a job of 30 minutes begins at {best.start:%H:%M}, in {VALUES[nth]} g")
assert told[1] == 175.0, "changed: the half-hour of 50 g is no longer told as the mean with the next"
assert VALUES[nth] == 160, "changed: the job no longer begins in a half-hour of 160 g"
PYTHON
