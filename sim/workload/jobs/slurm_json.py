"""What ``sacct --json`` prints: the jobs of ``sacct -P``, with instants in s since 1970, so that no zone is asked for.

Source: the output of Slurm 26.05.5 (data_parser v0.0.45) for jobs that ran to an end, failed, were cancelled, requeued
(``-D``) or were still running, arrays and het jobs. A record of a job becomes the row that ``sacct -P`` prints of it,
and each of its steps a row (for their energy): from there on the rules of ``slurm`` are those of both. Besides:

- a number may stand in an object with ``set`` and ``infinite``, or bare, as before 23.02
- ``start`` is 0, or 4294967294 (Slurm's word for none) of a job that was cancelled in the queue: none
- ``state.current`` is a list of a state and its flags, or before 23.11 one word; REQUEUED stands behind PENDING
- ``het.job_id`` and its offset, ``array.job_id`` and its task: the id as text has it, ``6+0`` and ``3_1``
- ``tres.allocated``, else ``tres.requested``: resources, memory in MiB
- tasks of an array that never started are one record, ``array.task`` its list
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from sim.plain import as_list, as_mapping, as_text, as_whole
from sim.workload.jobs.cells import Cells
from sim.workload.jobs.formats import JobFormat, Opened, Read
from sim.workload.jobs.json_records import records
from sim.workload.jobs.lines import Table
from sim.workload.jobs.slurm import NEEDED, jobs_of
from sim.workload.jobs.times import Clock
from sim.workload.trace_formats import short

AT_ONCE = 50_000
NO_INSTANT = 0xFFFF_FFFE
"""Slurm's word for an instant that is not known (``NO_VAL``); what is larger is one, too."""
SHORT = {"mem": "M"}
"""Units of counts of resources, where text has one."""
COLUMNS = (
    *("JobID", "State", "Submit", "Eligible", "Start", "End", "ElapsedRaw", "TimelimitRaw", "NNodes", "NCPUS"),
    *("AllocTRES", "ReqTRES", "NodeList", "User", "Account", "Partition", "QOS", "ConsumedEnergyRaw"),
)
_JOBS = re.compile(r'"jobs"\s*:\s*\[')

Record = Mapping[str, Any]


def fits(head: str) -> bool:
    """An object with a list of ``jobs`` that have the keys of a job of sacct (squeue's have other ones)."""
    keys = ("time", "submission", "job_id")
    within = head.lstrip().startswith("{") and _JOBS.search(head) is not None
    return within and all(f'"{key}"' in head for key in keys[:2])


def read(opened: Opened) -> Iterator[Read]:
    """The jobs of an export of sacct as JSON. Raises ``InputError`` for what is no JSON."""
    begins = _JOBS.search(opened.head)
    held: list[tuple[int, dict[str, str]]] = []
    for line, record in records(opened, begins.end() if begins else None):
        job = as_mapping(record)
        if job is None or as_mapping(job.get("time")) is None:
            opened.report.rows += 1
            opened.report.complain(opened.file, line, f"is no record of a job: {short(repr(record)[:100])}")
            continue
        if len(held) >= AT_ONCE and not _whole(job.get("het"), "job_id"):  # parts of a het job stay together
            yield _block(held, opened)
            held = []
        held.extend((line, row) for row in _rows(job))
    if held:
        yield _block(held, opened)


def _block(held: list[tuple[int, dict[str, str]]], opened: Opened) -> Read:
    columns = {name: pa.array([row.get(name, "") for _, row in held], pa.string()) for name in COLUMNS}
    lines = np.array([line for line, _ in held], dtype=np.int64)
    cells = Cells(Table(columns, lines, ()), opened.file, opened.report)
    return Read(cells, jobs_of(cells, opened, clock=Clock(opened.file, None, "")), by_clock=True)


def _rows(job: Record) -> Iterator[dict[str, str]]:
    """The row of a job, and those of its steps."""
    time, tres = as_mapping(job["time"]) or {}, as_mapping(job.get("tres")) or {}
    job_id, allocated = _id(job), _listed(tres.get("allocated"))
    yield {
        "JobID": job_id,
        "State": _state(job.get("state")),
        "Submit": _instant(time.get("submission")),
        "Eligible": _instant(time.get("eligible")),
        "Start": _instant(time.get("start")),
        "End": _instant(time.get("end")),
        "ElapsedRaw": _number(time.get("elapsed")),
        "TimelimitRaw": _number(time.get("limit")),
        "NNodes": _number(job.get("allocation_nodes")),
        "NCPUS": _number((as_mapping(job.get("required")) or {}).get("CPUs")),
        "AllocTRES": allocated,
        "ReqTRES": _listed(tres.get("requested")),
        "NodeList": as_text(job.get("nodes")) or "",
        "User": as_text(job.get("user")) or "",
        "Account": as_text(job.get("account")) or "",
        "Partition": as_text(job.get("partition")) or "",
        "QOS": as_text(job.get("qos")) or "",
    }
    for one in as_list(job.get("steps")) or ():
        step = as_mapping(one) or {}
        energy = as_mapping((as_mapping(step.get("statistics")) or {}).get("energy")) or {}
        called = as_text((as_mapping(step.get("step")) or {}).get("id")) or "step"
        yield {
            "JobID": f"{job_id}.{called.rpartition('.')[2]}",
            "ConsumedEnergyRaw": _number(energy.get("consumed")),
        }


def _id(job: Record) -> str:
    """As ``sacct -P`` writes it: ``6+0`` of a het job, ``3_1`` or ``3_[1-4%2]`` of an array, else the number."""
    het, array = as_mapping(job.get("het")) or {}, as_mapping(job.get("array")) or {}
    if _whole(het, "job_id"):
        return f"{_number(het['job_id'])}+{_number(het.get('job_offset')) or 0}"
    if _whole(array, "job_id"):
        task, tasks = _number(array.get("task_id")), as_text(array.get("task")) or ""
        if task or tasks:
            return f"{_number(array['job_id'])}_{task or f'[{tasks}]'}"
    return _number(job.get("job_id"))


def _state(value: Any) -> str:
    current = (as_mapping(value) or {}).get("current")
    words = [text for one in as_list(current) or [current] if (text := as_text(one))]
    return "REQUEUED" if "REQUEUED" in words else words[0] if words else ""


def _listed(value: Any) -> str:
    """Resources as ``AllocTRES`` has them: ``cpu=2,gres/gpu:h100=2,mem=500M``."""
    said = []
    for one in as_list(value) or ():
        part = as_mapping(one) or {}
        kind, name = as_text(part.get("type")) or "", as_text(part.get("name")) or ""
        said.append(f"{kind}{'/' if name else ''}{name}={_number(part.get('count'))}{SHORT.get(kind, '')}")
    return ",".join(said)


def _number(value: Any) -> str:
    """A number as text; '' for none, and for one that is not set or endless."""
    held = as_mapping(value)
    if held is not None:
        return "" if held.get("infinite") or held.get("set") is False else _number(held.get("number"))
    return "" if value is None else str(value)


def _whole(value: Any, name: str) -> int:
    return as_whole((as_mapping(value) or {}).get(name)) or 0


def _instant(value: Any) -> str:
    text = _number(value)
    return "" if text == "0" or (text.isdigit() and int(text) >= NO_INSTANT) else text


SLURM_JSON = JobFormat("slurm-json", tuple(f"jobs.{name}" for name in NEEDED), fits, read)
