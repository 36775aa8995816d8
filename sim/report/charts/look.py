"""What charts have in common: colours that follow the page's theme, an axis of time that all share, and the schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
"""Only a name: nothing is loaded from it."""
SERIES = tuple(f"var(--c{i})" for i in range(10))
"""Colours of series in order; the page says what they are, in light, dark and on paper."""
IDLE, ACTIVE, LOSS, COOL, WARN = (f"var(--{name})" for name in ("idle", "active", "loss", "cool", "warn"))
INK, SOFT = "var(--ink)", "var(--soft)"
AXIS_PX, LEGEND_PX = 42, 24
"""What a horizontal axis and a legend take of the height of a chart."""
AXIS_W = 62
"""Pixels for the labels of every vertical axis over time, so that charts above each other are aligned."""

Spec = dict[str, Any]


def base(height: int | None = None, **usermeta: Any) -> Spec:
    """The beginning of a specification as wide as its place; ``usermeta`` is told to the page's script."""
    spec: Spec = {"$schema": SCHEMA, "width": "container"}
    if height is not None:
        spec["height"] = height
    if usermeta:
        spec["usermeta"] = {"coldaisle": usermeta}
    return spec


def over_time(low: float, high: float, height: int = 190) -> Spec:
    """The beginning of a chart on the common axis of time, in the unit of the page from ``low`` to ``high``."""
    params = [{"name": "from", "value": low}, {"name": "to", "value": high}]
    return {**base(height, time=True), "params": params}


def time_axis(unit: str) -> Spec:
    """The horizontal channel of a chart over time, zoomed by the page."""
    return {
        "field": "t",
        "type": "quantitative",
        "title": f"{unit} from the start",
        "scale": {"domain": [{"expr": "from"}, {"expr": "to"}], "nice": False, "zero": False},
        "axis": {"tickCount": 8, "grid": False},
    }


def value_axis(field: str, title: str, *, zero: bool = True, **more: Any) -> Spec:
    """The vertical channel of a chart over time."""
    return {
        "field": field,
        "type": "quantitative",
        "title": title,
        "scale": {"zero": zero},
        "axis": {"minExtent": AXIS_W, "maxExtent": AXIS_W, "tickCount": 5},
        **more,
    }


def log_seconds_axis(title: str = "s (logarithmic)") -> Spec:
    """Seconds along, told apart over orders of magnitude."""
    return {
        "field": "x",
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "nice": True},
        "axis": {"tickCount": 6},
    }


def colours(names: Sequence[str], chosen: Sequence[str] | None = None) -> Spec:
    """The scale of colour of named series, in order; the names are data."""
    picked = list(chosen) if chosen is not None else [SERIES[i % len(SERIES)] for i in range(len(names))]
    return {"domain": list(names), "range": picked}
