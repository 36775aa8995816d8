"""A source of jobs as written -> the table of jobs that a run is given, in times from the run's start."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sim.errors import InputError
from sim.kinds import builder
from sim.rng import Streams
from sim.spec import job_source as spec
from sim.workload.jobs.table import JobTable

if TYPE_CHECKING:
    from sim.workload.jobs.replay import Replayed
    from sim.workload.jobs.traces import JobTrace


@dataclass(frozen=True)
class JobsAsked:
    """What a source may ask of its workload: its ``name`` names random streams, ``start_ns`` is since 1970.

    ``duration_ns`` is how long the run lasts, None where it lasts until all work is done.
    """

    name: str
    start_ns: int
    duration_ns: int | None
    streams: Streams


def jobs_of(source: spec.JobSource, asked: JobsAsked) -> JobTable:
    """The jobs of a source, in the order of their submission. Raises ``InputError`` for files that cannot be used."""
    made: JobTable = builder(source)(source, asked)
    return made


def trace_of(source: spec.TraceJobs) -> JobTrace:
    """All that a trace holds, with the report of its rows. Raises ``InputError`` for files that cannot be used."""
    from sim.workload.jobs.formats import Terms  # readers of traces load pyarrow, which no other source needs
    from sim.workload.jobs.traces import read_jobs

    tasks, loads = (None if one is None else Path(one) for one in (source.tasks, source.loads))
    terms = Terms(source.zone, source.processors, source.time_unit, tasks, loads)
    return read_jobs(Path(source.file), source.format, terms=terms, skip=source.on_bad_rows == "skip")


def replay_of(source: spec.TraceJobs, asked: JobsAsked) -> Replayed:
    """The jobs of a trace that a run is given, and how many were left out, why. Raises ``InputError`` as ``trace_of``,
    and for jobs that need a rule that is not written."""
    from sim.workload.jobs.replay import Rules, Span, replayed

    trace = trace_of(source)
    window = source.window or spec.JobWindow()
    zero_ns = 0
    if source.align == "clock":
        if trace.first_ns is None:
            told = (
                "does not say when it was recorded, only from when on: it can begin with the run ('align: start') alone"
            )
            raise InputError.one(source.file, told)
        zero_ns = trace.first_ns + window.start - asked.start_ns
    rules = Rules(source.never_started, source.unfinished, source.zero_runtime)
    span = Span(window.start, window.end, source.jobs, zero_ns, asked.duration_ns, source.rate_scale)
    return replayed(trace, source.file, rules, span)


def trace(source: spec.TraceJobs, asked: JobsAsked) -> JobTable:
    """A trace, replayed."""
    return replay_of(source, asked).table
