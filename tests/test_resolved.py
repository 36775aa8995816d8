"""What a scenario means, asked once: which machine, pool and site, and whom a policy holds."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.build.resolved import Group, Resolved
from sim.documents import from_mapping
from sim.loading.scenario import load_scenario, shipped_scenarios
from sim.profiles import Catalog
from sim.spec.parts import Parts
from tests.small import small

CATALOG = Catalog()


def resolved(scenario: dict[str, Any]) -> Resolved:
    """Of whatever parts of it parse."""
    return Resolved(Parts.salvaged(from_mapping(scenario)), CATALOG)


@pytest.mark.parametrize("name", shipped_scenarios())
def test_whatever_passes_its_checks_has_every_answer(name: str) -> None:
    loaded = load_scenario(name)
    whole = Resolved.of(loaded.scenario, loaded.catalog)
    assert not whole.hardware.unread
    assert not whole.hardware.twice
    assert [group.workload for group in whole.groups] == [
        name for name, workload in loaded.scenario.workloads.items() for _ in workload.wanted
    ]
    for group in whole.groups:
        assert group.pool in whole.machines
        assert group.any_node or group.pool in whole.gpus
        assert whole.sites[group.pool] in whole.places
    assert {*whole.held, *whole.shared_power} == set(range(len(loaded.scenario.policies)))
    for name, spec in whole.serving.items():
        assert list(whole.deployments[name]) == [field for field, _ in spec.groups]


def test_where_no_pool_is_named_it_is_the_only_one_with_gpus_and_none_of_several() -> None:
    scenario = small()
    [node] = scenario["cluster"]["nodes"]
    without_gpus = {"profile": "cpu-2s-epyc-9654", "count": 1}
    scenario["cluster"]["nodes"] = [without_gpus, node]
    assert set(resolved(scenario).pools["tune"].values()) == {node["profile"]}
    scenario["cluster"]["nodes"] = [without_gpus, node, {**node, "name": "more"}]
    assert resolved(scenario).pools["tune"] == {}
    scenario["workloads"]["tune"]["pool"] = "more"
    assert resolved(scenario).pools["tune"] == {"": "more"}


def test_what_rests_on_a_part_that_did_not_parse_has_no_answer() -> None:
    scenario = small()
    scenario["cluster"]["nodes"][0]["count"] = "many"
    partly = resolved(scenario)
    assert (partly.machines, partly.groups, partly.sites) == ({}, (), {})
    assert set(partly.jobs) | set(partly.services) == set(scenario["workloads"])
    scenario = small()
    scenario["workloads"]["tune"]["gpus"] = "many"
    partly = resolved(scenario)
    assert "tune" not in partly.pools
    assert partly.pools["api"]


def test_a_profile_that_is_not_there_makes_no_second_mistake() -> None:
    scenario = small()
    scenario["cluster"]["nodes"][0]["profile"] = "nothing-of-the-kind"
    assert [problem.path for problem in sim.check(scenario)] == ["cluster.nodes.0.profile"]


def test_a_workloads_name_comes_before_that_of_a_pool() -> None:
    scenario = small()
    pool = scenario["cluster"]["nodes"][0]["name"] = "tune"
    cap = {"kind": "demand-response", "events": [{"start": "0 s", "duration": "1 h", "reduce_to": "90 %"}]}
    scenario["policies"] = [{**cap, "target": "tune"}]
    [held] = resolved(scenario).held.values()
    assert held == (Group("tune", "", pool, scenario["workloads"]["tune"]["gpus"]),)
    scenario["cluster"]["nodes"][0]["name"] = scenario["policies"][0]["target"] = "all"
    [held] = resolved(scenario).held.values()
    assert [group.workload for group in held] == list(scenario["workloads"])


def test_a_job_that_chooses_its_pool_is_at_home_until_it_is_placed() -> None:
    loaded = load_scenario("geo-shifted-service")
    assert not Resolved.of(loaded.scenario, loaded.catalog).choosing
    scenario = small()
    node = scenario["cluster"]["nodes"][0]
    scenario["cluster"]["nodes"] = [{**node, "name": "here"}, {**node, "name": "there"}]
    transfer = {"data": "1 TB", "bandwidth": "1 GB/s", "energy": "0.06 kWh/GB", "cost": "0 USD/GB"}
    place = {"kind": "lowest", "signal": "carbon", "pools": ["here", "there"], "home": "there", "transfer": transfer}
    scenario["workloads"]["tune"] |= {"place": {**place, "forecast": {"kind": "perfect"}}}
    undecided = resolved(scenario)
    assert undecided.pools["tune"] == {"": "there"}
    placed = undecided.jobs["tune"].model_copy(update={"pool": "here", "place": None})
    assert undecided.with_jobs({"tune": placed}).pools["tune"] == {"": "here"}
