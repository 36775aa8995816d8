"""Other simulators of clusters beside this one, in a Python environment of their own that is made for it.

AccaSim 1.1.3 (MIT) and LEAF 0.4.2 (MIT) install from the package index; where that is not to be reached, their rows are
left out and figures are quoted. Batsim, RAPS and OpenDC do not install from it: their figures are quoted from the
project's brief, where they were measured on a machine of 2 cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.process import spent

PACKAGES = ("accasim==1.1.3", "leafsim==0.4.2", "setuptools<81")
GIVEN = "COLDAISLE_PEERS"
"""Names a Python that has them already."""


@dataclass(frozen=True)
class Run:
    """What a program took and what it printed last."""

    seconds: float
    cpu_s: float
    peak_mib: float
    printed: dict[str, Any]


def measured(command: list[str], folder: Path) -> Run:
    """Runs a program that ends with a line of JSON. Raises ``CalledProcessError`` where it fails."""
    found = spent(command, folder)
    printed = found.printed
    at = printed.index("{")
    told = json.loads(printed[at:]) if printed[at : at + 2] == "{\n" else json.loads(printed.strip().splitlines()[-1])
    return Run(found.wall_s, found.cpu_s, found.peak_mib, told)


@cache
def python() -> str | None:
    """A Python with the peers, None where they do not install."""
    given = os.environ.get(GIVEN)
    if given:
        return given
    folder = Path(mkdtemp(prefix="peers-"))
    try:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, capture_output=True)
        found = str(folder / "bin" / "python")
        install = [found, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES]
        subprocess.run(install, check=True, capture_output=True, timeout=600)
    except (OSError, subprocess.SubprocessError):
        return None
    return found


def told_by(script: str, folder: Path, *arguments: str) -> Run | None:
    """Runs a script beside the peers; None where they are not there or it fails."""
    found = python()
    if found is None:
        return None
    file = folder / "peer.py"
    file.write_text(script, encoding="utf-8")
    try:
        return measured([found, str(file), *arguments], folder)
    except (subprocess.CalledProcessError, ValueError):
        return None


ACCASIM = '''
"""AccaSim on an SWF file: argv is the file, the number of nodes of one core, and fifo or easy."""
import collections, collections.abc, json, sys, time
for name in ("Mapping", "Iterable"):  # which it takes from where Python had them before 3.10
    setattr(collections, name, getattr(collections.abc, name))
time.clock = getattr(time, "clock", time.perf_counter)
from accasim.base.allocator_class import FirstFit
from accasim.base.scheduler_class import EASYBackfilling, FirstInFirstOut
from accasim.base.simulator_class import Simulator
file, nodes, rule = sys.argv[1:]
system = {"start_time": 0, "equivalence": {"processor": {"core": 1}}, "groups": {"all": {"core": 1}},
          "resources": {"all": int(nodes)}}
with open("system.json", "w") as written:
    json.dump(system, written)
scheduler = {"fifo": FirstInFirstOut, "easy": EASYBackfilling}[rule](FirstFit())
began = time.process_time()
simulator = Simulator(file, "system.json", scheduler, scheduling_output=False, statistics_output=False,
                      show_statistics=False, RESULTS_FOLDER_NAME="results")
simulator.start_simulation()
waits = simulator.mapper.wtimes
print(json.dumps({"cpu_s": time.process_time() - began, "jobs": len(waits), "mean_wait_s": sum(waits) / len(waits)}))
'''

LEAF = '''
"""LEAF on a table of jobs: each starts when it is submitted, on the next node of all in turn, whatever is free: it has
no queue and no scheduler. Power is sampled every minute. argv is the CSV and the number of nodes."""
import csv, json, sys, time
import simpy
from leaf.application import Task
from leaf.infrastructure import Infrastructure, Node
from leaf.power import PowerMeter, PowerModelNode
file, count = sys.argv[1], int(sys.argv[2])
began = time.process_time()
with open(file) as table:
    jobs = [(int(row["submit_s"]), int(row["run_s"]), int(row["gpus"])) for row in csv.DictReader(table)]
env = simpy.Environment()
infrastructure = Infrastructure()
nodes = [Node(str(i), cu=1e9, power_model=PowerModelNode(power_per_cu=1000, static_power=2000)) for i in range(count)]
for node in nodes:
    infrastructure.add_node(node)
def job(env, node, run_s, gpus):
    task = Task(cu=gpus)
    task.allocate(node)
    yield env.timeout(run_s)
    task.deallocate()
def arrivals(env):
    for i, (submit_s, run_s, gpus) in enumerate(jobs):
        if submit_s > env.now:
            yield env.timeout(submit_s - env.now)
        env.process(job(env, nodes[i % count], run_s, gpus))
meter = PowerMeter(infrastructure, measurement_interval=60)
env.process(arrivals(env))
env.process(meter.run(env))
env.run(until=86400)
joules = sum(float(one) for one in meter.measurements) * 60
print(json.dumps({"cpu_s": time.process_time() - began, "jobs": len(jobs), "joules": joules}))
'''
