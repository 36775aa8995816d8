"""What a run costs as the house grows: idle nodes, and one job on all of them that checkpoints and loses nodes.

``python -m benchmarks.nodes COMMIT [--quick]`` measures the same with the sources of a commit, in turns, and prints
ratios. Each figure is CPU time of the simulation alone, in a process of its own for its peak of memory.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.table import Row, show

ROOT = Path(__file__).resolve().parent.parent
MEBIBYTE = 1 << 20
FAILURES, DAYS = 405, 54
SIZES = {
    "idle": (1_000, 10_000, 100_000),
    "held": (1_000, 10_000, 100_000),
    "gives back": (128, 512, 2048, 8192),
    "recovers": (128, 512, 2048, 8192),
    "many sizes": (1_000, 10_000, 100_000),
    "limited": (1_000, 10_000),
    "sleep": (1_000, 4_000, 16_000),
}
QUICK = {"idle": (1_000, 100_000), "held": (1_000, 100_000), "gives back": (128, 2048), "recovers": (128, 2048)}
MANY = ("many sizes", "limited", "sleep")
"""Cases of many jobs."""
QUIET = ("idle", "held")
"""Cases of a day in which nothing fails."""
ABOUT = {
    "idle": "idle nodes, a day; one node has a job",
    "held": "nodes, a day; one gang is on each of them for half of it",
    "gives back": "nodes of 8 GPUs, 54 days; the job is lost with a node 405 times",
    "recovers": "nodes of 8 GPUs, 54 days; the job goes on with spares 405 times",
    "many sizes": "nodes, 600 jobs of one to half of them",
    "limited": "nodes under a limit of the site, 600 jobs of 16",
    "sleep": "nodes that sleep after ten minutes, ten jobs of a tenth of them",
}


def scenario(case: str, nodes: int) -> dict[str, Any]:
    """One pool of DGX H100 and one job, or many."""
    if case in MANY:
        return with_many_jobs(case, nodes)
    pool: dict[str, Any] = {"profile": "dgx-h100", "count": nodes}
    gpus = 8 if case == "idle" else 8 * nodes
    hours = 12 if case in QUIET else 200 * 24
    load = {"kind": "measured", "active": "600 W"}
    job: dict[str, Any] = {
        "kind": "training",
        "gpus": gpus,
        "work": {"kind": "gpu-hours", "gpu_hours": gpus * hours, "load": load},
        "cpu_load": 0.1,
        "setup": "20 min",
    }
    if case not in QUIET:
        pool["count"] = nodes + 32
        job["checkpoint"] = {"every": "30 min", "write": "33 s", "stall": "5 s"}
    mtbf_h = DAYS * 24 * nodes / FAILURES
    if case == "gives back":
        pool["failures"] = {"mtbf": f"{mtbf_h} h", "repair": "24 h"}
    if case == "recovers":
        part = {"kind": "device", "mtbf": f"{8 * mtbf_h} h", "per": "gpu", "shows": "crash"}
        pool["failures"] = {"kind": "components", "parts": {"gpu": part}, "repair": "24 h"}
        pool["spares"] = {"count": 16, "state": "warm", "replace": "1 min"}
        detection = {"crash": "1 min", "hang": "10 min", "silent": "1 h"}
        job["recovery"] = {"detection": detection, "schedule": "1 min", "load": "33 s", "warm_up": "3 min"}
    return {
        "name": "nodes",
        "seed": 1,
        "start": "2024-03-01T00:00:00Z",
        "duration": "1 d" if case in QUIET else f"{DAYS} d",
        "site": {"name": "none", "grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.1}},
        "cluster": {"nodes": [pool]},
        "workloads": {"job": job},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "1 h"},
    }


def with_many_jobs(case: str, nodes: int) -> dict[str, Any]:
    """What may cost nodes times jobs: large ones of all sizes, a limit that follows each of them, nodes that sleep."""
    rng = np.random.default_rng(3)
    made = scenario("idle", nodes)
    job, pool = made["workloads"]["job"], made["cluster"]["nodes"][0]
    gpus, hours, every_s = [128] * 600, [0.5] * 600, 60
    if case == "many sizes":
        gpus = np.maximum(8, 4 * nodes ** rng.uniform(0.0, 1.0, 600)).astype(int).tolist()
        hours, every_s, made["duration"] = rng.uniform(0.05, 1.0, 600).tolist(), 100, "2 d"
    if case == "limited":
        made["policies"] = [{"kind": "throttle", "site": "none", "limit": f"{9 * nodes} kW"}]
    if case == "sleep":
        gpus, hours, every_s, pool["idle_timeout"] = [8 * (nodes // 10)] * 10, [0.5] * 10, 7200, "10 min"
    made["workloads"] = {
        f"job-{i}": {
            **{name: value for name, value in job.items() if name != "setup"},
            "gpus": own,
            "start_after": f"{every_s * i} s",
            "work": {**job["work"], "gpu_hours": own * hour},
        }
        for i, (own, hour) in enumerate(zip(gpus, hours, strict=True))
    }
    return made


def measure(case: str, nodes: int) -> None:
    """Prints seconds of CPU, MiB at most, and the joules of the run, by the sources that are found first."""
    from sim.loading.scenario import load_scenario
    from sim.running.run import built_of
    from sim.running.simulation import simulate

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "nodes.yaml")
        file.write_text(json.dumps(scenario(case, nodes)), encoding="utf-8")
        built = built_of(load_scenario(file))
    began = time.process_time()
    ledger = simulate(built).ledger
    spent_s = time.process_time() - began
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MEBIBYTE
    print(json.dumps([spent_s, mib, ledger.total_j().hex()]))


def measured(tree: Path, case: str, nodes: int) -> tuple[float, float, str]:
    """The same with the sources of ``tree``, in a process of its own."""
    env = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
    command = [sys.executable, str(Path(__file__)), "--measure", case, str(nodes)]
    done = subprocess.run(command, env=env, cwd=tree, capture_output=True, text=True, check=True)
    spent_s, mib, joules = json.loads(done.stdout.splitlines()[-1])
    return spent_s, mib, joules


def rows(*, quick: bool, before: Path | None = None) -> Sequence[Row]:
    """A row for each case and size; with the tree of another state, how many times as long that takes."""
    result = []
    for case, sizes in (QUICK if quick else SIZES).items():
        for nodes in sizes:
            spent_s, mib, joules = measured(ROOT, case, nodes)
            result.append(Row(f"{nodes:,} {ABOUT[case]}", spent_s, "s", note=f"{mib:.0f} MiB"))
            if before is not None:
                once_s, once_mib, once_j = measured(before, case, nodes)
                same = "same joules" if once_j == joules else "other joules"
                note = f"{once_s:.2f} s and {once_mib:.0f} MiB before, {same}"
                reach = 20.0 if case in QUIET and nodes == 100_000 else None
                result.append(Row("  times as fast", once_s / spent_s, "x", reach, note, at_least=True))
    return result


def main() -> None:
    """Measures one case, or compares all with a commit."""
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2], int(sys.argv[3]))
        return
    if len(sys.argv) < 2:
        raise SystemExit(__doc__)
    with tempfile.TemporaryDirectory() as scratch:
        before = Path(scratch, "before")
        subprocess.run(["git", "worktree", "add", "--quiet", "--detach", before, sys.argv[1]], cwd=ROOT, check=True)
        try:
            show("nodes", rows(quick="--quick" in sys.argv, before=before), as_json=False)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)


if __name__ == "__main__":
    main()
