"""Alibaba's PAI of 2020: a table of jobs and one of their tasks, both without a header (theirs are files beside them).

Source: Weng et al., "MLaaS in the Wild", NSDI 2022, and the description beside the trace in alibaba/clusterdata. A row
of the table of tasks is a job here: tasks of a job are launched and end one by one. Rules:

- both tables: a task is submitted when its job was, by that job's user; its start and end are its own
- the tasks alone: submitted when they start; no users
- the jobs alone: what they ask for is not in it: refused
- a task of no job in the table: as of the tasks alone, counted
- plan_gpu, plan_cpu in %: hundredths of a GPU and of a core, of each of inst_num instances; empty: none
- plan_gpu below 100, several instances: each instance is a job of its own, on a part of a GPU, counted
- plan_gpu above 100 that is no whole GPUs: rounded up, counted
- plan_mem: GB of each instance
- no start_time: never started
- no end_time: unfinished
- task_name (ps, worker, ...): the kind of job
- times: s since an instant that is not told, on which the hour of the day is right in UTC+8
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.errors import InputError
from sim.units import BYTES_PER_GB, PERCENT
from sim.workload.jobs.cells import ABSENT, Cells, Ints
from sim.workload.jobs.columns import Columns, held_together
from sim.workload.jobs.formats import JobFormat, Opened, Read, header, rows_of
from sim.workload.jobs.lines import as_table, blocks
from sim.workload.jobs.opening import HEAD, text_of
from sim.workload.jobs.states import CODE, state_of
from sim.workload.jobs.table import UNKNOWN

JOBS: tuple[str, ...] = ("job_name", "inst_id", "user", "status", "start_time", "end_time")
TASKS: tuple[str, ...] = ("job_name", "task_name", "inst_num", "status", "start_time", "end_time")
TASKS += ("plan_cpu", "plan_mem", "plan_gpu", "gpu_type")
_STATUS = "(Running|Waiting|Terminated|Failed|Interrupted)"
_JOB = re.compile(rf"^[^,]+,[^,]*,[^,]*,{_STATUS},[^,]*,[^,]*\s*$")
_TASK = re.compile(rf"^[^,]+,[^,]*,[^,]*,{_STATUS}(,[^,]*){{6}}\s*$")
NONE = ("", "nan", "NaN", "None")
BYTES_PER_MIB, WHOLE, MOST_INSTANCES = 1 << 20, 1000, 100_000
ALONE = "have no table of jobs beside them: submitted when they start"
ORPHANS = "are of no job in the table of jobs: submitted when they start"
APART = "ask for a part of a GPU in each of several instances: each is a job of its own"
ROUNDED = "ask for a fraction above a whole GPU in each instance: rounded up"
NEVER = "never started"


def _first(head: str) -> str:
    return next((line for line in head.split("\n") if line.strip()), "").rstrip("\r")


def of_jobs(head: str) -> bool:
    """The table of jobs, with a header or without."""
    return bool(_JOB.match(_first(head))) or header(head) == list(JOBS)


def of_tasks(head: str) -> bool:
    """The table of tasks, likewise."""
    return bool(_TASK.match(_first(head))) or header(head) == list(TASKS)


@dataclass(frozen=True, eq=False)
class Submitted:
    """The table of jobs: names, users and submissions (n,)."""

    names: pa.Array
    users: pa.Array
    submit: Ints


def read(opened: Opened) -> Iterator[Read]:
    """The tasks of the trace. Raises ``InputError`` for a table of jobs without one of tasks, and two of a kind."""
    if of_tasks(opened.head):
        if opened.terms.tasks is not None:
            raise InputError.one(
                opened.file, "is a table of tasks itself: name the table of jobs as 'file', or no 'tasks'"
            )
        yield from _tasks(opened, None)
        return
    tasks = opened.terms.tasks
    if tasks is None:
        told = "is a table of jobs, in which what they ask for is not: name the table of tasks in 'tasks'"
        raise InputError.one(opened.file, told, line=1)
    known = _submitted(opened)
    with text_of(tasks) as text:
        head = text.read(HEAD)
        if not of_tasks(head):
            raise InputError.one(str(tasks), f"is no table of tasks: {', '.join(TASKS)}", line=1)
        yield from _tasks(Opened(Path(tasks), head, text, opened.terms, opened.report), known)


def _without_header(head: str, names: tuple[str, ...]) -> tuple[str, int]:
    """What is left of the beginning of a file, and the number of the line that it begins with."""
    return (head.partition("\n")[2], 2) if header(head) == list(names) else (head, 1)


def _submitted(opened: Opened) -> Submitted:
    carried, first = _without_header(opened.head, JOBS)
    names, users, submit = [], [], []
    for lines in blocks(opened.rest, opened.file, first=first, carried=carried):
        cells = Cells(as_table(lines, JOBS, ",", opened.file, quoted=False), opened.file, opened.report)
        when = cells.seconds("start_time", NONE)
        cells.complain(when == ABSENT, lambda _: "has no time of submission")
        kept = pa.array(~cells.bad)
        names.append(cells.text("job_name").filter(kept))
        users.append(cells.text("user").filter(kept))
        submit.append(when[~cells.bad])
        cells.finish()
    return Submitted(pa.chunked_array(names), pa.chunked_array(users), np.concatenate(submit))


def _tasks(opened: Opened, known: Submitted | None) -> Iterator[Read]:
    carried, first = _without_header(opened.head, TASKS)
    return rows_of(opened, TASKS, carried, first, partial(_columns, known=known), by_clock=False, quoted=False)


def _columns(cells: Cells, _opened: Opened, *, known: Submitted | None) -> Columns:
    start, end = cells.seconds("start_time", NONE), cells.seconds("end_time", NONE)
    submit, users = start, pa.array([""] * len(cells), pa.string())
    if known is None:
        there = np.ones(len(cells), dtype=bool)
    else:
        found = pc.index_in(cells.text("job_name"), value_set=known.names)
        there = np.asarray(found.is_valid().to_numpy(zero_copy_only=False), dtype=bool)
        at = pc.fill_null(found, 0).to_numpy(zero_copy_only=False)
        submit = np.where(there, known.submit[at], start)
        users = pc.if_else(pa.array(there), known.users.take(pa.array(at)).combine_chunks(), pa.scalar(""))
    state = cells.mapped("status", state_of).astype(np.int64)
    never = start == ABSENT
    state[never] = CODE["never"]
    instances = cells.counts("inst_num", NONE)
    cells.complain((instances <= 0) | (instances > MOST_INSTANCES), lambda row: f"has {instances[row]} instances")
    times = np.where(cells.bad, 1, instances)
    milli = np.maximum(cells.counts("plan_gpu", NONE, scale=WHOLE // PERCENT, up=True), 0)
    part = (milli > 0) & (milli < WHOLE)
    apart = part & (instances > 1)
    each = np.where(apart, 1, times)
    cores = cells.counts("plan_cpu", NONE, scale=WHOLE // PERCENT, up=True)
    gb = cells.numbers("plan_mem", NONE)
    memory = cells.whole("plan_mem", np.ceil(gb * BYTES_PER_GB / BYTES_PER_MIB) * each)
    jobs = held_together(
        cells,
        submit=submit,
        start=start,
        end=end,
        state=state,
        job_id="job_name",
        numbers={
            "gpus": np.where(part, 0, -(-milli // WHOLE) * each),
            "gpu_milli": np.where(part, milli, 0),
            "cpu_milli": np.where(cores == UNKNOWN, UNKNOWN, cores * each),
            "memory_mib": memory,
        },
        labels={"user": users, "kind": "task_name", "gpu_type": "gpu_type"},
    )
    cells.note(~there, ORPHANS)
    cells.note(np.full(len(cells), known is None), ALONE)
    cells.note(never, NEVER)
    cells.note(apart, APART)
    cells.note((milli > WHOLE) & (milli % WHOLE != 0), ROUNDED)
    return jobs.take(np.repeat(np.arange(len(cells)), np.where(apart, times, 1))) if apart.any() else jobs


ALIBABA_2020 = JobFormat("alibaba-2020", TASKS, lambda head: of_jobs(head) or of_tasks(head), read, uses=("tasks",))
