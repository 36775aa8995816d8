"""What a search found, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sim.results.formats import number
from sim.results.tables import plain_table


def search_tables(name: str, found: Mapping[str, Any]) -> RenderableType:
    """The best trial, or that nothing kept to the limits and what came nearest."""
    trials = found["trials"]
    failed = [trial for trial in trials if "error" in trial]
    within = [trial for trial in trials if "error" not in trial and all(over <= 0 for over in trial["excess"])]
    shown = found["best"] or found["nearest"]
    counted = f"{len(trials)} trials, {len(within)} within the limits, {len(failed)} that could not be run."
    if failed:
        counted += f" The first of these: {failed[0]['error']}"
    if shown is None:
        return Text(f"{name}: no trial could be run. The first: {failed[0]['error'] if failed else ''}")
    heading = (
        f"{name}: the least {found['minimised']} found within the limits, in trial {shown['number']}"
        if found["feasible"]
        else f"{name}: infeasible as far as searched; nearest to the limits is trial {shown['number']}"
    )
    table = plain_table("", "")
    table.show_header = False
    for path, value in shown["values"].items():
        table.add_row(path, str(value))
    table.add_section()
    for path, value in shown["results"].items():
        table.add_row(path, number(value))
    return Group(Text(heading, style="bold"), table, Text(counted, style="dim"))
