"""A statement of Software Carbon Intensity: SCI = (E x I + M) per R (ISO/IEC 21031:2024).

E is the energy of the software's boundary (the facility's, and that of networks and users' devices where a scenario has
them), I the carbon a kWh of it had by location over the run, M the embodied carbon that the run's time has a share in,
and R the functional units delivered. Contracts and certificates count for nothing here, as the standard has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.exports import markdown
from sim.exports.run import Run
from sim.results.files import to_json
from sim.results.formats import flow, number
from sim.units import G_PER_KG

STANDARD = "ISO/IEC 21031:2024, Information technology - Software Carbon Intensity (SCI) specification"


def statement(run: Run) -> dict[str, Any]:
    """The statement as plain data: kWh, g, and g per functional unit. Raises ``InputError`` where no unit is named."""
    summary, units = run.summary, run.units
    energy, carbon, kpi = summary["energy_kwh"], summary["carbon_kg"], summary["kpi"]
    energy_kwh = energy["facility"] + energy.get("network", 0.0) + energy.get("devices", 0.0)
    operational_g, embodied_g = carbon["operational_location"] * G_PER_KG, carbon["embodied"] * G_PER_KG
    return {
        "generator": run.generator,
        "standard": STANDARD,
        "scenario": run.name,
        "start": run.start,
        "end": run.end,
        "sci_g_per_unit": kpi["sci_g_per_unit"],
        "functional_unit": kpi["sci_unit"],
        "terms": {
            "E_kwh": energy_kwh,
            "I_g_per_kwh": operational_g / energy_kwh,
            "E_times_I_g": operational_g,
            "M_g": embodied_g,
            "R_units": units,
        },
        "of_the_sci": {
            "operational_g_per_unit": operational_g / units,
            "embodied_g_per_unit": embodied_g / units,
        },
        **({"interval": interval} if (interval := summary["intervals"].get("kpi.sci_g_per_unit")) else {}),
        "boundary": boundary(run),
        "sources": sources(run),
    }


def boundary(run: Run) -> dict[str, Any]:
    """What is in the numbers, and what is not."""
    energy = run.summary["energy_kwh"]
    said = run.summary["boundary"]
    outside = [name for name in ("network", "devices") if name in energy]
    return {
        "sites": list(run.sites),
        "workloads": sorted(energy["by_workload"]),
        "components": sorted(energy["by_component"]),
        "building": sorted(energy["overhead_by_component"]),
        **({"outside_the_site": outside} if outside else {}),
        "convention": said["convention"],
        "not_modelled": list(said["not_modelled"]),
    }


def sources(run: Run) -> dict[str, Any]:
    """What the numbers rest on: the grid as the scenario gives it, files and profiles by their hashes, versions."""
    scenario, manifest = run.results.scenario, run.results.manifest
    places = scenario.get("sites") or {name: scenario.get("site", {}) for name in run.sites}
    accounting = scenario.get("accounting", {})
    return {
        "grid": {name: place["grid"] for name, place in _named(places).items() if "grid" in place},
        "embodied": accounting.get("embodied", {}),
        "lifetimes": {name: accounting[name] for name in ("gpu_lifetime", "server_lifetime") if name in accounting},
        "profiles_sha256": manifest["profiles_sha256"],
        "factors_sha256": manifest.get("factors_sha256", {}),
        "averages": manifest.get("averages", {}),
        "inputs_sha256": manifest.get("inputs_sha256", {}),
        "scenario_sha256": manifest["scenario_sha256"],
        "seed": manifest["seed"],
        "versions": manifest["versions"],
    }


def _named(places: Any) -> Mapping[str, Mapping[str, Any]]:
    """Places by name, whether they stand as a mapping or as a list."""
    if isinstance(places, Mapping):
        return {str(name): place for name, place in places.items()}
    return {str(place.get("name", i)): place for i, place in enumerate(places)}


def as_json(run: Run) -> str:
    """The statement for programs."""
    return to_json(statement(run))


def as_markdown(run: Run) -> str:
    """The statement for people."""
    said = statement(run)
    terms = said["terms"]
    unit = said["functional_unit"]
    rows = [
        ("E", "energy", f"{number(terms['E_kwh'])} kWh"),
        ("I", "carbon of a kWh, by location, over the run", f"{number(terms['I_g_per_kwh'])} g/kWh"),
        ("E x I", "operational carbon", f"{number(terms['E_times_I_g'])} g"),
        ("M", "embodied carbon of the run's share of lifetimes", f"{number(terms['M_g'])} g"),
        ("R", f"functional units: {unit}", number(terms["R_units"])),
        ("SCI", f"(E x I + M) / R, per {unit}", f"{said['sci_g_per_unit']} g"),
    ]
    return markdown.page(
        f"Software Carbon Intensity of {said['scenario']}",
        [
            f"By {markdown.inert(STANDARD)}. From {said['start']} to {said['end']}; by {said['generator']}.",
            markdown.table(("term", "what", "value"), rows),
            *boundary_parts(said["boundary"]),
            *source_parts(said["sources"]),
        ],
    )


def boundary_parts(said: Mapping[str, Any]) -> list[str]:
    """The boundary in words."""
    inside = [
        f"{name}: {', '.join(said[name])}" for name in ("sites", "workloads", "components", "building") if said[name]
    ]
    inside += [f"outside the site: {', '.join(said['outside_the_site'])}"] if "outside_the_site" in said else []
    inside.append(f"convention: {said['convention']}")
    parts = ["## Boundary", markdown.items(inside)]
    if said["not_modelled"]:
        parts += ["Not in these numbers:", markdown.items(said["not_modelled"])]
    return parts


def source_parts(said: Mapping[str, Any]) -> list[str]:
    """The sources in words; `coldaisle profiles NAME` shows those of every number of a profile."""
    lines = [f"profile {name}, sha256 {digest}" for name, digest in said["profiles_sha256"].items()]
    lines += [f"factors {name}, sha256 {digest}" for name, digest in said["factors_sha256"].items()]
    lines += [f"average {code}: {words}" for code, words in said["averages"].items()]
    lines += [f"grid of {name}: {flow(grid)}" for name, grid in said["grid"].items()]
    lines += [f"input {name}, sha256 {digest}" for name, digest in said["inputs_sha256"].items()]
    lines += [f"scenario, sha256 {said['scenario_sha256']}, seed {said['seed']}"]
    return [
        "## Sources",
        markdown.items(lines),
        "`coldaisle profiles NAME` names the source of every number of a profile.",
    ]
