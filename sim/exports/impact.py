"""A manifest of the Green Software Foundation's Impact Framework (``@grnsft/if`` 1.x), for its ``if-run`` to compute.

A component for every workload at every site, with one observation over the whole run: its IT energy, the PUE of its
site, the carbon that a kWh of its had by location, its embodied carbon and its share of on-site water. Plugins that
come with the framework multiply and add them; what its tree adds up to is what ``summary.json`` says, but for the last
digits of floating point. Change an input, such as ``grid/carbon-intensity``, and run it again.

Every observation has the functional units of the whole run, so that the SCI of components add up to that of the run.
One observation each: over several, the framework takes the plain mean of SCI and not carbon over units.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.exports.run import Run, Share, one_line
from sim.results.files import to_yaml
from sim.units import G_PER_KG

MARK = "# written by coldaisle export"
SUM = {"time": "sum", "component": "sum"}
COPY = {"time": "copy", "component": "copy"}
UNITS = {
    "energy-it": ("energy of IT equipment", "kWh"),
    "pue": ("facility energy over IT energy of the site", "none"),
    "energy": ("energy of the facility", "kWh"),
    "grid/carbon-intensity": ("carbon of a kWh, by location, where and when it was drawn", "gCO2e/kWh"),
    "carbon-operational": ("operational carbon, by location", "gCO2e"),
    "carbon-embodied": ("embodied carbon, the run's share of lifetimes", "gCO2e"),
    "carbon": ("operational and embodied carbon", "gCO2e"),
    "wue": ("litres of on-site water per kWh of IT energy", "L/kWh"),
    "water-onsite": ("on-site water", "L"),
}
RATES = ("pue", "grid/carbon-intensity", "wue")


def manifest(run: Run) -> dict[str, Any]:
    """The manifest as plain data."""
    sci = bool(run.summary["kpi"].get("sci_g_per_unit"))
    wet = "onsite" in run.summary["water_l"]  # of all; a component of a site that tells its own has it in any case
    some = any("onsite" in account["water_l"] for account in run.sites.values())
    tree: dict[str, Any] = {}
    for site, account in run.sites.items():
        shares = [share for share in run.shares if share.site == site]
        own = "onsite" in account["water_l"]
        children = {one_line(share.workload): _component(run, share, account, sci=sci, wet=own) for share in shares}
        tree[one_line(site)] = {"children": children}
    metrics = ["energy-it", "energy", "carbon-operational", "carbon-embodied", "carbon"]
    metrics += ["water-onsite"] if wet else []
    metrics += ["sci"] if sci else []
    return {
        "name": run.name,
        "description": f"{run.generator}, scenario {run.identity}, {run.start} to {run.end}",
        "tags": {"kind": "software", "category": "data-center"},
        "aggregation": {"metrics": metrics, "type": "both"},
        "initialize": {"plugins": _plugins(sci=sci, wet=some)},
        "tree": {"children": tree},
    }


def as_yaml(run: Run) -> str:
    """The manifest as its file."""
    return f"{MARK}: if-run --manifest FILE\n{to_yaml(manifest(run))}"


def _component(run: Run, share: Share, account: Mapping[str, Any], *, sci: bool, wet: bool) -> dict[str, Any]:
    pue = account["kpi"].get("pue")
    observation: dict[str, Any] = {
        "timestamp": run.start.replace("+00:00", "Z"),
        "duration": run.summary["simulated_s"],
        "energy-it": share.it_kwh,
        "carbon-embodied": share.embodied_kg * G_PER_KG,
    }
    operational_g = share.operational_kg * G_PER_KG
    if share.it_kwh and pue:
        observation |= {"pue": pue, "grid/carbon-intensity": operational_g / (share.it_kwh * pue)}
        compute = ["facility-energy", "operational-carbon"]
    else:  # carbon of what is no IT energy, such as a refilled battery or networks elsewhere, or none at all
        observation |= {"energy": 0.0, "carbon-operational": operational_g}
        compute = []
    compute.append("total-carbon")
    if wet:
        observation["wue"] = account["kpi"].get("wue_l_per_kwh", 0.0)  # without IT energy there is no rate
        compute.append("onsite-water")
    if sci:
        observation["functional-unit"] = run.units
        compute.append("sci")
    return {"pipeline": {"compute": compute}, "inputs": [observation]}


def _plugins(*, sci: bool, wet: bool) -> dict[str, Any]:
    plugins = {
        "facility-energy": _product(["energy-it", "pue"], "energy"),
        "operational-carbon": _product(["energy", "grid/carbon-intensity"], "carbon-operational"),
        "total-carbon": _plugin("Sum", ["carbon-operational", "carbon-embodied"], "carbon"),
    }
    if wet:
        plugins["onsite-water"] = _product(["energy-it", "wue"], "water-onsite")
    if sci:
        plugins["sci"] = {"method": "Sci", "path": "builtin", "config": {"functional-unit": "functional-unit"}}
    return plugins


def _product(given: list[str], made: str) -> dict[str, Any]:
    return _plugin("Multiply", given, made)


def _plugin(method: str, given: list[str], made: str) -> dict[str, Any]:
    return {
        "method": method,
        "path": "builtin",
        "config": {"input-parameters": given, "output-parameter": made},
        "parameter-metadata": {
            "inputs": {name: _about(name) for name in given},
            "outputs": {made: _about(made)},
        },
    }


def _about(name: str) -> dict[str, Any]:
    words, unit = UNITS[name]
    return {"description": words, "unit": unit, "aggregation-method": COPY if name in RATES else SUM}
