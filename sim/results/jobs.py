"""Training jobs of a summary as grids of text: their work, their schedules, and what throttled them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.results.catalogue import grid
from sim.results.catalogue.campaigns import CAMPAIGNS, FLEETS
from sim.results.catalogue.jobs import ACTIVITIES, FAULT_ENERGY, FAULTS, JOBS, PHASES, RAMPS, SCHEDULES, STEPS
from sim.results.formats import Grid, hours, kilowatt_hours, number

ACTIVITY_WORDS = {name: head or word.removeprefix("of ") for name, word, head, _ in ACTIVITIES if name != "productive"}
PHASE_WORDS = {phase: word for phase, word, _, _ in PHASES}


def job_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """Tables of all jobs, of the steps of those that train a model, of the power within them where it is told, of those
    with a schedule, and of those that recover from faults."""
    jobs = summary["jobs"]
    scheduled = {name: job for name, job in jobs.items() if "schedule" in job}
    stepping = {name: job for name, job in jobs.items() if "step" in job}
    swinging = {name: job for name, job in jobs.items() if "ramps" in job}
    recovering = {name: job for name, job in jobs.items() if "time_split_s" in job}
    return [
        grid(JOBS, jobs),
        *([grid(STEPS, stepping)] if stepping else []),
        *([grid(RAMPS, swinging)] if swinging else []),
        *([_schedules(scheduled)] if scheduled else []),
        *((grid(view, recovering) for view in (FAULTS, FAULT_ENERGY)) if recovering else ()),
    ]


def step_splits(summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """s of a step by its phase in PHASE_WORDS, for each job that trains a model."""
    return {
        name: {PHASE_WORDS[phase]: seconds for phase, seconds in job["step"]["step_split_s"].items()}
        for name, job in summary["jobs"].items()
        if "step" in job
    }


def unproductive(summary: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """kWh of each job that recovers from faults by what they went into, but for work that was kept."""
    return {
        name: {ACTIVITY_WORDS[what]: kwh for what, kwh in job["energy_split_kwh"].items() if what in ACTIVITY_WORDS}
        for name, job in summary["jobs"].items()
        if "energy_split_kwh" in job
    }


def _schedules(jobs: Mapping[str, Any]) -> Grid:
    """What each was told of its signal, what it saw at work, and what it would have seen had it begun at once."""
    header, rows = grid(SCHEDULES, jobs)
    for row, job in zip(rows, jobs.values(), strict=True):
        late = not job["schedule"].get("deadline_met", True)
        row[-1] += " (late)" if row[-1] and late else ""  # the delay comes last
    return header, rows


def campaign_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """A table of all campaigns, and of each what its trials took by what became of them."""
    campaigns = summary["campaigns"]
    split = ["trials by outcome", "GPU-hours", "energy"]
    rows = [
        [f"{name}: {outcome}", number(gpu_hours), kilowatt_hours(one["by_outcome_kwh"][outcome])]
        for name, one in campaigns.items()
        for outcome, gpu_hours in one["by_outcome_gpu_hours"].items()
        if gpu_hours
    ]
    return [grid(CAMPAIGNS, campaigns), (split, rows)]


def federated_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """A table of all federated trainings."""
    return [grid(FLEETS, summary["federated"])]


def throttle_remarks(summary: Mapping[str, Any]) -> list[str]:
    """When racks were throttled, and how far."""
    return [
        f"{one['site']}: throttled {hours(one['duration_s'])} from {hours(one['start_s'])} on, to "
        f"{100 * one['least_share']:.0f} % of the GPUs' power; {number(one['most_wanted_w'] / 1000)} kW were wanted, "
        f"{number(one['limit_w'] / 1000)} kW carried."
        for one in summary.get("throttling", ())
    ]
