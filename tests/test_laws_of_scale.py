"""Whole scenarios at another scale: twice as slow, twice as many, in another currency, told by another clock."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import pytest

import sim
from sim.units import J_PER_KWH
from tests.small import small
from tests.test_laws_of_scenarios import ROUNDING, leaves, unlike

JOBS = {
    "kind": "jobs",
    "source": {
        "kind": "generated",
        "arrivals": {"kind": "poisson", "rate": "30 jobs/h"},
        "jobs": [
            {
                "name": "short",
                "share": 1,
                "gpus": {"kind": "powers-of-two", "mean": 2, "most": 8},
                "run": {"kind": "exponential", "mean": "20 min"},
            }
        ],
        "limits": {"kind": "none"},
    },
    "load": {"kind": "measured", "active": "300 W"},
    "cpu_load": 0.1,
}
QUEUES: dict[str, dict[str, Any]] = {
    "steady": {"arrivals": {"kind": "poisson", "rate": "0.5 /s"}, "service_time": {"law": "constant", "first": "3 s"}},
    "random": {
        "arrivals": {"kind": "poisson", "rate": "0.5 /s"},
        "service_time": {"law": "exponential", "first": "3 s"},
    },
    "batched": {
        "arrivals": {"kind": "poisson", "rate": "2 /s"},
        "service_time": {"law": "constant", "first": "3 s", "further": "1 s"},
        "batching": {"max_batch": 4, "max_wait": "2 s"},
    },
}
TIME = re.compile(r"(\d+(?:\.\d+)?) (s|min|h)")
RATE = re.compile(r"(\d+(?:\.\d+)?) (jobs/h|/s)")
LIVES = ("gpu_lifetime", "server_lifetime")


def slower(tree: Any, k: int) -> Any:
    """Every duration k times as long, every rate a k-th."""
    if isinstance(tree, Mapping):
        return {
            key: value * k if key == "gpu_hours" else value if key in LIVES else slower(value, k)
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [slower(value, k) for value in tree]
    if isinstance(tree, str):
        if found := TIME.fullmatch(tree):
            return f"{float(found[1]) * k!r} {found[2]}"
        if found := RATE.fullmatch(tree):
            return f"{float(found[1]) / k!r} {found[2]}"
    return tree


def world(**workloads: Any) -> dict[str, Any]:
    scenario = small() | {"duration": "6 h"}
    scenario["workloads"] = copy.deepcopy(workloads)
    return scenario


def queue(name: str) -> dict[str, Any]:
    return {**small()["workloads"]["api"], **QUEUES[name]}


@pytest.mark.parametrize("k", [2, 8])
@pytest.mark.parametrize("of", [*QUEUES, "training", "jobs"])
def test_k_times_as_slow_is_the_same_over_k_times_the_time(of: str, k: int) -> None:
    """Times and energies are k times what they were; counts, shares, watts and ratios are what they were."""
    tune = small()["workloads"]["tune"]
    work = {"training": tune, "jobs": JOBS}.get(of) or queue(of)
    scenario = world(work=work)
    once, slow = (dict(leaves(sim.run(one).summary)) for one in (scenario, slower(scenario, k)))
    assert once.keys() == slow.keys()
    grows = ("energy_kwh", "carbon_kg", "water_l", "cost")
    same = ("kpi", "utilisation", "requests", "completed", "batches", "batch_size", "power_w", "share")
    found = set()
    for path, value in once.items():
        if not isinstance(value, int | float):
            continue
        if path.endswith("per_s"):
            factor = 1.0 / k
        elif path.startswith(grows) or "hours" in path or "energy_j" in path or re.search(r"_s([._]|$)", path):
            factor = float(k)
        elif any(word in path for word in same):
            factor = 1.0
        else:
            continue
        found.add(factor)
        assert slow[path] == pytest.approx(factor * value, rel=1e-6, abs=1e-9), path
    assert found >= {1.0, float(k)}


def test_a_currency_is_a_name() -> None:
    told = []
    for currency in ("USD", "EUR", "AUD"):
        scenario = small()
        scenario["site"]["grid"]["price"] = f"0.18 {currency}/kWh"
        summary = sim.run(scenario).summary
        assert summary["cost"].pop("currency") == currency
        told.append(summary)
    assert unlike(told[0], told[1], rel=0.0) == unlike(told[0], told[2], rel=0.0) == []


@pytest.mark.parametrize(
    "start", ["2022-07-04T05:30:00+05:30", "2022-07-03T16:00:00-08:00", "2022-07-04T00:00:00.000000+00:00"]
)
def test_an_instant_is_the_same_by_any_clock(start: str) -> None:
    expected, found = sim.run(small()).summary, sim.run(small() | {"start": start}).summary
    assert unlike(expected, found, rel=0.0) == []


@pytest.mark.parametrize("unit", ["0.05 USD/MJ", "180 USD/MWh", "0.18 USD/kWh"])
def test_a_price_is_the_same_by_any_energy(unit: str) -> None:
    scenario = small()
    scenario["site"]["grid"]["price"] = unit
    assert unlike(sim.run(small()).summary, sim.run(scenario).summary, rel=ROUNDING) == []


@pytest.mark.parametrize("name", ["cascade-of-models", "disaggregated", "spot-training"])
def test_energy_is_the_ledger_however_it_is_told(name: str) -> None:
    results = sim.run(name)
    told, ledger = results.summary["energy_kwh"], results.ledger()
    for of in ("by_component", "by_workload", "by_state"):
        assert sum(told[of].values()) == pytest.approx(told["it"], rel=ROUNDING)
    assert ledger["energy_j"].sum() / J_PER_KWH == pytest.approx(told["it"], rel=ROUNDING)
    assert (ledger["end_ns"] > ledger["start_ns"]).all()


@pytest.mark.parametrize("name", ["cascade-of-models", "small-and-large-model"])
def test_shipped_services_keep_littles_law(name: str) -> None:
    """Sequences under way are the rate of answers times how long one takes; who is not done at the end is 0.1 %, and
    waiting for a seat belongs to the time alone."""
    results = sim.run(name)
    for work, told in results.summary["serving"].items():
        replicas = results.scenario["workloads"][work]["replicas"]["count"]
        under_way = told["throughput_requests_per_s"] * told["e2e_s"]["mean"]
        assert told["batch_size_mean"] * replicas == pytest.approx(under_way, rel=5e-3)


@pytest.mark.parametrize("of", ["steady", "random"])
def test_utilisation_is_the_rate_of_answers_times_the_service(of: str) -> None:
    """Of a queue that answers one at a time, whose requests are all done before its end."""
    service = {**queue(of), "arrivals": {"kind": "backlog", "requests": 500}}
    told = sim.run(world(work=service)).summary["serving"]["work"]
    served_s = told["e2e_s"]["mean"] - told["queue_s"]["mean"]
    assert told["completed"] == 500
    assert told["utilisation"] * service["replicas"] == pytest.approx(
        told["throughput_requests_per_s"] * served_s, rel=1e-6
    )
