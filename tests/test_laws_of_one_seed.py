"""One seed gives one result to the byte, whatever is around the run; and what is drawn for one work is its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.results.results import Results

HERE = Path(__file__).parents[1]
NAMES = ("disaggregated", "federated-fleet", "t5-answers")
"""Requests, clients and queues that are drawn."""
PROGRAM = """
import hashlib, json, sys, sim
for name in sys.argv[1:]:
    results = sim.run(name)
    told = json.dumps(results.summary) + json.dumps(results.scenario) + results.ledger().to_csv()
    print(hashlib.sha256(told.encode()).hexdigest())
"""
WORLDS: tuple[dict[str, str], ...] = (
    {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "NUMBA_NUM_THREADS": "1"},
    {"PYTHONHASHSEED": "2", "TZ": "America/St_Johns", "LC_ALL": "C", "OMP_NUM_THREADS": "3", "PYTHONUTF8": "0"},
)


def digests(world: dict[str, str], where: Path) -> list[str]:
    """Of the results of the scenarios, in a process of its own, in another folder."""
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, *NAMES],
        env={**os.environ, "PYTHONPATH": str(HERE), **world},
        cwd=where,
        capture_output=True,
        text=True,
        check=True,
    )
    return ran.stdout.split()


def test_what_is_around_a_run_changes_not_a_byte(tmp_path: Path) -> None:
    """Hashes of texts, zone, locale, threads, folder, and what the first run has left in caches."""
    first, second = (digests(world, tmp_path) for world in WORLDS)
    assert len(set(first)) == len(NAMES)
    assert first == second


def drawn(results: Results, work: str) -> dict[str, Any]:
    """What became of a work, wherever it stands in a summary."""
    return {part: told[work] for part, told in results.summary.items() if isinstance(told, dict) and work in told}


BESIDE = {
    "service": {
        "kind": "inference",
        "pool": "beside",
        "replicas": 1,
        "gpus_per_replica": 1,
        "arrivals": {"kind": "poisson", "rate": "1 /s"},
        "service_time": {"law": "exponential", "first": "0.3 s"},
        "load": {"kind": "measured", "active": "300 W"},
        "cpu_load": 0.05,
    },
    "rows": {
        "kind": "jobs",
        "pool": "beside",
        "source": {
            "kind": "generated",
            "arrivals": {"kind": "poisson", "rate": "10 jobs/h"},
            "jobs": [
                {
                    "name": "short",
                    "share": 1,
                    "gpus": {"kind": "constant", "gpus": 1},
                    "run": {"kind": "exponential", "mean": "10 min"},
                }
            ],
            "limits": {"kind": "none"},
        },
        "load": {"kind": "measured", "active": "300 W"},
        "cpu_load": 0.1,
    },
}
"""Work that draws, on a pool of its own whose nodes fail."""


@pytest.mark.parametrize("beside", sorted(BESIDE))
@pytest.mark.parametrize("name", ["disaggregated", "t5-answers", "mig-node"])
def test_work_beside_draws_nothing_of_others(name: str, beside: str) -> None:
    short = {"duration": "1 h"}
    alone = sim.run(name, set=short)
    scenario = json.loads(json.dumps(alone.scenario))
    more = {"profile": "dgx-a100", "count": 2, "name": "beside", "failures": {"mtbf": "2 h", "repair": "10 min"}}
    pools = [{"name": pool.get("name", pool["profile"]), **pool} for pool in scenario["cluster"]["nodes"]]
    for work in scenario["workloads"].values():
        if len(pools) == 1:  # else it names its own
            placed = work["replicas"] if isinstance(work.get("replicas"), dict) else work
            placed.setdefault("pool", pools[0]["name"])
    scenario["cluster"]["nodes"] = [more, *pools]
    scenario["workloads"] = {beside: BESIDE[beside], **scenario["workloads"]}
    both = sim.run(scenario)
    for work in alone.scenario["workloads"]:
        assert drawn(both, work) == drawn(alone, work) != {}


@pytest.mark.parametrize("name", [*NAMES, "spot-training", "llama-70b-training"])
def test_another_seed_draws_otherwise_and_moves_nothing_that_is_not_drawn(name: str) -> None:
    one, other = sim.run(name), sim.run(name, set={"seed": 77})
    assert (one.summary != other.summary) == (name in NAMES)
    assert one.scenario == {**other.scenario, "seed": one.scenario["seed"]}
    assert one.summary["kpi"].keys() == other.summary["kpi"].keys()
