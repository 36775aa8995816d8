"""What does nothing changes nothing: a site without machines, a limit that nobody comes to, and what is only told."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings

import sim
from sim.errors import RunError
from sim.results.results import Results
from tests.any_scenario import scenarios
from tests.repeats import repeats
from tests.test_laws_of_scenarios import unlike

NAMES = ("disaggregated", "federated-central", "lora-one-node")
SLOWED = ("federated-central", "lora-one-node")
"""What a throttle may hold."""


@cache
def ran(name: str) -> Results:
    return sim.run(name)


def resolved(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(ran(name).scenario))
    return {field: value for field, value in found.items() if field != "published"}


def moved(name: str, other: dict[str, Any]) -> list[Any]:
    """What another scenario says otherwise of all that this one says."""
    return [one for one in unlike(ran(name).summary, sim.run(other).summary, rel=0.0) if one[1] is not None]


@pytest.mark.parametrize("name", NAMES)
def test_a_site_without_machines_adds_nothing(name: str) -> None:
    """But the accounts by site, which one site alone does not have, and where a field of a site is written."""
    other = resolved(name)
    site = other.pop("site")
    here = site.pop("name", "here")
    elsewhere = {**site, "grid": {**site["grid"], "intensity": "999 gCO2e/kWh"}}
    other["sites"] = {here: site, "nowhere": elsewhere}
    for pool in other["cluster"]["nodes"]:
        pool["site"] = here
    told = [(where, one.replace("site.", "sites.NAME."), two) for where, one, two in moved(name, other)]
    assert [one for one in told if not (one[0].startswith("boundary.not_modelled") and one[1] == one[2])] == []


@pytest.mark.parametrize("name", SLOWED)
def test_a_limit_that_nobody_comes_to_slows_nothing(name: str) -> None:
    other = resolved(name)
    other["policies"] = [{"kind": "throttle", "limit": "20 GW"}]
    assert moved(name, other) == []


@pytest.mark.parametrize("name", NAMES)
def test_nodes_that_would_fail_after_the_run_do_not(name: str) -> None:
    other = resolved(name)
    for pool in other["cluster"]["nodes"]:
        pool["failures"] = {"mtbf": "1e12 h", "repair": "1 h"}
    assert moved(name, other) == []


@pytest.mark.parametrize("name", NAMES)
def test_what_is_called_and_kept_decides_nothing(name: str) -> None:
    other = {**resolved(name), "name": "another", "description": "in other words"}
    other["outputs"] = {**other.get("outputs", {}), "requests": "all"}
    assert moved(name, other) == []


@pytest.mark.parametrize("name", ["lora-one-node", "disaggregated"])
def test_a_cap_at_a_board_s_own_limit_slows_nothing(name: str) -> None:
    """700 W of an H100 or an H200, for all but an hour of each day."""
    other = resolved(name)
    (work,) = other["workloads"]
    daily = {"kind": "daily", "since": "06:00", "until": "05:00"}
    other["policies"] = [{"kind": "power-cap", "target": work, "cap": "700 W", "when": daily}]
    assert moved(name, other) == []


def ran_by(engine: str, scenario: dict[str, Any]) -> Results | None:
    """With a cap that comes and goes on each service; None where that cannot be run."""
    services = {name: {**work} for name, work in scenario["workloads"].items() if work["kind"] == "serving"}
    when = {"kind": "daily", "since": "00:03", "until": "00:11"}
    caps = [{"kind": "power-cap", "target": name, "cap": "250 W", "when": when} for name in services]
    for work in services.values():
        work["engine"] = engine
    capped = {**scenario, "workloads": {**scenario["workloads"], **services}, "policies": caps}
    if sim.check(capped):
        return None
    try:
        return sim.run(capped)
    except RunError:
        return None


@pytest.mark.proof
@settings(max_examples=repeats(8, nightly=100))
@given(scenarios(serving=True))
def test_which_engine_serves_decides_nothing(scenario: dict[str, Any]) -> None:
    """Whatever is around the pools: caps, autoscaling, cold starts, failures, routes, the ledger's bins."""
    fast, plain = ran_by("fast", scenario), ran_by("reference", scenario)
    assert (fast is None) == (plain is None)
    if fast is not None and plain is not None:
        told = unlike(fast.summary, plain.summary, rel=0.0)
        assert [one for one in told if not one[0].endswith(".engine")] == []
        assert fast.ledger().equals(plain.ledger())
