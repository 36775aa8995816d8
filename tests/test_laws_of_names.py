"""What is drawn goes by names and nothing else does: no place in a file draws otherwise, no name is more than one."""

from __future__ import annotations

import json
from typing import Any

import pytest

import sim
from sim.results.results import Results
from tests.test_laws_of_scenarios import unlike


def resolved(results: Results) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(results.scenario))
    return found


def turned(tree: dict[str, Any], *path: str) -> dict[str, Any]:
    """The same with the entries of one mapping the other way round."""
    at = tree
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = dict(reversed(at[path[-1]].items()))
    return tree


@pytest.mark.parametrize("buffered", [False, True])
def test_the_order_of_classes_of_devices_draws_no_other_clients(buffered: bool) -> None:
    rule: dict[str, Any] = {"workloads.keyboard.rounds": 200}
    if buffered:
        rounds = {"kind": "buffered", "at_once": 130, "buffer": 100, "deadline": "5 min"}
        rule["workloads.keyboard.aggregation"] = rounds
    one = sim.run("federated-fleet", set=rule)
    other = sim.run(turned(resolved(one), "workloads", "keyboard", "devices"))
    assert unlike(one.summary, other.summary) == []


def test_the_order_of_users_devices_asks_no_others() -> None:
    one = sim.run("split-detector", set={"duration": "1 min"})
    assert len(one.scenario["workloads"]["detector"]["devices"]) > 1
    other = sim.run(turned(resolved(one), "workloads", "detector", "devices"))
    assert unlike(one.summary, other.summary) == []


SHARED = {"kind": "shares", "shares": {"small": 0.3, "large": 0.7}}


def test_the_order_of_places_of_a_route_sends_no_request_elsewhere() -> None:
    one = sim.run("small-and-large-model", set={"routes.questions.by": SHARED, "duration": "5 min"})
    other = sim.run(turned(resolved(one), "routes", "questions", "to"))
    assert unlike(one.summary, other.summary) == []


FIXED = ("dallas-on-ercot", "deepseek-v3-training", "federated-central", "lora-one-node", "seattle", "t5-fine-tuning")
"""Nothing is drawn in them."""


def renamed(tree: Any, names: dict[str, str]) -> Any:
    """The same by other names, keys and values."""
    if isinstance(tree, dict):
        return {names.get(key, key): renamed(value, names) for key, value in tree.items()}
    if isinstance(tree, list):
        return [renamed(value, names) for value in tree]
    return names.get(tree, tree) if isinstance(tree, str) else tree


@pytest.mark.parametrize("name", FIXED)
def test_what_workloads_and_pools_are_called_moves_nothing(name: str) -> None:
    """Also where they would be sorted the other way round."""
    one = sim.run(name)
    scenario = {part: told for part, told in resolved(one).items() if part != "published"}
    called = {*scenario["workloads"], *(pool["name"] for pool in scenario["cluster"]["nodes"] if pool.get("name"))}
    names = {old: f"{chr(ord('z') - i)}-{old}" for i, old in enumerate(sorted(called))}
    other = sim.run(renamed(scenario, names))
    back = {new: old for old, new in names.items()}
    assert other.summary != one.summary
    found = unlike(one.summary, renamed(json.loads(json.dumps(other.summary)), back))
    assert [path for path, _, _ in found if path != "kpi.sci_unit"] == []  # which says a name within a sentence
