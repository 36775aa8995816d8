#!/usr/bin/env bash
# Guess: the "actual consumption" that carbontracker prints is what the components used, as its "average power" is.
# Found with carbontracker 2.4.7: the energy is multiplied by a PUE of 1.58 that no argument changes; the watts are not. A
# simulated CPU of 100 W at 50 % for some seconds: 50 W in the log, and 79 W times the time in the energy.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check carbontracker==2.4.7 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import contextlib
import inspect
import io
import re
import time
from pathlib import Path

from carbontracker.tracker import CarbonTracker

with contextlib.redirect_stdout(io.StringIO()):
    tracker = CarbonTracker(
        epochs=1, epochs_before_pred=0, monitor_epochs=1, update_interval=1, components="cpu",
        sim_cpu="a CPU", sim_cpu_tdp=100, sim_cpu_util=0.5, log_dir="logs", decimal_precision=12,
    )
    tracker.epoch_start()
    time.sleep(5)
    tracker.epoch_end()
    tracker.stop()
said = "\n".join(path.read_text() for path in Path("logs").iterdir())
watts = float(re.search(r"Average power usage \(W\) for cpu: ([\d.]+)", said)[1])
seconds = float(re.search(r"Duration: 0:00:([\d.]+)", said)[1])
joules = 3.6e6 * float(re.search(r"Energy:\s+([\d.]+) kWh", said)[1])
print(f"carbontracker 2.4.7: {watts} W for {seconds} s; energy {joules:.1f} J = {joules / (watts * seconds):.3f} x that")
assert watts == 50.0
assert abs(joules / (watts * seconds) - 1.58) < 0.02, "changed: the energy holds another PUE, or none"
assert "pue" not in inspect.signature(CarbonTracker.__init__).parameters, "changed: the PUE can be given"
PYTHON
