"""What a run comes to beyond the building: the accounts side by side, each site, the limits met. For every output.

Each grid is a header and rows of text; the terminal and the page draw them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.results.catalogue import ACCOUNTS, Quantity, grid
from sim.results.catalogue.accounts import SITES
from sim.results.catalogue.quantity import value_in
from sim.results.formats import Grid, mass, number, seconds


def account_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Carbon, water, cost and indicators, a label and a value each; what was not modelled has no row."""
    for table in ACCOUNTS:
        rows: list[tuple[str, str]] = []
        for one in table.quantities:
            for text in _texts(summary, one) if one.in_account else ():
                if one.beside:
                    label, before = rows.pop()
                    rows.append((f"{label}, {one.in_account}", f"{before}, {text}"))
                else:
                    rows.append((one.in_account, text))
        yield from rows
        if table.path == "stored_energy":
            yield from _stored_rows(summary)


def _texts(summary: Mapping[str, Any], one: Quantity) -> Iterator[str]:
    """The value as the account shows it, with its range, if it has one; nothing where it has no row."""
    value = value_in(summary, one.keys)
    if one.keys[-1] == "*":  # by currency
        yield from (f"{number(value)} {name}" for name, value in (value_in(summary, one.keys[:-1]) or {}).items())
    elif value or (value is not None and not one.no_row_at_zero):
        low, high = (value_in(summary, (*one.spread.split("."), end)) for end in ("low", "high"))
        yield one.text(summary) + (f" ({mass(low)} to {mass(high)})" if low != high else "")


def _stored_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What a battery held, and what its change comes to, which the totals contain."""
    stored = summary.get("stored_energy")
    if stored is None:
        return
    yield "held in the battery, start and end", f"{number(stored['start_kwh'])} and {number(stored['end_kwh'])} kWh"
    kwh = stored["grid_kwh"]
    if kwh:
        label = "refilling what was drawn from it" if kwh > 0.0 else "charged from the grid for later"
        carbon = stored["carbon_kg"]["operational_location"]
        cost = f", {number(stored['cost']['energy'])} {stored['cost']['currency']}" if "cost" in stored else ""
        yield f"{label} (in the totals)", f"{number(kwh)} kWh, {mass(carbon)}{cost}"


def site_grid(summary: Mapping[str, Any]) -> Grid | None:
    """Each site of several in a row; None for a run at one site."""
    return grid(SITES, summary["sites"]) if "sites" in summary else None


def route_grid(summary: Mapping[str, Any]) -> Grid | None:
    """Each destination of each route: how much it served, and what its users saw; None without routes."""
    rows = []
    for name, route in summary.get("routes", {}).items():
        total = sum(route["requests"].values())
        for to, requests in route["requests"].items():
            ttft, e2e = route["ttft_s"].get(to), route["e2e_s"].get(to)
            rows.append(
                [
                    f"{name} to {to}",
                    f"{requests:,}",
                    f"{100 * requests / total:.1f} %" if total else "",
                    seconds(ttft) if ttft is not None else "",
                    seconds(e2e) if e2e is not None else "",
                ]
            )
    return (("route", "requests", "share", "TTFT to users", "E2E to users"), rows) if rows else None


def overhead_grid(summary: Mapping[str, Any]) -> Grid | None:
    """What the building adds, part by part; None where that is one number."""
    parts = summary["energy_kwh"]["overhead_by_component"]
    if set(parts) <= {"facility"}:
        return None
    it_kwh = summary["energy_kwh"]["it"]
    rows = [
        [name.replace("_", " "), f"{number(kwh)} kWh", f"{kwh / it_kwh:.4f}" if it_kwh else ""]
        for name, kwh in sorted(parts.items(), key=lambda part: -part[1])
    ]
    return ("the building", "energy", "of PUE"), rows


def limit_remarks(summary: Mapping[str, Any]) -> list[str]:
    """What was asked beyond a limit: when first, how long, how far."""
    remarks = []
    for limit in summary.get("limits_exceeded", ()):
        what = f"{limit['site']}: {limit['limit'].replace('_', ' ')} exceeded"
        when = f"first {seconds(limit['first_s'])} into the run, for {seconds(limit['seconds'])} in all"
        remarks.append(f"{what}, {when}; at most {number(limit['demand_kw'])} of {number(limit['limit_kw'])} kW.")
    return remarks
