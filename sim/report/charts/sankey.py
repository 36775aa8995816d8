"""Where the energy of a run goes: from the grid through the building to workloads, and to what it was useful for.

Vega-Lite has no such picture. Nodes and flows are laid out here, as rectangles and as bands between two curves, and are
drawn by marks that it has; what flows into a node flows out of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

from sim.report.chart import Chart
from sim.report.charts.flows import Flow, Flows, flows_of
from sim.report.charts.look import ACTIVE, COOL, IDLE, LOSS, SERIES, Spec, base
from sim.report.parts import labels
from sim.results.formats import kilowatt_hours, number, share
from sim.results.results import Results

LEAST_HEIGHT = 320.0
SLOT, GAP = 30.0, 8.0
"""px that a node has at least for its words, and between nodes of a column."""
HALVINGS = 40
NARROW_BELOW = 700
"""px under which words stand in lines above each other, in slots that are higher, so that all is seen at once."""
NARROW_SLOT, NARROW_HEIGHT = 64.0, 420.0
NARROW_LETTERS = 13
"""Of a line of words there; a fifth of a phone's width."""
LABEL_PX = 180
"""Of a line of words, which is cut beyond; the last column stands so far from the edge that its words have room."""
ENDS_AT = f"max(width - {LABEL_PX + 27}, width * 0.5)"
"""px from the left at which the last column stands. A share of the width would cut its words on pages less wide."""
NARROW_ENDS_AT = "width * 0.8"
THICK = 0.018
"""Of a node, as a share of the way to the last column."""
CURVE = 16
"""Pieces of the edge of a band."""


@dataclass(frozen=True)
class Box:
    """A node as it is drawn, in shares of the way to the last column and px from the top; its flows leave and arrive in
    order."""

    name: str
    x: float
    low: float
    high: float
    last: bool


def sankey(results: Results) -> Chart | None:
    """Energy from its sources to what it was useful for, kWh; None for a run without energy."""
    flows = flows_of(results)
    if flows is None:
        return None
    total = flows.total
    wide, narrow = _height(flows, LEAST_HEIGHT, SLOT), _height(flows, NARROW_HEIGHT, NARROW_SLOT)
    on_phones = {"height": round(narrow), "layer": _layers(flows, narrow, NARROW_SLOT, narrow=True)}
    spec: Spec = base(round(wide), narrow=on_phones, narrow_below=NARROW_BELOW)
    spec["layer"] = _layers(flows, wide, SLOT)
    ends = flows.ends()
    biggest = ", ".join(f"{name} {share(kwh, total)}" for name, kwh in ends[:4])
    alt = f"{kilowatt_hours(total)} from {' and '.join(flows.sources())} go to: {biggest}."
    rows = tuple((one.source, one.target, number(one.kwh), share(one.kwh, total)) for one in flows.flows)
    return Chart(
        "where-energy-goes",
        "From the grid to what it was useful for",
        alt,
        spec,
        ("from", "to", "kWh", "of all"),
        rows,
        flows.note,
    )


def _height(flows: Flows, least: float, slot: float) -> float:
    """px, with room for the words of the column that has most nodes."""
    crowd = max(Counter(flows.columns().values()).values())
    return max(least, least / 2 + crowd * (slot + GAP))


def _layers(flows: Flows, height: float, slot: float, *, narrow: bool = False) -> list[Spec]:
    """Bands, boxes, and words over them; ``narrow`` has words in lines of few letters."""
    boxes, bands = laid_out(flows, height, slot)
    shown = labels([box.name for box in boxes])
    kinds = flows.kinds
    band_rows = [row for band in bands for row in band]
    box_rows = [
        {
            "x": box.x,
            "x2": box.x + THICK,
            "y": box.low,
            "y2": box.high,
            "node": shown[box.name],
            "says": kilowatt_hours(flows.through(box.name)),
            "kind": kinds[box.name],
            "of": share(flows.through(box.name), flows.total),
            "mid": (box.low + box.high) / 2,
            "at": box.x + THICK + 0.006,
        }
        for box in boxes
    ]
    plain = {"type": "quantitative", "axis": None}
    ends = {"expr": NARROW_ENDS_AT if narrow else ENDS_AT}
    along = {**plain, "scale": {"domain": [0, 1], "nice": False, "range": [0, ends]}}
    down = {**plain, "scale": {"domain": [height, 0], "nice": False, "zero": False}}
    palette = {"domain": list(PALETTE), "range": list(PALETTE.values())}
    said = [
        {"field": "node", "type": "nominal", "title": "where"},
        {"field": "says", "type": "nominal", "title": "energy"},
        {"field": "of", "type": "nominal", "title": "of all"},
    ]
    layers: list[Spec] = [
        {
            "data": {"values": band_rows},
            "mark": {"type": "area", "opacity": 0.42, "interpolate": "linear"},
            "encoding": {
                "x": {"field": "x", **along},
                "y": {"field": "y", **down},
                "y2": {"field": "y2"},
                "detail": {"field": "band", "type": "nominal"},
                "fill": {"field": "kind", "type": "nominal", "scale": palette, "legend": None},
                "tooltip": said,
            },
        },
        {
            "data": {"values": box_rows},
            "mark": {"type": "rect"},
            "encoding": {
                "x": {"field": "x", **along},
                "x2": {"field": "x2"},
                "y": {"field": "y", **down},
                "y2": {"field": "y2"},
                "fill": {"field": "kind", "type": "nominal", "scale": palette, "legend": None},
                "tooltip": said,
            },
        },
    ]
    return [*layers, *_words(box_rows, along, down, narrow=narrow)]


def _words(box_rows: list[dict[str, Any]], along: Spec, down: Spec, *, narrow: bool) -> list[Spec]:
    """What stands beside each box, over whatever crosses it; ``along`` and ``down`` are the scales of boxes."""
    layers: list[Spec] = []
    halo = {"stroke": "var(--paper)", "strokeWidth": 3, "strokeOpacity": 0.65, "strokeJoin": "round"}
    if narrow:
        words = [
            {**row, "words": [*wrap(str(row["node"]), NARROW_LETTERS), row["says"], row["of"]]} for row in box_rows
        ]
        lines: tuple[tuple[str, int, int, int], ...] = (("words", 0, 400, 10),)
    else:
        words = [{**row, "figures": f"{row['says']} · {row['of']}"} for row in box_rows]
        lines = (("node", -7, 600, 12), ("figures", 7, 400, 11))
    for line, shift, weight, size in lines:
        for around in (halo, {}):  # so that words are read over bands that cross them
            mark = {
                "type": "text",
                "align": "left",
                "baseline": "middle",
                "dy": shift,
                "limit": LABEL_PX,
                "aria": False,
            }
            layers.append(
                {
                    "data": {"values": words},
                    "mark": {**mark, "fontWeight": weight, "fontSize": size, "fill": "var(--ink)", **around},
                    "encoding": {
                        "x": {"field": "at", **along},
                        "y": {"field": "mid", **down},
                        "text": {"field": line, "type": "nominal"},
                    },
                }
            )
    return layers


PALETTE = {
    "source": SERIES[2],
    "site": ACTIVE,
    "loss": LOSS,
    "spare": LOSS,
    "cooling": COOL,
    "idle": IDLE,
    "work": ACTIVE,
    "useful": SERIES[2],
}
"""Colours by what a node is."""


def laid_out(flows: Flows, height: float, slot: float = SLOT) -> tuple[list[Box], list[list[dict[str, Any]]]]:
    """Boxes column by column, as high as what flows through them, with room for their words, and bands between them.

    All in shares of the way to the last column, and in px of ``height`` from the top.
    """
    columns = flows.columns()
    depth = max(columns.values())
    by_column = [[name for name, column in columns.items() if column == at] for at in range(depth + 1)]
    scale = _scale([[flows.through(name) for name in names] for names in by_column], height, slot)
    boxes: dict[str, Box] = {}
    for at, names in enumerate(by_column):
        x, top = at / depth, 0.0
        for name in names:
            tall = flows.through(name) * scale
            room = max(tall, slot)
            boxes[name] = Box(name, x, top + (room - tall) / 2, top + (room + tall) / 2, at == depth)
            top += room + GAP
    left = {name: box.low for name, box in boxes.items()}
    arrived = dict(left)
    bands = []
    for i, one in enumerate(sorted(flows.flows, key=lambda flow: (boxes[flow.source].low, boxes[flow.target].low))):
        tall = one.kwh * scale
        bands.append(_band(i, one, boxes, (left[one.source], arrived[one.target], tall), flows))
        left[one.source] += tall
        arrived[one.target] += tall
    return list(boxes.values()), bands


def _scale(columns: Sequence[Sequence[float]], height: float, slot: float) -> float:
    """px a kWh with which every column, with room for its words, is at most ``height`` high."""
    low, high = 0.0, min(height / sum(column) for column in columns)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        fits = all(
            sum(max(kwh * middle, slot) for kwh in column) + GAP * (len(column) - 1) <= height for column in columns
        )
        low, high = (middle, high) if fits else (low, middle)
    return low


def _band(
    index: int, one: Flow, boxes: Mapping[str, Box], place: tuple[float, float, float], flows: Flows
) -> list[dict[str, Any]]:
    begin, end, tall = place
    x0, x1 = boxes[one.source].x + THICK, boxes[one.target].x
    rows: list[dict[str, Any]] = []
    for step in range(CURVE + 1):
        along = step / CURVE
        eased = along * along * (3.0 - 2.0 * along)
        top = begin + (end - begin) * eased
        rows.append(
            {
                "band": index,
                "x": round(x0 + (x1 - x0) * along, 5),
                "y": round(top, 5),
                "y2": round(top + tall, 5),
                "kind": flows.kinds[one.target],
                "node": f"{labels([one.source])[one.source]} → {labels([one.target])[one.target]}",
                "says": kilowatt_hours(one.kwh),
                "of": share(one.kwh, flows.total),
            }
        )
    return rows
