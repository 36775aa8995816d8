"""What is drawn goes by names: where something stands in a file draws nothing else, and nor does what else there is."""

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
