"""One seed gives one result to the byte, whatever is around the run; and what is drawn for one work is its own."""

from __future__ import annotations

import hashlib
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
OTHERWISE = {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "de_DE.UTF-8", "OMP_NUM_THREADS": "3"}


def digest(name: str) -> str:
    """Of a summary, the scenario that was read, and every row of the ledger."""
    results = sim.run(name, set={"workloads.keyboard.rounds": 100} if "fleet" in name else {})
    told = json.dumps(results.summary) + json.dumps(results.scenario) + results.ledger().to_csv()
    return hashlib.sha256(told.encode()).hexdigest()


def test_what_is_around_a_run_changes_not_a_byte(tmp_path: Path) -> None:
    """Hashes of texts, zone, locale, threads, folder, and what runs before it have left in caches."""
    program = "import sys; from tests.test_laws_of_one_seed import digest; print(*map(digest, sys.argv[1:]))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program, *NAMES],
        env={**os.environ, "PYTHONPATH": str(HERE), **OTHERWISE},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    here = [digest(name) for name in NAMES]
    assert len(set(here)) == len(NAMES)
    assert here == elsewhere == [digest(name) for name in NAMES]


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
@pytest.mark.parametrize("name", ["disaggregated", "t5-answers"])
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


@pytest.mark.parametrize("name", [*NAMES, "llama-70b-training"])
def test_another_seed_draws_otherwise_and_moves_nothing_that_is_not_drawn(name: str) -> None:
    one, other = sim.run(name), sim.run(name, set={"seed": 77})
    assert (one.summary != other.summary) == (name in NAMES)
    assert one.scenario == {**other.scenario, "seed": one.scenario["seed"]}
    assert one.summary["kpi"].keys() == other.summary["kpi"].keys()
