"""Runs and comparisons as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sim.results.compare import Comparison, Difference
from sim.results.environment import account_rows, limit_remarks, overhead_grid, route_grid, site_grid
from sim.results.formats import Grid, mass, number, share
from sim.results.intervals import difference_grid, interval_grid, interval_remark
from sim.results.jobs import job_grids, throttle_remarks
from sim.results.services import service_grids, service_remarks
from sim.units import HOUR_NS, NS_PER_S


def plain_table(*columns: str) -> Table:
    """A table without frame: text in its first column, numbers to the right in the others."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i > 0)
    return table


def run_tables(name: str, summary: Mapping[str, Any]) -> RenderableType:
    """What one run came to: energy and carbon by component, totals, work done, and what is outside its boundary."""
    parts: list[RenderableType] = [Text(name, style="bold"), _components(summary), _totals(summary)]
    parts += [
        grid_table(grid)
        for grid in (overhead_grid(summary), site_grid(summary), route_grid(summary))
        if grid is not None
    ]
    parts += [Text(remark, style="yellow") for remark in limit_remarks(summary)]
    if len(summary["carbon_kg"]["by_workload"]) > 1:
        parts.append(_by(summary))
    if summary.get("jobs"):
        parts += [grid_table(grid) for grid in job_grids(summary)]
        parts += [Text(remark, style="yellow") for remark in throttle_remarks(summary)]
    if summary.get("serving"):
        parts += service_tables(summary["serving"])
        parts += [Text(remark, style="dim") for remark in service_remarks(summary["serving"])]
    intervals = interval_grid(summary)
    if intervals is not None:
        parts += [grid_table(intervals), Text(interval_remark(summary), style="dim")]
    parts.append(_boundary(summary["boundary"]))
    return Group(*parts)


def _components(summary: Mapping[str, Any]) -> Table:
    energy, carbon = summary["energy_kwh"], summary["carbon_kg"]
    table = plain_table("component", "energy", "share", "carbon", "share")
    names = [*energy["by_component"], *(name for name in carbon["by_component"] if name not in energy["by_component"])]
    for name in names:
        kwh = energy["facility_overhead"] if name == "facility" else energy["by_component"].get(name)
        kg = carbon["by_component"].get(name, 0.0)
        table.add_row(
            name.replace("_", " "),
            f"{number(kwh)} kWh" if kwh is not None else "",
            share(kwh, energy["facility"]) if kwh is not None else "",
            mass(kg),
            share(kg, carbon["total"]),
        )
    table.add_section()
    table.add_row("total", f"{number(energy['facility'])} kWh", "", mass(carbon["total"]), "", style="bold")
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
            table.add_row(f"while {state}", f"{number(kwh)} kWh ({portion}), {mass(kg)}")
    for label, value in account_rows(summary):
        table.add_row(label, value)
    hours = summary["simulated_s"] * NS_PER_S / HOUR_NS
    mean_kw = summary["energy_kwh"]["it"] / hours if hours else 0.0
    table.add_row("simulated", f"{number(hours)} h, mean IT power {number(mean_kw)} kW")
    return table


def _by(summary: Mapping[str, Any]) -> Table:
    table = plain_table("workload", "IT energy", "carbon", "of it embodied")
    carbon = summary["carbon_kg"]
    for name, kg in carbon["by_workload"].items():
        kwh = summary["energy_kwh"]["by_workload"].get(name, 0.0)
        table.add_row(name, f"{number(kwh)} kWh", mass(kg), mass(carbon["embodied_by_workload"].get(name, 0.0)))
    return table


def service_tables(services: Mapping[str, Any]) -> list[Table]:
    """Queues of requests and token-level serving."""
    return [grid_table(grid) for grid in service_grids(services)]


def grid_table(grid: Grid) -> Table:
    """A header and its rows."""
    header, rows = grid
    table = plain_table(*header)
    for row in rows:
        table.add_row(*row)
    return table


def _boundary(boundary: Mapping[str, Any]) -> Text:
    lines = []
    if boundary["convention"] != "physical":
        lines.append(
            f"Counted by the convention '{boundary['convention']}'; the simulated meters read "
            f"{number(boundary['metered_it_kwh'])} kWh."
        )
    left_out = boundary.get("metered_but_not_counted_kwh")
    if left_out:
        named = ", ".join(f"{name} {number(kwh)} kWh" for name, kwh in left_out.items())
        lines.append(f"Metered but not counted: {named}.")
    lines += [f"Of what is stored, {rule}." for rule in boundary.get("stored_energy", [])]
    for node, reasons in boundary.get("not_metered", {}).items():
        lines.append(f"Not metered in {node}: {', '.join(reasons)}.")
    lines.append(f"Not modelled: {', '.join(boundary['not_modelled'])}.")
    return Text("\n".join(lines), style="dim")


def comparison_tables(comparison: Comparison) -> RenderableType:
    """Each other run against the first, and whether its carbon differs over the whole range of embodied carbon."""
    parts: list[RenderableType] = []
    others = zip(
        comparison.names[1:], comparison.differences, comparison.carbon_changes, comparison.intervals, strict=True
    )
    for name, differences, change, drawn in others:
        table = plain_table("", "first", "other", "change", "")
        for row in differences:
            table.add_row(
                row.label.replace("_", " "), value_cell(row.first, row), value_cell(row.other, row), *change_cells(row)
            )
        ends = f"Over the range of embodied carbon, total carbon changes by {mass(change.low)} to {mass(change.high)}"
        verdict = "" if change.decided or not (change.low or change.high) else ": the two cannot be told apart"
        parts += [
            Text(f"first: {comparison.names[0]}\nother: {name}", style="bold"),
            table,
            Text(f"{ends}{verdict}.", style="dim"),
        ]
        intervals = difference_grid(drawn)
        if intervals is not None:
            parts += [grid_table(intervals), Text("Over common draws: what both runs share cancels.", style="dim")]
    return Group(*parts)


def value_cell(value: float | None, row: Difference) -> str:
    """A value of a comparison in the unit of its row, or a dash where a run does not have it."""
    if value is None:
        return "-"
    return mass(value) if row.unit == "kg" else f"{number(value)} {row.unit}".strip()


def change_cells(row: Difference) -> tuple[str, str]:
    """The change, and its percentage of the first."""
    if row.change is None:
        return "", ""
    sign = "+" if row.change > 0 else ""
    relative = f"{sign}{100 * row.relative:.1f} %" if row.relative is not None else ""
    return f"{sign}{value_cell(row.change, row)}", relative
