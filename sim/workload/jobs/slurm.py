"""What ``sacct --parsable2`` (``-P``) and ``--parsable`` (``-p``, a ``|`` more at each line's end) print.

Source: the manual page of sacct (SchedMD). Times are of the cluster's clock, without a zone: the user names it. Rules:

- step rows ``89.batch``, ``89.0``: left out, counted; their ConsumedEnergyRaw is the job's where that has none
- het job ``1853+0``, ``1853+1``: one job that asks for all of it, from the first start to the last end
- array ``12_4``: a job of its own; ``12_[5-9%2]`` are five that never started
- the same id again (``-D``): each time is a job of its own, counted
- ``Unknown``, ``None`` as a time: none
- PENDING, or CANCELLED without a start or any resources: it never started
- the same, and no resources in any column: left out, counted: AllocTRES alone does not say what they asked for
- ``CANCELLED by 1001``: cancelled, whoever did it
- RUNNING and the like: unfinished; Elapsed is as long as it is seen to run
- Eligible after Submit: in the queue from then on (it waited for a job or a date before), counted
- Elapsed: how long it is at work, suspended time left out; else from Start to End
- Timelimit UNLIMITED, Partition_Limit: no time limit
- AllocTRES, else ReqTRES, AllocGRES, ReqGRES: resources; without all of them, NCPUS are what ``processors`` says
- ``gres/gpu:a100=4``: four GPUs of the type a100; several types are one type ``a100+h100``
- ``gres/mps=50``: half a GPU; ``gres/shard`` cannot be used: how many make a GPU is not written
- ReqMem ``4Gn``, ``2Gc``: of each node, of each core, where no mem stands among the resources
- ConsumedEnergyRaw, else ``energy=`` in TRESUsageInTot, else in AllocTRES: J; 0, with a unit (export with
  ``--noconvert``) or beyond all sense: no energy was recorded
- Partition, QOS: the queue, the kind of job
- NodeList ``node[001-004,7]``: where it ran; of a het job the lists of its parts. Other nodes than NNodes: counted
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sim.errors import InputError
from sim.workload.jobs.cells import ABSENT, Bools, Cells, Floats, Ints
from sim.workload.jobs.columns import NOBODY, Columns, held_together
from sim.workload.jobs.formats import JobFormat, Opened, Read, has_columns, under_header
from sim.workload.jobs.hostlists import NOBODY as NO_NODES
from sim.workload.jobs.hostlists import hosts
from sim.workload.jobs.slurm_resources import Asked, asked_for
from sim.workload.jobs.slurm_words import limit_s, tasks_of, time_s
from sim.workload.jobs.states import CODE, state_of
from sim.workload.jobs.table import UNKNOWN
from sim.workload.jobs.times import Clock

NEEDED = ("JobID", "State", "Submit", "Start")
NONE = ("", "Unknown", "None", "NONE", "N/A")
ENERGY_LISTS = ("TRESUsageInTot", "AllocTRES")
"""Where energy stands among other resources, in the order in which it is looked for."""
MOST_J = 1e15
"""More energy than this (a year of 30 MW) is Slurm's word for none."""
STEPS = "are steps of a job: left out"
HET = "are parts of a het job: one job that asks for all of them"
AGAIN = "are of a job that was there before (requeued): each time is a job"
HELD = "were held back until they were eligible: in the queue from then on"
SUSPENDED = "were at work for less than from start to end (suspended): for as long as Elapsed says"
PENDING = "stand for several tasks of an array that never started"
NEVER = "never started"
OTHER_NODES = "have a list of other than as many nodes as they were given: the list stands for where they ran"
LOST = "never started, and what they asked for is not in the trace: left out"
MINUTE_S = 60
LABELS = {"user": "User", "account": "Account", "queue": "Partition", "kind": "QOS", "recorded_nodes": "NodeList"}


def read(opened: Opened) -> Iterator[Read]:
    """The jobs of an export of sacct. Raises ``InputError`` for times without a zone, or cpus of unknown meaning."""
    clock = Clock(opened.file, opened.terms.zone, "America/Los_Angeles, where the cluster stands")
    reader = under_header(
        partial(jobs_of, clock=clock), by_clock=True, separator="|", quoted=False, whole=("JobID", _one_job)
    )
    return reader(opened)


def _one_job(job_id: str) -> str:
    """What rows of one job, its parts and its steps have in common."""
    return job_id.partition(".")[0].partition("+")[0]


def jobs_of(cells: Cells, opened: Opened, *, clock: Clock) -> Columns:
    """The jobs in rows as sacct prints them, its steps and the parts of het jobs among them."""
    steps = cells.matches("JobID", r"\.")
    joules = _joules(cells, steps)[~steps]
    cells.leave_out(steps, STEPS)
    began = clock.read(cells, "Start", NONE)
    submit, end = clock.read(cells, "Submit", NONE), clock.read(cells, "End", NONE) if "End" in cells else None
    ran = _elapsed(cells, opened)
    submitted, start, ended = clock.settle(cells, submit, began, end or began, ran)
    if end is None:
        ended = np.where((start == ABSENT) | (ran == ABSENT), ABSENT, start + ran)
    asked = asked_for(cells, opened)
    state = cells.mapped("State", state_of).astype(np.int64)
    queued = np.isin(state, (CODE["cancelled"], CODE["never"]))
    never = (state == CODE["never"]) | (queued & ((start == ABSENT) | ((ran == 0) & ~asked.given)))
    start, ran = np.where(never, ABSENT, start), np.where(never, ABSENT, ran)
    state[never] = CODE["never"]
    ran = np.where((ran == ABSENT) & (start != ABSENT) & (ended != ABSENT), ended - start, ran)
    if "Eligible" in cells:
        eligible = clock.read(cells, "Eligible", NONE).early
        in_time = ((start == ABSENT) | (eligible <= start)) & ((ended == ABSENT) | (eligible <= ended))
        held = (eligible > submitted) & in_time
        cells.note(held, HELD)
        submitted = np.where(held, eligible, submitted)
    lost = never & (asked.gpus <= 0) & (asked.milli <= 0) & (asked.cpu_milli <= 0) & ~cells.matches("JobID", r"\+")
    jobs = held_together(
        cells,
        submit=submitted,
        start=start,
        end=np.where(never & (ended < submitted), ABSENT, ended),
        run=ran,
        state=state,
        job_id="JobID",
        numbers={
            "gpus": np.where(lost, 1, asked.gpus),  # anything, as they are left out
            "gpu_milli": asked.milli,
            "nodes": asked.nodes,
            "cpu_milli": asked.cpu_milli,
            "memory_mib": asked.memory_mib,
            "limit_ns": _limit(cells),
            "recorded_j": joules,
        },
        nobody=(*NOBODY, *NO_NODES),
        labels={
            "gpu_type": asked.gpu_type,
            **{name: column for name, column in LABELS.items() if column in cells},
        },
    )
    if "NodeList" in cells:
        listed = cells.mapped("NodeList", lambda text: len(hosts(text)))
        cells.note((listed > 0) & (asked.nodes > 0) & (listed != asked.nodes), OTHER_NODES)
    ran_long = (ran != ABSENT) & (start != ABSENT) & (ended != ABSENT) & (ended - start > ran)
    cells.note(ran_long, SUSPENDED)
    cells.note(never & ~lost, NEVER)
    cells.note(lost, LOST)
    return _as_jobs(cells, jobs, asked, lost)


def _elapsed(cells: Cells, opened: Opened) -> Ints:
    if "ElapsedRaw" in cells:
        return cells.seconds("ElapsedRaw", NONE)
    if "Elapsed" in cells:
        return cells.ns_of("Elapsed", cells.mapped("Elapsed", lambda text: np.nan if text in NONE else time_s(text)))
    if "End" not in cells:
        raise InputError.one(opened.file, "has neither End nor Elapsed: how long jobs ran is not in it", line=1)
    return np.full(len(cells), ABSENT, dtype=np.int64)


def _limit(cells: Cells) -> Ints:
    if "TimelimitRaw" in cells:
        minutes = cells.numbers("TimelimitRaw", (*NONE, "UNLIMITED", "Partition_Limit"))
        return cells.ns_of("TimelimitRaw", minutes * MINUTE_S)
    if "Timelimit" in cells:
        return cells.ns_of("Timelimit", cells.mapped("Timelimit", limit_s))
    return np.full(len(cells), ABSENT, dtype=np.int64)


def _counted_j(cells: pa.StringArray, pattern: str) -> Floats:
    """J that a pattern finds in each cell (n,); NaN for none, 0 and what is beyond all sense."""
    found = pc.struct_field(pc.extract_regex(cells, pattern), "j")
    joules = np.array(pc.cast(pc.fill_null(found, "0"), pa.float64()).to_numpy(zero_copy_only=False))
    joules[(joules == 0.0) | (joules > MOST_J)] = np.nan
    return joules


def _joules(cells: Cells, steps: Bools) -> Floats:
    """J (n,) of each job: its own row's, else the sum of its steps' other than the one around them all."""
    joules = np.full(len(cells), np.nan)
    if "ConsumedEnergyRaw" in cells:
        joules = _counted_j(cells.text("ConsumedEnergyRaw"), r"^(?P<j>\d+)$")
    for name in ENERGY_LISTS:
        if name in cells:
            listed = _counted_j(cells.text(name), r"(?:^|,)energy=(?P<j>\d+)(?:,|$)")
            joules = np.where(np.isnan(joules), listed, joules)
    called = cells.text("JobID")
    job = pc.replace_substring_regex(called, r"\..*$", "").dictionary_encode().indices.to_numpy(zero_copy_only=False)
    outer = np.asarray(pc.ends_with(called, ".extern").to_numpy(zero_copy_only=False), dtype=bool)
    summed = np.zeros(len(cells))
    np.add.at(summed, job, np.where(steps & ~outer & ~np.isnan(joules), joules, 0.0))
    of_steps = summed[job]
    return np.where(np.isnan(joules) & (of_steps > 0.0), of_steps, joules)


def _as_jobs(cells: Cells, jobs: Columns, asked: Asked, lost: Bools) -> Columns:
    """Rows as jobs but the ``lost``: parts of a het job put together, tasks of an array that never started apart."""
    import pandas as pd  # a quarter of a second, which no other trace need wait for

    tasks = np.ones(len(cells), dtype=np.int64)
    pending = cells.matches("JobID", r"_\[")
    if pending.any():
        tasks[pending] = np.nan_to_num(cells.mapped("JobID", tasks_of), nan=1.0)[pending].astype(np.int64)
        cells.note(pending & (tasks > 1), PENDING)
    het = cells.matches("JobID", r"\+")
    kept = ~lost
    if het.any():
        cells.note(het, HET)
        kept &= ~_put_together(cells, jobs, het, asked)
    called = pd.Series(cells.text("JobID").dictionary_encode().indices.to_numpy(zero_copy_only=False))
    cells.note(kept & called.duplicated().to_numpy(), AGAIN)
    if kept.all() and not pending.any():
        return jobs
    return jobs.take(np.repeat(np.flatnonzero(kept), tasks[kept]))


def _put_together(cells: Cells, jobs: Columns, het: Bools, asked: Asked) -> Bools:
    """Adds what each part of a het job asks for to its first part's row; the rows (n,) of its other parts."""
    import pandas as pd

    rows = np.flatnonzero(het)
    called = pd.Series(cells.text("JobID").filter(pa.array(het)).to_pylist(), dtype=object)
    nth = called.groupby(called).cumcount()
    others = np.zeros(len(cells), dtype=bool)
    places = jobs.labels["recorded_nodes"].to_pylist() if "recorded_nodes" in jobs.labels else None
    for _, part in pd.Series(rows).groupby([called.str.partition("+")[0], nth], sort=False):
        first, parts = int(part.iloc[0]), part.to_numpy()
        others[parts[1:]] = True
        if cells.bad[parts].any():
            cells.complain(
                np.isin(np.arange(len(cells)), parts),
                lambda _: "is a part of a het job of which another cannot be used",
            )
            continue
        for name in ("gpus", "cpu_milli", "memory_mib"):
            values = jobs.numbers[name]
            known = values[parts] != UNKNOWN
            values[first] = values[parts][known].sum() if known.any() else UNKNOWN
        nodes, each = jobs.numbers["nodes"], asked.gpus[parts]
        shares = {(int(gpus) / max(1, int(count))) for gpus, count in zip(each, nodes[parts], strict=True)}
        nodes[first] = nodes[parts].sum() if len(shares) == 1 and (nodes[parts] > 0).all() else UNKNOWN
        jobs.submit[first] = jobs.submit[parts].min()
        began = jobs.start[parts]
        jobs.start[first] = ABSENT if (began == ABSENT).all() else began[began != ABSENT].min()
        jobs.end[first] = jobs.end[parts].max()
        jobs.run[first] = jobs.run[parts].max()
        if places is not None:
            places[first] = ",".join(dict.fromkeys(one for one in (places[i] for i in parts) if one not in NO_NODES))
        joules = jobs.numbers["recorded_j"]
        joules[first] = np.nan if np.isnan(joules[parts]).any() else joules[parts].sum()
    if places is not None:
        jobs.labels["recorded_nodes"] = pa.array(places, pa.string())
    return others


SLURM = JobFormat(
    "slurm", NEEDED, has_columns(*NEEDED, separator="|"), read, uses=("zone", "processors"), separator="|"
)
