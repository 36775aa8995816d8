#!/usr/bin/env bash
# Guess: measuring energy where no meter can be read is an error.
# Found with zeus 0.16.0: a window over no GPU and no CPU ends in empty and absent readings, whose `total_energy` is 0.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check zeus==0.16.0 2>/dev/null
"$folder/venv/bin/python" - <<'PYTHON'
import time

from zeus.monitor import ZeusMonitor

monitor = ZeusMonitor(gpu_indices=[], cpu_indices=[])
monitor.begin_window("work")
time.sleep(0.5)
measured = monitor.end_window("work")
print(f"zeus 0.16.0: {measured}; total_energy {measured.total_energy} J")
assert measured.gpu_energy == {}
assert measured.cpu_energy is None
assert measured.total_energy == 0, "changed: what was not measured is no longer 0 J"
PYTHON
