"""What a run comes to beyond the building: the accounts side by side, each site, the limits met. For every output.

Each grid is a header and rows of text; the terminal and the page draw them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sim.results.catalogue import ACCOUNTS, Quantity, columns_of, grid, quantity_at
from sim.results.catalogue.accounts import SITES
from sim.results.catalogue.activity import ROUTES
from sim.results.catalogue.quantity import FORMS, value_in
from sim.results.formats import Grid, kilowatt_hours, mass, number, seconds, share


def account_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Carbon, water, cost and indicators, a label and a value each; what was not modelled has no row."""
    for table in ACCOUNTS:
        rows: list[tuple[str, str]] = []
        for one in table.quantities:
            for text in _texts(summary, one) if one.in_account else ():
                if one.beside and rows:
                    label, before = rows.pop()
                    rows.append((f"{label}, {one.in_account}", f"{before}, {text}"))
                else:
                    rows.append((one.in_account, text))
        yield from rows
        if table.path == "stored_energy":
            yield from _stored_rows(summary)
        if table.path == "known_in_part.*":
            yield from _known_rows(summary)


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
    yield (
        "held in the battery, start and end",
        " and ".join(kilowatt_hours(stored[end]) for end in ("start_kwh", "end_kwh")),
    )
    kwh = stored["grid_kwh"]
    if kwh:
        label = "refilling what was drawn from it" if kwh > 0.0 else "charged from the grid for later"
        carbon = stored["carbon_kg"]["operational_location"]
        cost = f", {number(stored['cost']['energy'])} {stored['cost']['currency']}" if "cost" in stored else ""
        yield f"{label} (in the totals)", f"{kilowatt_hours(kwh)}, {mass(carbon)}{cost}"


def _known_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Of totals that some sites lack a number for: what the others came to, and what is missing where."""
    for path, part in (summary.get("known_in_part") or {}).items():
        yield f"{label_of(path)} of {', '.join(part['sites'])} alone", in_part(part)
        lacks = f"{', '.join(part['lacking'])} lack{'s' if len(part['lacking']) == 1 else ''} it"
        yield f"  no total: {lacks}", f"give {part['give'][0]}{' and so on' if len(part['give']) > 1 else ''}"


def label_of(path: str) -> str:
    """What people call a quantity of the summary."""
    quantity = quantity_at(path)
    return quantity.label if quantity is not None else path


def in_part(part: Mapping[str, Any]) -> str:
    """What is known of a total, in its unit."""
    return FORMS.get(part["unit"], lambda value: f"{number(value)} {part['unit']}")(part["known"])


def component_grid(
    summary: Mapping[str, Any], names: Sequence[str]
) -> tuple[Sequence[str], list[list[str]], list[str]]:
    """Energy and carbon of some components and their shares of the whole: a header, rows, and the row of the total."""
    energy, carbon = summary["energy_kwh"], summary["carbon_kg"]
    of_each = {**energy["by_component"], "facility": energy["facility_overhead"]}
    rows = []
    for name in names:
        kwh, kg = of_each.get(name), carbon["by_component"].get(name, 0.0)
        drawn = ["", ""] if kwh is None else [kilowatt_hours(kwh), share(kwh, energy["facility"])]
        rows.append([name.replace("_", " "), *drawn, mass(kg), share(kg, carbon["total"])])
    whole = "total (location-based)" if "total_market" in carbon else "total"
    total = [whole, kilowatt_hours(energy["facility"]), "", mass(carbon["total"]), ""]
    return ("component", "energy", "share", "carbon", "share"), rows, total


def workload_grid(summary: Mapping[str, Any]) -> Grid:
    """Whom energy and carbon are for."""
    carbon, energy = summary["carbon_kg"], summary["energy_kwh"]["by_workload"]
    rows = [
        [name, kilowatt_hours(energy.get(name, 0.0)), mass(kg), mass(carbon["embodied_by_workload"].get(name, 0.0))]
        for name, kg in carbon["by_workload"].items()
    ]
    return ("workload", "IT energy", "carbon", "of it embodied"), rows


def site_grids(summary: Mapping[str, Any]) -> list[Grid]:
    """The building part by part, where it is not one number; each site of several; where routes lead."""
    sites = [grid(SITES, summary["sites"])] if "sites" in summary else []
    return [*_overhead_grid(summary), *sites, *_route_grid(summary)]


def _route_grid(summary: Mapping[str, Any]) -> Iterator[Grid]:
    """Each destination of each route: how much it served, and what its users saw."""
    there = columns_of(ROUTES)
    rows = []
    for name, route in summary.get("routes", {}).items():
        total = sum(route["requests"].values())
        for to, requests in route["requests"].items():
            cells = [one.told(value_in(route, (*one.keys[:-1], to))) for _, one in there]
            rows.append([f"{name} to {to}", cells[0], share(requests, total), *cells[1:]])
    heads = [head for head, _ in there]
    if rows:
        yield (ROUTES, heads[0], "share", *heads[1:]), rows


def _overhead_grid(summary: Mapping[str, Any]) -> Iterator[Grid]:
    """What the building adds, part by part."""
    parts, it_kwh = summary["energy_kwh"]["overhead_by_component"], summary["energy_kwh"]["it"]
    rows = [
        [name.replace("_", " "), kilowatt_hours(kwh), f"{kwh / it_kwh:.4f}" if it_kwh else ""]
        for name, kwh in sorted(parts.items(), key=lambda part: -part[1])
    ]
    if not set(parts) <= {"facility"}:
        yield ("the building", "energy", "of PUE"), rows


def limit_remarks(summary: Mapping[str, Any]) -> list[str]:
    """What was asked beyond a limit: when first, how long, how far."""
    remarks = []
    for limit in summary.get("limits_exceeded", ()):
        what = f"{limit['site']}: {limit['limit'].replace('_', ' ')} exceeded"
        when = f"first {seconds(limit['first_s'])} into the run, for {seconds(limit['seconds'])} in all"
        remarks.append(f"{what}, {when}; at most {number(limit['demand_kw'])} of {number(limit['limit_kw'])} kW.")
    return remarks
