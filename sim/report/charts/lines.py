"""Series over the common axis of time as stepped lines: means of buckets, with the least and the most of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sim.accounting.ledger import Floats, Ints
from sim.report.chart import Chart
from sim.report.charts.look import SOFT, Spec, colours, over_time, time_axis, value_axis
from sim.report.charts.times import Axis, Buckets
from sim.report.parts import labels
from sim.results.formats import number

ROUNDING = 1e-9
GROUPED = "Lines are means of groups of {:,} bins; the band around each is from the least to the most of any bin in it."


def rounded(*columns: Floats) -> list[tuple[float, ...]]:
    """Rows of numbers in six significant digits, which is beyond what a screen shows."""
    return list(zip(*([float(f"{value:.6g}") for value in column.tolist()] for column in columns), strict=True))


def stepped(values: Floats) -> Floats:
    """Values of bins at their beginnings, and the last again at the end, for a line in steps."""
    return np.append(values, values[-1])


def hover(edges: Floats, axis: Axis, series: Mapping[str, Floats], unit: str) -> Spec:
    """A layer that is not seen, and tells all series at the time that is pointed at."""
    words = [
        {
            "t": t,
            "t2": t2,
            "tip": "\n".join(
                [
                    f"{number(t)} to {number(t2)} {axis.unit}",
                    *(f"{name}: {number(float(values[i]))} {unit}".strip() for name, values in series.items()),
                ]
            ),
        }
        for i, (t, t2) in enumerate(rounded(edges[:-1], edges[1:]))
    ]
    return {
        "data": {"values": words},
        "mark": {"type": "rect", "opacity": 0, "clip": True, "aria": False},
        "encoding": {
            "x": time_axis(axis.unit),
            "x2": {"field": "t2"},
            "y": {"value": 0},
            "y2": {"value": "height"},
            "tooltip": {"field": "tip", "type": "nominal"},
        },
    }


def line_chart(
    name: str,
    title: str,
    edges_ns: Ints,
    series: Mapping[str, Floats],
    unit: str,
    *,
    axis: Axis,
    peaks: Mapping[str, Floats] | None = None,
    limit: Floats | None = None,
    note: str = "",
    zero: bool = True,
) -> Chart:
    """Series of one value a bin between ``edges_ns``, none NaN. ``peaks`` are the most within each bin, by series,
    where bins hold more than one value; ``limit`` is drawn dashed."""
    buckets = Buckets.of(edges_ns)
    edges = axis.at(buckets.edges_ns)
    short = labels(list(series))
    most = {one: buckets.most((peaks or series)[one]) for one in series}
    least = {one: buckets.least(values) for one, values in series.items()}
    mean = {one: buckets.mean(values) for one, values in series.items()}
    lines = [{"t": t, "y": y, "series": short[one]} for one in series for t, y in rounded(edges, stepped(mean[one]))]
    heading = unit or title
    channel = {"field": "series", "type": "nominal", "scale": colours(list(short.values()))}
    legend = channel if len(series) > 1 else {**channel, "legend": None}
    layers: list[Spec] = []
    wide = buckets.grouped or peaks is not None
    if wide:
        band = [
            {"t": t, "low": low, "high": high, "series": short[one]}
            for one in series
            for t, low, high in rounded(edges, stepped(least[one]), stepped(most[one]))
        ]
        layers.append(
            {
                "data": {"values": band},
                "mark": {"type": "area", "interpolate": "step-after", "clip": True, "opacity": 0.28, "aria": False},
                "encoding": {
                    "x": time_axis(axis.unit),
                    "y": value_axis("low", heading, zero=zero),
                    "y2": {"field": "high"},
                    "color": legend,
                },
            }
        )
    layers.append(
        {
            "data": {"values": lines},
            "mark": {"type": "line", "interpolate": "step-after", "clip": True, "strokeWidth": 1.7, "aria": False},
            "encoding": {"x": time_axis(axis.unit), "y": value_axis("y", heading, zero=zero), "color": legend},
        }
    )
    if limit is not None and bool(np.isfinite(limit).all()):
        capped = [{"t": t, "y": y} for t, y in rounded(edges, stepped(buckets.least(limit)))]
        layers.append(
            {
                "data": {"values": capped},
                "mark": {
                    "type": "line",
                    "interpolate": "step-after",
                    "clip": True,
                    "strokeDash": [6, 4],
                    "color": SOFT,
                    "aria": False,
                },
                "encoding": {"x": time_axis(axis.unit), "y": value_axis("y", heading, zero=zero)},
            }
        )
    layers.append(hover(edges, axis, mean, unit))
    spec = {**over_time(0.0, axis.high, 185), "layer": layers}
    says = "; ".join(_says(one, edges_ns, values, (peaks or series)[one], unit, axis) for one, values in series.items())
    header = [axis.unit]
    columns: list[Floats] = [edges[:-1]]
    for one in series:
        header += [f"{one}, mean", *((f"{one}, least", f"{one}, most") if wide else ())]
        columns += [mean[one], *((least[one], most[one]) if wide else ())]
    told = GROUPED.format(len(buckets.lengths_ns)) if buckets.grouped else ""
    return Chart(
        name, title, f"{says}.", spec, tuple(header), table_rows(columns), " ".join(filter(None, [note, told]))
    )


def flat(values: Floats) -> bool:
    """Whether a series is the same all the time, but for rounding."""
    return bool(np.ptp(values) <= ROUNDING * np.abs(values).max(initial=0.0))


def table_rows(columns: Sequence[Floats]) -> tuple[tuple[str, ...], ...]:
    """Columns of numbers as rows of text."""
    return tuple(tuple(number(float(value)) for value in row) for row in zip(*columns, strict=True))


def _says(name: str, edges_ns: Ints, values: Floats, peaks: Floats, unit: str, axis: Axis) -> str:
    lengths = np.diff(edges_ns)
    mean = float((values * lengths).sum() / lengths.sum())
    low, high, at = float(values.min()), float(peaks.max()), int(peaks.argmax())
    of = f" {unit}" if unit else ""
    if flat(values):
        return f"{name}: {number(mean)}{of} throughout"
    when = number(float(axis.at(edges_ns[[at]])[0]))
    return f"{name}: {number(mean)}{of} in the mean, from {number(low)} to {number(high)}{of} ({when} {axis.unit} in)"
