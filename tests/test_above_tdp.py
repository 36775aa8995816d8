"""Watts above a GPU's TDP: short excursions and what units differ by are taken as recorded, more is no such GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.checks.above_tdp import MOST_MEAN, MOST_SAMPLE
from sim.errors import InputError
from sim.loading.scenario import load_scenario

TDP_W = 400.0
"""Of the GPUs of dgx-a100."""


def scenario(folder: Path, gpu_w: float, loads: str = "", **workload: Any) -> dict[str, Any]:
    """One job at ``gpu_w`` after one at 300 W, on one node of eight A100s; ``loads`` are rows of job b over time."""
    jobs, beside = folder / "jobs.csv", folder / "loads.csv"
    jobs.write_text(f"job_id,submit_s,run_s,gpus,gpu_w,gpu_type\na,0,100,1,300,A\nb,10,100,1,{gpu_w},A\n")
    beside.write_text(f"job_id,offset_s,gpu_w\n{loads}")
    source: dict[str, Any] = {"kind": "trace", "file": str(jobs)}
    if loads:
        source["loads"] = str(beside)
    return {
        "name": "watts",
        "start": "2025-01-06T00:00:00Z",
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {
            "nodes": [
                {"profile": "dgx-a100", "count": 1, "name": "a"},
                {"profile": "dgx-h100", "count": 1, "name": "h"},
            ],
            "scheduler": {"kind": "fifo"},
        },
        "workloads": {
            "q": {"kind": "jobs", "pool": "a", "source": source, "load": {"kind": "trace"}, "cpu_load": 0.1, **workload}
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }


def test_a_mean_of_little_more_than_the_tdp_is_taken_and_told(tmp_path: Path) -> None:
    assert load_scenario(scenario(tmp_path, TDP_W)).remarks() == []
    [told] = load_scenario(scenario(tmp_path, 410)).remarks()
    assert told == "workloads.q.load: 1 job draws more than the TDP of a GPU, up to 410 W: taken as recorded"


def test_a_mean_beyond_what_units_differ_by_is_refused_by_its_line(tmp_path: Path) -> None:
    load_scenario(scenario(tmp_path, MOST_MEAN * TDP_W))
    with pytest.raises(InputError, match=r"workloads\.q\.load: 1 job draws too much .* 'b' \(line 3\): 421 W of each"):
        load_scenario(scenario(tmp_path, 421))


def test_a_moment_may_be_higher_than_a_mean(tmp_path: Path) -> None:
    """520 W for a second of a hundred are an excursion; more is none, and neither is 520 W for most of the time."""
    rows = "b,0,{0}\nb,1,300\n"
    [told] = load_scenario(scenario(tmp_path, 300, rows.format(MOST_SAMPLE * TDP_W))).remarks()
    assert "up to 520 W: taken as recorded" in told
    with pytest.raises(InputError, match=r"1 job draws too much for a time, .* 530 W of each GPU 0 s after its start"):
        load_scenario(scenario(tmp_path, 300, rows.format(530)))
    data = scenario(tmp_path, 300, "b,0,520\nb,90,300\n")
    Path(data["workloads"]["q"]["source"]["file"]).write_text("job_id,submit_s,run_s,gpus\nb,10,100,1\n")
    with pytest.raises(InputError, match=r"498 W of each GPU in the mean"):
        load_scenario(data)


def test_the_bound_is_that_of_the_gpus_a_job_may_have(tmp_path: Path) -> None:
    both: dict[str, Any] = {"pool": None, "pools": ["a", "h"], "speeds": {"a": 1, "h": 2}}
    load_scenario(scenario(tmp_path, 650, **both))
    load_scenario(scenario(tmp_path, 650, **both, gpu_types={"A": "h"}))
    with pytest.raises(InputError, match="the TDP of 400 W"):
        load_scenario(scenario(tmp_path, 650, **both, gpu_types={"A": "a"}))


def test_a_stated_load_is_a_mean(tmp_path: Path) -> None:
    stated: dict[str, Any] = {"load": {"kind": "measured", "active": "420 W"}}
    load_scenario(scenario(tmp_path, 300, **stated))
    stated["load"]["active"] = "3200 W"
    with pytest.raises(
        InputError, match=r"workloads\.q\.load\.active: is more than 1\.05 times the TDP of 'nvidia-a100"
    ):
        load_scenario(scenario(tmp_path, 300, **stated))
