"""Philly's ``cluster_job_log``: a list of JSON records, each a job with its attempts and the GPUs of each machine.

Source: Jeon et al., "Analysis of Large-Scale Multi-Tenant GPU Clusters for DNN Training Workloads", ATC 2019
(arXiv:1901.05758), and the description beside the trace (philly-traces). Rules:

- times without an offset: on the clock of the zone that the user names
- several attempts: one job: it runs for as long as they did together, from the first's start to the last's end
- no attempt, or none that says its GPUs: what it asked for is unknown: left out, counted
- an attempt without a start, or without an end and not the last: left out of the run time, counted
- the last attempt without an end: unfinished
- attempts on unequal numbers of GPUs: the most of them, counted
- machines with unequal numbers of GPUs: how many nodes is left open, counted
- ip of its machines: where it ran, in the attempt on most GPUs
- Pass, Killed, Failed: completed, cancelled, failed
- vc: the queue
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from sim.plain import as_list, as_mapping, as_text
from sim.workload.jobs.cells import ABSENT, Cells, Ints
from sim.workload.jobs.columns import Columns, held_together
from sim.workload.jobs.formats import JobFormat, Opened, Read
from sim.workload.jobs.hostlists import hosts as listed
from sim.workload.jobs.json_records import records
from sim.workload.jobs.lines import Table
from sim.workload.jobs.report import JobReport
from sim.workload.jobs.states import CODE, state_of
from sim.workload.jobs.table import UNKNOWN
from sim.workload.jobs.times import Clock, Readings
from sim.workload.trace_formats import short

NONE = ("", "None", "null")
AT_ONCE = 50_000
UNASKED = "have no attempt that says its GPUs, so that what they asked for is unknown: left out"
LOST = "have an attempt without a start or an end: left out of the run time"
CHANGED = "had attempts on unequal numbers of GPUs: the most of them"
SPREAD = "have machines with unequal numbers of GPUs: how many nodes is left open"
KEYS = ("status", "vc", "jobid", "attempts", "submitted_time", "user")


def fits(head: str) -> bool:
    """Records of JSON with the keys of a job of Philly."""
    return head.lstrip()[:1] in ("[", "{") and all(
        f'"{key}"' in head for key in ("attempts", "jobid", "submitted_time")
    )


def read(opened: Opened) -> Iterator[Read]:
    """The jobs of Philly's log. Raises ``InputError`` for times without a zone, and for what is no JSON."""
    clock = Clock(opened.file, opened.terms.zone, "America/Los_Angeles")
    held: list[tuple[int, dict[str, Any]]] = []
    for line, record in records(opened):
        job = _job(record)
        if isinstance(job, str):
            opened.report.rows += 1
            opened.report.complain(opened.file, line, job)
            continue
        held.append((line, job))
        if len(held) == AT_ONCE:
            yield _block(held, clock, opened)
            held = []
    if held:
        yield _block(held, clock, opened)


def _job(record: Any) -> dict[str, Any] | str:
    """What is needed of a record, as texts and numbers; or why it is none."""
    job = as_mapping(record)
    if job is None or not {"attempts", "submitted_time"} <= set(job):
        return f"is no record of a job: {short(json.dumps(record)[:100])}"
    attempts = [as_mapping(one) for one in as_list(job["attempts"]) or ()]
    times, counts, machines, hosts = [], [], [], []
    for one in attempts:
        if one is None:
            return f"has an attempt that is none: {short(job['attempts'])}"
        times.append((_text(one.get("start_time")), _text(one.get("end_time"))))
        parts = [as_mapping(part) or {} for part in as_list(one.get("detail")) or ()]
        shares = [len(as_list(part.get("gpus")) or ()) for part in parts]
        hosts.append([_text(part.get("ip")) for part in parts])
        counts.append(sum(shares))
        machines.append(len(shares) if len(set(shares)) == 1 else 0)
    most = max(counts, default=0)
    return {
        "job_id": _text(job.get("jobid")),
        "user": _text(job.get("user")),
        "vc": _text(job.get("vc")),
        "status": _text(job.get("status")),
        "submitted": _text(job["submitted_time"]),
        "attempts": times,
        "gpus": most,
        "nodes": machines[counts.index(most)] if counts else 0,
        "hosts": ",".join(dict.fromkeys(filter(None, hosts[counts.index(most)]))) if counts else "",
        "changed": len(set(counts)) > 1,
    }


def _text(value: Any) -> str:
    return as_text(value) or "" if value is None or isinstance(value, str) else str(value)


def _cells(columns: dict[str, list[str]], line: Ints, file: str, report: JobReport) -> Cells:
    return Cells(Table({name: pa.array(texts, pa.string()) for name, texts in columns.items()}, line, ()), file, report)


def _block(held: list[tuple[int, dict[str, Any]]], clock: Clock, opened: Opened) -> Read:
    lines = np.array([line for line, _ in held], dtype=np.int64)
    jobs = [job for _, job in held]
    names = ("job_id", "user", "vc", "status", "submitted", "hosts")
    cells = _cells({name: [job[name] for job in jobs] for name in names}, lines, opened.file, opened.report)
    gpus = np.array([job["gpus"] for job in jobs], dtype=np.int64)
    cells.leave_out(gpus == 0, UNASKED)
    kept = [job for job in jobs if job["gpus"]]
    return Read(cells, _columns(cells, kept, gpus[gpus > 0], clock, opened), by_clock=True)


def _columns(cells: Cells, jobs: list[dict[str, Any]], gpus: Ints, clock: Clock, opened: Opened) -> Columns:
    submitted = clock.read(cells, "submitted", NONE)
    nothing = np.full(len(cells), ABSENT, dtype=np.int64)
    submit, _, _ = clock.settle(cells, submitted, Readings(nothing, nothing), Readings(nothing, nothing), nothing)
    start, end, run, lost, unfinished = _attempts(cells, jobs, submit, clock, opened)
    state = cells.mapped("status", state_of).astype(np.int64)
    never = start == ABSENT
    state[never] = CODE["never"]
    state[unfinished] = CODE["running"]
    nodes = np.array([job["nodes"] for job in jobs], dtype=np.int64)
    columns = held_together(
        cells,
        submit=submit,
        start=start,
        end=end,
        run=run,
        state=state,
        job_id="job_id",
        numbers={"gpus": gpus, "nodes": np.where(nodes == 0, UNKNOWN, nodes)},
        labels={"user": "user", "queue": "vc", "recorded_nodes": "hosts"},
    )
    cells.mapped("hosts", lambda text: len(listed(text)))
    cells.note(lost, LOST)
    cells.note(np.array([job["changed"] for job in jobs], dtype=bool), CHANGED)
    cells.note(nodes == 0, SPREAD)
    return columns


def _attempts(
    cells: Cells, jobs: list[dict[str, Any]], submit: Ints, clock: Clock, opened: Opened
) -> tuple[Ints, Ints, Ints, np.ndarray[Any, np.dtype[np.bool_]], np.ndarray[Any, np.dtype[np.bool_]]]:
    """Of each job (n,) its start, its end, how long it ran (ns, ABSENT), which lost an attempt and which still ran."""
    of = np.array([i for i, job in enumerate(jobs) for _ in job["attempts"]], dtype=np.int64)
    times = [one for job in jobs for one in job["attempts"]]
    written = {"start_time": [start for start, _ in times], "end_time": [end for _, end in times]}
    # A report of its own: a job is told of once, at its own line, and rows are jobs.
    each = _cells(written, cells.line[of], opened.file, JobReport(opened.report.format))
    begun = Readings(submit[of], submit[of])
    _, began, ended = clock.settle(
        each, begun, clock.read(each, "start_time", NONE), clock.read(each, "end_time", NONE), np.full(len(of), ABSENT)
    )
    wrong = np.zeros(len(cells), dtype=bool)
    wrong[of[each.bad]] = True
    cells.complain(wrong, lambda _: "has an attempt with a time that is none, or never was")
    last = np.zeros(len(of), dtype=bool)
    last[np.flatnonzero(np.diff(of, append=len(jobs)))] = True
    whole = (began != ABSENT) & (ended != ABSENT)
    backwards = np.zeros(len(cells), dtype=bool)
    backwards[of[whole & (ended < began)]] = True
    cells.complain(backwards, lambda _: "has an attempt that ends before it starts")
    going = last & (began != ABSENT) & (ended == ABSENT)
    run = np.zeros(len(cells), dtype=np.int64)
    np.add.at(run, of[whole], (ended - began)[whole])
    start = np.full(len(cells), np.iinfo(np.int64).max)
    used = whole | going
    np.minimum.at(start, of[used], began[used])
    end = np.full(len(cells), ABSENT, dtype=np.int64)
    np.maximum.at(end, of[whole], ended[whole])
    without = start == np.iinfo(np.int64).max
    unfinished, lost = np.zeros(len(cells), dtype=bool), np.zeros(len(cells), dtype=bool)
    unfinished[of[going]] = True
    lost[of[~used]] = True
    end[unfinished] = ABSENT
    run[unfinished | without] = ABSENT
    return np.where(without, ABSENT, start), end, run, lost, unfinished


PHILLY = JobFormat("philly", KEYS, fits, read, uses=("zone",))
