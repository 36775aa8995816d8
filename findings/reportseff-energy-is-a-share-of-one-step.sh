#!/usr/bin/env bash
# Guess: reportseff's column `Energy` is what a job took: the joules of all its steps, as Slurm's ConsumedEnergyRaw has them.
# Found with reportseff 2.10.3: it is `energy` of TRESUsageOutAve, an average, and of a job's steps the largest alone. A job
# that took 101,630 J on a node of 128 CPUs is told as 794, a 128th, in the line that has 101630 beside it (what sacct says of
# it is as in reportseff's issue 66); three steps of 40, 30 and 30 kJ are 40 kJ.
# Slurm itself is not needed: sacct and scontrol are stood in for by scripts that print what theirs would.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check reportseff==2.10.3 2>/dev/null
mkdir "$folder/slurm"
cat > "$folder/slurm/sacct" <<'PYTHON'
#!/usr/bin/env python3
import sys

ENERGY = {  # of each row: ConsumedEnergyRaw, TRESUsageOutAve
    "1935": ("101630", ""),
    "1935.extern": ("101630", "energy=794,fs/disk=1"),
    "1935.0": ("101630", "energy=794,fs/disk=759156"),
    "2001": ("100000", ""),
    "2001.0": ("40000", "energy=40000,fs/disk=1"),
    "2001.1": ("30000", "energy=30000,fs/disk=1"),
    "2001.2": ("30000", "energy=30000,fs/disk=1"),
}
KNOWN = {"State": "COMPLETED", "Elapsed": "00:02:02", "NNodes": "1", "AllocCPUS": "128"}
ITS_OWN = ("AdminComment", "ConsumedEnergyRaw", "JobID", "JobIDRaw", "TRESUsageOutAve")
if "--helpformat" in sys.argv:
    print(*KNOWN, *ITS_OWN)
    sys.exit()
columns = next(word.split("=")[1] for word in sys.argv if word.startswith("--format="))
for row, (joules, average) in ENERGY.items():
    cells = {**KNOWN, "JobID": row, "JobIDRaw": row, "ConsumedEnergyRaw": joules, "TRESUsageOutAve": average}
    print("".join(f"{cells.get(column, '')}^|^" for column in columns.split(",")))
PYTHON
cat > "$folder/slurm/scontrol" <<'BASH'
#!/usr/bin/env bash
echo "PartitionName=all MaxTime=UNLIMITED State=UP"
BASH
chmod +x "$folder"/slurm/*
told=$(PATH="$folder/slurm:$PATH" "$folder/venv/bin/reportseff" --no-color --format JobID,AllocCPUS,ConsumedEnergyRaw,Energy 1935 2001)
echo "reportseff 2.10.3:"
echo "$told"
rows=$(awk '$1 ~ /^[0-9]+$/ {print $1, $3, $4}' <<< "$told")
if [ "$rows" != $'1935 101630 794\n2001 100000 40000' ]; then
    echo "changed: Energy is no longer the largest average of a step" >&2
    exit 1
fi
