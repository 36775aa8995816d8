"""Laws that whole scenarios keep, shipped ones and any: what is written otherwise and means the same gives the same."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings

import sim
from sim.errors import RunError
from sim.results.results import Results
from tests.any_scenario import scenarios
from tests.repeats import repeats

LIGHT = (
    "bloom-training-model", "bloom-training-physical", "dallas-on-ercot", "deepseek-v3-training", "disaggregated",
    "federated-central", "flexible-training", "gb300-rack", "llama-70b-training", "lora-64-nodes", "lora-one-node",
    "seattle", "t5-fine-tuning",
)  # fmt: skip
SHIFTED = ("deepseek-v3-training", "disaggregated", "federated-central", "llama-70b-training", "lora-one-node")
"""Nothing in them goes by the calendar."""
PLAIN = ("deepseek-v3-training", "disaggregated", "llama-70b-training", "lora-64-nodes", "t5-fine-tuning")
"""One site with a fixed PUE, one intensity and the meters' own account."""
ROUNDING = 1e-9
"""Relative: thousands of doubles added in another order, or read from other digits."""
NUMBER = r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)"
OTHERWISE = (
    ("W", 1e-3, "kW"), ("kW", 1e3, "W"), ("MW", 1e3, "kW"), ("h", 60.0, "min"), ("min", 60.0, "s"), ("d", 24.0, "h"),
    ("s", 1e3, "ms"), ("gCO2e/kWh", 1.0, "kgCO2e/MWh"), ("kgCO2e", 1e-3, "tCO2e"), ("L/kWh", 1.0, "m3/MWh"),
    ("GB/s", 1e3, "MB/s"), ("GB", 1e3, "MB"), ("years", 365.25, "d"), ("USD/kWh", 1e3, "USD/MWh"),
)  # fmt: skip
"""A unit, and how many of another it is."""


@cache
def ran(name: str) -> Results:
    """A shipped scenario."""
    return sim.run(name)


def resolved(name: str) -> dict[str, Any]:
    """All that it says, defaults too."""
    found: dict[str, Any] = json.loads(json.dumps(ran(name).scenario))
    return found


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Everything in a summary by its path; what stands in a list goes by its name, if it has one."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from leaves(value, (*path, str(key)))
    elif isinstance(tree, list):
        for i, value in enumerate(tree):
            yield from leaves(value, (*path, str(value.get("name", i)) if isinstance(value, Mapping) else str(i)))
    else:
        yield ".".join(path), tree


def unlike(one: Any, other: Any, rel: float = ROUNDING) -> list[tuple[str, Any, Any]]:
    """Where two summaries say other things, whatever the order in which they say them."""
    first, second = dict(leaves(one)), dict(leaves(other))
    found = []
    for path in sorted((first.keys() | second.keys()) - {"events"}):
        a, b = first.get(path), second.get(path)
        numbers = isinstance(a, int | float) and isinstance(b, int | float)
        if a != b and not (numbers and math.isclose(a, b, rel_tol=rel, abs_tol=1e-12)):  # type: ignore[arg-type]  # they are
            found.append((path, a, b))
    return found


def shuffled(tree: Any, rng: Random) -> Any:
    """Mappings with their entries in another order; the order of a list means something."""
    if isinstance(tree, list):
        return [shuffled(value, rng) for value in tree]
    if not isinstance(tree, dict):
        return tree
    entries = [(key, shuffled(value, rng)) for key, value in tree.items()]
    rng.shuffle(entries)
    return dict(entries)


def in_other_units(tree: Any) -> Any:
    """Every quantity whose unit is known here, in another one."""
    if isinstance(tree, dict):
        return {key: in_other_units(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [in_other_units(value) for value in tree]
    for unit, factor, other in OTHERWISE if isinstance(tree, str) else ():
        found = re.fullmatch(f"{NUMBER} {re.escape(unit)}", tree)
        if found:
            return f"{float(found[1]) * factor!r} {other}"
    return tree


@pytest.mark.parametrize("name", LIGHT)
def test_a_resolved_scenario_gives_the_same_numbers(name: str) -> None:
    assert unlike(ran(name).summary, sim.run(resolved(name)).summary, rel=0.0) == []


@pytest.mark.parametrize("name", [*LIGHT, "federated-fleet"])
def test_the_order_of_names_and_fields_means_nothing(name: str) -> None:
    assert unlike(ran(name).summary, sim.run(shuffled(resolved(name), Random(1))).summary) == []


@pytest.mark.parametrize("name", LIGHT)
def test_units_mean_nothing(name: str) -> None:
    assert unlike(ran(name).summary, sim.run(in_other_units(resolved(name))).summary) == []


@pytest.mark.parametrize("name", SHIFTED)
def test_years_later_is_the_same_where_nothing_goes_by_the_calendar(name: str) -> None:
    later = resolved(name)
    for field in {"start", "end"} & later.keys():
        then = datetime.fromisoformat(later[field].replace("Z", "+00:00")) + timedelta(weeks=20 * 52)
        later[field] = then.isoformat()
    assert unlike(ran(name).summary, sim.run(later).summary) == []


@pytest.mark.parametrize("bin_", ["17 min", "5 h"])
@pytest.mark.parametrize("name", PLAIN)
def test_bins_cut_what_there_is_and_change_none_of_it(name: str, bin_: str) -> None:
    assert unlike(ran(name).summary, sim.run(name, set={"outputs.bin": bin_}).summary) == []


@pytest.mark.parametrize("name", PLAIN)
def test_carbon_is_linear_in_intensity_and_in_pue_and_goes_with_one_over_lifetime(name: str) -> None:
    def priced(**over: Any) -> Results:
        return sim.account(ran(name), set={path.replace("__", "."): value for path, value in over.items()})

    def operational(intensity: str, pue: float) -> float:
        results = priced(site__grid__intensity=intensity, site__facility__pue=pue)
        return float(results.at("carbon_kg.operational_location"))

    def embodied(lifetime: str) -> float:
        results = priced(accounting__gpu_lifetime=lifetime, accounting__server_lifetime=lifetime)
        return float(results.at("carbon_kg.embodied"))

    once = ran(name).at("energy_kwh.it") * 0.1
    assert operational("0 gCO2e/kWh", 1.5) == 0.0
    assert operational("100 gCO2e/kWh", 1.0) == pytest.approx(once, rel=ROUNDING)
    assert operational("300 gCO2e/kWh", 1.5) == pytest.approx(4.5 * once, rel=ROUNDING)
    assert embodied("2 years") == pytest.approx(4 * embodied("8 years"), rel=ROUNDING)


@pytest.mark.parametrize("name", LIGHT)
def test_a_run_differs_from_itself_in_nothing(name: str) -> None:
    told = dict(leaves(sim.compare(ran(name), ran(name)).as_dict()))
    changes = {path: value for path, value in told.items() if path.rpartition(".")[2] in ("change", "relative")}
    assert changes
    assert set(changes.values()) <= {0.0, None}


def at_own_site(name: str, site: str) -> dict[str, Any]:
    """Two hours of it, with its pools at a site of a name."""
    scenario = resolved(name) | {"duration": "2 h", "start": "2025-01-06T00:00:00Z"}
    scenario.pop("end", None)
    scenario["sites"] = {site: scenario.pop("site")}
    scenario["sites"][site].pop("name", None)
    for pool in scenario["cluster"]["nodes"]:
        pool["site"] = site
    scenario["accounting"] = {"gpu_lifetime": "5 years", "server_lifetime": "6 years"}
    return {field: value for field, value in scenario.items() if field not in ("uncertainty", "published")}


@pytest.mark.parametrize(
    ("one", "other"), [("lora-one-node", "disaggregated"), ("llama-70b-training", "t5-fine-tuning")]
)
def test_sites_that_share_nothing_add_up(one: str, other: str) -> None:
    """Pools, workloads and sites of two scenarios in one; draws of chance go by names, and stay as they are."""
    first, second = at_own_site(one, "here"), at_own_site(other, "there")
    for scenario, own in ((first, "first"), (second, "second")):
        only = len(scenario["cluster"]["nodes"]) == 1
        for pool in scenario["cluster"]["nodes"]:
            pool["name"] = f"{own}-{pool.get('name', pool['profile'])}"
        for work in scenario["workloads"].values():
            for spec in (work, *(work[field] for field in ("replicas", "prefill", "decode") if field in work)):
                if "pool" in spec:
                    spec["pool"] = f"{own}-{spec['pool']}"
                elif only and spec is not work:
                    spec["pool"] = scenario["cluster"]["nodes"][0]["name"]
            if only and "pool" not in work and "replicas" not in work and "decode" not in work:
                work["pool"] = scenario["cluster"]["nodes"][0]["name"]
    both = {
        **first,
        "sites": first["sites"] | second["sites"],
        "workloads": first["workloads"] | second["workloads"],
        "cluster": {"nodes": first["cluster"]["nodes"] + second["cluster"]["nodes"]},
    }
    whole, *parts = (sim.run({**scenario, "seed": 1}) for scenario in (both, first, second))
    for path in ("energy_kwh.it", "energy_kwh.facility", "carbon_kg.operational_location", "carbon_kg.embodied"):
        assert whole.at(path) == pytest.approx(sum(part.at(path) for part in parts), rel=ROUNDING)


def told_in_other_units(scenario: dict[str, Any]) -> None:
    """It says the same, where it runs at all."""
    if sim.check(scenario):
        return
    try:
        expected = sim.run(scenario).summary
    except RunError:
        return
    assert unlike(expected, sim.run(in_other_units(scenario)).summary) == []


@settings(max_examples=8)
@given(scenarios(serving=False))
def test_units_mean_nothing_in_any_scenario(scenario: dict[str, Any]) -> None:
    told_in_other_units(scenario)


@pytest.mark.proof
@settings(max_examples=repeats(24, nightly=200))
@given(scenarios(serving=False))
def test_units_mean_nothing_in_many_scenarios(scenario: dict[str, Any]) -> None:
    told_in_other_units(scenario)
