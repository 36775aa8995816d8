"""Training jobs of a summary as grids of text: their work, their schedules, and what throttled them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.results.formats import Grid, number, seconds
from sim.units import HOUR_NS, NS_PER_S

HOUR_S = HOUR_NS / NS_PER_S


def job_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """Of all jobs, and of those with a schedule."""
    jobs = summary["jobs"]
    scheduled = {name: job for name, job in jobs.items() if "schedule" in job}
    return [_work(jobs), *([_schedules(scheduled)] if scheduled else [])]


def _work(jobs: Mapping[str, Any]) -> Grid:
    rows = [
        [
            name,
            f"{100 * job['progress']:.4g} %",
            number(job["gpu_hours"]),
            number(job["lost_gpu_hours"]),
            _hours(job["wait_s"]) if "wait_s" in job else "never ran",
            f"{100 * job['goodput']:.1f} %" if "goodput" in job else "",
            str(job["interruptions"]),
        ]
        for name, job in jobs.items()
    ]
    return ["job", "done", "GPU-hours", "lost", "waited", "goodput", "failures"], rows


def _schedules(jobs: Mapping[str, Any]) -> Grid:
    """What each was told of its signal, what it saw at work, and what it would have seen had it begun at once."""
    rows = []
    for name, job in jobs.items():
        schedule = job["schedule"]
        late = "" if schedule.get("deadline_met", True) else " (late)"
        rows.append(
            [
                name,
                _mean(schedule, "immediate_mean"),
                _mean(schedule, "forecast_mean"),
                _mean(schedule, "actual_mean"),
                f"{schedule['pauses']}",
                f"{_hours(schedule['finish_delay_s'])}{late}" if "finish_delay_s" in schedule else "",
            ]
        )
    return ["schedule", "at once", "forecast", "seen", "pauses", "delay"], rows


def _mean(schedule: Mapping[str, Any], name: str) -> str:
    return f"{number(schedule[name])} {schedule['unit']}" if name in schedule else ""


def _hours(value_s: float) -> str:
    return f"{number(value_s / HOUR_S)} h" if value_s >= HOUR_S else seconds(value_s)


def throttle_remarks(summary: Mapping[str, Any]) -> list[str]:
    """When racks were throttled, and how far."""
    return [
        f"{one['site']}: throttled {_hours(one['duration_s'])} from {_hours(one['start_s'])} on, to "
        f"{100 * one['least_share']:.0f} % of the GPUs' power; {number(one['most_wanted_w'] / 1000)} kW were wanted, "
        f"{number(one['limit_w'] / 1000)} kW carried."
        for one in summary.get("throttling", ())
    ]
