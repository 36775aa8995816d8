"""Training jobs of a summary as grids of text: their work, their schedules, and what throttled them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.results.catalogue import grid
from sim.results.catalogue.activity import FAULT_ENERGY, FAULTS, JOBS, SCHEDULES
from sim.results.formats import Grid, hours, number


def job_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """Tables of all jobs, of those with a schedule, and of those that recover from faults."""
    jobs = summary["jobs"]
    scheduled = {name: job for name, job in jobs.items() if "schedule" in job}
    recovering = {name: job for name, job in jobs.items() if "time_split_s" in job}
    faults = [grid(view, recovering) for view in (FAULTS, FAULT_ENERGY)] if recovering else []
    return [grid(JOBS, jobs), *([_schedules(scheduled)] if scheduled else []), *faults]


def _schedules(jobs: Mapping[str, Any]) -> Grid:
    """What each was told of its signal, what it saw at work, and what it would have seen had it begun at once."""
    header, rows = grid(SCHEDULES, jobs)
    for row, job in zip(rows, jobs.values(), strict=True):
        late = not job["schedule"].get("deadline_met", True)
        row[-1] += " (late)" if row[-1] and late else ""  # the delay comes last
    return header, rows


def throttle_remarks(summary: Mapping[str, Any]) -> list[str]:
    """When racks were throttled, and how far."""
    return [
        f"{one['site']}: throttled {hours(one['duration_s'])} from {hours(one['start_s'])} on, to "
        f"{100 * one['least_share']:.0f} % of the GPUs' power; {number(one['most_wanted_w'] / 1000)} kW were wanted, "
        f"{number(one['limit_w'] / 1000)} kW carried."
        for one in summary.get("throttling", ())
    ]
