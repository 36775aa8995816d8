"""Distributions of times: whole curves where every one is known, and a few percentiles where only those are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.accounting.ledger import Floats
from sim.report.chart import Chart
from sim.report.charts.look import ACTIVE, AXIS_PX, LEGEND_PX, SOFT, WARN, Spec, base, colours, log_seconds_axis
from sim.report.parts import labels
from sim.results.catalogue import LATENCIES
from sim.results.formats import hours, percent, seconds
from sim.results.results import Results
from sim.units import SECONDS_PER_NS, parse_ns

MOST_POINTS = 300
"""Steps drawn of a curve; its largest value is always one of them."""
TAIL_POINTS = 60
"""Of which are nearer to each other the nearer they are to the largest value."""
TOLD = (0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
SHARES = ("p50", "p90", "p99")
OBJECTIVES = {"ttft_s": "ttft", "tpot_s": "tpot", "e2e_s": "e2e"}
"""Which objective of a scenario's ``slo`` a latency of the summary answers to."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Values in order, the share of all that are no larger, and exact percentiles at ``TOLD``."""

    values: Floats
    shares: Floats
    told: Mapping[float, float]

    @classmethod
    def of(cls, values: Floats) -> Curve:
        """At about ``MOST_POINTS`` of some values (n,), n > 0, evenly and in the tail; the last is the largest."""
        ordered = np.sort(values)
        last = len(ordered) - 1
        even = np.linspace(0, last, MOST_POINTS).astype(np.int64)
        tail = last - np.geomspace(1.0, max(last, 1), TAIL_POINTS).astype(np.int64)
        chosen = np.unique(np.concatenate([even, np.maximum(tail, 0)]))
        told = dict(zip(TOLD, np.quantile(ordered, TOLD).tolist(), strict=True))
        return cls(ordered[chosen], np.searchsorted(ordered, ordered[chosen], side="right") / len(ordered), told)


def curves_chart(
    name: str, title: str, curves: Mapping[str, Curve], what: str, *, limit_s: float | None = None, note: str = ""
) -> Chart:
    """Cumulative shares over times in s, on a logarithmic axis; all values are above 0."""
    short = labels(list(curves))
    legend = {} if len(curves) > 1 else {"legend": None}
    rows = [
        {"x": float(f"{x:.6g}"), "y": round(y, 6), "series": short[one], "time": seconds(x), "share": percent(y)}
        for one, curve in curves.items()
        for x, y in zip(curve.values.tolist(), curve.shares.tolist(), strict=True)
    ]
    x_axis = {
        "field": "x",
        "type": "quantitative",
        "title": f"{what}, s (logarithmic)",
        "scale": {"type": "log", "nice": False},
        "axis": {"grid": False, "tickCount": 6},
    }
    layers: list[Spec] = [
        {
            "data": {"values": rows},
            "mark": {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "aria": False},
            "encoding": {
                "x": x_axis,
                "y": {
                    "field": "y",
                    "type": "quantitative",
                    "title": "share no longer",
                    "axis": {"format": "%"},
                    "scale": {"domain": [0, 1]},
                },
                "color": {"field": "series", "type": "nominal", "scale": colours(list(short.values())), **legend},
            },
        },
        {
            "data": {"values": rows},
            "mark": {"type": "point", "opacity": 0, "size": 60, "aria": False},
            "encoding": {
                "x": x_axis,
                "y": {"field": "y", "type": "quantitative"},
                "tooltip": [{"field": key, "type": "nominal"} for key in ("series", "time", "share")],
            },
        },
    ]
    if limit_s is not None:
        layers.append(
            {
                "data": {"values": [{"x": limit_s}]},
                "mark": {"type": "rule", "color": WARN, "strokeDash": [6, 4], "strokeWidth": 1.5, "aria": False},
                "encoding": {"x": x_axis},
            }
        )
    spec = {**base(210), "layer": layers}
    said = "; ".join(
        f"{one}: half within {hours(curve.told[0.5])}, 90 % within {hours(curve.told[0.9])}, all within "
        f"{hours(float(curve.values[-1]))}"
        for one, curve in curves.items()
    )
    table = tuple(
        (one, percent(share), hours(value)) for one, curve in curves.items() for share, value in curve.told.items()
    )
    return Chart(name, title, f"{said}.", spec, ("of", "share no longer", what), table, note)


def latency(results: Results) -> list[Chart]:
    """Latencies of every service against its objectives: the curves of all requests where the run kept them, and
    percentiles else; none without services."""
    services = results.summary.get("serving") or {}
    charts = []
    curves = kept(results)
    for at, (name, service) in enumerate(services.items()):
        limits = objectives(results.scenario, name)
        spread = percentiles(f"latency-{at}", name, service, limits)
        charts += [spread] if spread is not None else []
        for key, curve in curves.get(name, {}).items():
            words = LATENCIES.get(key, key)
            limit_s = limits.get(key)
            note = f"Dashed: the objective, {seconds(limit_s)}." if limit_s is not None else ""
            charts.append(
                curves_chart(
                    f"{key.replace('_', '-')}-{at}",
                    f"{words} of {name}",
                    {name: curve},
                    words,
                    limit_s=limit_s,
                    note=note,
                )
            )
    return charts


def objectives(scenario: Mapping[str, Any], workload: str) -> dict[str, float]:
    """Limits of a service in s, by the latency of the summary that they are of; empty where it has none."""
    slo = (scenario.get("workloads") or {}).get(workload, {}).get("slo") or {}
    return {key: parse_ns(slo[word]) * SECONDS_PER_NS for key, word in OBJECTIVES.items() if slo.get(word) is not None}


def kept(results: Results) -> dict[str, dict[str, Curve]]:
    """TTFT and whole time of completed requests, by service, of a run that kept its requests."""
    if results.request_table is None:
        return {}
    import pyarrow as pa
    import pyarrow.compute as pc

    found: dict[str, dict[str, list[Floats]]] = {}
    for group in results.request_table.groups():
        done = group
        if "status" in group.column_names:  # a queue of requests has none: all its rows are completed
            status = pc.fill_null(group["status"].cast(pa.string()), "completed")
            done = group.filter(pc.equal(status, "completed"))
        for name in pc.unique(done["workload"]).to_pylist():
            own = done.filter(pc.equal(done["workload"], name))
            for key, end in (("ttft_s", "first_token_ns"), ("e2e_s", "done_ns")):
                if end not in own.column_names:
                    continue
                taken = pc.subtract(own[end], own["arrival_ns"]).drop_null().to_numpy() * SECONDS_PER_NS
                found.setdefault(str(name), {}).setdefault(key, []).append(taken[taken > 0.0])
    return {
        name: {key: Curve.of(np.concatenate(parts)) for key, parts in own.items() if sum(map(len, parts))}
        for name, own in found.items()
    }


def percentiles(name: str, workload: str, service: Mapping[str, Any], limits: Mapping[str, float]) -> Chart | None:
    """p50, p90 and p99 of each latency of a service, with its objective; None where it tells none."""
    told = {
        key: word
        for key, word in LATENCIES.items()
        if key in service
        and all(service[key].get(share, 0.0) > 0.0 for share in SHARES)
        and not (key == "step_gap_s" and service[key] == service.get("itl_s"))
    }
    if not told:
        return None
    dots = [
        {"what": word, "x": service[key][share], "share": share, "says": seconds(service[key][share])}
        for key, word in told.items()
        for share in SHARES
    ]
    spans = [{"what": word, "x": service[key]["p50"], "x2": service[key]["p99"]} for key, word in told.items()]
    goals = [
        {"what": told[key], "x": limit, "says": f"objective {seconds(limit)}"}
        for key, limit in limits.items()
        if key in told
    ]
    x_axis = log_seconds_axis()
    y_axis = {"field": "what", "type": "nominal", "title": None, "sort": None, "axis": {"grid": False}}
    layers: list[Spec] = [
        {
            "data": {"values": spans},
            "mark": {"type": "rule", "color": SOFT, "strokeWidth": 2, "aria": False},
            "encoding": {"x": x_axis, "x2": {"field": "x2"}, "y": y_axis},
        },
        {
            "data": {"values": dots},
            "mark": {"type": "point", "filled": True, "size": 85, "opacity": 1, "color": ACTIVE},
            "encoding": {
                "x": x_axis,
                "y": y_axis,
                "shape": {
                    "field": "share",
                    "type": "nominal",
                    "scale": {"domain": [*SHARES], "range": ["circle", "diamond", "triangle-up"]},
                },
                "tooltip": [
                    {"field": "what", "type": "nominal", "title": "latency"},
                    {"field": "share", "type": "nominal", "title": "percentile"},
                    {"field": "says", "type": "nominal", "title": "time"},
                ],
            },
        },
    ]
    if goals:
        layers.append(
            {
                "data": {"values": goals},
                "mark": {"type": "tick", "color": WARN, "thickness": 3, "size": 22},
                "encoding": {"x": x_axis, "y": y_axis, "tooltip": {"field": "says", "type": "nominal"}},
            }
        )
    spec = {**base(34 * len(told) + AXIS_PX + LEGEND_PX), "layer": layers}
    against = "; ".join(
        f"p99 of {told[key]} {seconds(service[key]['p99'])} against an objective of {seconds(limit)}"
        for key, limit in limits.items()
        if key in told
    )
    alt = f"Latencies of {workload}" + (f": {against}." if against else ": no objective is given.")
    rows = tuple(
        (word, *(seconds(service[key][share]) for share in SHARES), seconds(limits[key]) if key in limits else "")
        for key, word in told.items()
    )
    note = "Red: the objective." if goals else ""
    return Chart(name, f"Latencies of {workload}", alt, spec, ("latency", *SHARES, "objective"), rows, note)
