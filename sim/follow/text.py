"""A drift for a terminal, and as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Group, RenderableType
from rich.text import Text

from sim.follow.drift import Drift, Series
from sim.follow.twin import instant
from sim.results.formats import number
from sim.results.tables import plain_table
from sim.units import NS_PER_S

MOST_NODES = 20
"""Nodes that are shown, the ones that drift most; all are in the JSON."""
UNKNOWN = "unknown"


def drift_table(found: Drift) -> RenderableType:
    """A row a series: mean power of both, drift of the energy, error of the power, and how much of it is known."""
    table = plain_table("pool/component", "measured", "twin", "energy", "MAPE", "known", "devices")
    for one in found.pools:
        _row(table, one)
    if len(found.pools) > 1:
        table.add_row("all", "", "", _signed(found.energy), "", "", "")
    nodes = [one for one in found.series if one.node]
    shown = sorted(nodes, key=lambda one: -abs(one.drift) if not np.isnan(one.drift) else 1.0)[:MOST_NODES]
    for one in sorted(shown, key=lambda one: one.name):
        _row(table, one)
    start, end = (instant(int(edge)) for edge in (found.edges_ns[0], found.edges_ns[-1]))
    parts: list[RenderableType] = [Text(f"{found.scenario}, {start} to {end}", style="bold"), table]
    parts.append(Text("Energy and MAPE: the twin less the meters, as shares of what the meters say.", style="dim"))
    if len(nodes) > len(shown):
        parts.append(Text(f"{len(shown)} of {len(nodes)} rows of nodes, those that drift most.", style="dim"))
    return Group(*parts, *(Text(remark, style="dim") for remark in found.remarks))


def _row(table: Any, one: Series) -> None:
    mape = f"{100 * one.errors.mape:.1f} %" if one.errors is not None else UNKNOWN
    known = f"{100 * float(one.known.mean()):.1f} %"
    devices = f"{one.metered} of {one.expected}"
    table.add_row(one.name, _watts(one.measured_w), _watts(one.predicted_w), _signed(one.drift), mape, known, devices)


def _watts(watts: npt.NDArray[np.float64]) -> str:
    return UNKNOWN if np.isnan(watts).all() else f"{number(float(np.nanmean(watts)))} W"


def _signed(share: float) -> str:
    return UNKNOWN if np.isnan(share) else f"{100 * share:+.1f} %"


def as_dict(found: Drift, past: Sequence[str]) -> dict[str, Any]:
    """The drift as plain data, for ``--json``; what is not known is null."""
    return {
        "scenario": found.scenario,
        "start": instant(int(found.edges_ns[0])),
        "end": instant(int(found.edges_ns[-1])),
        "edges_s": [int(edge) / NS_PER_S for edge in found.edges_ns],
        "energy": _known(found.energy),
        "past": list(past),
        "series": [
            {
                "pool": one.pool,
                "node": one.node or None,
                "component": one.component,
                "devices": one.metered,
                "devices_of_the_twin": one.expected,
                "known": float(one.known.mean()),
                "energy": _known(one.drift),
                "errors": one.errors.as_dict() if one.errors is not None else None,
                "measured_j": _known(one.measured_j) if not np.isnan(one.measured_w).all() else None,
                "predicted_j": _known(one.predicted_j) if not np.isnan(one.measured_w).all() else None,
                "measured_w": [_known(value) for value in one.measured_w.tolist()],
                "predicted_w": [_known(value) for value in one.predicted_w.tolist()],
            }
            for one in found.series
        ],
        "remarks": list(found.remarks),
    }


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value
