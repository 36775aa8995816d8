"""Replicas that are wanted from the start are asked for, placed, brought up and metered together: as one after the
other. They stay together until somebody looks at one of them."""

from __future__ import annotations

from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import sim
from sim.engine.fleet.alike import places_of_all
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.machines import AWAY, BOOTING, ON, Machines
from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.shape import PoolShape
from sim.engine.machines.cohort import Cohort
from sim.results.files import to_json
from tests.test_serving_service import changed

AGREED = 25


def alike(slots: int, pool: int) -> Request:
    return Request("chat", 1, (pool,), slots, 0, None)


def one_by_one(machines: Machines, slots: int, count: int, pool: int) -> list[Places] | None:
    """What the scheduler would name for each; None where one has no room."""
    left = machines.copy()
    found = []
    for _ in range(count):
        request = alike(slots, pool)
        places = ANYWHERE.places(request, left)
        if places is None:
            return None
        left.imagine_taken(request, places)
        found.append(places)
    return found


@given(
    st.lists(st.tuples(st.sampled_from([ON, ON, ON, BOOTING, AWAY]), st.integers(0, 4)), min_size=1, max_size=9),
    st.integers(1, 9),
    st.integers(1, 12),
)
@settings(max_examples=300)
def test_they_get_the_places_of_one_after_the_other(nodes: list[tuple[int, int]], slots: int, count: int) -> None:
    machines = Machines([PoolShape("other", 2, 4), PoolShape("own", len(nodes), 4)])
    for i, (rank, free) in enumerate(nodes):
        machines.move(2 + i, rank, free)
    on = sum(free for rank, free in nodes if rank == ON)
    found = places_of_all(alike(slots, 1), count, machines)
    if on < slots * count:
        assert found is None  # those that are ready soonest are too few
    else:
        assert found is not None
        assert found.each() == one_by_one(machines, slots, count, 1)


def test_where_more_than_free_slots_counts_nothing_is_decided_at_once() -> None:
    plain, shared = PoolShape("own", 2, 4), PoolShape("own", 2, 4, shared=True)
    assert places_of_all(alike(1, 0), 2, Machines([plain])) is not None
    assert places_of_all(alike(1, 0), 2, Machines([shared])) is None
    assert places_of_all(Request("chat", 1, (0,), 1, 0, None, cpu_milli=1), 2, Machines([plain])) is None


RULE = {"on": "queue", "target": 1.0, "interval": "10 s", "settle": "30 s"}
FAILING = [{"profile": "dgx-h100", "count": 2, "failures": {"mtbf": "4 min", "repair": "1 min"}}]
JOBS = {
    "kind": "jobs",
    "source": {
        "kind": "generated",
        "arrivals": {"kind": "poisson", "rate": "40 jobs/h"},
        "jobs": [
            {
                "name": "experiment",
                "share": "100 %",
                "gpus": {"kind": "powers-of-two", "mean": 3, "most": 8},
                "run": {"kind": "lognormal", "median": "1 min", "mean": "2 min"},
                "longest": "1 h",
            }
        ],
        "limits": {"kind": "tsafrir", "longest": "1 h", "killed": "8 %"},
    },
    "load": {"kind": "measured", "active": "260 W"},
    "cpu_load": 0.2,
}
NETWORK = {"bandwidth": "25 GB/s", "latency": "10 us", "energy_per_byte": "60 pJ/B"}
FEW_NODES = [{"profile": "dgx-h100", "count": 4}]
KINDS: dict[str, dict[str, Any]] = {
    "at once": {},
    "after a cold start": {"start_up": "30 s"},
    "nearly all of nodes that fail": {
        "replicas": {"count": 14},
        "top__cluster__nodes": FAILING,
    },
    "on nodes that fail": {"top__cluster__nodes": FAILING},
    "on nodes that fail meanwhile": {"top__cluster__nodes": FAILING, "start_up": "3 min"},
    "scaled": {"replicas": {"count": {"min": 2, "max": 6}}, "autoscale": RULE},
    "scaled while they start": {"replicas": {"count": {"min": 3, "max": 6}}, "autoscale": RULE, "start_up": "45 s"},
    "of two kinds": {"replicas": None, "prefill": {"count": 2}, "decode": {"count": 3}, "network": NETWORK},
    "of two kinds, each on nodes of its own": {
        "replicas": None,
        "prefill": {"count": 8},
        "decode": {"count": 8},
        "network": NETWORK,
    },
    "capped": {"replicas__power_cap": "300 W"},
    "of several GPUs": {"replicas": {"count": 3, "tensor_parallel": 2, "pipeline_parallel": 2}},
    "of a few nodes": {"replicas": {"count": 21}, "top__cluster__nodes": FEW_NODES},
    "over several nodes": {"replicas": {"count": 9, "pipeline_parallel": 3}, "top__cluster__nodes": FEW_NODES},
    "over several nodes, after a cold start": {
        "replicas": {"count": 7, "pipeline_parallel": 3},
        "top__cluster__nodes": FEW_NODES,
        "start_up": "95 s",
    },
    "with bins between looks": {"replicas": {"count": 13}, "top__outputs__bin": "3 min"},
    "beside jobs": {"replicas": {"count": 13}, "top__workloads__jobs": JOBS},
    "on nodes that boot": {
        "top__cluster__nodes": [{"profile": "dgx-h100", "count": 2, "initially": "off", "idle_timeout": "2 min"}]
    },
}


APART = {
    "nearly all of nodes that fail",
    "on nodes that fail",
    "on nodes that fail meanwhile",
    "of two kinds",  # which share a node
    "with bins between looks",
    "beside jobs",
}
"""Those in which something happens to one of them."""


def told(scenario: dict[str, Any]) -> tuple[Any, ...]:
    results = sim.run(scenario)
    return to_json(results.summary), results.ledger(), results.requests()


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_the_same_to_the_byte(kind: str) -> None:
    """Its summary with the count of events, its ledger, and its requests."""
    scenario = changed(**{"top__duration": "8 min", **KINDS[kind]})
    together = told(scenario)
    with mock.patch.object(Fleet, "decided", return_value=None):
        apart = told(scenario)
    assert together[0] == apart[0]
    assert all(one.equals(other) for one, other in zip(together[1:], apart[1:], strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_none_is_made_unless_something_happens_to_one(kind: str) -> None:
    with mock.patch.object(Cohort, "make", autospec=True, side_effect=Cohort.make) as made:
        sim.run(changed(**{"top__duration": "12 min", **KINDS[kind]}))
    assert made.called == (kind in APART)


@given(
    kind=st.sampled_from([kind for kind in KINDS if kind != "beside jobs"]),  # a second may pass without any
    seed=st.integers(0, 2**31),
    rate=st.sampled_from(["1 request/s", "40 request/s"]),
    routing=st.sampled_from(["round-robin", "least-kv", "power-of-two"]),
    seconds=st.integers(1, 200),
)
@example(kind="on nodes that fail meanwhile", seed=0, rate="40 request/s", routing="round-robin", seconds=150)
@settings(max_examples=AGREED)
def test_it_is_so_of_any_run(kind: str, seed: int, rate: str, routing: str, seconds: int) -> None:
    fields = {"top__seed": seed, "arrivals__rate": rate, "routing": routing, "top__duration": f"{seconds} s"}
    scenario = changed(**KINDS[kind], **fields)
    together = told(scenario)
    with mock.patch.object(Fleet, "decided", return_value=None):
        apart = told(scenario)
    assert together[0] == apart[0]
    assert all(one.equals(other) for one, other in zip(together[1:], apart[1:], strict=True))
