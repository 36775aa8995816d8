#!/usr/bin/env bash
# Guess: a reader of EPW files honours the "records per hour" of the DATA PERIODS line, and the minute column.
# Found with pvlib 0.16.1: the minute is not read. Both records of an hour get one time stamp, so that the index has each
# hour twice, and whatever looks up an hour, resamples or aligns takes one of them or a mean without a word.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check pvlib==0.16.1 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import pvlib

head = """LOCATION,Somewhere,-,USA,TMY3,0,32.9,-97.0,-6.0,182.0
DESIGN CONDITIONS,0
TYPICAL/EXTREME PERIODS,0
GROUND TEMPERATURES,0
HOLIDAYS/DAYLIGHT SAVINGS,No,0,0,0
COMMENTS 1,made for this test
COMMENTS 2,two records an hour
DATA PERIODS,1,2,Data,Sunday, 1/ 1,12/31
"""
rest = "5.0,60,99000,0,0,300,0,0,0,0,0,0,0,180,2.0,5,5,10,77777,9,999999999,150,0.1,0,88,0.2,0.0,0.0"
rows = [f"2001,1,1,{hour},{minute},?,{celsius},{rest}" for hour in (1, 2) for minute, celsius in ((30, 10.0), (60, 30.0))]
with open("half-hours.epw", "w") as file:
    file.write(head + "\n".join(rows) + "\n")

frame, _ = pvlib.iotools.read_epw("half-hours.epw", coerce_year=2001)
print(f"pvlib {pvlib.__version__}, four half hours:")
print(frame.temp_air.to_string())
stamps = [stamp.strftime("%H:%M") for stamp in frame.index]
assert stamps == ["00:00", "00:00", "01:00", "01:00"], f"changed: {stamps}"
PYTHON
