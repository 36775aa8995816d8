"""Power over time: what the meters read, by who drew it and in which state."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sim.accounting.conventions import UNALLOCATED
from sim.accounting.ledger import OUTSIDE, Floats, Ledger
from sim.report.chart import Chart
from sim.report.charts.lines import hover, rounded, stepped, table_rows
from sim.report.charts.look import IDLE, INK, SERIES, Spec, colours, over_time, time_axis, value_axis
from sim.report.charts.times import Axis, Buckets
from sim.report.parts import labels
from sim.results.formats import number
from sim.results.results import Results
from sim.units import SECONDS_PER_NS

MOST_SERIES = 8
"""Drawn by themselves; the smaller ones are drawn together."""
KILO, MEGA = 1e3, 1e6


def power(results: Results) -> Chart | None:
    """Metered IT power by workload and state, stacked, in means of buckets, with the true least and most of the total
    in each; None for a run without energy. Networks and users' devices are not on these meters."""
    ledger = results.energy.where(lambda key: key.component not in OUTSIDE)
    if not ledger.keys or ledger.end_ns <= 0:
        return None
    return power_chart(_series(ledger), ledger, Axis.of(results.energy.end_ns))


def _series(ledger: Ledger) -> dict[str, Floats]:
    """Watts by bin of each workload at work, of what they hold beside it, and of what nobody holds; largest first."""
    seconds = np.diff(ledger.edges_ns) * SECONDS_PER_NS
    watts: dict[str, Floats] = {}
    for (owner, state), joules in ledger.by_owner_and_state.items():
        name = "idle, nobody's" if owner == UNALLOCATED else f"{owner}: {state}"
        watts[name] = watts.get(name, np.zeros(len(seconds))) + joules / seconds
    order = sorted(watts, key=lambda name: -float((watts[name] * seconds).sum()))
    kept = {name: watts[name] for name in order[:MOST_SERIES]}
    if len(order) > MOST_SERIES:
        kept[f"{len(order) - MOST_SERIES} others"] = np.sum([watts[name] for name in order[MOST_SERIES:]], axis=0)
    return kept


def power_chart(watts: Mapping[str, Floats], ledger: Ledger, axis: Axis) -> Chart:
    """The picture of some series in W that add up to all, by bin of the ledger."""
    buckets = Buckets.of(ledger.edges_ns)
    total = np.sum(list(watts.values()), axis=0)
    highest = float(total.max())
    per_unit, unit = (MEGA, "MW") if highest >= MEGA else (KILO, "kW")
    edges = axis.at(buckets.edges_ns)
    short = labels(list(watts))
    means = {name: buckets.mean(values) / per_unit for name, values in watts.items()}
    least, most = buckets.least(total) / per_unit, buckets.most(total) / per_unit
    floor = np.zeros(len(edges) - 1)
    values: list[dict[str, float | str]] = []
    for name, mean in means.items():
        roof = floor + mean
        values += [
            {"t": t, "y": low, "y2": high, "series": short[name]}
            for t, low, high in rounded(edges, stepped(floor), stepped(roof))
        ]
        floor = roof
    picked = [IDLE if name.startswith("idle, nobody") else SERIES[i % len(SERIES)] for i, name in enumerate(means)]
    heading = unit
    layers: list[Spec] = [
        {
            "data": {"values": values},
            "mark": {"type": "area", "interpolate": "step-after", "clip": True, "aria": False},
            "encoding": {
                "x": time_axis(axis.unit),
                "y": value_axis("y", heading),
                "y2": {"field": "y2"},
                "color": {"field": "series", "type": "nominal", "scale": colours(list(short.values()), picked)},
            },
        }
    ]
    if buckets.grouped:
        envelope = [
            {"t": t, "least": low, "most": high} for t, low, high in rounded(edges, stepped(least), stepped(most))
        ]
        layers += [
            {
                "data": {"values": envelope},
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "clip": True,
                    "color": INK,
                    "strokeWidth": 0.8,
                    "aria": False,
                },
                "encoding": {"x": time_axis(axis.unit), "y": value_axis(field, heading)},
            }
            for field in ("most", "least")
        ]
    told = {short[name]: mean for name, mean in means.items()} | {"most of any bin": most}
    layers.append(hover(edges, axis, told, unit))
    spec = {**over_time(0.0, axis.high, 230), "layer": layers}
    seconds = np.diff(ledger.edges_ns) * SECONDS_PER_NS
    mean_w = float((total * seconds).sum() / seconds.sum())
    peak = float(axis.at(ledger.edges_ns[[int(total.argmax())]])[0])
    alt = (
        f"Metered IT power: {number(mean_w / per_unit)} {unit} in the mean, at most {number(highest / per_unit)} "
        f"{unit} (from {number(peak)} {axis.unit}), at least {number(float(total.min()) / per_unit)} {unit}."
    )
    rows = table_rows([edges[:-1], *means.values(), least, most])
    header = (axis.unit, *(f"{name}, {unit}" for name in means), f"least of all, {unit}", f"most of all, {unit}")
    grouped = (
        f"Each column is the mean of a group of the run's {len(total):,} bins; the thin lines are the least and the "
        "most total of any bin in it, so that no peak is lost."
    )
    note = "What the simulated meters read, before any accounting convention and without the building." + (
        f" {grouped}" if buckets.grouped else ""
    )
    return Chart("power", "IT power by workload", alt, spec, header, rows, note)
