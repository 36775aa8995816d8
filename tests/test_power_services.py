"""Services under shared limits of power: limits hold, no request is lost, and what that cost requests is told."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.engine.clock import Clock
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.power.ladder import Answer
from sim.engine.fleet.power.plan import Call
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.shape import PoolShape
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.nodes import Nodes
from sim.engine.training.job import TrainingJob
from sim.units import NS_PER_S
from sim.workload.power_records import LimitedRequests
from sim.workload.provisioning import StartUp
from sim.workload.records import ServiceLog
from tests.power_worlds import HARDWARE, LOADED_W, Meter, domain, plan, run, service
from tests.test_power_control import jobs
from tests.test_serving_service import changed
from tests.worlds import H, job

CAPS = (Answer("cap", "all", 0.3),)
PLAIN = replace(HARDWARE, supply=None, parts=())
"""Without what is drawn for the time of work and not for the work; a supply's losses are not linear."""
arrivals = st.lists(st.integers(0, 900).map(float), min_size=1, max_size=30)


def done_at(log: ServiceLog) -> np.ndarray:
    """When each request was done, in the order of arrivals."""
    order = np.argsort(np.frombuffer(log.arrival_ns, np.int64), kind="stable")
    return np.frombuffer(log.done_ns, np.int64)[order]


def as_slow_as_it_draws_less(active_w: float, cap_w: float) -> tuple[float, float]:
    """Pure delay: the rate is the dynamic power that is left."""
    cap_w = min(cap_w, active_w)
    return (cap_w - LOADED_W) / (active_w - LOADED_W), cap_w


@settings(max_examples=40, deadline=None)
@given(arrivals, st.floats(2600.0, 6000.0), st.integers(0, 30))
def test_a_cap_of_pure_delay_takes_time_and_no_joules(some: list[float], limit_w: float, answer_s: int) -> None:
    """Where the rate is as the dynamic power, the work of all requests takes the same dynamic energy at any pace: what
    meters book over the same time is the same, and every request is done later or at the same instant."""
    held = domain(0, 1, limit_w, answers=CAPS, answer_ns=answer_s * NS_PER_S)
    api = service(some, under_cap=as_slow_as_it_draws_less)
    (free, free_meter), (slow, slow_meter) = (run(None, domains, 1, 5000.0, [api], PLAIN) for domains in ([], [held]))
    assert len(slow.services[0].done_ns) == len(some)
    assert (done_at(slow.services[0]) >= done_at(free.services[0])).all()
    assert slow_meter.joules == pytest.approx(free_meter.joules, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(jobs, arrivals, st.floats(3300.0, 18000.0), st.integers(0, 30), st.sampled_from([0, 20]), st.integers(1, 4))
def test_no_limit_is_exceeded_for_longer_than_the_answer_takes_by_services_and_jobs(
    some: list[dict[str, float]], asked: list[float], limit_w: float, answer_s: int, load_s: int, batch: int
) -> None:
    """By a meter that knows nothing of limits; and every request is done once, or rejected, or still there."""
    ladder = (Answer("cap", "all", 0.4), Answer("pause", "training"), Answer("pause", "serving"), Answer("shed", "all"))
    held = domain(0, 2, limit_w, answers=ladder, answer_ns=answer_s * NS_PER_S)
    api = service(
        asked,
        replicas=3,
        gpus_per_replica=4,
        start_up=StartUp(load_s * NS_PER_S, load_s * NS_PER_S),
        max_batch=batch,
        max_wait_ns=3 * NS_PER_S,
        further_ns=NS_PER_S,
        queue_limit=6,
    )
    outcome, meter = run(plan(some), [held], duration_s=2000.0, services=[api])
    assert meter.longest_over_s(limit_w) <= answer_s
    (log,) = outcome.services
    everyone = sorted([*log.arrival_ns, *log.rejected_ns, *log.open_ns])
    assert everyone == api.arrivals_ns.tolist()


def test_a_paused_replica_stands_still_with_its_batch_and_others_serve() -> None:
    """Two replicas; from 5 s to 25 s a call leaves room for one. The later of them stops halfway through its request
    of 10 s, goes on from 10 s to 12 s, while the first has none, and from 22 s on; a request that comes at 12 s is
    served by the other."""
    held = domain(
        0,
        1,
        np.inf,
        answers=(Answer("pause", "serving"),),
        answer_ns=0,
        target=1.0,
        release=1.0,
        release_ns=0,
        calls=(Call(5 * NS_PER_S, 25 * NS_PER_S, 4000.0, 0),),
    )
    api = service([0.0, 0.0, 12.0], replicas=2, gpus_per_replica=4)
    outcome, _ = run(None, [held], 1, 60.0, [api])
    (log,) = outcome.services
    assert [at / NS_PER_S for at in log.done_ns] == [10.0, 22.0, 25.0]
    assert outcome.power is not None
    limited = outcome.power.requests["api"]
    assert (limited.spans_ns / NS_PER_S).tolist() == [[5.0, 10.0], [12.0, 22.0]]


def test_a_shed_replica_begins_its_request_anew() -> None:
    """A call for 20 s that only the idle node fits under: the replica goes, and its request is served once more from
    the start, since its work is lost."""
    held = domain(
        0,
        1,
        np.inf,
        answers=(Answer("shed", "serving"),),
        answer_ns=0,
        target=1.0,
        release=1.0,
        release_ns=0,
        calls=(Call(5 * NS_PER_S, 25 * NS_PER_S, 1000.0, 0),),
    )
    outcome, _ = run(None, [held], 1, 60.0, [service([0.0])])
    (log,) = outcome.services
    assert log.retries == 1
    assert log.done_ns[0] == pytest.approx(35 * NS_PER_S, abs=2)
    assert outcome.power is not None
    (episode,) = outcome.power.domains[0].episodes
    assert dict(episode.costs)["api"].lost_slot_s == pytest.approx(5.0 * 8)


def test_a_job_whose_cap_is_lifted_as_its_node_dies_starts_again() -> None:
    """Both are told to its process in one instant; it hears of the node, and is not taken for killed."""
    env, meter = Clock(), Meter()
    nodes = Nodes(env, meter, "pool", 1, HARDWARE, True)
    cluster = Cluster(env, [nodes], Fleet(env, [PoolShape("pool", 1, HARDWARE.slots)], FirstCome()), {})
    node = nodes[0]
    running = TrainingJob(env, cluster, job(under_cap=partial(as_slow_as_it_draws_less, 350.0)))

    def dies() -> Any:
        yield env.wait(H // 4)
        running.cap("limit", 300.0)
        yield env.wait(H // 4)
        node.fail()
        running.cap("limit", None)
        cluster.repair(node)

    env.process(dies())
    env.run(until=running.process)
    assert running.record().status == "completed"
    assert running.record().interruptions == 1


@given(st.lists(st.integers(0, 50), min_size=2, max_size=10, unique=True), st.lists(st.integers(-5, 60)))
def test_a_request_ends_within_a_span_or_outside_all(edges: list[int], at: list[int]) -> None:
    edges = sorted(edges)[: len(edges) // 2 * 2]
    spans = np.array(edges, np.int64).reshape(-1, 2)
    found = LimitedRequests(spans, {}, {}).within(np.array(at, np.int64))
    assert found.tolist() == [any(a < t <= b for a, b in spans.tolist()) for t in at]


# Serving by token


def held_serving(limit: str, engine: str = "fast", **policy: Any) -> dict[str, Any]:
    """Four replicas on two DGX H100 in a row of so many watts."""
    scenario = changed(engine=engine, slo={"ttft": "300 ms", "tpot": "9 ms"}, top__duration="4 min")
    scenario["outputs"]["bin"] = "1 min"
    row = {
        "per": "row",
        "limit": limit,
        "answers": [{"kind": "cap", "whom": "serving", "floor": "30 %"}, {"kind": "shed", "whom": "serving"}],
        "answer_time": "10 s",
        "release": {"below": "82 %", "after": "1 min"},
    }
    scenario["policies"] = [{"kind": "power-limits", "domains": {"row": row}, **policy}]
    return scenario


@pytest.mark.parametrize("policy", [{}, {"readings": "3 s"}])
def test_both_engines_serve_alike_under_a_ladder(policy: dict[str, Any]) -> None:
    """Caps and shedding at any instant, with costs that nobody knew before: all figures are the same."""
    fast, reference = (sim.run(held_serving("4.6 kW", engine, **policy)).summary for engine in ("fast", "reference"))
    assert fast["power_limits"] == reference["power_limits"]
    assert fast["power_limits"]["domains"]["row"]["shed"] > 0
    for name in ("completed", "killed", "goodput_share", "ttft_s", "tpot_s", "e2e_s"):
        assert fast["serving"]["chat"][name] == reference["serving"]["chat"][name]


def test_a_serving_row_keeps_its_limit_whatever_its_replicas_do() -> None:
    """Counted at the limits of boards the mean of every bin after the answer is below the limit; requests are served
    more slowly meanwhile, at fewer joules a token: their clocks are lower. Every request ended in one of the two."""
    run = sim.run(held_serving("5.2 kW"))
    told = run.summary["power_limits"]
    chat, served = told["workloads"]["chat"], run.summary["serving"]["chat"]
    per_bin_w = run.energy.energy_j.sum(axis=0) / 60.0
    assert (per_bin_w[1:] <= 5200.0).all()
    assert told["domains"]["row"]["longest_over_s"] <= 10.0
    ended = served["completed"] + served["rejected"] + served["timed_out"]
    assert chat["limited_requests"] + chat["free_requests"] == ended
    assert chat["limited_tpot_s"] > chat["free_tpot_s"]
    assert chat["limited_goodput_share"] <= chat["free_goodput_share"]
    assert chat["limited_dynamic_j_per_output_token"] < chat["free_dynamic_j_per_output_token"]


@pytest.mark.parametrize("policy", [{}, {"readings": "3 s"}])
def test_a_replica_stands_still_with_all_its_requests(policy: dict[str, Any]) -> None:
    """A call for 1 kW less from the first to the second minute: replicas pause, and go on; none is lost, none begins
    anew, and meanwhile only the others answer. Both engines tell the same."""
    free = held_serving("20 kW", **policy) | {"duration": "150 s"}
    free_w = sim.run(free).summary["power_limits"]["domains"]["row"]["most_w"]
    runs = []
    for engine in ("fast", "reference"):
        scenario = held_serving("20 kW", engine, **policy) | {"duration": "150 s"}
        row = scenario["policies"][0]["domains"]["row"]
        call = {"start": "1 min", "duration": "1 min", "limit": f"{free_w - 1000.0:.0f} W", "notice": "0 s"}
        row |= {"answers": [{"kind": "pause", "whom": "serving"}], "calls": [call]}
        runs.append(sim.run(scenario))
    fast, reference = runs
    assert fast.summary["power_limits"] == reference.summary["power_limits"]
    assert fast.summary["serving"]["chat"]["e2e_s"] == reference.summary["serving"]["chat"]["e2e_s"]
    told, served = fast.summary["power_limits"], fast.summary["serving"]["chat"]
    assert told["domains"]["row"]["paused"] > 0
    assert told["domains"]["row"]["longest_over_s"] <= 10.0
    assert told["domains"]["row"]["shed"] == served["killed"] == served["retries"] == 0
    assert served["completed"] + served["unfinished"] == served["requests"]
    frame = fast.requests()
    done_s = frame.done_ns / NS_PER_S
    still = frame[(done_s > 75.0) & (done_s <= 120.0)]
    assert len(set(still.replica)) == len(set(frame.replica)) - told["domains"]["row"]["paused"]


def test_what_was_read_leaves_more_than_the_limits_of_boards() -> None:
    """Boards of four replicas may draw 7 kW with their nodes, and draw 5.9 kW: above that a row that is read asks
    nothing of anybody."""
    counted, read = (
        sim.run(held_serving("6.5 kW", **policy)).summary["power_limits"] for policy in ({}, {"readings": "3 s"})
    )
    assert counted["domains"]["row"]["capped"] == 4
    assert read["domains"]["row"]["capped"] == 0
    assert not read["workloads"]


def test_a_floor_at_which_no_replica_serves_is_refused() -> None:
    scenario = held_serving("5.2 kW")
    scenario["policies"][0]["domains"]["row"]["answers"][0]["floor"] = "10 %"
    assert any("cannot serve so" in problem.message for problem in sim.check(scenario))


def test_trials_of_a_campaign_are_capped_before_a_service() -> None:
    """A campaign of four trials at a time on one node: it takes longer, and its trials still do all their work."""
    scenario = changed(top__duration="20 min")
    scenario["workloads"]["search"] = {
        "kind": "campaign",
        "trials": [
            {
                "share": "100 %",
                "gpus": 1,
                "work": {"kind": "gpu-hours", "gpu_hours": 0.05, "load": {"kind": "measured", "active": "600 W"}},
            }
        ],
        "selection": {"kind": "all", "trials": 8},
        "size": {"kind": "lognormal", "cv": 0.3},
        "setup": "10 s",
        "at_once": 4,
        "cpu_load": 0.1,
    }
    free = sim.run(scenario).summary
    answers = [{"kind": "cap", "whom": whom, "floor": "40 %"} for whom in ("training", "serving")]
    row: dict[str, Any] = {"per": "row", "limit": "8 kW", "answers": answers, "answer_time": "5 s", "target": "97 %"}
    row["release"] = {"below": "80 %", "after": "1 min"}
    scenario["policies"] = [{"kind": "power-limits", "readings": "3 s", "domains": {"row": row}}]
    slow = sim.run(scenario).summary
    told = slow["power_limits"]
    assert told["workloads"]["search"]["slowed_slot_s"] > 0.0
    assert "chat" not in told["workloads"]
    assert told["domains"]["row"]["longest_over_s"] <= 5.0
    assert slow["campaigns"]["search"]["makespan_s"] > free["campaigns"]["search"]["makespan_s"]
