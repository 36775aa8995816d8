"""A plain table of jobs, CSV or Parquet, with columns called as those of ``JobTable`` are, and units in their names.

- ``submit_utc``, ``submit_local``: when it is submitted, as ISO 8601; ``local`` is of the zone that is named
- ``submit_s`` (``_ns``, ``_ms``, ``_min``, ``_h``): when it is submitted since any beginning
- ``run_s`` (or another unit): how long it runs; without it, from its recorded start to its end
- ``gpus``: GPUs in all; less than one is a part of one
- ``gpu_milli``: thousandths of one GPU instead
- ``nodes``, ``min_gpus``, ``max_gpus``: nodes of equal shares; what an elastic job may have
- ``cores`` or ``cpu_milli``: cores in all
- ``memory_mib`` or ``memory_gib``: memory in all
- ``limit_s``, ``slack_s``, ``deadline_…``: its time limit, how much later it may start, when it must have ended
- ``priority``, ``spot``: a whole number; 1 or true where it may be preempted
- ``gpu_w``, ``cpu_load``: mean W of one of its GPUs at work; load on its cores, 0 to 1
- ``user``, ``account``, ``queue``, ``kind``, ``gpu_type``, ``job_id``: texts
- ``recorded_start_…``, ``recorded_end_…``, ``recorded_state``, ``recorded_j``: what happened, and J
- ``recorded_nodes``: on which nodes, as Slurm lists hosts: ``node[001-004,7]``

An empty cell says nothing; a column that is none of these is refused. ``write_jobs`` writes what ``read_jobs`` reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from sim.errors import InputError
from sim.validation import nearest
from sim.workload.jobs.cells import ABSENT, Cells, Floats, Ints
from sim.workload.jobs.column_units import UNITS
from sim.workload.jobs.columns import Columns, constant, held_together
from sim.workload.jobs.formats import JobFormat, Opened, Read, header, under_header
from sim.workload.jobs.hostlists import hosts
from sim.workload.jobs.states import state_of
from sim.workload.jobs.table import NAMED, RECORDED, UNKNOWN, JobTable
from sim.workload.jobs.times import Clock

CLOCKS = ("utc", "local")
INSTANTS = ("submit", "deadline", "recorded_start", "recorded_end")
DURATIONS = ("run", "limit", "slack")
COUNTS = ("nodes", "priority", "min_gpus", "max_gpus")
REALS = ("gpu_w", "cpu_load", "recorded_j")
WHOLE, MIB_PER_GIB = 1000, 1024
KNOWN = frozenset(
    [f"{name}_{unit}" for name in INSTANTS for unit in (*CLOCKS, *UNITS)]
    + [f"{name}_{unit}" for name in DURATIONS for unit in UNITS]
    + [*COUNTS, *REALS, *NAMED, "job_id", "recorded_state", "spot", "gpus", "gpu_milli", "cores", "cpu_milli"]
    + ["memory_mib", "memory_gib"]
)


def fits(head: str) -> bool:
    """A column of submissions, and one of run times or of recorded ends, under a name of ours."""
    names = set(header(head)) & KNOWN
    return any(name.startswith("submit_") for name in names) and any(
        name.startswith(("run_", "recorded_end_")) for name in names
    )


def read(opened: Opened) -> Iterator[Read]:
    """The jobs of a plain table. Raises ``InputError`` for columns that are none, or say the same twice."""
    names = header(opened.head)
    for name in names:
        if name not in KNOWN:
            raise InputError.one(opened.file, f"has a column '{name}' that says nothing{nearest(name, KNOWN)}", line=1)
    for what in (*INSTANTS, *DURATIONS):
        said = [name for name in names if name.rpartition("_")[0] == what]
        if len(said) > 1:
            raise InputError.one(opened.file, f"says '{what}' twice: {' and '.join(said)}", line=1)
    for pair in (("cores", "cpu_milli"), ("memory_mib", "memory_gib")):
        if set(pair) <= set(names):
            raise InputError.one(opened.file, f"says the same twice: {' and '.join(pair)}", line=1)
    submit = next(name for name in names if name.startswith("submit_"))
    by_clock = submit.endswith(CLOCKS)
    for name in names:
        if name.rpartition("_")[0] in INSTANTS and name.endswith(CLOCKS) != by_clock:
            told = f"has '{submit}' and '{name}': one is on a clock and the other is not"
            raise InputError.one(opened.file, told, line=1)
    clocks = {
        "utc": Clock(opened.file, "UTC", ""),
        "local": Clock(opened.file, opened.terms.zone, "Europe/Berlin"),
    }
    yield from under_header(partial(_jobs, clocks=clocks), by_clock=by_clock)(opened)


def _jobs(cells: Cells, _opened: Opened, *, clocks: dict[str, Clock]) -> Columns:
    submit, start, end, deadline = _instants(cells, clocks)
    run, limit, slack = (_duration(cells, name) for name in DURATIONS)
    run = np.where((run == ABSENT) & (start != ABSENT) & (end != ABSENT), end - start, run)
    gpus, milli = _gpus(cells)
    numbers: dict[str, Ints | Floats] = {"gpus": gpus, "gpu_milli": milli, "limit_ns": limit}
    numbers["slack_ns"] = np.where(slack == ABSENT, 0, slack)
    cells.complain((slack != ABSENT) & (slack < 0), lambda _: "has a slack of less than no time")
    cells.complain((limit != ABSENT) & (limit <= 0), lambda _: "has a limit of no time")
    numbers["deadline_ns"] = deadline
    for name in COUNTS:
        if name in cells:
            counted = cells.counts(name)
            numbers[name] = np.where(counted == UNKNOWN, 0, counted) if name == "priority" else counted
    _sizes(cells, numbers)
    for name in REALS:
        if name in cells:
            numbers[name] = cells.numbers(name)
            cells.complain(numbers[name] < 0.0, partial(_below, name))
    if "cpu_load" in cells:
        cells.complain(numbers["cpu_load"] > 1.0, lambda _: "has a cpu_load above 1")
    if "cores" in cells or "cpu_milli" in cells:
        numbers["cpu_milli"] = cells.counts("cores", scale=WHOLE) if "cores" in cells else cells.counts("cpu_milli")
    if "memory_gib" in cells or "memory_mib" in cells:
        gib = "memory_gib" in cells
        numbers["memory_mib"] = cells.counts(
            "memory_gib" if gib else "memory_mib", scale=MIB_PER_GIB if gib else 1, up=True
        )
    if "spot" in cells:
        spot = cells.is_one_of("spot", ("1", "true", "True", "TRUE"))
        other = ~spot & ~cells.is_one_of("spot", ("", "0", "false", "False", "FALSE"))
        cells.complain(other, lambda _: "has a spot that is neither 1 nor 0")
        numbers["spot"] = spot.astype(np.int64)
    if "recorded_nodes" in cells:
        cells.mapped("recorded_nodes", lambda text: len(hosts(text)))
    state = cells.mapped("recorded_state", state_of).astype(np.int64) if "recorded_state" in cells else None
    return held_together(
        cells,
        submit=submit,
        start=start,
        end=end,
        run=run,
        state=state,
        job_id="job_id" if "job_id" in cells else None,
        numbers=numbers,
        labels={name: name for name in NAMED if name in cells},
        nobody=("",),
    )


def _sizes(cells: Cells, numbers: dict[str, Ints | Floats]) -> None:
    """Complains of elastic jobs whose least is more than they ask for, or whose most is less."""
    gpus = numbers["gpus"]
    for name, other, wrong in (("min_gpus", "more", np.greater), ("max_gpus", "less", np.less)):
        if name in numbers:
            bound = numbers[name]
            odd = (bound != UNKNOWN) & (gpus != UNKNOWN) & wrong(bound, gpus)
            cells.complain(odd, partial(_uneven, name, bound, other, gpus))


def _uneven(name: str, bound: Ints | Floats, other: str, gpus: Ints | Floats, row: int) -> str:
    return f"has a {name} of {bound[row]}, {other} than the {gpus[row]} gpus that it asks for"


def _below(name: str, _row: int) -> str:
    return f"has a {name} below 0"


def _instants(cells: Cells, clocks: dict[str, Clock]) -> tuple[Ints, Ints, Ints, Ints]:
    """ns (n,) of submissions, recorded starts and ends, and deadlines."""
    none = constant(cells, ABSENT)
    by_clock, since = {}, {}
    for what in INSTANTS:
        unit = next((unit for unit in (*CLOCKS, *UNITS) if f"{what}_{unit}" in cells), None)
        if unit in CLOCKS:
            by_clock[what] = clocks[unit].read(cells, f"{what}_{unit}", ("",))
        elif unit is not None:
            since[what] = cells.seconds(f"{what}_{unit}", ns=UNITS[unit])
    if not by_clock:
        found = [since.get(what, none) for what in ("submit", "recorded_start", "recorded_end", "deadline")]
        return found[0], found[1], found[2], found[3]
    there = by_clock["submit"]
    nothing = type(there)(none, none)
    start, end = by_clock.get("recorded_start", nothing), by_clock.get("recorded_end", nothing)
    submit, began, ended = clocks["local"].settle(cells, there, start, end, none)
    return submit, began, ended, by_clock.get("deadline", nothing).early


def _duration(cells: Cells, what: str) -> Ints:
    unit = next((unit for unit in UNITS if f"{what}_{unit}" in cells), None)
    return constant(cells, ABSENT) if unit is None else cells.seconds(f"{what}_{unit}", ns=UNITS[unit])


def _gpus(cells: Cells) -> tuple[Ints, Ints]:
    """Whole GPUs and thousandths of one (n,): none where no column says so."""
    milli = cells.counts("gpu_milli") if "gpu_milli" in cells else constant(cells, 0)
    milli = np.maximum(milli, 0)
    cells.complain(milli >= WHOLE, lambda row: f"has a gpu_milli of {milli[row]}; it is at most {WHOLE - 1}")
    if "gpus" not in cells:
        return constant(cells, 0), milli
    asked = cells.counts("gpus", scale=WHOLE)
    part = (asked > 0) & (asked < WHOLE)
    uneven = (asked > WHOLE) & (asked % WHOLE != 0)
    cells.complain(uneven, lambda row: f"asks for {asked[row] / WHOLE:g} GPUs: neither whole ones nor a part of one")
    cells.complain((asked > 0) & (milli > 0), lambda _: "asks for gpus and for gpu_milli")
    whole = np.where(asked == UNKNOWN, np.where(milli > 0, 0, UNKNOWN), np.where(part, 0, asked // WHOLE))
    return whole, np.where(part, asked, milli)


def write_jobs(table: JobTable, path: Path) -> None:
    """A table of jobs as CSV, or as Parquet where ``path`` ends in ``.parquet``; what nobody knows is left empty.

    Loads over time are not written. Raises ``ValueError`` for a name that goes over lines.
    """
    columns: dict[str, Any] = {}
    for name in (
        "submit_ns",
        "run_ns",
        "gpus",
        "gpu_milli",
        "nodes",
        "cpu_milli",
        "memory_mib",
        "limit_ns",
        "priority",
    ):
        columns[name] = getattr(table, name)
    for name in ("spot", "deadline_ns", "slack_ns", "min_gpus", "max_gpus", "recorded_start_ns", "recorded_end_ns"):
        columns[name] = getattr(table, name)
    written = {name: pa.array(values, mask=values == UNKNOWN) for name, values in columns.items()}
    for name in REALS:
        values = getattr(table, name)
        written[name] = pa.array(values, mask=np.isnan(values))
    for name in NAMED:
        names = [*table.names.get(name, ()), None]
        written[name] = pa.array([names[code] for code in getattr(table, name).tolist()], pa.string())
    written["recorded_state"] = pa.array([RECORDED[code] for code in table.recorded_state.tolist()], pa.string())
    if len(table.job_id):
        written["job_id"] = pa.array(list(table.job_id), pa.string())
    whole = pa.table(written)
    if path.suffix == ".parquet":
        pq.write_table(whole, path)
        return
    if any("\n" in one or "\r" in one for names in (*table.names.values(), table.job_id) for one in names):
        raise ValueError("a name of a user, an account, a queue, a kind, a GPU or a job goes over lines")
    pacsv.write_csv(whole, path)


COLDAISLE = JobFormat("coldaisle", ("submit_s", "run_s", "gpus"), fits, read, uses=("zone",))
