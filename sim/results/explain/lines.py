"""Sums over lines of the footprint as people would write them: an amount times a rate, group by group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sim.accounting.amortization import time_share
from sim.accounting.carbon_price import grams_due
from sim.accounting.footprint import Footprint, Part
from sim.accounting.ledger import Floats, Key
from sim.accounting.plan import AccountingPlan
from sim.accounting.stock import STORED
from sim.results.catalogue.origins import Origin
from sim.results.explain.formula import digits
from sim.results.explain.paths import Place
from sim.results.explain.run import Explained
from sim.results.summary import component_or_building
from sim.units import G_PER_KG, HOUR_NS, J_PER_KWH

MADE = "embodied_"
"""How components of embodied carbon begin in the footprint."""
OF_MAKING = ("embodied_g", "embodied_low_g", "embodied_high_g", "embodied_l", "credit_g")
ROUNDING = 1e-9
"""Of a term: what is left of it beside others and smaller is rounding."""
PER_UNIT = {"kWh": J_PER_KWH, "kg": G_PER_KG, "L": 1.0, "": 1.0}
"""What a line holds, J, g, L or currency, in units of the summary."""


@dataclass(frozen=True)
class Term:
    """A part of a sum: what it is, the numbers that are multiplied as text, and what they come to."""

    label: str
    product: str
    value: float


@dataclass(frozen=True, eq=False)
class Chosen:
    """The lines that a quantity sums: their numbers in the footprint, their values in units of the summary."""

    footprint: Footprint
    at: tuple[int, ...]
    values: tuple[float, ...]

    def about(self, i: int) -> tuple[Key, Part]:
        """What a line is about."""
        return self.footprint.labels.keys[i], self.footprint.labels.parts[i]

    def rows(self) -> list[tuple[int, Key, Part, float]]:
        """Each line with what it is about and its value."""
        return [(i, *self.about(i), value) for i, value in zip(self.at, self.values, strict=True)]


def chosen(run: Explained, place: Place, origin: Origin) -> Chosen:
    """The lines that a quantity is the sum of."""
    footprint = run.of(place.site)
    named: Mapping[str, Callable[[Key, Part], str]] = {
        "component": component_or_building if "energy_j" not in origin.columns else _component,
        "owner": lambda key, _part: key.owner,
        "state": lambda key, _part: key.state,
    }
    labels = footprint.labels
    per = PER_UNIT[place.quantity.unit]
    values = np.sum([footprint.column(name) for name in origin.columns], axis=0) / per
    found = [
        i
        for i, (key, part) in enumerate(zip(labels.keys, labels.parts, strict=True))
        if (not origin.part or part == origin.part)
        and (not origin.by or named[origin.by](key, part) == place.names[-1])
    ]
    return Chosen(footprint, tuple(found), tuple(values[found].tolist()))


def _component(key: Key, _part: Part) -> str:
    return key.component


def terms(run: Explained, place: Place, origin: Origin, lines: Chosen) -> list[Term]:
    """The sum group by group; all terms add up to the quantity."""
    if origin.columns == ("carbon_cost",):
        return _charged(run, place)
    groups: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for i, key, part, value in lines.rows():
        if value:
            groups.setdefault(_group(key, part, origin), []).append((i, value))
    unit = place.quantity.unit
    found: list[Term] = []
    for name, own in groups.items():
        rows, value = [i for i, _ in own], sum(v for _, v in own)
        emitted = _emitted_on_site(origin, lines.footprint, name, rows)
        found += emitted
        of_the_grid = value - sum(term.value for term in emitted)
        if not emitted or abs(of_the_grid) > ROUNDING * abs(value):
            found.append(_term(run, origin, lines.footprint, name, rows, of_the_grid, unit))
    return sorted(found, key=lambda term: -abs(term.value))


def _emitted_on_site(origin: Origin, footprint: Footprint, group: tuple[str, str], rows: Sequence[int]) -> list[Term]:
    """What of a site's operational carbon is not of its grid: fuel and refrigerants, each a term of its own."""
    kind, site = group
    if kind != "grid" or not {"operational_g", "market_g", "marginal_g", "scope1_g"} & {*origin.columns}:
        return []
    told = {"scope1_g": "fuel", "escaped_g": "refrigerants"}
    if "marginal_g" in origin.columns:  # which has no refrigerants
        told.pop("escaped_g")
    sums = {what: float(footprint.column(name)[list(rows)].sum()) / G_PER_KG for name, what in told.items()}
    return [Term(f"{site}: {what}", "", kg) for what, kg in sums.items() if kg]


def _charged(run: Explained, place: Place) -> list[Term]:
    """What a price of carbon asks at each site, scope by scope."""
    price, footprint = run.plan.carbon_price, run.of(place.site)
    assert price is not None  # or there were no cost of carbon
    found = []
    per_kg = price.per_g * G_PER_KG
    for scope, grams in grams_due(footprint, price).items():
        for site, lines in footprint.labels.of_site.items():
            kg = float(grams[lines].sum()) / G_PER_KG
            product = f"{digits(kg)} kg x {digits(per_kg)} {price.currency}/kg"
            found += [Term(f"{site}: scope {scope}", product, kg * per_kg)] if kg else []
    return sorted(found, key=lambda term: -abs(term.value))


def _group(key: Key, part: Part, origin: Origin) -> tuple[str, str]:
    """What is told as one term: parts of machines, of the building, the energy of a site, the making of a device."""
    if key.component.startswith(MADE):
        return "made", f"{key.component.removeprefix(MADE)}\0{key.hardware}"
    if origin.columns == ("energy_j",):
        what = f"{key.component} {key.state}" if origin.by == "component" and part == "it" else key.component
        return part, what
    if part in ("network", "devices") or key.component == STORED:
        return part, key.component
    return "grid", key.site


def _term(
    run: Explained,
    origin: Origin,
    footprint: Footprint,
    group: tuple[str, str],
    rows: Sequence[int],
    value: float,
    unit: str,
) -> Term:
    kind, name = group
    if kind == "made":
        return _making(run.plan, origin, name, value, unit, run.ledger.end_ns)
    sums = {
        column: float(footprint.column(column)[list(rows)].sum()) for column in ("energy_j", "import_j", "scope1_g")
    }
    if origin.columns == ("escaped_g",):
        return Term(f"{name}: refrigerants", "", value)
    if origin.columns == ("energy_j",):
        return _drawn(run, name, value)
    drawn = sums["import_j"] if kind == "grid" else sums["energy_j"]
    if origin.columns == ("onsite_l",):
        at_site = run.plan.sites[name]
        it_j = float(run.footprint.accounts[name].it_j.sum())
        if at_site.wue_l_per_j is not None and not origin.by:
            wue = value / (it_j / J_PER_KWH)
            return Term(f"{name}: cooling", f"{digits(it_j / J_PER_KWH)} kWh of IT x {digits(wue)} L/kWh", value)
        return Term(f"{name}: plant", "", value)
    if not drawn:
        return Term(f"{name}: fuel" if sums["scope1_g"] else name.replace("_", " "), "", value)
    kwh, per, rate_unit = drawn / J_PER_KWH, 1.0, f"{unit or 'money'}/kWh"
    if unit == "kg":
        per, rate_unit = G_PER_KG, "g/kWh"
    if origin.columns == ("import_j",):
        return Term(f"{name}: from the grid", "", value)
    what = "kWh from the grid" if kind == "grid" else "kWh"
    return Term(name.replace("_", " "), f"{digits(kwh)} {what} x {digits(value * per / kwh)} {rate_unit}", value)


def _drawn(run: Explained, name: str, kwh: float) -> Term:
    hours = run.ledger.end_ns / HOUR_NS
    return Term(name.replace("_", " "), f"{digits(kwh / hours)} kW x {digits(hours)} h", kwh)


def _making(plan: AccountingPlan, origin: Origin, name: str, value: float, unit: str, end_ns: int) -> Term:
    label, _, hardware = name.partition("\0")
    item = next((one for one in plan.embodied if (one.label, one.hardware) == (label, hardware)), None)
    plant = next((one for one in plan.plants if one.label == label), None) if item is None else None
    column = next((name for name in origin.columns if name in OF_MAKING), "embodied_g")
    whole = item if item is not None else plant
    if whole is None:
        return Term(f"making: {label.replace('_', ' ')}", "", value)
    made = {
        "embodied_low_g": whole.low_g,
        "embodied_high_g": whole.high_g,
        "embodied_l": (item.water_l or 0.0) if item is not None else 0.0,
        "credit_g": item.credit_g if item is not None else 0.0,
    }.get(column, whole.central_g) / PER_UNIT[unit]
    title = f"making: {label.replace('_', ' ')}{f' ({hardware})' if hardware else ''}"
    if not made:
        return Term(title, "", value)
    if plan.at_purchase:
        return Term(title, f"{digits(value / made)} bought x {digits(made)} {unit}", value)
    life_h = whole.lifetime_ns / HOUR_NS
    held_h = value / made * life_h
    if plant is not None:
        held_h = time_share(end_ns, whole.lifetime_ns) * life_h
        return Term(title, f"{digits(held_h)} h / {digits(life_h)} h x {digits(made)} {unit}", value)
    return Term(title, f"{digits(held_h)} device-h / {digits(life_h)} h x {digits(made)} {unit}", value)


def grid_notes(run: Explained, place: Place, origin: Origin) -> list[str]:
    """How what was drawn met a signal that varies: the signal's own mean and range beside what was paid for."""
    if origin.columns == ("market_g",):
        rules = run.summary["boundary"].get("market_based", [])
        return [rule for rule in rules if not place.site or rule.startswith(f"{place.site}: ")]
    quantity = next(
        (name for name in origin.columns if name in ("operational_g", "marginal_g", "cost", "offsite_l")), None
    )
    if quantity is None or origin.by:
        return []
    notes = []
    for name, site in run.plan.sites.items():
        signal = site.grid.per_joule.get(quantity)
        if signal is None or place.site not in ("", name):
            continue
        values = np.asarray(signal.on_bins(run.ledger.edges_ns)) * J_PER_KWH
        if values.max() > values.min():
            mean = _mean(values, run.ledger.edges_ns.astype(np.float64))
            notes.append(
                f"at {name} the series has a mean of {digits(mean)} and goes from {digits(float(values.min()))} to "
                f"{digits(float(values.max()))} per kWh: what is drawn when it is low counts less"
            )
    return notes


def _mean(values: Floats, edges: Floats) -> float:
    return float(np.average(values, weights=np.diff(edges)))
