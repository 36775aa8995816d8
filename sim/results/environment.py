"""What a run comes to beyond the building: the accounts side by side, each site, the limits met. For every output.

Each grid is a header and rows of text; the terminal and the page draw them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sim.results.formats import Grid, mass, number, seconds

CARBON = (
    ("operational_location", "operational carbon (location-based)"),
    ("operational_market", "operational carbon (market-based)"),
    ("marginal_effect", "marginal effect of the load"),
)
WATER = (
    ("onsite", "on-site water"),
    ("offsite", "off-site water (consumed)"),
    ("offsite_withdrawal", "off-site water (withdrawn)"),
    ("embodied", "embodied water (withdrawn for GPU dies)"),
    ("scarcity_weighted", "water, weighed by scarcity"),
)
ENERGY = (
    ("network", "drawn by networks between sites"),
    ("on_site_pv", "made by the sun"),
    ("on_site_wind", "made by the wind"),
    ("on_site_consumed", "of it consumed here"),
    ("battery_discharged", "out of the battery"),
    ("battery_losses", "lost in the battery"),
    ("on_site_diesel", "from the diesel generators"),
    ("curtailed", "curtailed"),
    ("grid_import", "drawn from the grid"),
    ("grid_export", "fed into the grid"),
    ("unserved", "not served at all"),
)
SHARES = (
    ("ref", "REF (renewable share)"),
    ("cfe_24_7", "CFE 24/7 (carbon-free in its hour)"),
    ("erf", "ERF (reused share)"),
)


def account_rows(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Carbon, water, cost and indicators, a label and a value each; what was not modelled has no row."""
    energy, carbon, kpi = summary["energy_kwh"], summary["carbon_kg"], summary["kpi"]
    water, bounds = summary.get("water_l", {}), carbon["embodied_range"]
    for name, label in ENERGY:
        if name in energy:
            yield label, f"{number(energy[name])} kWh"
    yield from _stored_rows(summary)
    for name, label in CARBON:
        if name in carbon:
            yield label, mass(carbon[name])
    spread = f" ({mass(bounds['low'])} to {mass(bounds['high'])})" if bounds["low"] != bounds["high"] else ""
    yield "embodied carbon", f"{mass(carbon['embodied'])}{spread}"
    if "recycling_credit_not_deducted" in carbon:
        yield "spared others by recycling (not deducted)", mass(carbon["recycling_credit_not_deducted"])
    if carbon["scopes"]["scope_1"]:
        yield "of it burnt on site (scope 1)", mass(carbon["scopes"]["scope_1"])
    for name, label in WATER:
        if name in water:
            yield label, f"{number(water[name])} L"
    if summary.get("cost"):
        yield "energy cost", f"{number(summary['cost']['energy'])} {summary['cost']['currency']}"
    for currency, paid in summary.get("egress_cost", {}).items():
        yield "egress cost", f"{number(paid)} {currency}"
    if "pue" in kpi:
        yield "PUE, CUE", f"{kpi['pue']:.3g}, {kpi['cue_kg_per_kwh']:.3g} kg/kWh"
    if "wue_l_per_kwh" in kpi:
        source = f", {kpi['wue_source_l_per_kwh']:.3g} L/kWh" if "wue_source_l_per_kwh" in kpi else ""
        yield f"WUE{', WUE_source' if source else ''}", f"{kpi['wue_l_per_kwh']:.3g} L/kWh{source}"
    for name, label in SHARES:
        if name in kpi:
            yield label, f"{100 * kpi[name]:.1f} %"
    if "sci_unit" in kpi:
        grams = kpi["sci_g_per_unit"]
        per_unit = mass(grams / 1000) if grams >= 1000 else f"{number(grams)} g"
        yield "SCI", f"{per_unit} per {kpi['sci_unit']}"


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
    if "sites" not in summary:
        return None
    rows = []
    for name, site in summary["sites"].items():
        pue = f"{site['kpi']['pue']:.3g}" if "pue" in site["kpi"] else ""
        water = site.get("water_l", {})
        rows.append(
            [
                name,
                f"{number(site['energy_kwh']['it'])} kWh",
                pue,
                mass(site["carbon_kg"]["operational_location"]),
                mass(site["carbon_kg"]["embodied"]),
                f"{number(water['onsite'])} L" if "onsite" in water else "",
                f"{number(water['offsite'])} L" if "offsite" in water else "",
            ]
        )
    return ("site", "IT energy", "PUE", "operational", "embodied", "water", "off-site"), rows


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
