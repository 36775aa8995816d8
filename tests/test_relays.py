"""Cascades: what one model cannot answer is asked of the next, and everybody pays for both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.report.work import basis
from sim.results import Results
from sim.results.work import answers
from sim.units import G_PER_KG, J_PER_KWH
from tests.relay_worlds import alone, cascade, memo
from tests.test_routes_by_request import one_site

BY = cascade()["routes"]["all"]["by"]


def without_words(results: Results) -> dict[str, Any]:
    """What became of services, without the name of the engine."""
    return {name: {**service, "engine": ""} for name, service in results.at("serving").items()}


@pytest.mark.slow
def test_exponential_cascades_are_a_network_of_jackson() -> None:
    """Jackson 1957 (doi 10.1287/opre.5.4.518): each station is an M/M/1 of its own, W = 1 / (mu - lambda).

    The small one is asked 0.5/s at mu = 1/s: 2 s. The large one gets 0.3 of that at mu = 0.25/s: 10 s.
    """
    results = sim.run(cascade(), set={"duration": "400000 s"})
    small, large = (results.at(f"serving.{name}.e2e_s.mean") for name in ("little", "large"))
    # standard error of 60,000 autocorrelated times at a load of 0.6: about 1.5 %; three of them
    assert small == pytest.approx(2.0, rel=0.03)
    assert large == pytest.approx(10.0, rel=0.05)
    assert results.at("routes.all.e2e_s.large") == pytest.approx(small + large, rel=0.04)
    assert results.at("routes.all.e2e_mean_s") == pytest.approx(2.0 + 0.3 * 10.0, rel=0.04)


def test_every_request_is_answered_once_or_lost_or_still_open() -> None:
    results = sim.run(cascade(), set={"workloads.large.queue_limit": 1})
    route, serving = results.at("routes.all"), results.at("serving")
    unfinished = sum(service["unfinished"] for service in serving.values())
    assert route["lost"] == serving["large"]["rejected"] > 0
    assert route["asked"] == sum(route["answered"].values()) + route["lost"] + unfinished
    assert route["requests"]["large"] == route["passed_on"]["little"]
    assert serving["little"]["completed"] == route["answered"]["little"] + route["passed_on"]["little"]


def test_both_are_paid_for_and_the_verifier() -> None:
    """A judged answer takes the CPU 3 J, and users wait 2 s for each judgement; the large one is not judged."""
    free = sim.run(cascade())
    by = {**BY, "verifier": {"time": "2 s", "energy": "3 J"}}
    judged = sim.run(cascade(by=by))
    spent_j = (judged.at("energy_kwh.it") - free.at("energy_kwh.it")) * J_PER_KWH
    completed = judged.at("serving.little.completed")
    # the large one works 2 s later, which moves what it does beyond the end: within a request of 4 s at 200 W
    assert spent_j == pytest.approx(3.0 * completed, abs=5000.0)
    both = {**BY, "up_to": {"little": 0.0001}}
    all_to_both = sim.run(cascade(by=both), set={"routes.all.arrivals.rate": "0.2 /s"})
    assert all_to_both.at("routes.all.requests.large") == pytest.approx(
        all_to_both.at("routes.all.requests.little"), abs=5
    )
    times = judged.at("routes.all.e2e_s.little") - judged.at("serving.little.e2e_s.mean")
    assert times == pytest.approx(2.0, abs=0.3)  # 30 % of the service's are passed on and not in the first mean


@given(st.floats(0.05, 0.9), st.floats(0.02, 0.09))
def test_more_is_passed_on_the_less_the_first_may_answer(limit: float, more: float) -> None:
    found = []
    for level in (limit, limit + more):
        by = {**BY, "up_to": {"little": level}}
        found.append(sim.run(cascade(by=by), set={"duration": "300 s"}).at("routes.all"))
    assert found[0]["asked"] == found[1]["asked"]
    assert found[0]["passed_on"]["little"] >= found[1]["passed_on"]["little"]


def test_latencies_are_paid_on_every_way() -> None:
    """Half of a round trip there and half back: 0.2 s + 0.6 s for what both are asked."""
    there = {"little": {"latency": "200 ms"}, "large": {"latency": "600 ms"}}
    near, far = sim.run(cascade()), sim.run(cascade(to=there))
    for place, late_s in (("little", 0.2), ("large", 0.8)):
        late = far.at(f"routes.all.e2e_s.{place}") - near.at(f"routes.all.e2e_s.{place}")
        assert late == pytest.approx(late_s, abs=0.1)  # arrivals are the same; the end cuts a few off


def test_the_same_again_and_whatever_the_bins() -> None:
    for world in (cascade(cache=memo()), cascade()):
        first, again = sim.run(world), sim.run(world)
        finer = sim.run(world, set={"outputs.bin": "1 min"})
        assert first.summary == again.summary
        assert finer.at("routes") == first.at("routes")
        assert finer.at("energy_kwh.it") == pytest.approx(first.at("energy_kwh.it"), rel=1e-9)


def test_a_run_without_an_end_ends_when_all_is_answered() -> None:
    world = cascade(arrivals={"kind": "poisson", "rate": "0.5 /s", "requests": 50}, cache=memo())
    del world["duration"]
    route = sim.run(world).at("routes.all")
    assert route["asked"] == 50 == sum(route["answered"].values()) + route["cache"]["hits"]


def test_queues_may_share_a_route_by_any_other_rule() -> None:
    by = {"kind": "shares", "shares": {"little": 0.75, "large": 0.25}}
    results = sim.run(cascade(by=by))
    requests = results.at("routes.all.requests")
    total = sum(requests.values())
    assert abs(requests["large"] / total - 0.25) < 4.5 * (0.25 * 0.75 / total) ** 0.5
    assert results.at("routes.all.e2e_s.little") == pytest.approx(results.at("serving.little.e2e_s.mean"))


# --- language models --------------------------------------------------------------------------------------------------


def models(**route: Any) -> dict[str, Any]:
    """The small and the large model of the routes' tests, one asked after the other."""
    by = {**BY, "up_to": {"near": 0.6}, "beyond": "far", "verifier": {"time": "50 ms", "energy": "1 J"}}
    return one_site(by=by, **route)


def test_cascades_of_models_are_the_same_in_both_engines_and_in_any_bins() -> None:
    cache = memo(at="near", capacity=500)
    for world in (models(), models(cache=cache)):
        world["duration"] = "6 min"  # as the plain engine takes a second of a core for every two
        fast = sim.run(world)
        assert fast.at("routes.chat.passed_on.near") > 0
        reference = sim.run(world, set={f"workloads.{name}.engine": "reference" for name in ("near", "far")})
        finer = sim.run(world, set={"outputs.bin": "1 min"})
        assert without_words(fast) == without_words(reference)
        assert fast.at("routes") == reference.at("routes") == finer.at("routes")


def test_models_answer_each_request_once_and_users_wait_for_both() -> None:
    results = sim.run(models())
    route, serving = results.at("routes.chat"), results.at("serving")
    unfinished = sum(service["unfinished"] for service in serving.values())
    passed = route["passed_on"]["near"]
    assert route["asked"] == sum(route["answered"].values()) + route["lost"] + unfinished
    assert abs(passed / serving["near"]["completed"] - 0.4) < 4.5 * (0.24 / serving["near"]["completed"]) ** 0.5
    assert passed - serving["far"]["requests"] in (0, 1)  # one may be on its way at the end
    # who is passed on is as quick at the first as others are: difficulties are drawn by themselves
    both_s = serving["near"]["e2e_s"]["mean"] + 0.05 + serving["far"]["e2e_s"]["mean"]
    assert route["e2e_s"]["far"] == pytest.approx(both_s, rel=0.05)
    assert route["ttft_s"]["near"] == pytest.approx(route["e2e_s"]["near"])  # shown when it has been judged


def test_rows_of_requests_are_kept_as_asked() -> None:
    assert sim.run(models(), set={"outputs.requests": "none"}).request_table is None
    rows = sim.run(models(), set={"outputs.requests": "all"})
    table = rows.requests()
    completed = sum(service["completed"] for service in rows.at("serving").values())
    assert len(table[table["status"] == "completed"]) == completed


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "path", "says"),
    [
        ({"routes.all.lengths": {"kind": "separate"}}, "routes.all.lengths", "."),
        ({"routes.all.by": {"kind": "prompt-tokens", "up_to": {"little": 9}, "beyond": "large"}}, "by", "queues"),
        ({"routes.all.by": {**BY, "up_to": {"little": 1.5}}}, "routes.all", "between 0 and 1"),
        ({"routes.all.by": {**BY, "up_to": {"other": 0.5}}}, "up_to", "needs a limit for 'little'"),
        ({"routes.all.cache": memo(at="somebody")}, "routes.all.cache.at", "is none of 'to'"),
        ({"workloads.little.cache": memo(of_route=False)}, "workloads.little.cache", "before its route"),
        ({"routes.all.by": {**BY, "of": {"kind": "column", "column": "x"}}}, "routes.all", "kind: trace"),
    ],
)
def test_what_makes_no_cascade_is_told(changes: dict[str, Any], path: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as refused:
        load_scenario(cascade(), changes)
    assert any(path in problem.path for problem in refused.value.problems)


def test_endless_arrivals_need_an_end() -> None:
    world = cascade()
    del world["duration"]
    with pytest.raises(InputError, match="never end"):
        load_scenario(world)


def test_keys_of_a_trace_are_its_texts(tmp_path: Path) -> None:
    rows = [f"2025-03-03 08:{i:02d}:00,10,5,question {i % 4}" for i in range(40)]
    (tmp_path / "asked.csv").write_text("timestamp_utc,prompt_tokens,output_tokens,question\n" + "\n".join(rows))
    arrivals = {"kind": "trace", "file": str(tmp_path / "asked.csv")}
    keys = {"kind": "column", "column": "question"}
    world = cascade(arrivals=arrivals, cache=memo(keys=keys), by={"kind": "nearest", "interval": "1 min"})
    world["routes"]["all"]["to"] = {"little": {"latency": "1 ms"}, "large": {"latency": "2 ms"}}
    found = sim.run(world, set={"duration": "1 h"}).at("routes.all")
    assert (found["asked"], found["cache"]["hits"], found["requests"]["little"]) == (40, 36, 4)
    with pytest.raises(InputError, match="has no column 'questions' of keys; did you mean 'question'"):
        load_scenario(world, {"routes.all.cache.keys.column": "questions"})


def test_a_memo_of_ones_own_counts_in_the_functional_unit() -> None:
    world = alone(cache=memo(of_route=False))
    world["accounting"]["functional_unit"] = {"of": "api", "per": "request"}
    results = sim.run(world)
    answered = results.at("serving.api.completed") + results.at("serving.api.cache.hits")
    each_g = results.at("carbon_kg.total") * G_PER_KG / answered
    assert results.at("kpi.sci_g_per_unit") == pytest.approx(each_g)
    assert np.isclose(results.at("serving.api.cache.hit_rate"), 0.5, atol=0.03)


@pytest.mark.parametrize("kind", ["cascade", "difficulty"])
def test_the_ends_of_a_sweep_over_a_limit_are_answered_too(kind: str) -> None:
    """At 1 the small one answers all and the large is never asked; at 0 it answers none, and in a cascade is asked all
    the same."""
    by = cascade()["routes"]["all"]["by"]
    if kind == "difficulty":
        by = {key: value for key, value in by.items() if key != "verifier"} | {"kind": "difficulty"}
    done = {}
    for limit in (0.0, 0.5, 1.0):
        run = sim.run(cascade(by={**by, "up_to": {"little": limit}}))
        done[limit] = {name: run.at(f"serving.{name}.requests") for name in ("little", "large")}
    asked = sum(done[1.0].values())
    assert done[1.0] == {"little": asked, "large": 0}
    if kind == "cascade":  # at 0 some are still with the small one as the run ends
        assert done[0.0]["little"] == asked
        assert asked * 0.98 < done[0.0]["large"] <= asked
    else:
        assert done[0.0] == {"little": 0, "large": asked}
        assert sum(done[0.5].values()) == asked


def test_shares_reach_none_and_all() -> None:
    world = cascade(by={"kind": "shares", "shares": {"little": 1.0, "large": 0.0}})
    run = sim.run(world)
    assert run.at("serving.large.requests") == 0 < run.at("serving.little.requests")


def test_a_unit_of_a_route_is_what_its_users_got() -> None:
    """A question that two models worked on is one answer, and so is what the memo knew; SCI for AI counts alike."""
    world = cascade(cache=memo())
    world["accounting"]["functional_unit"] = {"of": "all", "per": "request"}
    run = sim.run(world)
    route = run.summary["routes"]["all"]
    got = sum(route["answered"].values()) + route["cache"]["hits"]
    assert route["cache"]["hits"] > 0 < route["passed_on"]["little"]
    assert run.summary["carbon_kg"]["total"] * G_PER_KG / run.at("kpi.sci_g_per_unit") == pytest.approx(got)
    assert answers(run.summary) == {"all": got}
    world["accounting"]["functional_unit"]["per"] = "output-token"
    assert [problem.message for problem in sim.check(world)] == ["'all' is a route and counts no output-tokens"]
    world["accounting"]["functional_unit"] = {"of": "al", "per": "request"}
    assert [problem.message for problem in sim.check(world)] == [
        "unknown workload or route 'al'; did you mean 'all'?  (little, large, all)"
    ]


def test_cascades_that_answer_the_same_questions_did_the_same_work() -> None:
    """How many of them the large model saw is how they did it, and no other work."""
    runs = [sim.run(cascade(by={**cascade()["routes"]["all"]["by"], "up_to": {"little": u}})) for u in (0.7, 0.9)]
    assert basis([run.summary for run in runs]).whole
