"""The answer before anything else: one sentence and four numbers, as the summary has them, with their intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from sim.accounting.conventions import UNALLOCATED
from sim.report.parts import exact, text_of_prose
from sim.report.sure import Sure
from sim.results.catalogue.quantity import value_in
from sim.results.environment import in_part, label_of
from sim.results.formats import HOUR_S, gram_mass, hours, number, share
from sim.results.model_error import per_it_kwh
from sim.results.results import Results
from sim.results.work import units_done
from sim.units import G_PER_KG, J_PER_KWH

ENERGY, CARBON, COST = "energy_kwh.facility", "carbon_kg.total", "cost.energy"
COSTS = {"cost.total": "Cost of energy and carbon", COST: "Cost of energy", "cost.carbon": "Cost of carbon"}
"""What a run costs, by what of it is priced: the first that is there."""
WATER, PER_UNIT = "water_l.total", "kpi.sci_g_per_unit"
"""What every page tells first, as paths of the summary: the four numbers, and carbon per unit of work."""
WATER_WORDS = {
    "water_l.onsite": "on site",
    "water_l.offsite": "where electricity is made",
    "water_l.embodied": "embodied in hardware",
}
OUTSIDE = "the scenario's own values lie outside the ranges that it states for them"
DAY_S, LONG_DAYS = 24 * HOUR_S, 3.0
WH_PER_KWH, ML_PER_L = 1000.0, 1000.0
MWH_FROM_KWH, GWH_FROM_KWH = 1e4, 1e7


def energy(kwh: float) -> str:
    """J, Wh, kWh, MWh or GWh, as the amount has it.

    >>> energy(206.3), energy(689842.1), energy(0.0002)
    ('206.3 kWh', '689.8 MWh', '720.0 J')
    """
    size = abs(kwh)
    if size >= GWH_FROM_KWH:
        return f"{number(kwh / 1e6)} GWh"
    if size >= MWH_FROM_KWH:
        return f"{number(kwh / 1e3)} MWh"
    if size >= 1.0 or size == 0.0:
        return f"{number(kwh)} kWh"
    return f"{number(kwh * WH_PER_KWH)} Wh" if size >= 1e-3 else f"{number(kwh * J_PER_KWH)} J"


def volume(litres: float) -> str:
    """mL, L or m³.

    >>> volume(181.6), volume(0.0021), volume(12000.0)
    ('181.6 L', '2.1 mL', '12.00 m³')
    """
    if abs(litres) >= 1e4:
        return f"{number(litres / 1000.0)} m³"
    return f"{number(litres)} L" if abs(litres) >= 1.0 or litres == 0.0 else f"{number(litres * ML_PER_L)} mL"


def carbon_mass(kg: float) -> str:
    """g, kg or t, as the amount has it.

    >>> carbon_mass(0.0004255), carbon_mass(44.25), carbon_mass(50520.0)
    ('0.4255 g', '44.25 kg', '50.52 t')
    """
    return gram_mass(kg * G_PER_KG)


OUTSIDE_PARTS = {"devices": "users' devices", "network": "networks"}


def outside(summary: Mapping[str, Any]) -> dict[str, float]:
    """kWh that were drawn neither by IT nor by the building, by what drew them; their carbon is in the total."""
    kwh = summary["energy_kwh"]
    return {words: kwh[part] for part, words in OUTSIDE_PARTS.items() if kwh.get(part)}


def units_of_work(summary: Mapping[str, Any]) -> tuple[float, str] | None:
    """How many functional units the run did, and what one is; None where it has none, or is one itself."""
    done = units_done(summary)
    return (done, str(summary["kpi"]["sci_unit"])) if done and done != 1.0 else None


def water_path(summary: Mapping[str, Any]) -> str | None:
    """Where the summary has its water: the total, or the one kind that is modelled."""
    there = [name for name, value in (summary.get("water_l") or {}).items() if isinstance(value, int | float)]
    if not there:
        return None
    return f"water_l.{'total' if 'total' in there else there[0]}"


class Big(NamedTuple):
    """One of the four numbers: its title, where the summary has it, and how amounts of it are written."""

    title: str
    path: str
    shown: Callable[[float], str]


def big(summary: Mapping[str, Any]) -> list[Big]:
    """The four numbers, without those that are not modelled."""
    told = [Big("Energy of the facility", ENERGY, energy), Big(f"Carbon, CO2e{_method(summary)}", CARBON, carbon_mass)]
    water, cost = water_path(summary), summary.get("cost") or {}
    if water is not None:
        told.append(Big("Water" if water == WATER else f"Water, {WATER_WORDS.get(water, water)}", water, volume))
    if cost:
        path = cost_path(summary)
        told.append(Big(COSTS[path], path, lambda value: money(summary, value)))
    return told


def cost_path(summary: Mapping[str, Any]) -> str:
    """Where the summary has what all that is priced costs; that of energy, where nothing is."""
    return next((path for path in COSTS if path.partition(".")[2] in (summary.get("cost") or {})), COST)


def money(summary: Mapping[str, Any], amount: float) -> str:
    """An amount in the currency of a run's costs."""
    return f"{number(amount)} {summary['cost']['currency']}"


def numbers(results: Results, drawn: Mapping[str, Any] | None = None, folder: str = "DIR") -> str:
    """The four numbers as HTML, how sure they are, and what it takes to be; ``drawn`` as ``Sure`` has it."""
    summary, sure = results.summary, Sure.of(results, drawn)
    carbon, work, water = summary["carbon_kg"], units_of_work(summary), water_path(summary)
    remarks = {
        ENERGY: _it_and_outside(summary),
        CARBON: f"operational {carbon_mass(carbon['operational_location'])}, "
        f"embodied {carbon_mass(carbon['embodied'])}{_by_market(carbon)}",
    }
    if water is not None:
        remarks[water] = "; ".join(filter(None, [_kinds_of_water(summary), _partly(summary, "water_l")]))
    costs = summary.get("cost") or {}
    if costs:
        remarks[cost_path(summary)] = _partly(summary, "cost")
    if "carbon" in costs:
        energy_too = ""
        if "energy" in costs:
            energy_too = f"energy {money(summary, costs['energy'])}, carbon {money(summary, costs['carbon'])}: "
        said = f"{energy_too}{costs['carbon_basis']}"
        remarks[cost_path(summary)] = "; ".join(filter(None, [said, _partly(summary, "cost")]))
    boxes = {one.path: _box(summary, one, work, remarks.get(one.path, ""), sure) for one in big(summary)}
    missing = {
        water or WATER: _absent(
            "Water", _partly(summary, "water_l") or "Give site.water.wue or a plant, and site.water.ewif."
        ),
        cost_path(summary): _absent("Cost of energy", _partly(summary, "cost") or "Give site.grid.price."),
    }
    told = "".join(({ENERGY: "", CARBON: ""} | missing | boxes).values())
    return f'<dl class="big">{told}</dl>{sure.below(folder)}'


def _method(summary: Mapping[str, Any]) -> str:
    """By which of two methods the large number is told, where both are known."""
    return ", location-based" if "total_market" in summary["carbon_kg"] else ""


def _by_market(carbon: Mapping[str, Any]) -> str:
    """The other total, where it is known: by what was bought."""
    return f"; {carbon_mass(carbon['total_market'])} in all market-based" if "total_market" in carbon else ""


def _it_and_outside(summary: Mapping[str, Any]) -> str:
    beside = ", ".join(f"{words} {energy(kwh)}" for words, kwh in outside(summary).items())
    return f"IT {energy(summary['energy_kwh']['it'])}{f'; outside: {beside}' if beside else ''}"


def _kinds_of_water(summary: Mapping[str, Any]) -> str:
    parts = [
        f"{WATER_WORDS.get(f'water_l.{name}', name.replace('_', ' '))} {volume(value)}"
        for name, value in summary["water_l"].items()
        if name != "total" and isinstance(value, int | float)
    ]
    return ", ".join(parts) if len(parts) > 1 else ""


def _box(summary: Mapping[str, Any], one: Big, work: tuple[float, str] | None, remark: str, sure: Sure) -> str:
    value = float(value_in(summary, (*one.path.split("."),)))
    lines = [_interval(summary, one, sure), _with_models(summary, one, sure), remark]
    if work is not None:
        units, unit = work
        # of grams a functional unit is the very number that the summary states
        each = gram_mass(summary["kpi"]["sci_g_per_unit"]) if one.path == CARBON else one.shown(value / units)
        lines.insert(0, f"{each} per {unit}")
    said = "".join(f'<dd class="note">{text_of_prose(line)}</dd>' for line in lines if line)
    shown = exact(value, one.shown(value), one.path)
    return f'<div><dt>{text_of_prose(one.title)}</dt><dd class="value">{shown}</dd>{said}</div>'


def _interval(summary: Mapping[str, Any], one: Big, sure: Sure) -> str:
    found = sure.intervals.get(one.path)
    if found is not None and found["p05"] == found["p95"]:
        return f"no interval: nothing that was drawn moves it; {sure.needs(one.path).partition(': ')[2]}"
    if found is not None:
        said = f"{one.shown(found['p05'])} to {one.shown(found['p95'])} ({sure.basis()})"
        inside = found["p05"] <= value_in(summary, (*one.path.split("."),)) <= found["p95"]
        return said if inside or sure.asked else f"{said}; {OUTSIDE}"
    if one.path == CARBON:
        carbon = summary["carbon_kg"]
        low, high = (carbon["operational_location"] + carbon["embodied_range"][end] for end in ("low", "high"))
        if low != high:
            return f"{carbon_mass(low)} to {carbon_mass(high)} over the range of embodied carbon alone"
    return sure.needs(one.path)


def _with_models(summary: Mapping[str, Any], one: Big, sure: Sure) -> str:
    """The interval with the models' own error, which moves all that follows from IT energy: not what is embodied."""
    value = float(value_in(summary, (*one.path.split("."),)))
    ends = sure.with_models(one.path, value, per_it_kwh(summary, one.path))
    if ends is None:
        return ""
    return f"{one.shown(ends[0])} to {one.shown(ends[1])} with the models' error ({100 * sure.models.chance:.0f} %)"


def _partly(summary: Mapping[str, Any], part: str) -> str:
    """What is known of totals that some sites lack a number for, and what these lack."""
    known = (summary.get("known_in_part") or {}).items()
    told = [
        f"{label_of(path)} {in_part(one)} at {', '.join(one['sites'])} alone: give {', '.join(one['give'])}"
        for path, one in known
        if path.partition(".")[0] == part
    ]
    return "; ".join(told)


def _absent(what: str, remark: str) -> str:
    said = f'<dd class="note">{text_of_prose(remark)}</dd>'
    return f'<div><dt>{what}</dt><dd class="value absent">not modelled</dd>{said}</div>'


def sentence(results: Results) -> str:
    """What the run came to, in a sentence or two of plain text."""
    summary = results.summary
    carbon, kwh = summary["carbon_kg"], summary["energy_kwh"]
    took = _span(summary["simulated_s"])
    beside = outside(summary)
    used = energy(kwh["facility"])
    if beside:
        used += f" in the data center and {energy(sum(beside.values()))} outside it ({' and '.join(beside)})"
    said = f"In {took}, this used {used} and caused {carbon_mass(carbon['total'])} of CO2e"
    if carbon["total"] > 0.0 and carbon["embodied"] >= 0.0:
        said += f" ({share(carbon['embodied'], carbon['total'])} of it from making the hardware)"
    work = units_of_work(summary)
    if work is not None:
        units, unit = work
        each = gram_mass(summary["kpi"]["sci_g_per_unit"])
        said += f", which is {each} of CO2e and {energy((kwh['facility'] + sum(beside.values())) / units)} per {unit}"
    own = _own_share(results) if work is not None else ""
    idle = kwh["by_workload"].get(UNALLOCATED, 0.0)
    tail = f" {share(idle, kwh['it'])} of the IT energy went to machines that nobody held." if idle > 0.0 else ""
    return f"{said}.{own}{tail}"


def _own_share(results: Results) -> str:
    """Of a run with other work beside that of the functional unit, which bears all of it: what its own work took."""
    stated = results.scenario["accounting"].get("functional_unit") or {}
    of, kwh = stated.get("of"), results.summary["energy_kwh"]
    others = sum(used for owner, used in kwh["by_workload"].items() if owner not in (of, UNALLOCATED))
    if of not in kwh["by_workload"] or not others > 0.0:
        return ""
    own = share(kwh["by_workload"][of], kwh["it"])
    return f" Such a unit bears the whole run here; {of} itself took {own} of the IT energy."


def _span(seconds: float) -> str:
    days = seconds / DAY_S
    if days >= LONG_DAYS:
        return f"{days:,.3g} days" if days < 1000 else f"{days:,.0f} days"
    return f"{seconds / HOUR_S:.3g} h" if seconds >= HOUR_S else hours(seconds)
