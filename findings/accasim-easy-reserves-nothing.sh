#!/usr/bin/env bash
# Guess: AccaSim's EASYBackfilling lets a job pass the head of the queue only if the head starts no later for it.
# Found with AccaSim 1.1.3: it works a reservation out and then lets whoever has room start. On two nodes the head waits
# for both, which are free at 100 s; a job of 1,000 s that comes behind it takes one of them, and the head starts at 1,002 s.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check accasim==1.1.3 "setuptools<81" 2>/dev/null
cd "$folder"
cat > jobs.swf <<'SWF'
; UnixStartTime: 0
1 0 -1 100 1 -1 -1 1 100 -1 1 1 1 1 1 1 -1 -1
2 1 -1 10 2 -1 -1 2 10 -1 1 1 1 1 1 1 -1 -1
3 2 -1 1000 1 -1 -1 1 1000 -1 1 1 1 1 1 1 -1 -1
SWF
cat > system.json <<'JSON'
{"start_time": 0, "equivalence": {"processor": {"core": 1}}, "groups": {"all": {"core": 1}}, "resources": {"all": 2}}
JSON
venv/bin/python - 2>/dev/null <<'PYTHON'
import collections
import collections.abc
import time

for name in ("Mapping", "Iterable"):  # where Python had them before 3.10
    setattr(collections, name, getattr(collections.abc, name))
time.clock = getattr(time, "clock", time.perf_counter)
from accasim.base.allocator_class import FirstFit
from accasim.base.scheduler_class import EASYBackfilling
from accasim.base.simulator_class import Simulator

simulator = Simulator(
    "jobs.swf", "system.json", EASYBackfilling(FirstFit()), scheduling_output=False, statistics_output=False,
    show_statistics=False, RESULTS_FOLDER_NAME="results",
)
simulator.start_simulation()
waits = sorted(simulator.mapper.wtimes)
print(f"AccaSim 1.1.3, EASY on two nodes: waits of {waits} s; with a reservation for the head they are [0, 99, 108]")
assert waits[-1] > 900, "changed: the head is not delayed"
PYTHON
