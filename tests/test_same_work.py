"""What counts as the same work in two runs: what a model was asked about, wherever it stands, and nothing else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import sim
from sim.results.results import Results
from sim.results.same_work import made_of, same_hardware
from tests.small import small
from tests.test_serving_service import changed

Scenario = dict[str, Any]


@pytest.fixture(scope="module")
def trained() -> Results:
    return sim.run(small())


@pytest.fixture(scope="module")
def served() -> Results:
    return sim.run(changed(top__duration="1 min"))


def with_scenario(run: Results, change: Callable[[Scenario], object]) -> Results:
    scenario = copy.deepcopy(run.scenario)
    change(scenario)
    return replace(run, scenario=scenario)


def with_manifest(run: Results, part: str, **changed: Any) -> Results:
    return replace(run, manifest={**run.manifest, part: {**run.manifest[part], **changed}})


def pool(**fields: Any) -> Callable[[Scenario], None]:
    return lambda scenario: scenario["cluster"]["nodes"][0].update(fields)


def job(**fields: Any) -> Callable[[Scenario], None]:
    """Of the first workload."""
    return lambda scenario: next(iter(scenario["workloads"].values())).update(fields)


def top(**fields: Any) -> Callable[[Scenario], None]:
    return lambda scenario: scenario.update(fields)


def capped(target: str, *more: Callable[[Scenario], None]) -> Callable[[Scenario], None]:
    """With a cap by the hour of the day."""

    def change(scenario: Scenario) -> None:
        when = {"kind": "daily", "since": "16:00", "until": "20:00"}
        scenario["policies"] = [{"kind": "power-cap", "target": target, "cap": "250 W", "when": when}]
        for one in more:
            one(scenario)

    return change


def dirtier(scenario: Scenario) -> None:
    scenario["site"]["grid"]["intensity"] = "800 gCO2e/kWh"


def with_another_pool(scenario: Scenario) -> None:
    scenario["cluster"]["nodes"].append({"profile": "hgx-h200", "count": 3})
    scenario["workloads"]["other"] = {"kind": "training", "pool": "hgx-h200", "gpus": 8, "work": {"stack": "another"}}


ELSEWHERE = {"profile": "dgx-a100", "count": 2, "name": "north", "site": "there", "initially": "on", "keep_warm": 0}


@pytest.mark.parametrize(
    "change",
    [
        dirtier,
        top(name="another", seed=8, accounting={}, outputs={}),
        top(start="2023-01-01T00:00:00Z", duration="9 h"),
        pool(idle_timeout="10 min", keep_warm=1),
        job(start_after="3 h", schedule={"kind": "windowed"}, pool="dgx-a100", trace={}),
        capped("api"),
        capped("somewhere-else"),
        with_another_pool,
    ],
)
def test_a_gang_does_the_same_work(trained: Results, change: Callable[[Scenario], None]) -> None:
    """Whatever a kWh costs or emits, whenever it works, whatever idle nodes and others do."""
    assert made_of(with_scenario(trained, change), "tune") == made_of(trained, "tune")


def test_it_is_the_same_in_a_like_pool_elsewhere(trained: Results) -> None:
    moved = with_scenario(trained, lambda scenario: scenario["cluster"].update(nodes=[ELSEWHERE]))
    keys = tuple(key._replace(pool="north", site="there") for key in trained.energy.keys)
    moved = replace(moved, energy=replace(trained.energy, keys=keys))
    assert made_of(moved, "tune") == made_of(trained, "tune")


@pytest.mark.parametrize(
    "change",
    [
        pool(count=3),
        pool(profile="dgx-h100", name="dgx-a100"),
        pool(fabric={"kind": "rail"}),
        pool(unit_effect={"kind": "stated"}),
        pool(mig={"layout": ["3g.40gb", "3g.40gb"]}),
        job(gpus=16),
        job(work={"kind": "model", "model": "llama-3.1-70b", "micro_batch": 2}),
        capped("tune"),
        capped("dgx-a100"),
        top(policies=[{"kind": "throttle", "limit": "9 kW"}]),
        top(policies=[{"kind": "power-limits", "domains": {}}]),
    ],
)
def test_boards_that_are_held_or_joined_otherwise_do_other_work(
    trained: Results, change: Callable[[Scenario], None]
) -> None:
    """Though the block of the job says the same of all but two."""
    assert made_of(with_scenario(trained, change), "tune") != made_of(trained, "tune")


@pytest.mark.parametrize("name", ["dgx-a100", "nvidia-a100-sxm-80gb"])
def test_a_profile_is_told_by_what_is_in_it(trained: Results, name: str) -> None:
    """Boards of a node are written in its profile, and nobody in the scenario says how many they are."""
    other = with_manifest(trained, "profiles_sha256", **{name: "another"})
    assert made_of(other, "tune") != made_of(trained, "tune")
    assert not same_hardware(trained, other)


def test_another_release_has_other_laws(trained: Results) -> None:
    assert made_of(with_manifest(trained, "versions", coldaisle="9.9"), "tune") != made_of(trained, "tune")
    assert made_of(with_manifest(trained, "versions", numpy="9.9"), "tune") == made_of(trained, "tune")
    added = replace(trained, manifest={**trained.manifest, "plugins": {"mine": "1.0"}})
    assert made_of(added, "tune") != made_of(trained, "tune")


def test_a_cap_by_the_hour_meets_other_hours_and_one_by_a_signal_another_grid(trained: Results) -> None:
    by_hour = with_scenario(trained, capped("tune"))
    assert made_of(with_scenario(by_hour, dirtier), "tune") == made_of(by_hour, "tune")
    later = with_scenario(by_hour, top(start="2022-07-04T09:00:00Z"))
    assert made_of(later, "tune") != made_of(by_hour, "tune")
    above = {"kind": "above", "signal": "carbon", "level": "300 gCO2e/kWh"}
    by_signal = [{"kind": "power-cap", "target": "tune", "cap": "250 W", "when": above}]
    capped_by_signal = with_scenario(trained, top(policies=by_signal))
    assert made_of(with_scenario(capped_by_signal, dirtier), "tune") != made_of(capped_by_signal, "tune")


def test_who_shares_boards_is_part_of_it(trained: Results) -> None:
    shared = with_scenario(trained, pool(sharing={"kind": "mps"}))
    fuller = with_scenario(shared, lambda scenario: scenario["workloads"]["api"].update(replicas=4))
    assert made_of(fuller, "tune") != made_of(shared, "tune")


@pytest.mark.parametrize(
    ("same", "change"),
    [
        (True, dirtier),
        (True, job(slo={"ttft": "1 s"}, engine="reference")),
        (True, top(seed=9)),
        (False, top(duration="2 min")),
        (False, top(start="2025-03-03T09:07:00Z")),
        (False, pool(idle_timeout="10 min")),
        (False, pool(count=4)),
        (False, job(model="llama-3.1-70b")),
        (False, job(stack="vllm-2026")),
        (False, job(batching={"max_num_seqs": 128, "max_num_batched_tokens": 1024})),
        (False, job(arrivals={"kind": "poisson", "rate": "7 request/s"})),
        (False, capped("chat")),
    ],
)
def test_of_a_service_what_comes_and_when_counts_too(
    served: Results, same: bool, change: Callable[[Scenario], None]
) -> None:
    """How many meet in a batch follows from the hour, and from how soon replicas are up."""
    assert (made_of(with_scenario(served, change), "chat") == made_of(served, "chat")) is same


def test_replicas_in_a_like_pool_of_another_name_are_alike(served: Results) -> None:
    def renamed(scenario: Scenario) -> None:
        scenario["cluster"]["nodes"][0]["name"] = "east"
        scenario["workloads"]["chat"]["replicas"]["pool"] = "east"

    keys = tuple(key._replace(pool="east") for key in served.energy.keys)
    moved = replace(with_scenario(served, renamed), energy=replace(served.energy, keys=keys))
    assert made_of(moved, "chat") == made_of(served, "chat")


@pytest.mark.parametrize("named", ["stack", "model"])
def test_a_stack_and_a_model_of_ones_own_are_told_from_those_that_ship(served: Results, named: str) -> None:
    name = served.scenario["workloads"]["chat"][named]
    other = with_manifest(served, "profiles_sha256", **{name: "another"})
    assert made_of(other, "chat") != made_of(served, "chat")
    assert same_hardware(served, other)  # its embodied carbon is at one place of its range in both


def test_a_trace_is_told_by_its_rows_and_not_by_where_it_lies(served: Results) -> None:
    def run(path: str, rows: str) -> Results:
        traced = with_scenario(served, job(arrivals={"kind": "trace", "file": path}))
        return with_manifest(traced, "inputs_sha256", **{path: rows, "/grid.csv": path})

    here, copied, edited = run("/a/trace.csv", "1"), run("/b/trace.csv", "1"), run("/a/trace.csv", "2")
    assert made_of(here, "chat") == made_of(copied, "chat") != made_of(edited, "chat")


@pytest.mark.parametrize(
    ("by", "sees"), [("shares", False), ("difficulty", False), ("lowest", True), ("cascade", True)]
)
def test_a_route_that_looks_at_the_grid_sends_otherwise_under_another(served: Results, by: str, sees: bool) -> None:
    def routed(scenario: Scenario) -> None:
        scenario["routes"] = {"users": {"by": {"kind": by}, "arrivals": {"kind": "poisson", "rate": "9 request/s"}}}
        scenario["workloads"]["chat"]["arrivals"] = {"kind": "routed", "route": "users"}

    here = with_scenario(served, routed)
    busier = with_scenario(here, lambda scenario: scenario["routes"]["users"]["arrivals"].update(rate="1 request/s"))
    assert made_of(busier, "chat") != made_of(here, "chat")
    assert (made_of(with_scenario(here, dirtier), "chat") != made_of(here, "chat")) is sees
