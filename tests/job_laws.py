"""Generated jobs for tests: a source from what differs, and its table."""

from __future__ import annotations

from typing import Any

from sim.build.jobs.generated import job_law
from sim.build.jobs.source import JobsAsked
from sim.rng import Streams
from sim.spec.generated_jobs import GeneratedJobs
from sim.units import DAY_NS
from sim.workload.jobs.laws import JobLaw
from sim.workload.jobs.table import JobTable

ONE = {"name": "one", "share": 1, "gpus": {"kind": "constant", "gpus": 1}, "run": {"kind": "constant", "time": "1 h"}}
POISSON = {"kind": "poisson", "rate": "40 jobs/h", "until": "10 d"}


def source(**changes: Any) -> GeneratedJobs:
    """Jobs of one GPU and one hour, 40 an hour, without limits, but for what is changed."""
    written = {"kind": "generated", "arrivals": POISSON, "jobs": [ONE], "limits": {"kind": "none"}}
    return GeneratedJobs.model_validate(written | changes)


def law(start_ns: int = 0, seed: int = 1, **changes: Any) -> JobLaw:
    """The law of such jobs."""
    return job_law(source(**changes), JobsAsked("jobs", start_ns, 100 * DAY_NS, Streams(seed)))


def drawn(start_ns: int = 0, seed: int = 1, **changes: Any) -> JobTable:
    """Such jobs."""
    return law(start_ns, seed, **changes).draw()


def of_kind(**changes: Any) -> list[dict[str, Any]]:
    """The only kind of job, with changes."""
    return [ONE | changes]
