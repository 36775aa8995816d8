"""Limits hold on GPUs that are cut or shared, where less comes of an answer than is supposed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sim

CLIMB = [
    {"kind": "cap", "whom": "all", "floor": "40 %"},
    {"kind": "pause", "whom": "all"},
    {"kind": "shed", "whom": "all"},
]
SHARINGS: list[dict[str, Any]] = [
    {"kind": "exclusive"},
    {"kind": "mps", "contention": 0.1, "memory_bound": 0.5},
    {"kind": "time-slicing", "quantum": "2 ms", "switch": "0.1 ms", "replicas": 4},
]


def limited(pool: dict[str, Any], work: dict[str, Any], limit: str, **domain: Any) -> dict[str, Any]:
    row = {"per": "row", "limit": limit, "answer_time": "10 s", "release": {"below": "95 %", "after": "30 s"}}
    return {
        "name": "limited",
        "seed": 1,
        "start": "2025-03-03T08:00:00Z",
        "duration": "10 min",
        "site": {"grid": {"intensity": "350 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-a100", "count": 1, **pool}]},
        "workloads": {"work": work},
        "policies": [{"kind": "power-limits", "domains": {"row": {**row, "answers": CLIMB, **domain}}}],
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }


def jobs(folder: Path, count: int) -> dict[str, Any]:
    rows = ["job_id,submit_s,run_s,gpus", *(f"{i},0,500,0.5" for i in range(count))]
    (folder / "jobs.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    source = {"kind": "trace", "file": str(folder / "jobs.csv")}
    return {"kind": "jobs", "source": source, "load": {"kind": "measured", "active": "200 W"}, "cpu_load": 0.15}


def row_of(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sim.run(data).summary["power_limits"]["domains"]["row"]
    return found


@pytest.mark.parametrize("sharing", SHARINGS, ids=[one["kind"] for one in SHARINGS])
def test_a_limit_on_shared_gpus_is_exceeded_for_its_answer_time_at_most(
    tmp_path: Path, sharing: dict[str, Any]
) -> None:
    free = row_of(limited({"sharing": sharing}, jobs(tmp_path, 8), "20 kW"))
    assert free["over_s"] == 0.0
    found = row_of(limited({"sharing": sharing}, jobs(tmp_path, 8), f"{0.9 * free['most_w']:.0f} W"))
    assert 0.0 < found["longest_over_s"] <= 10.0


def test_a_limit_on_cut_gpus_is_exceeded_for_its_answer_time_at_most() -> None:
    load = {"kind": "measured", "active": "150 W"}
    work = {"kind": "training", "gpus": 1, "work": {"kind": "gpu-hours", "gpu_hours": 5, "load": load}, "cpu_load": 0.1}
    found = row_of(limited({"mig": {"layout": ["3g.40gb", "3g.40gb"]}}, work, "1.6 kW"))
    assert 0.0 < found["longest_over_s"] <= 10.0


def test_what_is_given_back_at_once_is_not_taken_again_in_the_same_instant(tmp_path: Path) -> None:
    """With no calm time asked for, a run still comes to its end."""
    release = {"below": "95 %", "after": "0 s"}
    found = row_of(limited({"sharing": SHARINGS[2]}, jobs(tmp_path, 12), "2.2 kW", release=release))
    assert found["longest_over_s"] <= 10.0
