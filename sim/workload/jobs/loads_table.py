"""What jobs draw over time, in a second table beside a trace: ``job_id``, ``offset_s``, ``gpu_w``, ``cpu_load``.

A row says how hard a job works from ``offset_s`` (or ``_ns``, ``_ms``, ``_min``, ``_h``) after its start on, until its
next row or its end: W of each of its GPUs, and the load of the cores that are its; either column may lack, and an empty
cell is not known. The first row of a job is at 0, and its offsets rise. A job without a row draws the same throughout.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.errors import InputError
from sim.validation import nearest
from sim.workload.jobs.cells import ABSENT, Cells, Floats, Ints
from sim.workload.jobs.column_units import UNITS
from sim.workload.jobs.formats import header
from sim.workload.jobs.lines import as_table, blocks
from sim.workload.jobs.opening import HEAD, text_of
from sim.workload.jobs.report import JobReport
from sim.workload.jobs.table import UNKNOWN, JobTable, Loads
from sim.workload.trace_formats import short

AT_ONCE = 1 << 18
"""Rows that are worked on at once, so that what that takes does not grow with the table."""
BLOCK = 1 << 21
"""Characters that are read at once, and no line is longer."""

KNOWN = ("job_id", "gpu_w", "cpu_load", *(f"offset_{unit}" for unit in UNITS))


def with_loads(table: JobTable, path: Path) -> JobTable:
    """The jobs with what they draw over time; ``gpu_w`` and ``cpu_load`` are the means where nothing else said them.

    Raises ``InputError`` for rows that cannot be used, or are of no job of the trace.
    """
    file = str(path)
    ids = pa.array(list(table.job_id), pa.string())
    twice = pc.value_counts(ids).filter(pc.greater(pc.value_counts(ids).field("counts"), 1))
    rows = _gathered(path, ids)
    job, offset = rows.job, rows.offset_ns
    for one in twice.field("values").to_pylist():
        if np.any(job == pc.index_in(pa.scalar(one), value_set=ids).as_py()):
            raise InputError.one(
                file, f"has loads of the job {short(repr(one))}, which comes more than once in the trace"
            )
    first_of_job, rising = np.ones(len(job), dtype=bool), np.zeros(len(job), dtype=bool)
    np.not_equal(job[1:], job[:-1], out=first_of_job[1:])
    np.greater(offset[1:], offset[:-1], out=rising[1:])
    for wrong, told in (
        (first_of_job & (offset != 0), "is the first of its job, and not at 0"),
        (~first_of_job & ~rising, "is not after the row of its job before"),
    ):
        if wrong.any():
            raise InputError.one(file, told, line=rows.line(int(np.argmax(wrong))))
    first = np.searchsorted(job, np.arange(len(table) + 1, dtype=job.dtype)).astype(np.int64)
    loads = Loads(first, offset, rows.gpu_w, rows.cpu_load)
    return replace(
        table,
        loads=loads,
        gpu_w=np.where(np.isnan(table.gpu_w), _means(loads, loads.gpu_w, table.run_ns), table.gpu_w),
        cpu_load=np.where(np.isnan(table.cpu_load), _means(loads, loads.cpu_load, table.run_ns), table.cpu_load),
    )


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a table by job, those of one job in the order of the file: columns (n,).

    ``lines`` are those of the rows as they were read, ``order`` which of these each is (None: they are as read).
    """

    job: npt.NDArray[np.int32]
    offset_ns: Ints
    gpu_w: Floats
    cpu_load: Floats
    lines: Sequence[range | Ints]
    order: Ints | None

    def line(self, row: int) -> int:
        """Where a row stands in the file."""
        read = row if self.order is None else int(self.order[row])
        for lines in self.lines:
            if read < len(lines):
                return int(lines[read])
            read -= len(lines)
        raise IndexError(row)


def _gathered(path: Path, ids: pa.Array) -> _Rows:
    """All rows. Millions of them are held: no column twice, none that the table lacks, and of lines that follow each
    other the first and the last."""
    lines: list[range | Ints] = []
    parts: list[list[npt.NDArray[Any]]] = []
    for cells, unit in _read(path):
        job, offset_ns, gpu_w, cpu_load, line = _of_jobs(cells, unit, ids)
        follow = len(line) and int(line[-1]) - int(line[0]) == len(line) - 1
        lines.append(range(int(line[0]), int(line[-1]) + 1) if follow else line)
        parts.append([job, offset_ns, gpu_w, cpu_load])
    pa.default_memory_pool().release_unused()  # what the text took
    columns = [_joined([part.pop(0) for part in parts]) for _ in range(4)]
    order = None
    if np.any(columns[0][1:] < columns[0][:-1]):
        order = np.argsort(columns[0], kind="stable")
        columns = [column[order] if any(column.strides) else column for column in columns]
    job, offset_ns, gpu_w, cpu_load = columns
    return _Rows(job, offset_ns, gpu_w, cpu_load, lines, order)


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Parts of a column; of one that the table lacks, no more memory than one row takes."""
    if any(any(part.strides) for part in parts):
        return np.concatenate(parts)
    return np.broadcast_to(np.float64(np.nan), sum(len(part) for part in parts))


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
        for lines in blocks(text, file, first=2, carried=head.partition("\n")[2], size=BLOCK):
            yield Cells(as_table(lines, names, ",", file, quoted=True), file, report), units[0]
        report.raise_if_any(file)
        if not report.rows:
            raise InputError.one(file, "holds no loads")


def _of_jobs(cells: Cells, unit: str, ids: pa.Array) -> tuple[npt.NDArray[np.int32], Ints, Floats, Floats, Ints]:
    """Of each row that can be used, (n,): the job's row, the offset in ns, W and load, and the line."""
    called = cells.text("job_id")
    found = pc.fill_null(pc.index_in(called, value_set=ids), UNKNOWN).to_numpy(zero_copy_only=False).astype(np.int32)
    cells.complain(found == UNKNOWN, lambda row: f"is of no job of the trace: {short(repr(called[row].as_py()))}")
    offset = cells.seconds(f"offset_{unit}", ns=UNITS[unit])
    cells.complain((offset == ABSENT) | (offset < 0), lambda _: "says no time after the start of its job")
    unknown = np.broadcast_to(np.float64(np.nan), len(cells))
    gpu_w = cells.numbers("gpu_w") if "gpu_w" in cells else unknown
    cpu_load = cells.numbers("cpu_load") if "cpu_load" in cells else unknown
    cells.complain(gpu_w < 0.0, lambda _: "has a gpu_w below 0")
    cells.complain((cpu_load < 0.0) | (cpu_load > 1.0), lambda _: "has a cpu_load that is not from 0 to 1")
    cells.finish()
    if not cells.bad.any():
        return found, offset, gpu_w, cpu_load, cells.line
    good = ~cells.bad
    gpu_w, cpu_load = (column[good] if any(column.strides) else column[: good.sum()] for column in (gpu_w, cpu_load))
    return found[good], offset[good], gpu_w, cpu_load, cells.line[good]


def _means(loads: Loads, values: Floats, run_ns: Ints) -> Floats:
    """Mean over the run time of each job (n,); NaN where it has no rows, or one that is not known."""
    if not any(values.strides) or np.all(np.isnan(values)):
        return np.full(len(run_ns), np.nan)
    summed, lasted = np.zeros(len(run_ns)), np.zeros(len(run_ns))
    for begin in range(0, len(values), AT_ONCE):
        row = np.arange(begin, min(begin + AT_ONCE, len(values)))
        job = np.searchsorted(loads.first, row, side="right") - 1
        offset = loads.offset_ns[row]
        last = row + 1 == loads.first[job + 1]
        until = np.where(last, np.maximum(run_ns[job], offset), loads.offset_ns[np.minimum(row + 1, len(values) - 1)])
        lasting = np.minimum(until, np.maximum(run_ns[job], 0)) - offset.astype(np.float64)
        lasting = np.maximum(lasting, 0.0)
        np.add.at(summed, job, np.where(lasting > 0.0, values[row], 0.0) * lasting)
        np.add.at(lasted, job, lasting)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(summed / lasted, dtype=np.float64)
