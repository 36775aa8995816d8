"""What a serving workload counts has no bound: 64 bits hold no week of 100,000 waiting requests, and no 2.6 MWh."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.engine.serving import plan
from sim.engine.serving.drawn import Drawn
from sim.workload.routers import ROUTERS
from tests.serving_worlds import ENGINES, Pool, build, chunk, linear_cost
from tests.small import small

HOUR_MS = 3_600_000.0
REQUESTS = 3000
HOURS_AT_ONCE = 13 * 3_600_000_000_000


def ran(engine: str, router: str, replicas: int, *, split: bool) -> Pool:
    """Requests that come at once and take an hour and 3 GJ each, one after the other: 125 days with one replica."""
    came = chunk(range(REQUESTS), [10] * REQUESTS, [1] * REQUESTS)
    rules = plan.Settings(max_num_seqs=1, max_num_batched_tokens=100, router=ROUTERS.index(router))
    costs = [linear_cost(fixed_ms=HOUR_MS, joules=3e9)]
    pool = build(engine, rules, [came], costs=costs, roles=[plan.ANY] * replicas)
    for index in range(replicas):
        pool.start(index)
    end_ns = 4000 * 3_600_000_000_000
    for until_ns in range(0, end_ns, HOURS_AT_ONCE) if split else ():
        pool.advance(until_ns)
    pool.advance(end_ns)
    return pool


@pytest.mark.parametrize("split", [False, True], ids=["at once", "in steps"])
@pytest.mark.parametrize(("router", "replicas"), [("round-robin", 1), ("join-shortest-queue", 2)])
def test_waiting_and_energy_beyond_64_bits_are_counted(router: str, replicas: int, split: bool) -> None:
    """1.6e19 request-ns of waiting, as much of each latency, and 9e21 nJ."""
    fast, reference = (ran(engine, router, replicas, split=split).counts for engine in ENGINES)
    assert fast == reference
    assert fast["completed"] == REQUESTS
    assert min(fast[name] for name in ("waiting_area_ns", "e2e_ns", "queueing_ns", "prefill_share_nj")) > 2**62
    assert fast["queueing_ns"] == fast["waiting_area_ns"]  # Little's law: all that came has gone


@pytest.mark.parametrize("engine", ENGINES)
def test_the_energy_of_thousands_of_replicas_between_two_looks_is_counted(engine: str) -> None:
    """4 replicas of 3 GJ stand for 4,096 that draw 15 kW for a quarter of an hour: 12 GJ are 1.2e19 nJ."""
    came = chunk([0] * 4, [10] * 4, [1] * 4)
    rules = plan.Settings(max_num_seqs=1, max_num_batched_tokens=100, router=ROUTERS.index("round-robin"))
    pool = build(engine, rules, [came], costs=[linear_cost(joules=3e9)], roles=[plan.ANY] * 4)
    drawn = Drawn([range(i, i + 1) for i in range(4)], pool)  # type: ignore[arg-type]  # what it asks of a pool
    for index in range(4):
        pool.start(index)
    pool.advance(10**9)
    drawn.take_all()
    assert drawn.dynamic_nj == 12 * 10**18


def queued() -> dict[str, Any]:
    """1,000 requests in a second for two services that take a day for each."""
    scenario = small()
    api = scenario["workloads"].pop("api") | {"replicas": 1, "service_time": {"law": "constant", "first": "1 d"}}
    api["arrivals"] = {"kind": "routed", "route": "all"}
    scenario["workloads"] = {"one": api, "other": api}
    del scenario["duration"]
    arrivals = {"kind": "gamma", "cv": 1.0, "rate": "1000 request/s", "requests": 1000}
    by = {"kind": "shares", "shares": {"one": 0.5, "other": 0.5}}
    to = {name: {"latency": "0 s"} for name in scenario["workloads"]}
    scenario["routes"] = {"all": {"arrivals": arrivals, "to": to, "by": by}}
    scenario["outputs"] = {"bin": "30 d"}
    return scenario


def test_the_mean_of_a_route_is_that_of_its_services() -> None:
    """250 days in the mean are 2.2e19 request-ns."""
    results = sim.run(queued())
    of_each = {name: results.at(f"serving.{name}.e2e_s.mean") for name in ("one", "other")}
    assert results.summary["routes"]["all"]["e2e_s"] == pytest.approx(of_each, rel=1e-12)
    asked = {name: results.at(f"serving.{name}.completed") for name in of_each}
    assert sum(asked.values()) == 1000
    assert of_each == pytest.approx({name: 86400 * (count + 1) / 2 for name, count in asked.items()}, rel=1e-3)
