"""How much work a run did: functional units, which its summary says as the carbon of one, and answers of users."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.units import G_PER_KG


def units_done(summary: Mapping[str, Any]) -> float | None:
    """Functional units that were delivered: carbon over the SCI (ISO/IEC 21031:2024: C per R).

    None where the scenario names none, or none was done.

    >>> units_done({"carbon_kg": {"total": 2.0}, "kpi": {"sci_g_per_unit": 0.5}})
    4000.0
    """
    sci_g = summary["kpi"].get("sci_g_per_unit")
    return float(summary["carbon_kg"]["total"]) * G_PER_KG / float(sci_g) if sci_g else None


def answers(summary: Mapping[str, Any]) -> dict[str, float]:
    """Requests of users that were answered, by the route or the workload that they were asked of.

    What a memo knew is answered as well, and what a cascade asked of two models is one answer. So what workloads
    behind a route did is the route's.

    >>> small, large = {"completed": 100}, {"completed": 30}
    >>> asked = {"requests": {"small": 100, "large": 30}, "answered": {"small": 70, "large": 30}, "cache": {"hits": 9}}
    >>> answers({"serving": {"small": small, "large": large}, "routes": {"all": asked}})
    {'all': 109.0}
    """
    served = {**summary.get("serving", {}), **summary.get("split", {})}
    found: dict[str, float] = {}
    for name, route in summary.get("routes", {}).items():
        by_place = {place: _done(served.pop(place)) for place in route["requests"]}
        computed = sum(route["answered"].values()) if "answered" in route else sum(by_place.values())
        found[name] = float(computed + _hits(route))
    return found | {name: _done(one) for name, one in served.items()}


def _done(service: Mapping[str, Any]) -> float:
    return float(service["completed"] + _hits(service))


def _hits(memo: Mapping[str, Any]) -> int:
    return int(memo.get("cache", {}).get("hits", 0))
