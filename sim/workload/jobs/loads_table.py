"""What jobs draw over time, in a second table beside a trace: ``job_id``, ``offset_s``, ``gpu_w``, ``cpu_load``.

A row says how hard a job works from ``offset_s`` (or ``_ns``, ``_ms``, ``_min``, ``_h``) after its start on, until its
next row or its end: W of each of its GPUs, and the load of the cores that are its; either column may lack, and an empty
cell is not known. The first row of a job is at 0, and its offsets rise. A job without a row draws the same throughout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.errors import InputError
from sim.validation import nearest
from sim.workload.jobs.cells import ABSENT, Cells, Floats, Ints
from sim.workload.jobs.formats import header
from sim.workload.jobs.lines import as_table, blocks
from sim.workload.jobs.opening import HEAD, text_of
from sim.workload.jobs.report import JobReport
from sim.workload.jobs.table import UNKNOWN, JobTable, Loads
from sim.workload.jobs.units import UNITS
from sim.workload.trace_formats import short

KNOWN = ("job_id", "gpu_w", "cpu_load", *(f"offset_{unit}" for unit in UNITS))


def with_loads(table: JobTable, path: Path) -> JobTable:
    """The jobs with what they draw over time; ``gpu_w`` and ``cpu_load`` are the means where nothing else said them.

    Raises ``InputError`` for rows that cannot be used, or are of no job of the trace.
    """
    file = str(path)
    ids = pa.array(list(table.job_id), pa.string())
    twice = pc.value_counts(ids).filter(pc.greater(pc.value_counts(ids).field("counts"), 1))
    parts = [list(_of_jobs(cells, unit, ids)) for cells, unit in _read(path)]
    job, offset, gpu_w, cpu_load, line = (np.concatenate([part.pop(0) for part in parts]) for _ in range(5))
    pa.default_memory_pool().release_unused()  # what the text took
    for one in twice.field("values").to_pylist():
        if np.isin(pc.index_in(pa.scalar(one), value_set=ids).as_py(), job):
            raise InputError.one(
                file, f"has loads of the job {short(repr(one))}, which comes more than once in the trace"
            )
    if np.any(np.diff(job) < 0):
        order = np.argsort(job, kind="stable")
        job, offset, gpu_w, cpu_load, line = (column[order] for column in (job, offset, gpu_w, cpu_load, line))
    begins = np.diff(job, prepend=-1) != 0
    late, back = begins & (offset != 0), ~begins & (np.diff(offset, prepend=-1) <= 0)
    for wrong, told in (
        (late, "is the first of its job, and not at 0"),
        (back, "is not after the row of its job before"),
    ):
        if wrong.any():
            raise InputError.one(file, told, line=int(line[np.argmax(wrong)]))
    first = np.searchsorted(job, np.arange(len(table) + 1)).astype(np.int64)
    loads = Loads(first, offset, gpu_w, cpu_load)
    return replace(
        table,
        loads=loads,
        gpu_w=np.where(np.isnan(table.gpu_w), _means(loads, loads.gpu_w, table.run_ns), table.gpu_w),
        cpu_load=np.where(np.isnan(table.cpu_load), _means(loads, loads.cpu_load, table.run_ns), table.cpu_load),
    )


def _read(path: Path) -> Iterator[tuple[Cells, str]]:
    file = str(path)
    with text_of(path) as text:
        head = text.read(HEAD)
        names = header(head)
        for name in names:
            if name not in KNOWN:
                raise InputError.one(file, f"has a column '{name}' that says nothing{nearest(name, KNOWN)}", line=1)
        units = [name.removeprefix("offset_") for name in names if name.startswith("offset_")]
        if "job_id" not in names or len(units) != 1 or not {"gpu_w", "cpu_load"} & set(names):
            raise InputError.one(file, "needs the columns job_id, offset_s, and gpu_w or cpu_load", line=1)
        report = JobReport("loads")
        for lines in blocks(text, file, first=2, carried=head.partition("\n")[2]):
            yield Cells(as_table(lines, names, ",", file, quoted=True), file, report), units[0]
        report.raise_if_any(file)
        if not report.rows:
            raise InputError.one(file, "holds no loads")


def _of_jobs(cells: Cells, unit: str, ids: pa.Array) -> tuple[Ints, Ints, Floats, Floats, Ints]:
    """Of each row that can be used, (n,): the job's row, the offset in ns, W and load, and the line."""
    called = cells.text("job_id")
    found = pc.fill_null(pc.index_in(called, value_set=ids), UNKNOWN).to_numpy(zero_copy_only=False).astype(np.int64)
    cells.complain(found == UNKNOWN, lambda row: f"is of no job of the trace: {short(repr(called[row].as_py()))}")
    offset = cells.seconds(f"offset_{unit}", ns=UNITS[unit])
    cells.complain((offset == ABSENT) | (offset < 0), lambda _: "says no time after the start of its job")
    unknown = np.full(len(cells), np.nan)
    gpu_w = cells.numbers("gpu_w") if "gpu_w" in cells else unknown
    cpu_load = cells.numbers("cpu_load") if "cpu_load" in cells else unknown
    cells.complain(gpu_w < 0.0, lambda _: "has a gpu_w below 0")
    cells.complain((cpu_load < 0.0) | (cpu_load > 1.0), lambda _: "has a cpu_load that is not from 0 to 1")
    cells.finish()
    good = ~cells.bad
    return found[good], offset[good], gpu_w[good], cpu_load[good], cells.line[good]


def _means(loads: Loads, values: Floats, run_ns: Ints) -> Floats:
    """Mean over the run time of each job (n,); NaN where it has no rows, or one that is not known."""
    if np.all(np.isnan(values)):
        return np.full(len(run_ns), np.nan)
    rows = np.diff(loads.first)
    job = np.repeat(np.arange(len(rows)), rows)
    until = np.append(loads.offset_ns[1:], 0)
    last = np.diff(job, append=-1) != 0
    until[last] = np.maximum(run_ns[job[last]], loads.offset_ns[last])
    lasting: npt.NDArray[np.float64] = np.minimum(until, np.maximum(run_ns[job], 0)) - loads.offset_ns.astype(
        np.float64
    )
    lasting = np.maximum(lasting, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        summed = np.bincount(job, weights=np.where(lasting > 0.0, values, 0.0) * lasting, minlength=len(rows))
        return np.asarray(summed / np.bincount(job, weights=lasting, minlength=len(rows)), dtype=np.float64)
