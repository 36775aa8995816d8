"""Runs and comparisons as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, JustifyMethod, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Column, Table
from rich.text import Text

from sim.accounting.fold import WARM_AIR
from sim.results.attribution import attribution_grids
from sim.results.batches import batch_grids, batch_remarks
from sim.results.compare import COMMON_DRAWS, COMPARED_HEADER, Comparison
from sim.results.conventions import convention_grid, convention_remarks
from sim.results.environment import account_rows, component_grid, limit_remarks, site_grids, workload_grid
from sim.results.formats import HOUR_S, Grid, hours, kilowatt_hours, mass, number, share, turned
from sim.results.intervals import difference_grid, interval_grid, interval_remark
from sim.results.jobs import campaign_grids, federated_grids, job_grids, throttle_remarks
from sim.results.methods import method_grids, method_remarks
from sim.results.power_limits import power_grids, power_remarks
from sim.results.project import project_grids
from sim.results.services import service_grids, service_remarks, split_grids

TERMINAL = 80
GAP = 3
"""Columns of letters: of a terminal, and between those of a table."""
NARROWEST_LABEL = 20
"""Letters that labels keep: while numbers leave as many, it is labels that break over lines, and no number."""
NARROWEST_TEXT = 12
"""Letters that a column of text keeps on terminals too narrow for its table."""

BEYOND_METERS = {True: "for warm inlet air (not in metered power)", False: "fans that a bath spares (in metered power)"}
"""What is added to what the meters of a run read, or taken away from it."""
MOST_CHANGES, LONGEST_CHANGE = 6, 40
"""Of what two scenarios say otherwise: how many are listed, and letters of each path and value."""
LONGEST_NAME = 120
"""Letters of what a row is of that are shown; a name may have thousands, and files have it whole."""


class PlainTable(Table):
    """A table whose cells are text as it is: what looks like a style of Rich in a name is none.

    Labels break over lines where a terminal is narrow. No number is cut and no label goes: a table that would need
    more columns has them, and it is the terminal that breaks its lines.
    """

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What is drawn, in as many columns as there are or as it needs."""
        needed = sum(self._needed(column, console, options) for column in self.columns)
        yield from super().__rich_console__(console, options.update_width(max(options.max_width, needed)))

    def _needed(self, column: Column, console: Console, options: ConsoleOptions) -> int:
        """Letters that a column cannot do without, and the gap beside it."""
        endless = options.update_width(LONGEST_NAME)
        cells = (column.header, *column.cells) if self.show_header else column.cells
        sizes = [Measurement.get(console, endless, cell) for cell in cells]
        needed = (size.maximum if column.no_wrap else min(size.minimum, NARROWEST_TEXT) for size in sizes)
        return max(needed, default=0) + GAP

    def add_row(self, *cells: RenderableType | None, **about: Any) -> None:
        """A row; of a very long name, which is its first cell, the beginning."""
        first, *rest = [Text(cell) if isinstance(cell, str) else cell for cell in cells]
        if isinstance(first, Text):
            first.truncate(LONGEST_NAME, overflow="ellipsis")
        super().add_row(first, *rest, **about)


def plain_table(*columns: str, wraps: bool = False) -> Table:
    """A table without frame: text in its first column, numbers to the right in the others, which ``wraps`` lets break
    at their units where all would not fit."""
    table = PlainTable(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        justify: JustifyMethod = "left" if i == 0 else "right"
        table.add_column(Text(column), justify=justify, no_wrap=i > 0 and not wraps, overflow="fold")
    return table


def run_tables(name: str, summary: Mapping[str, Any], power: str = "") -> RenderableType:
    """What one run came to: energy and carbon by component, totals, work done, and what is outside its boundary.

    ``power`` is a line that draws it over time.
    """
    parts: list[RenderableType] = [Text(name, style="bold"), _components(summary)]
    parts += [Text(f" {power}\n")] if power else []
    parts.append(_totals(summary))
    parts += [grid_table(grid) for grid in site_grids(summary)]
    parts += [Text(remark, style="yellow") for remark in limit_remarks(summary)]
    if len(summary["carbon_kg"]["by_workload"]) > 1:
        parts.append(grid_table(workload_grid(summary)))
    if summary.get("jobs"):
        parts += [grid_table(grid) for grid in job_grids(summary)]
        parts += [Text(remark, style="yellow") for remark in throttle_remarks(summary)]
    parts += [grid_table(grid) for grid in attribution_grids(summary)]
    if summary.get("batch"):
        parts += [grid_table(grid) for grid in batch_grids(summary)]
        parts += [Text(remark, style="dim") for remark in batch_remarks(summary)]
    if summary.get("power_limits"):
        parts += [grid_table(grid) for grid in power_grids(summary)]
        parts += [Text(remark, style="dim") for remark in power_remarks(summary)]
    parts += [grid_table(grid) for grid in project_grids(summary)]
    if summary.get("methods"):
        parts += [grid_table(grid) for grid in method_grids(summary)]
        parts += [Text(remark, style="dim") for remark in method_remarks(summary)]
    if summary.get("campaigns"):
        parts += [grid_table(grid) for grid in campaign_grids(summary)]
    if summary.get("federated"):
        parts += [grid_table(grid) for grid in federated_grids(summary)]
    if summary.get("split"):
        parts += [grid_table(grid) for grid in split_grids(summary["split"])]
    if summary.get("serving"):
        parts += [grid_table(grid) for grid in service_grids(summary["serving"])]
        parts += [Text(remark, style="dim") for remark in service_remarks(summary["serving"])]
    intervals = interval_grid(summary)
    if intervals is not None:
        parts += [grid_table(intervals), Text(interval_remark(summary), style="dim")]
    counted = convention_grid(summary)
    if counted is not None:
        parts += [grid_table(counted), *(Text(remark, style="dim") for remark in convention_remarks(summary))]
    parts.append(_boundary(summary["boundary"]))
    return Group(*parts)


def _components(summary: Mapping[str, Any]) -> Table:
    energy, carbon = summary["energy_kwh"]["by_component"], summary["carbon_kg"]["by_component"]
    header, rows, total = component_grid(summary, list(dict.fromkeys([*energy, *carbon])))
    table = grid_table((header, rows))
    table.add_section()
    table.add_row(*total, style="bold")
    return table


def _totals(summary: Mapping[str, Any]) -> Table:
    carbon = summary["carbon_kg"]
    table = plain_table("", "")
    table.show_header = False
    if len(summary["energy_kwh"]["by_state"]) > 1:
        states = summary["energy_kwh"]["by_state"]
        for state, kwh in sorted(states.items(), key=lambda item: -item[1]):
            kg = carbon["operational_by_state"].get(state, 0.0)
            portion = share(kwh, summary["energy_kwh"]["it"])
            label = f"while {state}" if state != WARM_AIR else BEYOND_METERS[kwh > 0.0]
            table.add_row(label, f"{kilowatt_hours(kwh)} ({portion}), {mass(kg)}")
    for label, value in account_rows(summary):
        table.add_row(label, value)
    simulated_s = summary["simulated_s"]
    mean_kw = summary["energy_kwh"]["it"] / (simulated_s / HOUR_S) if simulated_s else 0.0
    table.add_row("simulated", f"{hours(simulated_s)}, mean IT power {number(mean_kw)} kW")
    return table


def grid_table(grid: Grid) -> Table:
    """A header and its rows; turned, a line for each of its columns, where they would not fit beside one another."""
    header, rows = turned(grid) if _wide(grid) > TERMINAL > _wide(turned(grid)) else grid
    numbers = _wide((header[1:], [row[1:] for row in rows]))
    room = TERMINAL - GAP - min(NARROWEST_LABEL, max(len(row[0]) for row in (header, *rows)))
    table = plain_table(*header, wraps=numbers > room)
    for row in rows:
        table.add_row(*row)
    return table


def _wide(grid: Grid) -> int:
    """Letters of a line of it, with what stands between columns."""
    header, rows = grid
    return sum(max(map(len, column)) + GAP for column in zip(header, *rows, strict=True)) - 1


def _boundary(boundary: Mapping[str, Any]) -> Text:
    lines = []
    if boundary["convention"] != "physical":
        lines.append(
            f"Counted by the convention '{boundary['convention']}'; the simulated meters read "
            f"{kilowatt_hours(boundary['metered_it_kwh'])}."
        )
    left_out = boundary.get("metered_but_not_counted_kwh")
    if left_out:
        named = ", ".join(f"{name} {kilowatt_hours(kwh)}" for name, kwh in left_out.items())
        lines.append(f"Metered but not counted: {named}.")
    lines += [f"Of what is stored, {rule}." for rule in boundary.get("stored_energy", [])]
    lines += [f"Market-based, {rule}." for rule in boundary.get("market_based", [])]
    for node, reasons in boundary.get("not_metered", {}).items():
        lines.append(f"Not metered in {node}: {', '.join(reasons)}.")
    lines.append(f"Not modelled: {', '.join(boundary['not_modelled'])}.")
    return Text("\n".join(lines), style="dim")


def comparison_tables(
    comparison: Comparison, places: Sequence[str], changed: Sequence[Sequence[tuple[str, ...]]]
) -> RenderableType:
    """Each other run against the first, and whether its carbon differs over the whole range of embodied carbon.

    ``places`` are where each run lies, the first's first; ``changed`` holds for each other run what its scenario says
    otherwise: path, the first's words, its own.
    """
    parts: list[RenderableType] = []
    named = [f"{name}  ({place})" for name, place in zip(comparison.names, places, strict=True)]
    for at, (_, differences, change, drawn) in enumerate(comparison.others):
        parts += [
            Text(f"first: {named[0]}\nother: {named[at + 1]}", style="bold"),
            Text("\n".join(_changed(changed[at]))),
            grid_table((COMPARED_HEADER, [row.cells for row in differences])),
            Text(" ".join([change.remark, *(one.remark for one in comparison.model_changes[at])]), style="dim"),
        ]
        intervals = difference_grid(drawn)
        if intervals is not None:
            parts += [grid_table(intervals), Text(COMMON_DRAWS, style="dim")]
    return Group(*parts)


def _changed(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """The first of what two scenarios say otherwise, a line each; of a whole section the beginning."""
    lines = [f"  {_cut(path)}: {_cut(first)} -> {_cut(other)}" for path, first, other in rows[:MOST_CHANGES]]
    if len(rows) > MOST_CHANGES:
        lines.append(f"  and {len(rows) - MOST_CHANGES} more, which 'coldaisle report' lists")
    return ["Changed in the scenario:" if lines else "Nothing is changed in the scenario.", *lines]


def _cut(words: str) -> str:
    return words if len(words) <= LONGEST_CHANGE else f"{words[: LONGEST_CHANGE - 3]}..."
