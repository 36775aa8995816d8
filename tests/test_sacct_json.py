"""``sacct --json`` is read as ``sacct -P`` is: records in the form in which Slurm 26.05.5 wrote them, cut short."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.errors import InputError
from sim.units import NS_PER_S
from sim.workload.jobs.formats import Terms
from sim.workload.jobs.table import RECORDED, UNKNOWN
from sim.workload.jobs.traces import JobTrace, read_jobs

T = 1_796_101_867
UNSET = {"set": False, "infinite": False, "number": 0}


def held(number: int) -> dict[str, Any]:
    return {"set": True, "infinite": False, "number": number}


def tres(**counts: int) -> list[dict[str, Any]]:
    """``gres_gpu=2`` stands for the resource ``gres/gpu``."""
    parts = [(name.partition("_"), count) for name, count in counts.items()]
    return [{"type": kind, "name": name, "id": 1, "count": count} for (kind, _, name), count in parts]


def record(job_id: int, state: list[str] | str, start: int, end: int, elapsed: int, **other: Any) -> dict[str, Any]:
    return {
        "account": "acc",
        "allocation_nodes": 1,
        "array": {"job_id": 0, "task_id": UNSET, "task": ""},
        "time": {
            "elapsed": elapsed,
            "eligible": T,
            "end": end,
            "start": start,
            "submission": T,
            "suspended": 0,
            "limit": held(5),
        },
        "het": {"job_id": 0, "job_offset": UNSET},
        "job_id": job_id,
        "name": "a|b",
        "nodes": "n01",
        "partition": "main",
        "qos": "normal",
        "required": {"CPUs": 2, "memory_per_node": held(500)},
        "state": {"current": state, "reason": "None"},
        "steps": [],
        "tres": {"allocated": tres(cpu=2, mem=500, node=1, gres_gpu=2), "requested": tres(cpu=2, mem=500, node=1)},
        "user": "root",
        **other,
    }


def step(called: str, joules: Any) -> dict[str, Any]:
    return {"step": {"id": called, "name": "sleep"}, "statistics": {"energy": {"consumed": joules}}}


def written(tmp_path: Path, *jobs: Any, before: str = "", cut: int | None = None) -> Path:
    path = tmp_path / "sacct.json"
    text = json.dumps({"jobs": list(jobs), "meta": {"slurm": {"release": "26.05.5"}}, "errors": []}, indent=2)
    path.write_text((before + text)[:cut], encoding="utf-8")
    return path


def at(trace: JobTrace, job_id: str) -> int:
    return list(trace.table.job_id).index(job_id)


def test_jobs_are_those_of_the_text(tmp_path: Path) -> None:
    """What ``sacct -P`` told of the same jobs stands beside each."""
    steps = [step("1.batch", held(100)), step("1.extern", held(900)), step("1.0", held(300))]
    trace = read_jobs(
        written(
            tmp_path,
            record(1, ["COMPLETED"], T + 68, T + 75, 7, steps=steps),
            record(
                2, ["CANCELLED"], 4_294_967_294, T + 187, 0, tres={"allocated": [], "requested": tres(cpu=1, node=1)}
            ),
            record(13, ["PENDING", "REQUEUED"], T + 116, T + 120, 4),  # 13|REQUEUED
            record(6, ["COMPLETED"], T + 100, T + 103, 3, het={"job_id": 6, "job_offset": held(0)}),
            record(7, ["COMPLETED"], T + 100, T + 103, 3, het={"job_id": 6, "job_offset": held(1)}),  # 6+1
            record(9, ["COMPLETED"], T + 72, T + 73, 1, array={"job_id": 3, "task_id": held(1), "task": ""}),  # 3_1
            record(14, ["PENDING"], 0, 0, 0, array={"job_id": 14, "task_id": UNSET, "task": "5-9%2"}),
            record(12, ["RUNNING"], T + 116, 0, 7),
        )
    )
    table = trace.table
    assert trace.first_ns == T * NS_PER_S  # seconds since 1970: no zone is asked for
    states = [RECORDED[code] for code in table.recorded_state.tolist()]
    assert list(table.job_id) == ["1", "2", "13", "6+0", "3_1", *["14_[5-9%2]"] * 5, "12"]
    assert states == ["completed", "never", "preempted", "completed", "completed", *["never"] * 5, "running"]
    first = [
        int(getattr(table, name)[0]) for name in ("gpus", "cpu_milli", "memory_mib", "nodes", "run_ns", "limit_ns")
    ]
    assert first == [2, 2000, 500, 1, 7 * NS_PER_S, 300 * NS_PER_S]
    assert table.recorded_j[0] == 400.0  # its steps, without the one around them
    assert np.isnan(table.recorded_j[1])
    assert int(table.run_ns[at(trace, "2")]) == UNKNOWN  # 4294967294 is no second of the year 2106
    assert int(table.gpus[at(trace, "6+0")]) == 4  # both parts


def test_slurm_before_23_wrote_bare_numbers_and_words(tmp_path: Path) -> None:
    old = record(1, "COMPLETED", T, T + 60, 60, steps=[step("1.0", 5)])
    old["time"]["limit"], old["array"], old["het"] = (
        10,
        {"job_id": 0, "task_id": None},
        {"job_id": 0, "job_offset": None},
    )
    trace = read_jobs(written(tmp_path, old))
    assert list(trace.table.job_id) == ["1"]
    assert trace.table.limit_ns.tolist() == [600 * NS_PER_S]
    assert trace.table.recorded_j.tolist() == [5.0]


def test_what_cannot_be_used_is_told_with_its_line(tmp_path: Path) -> None:
    good = record(1, ["COMPLETED"], T, T + 60, 60)
    with pytest.raises(InputError, match=r"sacct.json:\d+: starts 100 s before it was submitted"):
        read_jobs(written(tmp_path, good, record(2, ["COMPLETED"], T - 100, T, 100)))
    with pytest.raises(InputError, match=r"sacct.json:\d+: is no record of a job"):
        read_jobs(written(tmp_path, good, 7))
    with pytest.raises(InputError, match="is the last and was cut off"):
        read_jobs(written(tmp_path, good, good, cut=2500))
    with pytest.raises(InputError, match="holds no jobs"):
        read_jobs(_empty(tmp_path))
    with pytest.raises(InputError, match="'zone' says nothing"):
        read_jobs(written(tmp_path, good), terms=Terms(zone="UTC"))


def _empty(tmp_path: Path) -> Path:
    """A list of no jobs, of a file that is one of sacct by what else stands in it."""
    path = tmp_path / "none.json"
    path.write_text('{"jobs": [], "note": {"time": 0, "submission": 0}}', encoding="utf-8")
    return path


def test_what_is_between_the_columns_of_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "jobs.txt"
    path.write_text("JobID,State,Submit,Start\n1,COMPLETED,2026-12-01T05:11:07,2026-12-01T05:11:07\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"closest is slurm, which has '\|' between its columns, and not ','"):
        read_jobs(path)
    path.write_text("JobID|JobName|Partition|Account|AllocCPUS|State|ExitCode\n1|a|b|c|2|COMPLETED|0:0\n", "utf-8")
    with pytest.raises(InputError, match="closest is slurm, of which it lacks: Submit, Start"):
        read_jobs(path)
