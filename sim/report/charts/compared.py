"""Several runs in one picture: the same scale and the same colour a run in every chart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.accounting.ledger import Floats, Ints
from sim.report.chart import Chart
from sim.report.charts.distributions import SHARES
from sim.report.charts.lines import rounded, stepped, table_rows
from sim.report.charts.look import (
    AXIS_PX,
    INK,
    LEGEND_PX,
    SOFT,
    Spec,
    base,
    colours,
    log_seconds_axis,
    over_time,
    time_axis,
    value_axis,
)
from sim.report.charts.times import Axis, Buckets
from sim.report.parts import labels
from sim.results.catalogue import LATENCIES
from sim.results.formats import number, seconds

MOST_PARTS = 16
"""Drawn of what a whole is made of, those that differ most; the table has all."""
BAR_PX, ROOM = 13, 1.4
BUCKETS = 360
"""Of each of up to six runs over time."""


@dataclass(frozen=True, eq=False)
class Line:
    """Values (bins,) of one run between ``edges_ns``, none NaN."""

    edges_ns: Ints
    values: Floats


def wholes(
    name: str, title: str, values: Mapping[str, float], ends: Mapping[str, tuple[float, float]], unit: str
) -> Chart:
    """One bar a run from zero, with its interval where it has one; ``values`` by the label of the run."""
    short = labels(list(values))
    most = max([0.0, *values.values(), *(high for _, high in ends.values())])
    rows = [
        {
            "run": short[run],
            "x": value,
            "edge": ends.get(run, (0.0, value))[1],
            "says": f"{number(value)} {unit}".strip(),
        }
        for run, value in values.items()
    ]
    spans = [
        {"run": short[run], "x": low, "x2": high, "says": f"{number(low)} to {number(high)} {unit}".strip()}
        for run, (low, high) in ends.items()
    ]
    x_axis: Spec = {"field": "x", "type": "quantitative", "title": unit or None, "axis": {"tickCount": 4}}
    x_axis["scale"] = {"zero": True, **({"domainMax": ROOM * most} if most > 0.0 else {})}
    y_axis = {
        "field": "run",
        "type": "nominal",
        "title": None,
        "sort": None,
        "axis": {"grid": False, "labelLimit": 120},
    }
    layers: list[Spec] = [
        {
            "data": {"values": rows},
            "mark": {"type": "bar", "height": 17},
            "encoding": {
                "x": x_axis,
                "y": y_axis,
                "color": {
                    "field": "run",
                    "type": "nominal",
                    "scale": colours(list(short.values())),
                    "legend": None,
                },
                "tooltip": [
                    {"field": "run", "type": "nominal"},
                    {"field": "says", "type": "nominal", "title": "amount"},
                ],
            },
        },
        {
            "data": {"values": rows},
            "mark": {"type": "text", "align": "left", "dx": 6, "aria": False, "fontSize": 11},
            "encoding": {
                "x": {"field": "edge", "type": "quantitative"},
                "y": y_axis,
                "text": {"field": "says", "type": "nominal"},
            },
        },
    ]
    if spans:
        layers.append(
            {
                "data": {"values": spans},
                "mark": {"type": "rule", "color": INK, "strokeWidth": 1.6},
                "encoding": {
                    "x": {"field": "x", "type": "quantitative"},
                    "x2": {"field": "x2"},
                    "y": y_axis,
                    "tooltip": {"field": "says", "type": "nominal", "title": "90 % interval"},
                },
            }
        )
    spec = {**base(30 * len(values) + AXIS_PX), "layer": layers}
    alt = "; ".join(f"{row['run']}: {row['says']}" for row in rows)
    table = tuple(
        (run, number(value), *(number(end) for end in ends[run])) if run in ends else (run, number(value), "", "")
        for run, value in values.items()
    )
    return Chart(name, title, f"{alt}.", spec, ("run", unit or title, "p05", "p95"), table)


def parts(name: str, title: str, values: Mapping[str, Mapping[str, float]], unit: str, note: str = "") -> Chart | None:
    """What wholes are made of: for each part a bar a run; the parts that differ most first. ``values`` by the label of
    the run; None without any."""
    named = list(dict.fromkeys(part for one in values.values() for part, value in one.items() if value))
    if not named:
        return None

    def apart(part: str) -> tuple[float, float]:
        found = [one.get(part, 0.0) for one in values.values()]
        return max(found) - min(found), max(map(abs, found))

    order = sorted(named, key=apart, reverse=True)
    short, runs = labels(order), labels(list(values))
    rows = [
        {
            "part": short[part],
            "run": runs[run],
            "x": one[part],
            "says": f"{number(one[part])} {unit}",
        }
        for part in order[:MOST_PARTS]
        for run, one in values.items()
        if part in one
    ]
    spec: Spec = base((BAR_PX * len(values) + 9) * min(len(order), MOST_PARTS) + AXIS_PX + LEGEND_PX)
    spec["data"] = {"values": rows}
    spec["mark"] = {"type": "bar"}
    spec["encoding"] = {
        "y": {"field": "part", "type": "nominal", "title": None, "sort": None, "axis": {"grid": False}},
        "yOffset": {"field": "run", "type": "nominal", "sort": None},
        "x": {"field": "x", "type": "quantitative", "title": unit, "axis": {"tickCount": 6}},
        "color": {"field": "run", "type": "nominal", "scale": colours(list(runs.values()))},
        "tooltip": [{"field": key, "type": "nominal"} for key in ("part", "run", "says")],
    }
    first, most = next(iter(values)), order[0]
    said = ", ".join(f"{run} {number(one.get(most, 0.0))} {unit}" for run, one in values.items())
    left = f" Drawn are the {MOST_PARTS} of {len(order)} that differ most." if len(order) > MOST_PARTS else ""
    table = tuple((part, *(number(one[part]) if part in one else "" for one in values.values())) for part in order)
    alt = f"Most of all they differ in {most}: {said}."
    if not any(apart(part)[0] for part in order):
        alt = f"All are as {first}."
    return Chart(
        name, title, alt, spec, ("part", *(f"{run}, {unit}" for run in values)), table, f"{note}{left}".strip()
    )


def over_each_other(
    name: str, title: str, series: Mapping[str, Line], unit: str, axis: Axis, *, note: str = "", zero: bool = True
) -> Chart:
    """One line a run over the time since its own start, with the least and the most of every bucket as a band."""
    short = labels(list(series))
    lines: list[dict[str, Any]] = []
    rows: list[tuple[str, ...]] = []
    said, grouped = [], False
    for run, one in series.items():
        buckets = Buckets.of(one.edges_ns, BUCKETS)
        grouped = grouped or buckets.grouped
        edges = axis.at(buckets.edges_ns)
        mean, low, high = buckets.mean(one.values), buckets.least(one.values), buckets.most(one.values)
        lines += [
            {"t": t, "y": y, "low": least, "high": most, "run": short[run], "says": f"{number(y)} {unit}".strip()}
            for t, y, least, most in rounded(edges, stepped(mean), stepped(low), stepped(high))
        ]
        rows += [(run, *row) for row in table_rows([edges[:-1], mean, low, high])]
        lengths = np.diff(one.edges_ns)
        whole = float((one.values * lengths).sum() / lengths.sum())
        said.append(
            f"{run}: {number(whole)} {unit}".rstrip()
            + f" in the mean, from {number(float(one.values.min()))} to {number(float(one.values.max()))}"
        )
    coloured = {
        "field": "run",
        "type": "nominal",
        "scale": colours(list(short.values())),
        "legend": {"symbolType": "stroke", "symbolStrokeWidth": 3},
    }
    heading = unit or title
    x_axis, y_axis = time_axis(axis.unit), value_axis("y", heading, zero=zero)
    band: Spec = {
        "mark": {"type": "area", "interpolate": "step-after", "clip": True, "opacity": 0.16, "aria": False},
        "encoding": {
            "x": x_axis,
            "y": value_axis("low", heading, zero=zero, stack=None),
            "y2": {"field": "high"},
            "color": coloured,
        },
    }
    layers: list[Spec] = [
        *([band] if grouped else []),
        {
            "mark": {"type": "line", "interpolate": "step-after", "clip": True, "strokeWidth": 1.7, "aria": False},
            "encoding": {"x": x_axis, "y": y_axis, "color": coloured},
        },
        {
            "mark": {"type": "point", "opacity": 0, "size": 70, "clip": True, "aria": False},
            "encoding": {
                "x": x_axis,
                "y": y_axis,
                "tooltip": [
                    {"field": "run", "type": "nominal"},
                    {"field": "t", "type": "quantitative", "title": axis.unit},
                    {"field": "says", "type": "nominal", "title": "mean"},
                ],
            },
        },
    ]
    spec = {**over_time(0.0, axis.high, 200), "data": {"values": lines}, "layer": layers}
    bands = "Lines are means of groups of bins; bands are from the least to the most of any bin." if grouped else ""
    header = ("run", f"{axis.unit} from the start", "mean", "least", "most")
    return Chart(name, title, f"{'; '.join(said)}.", spec, header, tuple(rows), f"{note} {bands}".strip())


def spreads(name: str, workload: str, services: Mapping[str, Mapping[str, Any]]) -> Chart | None:
    """p50, p90 and p99 of each latency of a service, a line a run; ``services`` by the label of the run. None where it
    tells none."""
    told = {
        key: word
        for key, word in LATENCIES.items()
        if all(key in one and all(one[key].get(share, 0.0) > 0.0 for share in SHARES) for one in services.values())
        and not (key == "step_gap_s" and all(one[key] == one.get("itl_s") for one in services.values()))
    }
    if not told:
        return None
    runs = labels(list(services))
    spans = [
        {"what": word, "run": runs[run], "x": one[key]["p50"], "x2": one[key]["p99"]}
        for key, word in told.items()
        for run, one in services.items()
    ]
    dots = [
        {"what": word, "run": runs[run], "x": one[key][share], "share": share, "says": seconds(one[key][share])}
        for key, word in told.items()
        for run, one in services.items()
        for share in SHARES
    ]
    x_axis = log_seconds_axis()
    place = {
        "y": {"field": "what", "type": "nominal", "title": None, "sort": None, "axis": {"grid": False}},
        "yOffset": {"field": "run", "type": "nominal", "sort": None},
        "color": {"field": "run", "type": "nominal", "scale": colours(list(runs.values()))},
    }
    layers: list[Spec] = [
        {
            "data": {"values": spans},
            "mark": {"type": "rule", "strokeWidth": 2, "aria": False},
            "encoding": {"x": x_axis, "x2": {"field": "x2"}, **place},
        },
        {
            "data": {"values": dots},
            "mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
            "encoding": {
                "x": x_axis,
                **place,
                "shape": {
                    "field": "share",
                    "type": "nominal",
                    "scale": {"domain": [*SHARES], "range": ["circle", "diamond", "triangle-up"]},
                    "legend": {"symbolFillColor": SOFT, "symbolStrokeColor": SOFT},
                },
                "tooltip": [{"field": key, "type": "nominal"} for key in ("what", "run", "share", "says")],
            },
        },
    ]
    spec = {**base((11 * len(services) + 12) * len(told) + AXIS_PX + 2 * LEGEND_PX), "layer": layers}
    rows = tuple(
        (word, run, *(seconds(one[key][share]) for share in SHARES))
        for key, word in told.items()
        for run, one in services.items()
    )
    key = next(iter(told))
    said = ", ".join(f"{run} {seconds(one[key]['p99'])}" for run, one in services.items())
    return Chart(
        name,
        f"Latencies of {workload}",
        f"p99 of {told[key]}: {said}.",
        spec,
        ("latency", "run", *SHARES),
        rows,
    )
