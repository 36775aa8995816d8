"""What a whole is made of, as bars: carbon and energy by component, workload, state; the time of a training step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.report.chart import Chart
from sim.report.charts.look import AXIS_PX, LEGEND_PX, SERIES, Spec, base, colours
from sim.report.parts import labels
from sim.results.formats import number, share
from sim.results.jobs import step_splits, unproductive
from sim.results.results import Results

TONNE_KG = 1000.0
MOST_BARS = 30
ENDS_AT = "max(width - 95, width * 0.4)"
"""px at which the axis ends, so that words behind the longest bar have room on pages of any width."""


def bars(name: str, title: str, values: Mapping[str, float], unit: str, note: str = "") -> Chart | None:
    """One bar a part, the largest first; parts below 0 (credits) point to the left. None without any."""
    order = [part for part in sorted(values, key=lambda part: -values[part]) if values[part]]
    if not order:
        return None
    total = sum(values.values())
    drawn = order[:MOST_BARS]
    short = labels(drawn)
    rows = [
        {
            "part": short[part],
            "x": values[part],
            "says": f"{number(values[part])} {unit}",
            "of": share(values[part], total),
        }
        for part in drawn
    ]
    y_axis = {"field": "part", "type": "nominal", "title": None, "sort": None, "axis": {"grid": False}}
    scale = {"range": [0, {"expr": ENDS_AT}]} if values[drawn[0]] > 0.0 else {}
    spec = base(24 * len(drawn) + AXIS_PX)
    spec["data"] = {"values": rows}
    spec["encoding"] = {
        "y": y_axis,
        "x": {"field": "x", "type": "quantitative", "title": unit, "axis": {"tickCount": 5}, "scale": scale},
    }
    spec["layer"] = [
        {
            "mark": {"type": "bar", "color": SERIES[0], "height": 15},
            "encoding": {
                "tooltip": [
                    {"field": "part", "type": "nominal"},
                    {"field": "says", "type": "nominal", "title": "amount"},
                    {"field": "of", "type": "nominal", "title": "of all"},
                ]
            },
        },
        {
            "mark": {"type": "text", "align": "left", "dx": 5, "aria": False, "fontSize": 11},
            "encoding": {"text": {"field": "says", "type": "nominal"}},
        },
    ]
    largest = ", ".join(f"{part} {share(values[part], total)}" for part in order[:3])
    table = tuple((part, number(values[part]), share(values[part], total)) for part in order)
    return Chart(
        name,
        title,
        f"{number(total)} {unit} in all; the largest: {largest}.",
        spec,
        ("part", unit, "of all"),
        table,
        note,
    )


def carbon_parts(summary: Mapping[str, Any]) -> dict[str, Chart]:
    """Carbon by component, by workload and by state, and energy by component, by the title of its tab."""
    carbon, energy = summary["carbon_kg"], summary["energy_kwh"]
    per, unit = (TONNE_KG, "t CO2e") if abs(carbon["total"]) >= TONNE_KG else (1.0, "kg CO2e")

    def kg(values: Mapping[str, float]) -> dict[str, float]:
        return {_words(name): value / per for name, value in values.items()}

    embodied = "Embodied parts begin with 'embodied'; the others are operational, location-based."
    found = {
        "Carbon by component": bars(
            "carbon-by-component", "Carbon by component", kg(carbon["by_component"]), unit, embodied
        ),
        "Carbon by workload": bars(
            "carbon-by-workload", "Carbon by workload", kg(carbon["by_workload"]), unit, "Operational and embodied."
        ),
        "IT energy by component": bars(
            "energy-by-component",
            "IT energy by component",
            {_words(k): v for k, v in energy["by_component"].items()},
            "kWh",
        ),
        "IT energy by state": bars(
            "energy-by-state", "IT energy by state", {_words(k): v for k, v in energy["by_state"].items()}, "kWh"
        ),
    }
    return {title: chart for title, chart in found.items() if chart is not None}


def _words(name: str) -> str:
    return name.replace("_", " ")


def splits(name: str, title: str, rows: Mapping[str, Mapping[str, float]], unit: str) -> Chart | None:
    """One bar a row, of its parts in order; None without any."""
    parts = list(dict.fromkeys(part for row in rows.values() for part, value in row.items() if value))
    if not parts:
        return None
    short = labels(list(rows))
    values = [
        {
            "row": short[row],
            "part": part,
            "order": at,
            "x": split.get(part, 0.0),
            "says": f"{number(split.get(part, 0.0))} {unit}",
        }
        for row, split in rows.items()
        for at, part in enumerate(parts)
    ]
    spec: Spec = base(34 * len(rows) + AXIS_PX + LEGEND_PX)
    spec["data"] = {"values": values}
    spec["mark"] = {"type": "bar", "height": 20}
    spec["encoding"] = {
        "y": {"field": "row", "type": "nominal", "title": None, "sort": None, "axis": {"grid": False}},
        "x": {"field": "x", "type": "quantitative", "title": unit, "stack": "zero"},
        "order": {"field": "order", "type": "quantitative"},
        "color": {"field": "part", "type": "nominal", "scale": colours(parts)},
        "tooltip": [{"field": key, "type": "nominal"} for key in ("row", "part", "says")],
    }
    said = "; ".join(
        f"{row}: " + ", ".join(f"{part} {number(split[part])} {unit}" for part in parts if split.get(part))
        for row, split in rows.items()
    )
    table = tuple((row, *(number(split.get(part, 0.0)) for part in parts)) for row, split in rows.items())
    return Chart(name, title, f"{said}.", spec, ("job", *(f"{part}, {unit}" for part in parts)), table)


def training(results: Results) -> list[Chart]:
    """Where the time of each job's steps goes, and what faults cost those that recover from them."""
    summary = results.summary
    steps, faults = step_splits(summary), unproductive(summary)
    found = [
        splits("training-step", "A step of training", steps, "s") if steps else None,
        splits("faults", "Energy beside productive work", faults, "kWh") if faults else None,
    ]
    return [chart for chart in found if chart is not None]
