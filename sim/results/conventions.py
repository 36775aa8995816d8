"""A convention beside the meters, for people to read: what it counts, what it does not, and its terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.results.formats import Grid, mass, number

ROWS = (
    ("IT energy", "it_kwh", "kWh"),
    ("facility energy", "facility_kwh", "kWh"),
    ("operational carbon", "operational_kg", "kg"),
    ("embodied carbon", "embodied_kg", "kg"),
    ("carbon", "total_kg", "kg"),
    ("on-site water", "onsite_water_l", "L"),
    ("off-site water", "offsite_water_l", "L"),
)


def convention_grid(summary: Mapping[str, Any]) -> Grid | None:
    """Rows of what the convention counts, the meters, and the ratio of both; None under the meters' own."""
    told = summary.get("convention")
    if told is None:
        return None
    rows = []
    for label, name, unit in ROWS:
        ours, meters = told["counted"].get(name), told["physical"].get(name)
        if ours is not None or meters is not None:
            share = f"{ours / meters:.2f}" if ours is not None and meters else ""
            rows.append([label, _shown(ours, unit), _shown(meters, unit), share])
    return ("counted under the convention", "counted", "by the meters", "ratio"), rows


def convention_remarks(summary: Mapping[str, Any]) -> Iterator[str]:
    """The convention's title, and its terms, one each."""
    told = summary.get("convention")
    if told is not None:
        yield f"{told['title']}. It takes the {told['carbon_of_a_kwh']} carbon of a kWh."
        yield from (f"{name}: {text}" for name, text in told["terms"].items())


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "not counted"
    return mass(value) if unit == "kg" else f"{number(value)} {unit}"
