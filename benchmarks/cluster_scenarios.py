"""What the cluster's benchmarks run: tables of jobs that are drawn from a seed and written as files, and scenarios over
them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as pacsv

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NASA = Path("../shared/data/jobs/NASA-iPSC-1993-3.1-cln.swf.zip")
NASA_NODES = 128
DAY_S, WEEK_S = 86_400, 7 * 86_400
SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
SIZE_SHARES = (0.45, 0.12, 0.13, 0.20, 0.05, 0.03, 0.015, 0.005)
"""GPUs of a job, and how many jobs ask for so many: mostly one, as published traces have it."""
OVERESTIMATES = (1.05, 2.0, 5.0, 20.0)
"""What users ask for, in multiples of what a job takes; each as likely."""


def scenario(
    nodes: dict[str, Any], workload: dict[str, Any], *, bins: str = "1 h", scheduler: dict[str, Any] | None = None
) -> dict[str, Any]:
    """One pool, one workload of jobs; a run lasts until all are done."""
    return {
        "name": "jobs of a benchmark",
        "start": "2025-01-06T00:00:00Z",
        "site": {"name": "none", "grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [nodes], "scheduler": scheduler or {"kind": "easy", "placement": {"kind": "packed"}}},
        "workloads": {"jobs": {"kind": "jobs", **workload}},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": bins},
    }


def jobs_on_gpus(
    file: Path, jobs: int, nodes: int, load: float, *, median_s: float = 1800.0, span_s: float = 0.0
) -> None:
    """A table of jobs for nodes of 8 GPUs that fills them to ``load``; with ``span_s`` they come in so long, and run so
    much longer or shorter that the load is the same."""
    rng = np.random.default_rng(1)
    gpus = rng.choice(SIZES, jobs, p=SIZE_SHARES)
    run_s = np.minimum(rng.lognormal(np.log(median_s), 1.8, jobs), WEEK_S)
    if span_s:
        run_s *= load * 8 * nodes * span_s / float((gpus * run_s).sum())
    span_s = span_s or float((gpus * run_s).sum()) / (load * 8 * nodes)
    run_s = np.ceil(run_s)
    limit_s = np.ceil(run_s * rng.choice(OVERESTIMATES, jobs)) + 60.0
    write(
        file,
        submit_s=np.sort(rng.uniform(0.0, span_s, jobs)).astype(np.int64),
        run_s=run_s.astype(np.int64),
        limit_s=limit_s.astype(np.int64),
        gpus=gpus,
        user=rng.integers(0, 300, jobs),
    )


def write(file: Path, **columns: Ints | Floats) -> None:
    """A plain table of columns (n,)."""
    pacsv.write_csv(pa.table(dict(columns)), file)


def on_gpus(file: Path, nodes: int) -> dict[str, Any]:
    """Jobs of a table on nodes of eight H100s."""
    workload = {
        "source": {"kind": "trace", "file": str(file)},
        "load": {"kind": "measured", "active": "500 W"},
        "cpu_load": 0.1,
    }
    return scenario({"profile": "dgx-h100", "count": nodes}, workload)


def frontier_day(folder: Path) -> dict[str, Any]:
    """9,472 nodes for a day, 830 jobs on whole nodes, each drawing other W every 15 s, as telemetry tells."""
    rng = np.random.default_rng(2)
    jobs, step_s = 830, 15
    nodes = np.minimum(np.ceil(rng.lognormal(np.log(30.0), 1.5, jobs)), 4096).astype(np.int64)
    run_s = np.ceil(np.minimum(rng.lognormal(np.log(5400.0), 1.0, jobs), 6 * 3600.0)).astype(np.int64)
    write(
        folder / "jobs.csv",
        job_id=np.arange(jobs),
        submit_s=np.sort(rng.integers(0, DAY_S, jobs)),
        run_s=run_s,
        limit_s=2 * run_s,
        gpus=nodes * FRONTIER_GPUS,
        nodes=nodes,
    )
    steps = -(-run_s // step_s)
    job = np.repeat(np.arange(jobs), steps)
    offset_s = step_s * (np.arange(len(job)) - np.repeat(np.cumsum(steps) - steps, steps))
    write(folder / "loads.csv", job_id=job, offset_s=offset_s, gpu_w=np.round(rng.uniform(100.0, 500.0, len(job)), 1))
    workload = {
        "source": {"kind": "trace", "file": str(folder / "jobs.csv"), "loads": str(folder / "loads.csv")},
        "load": {"kind": "trace"},
        "cpu_load": 0.2,
    }
    return {**scenario({"profile": "frontier-like", "count": 9472}, workload), "duration": "1 day"}


FRONTIER_GPUS = 4
"""GPUs of a node of the profile that is used for it."""


def hosts_week(folder: Path) -> dict[str, Any]:
    """277 hosts without GPUs for a week, 1,141 machines on them whose load changes every five minutes: 2.3 million
    changes, none at the same time as another's."""
    rng = np.random.default_rng(3)
    guests, step_s = 1141, 300
    steps = WEEK_S // step_s
    write(
        folder / "guests.csv",
        job_id=np.arange(guests),
        submit_s=np.sort(rng.integers(0, step_s, guests)),
        run_s=np.full(guests, WEEK_S),
        gpus=np.zeros(guests, np.int64),
        cores=rng.choice([4, 8, 16, 32], guests),
    )
    job = np.repeat(np.arange(guests), steps)
    write(
        folder / "loads.csv",
        job_id=job,
        offset_s=np.tile(step_s * np.arange(steps), guests),
        cpu_load=np.round(rng.uniform(0.0, 1.0, len(job)), 3),
    )
    workload = {
        "source": {"kind": "trace", "file": str(folder / "guests.csv"), "loads": str(folder / "loads.csv")},
        "cpu_load": "trace",
    }
    nodes = {"profile": "cpu-2s-epyc-9654", "count": 277}
    made = scenario(nodes, workload, scheduler={"kind": "fifo", "placement": {"kind": "packed"}})
    made["accounting"] = {"server_lifetime": "6 years"}
    return made


def trainings(nodes: int, jobs: int) -> dict[str, Any]:
    """So many training jobs, each its own entry of the scenario, on nodes of eight H100s, as many per node and hour
    whatever the number of nodes."""
    rng = np.random.default_rng(4)
    gpus = rng.choice([1, 2, 4, 8, 16, 32], jobs).tolist()
    hours = rng.uniform(0.2, 2.0, jobs).tolist()
    made = scenario({"profile": "dgx-h100", "count": nodes}, {}, scheduler={"kind": "fifo"})
    made["workloads"] = {
        f"job-{i}": {
            "kind": "training",
            "gpus": gpus[i],
            "start_after": f"{30_000 * i // nodes} s",
            "work": {
                "kind": "gpu-hours",
                "gpu_hours": gpus[i] * hours[i],
                "load": {"kind": "measured", "active": "500 W"},
            },
            "cpu_load": 0.1,
        }
        for i in range(jobs)
    }
    return made


def nasa(file: Path, scheduler: str) -> dict[str, Any]:
    """The 128 processors of the iPSC/860 as sockets of 64 nodes."""
    workload = {"source": {"kind": "trace", "file": str(file), "processors": "slots"}, "cpu_load": 0.5}
    made = scenario({"profile": "cpu-2s-epyc-9654", "count": 64}, workload, scheduler={"kind": scheduler})
    made["accounting"] = {"server_lifetime": "6 years"}
    return made


def write_nasa(file: Path, rate_scale: float) -> int:
    """The NASA trace for simulators of every kind: submissions ``rate_scale`` times as dense, in whole seconds, without
    the 173 jobs of 0 s, and with users who ask for exactly what their jobs take. Returns how many jobs it has."""
    with zipfile.ZipFile(NASA) as packed:
        lines = packed.read(packed.namelist()[0]).decode().splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith(";")]
    rows = [row for row in rows if int(row[3]) > 0]
    for row in rows:
        row[1] = str(int(int(row[1]) / rate_scale))
        row[7], row[8] = row[4], row[3]
    file.write_text("".join(" ".join(row) + "\n" for row in rows), encoding="ascii")
    return len(rows)
