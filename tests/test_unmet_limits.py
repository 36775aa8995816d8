"""A limit that nothing meets changes nothing: neither what is drawn nor when an open-ended run is over."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

import sim
from tests.small import small
from tests.test_slow_networks import served

LATER = {"start": "30 d", "duration": "1 h", "reduce_to": "50 %"}
RARELY = {"mtbf": "1000000 h", "repair": "10 h"}
LENGTHS = {"kind": "constant", "tokens": 20}


def world(kind: str) -> dict[str, Any]:
    """One workload that is over after minutes, and no duration."""
    if kind == "chat":
        scenario = served(lengths={"kind": "separate", "prompt": LENGTHS, "output": LENGTHS})
        chat = scenario["workloads"]["chat"]
        chat["replicas"] = chat.pop("prefill")
        del chat["decode"]
        return scenario
    scenario = small()
    del scenario["duration"]
    scenario["workloads"] = {kind: scenario["workloads"][kind]}
    if kind == "api":
        scenario["workloads"][kind]["arrivals"] = {"kind": "backlog", "requests": 30}
    return scenario


@cache
def ran(kind: str) -> tuple[float, dict[str, Any]]:
    """When it was over, and what was drawn."""
    results = sim.run(world(kind))
    return results.at("simulated_s"), results.at("energy_kwh")


@pytest.mark.parametrize(
    ("kind", "limits"),
    [
        ("tune", {"workloads.tune.time_limit": "10 years"}),
        ("tune", {"cluster.nodes.0.failures": RARELY}),
        ("tune", {"cluster.nodes.0.idle_timeout": "10 years"}),
        ("tune", {"policies": [{"kind": "demand-response", "target": "tune", "events": [LATER]}]}),
        ("tune", {"policies": [{"kind": "throttle", "limit": "1 MW"}]}),
        ("api", {"workloads.api.queue_limit": 10**6}),
        ("api", {"workloads.api.slo": {"e2e": "1 year"}}),
        ("api", {"cluster.nodes.0.failures": RARELY}),
        ("chat", {"workloads.chat.client": {"timeout": "10 s"}}),
        ("chat", {"workloads.chat.client": {"timeout": "10 years", "retries": 3, "backoff": "1 h"}}),
        ("chat", {"workloads.chat.client": {"timeout": "1 h"}, "workloads.chat.engine": "reference"}),
        ("chat", {"workloads.chat.queue_limit": 10**6}),
        ("chat", {"workloads.chat.slo": {"ttft": "1 year"}}),
        ("chat", {"workloads.chat.replicas.power_cap": [{"after": "30 d", "cap": "300 W"}]}),
        ("chat", {"policies": [{"kind": "demand-response", "target": "chat", "events": [LATER]}]}),
        ("chat", {"cluster.nodes.0.failures": RARELY}),
    ],
)
def test_a_limit_that_nothing_meets_changes_nothing(kind: str, limits: dict[str, Any]) -> None:
    """A run of 2 s lasted an hour for a timeout of an hour that none of its requests met."""
    results = sim.run(world(kind), set=limits)
    assert (results.at("simulated_s"), results.at("energy_kwh")) == ran(kind)


@pytest.mark.parametrize("engine", ["fast", "reference"])
def test_users_who_think_and_have_nothing_more_to_ask_keep_nobody_waiting(engine: str) -> None:
    """Two users ask five times: the third time of the first is the last."""
    spans_s = {}
    for think in ("0 s", "1 h"):
        scenario = world("chat")
        arrivals = {"kind": "closed-loop", "concurrency": 2, "think_time": think, "requests": 5}
        scenario["workloads"]["chat"] |= {"arrivals": arrivals, "engine": engine}
        spans_s[think] = sim.run(scenario).at("simulated_s")
    assert 7200.0 < spans_s["1 h"] < 7200.0 + 3 * spans_s["0 s"]
