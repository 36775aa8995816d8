"""The chart of an answer beside the run that it changes: carbon by component, a pair of bars each."""

from __future__ import annotations

from sim.report.chart import Chart
from sim.report.charts.look import ACTIVE, AXIS_PX, IDLE, LEGEND_PX, base, colours
from sim.report.charts.parts import TONNE_KG
from sim.results.formats import number
from sim.results.results import Results

RUN, ANSWER = "the run", "the answer"
MOST_PARTS = 12
ROW_PX = 34


def beside(run: Results, answer: Results) -> Chart | None:
    """Components by what they cause in either, the largest first; None where neither causes anything."""
    carbon = [results.summary["carbon_kg"] for results in (run, answer)]
    per, unit = (TONNE_KG, "t CO2e") if max(abs(one["total"]) for one in carbon) >= TONNE_KG else (1.0, "kg CO2e")
    before, after = ({name: value / per for name, value in one["by_component"].items()} for one in carbon)
    parts = sorted({*before, *after}, key=lambda part: -max(before.get(part, 0.0), after.get(part, 0.0)))
    parts = [part for part in parts if before.get(part) or after.get(part)][:MOST_PARTS]
    if not parts:
        return None
    words = {part: part.replace("_", " ") for part in parts}
    values = [
        {"part": words[part], "of": of, "x": found.get(part, 0.0), "says": f"{number(found.get(part, 0.0))} {unit}"}
        for part in parts
        for of, found in ((RUN, before), (ANSWER, after))
    ]
    spec = base(ROW_PX * len(parts) + AXIS_PX + LEGEND_PX)
    spec["data"] = {"values": values}
    spec["mark"] = {"type": "bar"}
    spec["encoding"] = {
        "y": {"field": "part", "type": "nominal", "title": None, "sort": None, "axis": {"grid": False}},
        "yOffset": {"field": "of", "type": "nominal", "sort": [RUN, ANSWER]},
        "x": {"field": "x", "type": "quantitative", "title": unit, "axis": {"tickCount": 5}},
        "color": {"field": "of", "type": "nominal", "scale": colours([RUN, ANSWER], [IDLE, ACTIVE])},
        "tooltip": [
            {"field": "part", "type": "nominal"},
            {"field": "of", "type": "nominal", "title": "in"},
            {"field": "says", "type": "nominal", "title": "carbon"},
        ],
    }
    totals = [one["total"] / per for one in carbon]
    return Chart(
        "beside",
        "Carbon beside the run, by component",
        f"In all {number(totals[0])} {unit} in {RUN} and {number(totals[1])} in {ANSWER}.",
        spec,
        ("part", f"{RUN}, {unit}", f"{ANSWER}, {unit}"),
        tuple((words[part], number(before.get(part, 0.0)), number(after.get(part, 0.0))) for part in parts),
    )
