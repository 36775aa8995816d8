"""Alibaba's pods of 2023, its instances of 2025 and its jobs of 2026, tables with a header and times in seconds.

Sources: Weng et al., "Beware of Fragmentation", ATC 2023 (2023); Yang et al., "GPU-Disaggregated Serving for Deep
Learning Recommendation Models at Scale", NSDI 2025 (2025); Duan et al., "GFS", ASPLOS 2026 (2026); and the descriptions
beside the traces in alibaba/clusterdata. Rules:

- 2023: no scheduled_time: never scheduled: it never started, and has no run time
- 2023: phase Running, with a deletion_time: it ran until it was deleted, as services do: completed
- 2023: gpu_milli below 1000 with num_gpu 1: so many thousandths of one GPU
- 2023: gpu_spec ``A: B``; one type of GPU of that name, to be mapped to pools as such; none: any
- 2023: qos: the queue
- 2025: no creation_time: it was there before the trace began: submitted and started when that does
- 2025: no scheduled_time though it was created: it never started
- 2025: no deletion_time: it outlived the trace: unfinished
- 2025: role, app_name: the kind of job, the account
- 2026: gpu_request, cpu_request: of each of worker_num workers
- 2026: a fraction of a GPU: a part of one; in each of several workers, a whole one each, counted
- 2026: job_type Spot: may be preempted
- 2026: no start: none is recorded
"""

from __future__ import annotations

import numpy as np

from sim.workload.jobs.cells import ABSENT, Cells, Ints
from sim.workload.jobs.columns import Columns, constant, held_together
from sim.workload.jobs.formats import JobFormat, Opened, has_columns, under_header
from sim.workload.jobs.states import CODE, state_of
from sim.workload.jobs.table import UNKNOWN

NONE = ("", "nan", "NaN", "None", "null")
WHOLE = 1000
MIB_PER_GIB = 1024
NEVER = "were never scheduled"
BEFORE = "were there before the trace began: submitted and started when it does"
OUTLIVED = "outlived the trace"
ROUNDED = "ask for a fraction of a GPU in each of several workers: a whole one each"


def _pods(cells: Cells, _opened: Opened) -> Columns:
    submit, start, end = (cells.seconds(f"{what}_time", NONE) for what in ("creation", "scheduled", "deletion"))
    gpus, milli = cells.counts("num_gpu", NONE), cells.counts("gpu_milli", NONE)
    cells.complain((milli > WHOLE), lambda row: f"gpu_milli of {milli[row]}; it is at most {WHOLE}")
    cells.complain(
        (gpus > 1) & (milli < WHOLE), lambda row: f"asks for {milli[row]} thousandths of each of {gpus[row]} GPUs"
    )
    part = (gpus == 1) & (milli > 0) & (milli < WHOLE)
    state = cells.mapped("pod_phase", state_of).astype(np.int64)
    never = start == ABSENT
    state[(state == CODE["running"]) & (end != ABSENT)] = CODE["completed"]
    state[never] = CODE["never"]
    jobs = held_together(
        cells,
        submit=submit,
        start=start,
        end=end,
        state=state,
        job_id="name",
        numbers={
            "gpus": np.where(part, 0, gpus),
            "gpu_milli": np.where(part, milli, 0),
            "cpu_milli": cells.counts("cpu_milli", NONE),
            "memory_mib": cells.counts("memory_mib", NONE),
        },
        labels={"gpu_type": "gpu_spec", "queue": "qos"},
    )
    cells.note(never, NEVER)
    return jobs


def _instances(cells: Cells, _opened: Opened) -> Columns:
    created, scheduled, end = (cells.seconds(f"{what}_time", NONE) for what in ("creation", "scheduled", "deletion"))
    before = created == ABSENT
    submit = np.where(before, 0, created)
    start = np.where(before & (scheduled == ABSENT), 0, scheduled)
    never = start == ABSENT
    state = np.where(never, CODE["never"], np.where(end == ABSENT, CODE["running"], CODE["completed"])).astype(np.int64)
    gpus, milli = _shared(cells, "gpu_request")
    jobs = held_together(
        cells,
        submit=submit,
        start=start,
        end=end,
        state=state,
        job_id="instance_sn",
        numbers={
            "gpus": gpus,
            "gpu_milli": milli,
            "cpu_milli": cells.counts("cpu_request", NONE, scale=1000),
            "memory_mib": cells.counts("memory_request", NONE, scale=MIB_PER_GIB, up=True),
        },
        labels={"account": "app_name", "kind": "role"},
    )
    cells.note(before, BEFORE)
    cells.note(never, NEVER)
    cells.note(~never & (end == ABSENT), OUTLIVED)
    return jobs


def _shared(cells: Cells, name: str) -> tuple[Ints, Ints]:
    """Whole GPUs (n,), or thousandths of one where less is asked for; UNKNOWN where the cell says nothing."""
    asked = cells.counts(name, NONE, scale=WHOLE)
    part = (asked > 0) & (asked < WHOLE)
    uneven = (asked > WHOLE) & (asked % WHOLE != 0)
    cells.complain(uneven, lambda row: f"{name} of {asked[row] / WHOLE:g} GPUs: neither whole ones nor a part of one")
    return np.where(asked == UNKNOWN, UNKNOWN, np.where(part, 0, asked // WHOLE)), np.where(part, asked, 0)


def _jobs(cells: Cells, _opened: Opened) -> Columns:
    submit, run = cells.seconds("submit_time", NONE), cells.seconds("duration", NONE)
    workers = cells.counts("worker_num", NONE)
    cells.complain(workers <= 0, lambda _: "does not say how many workers it has")
    each = cells.counts("gpu_request", NONE, scale=WHOLE)
    part = (each % WHOLE != 0) & (each > 0)
    alone = part & (each < WHOLE) & (workers == 1)
    whole = np.where(each == UNKNOWN, UNKNOWN, -(-each // WHOLE) * np.maximum(workers, 1))
    cores = cells.counts("cpu_request", NONE, scale=1000)
    none = constant(cells, ABSENT)
    spot = np.char.lower(np.array(cells.text("job_type").to_pylist(), dtype=str)) == "spot"
    jobs = held_together(
        cells,
        submit=submit,
        start=none,
        end=none,
        run=run,
        job_id="job_name",
        numbers={
            "gpus": np.where(alone, 0, whole),
            "gpu_milli": np.where(alone, each, 0),
            "cpu_milli": np.where(cores == UNKNOWN, UNKNOWN, cores * np.maximum(workers, 1)),
            "spot": spot.astype(np.int64),
        },
        labels={"account": "organization", "gpu_type": "gpu_model", "kind": "job_type"},
    )
    cells.note(part & ~alone, ROUNDED)
    return jobs


POD_COLUMNS: tuple[str, ...] = (
    "name",
    "cpu_milli",
    "memory_mib",
    "num_gpu",
    "gpu_milli",
    "gpu_spec",
    "qos",
    "pod_phase",
)
POD_COLUMNS += ("creation_time", "deletion_time", "scheduled_time")
INSTANCE_COLUMNS: tuple[str, ...] = ("instance_sn", "role", "app_name", "cpu_request", "gpu_request", "memory_request")
INSTANCE_COLUMNS += ("creation_time", "scheduled_time", "deletion_time")
JOB_COLUMNS: tuple[str, ...] = ("job_name", "organization", "gpu_model", "cpu_request", "gpu_request", "worker_num")
JOB_COLUMNS += ("submit_time", "duration", "job_type")

ALIBABA_2023 = JobFormat("alibaba-2023", POD_COLUMNS, has_columns(*POD_COLUMNS), under_header(_pods, by_clock=False))
ALIBABA_2025 = JobFormat(
    "alibaba-2025", INSTANCE_COLUMNS, has_columns(*INSTANCE_COLUMNS), under_header(_instances, by_clock=False)
)
ALIBABA_2026 = JobFormat("alibaba-2026", JOB_COLUMNS, has_columns(*JOB_COLUMNS), under_header(_jobs, by_clock=False))
