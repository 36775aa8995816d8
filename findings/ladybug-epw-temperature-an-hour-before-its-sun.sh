#!/usr/bin/env bash
# Guess: a record of an EPW keeps its temperature and its radiation together, and the year's first temperature is the first record's.
# Found with ladybug-core 0.44.62: what it counts as read at an instant (temperature, humidity, wind) begins with the year's last
# record, what it counts as summed over an hour (radiation) with the first. So two columns of one record stand an hour apart, and
# the last evening of December is the first hour of January.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check ladybug-core==0.44.62 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
from datetime import datetime, timedelta

from ladybug.epw import EPW

HEAD = """LOCATION,Made up,-,DEU,TMYx,000000,50.0,8.6,1.0,100.0
DESIGN CONDITIONS,0
TYPICAL/EXTREME PERIODS,0
GROUND TEMPERATURES,0
HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0
COMMENTS 1,made up
COMMENTS 2,made up
DATA PERIODS,1,1,Data,Sunday,1/1,12/31
"""
with open("year.epw", "w") as file:
    file.write(HEAD)
    for i in range(8760):
        at = datetime(2021, 1, 1) + timedelta(hours=i)
        celsius = {0: 1.0, 8759: -9.9}.get(i, 10.0)  # the first record, the last, and all others
        radiation = {0: 111}.get(i, 0)  # the first record alone
        file.write(
            f"2021,{at.month},{at.day},{at.hour + 1},60,?9?9,{celsius},5.0,60,101325,0,0,300,{radiation},"
            "0,0,0,0,0,0,180,3.0,5,5,20,77777,9,999999999,50,0.1,0,88,0.2,0,1\n"
        )
epw = EPW("year.epw")
celsius, radiation = epw.dry_bulb_temperature, epw.global_horizontal_radiation
print("record 1 of the file:        1.0 degC, 111 Wh/m2; its last record: -9.9 degC")
for i in range(2):
    print(f"ladybug at {celsius.datetimes[i]}: {celsius.values[i]:5} degC, {radiation.values[i]} Wh/m2")
assert celsius.datetimes[0] == radiation.datetimes[0]
assert celsius.values[:2] == (-9.9, 1.0), "changed: the year no longer begins with the temperature of its end"
assert radiation.values[:2] == (111, 0), "changed: radiation moves, too"
PYTHON
