"""Reads job traces in their native formats, told by their headers, into a table of jobs.

A row that cannot be used is counted and named by line with the reason; whether that stops the run is the user's choice.
What is odd about a row and has a rule is counted with the rule. Times are since the first job was submitted. What a
trace leaves open (a job that never started has no run time) stays UNKNOWN here; ``replay`` asks what is meant.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa

from sim.errors import InputError
from sim.kinds import named
from sim.memo import kept_while_unchanged
from sim.reading import open_regular
from sim.workload.jobs.formats import JobFormat, Opened, Terms, header
from sim.workload.jobs.gathering import Gathering
from sim.workload.jobs.loads_table import with_loads
from sim.workload.jobs.opening import HEAD, text_of
from sim.workload.jobs.report import JobReport
from sim.workload.jobs.table import JobTable

FAMILY = "job trace"
SEPARATORS = (",", "|", ";", "\t")
AS_TOLD = Terms()
"""Nothing that the file does not say."""


@dataclass(frozen=True, eq=False)
class JobTrace:
    """All jobs of a file by submission, times since the first; ``first_ns`` is when that was, since 1970, where the
    trace says, and ``last_ns`` the last instant that it tells of, since the first."""

    table: JobTable
    first_ns: int | None
    last_ns: int
    report: JobReport


def job_formats() -> dict[str, JobFormat]:
    """Every format by its name, those that ship first. Raises ``InputError`` for a package that cannot be used."""
    return named(FAMILY)


def is_job_trace(path: Path) -> bool:
    """Whether a file begins as a trace of jobs does, in any format known. Raises ``InputError`` for one that cannot be
    read."""
    with text_of(path) as text:
        head = text.read(HEAD)
    return bool(head.strip()) and any(form.fits(head) for form in job_formats().values())


def read_jobs(path: Path, wanted: str | None = None, *, terms: Terms = AS_TOLD, skip: bool = False) -> JobTrace:
    """The jobs of a trace file, plain or packed.

    Raises ``InputError`` for a file of no known format or without a job, for what a format needs to be told and is not
    (``terms``), and (unless ``skip``) with rows that cannot be used.
    """
    return _read(path, wanted, terms, skip, tuple(_state(one) for one in (terms.tasks, terms.loads) if one is not None))


def _state(path: Path) -> tuple[int, ...]:
    with open_regular(path) as stream:
        told = os.fstat(stream.fileno())
    return told.st_ino, told.st_mtime_ns, told.st_size


@kept_while_unchanged(most=4)
def _read(path: Path, wanted: str | None, terms: Terms, skip: bool, _others: tuple[tuple[int, ...], ...]) -> JobTrace:
    file = str(path)
    gathered, by_clock = Gathering(), False
    with _opened(path, terms) as opened:
        form = _pick(opened, wanted)
        report = opened.report
        report.format = form.name
        for block in form.read(opened):
            block.cells.finish()
            by_clock = block.by_clock
            columns = block.columns
            usable = ~block.cells.bad[columns.row]
            if usable.any():
                gathered.add(columns if usable.all() else columns.take(np.flatnonzero(usable)))
    if not skip:
        report.raise_if_any(file)
    if not gathered.parts:
        report.raise_if_any(file)
        raise InputError.one(file, "holds no jobs")
    table, first, last = gathered.table()
    pa.default_memory_pool().release_unused()  # what the text took
    report.jobs = len(table)
    if terms.loads is not None:
        table = with_loads(table, terms.loads)
    return JobTrace(table, first if by_clock else None, last - first, report)


@contextmanager
def _opened(path: Path, terms: Terms) -> Iterator[Opened]:
    with text_of(path) as text:
        head = text.read(HEAD)
        if not head.strip():
            raise InputError.one(str(path), "is empty; it needs a header or records, and rows")
        yield Opened(path, head, text, terms, JobReport(""))


def _pick(opened: Opened, wanted: str | None) -> JobFormat:
    formats = job_formats()
    fitting = [form for form in formats.values() if wanted in (None, form.name) and form.fits(opened.head)]
    if fitting:
        form = max(fitting, key=lambda form: len(form.columns))
        idle = [
            name for name, said in vars(opened.terms).items() if said is not None and name not in (*form.uses, "loads")
        ]
        if idle:
            raise InputError.one(opened.file, f"is of the format '{form.name}', of which '{idle[0]}' says nothing")
        return form
    known = "; ".join(f"{form.name}: {', '.join(form.columns)}" for form in formats.values())
    asked = f" of the format '{wanted}'" if wanted else " of any known format"
    begins = ", ".join(header(opened.head))
    shown = begins if len(begins) <= 200 else begins[:197] + "..."
    close = "" if wanted else _closest(opened.head, tuple(formats.values()))
    raise InputError.one(opened.file, f"is not{asked}; it begins: {shown}{close}  ({known})", line=1)


def _closest(head: str, formats: Sequence[JobFormat]) -> str:
    """The format that shares most columns with a header, if more than one, and which of its columns are not there."""
    headers = [(separator, header(head, separator)) for separator in SEPARATORS]
    (separator, names), form = max(
        product(headers, formats), key=lambda pair: (len(set(pair[1].columns) & set(pair[0][1])), -len(pair[1].columns))
    )
    lacking = [name for name in form.columns if name not in names]
    if len(form.columns) - len(lacking) < 2:
        return ""
    if lacking:
        return f"; closest is {form.name}, of which it lacks: {', '.join(lacking)}"
    return f"; closest is {form.name}, which has {form.separator!r} between its columns, and not {separator!r}"
