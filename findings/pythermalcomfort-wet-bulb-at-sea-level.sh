#!/usr/bin/env bash
# Guess: of air whose pressure is given, all that comes back is of that pressure: the wet bulb, too, to which towers cool.
# Found with pythermalcomfort 4.8.0: psy_ta_rh(p_atm=...) has the humidity ratio and the enthalpy of the pressure, and beside them a
# wet bulb by Stull's fit at sea level, the same to the last digit at 80 kPa. In 35 Celsius and 20 % that is 19.3, where the
# balance of a wet thermometer (psychrolib 2.5.0) has 18.9 at the sea and 17.6 at 80 kPa: 1.7 K too warm at 2,000 m.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pythermalcomfort==4.8.0 psychrolib==2.5.0 2>/dev/null
"$folder/venv/bin/python" -W ignore - <<'PYTHON'
import psychrolib
from pythermalcomfort.psychrometrics import psy_ta_rh

psychrolib.SetUnitSystem(psychrolib.SI)
T_C, RH, SEA_PA, HIGH_PA = 35.0, 20.0, 101_325.0, 80_000.0
sea, high = (psy_ta_rh(T_C, RH, p_atm=pressure) for pressure in (SEA_PA, HIGH_PA))
balance = [psychrolib.GetTWetBulbFromRelHum(T_C, RH / 100, pressure) for pressure in (SEA_PA, HIGH_PA)]
print(
    f"pythermalcomfort 4.8.0 at {T_C} C and {RH} %: humidity ratio {sea.hr:.5f} and {high.hr:.5f}, wet bulb"
    f" {sea.wet_bulb_tmp:.2f} and {high.wet_bulb_tmp:.2f} C; psychrolib {balance[0]:.2f} and {balance[1]:.2f} C"
)
assert high.hr > 1.25 * sea.hr
assert high.wet_bulb_tmp == sea.wet_bulb_tmp, "changed: the wet bulb follows the pressure"
assert high.wet_bulb_tmp - balance[1] > 1.5
PYTHON
