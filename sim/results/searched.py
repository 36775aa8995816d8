"""What a search found, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from sim.results.formats import number, percent
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
    missed = [Text(line, style="yellow") for line in _missed(found, len(trials) - len(failed))]
    return Group(Text(heading, style="bold"), *missed, table, Text(counted, style="dim"))


def _missed(found: Mapping[str, Any], ran: int) -> Iterator[str]:
    """Which limits bind: by how much the nearest trial misses each, and whether any trial keeps it at all."""
    for one in found["missed"]:
        by = number(one["excess"])
        share = f" ({percent(one['excess_share'])} of it)" if one["excess_share"] != one["excess"] else ""
        said = f"it misses {one['limit']} by {by}{share}, with {number(one['value'])}"
        if not one["kept_by"]:
            best = f"the nearest to it is {number(one['nearest_value'])}, in trial {one['nearest_trial']}"
            yield f"{said}; none of {ran} trials keeps it: {best}"
        else:
            yield f"{said}; {one['kept_by']} of {ran} trials keep it, and miss another"
