"""The table of the GHG Protocol: scopes 1, 2 (by location and by market) and 3 by category, and the share matched in
its hour.

Scope 2 stands twice, as the Scope 2 Guidance (World Resources Institute, 2015) asks for; categories of scope 3 are
those of the Corporate Value Chain Standard (2011). A row without a number is outside the run and says so: it is not
zero. Items of scope 3 add up to its row. Beside a number stands its interval, where the run drew one; of embodied
carbon without draws, the range of the profiles' sources.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sim.exports import markdown
from sim.exports.run import Run, one_line
from sim.exports.sci import source_parts, sources
from sim.results.catalogue.quantity import value_in
from sim.results.formats import number

ALL = "all"
DEVICES, NETWORKS = "devices", "wan"
SUMMARY = "summary.json"
ENERGY_RELATED = "3 fuel- and energy-related activities"
END_OF_LIFE = "embodied_end_of_life"
ELSEWHERE = {
    "embodied_devices": ("11 use of sold products", "made, this run's share: devices"),
    "embodied_diesel": (ENERGY_RELATED, "making and moving the fuel burnt on site"),
    END_OF_LIFE: ("5 waste generated in operations", "end of life, this run's share"),
}
"""What the summary has among what was made and the standard elsewhere: its capital goods end at the gate."""


class Row(NamedTuple):
    """A line of the table. ``value`` is None where the run does not hold it, and ``note`` says why."""

    site: str
    scope: str
    category: str
    item: str
    value: float | None
    unit: str
    source: str
    note: str = ""
    p05: float | None = None
    p95: float | None = None


def rows(run: Run) -> list[Row]:
    """The whole table, in the order of the scopes."""
    rules = {rule.partition(":")[0]: rule for rule in run.summary["boundary"].get("market_based", ())}
    table = [
        *_scopes(ALL, run.summary, "", "; ".join(rules.values())),
        *_scope_3(run.summary),
        *_indicators(ALL, run.summary, ""),
        *_charged(ALL, run.summary, ""),
    ]
    if len(run.sites) > 1:
        for site, account in run.sites.items():
            at = f"sites.{site}."
            table += [*_scopes(site, account, at, rules.get(site, "")), *_indicators(site, account, at)]
            table += _charged(site, account, at)
    return [_with_interval(row, run) for row in table]


def _with_interval(row: Row, run: Run) -> Row:
    """A row with the 5th and 95th percentile of the result that it states, under whichever name, where the run drew
    it; scope 3 of a run without draws with what is embodied at either end of its sources' range, all else as it is.

    Draws are of all sites together, so that a row of one site has no percentiles.
    """
    if row.value is None:
        return row
    intervals = run.summary.get("intervals", {})
    for path in DRAWN if row.site == ALL else ():
        found = intervals.get(path)
        stated = row.source.startswith(f"{SUMMARY}: {path.partition('.')[0]}.")
        if found is not None and stated and value_in(run.summary, (*path.split("."),)) == row.value:
            return row._replace(p05=found["p05"], p95=found["p95"])
    if (row.scope, row.category) == ("3", "total") and not intervals:
        carbon = (run.summary if row.site == ALL else run.sites[row.site])["carbon_kg"]
        less, bounds = row.value - carbon["embodied"], carbon["embodied_range"]
        return row._replace(p05=less + bounds["low"], p95=less + bounds["high"])
    return row


def _scopes(site: str, account: Mapping[str, Any], at: str, rule: str) -> Iterator[Row]:
    """Scopes 1 and 2; ``rule`` says which factor stands in where a site does not say what it bought and others do."""
    scopes = account["carbon_kg"]["scopes"]
    where = f"{SUMMARY}: {at}carbon_kg.scopes"
    escaped, named, note = account["carbon_kg"].get("refrigerants"), f"{at}carbon_kg.refrigerants", ""
    partly = account.get("known_in_part", {}).get("carbon_kg.refrigerants")
    if partly is not None:
        escaped, named = partly["known"], 'known_in_part."carbon_kg.refrigerants".known'
        note = f"of {', '.join(partly['sites'])} alone: give {', '.join(partly['give'])}"
    elif escaped is None:
        note = "not known: give refrigerants of the site"
    less = f" - {named}" if escaped is not None else ""
    burnt = scopes["scope_1"] - (escaped or 0.0)
    yield Row(site, "1", "", "fuel burnt on site", burnt, "kg CO2e", f"{where}.scope_1{less}")
    source = f"{SUMMARY}: {named}" if escaped is not None else ""
    yield Row(site, "1", "", "refrigerants that escape", escaped, "kg CO2e", source, note)
    location = scopes["scope_2_location"]
    yield Row(site, "2", "location-based", "electricity", location, "kg CO2e", f"{where}.scope_2_location")
    market = scopes.get("scope_2_market")
    note = rule if market is not None else "not known: give grid.market of its site (residual mix and contracts)"
    source = f"{where}.scope_2_market" if market is not None else ""
    yield Row(site, "2", "market-based", "electricity", market, "kg CO2e", source, note)
    if site != ALL:
        yield Row(site, "3", "total", "", scopes["scope_3"], "kg CO2e", f"{where}.scope_3")


def _scope_3(summary: Mapping[str, Any]) -> Iterator[Row]:
    carbon = summary["carbon_kg"]
    where = f"{SUMMARY}: carbon_kg"
    parts = carbon["by_component"]
    goods = "1 purchased goods and services"
    if NETWORKS in parts:
        words = "electricity of networks outside the site"
        yield Row(ALL, "3", goods, words, parts[NETWORKS], "kg CO2e", f"{where}.by_component.{NETWORKS}")
    sold = "11 use of sold products"
    note = "not apart: in scope 2 where the grid's factors are life-cycle ones"
    made = [Row(ALL, "3", ENERGY_RELATED, "electricity, upstream of the grid", None, "kg CO2e", "", note)]
    for name, value in parts.items():
        if name.startswith("embodied_"):
            what = name.removeprefix("embodied_").replace("_", " ")
            category, item = ELSEWHERE.get(name, ("2 capital goods", f"made, this run's share: {what}"))
            made.append(Row(ALL, "3", category, item, value, "kg CO2e", f"{where}.by_component.{name}"))
    yield from sorted(made, key=lambda row: int(row.category.split()[0]))
    if DEVICES in parts:
        yield Row(
            ALL,
            "3",
            sold,
            "electricity of users' devices",
            parts[DEVICES],
            "kg CO2e",
            f"{where}.by_component.{DEVICES}",
        )
    outside = "4-10, 12-15" if END_OF_LIFE not in parts else "4, 6-10, 12-15"
    yield Row(ALL, "3", outside, "", None, "kg CO2e", "", "outside a data center's run")
    yield Row(ALL, "3", "total", "", carbon["scopes"]["scope_3"], "kg CO2e", f"{where}.scopes.scope_3")


DRAWN_FROM_GRID = "drawn from the grid"
DRAWN = (
    "carbon_kg.scopes.scope_1",
    "carbon_kg.refrigerants",
    "carbon_kg.scopes.scope_2_location",
    "carbon_kg.scopes.scope_2_market",
    "carbon_kg.scopes.scope_3",
    "carbon_kg.operational_location",
    "carbon_kg.operational_market",
    "carbon_kg.embodied",
    "energy_kwh.facility",
)
"""Results that may have an interval and stand in the table, some under another name."""
INDICATORS = (
    ("energy_kwh", "facility", "facility energy", "kWh"),
    ("energy_kwh", "grid_import", DRAWN_FROM_GRID, "kWh"),
    ("kpi", "cfe_24_7", "carbon-free in its very hour (hourly matching share)", "share"),
    ("kpi", "ref", "renewable, over the whole run", "share"),
)


def _indicators(site: str, account: Mapping[str, Any], at: str) -> Iterator[Row]:
    for part, name, item, unit in INDICATORS:
        value = account[part].get(name)
        if value is None and name == "grid_import":  # told apart only where there is a plant
            name, value = "facility", account[part]["facility"]
        note = (
            "" if value is not None else "not known: give what the site makes and buys (site.on_site, site.grid.market)"
        )
        yield Row(
            site, "", "beside the scopes", item, value, unit, f"{SUMMARY}: {at}{part}.{name}" if not note else "", note
        )
        if name in ("grid_import", "facility") and item == DRAWN_FROM_GRID and value:
            emitted = account["carbon_kg"]["scopes"]["scope_2_location"]
            factor = "carbon of a kWh drawn, by location, over the run"
            terms = f"{at}carbon_kg.scopes.scope_2_location / {at}{part}.{name}"
            yield Row(site, "", "beside the scopes", factor, emitted / value, "kg CO2e/kWh", f"{SUMMARY}: {terms}")


def _charged(site: str, account: Mapping[str, Any], at: str) -> Iterator[Row]:
    """What a price of carbon asks, where the scenario has one: no emission, and of the scopes that it names alone."""
    cost = account["cost"]
    if "carbon" in cost:
        item = f"price of carbon: {cost['carbon_basis']}"
        yield Row(site, "", "beside the scopes", item, cost["carbon"], cost["currency"], f"{SUMMARY}: {at}cost.carbon")


def as_csv(run: Run) -> str:
    """The table for programs: numbers in full, an empty cell where there is none."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(["" if cell is None else one_line(str(cell)) for cell in row] for row in rows(run))
    return text.getvalue()


def is_ours(path: Path) -> bool:
    """Whether a file begins as the table does."""
    with path.open(encoding="utf-8", newline="", errors="replace") as stream:
        try:
            return next(csv.reader(stream), None) == [*Row._fields]
        except csv.Error:
            return False


def as_markdown(run: Run) -> str:
    """The table for people, what is outside it, and what it rests on."""
    table = markdown.table(
        ("site", "scope", "category", "item", "amount", "p05 to p95", "note"),
        ((row.site, row.scope, row.category, row.item, _amount(row), _interval(row), row.note) for row in rows(run)),
    )
    outside = run.summary["boundary"]["not_modelled"]
    parts = [
        f"From {run.start} to {run.end}; by {markdown.inert(run.generator)}. Convention: "
        f"{markdown.inert(run.summary['boundary']['convention'])}.",
        table,
        _how_sure(run),
        *(["## Outside", markdown.items(outside)] if outside else []),
        *source_parts(sources(run)),
    ]
    return markdown.page(f"Greenhouse gases of {run.name}", parts)


def _how_sure(run: Run) -> str:
    """What the intervals are."""
    about = run.summary.get("uncertainty")
    if about is None:
        return (
            "The range of scope 3, in all and by site, is that of the profiles' sources, from their low to their high "
            "ends; all else has no interval until the scenario states an 'uncertainty'."
        )
    return (
        f"From p05 to p95 lie nine in ten of {about['draws']} draws of what the scenario holds for uncertain. Draws "
        "are of all sites together, and of no single category of scope 3: such rows have no interval."
    )


def _amount(row: Row) -> str:
    if row.value is None:
        return "-"
    return f"{100 * row.value:.1f} %" if row.unit == "share" else f"{number(row.value)} {row.unit}"


def _interval(row: Row) -> str:
    return f"{number(row.p05)} to {number(row.p95)}" if row.p05 is not None and row.p95 is not None else ""
