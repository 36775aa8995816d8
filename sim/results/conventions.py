"""A convention beside the meters, for people to read: what it counts, what it does not, and its terms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.results.catalogue.accounts import COUNTS
from sim.results.formats import Grid, mass, number

AS_ELSEWHERE = ("location", "stated")
"""What a convention may take a kWh to emit that all other numbers of the summary take, too."""
ELSEWHERE = "Totals, shares and the SCI are of its energy and its machines at the carbon of the location"


def convention_grid(summary: Mapping[str, Any]) -> Grid | None:
    """Rows of what the convention counts, the meters, and the ratio of both; None under the meters' own."""
    told = summary.get("convention")
    if told is None:
        return None
    rows = []
    for one in COUNTS:
        ours, meters = told["counted"].get(one.path), told["physical"].get(one.path)
        if ours is not None or meters is not None:
            share = f"{ours / meters:.2f}" if ours is not None and meters else ""
            rows.append([one.label, _shown(ours, one.unit), _shown(meters, one.unit), share])
    return ("counted under the convention", "counted", "by the meters", "ratio"), rows


def convention_remarks(summary: Mapping[str, Any]) -> Iterator[str]:
    """The convention's title, and its terms, one each."""
    told = summary.get("convention")
    if told is not None:
        carbon = told["carbon_of_a_kwh"]
        apart = (
            "" if carbon in AS_ELSEWHERE else f" Totals, shares and the SCI {ELSEWHERE}: this table has what it counts."
        )
        yield f"{told['title']}. It takes the {carbon} carbon of a kWh.{apart}"
        yield from (f"{name}: {text}" for name, text in told["terms"].items())


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "not counted"
    return mass(value) if unit == "kg" else f"{number(value)} {unit}"
