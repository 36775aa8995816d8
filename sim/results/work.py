"""How many functional units a run did, which its summary says as the carbon of one."""

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
