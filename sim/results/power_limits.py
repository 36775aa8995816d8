"""Shared limits of power of a summary as grids of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.results.catalogue import grid
from sim.results.catalogue.power_limits import ASKED, DOMAINS
from sim.results.formats import Grid

MOST_ROWS = 12
"""Of domains, those that cost most; the summary has all."""


def power_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """The domains that were above their limit longest, or drew most of it; and whom answers slowed."""
    told = summary["power_limits"]
    worst = sorted(told["domains"].items(), key=lambda one: (-one[1].get("over_s", 0.0), -_used(one[1])))
    kept = {name: told["domains"][name] for name in told["domains"] if name in dict(worst[:MOST_ROWS])}
    asked = [grid(ASKED, told["workloads"])] if told["workloads"] else []
    return [grid(DOMAINS, kept), *asked]


def power_remarks(summary: Mapping[str, Any]) -> list[str]:
    """Jobs that no limit has room for."""
    return list(summary["power_limits"].get("killed_jobs", ()))


def _used(domain: Mapping[str, Any]) -> float:
    limit_w = domain.get("least_limit_w")
    return float(domain["most_w"] / limit_w) if limit_w else 0.0
