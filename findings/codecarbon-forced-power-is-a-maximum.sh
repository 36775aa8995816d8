#!/usr/bin/env bash
# Guess: `force_cpu_power=100` makes CodeCarbon count 100 W for the CPU.
# Found with codecarbon 3.3.2 on a machine without RAPL: the number is taken for the power under full load and scaled by
# the load: of the machine (a tenth of it at rest), or of the process. Whoever forces a *measured mean* loses most of it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check codecarbon==3.3.2 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import csv
import time

from codecarbon import OfflineEmissionsTracker

tracker = OfflineEmissionsTracker(
    country_iso_code="FRA", output_dir=".", log_level="critical", measure_power_secs=1, tracking_mode="process",
    force_cpu_power=100, force_ram_power=50,
)
tracker.start()
time.sleep(4)  # at rest: this process does nothing
tracker.stop()
with open("emissions.csv") as file:
    watts = float(next(csv.DictReader(file))["cpu_power"])
print(f"codecarbon 3.3.2, force_cpu_power=100, a process at rest: cpu_power {watts:.1f} W")
assert watts < 30.0, "changed: a forced power is counted as it is"
PYTHON
