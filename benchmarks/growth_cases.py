"""What may grow in a scenario, one thing at a time: a case takes a size and returns the seconds of CPU that it cost.

``python benchmarks/growth_cases.py NAME SIZE`` runs one and prints a line of JSON. It knows nothing but ``sim``, so
that an earlier version can be measured from its own folder (``PYTHONPATH=.``).
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

START = datetime(2025, 1, 6, tzinfo=UTC)
HOURS_OF_YEAR = 8760


def scenario(nodes: int, grid: dict[str, Any] | str = "400 gCO2e/kWh", **more: Any) -> dict[str, Any]:
    """Nodes of eight H100s at one site, for hours."""
    return {
        "name": "one thing grows",
        "start": f"{START:%Y-%m-%dT%H:%M:%SZ}",
        "site": {"name": "none", "grid": {"intensity": grid}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": nodes}]},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        **({"outputs": {"bin": "1 h"}} | more),
    }


def training(gpus: int, hours: float, after_s: int = 0, **more: Any) -> dict[str, Any]:
    """A training job of so many hours."""
    load = {"kind": "measured", "active": "500 W"}
    work = {"kind": "gpu-hours", "gpu_hours": gpus * hours, "load": load}
    return {"kind": "training", "gpus": gpus, "start_after": f"{after_s} s", "work": work, "cpu_load": 0.1, **more}


def hours_of(folder: Path, hours: int) -> dict[str, Any]:
    """A grid's intensity that changes every hour."""
    lines = [f"{START + timedelta(hours=i):%Y-%m-%d %H:%M:%S},{300 + i % 24 + i % 17}" for i in range(hours + 1)]
    (folder / "grid.csv").write_text("\n".join(["datetime_utc,g", *lines]) + "\n", encoding="ascii")
    return {"kind": "series", "file": str(folder / "grid.csv"), "column": "g", "unit": "1 gCO2e/kWh"}


def workloads(size: int, folder: Path) -> float:
    """So many workloads, one after the other: from the scenario to the folder of results."""
    jobs = {f"job-{i}": training(8, 5.0, 600 * i) for i in range(size)}
    return run(scenario(100, workloads=jobs), folder)


def years(size: int, folder: Path) -> float:
    """A job of so many years on an hourly grid: from the scenario to the folder of results."""
    hours = HOURS_OF_YEAR * size
    jobs = {"job": training(8, 2.0 * hours)}
    return run(scenario(100, hours_of(folder, hours), workloads=jobs, duration=f"{hours} h"), folder)


def sites(size: int, folder: Path, hours: int = HOURS_OF_YEAR) -> float:
    """So many sites with a year of hours each: from the scenario to the folder of results."""
    grid, made = hours_of(folder, hours), scenario(1)
    site = {"grid": {"intensity": grid}, "facility": {"kind": "fixed-pue", "pue": 1.2}}
    del made["site"]
    made["sites"] = {f"site-{i}": site for i in range(size)}
    nodes = [{"profile": "dgx-h100", "count": 1, "name": f"pool-{i}", "site": f"site-{i}"} for i in range(size)]
    made["cluster"] = {"nodes": nodes}
    made["workloads"] = {f"job-{i}": training(8, 2.0 * hours, pool=f"pool-{i}") for i in range(size)}
    return run({**made, "duration": f"{hours} h"}, folder)


def sites_for_a_day(size: int, folder: Path) -> float:
    """So many sites with a day of hours each."""
    return sites(size, folder, 24)


def nodes(size: int, _folder: Path) -> float:
    """3,000 training jobs of 1 to 32 GPUs on so many nodes, as many a node and hour: simulated and booked."""
    rng = np.random.default_rng(4)
    count = 3000
    gpus = rng.choice([1, 2, 4, 8, 16, 32], count).tolist()
    hours = rng.uniform(0.2, 2.0, count).tolist()
    jobs = {f"job-{i}": training(gpus[i], hours[i], 30_000 * i // size) for i in range(count)}
    return simulated(scenario(size, workloads=jobs))


def bins(size: int, _folder: Path) -> float:
    """An hour of a chat service in so many bins: simulated and booked."""
    step_s = 3600 // size
    return simulated("chat-service", {"duration": "1 h", "outputs.bin": f"{step_s} s"})


def bins_of_eight(size: int, _folder: Path) -> float:
    """An hour of eight replicas on a node in so many bins, in most of which each is at work for a part of it."""
    return simulated(eight_replicas(1, 3600 // size))


def eight_replicas(hours: int, step_s: int) -> dict[str, Any]:
    """So many hours of eight replicas on a node, in bins of so many seconds."""
    chat = {
        "kind": "serving",
        "model": "llama-3.1-8b",
        "stack": "vllm-2025",
        "precision": {"weights": "fp8", "kv": "fp8"},
        "replicas": {"count": 8, "tensor_parallel": 1},
        "batching": {"max_num_seqs": 256, "max_num_batched_tokens": 4096},
        "routing": "round-robin",
        "arrivals": {"kind": "poisson", "rate": "16 request/s"},
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "lognormal", "mean": 220, "cv": 1.5, "max": 4096},
            "output": {"kind": "lognormal", "mean": 20, "cv": 0.9, "max": 100},
        },
        "cpu_load": 0.1,
    }
    return scenario(1, workloads={"chat": chat}, seed=1, duration=f"{hours} h", outputs={"bin": f"{step_s} s"})


CASES: dict[str, tuple[Callable[[int, Path], float], tuple[int, ...]]] = {
    "workloads": (workloads, (100, 300, 1000, 3000)),
    "sites, a day of hours": (sites_for_a_day, (10, 30, 100, 300, 1000)),
    "sites, a year of hours": (sites, (10, 30, 100, 300, 1000)),
    "years of hours": (years, (1, 3, 10, 30)),
    "nodes under 3,000 jobs": (nodes, (100, 300, 1000, 3000, 10_000)),
    "bins of an hour of chat": (bins, (4, 60, 600, 3600)),
    "bins of an hour of eight replicas": (bins_of_eight, (4, 60, 600, 3600)),
}
"""By name: what is measured, and at which sizes."""


def run(made: dict[str, Any], folder: Path) -> float:
    """Seconds of CPU from a scenario to the folder of its results."""
    import sim
    from sim.results.files import write

    began = time.process_time()
    write(sim.run(made), folder / "results")
    return time.process_time() - began


def simulated(made: dict[str, Any] | str, overrides: dict[str, Any] | None = None) -> float:
    """Seconds of CPU to simulate a scenario, the second of two times: what is compiled or kept is there then."""
    from sim.loading.scenario import load_scenario
    from sim.running.run import built_of
    from sim.running.simulation import simulate

    built = built_of(load_scenario(made, overrides))
    spent = 0.0
    for _ in range(2):
        began = time.process_time()
        simulate(built)
        spent = time.process_time() - began
    return spent


if __name__ == "__main__":
    import sim  # noqa: F401  what importing it costs is no part of any case

    with tempfile.TemporaryDirectory() as name:
        print(json.dumps({"cpu_s": CASES[sys.argv[1]][0](int(sys.argv[2]), Path(name))}))
