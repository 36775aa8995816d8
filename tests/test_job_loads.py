"""What a workload of jobs says of its GPUs is held against them, wherever it says it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim.errors import InputError
from sim.loading.scenario import load_scenario

FAINT = {"kind": "measured", "active": "10 W"}
BACKWARDS = {"kind": "measured", "active": "100 W", "loaded": "200 W"}
TOO_FAST = {"kind": "throughput", "compute": "42000 TFLOP/s", "precision": "bf16", "memory_traffic": "0.8 TB/s"}
UNKNOWN = {"kind": "throughput", "compute": "42 TFLOP/s", "precision": "fp4", "memory_traffic": "0.8 TB/s"}
RIGHT = {"kind": "measured", "active": "500 W"}


def scenario(path: Path, load: dict[str, Any], **cluster: Any) -> dict[str, Any]:
    jobs = path / "jobs.csv"
    jobs.write_text("submit_s,run_s,gpus,kind\n0,60,1,train\n")
    return {
        "name": "loads",
        "seed": 1,
        "start": "2025-01-06T00:00:00Z",
        "duration": "1 h",
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1, **cluster}], "scheduler": {"kind": "fifo"}},
        "workloads": {
            "j": {"kind": "jobs", "source": {"kind": "trace", "file": str(jobs)}, "load": load, "cpu_load": 0.1}
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }


@pytest.mark.parametrize(
    ("load", "told"),
    [
        (FAINT, "less than half of what"),
        (BACKWARDS, "work cannot lower power"),
        (TOO_FAST, "is above the peak of"),
        (UNKNOWN, "has no power and peak for fp4"),
    ],
)
def test_what_a_gpu_cannot_do_is_refused(tmp_path: Path, load: dict[str, Any], told: str) -> None:
    by_kind = {"kind": "by-kind", "kinds": {"train": load}, "other": RIGHT}
    other = {"kind": "by-kind", "kinds": {"train": RIGHT}, "other": load}
    for written, where in ((load, "load"), (by_kind, "load.kinds.train"), (other, "load.other")):
        with pytest.raises(InputError) as refused:
            load_scenario(scenario(tmp_path, written))
        [problem] = refused.value.problems
        assert told in problem.message
        assert problem.path.startswith(f"workloads.j.{where}")


def test_an_instance_of_a_gpu_may_draw_as_little_as_its_part(tmp_path: Path) -> None:
    """14 W are a fifth of what the whole board draws idle, but not too little for one of seven instances."""
    little = {"kind": "measured", "active": "14 W"}
    load_scenario(scenario(tmp_path, little, mig={"layout": ["1g.10gb"] * 7}))
    with pytest.raises(InputError, match="less than half"):
        load_scenario(scenario(tmp_path, little))


def test_elastic_jobs_need_to_know_how_much_faster_they_get(tmp_path: Path) -> None:
    data = scenario(tmp_path, RIGHT)
    data["cluster"]["scheduler"] = {"kind": "elastic", "every": "10 min"}
    with pytest.raises(InputError, match=r"give workloads\.j a 'speed_up'"):
        load_scenario(data)
    data["workloads"]["j"]["speed_up"] = {"kind": "amdahl", "parallel": "95 %"}
    load_scenario(data)
