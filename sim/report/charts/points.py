"""Pictures of a study: the trade-off and its front, what each parameter does, two of them together, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.report.chart import Chart
from sim.report.charts.look import ACTIVE, AXIS_PX, IDLE, LEGEND_PX, LOSS, SOFT, Spec, base, colours
from sim.report.parts import label, labels
from sim.report.points import Parameter, Points, Result
from sim.results.formats import number

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

MOST_LINES = 400
"""Drawn of parallel coordinates; those of the front first."""
MOST_LEVELS = 12
"""Drawn of a parameter; one with more is drawn in as many groups as ``GROUPS``."""
GROUPS = 8
ON, OFF = "on the front", "beaten by another"


def pareto(points: Points, x: Result, y: Result, front: Flags) -> Chart:
    """Every point by two results, those on the ``front`` (points,) marked and joined."""
    known = np.flatnonzero(np.isfinite(x.values) & np.isfinite(y.values))
    rows = [
        {
            "id": int(points.numbers[at]),
            "x": float(x.values[at]),
            "y": float(y.values[at]),
            "front": ON if front[at] else OFF,
            "says": f"point {points.numbers[at]}: {label(points.told(at))}",
        }
        for at in known.tolist()
    ]
    picked = {"test": "datum.id === picked", "value": LOSS}
    x_axis, y_axis = (
        {
            "field": field,
            "type": "quantitative",
            "scale": {"zero": False, "nice": True},
            "axis": {"title": {"expr": f"{field}name"}, "tickCount": 6},
        }
        for field in ("x", "y")
    )
    spec: Spec = base(380, points="pareto")
    spec["params"] = [
        {"name": "picked", "value": -1},
        {"name": "xname", "value": x.label},
        {"name": "yname", "value": y.label},
    ]
    spec["data"] = {"name": "points", "values": rows}
    spec["layer"] = [
        {
            "transform": [{"filter": f"datum.front === '{ON}'"}],
            "mark": {"type": "line", "color": ACTIVE, "strokeWidth": 1.2, "strokeDash": [4, 3], "aria": False},
            "encoding": {"x": x_axis, "y": y_axis, "order": {"field": "x", "type": "quantitative"}},
        },
        {
            "mark": {"type": "point", "filled": True, "cursor": "pointer", "aria": len(rows) <= MOST_LINES},
            "encoding": {
                "x": x_axis,
                "y": y_axis,
                "color": {
                    "condition": picked,
                    "field": "front",
                    "type": "nominal",
                    "scale": colours([ON, OFF], [ACTIVE, IDLE]),
                },
                "size": {"condition": {"test": "datum.id === picked", "value": 220}, "value": 64},
                "opacity": {
                    "condition": {"test": f"datum.front === '{ON}' || datum.id === picked", "value": 1},
                    "value": 0.55,
                },
                "tooltip": [
                    {"field": "says", "type": "nominal", "title": "of"},
                    {"field": "x", "type": "quantitative", "title": "across"},
                    {"field": "y", "type": "quantitative", "title": "up"},
                ],
            },
        },
    ]
    on = sorted((at for at in known.tolist() if front[at]), key=lambda at: float(x.values[at]))
    way = " and ".join(f"{'more' if one.larger else 'less'} {one.label}" for one in (x, y))
    alt = f"{len(on)} of {len(known):,} points are beaten by no other in {way}" + (
        f"; least {x.label}: {number(float(x.values[on[0]]))} with {points.told(on[0])}." if on else "."
    )
    order = [*on, *(at for at in known.tolist() if not front[at])]
    table = tuple(
        (
            str(points.numbers[at]),
            points.told(at),
            number(float(x.values[at])),
            number(float(y.values[at])),
            ON if front[at] else "",
        )
        for at in order
    )
    return Chart(
        "pareto", "Points and their front", alt, spec, ("point", "parameters", x.label, y.label, "front"), table
    )


def grouped(one: Parameter) -> tuple[list[str], npt.NDArray[np.int64]]:
    """Levels to draw, and which of them each point has: groups of about as many points where there are many."""
    if len(one.levels) <= MOST_LEVELS or one.numbers is None:
        return [*one.levels], one.at
    values = np.asarray(one.numbers)[one.at]
    edges = np.unique(np.quantile(values, np.linspace(0.0, 1.0, GROUPS + 1)))
    at = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    names = [f"{number(float(low))} to {number(float(high))} {one.unit}".strip() for low, high in pairwise(edges)]
    return names, at


def means(one: Parameter, result: Result) -> list[tuple[str, float, int]]:
    """Of each level of a parameter the mean of a result over all else, and over how many points; levels without any
    are left out."""
    names, at = grouped(one)
    known = np.isfinite(result.values)
    counts = np.bincount(at[known], minlength=len(names))
    sums = np.bincount(at[known], weights=result.values[known], minlength=len(names))
    return [
        (name, float(total / count), int(count))
        for name, total, count in zip(names, sums, counts, strict=True)
        if count
    ]


def effects(points: Points, result: Result, place: int) -> Chart | None:
    """A tornado: the means of a result at the levels of each parameter, the widest first; None where nothing varies."""
    found = []
    for one in points.varying:
        told = sorted(means(one, result), key=lambda level: level[1])
        if len(told) > 1:
            found.append((one, told[0], told[-1]))
    if not found:
        return None
    found.sort(key=lambda row: row[1][1] - row[2][1])
    middle = float(np.nanmean(result.values))
    names = labels([one.name for one, _, _ in found])
    bars = [
        {
            "parameter": names[one.name],
            "x": middle,
            "x2": end[1],
            "end": word,
            "says": f"{number(end[1])} at {label(end[0])}",
        }
        for one, low, high in found
        for word, end in (("least", low), ("most", high))
    ]
    x_axis: Spec = {"field": "x", "type": "quantitative", "title": result.label, "scale": {"zero": False}}
    spec: Spec = base(30 * len(found) + AXIS_PX + LEGEND_PX)
    spec["layer"] = [
        {
            "data": {"values": bars},
            "mark": {"type": "bar", "height": 17},
            "encoding": {
                "x": x_axis,
                "x2": {"field": "x2"},
                "y": {"field": "parameter", "type": "nominal", "title": None, "sort": None, "axis": {"grid": False}},
                "color": {"field": "end", "type": "nominal", "scale": colours(["least", "most"], [ACTIVE, LOSS])},
                "tooltip": [
                    {"field": "parameter", "type": "nominal"},
                    {"field": "says", "type": "nominal", "title": "mean"},
                ],
            },
        },
        {
            "data": {"values": [{"x": middle}]},
            "mark": {"type": "rule", "color": SOFT, "aria": False},
            "encoding": {"x": x_axis},
        },
    ]
    first, low, high = found[0]
    alt = (
        f"{result.label} is moved most by {first.name}: from {number(low[1])} at {low[0]} to {number(high[1])} at "
        f"{high[0]}, in means over all else."
    )
    rows = tuple(
        (one.name, level, number(mean), f"{count:,}")
        for one, _, _ in found
        for level, mean, count in means(one, result)
    )
    note = "Means over all points with that level; where a study is no full grid, other parameters may move with one."
    return Chart(
        f"effects-{place}",
        f"What moves {result.label}",
        alt,
        spec,
        ("parameter", "level", "mean", "points"),
        rows,
        note,
    )


def heat(points: Points, result: Result, across: Parameter, up: Parameter, place: int) -> Chart:
    """The mean of a result at each pair of levels of two parameters."""
    (columns, at_x), (rows, at_y) = grouped(across), grouped(up)
    known = np.isfinite(result.values)
    slot = at_y[known] * len(columns) + at_x[known]
    counts = np.bincount(slot, minlength=len(rows) * len(columns))
    sums = np.bincount(slot, weights=result.values[known], minlength=len(counts))
    short_x, short_y = labels(columns), labels(rows)
    cells: list[dict[str, Any]] = [
        {
            "across": short_x[columns[k % len(columns)]],
            "up": short_y[rows[k // len(columns)]],
            "z": float(sums[k] / counts[k]),
            "says": number(float(sums[k] / counts[k])),
            "points": int(counts[k]),
        }
        for k in np.flatnonzero(counts).tolist()
    ]
    crowded = len(columns) > 8
    axes: Spec = {
        "x": {
            "field": "across",
            "type": "ordinal",
            "title": across.name,
            "sort": [*short_x.values()],
            "axis": {"labelAngle": -30 if crowded else 0, "grid": False},
        },
        "y": {
            "field": "up",
            "type": "ordinal",
            "title": up.name,
            "sort": [*short_y.values()][::-1],
            "axis": {"grid": False},
        },
    }
    spec: Spec = base(max(130, 38 * len(rows)) + AXIS_PX, least_width=70 * len(columns) + 120)
    spec["data"] = {"values": cells}
    spec["encoding"] = axes
    spec["layer"] = [
        {
            "mark": {"type": "rect", "color": ACTIVE},
            "encoding": {
                "opacity": {
                    "field": "z",
                    "type": "quantitative",
                    "scale": {"zero": False, "range": [0.06, 0.62]},
                    "legend": None,
                },
                "tooltip": [
                    {"field": "across", "type": "nominal"},
                    {"field": "up", "type": "nominal"},
                    {"field": "says", "type": "nominal", "title": "mean"},
                    {"field": "points", "type": "quantitative"},
                ],
            },
        },
        {
            "mark": {"type": "text", "aria": False, "fontSize": 12},
            "encoding": {"text": {"field": "says", "type": "nominal"}},
        },
    ]
    ordered = sorted(cells, key=lambda cell: float(cell["z"]))
    least, most = ordered[0], ordered[-1]
    alt = (
        f"{result.label} by {across.name} and {up.name}: least {least['says']} at {least['across']} and {least['up']}, "
        f"most {most['says']} at {most['across']} and {most['up']}."
    )
    table = tuple((str(cell["across"]), str(cell["up"]), str(cell["says"]), f"{cell['points']:,}") for cell in cells)
    note = (
        "The darker, the more. Means over all other parameters." if len(points.varying) > 2 else "The darker, the more."
    )
    return Chart(
        f"heat-{place}",
        f"{result.label} by {across.name} and {up.name}",
        alt,
        spec,
        (across.name, up.name, result.label, "points"),
        table,
        note,
    )


def parallel(points: Points, results: Sequence[Result], front: Flags) -> Chart:
    """A line a point over all parameters and some results, each from its least to its most; those on the front in
    front."""
    order = np.concatenate([np.flatnonzero(front), np.flatnonzero(~front)])
    if len(order) > MOST_LINES:
        rest = order[front.sum() :]
        left = max(0, MOST_LINES - int(front.sum()))
        order = np.concatenate([order[: int(front.sum())], rest[np.linspace(0, len(rest) - 1, left).astype(np.int64)]])
    scales: list[tuple[str, Floats, list[str]]] = []
    for one in points.varying:
        last = len(one.levels) - 1
        shares = np.asarray(one.at / last)
        if one.numbers is not None and np.ptp(one.numbers):
            numbers = np.asarray(one.numbers)
            shares = ((numbers - numbers[0]) / np.ptp(numbers))[one.at]
        scales.append((one.name, shares, [one.levels[k] for k in one.at.tolist()]))
    for result in results:
        low, high = float(np.nanmin(result.values)), float(np.nanmax(result.values))
        scales.append((result.label, (result.values - low) / (high - low), [number(v) for v in result.values.tolist()]))
    names = labels([name for name, _, _ in scales])
    lines: list[dict[str, Any]] = [
        {
            "id": int(points.numbers[at]),
            "dim": names[name],
            "v": round(float(shares[at]), 5),
            "front": ON if front[at] else OFF,
            "says": words[at],
        }
        for at in order[::-1].tolist()
        for name, shares, words in scales
        if np.isfinite(shares[at])
    ]
    ends = [
        {"dim": names[name], "v": v, "says": words[int(np.nanargmax(shares) if v else np.nanargmin(shares))]}
        for name, shares, words in scales
        for v in (0.0, 1.0)
    ]
    x_axis: Spec = {
        "field": "dim",
        "type": "nominal",
        "sort": [*names.values()],
        "title": None,
        "scale": {"type": "point", "padding": 0.4},
        "axis": {"labelAngle": 0, "labelLimit": 110, "grid": True, "domain": False},
    }
    y_axis: Spec = {
        "field": "v",
        "type": "quantitative",
        "title": None,
        "axis": None,
        "scale": {"domain": [-0.08, 1.08]},
    }
    spec: Spec = base(300, points="parallel", least_width=115 * len(scales))
    spec["params"] = [{"name": "picked", "value": -1}]
    spec["layer"] = [
        {
            "data": {"name": "lines", "values": lines},
            "mark": {"type": "line", "cursor": "pointer", "aria": False},
            "encoding": {
                "x": x_axis,
                "y": y_axis,
                "detail": {"field": "id"},
                "color": {
                    "condition": {"test": "datum.id === picked", "value": LOSS},
                    "field": "front",
                    "type": "nominal",
                    "scale": colours([ON, OFF], [ACTIVE, IDLE]),
                    "legend": {"symbolType": "stroke", "symbolStrokeWidth": 3},
                },
                "strokeWidth": {"condition": {"test": "datum.id === picked", "value": 4}, "value": 1.3},
                "opacity": {
                    "condition": {"test": f"datum.id === picked || datum.front === '{ON}'", "value": 0.95},
                    "value": 0.28,
                },
                "tooltip": [{"field": "id", "type": "quantitative", "title": "point"}],
            },
        },
        {
            "data": {"values": ends},
            "mark": {"type": "text", "aria": False, "fontSize": 11, "dy": {"expr": "datum.v ? -9 : 13"}},
            "encoding": {"x": x_axis, "y": y_axis, "text": {"field": "says", "type": "nominal"}},
        },
    ]
    drawn = f"{len(order):,} of {len(front):,} points" if len(order) < len(front) else f"{len(front):,} points"
    alt = f"{drawn}, {int(front.sum())} of them on the front, over {', '.join(name for name, _, _ in scales)}."
    rows = tuple((str(points.numbers[at]), *(words[at] for _, _, words in scales)) for at in order.tolist())
    return Chart(
        "parallel",
        "All parameters and results at once",
        alt,
        spec,
        ("point", *names),
        rows,
        "Each axis from its least to its most.",
    )
