"""A day of 9,472 nodes beside RAPS: ``beside-raps --peer FOLDER``.

FOLDER is a clone of ExaDigiT/RAPS whose ``raps.engine`` takes a configuration (seen with commit 0366555), in whose
``.venv`` its packages are installed. RAPS has a command for jobs that it draws; so that both do the same work, a script
hands its engine the jobs of this project's scenario: the same 830, each with its GPU power as a utilisation every 15 s,
under FCFS with EASY backfill. Of RAPS that is the engine alone, without its screen and its report; of this project it
is the whole command, with the files of its results. The two take turns.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.beside_splitwise import compared, peer_python
from benchmarks.cluster_scenarios import frontier_day
from benchmarks.process import spent
from benchmarks.startup import COMMAND, ENVIRONMENT
from benchmarks.table import Row
from sim.results.files import to_yaml

MEMORY_MIB = 300.0
DRIVER = '''
"""RAPS on a table of jobs and one of their GPU power: argv is both. It ticks each second, and has power every 15 s."""
import json, sys
import pandas as pd
from raps.config import ConfigManager
from raps.engine import Engine
from raps.flops import FLOPSManager
from raps.job import Job, job_dict
from raps.power import PowerManager, compute_node_power
config = ConfigManager(system_name="frontier").get_config()
idle, most, gpus = config["POWER_GPU_IDLE"], config["POWER_GPU_MAX"], config["GPUS_PER_NODE"]
loads = {job: of.tolist() for job, of in pd.read_csv(sys.argv[2]).groupby("job_id")["gpu_w"]}
jobs = []
for row in pd.read_csv(sys.argv[1]).itertuples():
    busy = [gpus * min(1.0, (watts - idle) / (most - idle)) for watts in loads[row.job_id]]
    jobs.append(Job(job_dict(
        nodes_required=int(row.nodes), name="job", account="all", end_state="COMPLETED", scheduled_nodes=[],
        id=int(row.job_id), cpu_trace=0.2, gpu_trace=busy, ntx_trace=None, nrx_trace=None,
        submit_time=int(row.submit_s), time_limit=int(row.limit_s), start_time=int(row.submit_s),
        end_time=int(row.submit_s + row.run_s), wall_time=int(row.run_s), trace_time=int(row.run_s),
        trace_start_time=0, trace_end_time=int(row.run_s), trace_quanta=15)))
engine = Engine(power_manager=PowerManager(compute_node_power, **config), flops_manager=FLOPSManager(config=config),
                config=config, jobs=jobs, policy="fcfs", backfill="easy")
for _ in engine.run_simulation(jobs, 0, 86400):
    pass
kwh = sum(kw for _, kw in engine.power_manager.history) * config["POWER_UPDATE_FREQ"] / 3600
print(json.dumps({"completed": engine.jobs_completed, "running": len(engine.running), "kwh": kwh}))
'''


def rows(*, quick: bool, peer: Path) -> Sequence[Row]:
    """Ratios of medians over pairs, memory of both, and how many jobs each has completed by the end of the day."""
    python = peer_python(peer)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "day.yaml").write_text(to_yaml(frontier_day(folder)), encoding="utf-8")
        (folder / "driver.py").write_text(DRIVER, encoding="utf-8")
        ours_command = [*COMMAND, "run", "day.yaml", "--quiet", "--json"]
        theirs_command = [python, str(folder / "driver.py"), str(folder / "jobs.csv"), str(folder / "loads.csv")]
        there = ENVIRONMENT | {"PYTHONPATH": str(peer.resolve())}
        spent(ours_command, folder, ENVIRONMENT)  # for byte code and the disk's cache, as on any later day
        pairs = [
            (spent(ours_command, folder, ENVIRONMENT), spent(theirs_command, peer, there))
            for _ in range(1 if quick else 3)
        ]
    ours, theirs = (told.printed for told in pairs[-1])
    found = json.loads(ours[ours.index("{") :])["batch"]["jobs"]
    said = json.loads(theirs.strip().splitlines()[-1])
    note = f"{said['completed']} there, {said['running']} still running; {said['kwh'] / 1e3:.0f} MWh there with losses"
    return [*compared(pairs, memory_mib=MEMORY_MIB), Row("  jobs completed", found["completed"], "", note=note)]
