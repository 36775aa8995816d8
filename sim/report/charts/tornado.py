"""What would change a result most: one uncertain input at a time at the ends of its range, the largest effect first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.report.chart import Chart
from sim.report.charts.look import ACTIVE, AXIS_PX, LEGEND_PX, LOSS, SOFT, Spec, base
from sim.report.parts import labels
from sim.results.catalogue import in_words
from sim.results.formats import number

MOST_INPUTS = 20
"""Drawn; the table has all."""


def tornado(output: str, found: Mapping[str, Any], place: int = 0) -> Chart:
    """The picture of a one-at-a-time analysis, as ``sim.study.uncertain.sensitivity`` gives it as plain data, of the
    result at the dotted path ``output``."""
    effects: Mapping[str, Mapping[str, float]] = found["effects"]
    words = in_words(output)
    shown = labels(list(effects))
    bars = []
    for rank, (name, effect) in enumerate(list(effects.items())[:MOST_INPUTS]):
        for end, value in (("low (p05)", effect["at_p05"]), ("high (p95)", effect["at_p95"])):
            bars.append(
                {
                    "input": shown[name],
                    "rank": rank,
                    "x": effect["at_median"],
                    "x2": value,
                    "end": end,
                    "says": number(value),
                }
            )
    middle = next(iter(effects.values()))["at_median"] if effects else 0.0
    y_axis = {"field": "input", "type": "nominal", "title": None, "sort": {"field": "rank"}, "axis": {"grid": False}}
    x_axis = {"field": "x", "type": "quantitative", "title": words, "scale": {"zero": False}}
    layers: list[Spec] = [
        {
            "data": {"values": bars},
            "mark": {"type": "bar", "height": 16},
            "encoding": {
                "x": x_axis,
                "x2": {"field": "x2"},
                "y": y_axis,
                "color": {
                    "field": "end",
                    "type": "nominal",
                    "title": "input at its",
                    "scale": {"domain": ["low (p05)", "high (p95)"], "range": [ACTIVE, LOSS]},
                },
                "tooltip": [
                    {"field": "input", "type": "nominal"},
                    {"field": "end", "type": "nominal", "title": "at its"},
                    {"field": "says", "type": "nominal", "title": "result"},
                ],
            },
        },
        {
            "data": {"values": [{"x": middle}]},
            "mark": {"type": "rule", "color": SOFT, "aria": False},
            "encoding": {"x": x_axis},
        },
    ]
    spec = {**base(26 * min(len(effects), MOST_INPUTS) + AXIS_PX + LEGEND_PX), "layer": layers}
    first = next(iter(effects.items()), None)
    alt = (
        f"{words} is {number(middle)} with every input at its median; most of all it is moved by {first[0]}: from "
        f"{number(first[1]['at_p05'])} to {number(first[1]['at_p95'])}."
        if first is not None
        else f"No input moves {words}."
    )
    rows = tuple(
        (name, number(effect["at_p05"]), number(effect["at_median"]), number(effect["at_p95"]), number(effect["swing"]))
        for name, effect in effects.items()
    )
    note = f"One input at its p05 and p95, all others at their median; {found['evaluations']} evaluations."
    return Chart(
        f"tornado-{place}",
        f"What moves {words}",
        alt,
        spec,
        ("input", "at p05", "at median", "at p95", "swing"),
        rows,
        note,
    )
