#!/usr/bin/env bash
# Guess: CodeCarbon's power columns are what the machine draws; the PUE comes in where energy becomes emissions.
# Found with codecarbon 3.3.2: `pue=2` doubles cpu_power and ram_power in emissions.csv as well as every energy, and
# water_consumed is WUE times the energy *with* PUE, where WUE is litres per kWh of IT.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check codecarbon==3.3.2 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import csv
import tempfile
import time

from codecarbon import OfflineEmissionsTracker


def row(pue):
    out = tempfile.mkdtemp(dir=".")
    tracker = OfflineEmissionsTracker(
        country_iso_code="FRA", pue=pue, wue=1.0, output_dir=out, log_level="critical",
        measure_power_secs=1, force_cpu_power=100, force_ram_power=50,
    )
    tracker.start()
    time.sleep(3)
    tracker.stop()
    with open(f"{out}/emissions.csv") as file:
        return next(csv.DictReader(file))


one, two = row(1), row(2)
for name in ("codecarbon_version", "pue", "ram_power", "ram_energy", "energy_consumed", "water_consumed"):
    print(f"{name:20} {one[name]:>24} {two[name]:>24}")
ram_w = [float(r["ram_power"]) for r in (one, two)]
assert ram_w == [50.0, 100.0], f"changed: {ram_w}"
for r in (one, two):
    assert abs(float(r["water_consumed"]) / float(r["energy_consumed"]) - 1.0) < 1e-6, "changed: water goes by IT energy"
PYTHON
