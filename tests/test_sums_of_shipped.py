"""Every total of every scenario that ships is the sum of its parts: in the summary, in what is exported, on the page.

The scenarios are those that lie there: a new one is in this test without being named. Each runs for as short a time as
has everything in it.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

import sim
from sim.documents import read_document
from sim.errors import InputError, RunError
from sim.exports import codecarbon, ghg, impact, sci
from sim.exports.run import Run
from sim.profiles.catalog import shipped_folder
from sim.report.run import report
from sim.results.catalogue.quantity import value_in
from sim.results.files import read, write

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
NAMES = sorted(path.stem for path in SCENARIOS.glob("*.yaml"))
SHORT = "10 min"
"""Of those that say how long they run; work that ends by itself runs to its end."""
ROUNDING = 1e-9
Sum = tuple[str, float, list[float]]


@cache
def duration_of(name: str) -> str | None:
    """What a scenario, or the one it extends, says of its duration."""
    said = read_document(SCENARIOS / f"{name}.yaml").data
    above = said.get("extends")
    own: str | None = said.get("duration")
    return own if own is not None or above is None else duration_of(Path(above).stem)


@cache
def run_of(name: str) -> Run:
    """A short run of a shipped scenario, in a folder of its own."""
    shorter = {"duration": SHORT} if duration_of(name) is not None else {}
    try:
        results = sim.run(name, set=shorter)
    except (InputError, RunError):  # what is in it takes longer than that
        results = sim.run(name)
    folder = Path(mkdtemp(prefix="coldaisle-sums-")) / "run"
    write(results, folder)
    return Run(folder, read(folder))


def of_an_account(at: str, account: Mapping[str, Any]) -> Iterator[Sum]:
    """Energy, carbon, water and cost of a run or of one of its sites: each total with each way to add it up."""
    energy, carbon, water, cost = (account[part] for part in ("energy_kwh", "carbon_kg", "water_l", "cost"))
    for by in ("component", "workload", "state"):
        yield f"{at}energy_kwh.it by {by}", energy["it"], [*energy[f"by_{by}"].values()]
    yield f"{at}overhead", energy["facility_overhead"], [*energy["overhead_by_component"].values()]
    yield f"{at}energy_kwh.facility", energy["facility"], [energy["it"], energy["facility_overhead"]]
    scopes = carbon["scopes"]
    location = [scopes["scope_1"], scopes["scope_2_location"], scopes["scope_3"]]
    made = {name: kg for name, kg in carbon["by_component"].items() if name.startswith("embodied_")}
    yield f"{at}carbon_kg.total", carbon["total"], [carbon["operational_location"], carbon["embodied"]]
    yield f"{at}carbon_kg.total by scope", carbon["total"], location
    for by in ("component", "workload"):
        yield f"{at}carbon_kg.total by {by}", carbon["total"], [*carbon[f"by_{by}"].values()]
    yield f"{at}operational by state", carbon["operational_location"], [*carbon["operational_by_state"].values()]
    yield f"{at}embodied by component", carbon["embodied"], [*made.values()]
    yield f"{at}embodied by workload", carbon["embodied"], [*carbon["embodied_by_workload"].values()]
    yield f"{at}embodied at its centre", carbon["embodied"], [carbon["embodied_range"]["central"]]
    if "total_market" in carbon:
        market = [scopes["scope_1"], scopes["scope_2_market"], scopes["scope_3"]]
        yield f"{at}total_market", carbon["total_market"], [carbon["operational_market"], carbon["embodied"]]
        yield f"{at}total_market by scope", carbon["total_market"], market
    if "total" in water:
        yield f"{at}water_l.total", water["total"], [water["onsite"], water["offsite"]]
    if "onsite_by_use" in water:
        yield f"{at}water_l.onsite by use", water["onsite"], [*water["onsite_by_use"].values()]
    if "total" in cost:
        yield f"{at}cost.total", cost["total"], [cost["energy"], cost["carbon"]]
    if "carbon" in cost:
        yield f"{at}cost.carbon by scope", cost["carbon"], [*cost["carbon_by_scope"].values()]


OVER_SITES = (
    "energy_kwh.it", "energy_kwh.facility", "energy_kwh.grid_import", "carbon_kg.operational_location",
    "carbon_kg.operational_market", "carbon_kg.marginal_effect", "carbon_kg.embodied", "carbon_kg.total",
    "carbon_kg.total_market", "carbon_kg.scopes.scope_1", "carbon_kg.scopes.scope_2_location",
    "carbon_kg.scopes.scope_2_market", "carbon_kg.scopes.scope_3", "water_l.onsite", "water_l.offsite",
    "water_l.total", "water_l.scarcity_weighted", "cost.energy", "cost.carbon", "cost.total",
)  # fmt: skip
ANSWERED = {
    "energy_kwh": ("energy_kwh.facility", "energy_kwh.network", "energy_kwh.devices"),
    "operational_kg": ("carbon_kg.operational_location",),
    "operational_market_kg": ("carbon_kg.operational_market",),
    "embodied_kg": ("carbon_kg.embodied",),
    "carbon_kg": ("carbon_kg.total",),
    "onsite_l": ("water_l.onsite",),
    "offsite_l": ("water_l.offsite",),
    "cost": ("cost.energy",),
    "carbon_cost": ("cost.carbon",),
}


def at(tree: Any, path: str) -> Any:
    return value_in(tree, (*path.split("."),))


def of_a_summary(summary: Mapping[str, Any]) -> Iterator[Sum]:
    """All sums of a run."""
    yield from of_an_account("", summary)
    sites = summary.get("sites", {})
    for name, account in sites.items():
        yield from of_an_account(f"sites.{name}.", account)
    for path in OVER_SITES if sites else ():
        parts = [at(account, path) for account in sites.values()]
        if at(summary, path) is not None:
            yield f"{path} over sites", at(summary, path), [part or 0.0 for part in parts]
        else:
            assert None in parts, path  # known of each, and no total of it
    shares = summary.get("attribution", {})
    for name, paths in ANSWERED.items() if shares else ():
        whole = sum(at(summary, path) or 0.0 for path in paths)
        for word in ("workload", "user", "account", "queue"):
            rows = [*shares[f"by_{word}"], shares["unallocated"]]
            if all(name in row for row in rows):
                yield f"attribution.{name} by {word}", whole, [row[name] for row in rows]
    if "project" in summary:
        project = summary["project"]
        rows = [*project["phases"].values(), project["unallocated"]]
        for name in ("energy_kwh", "carbon_kg"):
            yield f"project.{name}", project[name], [row[name] for row in rows]
        yield "project.carbon_kg", project["carbon_kg"], [summary["carbon_kg"]["total"]]
    for side in ("counted", "physical") if "convention" in summary else ():
        told = summary["convention"][side]
        yield f"convention.{side}", told["total_kg"], [told["operational_kg"], told["embodied_kg"]]


def hold(sums: Iterator[Sum]) -> int:
    """All of them; how many there were."""
    count = 0
    for name, total, parts in sums:
        scale = max(map(abs, [total, *parts]), default=0.0)
        assert math.fsum(parts) == pytest.approx(total, rel=ROUNDING, abs=ROUNDING * scale), name
        count += 1
    return count


def of_exports(run: Run) -> Iterator[Sum]:
    """What other tools add up, each against the summary."""
    energy, carbon = run.summary["energy_kwh"], run.summary["carbon_kg"]
    table = ghg.rows(run)
    ours = [row for row in table if row.site == ghg.ALL]
    made = [row.value for row in ours if row.scope == "3" and row.category != "total" and row.value is not None]
    yield "ghg: items of scope 3", carbon["scopes"]["scope_3"], made
    counted = [
        row.value for row in ours if row.category in ("location-based",) or (row.scope, row.item[:4]) == ("1", "fuel")
    ]
    (scope_3,) = (row.value for row in ours if (row.scope, row.category) == ("3", "total"))
    yield "ghg: scopes", carbon["total"], [*filter(None, counted), scope_3 or 0.0]
    for category in ("location-based", "market-based") if len(run.sites) > 1 else ():
        (whole,) = (row.value for row in ours if row.category == category)
        if whole is not None:
            parts = [row.value or 0.0 for row in table if row.site != ghg.ALL and row.category == category]
            yield f"ghg: {category} over sites", whole, parts
    rows = list(csv.DictReader(io.StringIO(codecarbon.emissions_csv(run))))
    elsewhere = [carbon["by_component"].get(name, 0.0) for name in codecarbon.OUTSIDE]
    operational = carbon["operational_location"]
    yield "codecarbon: emissions", operational, [*(float(row["emissions"]) for row in rows), *elsewhere]
    yield "codecarbon: energy", energy["it"], [float(row["energy_consumed"]) for row in rows]
    water = [float(row["water_consumed"]) for row in rows if row["water_consumed"]]
    if "onsite" in run.summary["water_l"]:
        yield "codecarbon: water", run.summary["water_l"]["onsite"], water
    seen = [one for site in impact.manifest(run)["tree"]["children"].values() for one in site["children"].values()]
    drawn, emitted, held, on_site = [], [], [], []
    for (observed,) in (one["inputs"] for one in seen):
        kwh = observed["energy-it"] * observed["pue"] if "pue" in observed else observed["energy"]
        drawn.append(kwh)
        emitted.append(kwh * observed["grid/carbon-intensity"] if "pue" in observed else observed["carbon-operational"])
        held.append(observed["carbon-embodied"])
        on_site.append(observed["energy-it"] * observed["wue"] if "wue" in observed else 0.0)
    yield "impact: operational", operational * 1e3, emitted
    yield "impact: embodied", carbon["embodied"] * 1e3, held
    if "onsite" in run.summary["water_l"]:
        yield "impact: water", run.summary["water_l"]["onsite"], on_site
    if not any(site["energy_kwh"]["it"] == 0.0 for site in run.sites.values()):
        yield "impact: energy", energy["facility"], drawn
    if run.summary["kpi"].get("sci_g_per_unit"):
        terms = sci.statement(run)["terms"]
        yield "sci", carbon["total"] * 1e3, [terms["E_kwh"] * terms["I_g_per_kwh"], terms["M_g"]]
        yield "sci per unit", run.summary["kpi"]["sci_g_per_unit"] * terms["R_units"], [
            terms["E_times_I_g"], terms["M_g"],
        ]  # fmt: skip


NUMBER = re.compile(r'<data value="([^"]+)" data-path="([^"]+)"')


@pytest.mark.parametrize("name", NAMES)
def test_every_total_is_the_sum_of_its_parts(name: str) -> None:
    run = run_of(name)
    assert hold(of_a_summary(run.summary)) >= 13
    assert hold(of_exports(run)) >= 7
    page = report(run.results, folder=str(run.folder))
    told = NUMBER.findall(page)
    assert len(told) >= 2
    for value, path in told:
        assert float(value) == at(run.summary, path), path
    low, high = (f"{run.summary['carbon_kg']['embodied_range'][end]}" for end in ("low", "high"))
    assert float(low) <= run.summary["carbon_kg"]["embodied"] <= float(high)


def test_the_scenarios_find_themselves() -> None:
    """Those that ship are those of this folder, so that none is left out."""
    assert len(NAMES) >= 35
    assert shipped_folder("scenarios").resolve().samefile(SCENARIOS)
