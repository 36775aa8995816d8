"""A source of jobs as written -> the table of jobs that a run is given, in times from the run's start."""

from __future__ import annotations

from dataclasses import dataclass

from sim.kinds import builder
from sim.rng import Streams
from sim.spec import job_source as spec
from sim.workload.jobs.table import JobTable


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
