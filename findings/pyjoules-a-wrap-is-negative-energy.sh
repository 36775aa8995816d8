#!/usr/bin/env bash
# Guess: a meter on RAPL knows that its counter starts over (the kernel's max_energy_range_uj says where), so that an interval in
# which it does has its energy, or is refused.
# Found with pyJoules 0.5.1: max_energy_range_uj is never read. Of a steady 100 W over ten seconds with the wrap in the fifth, the
# interval is -261 kJ of a counter of 262 kJ instead of 100 J, and the sum of all ten is -261 kJ. clean_data() takes such an interval
# out, energy and time, and an interval that wraps and comes out above where it began is short by a whole range without a sign.
# RAPL is not needed: its files are stood in for by files of the same form in a folder.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pyJoules==0.5.1 'setuptools<81' 2>/dev/null
mkdir -p "$folder/intel-rapl/intel-rapl:0"
cd "$folder"
"$folder/venv/bin/python" -W ignore - "$folder/intel-rapl" <<'PYTHON'
import sys
from importlib.metadata import version
from pathlib import Path

from pyJoules.device import rapl_device
from pyJoules.device.rapl_device import RaplDevice
from pyJoules.energy_meter import EnergyMeter

rapl_device.RAPL_API_DIR = sys.argv[1]
package = Path(sys.argv[1]) / "intel-rapl:0"
RANGE_UJ = 262_143_328_850
(package / "name").write_text("package-0\n")
(package / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")


def counter(joules):
    (package / "energy_uj").write_text(f"{round(START_UJ + 1e6 * joules) % RANGE_UJ}\n")


START_UJ = RANGE_UJ - 450_000_000  # 4.5 s of 100 W before it starts over
counter(0)
device = RaplDevice()
device.configure(RaplDevice.available_package_domains())
meter = EnergyMeter([device])
meter.start(tag="second 1")
for second in range(1, 10):
    counter(100 * second)
    meter.record(tag=f"second {second + 1}")
counter(1000)
meter.stop()
trace = meter.get_trace()
joules = [sample.energy["package_0"] / 1e6 for sample in trace]
print(f"pyJoules {version('pyJoules')}, 100 W, a second each: {[round(one) for one in joules]} J, {sum(joules):.0f} J of 1000")
trace.clean_data()
kept = sum(sample.energy["package_0"] / 1e6 for sample in trace)
print(f"after clean_data: {len(trace)} intervals of 10, {kept:.0f} J")
assert [round(one) for one in joules if one > 0] == [100] * 9
assert min(joules) < -262_000, "changed: an interval with a wrap has its energy"
assert len(trace) == 9
PYTHON
