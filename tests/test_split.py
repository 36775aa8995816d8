"""Stages on devices, at an edge and in a data center: times and joules that add up, limits, queueing theory."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.accounting.ledger import DEVICES, WAN
from sim.errors import InputError
from sim.loading.scenario import load_scenario, scenario_path
from sim.results.compare import Comparison
from sim.results.results import Results
from sim.units import J_PER_KWH, NS_PER_S
from sim.workload.stages import Course, Network, move
from tests.small import small
from tests.test_service import erlang_c_wait_s

EXPONENTIAL = {"kind": "exponential"}
_SPLIT: dict[str, Any] = {
    "kind": "split",
    "arrivals": {"kind": "poisson", "rate": "2 request/s"},
    "devices": {
        "phone": {
            "count": 1000,
            "network": "wifi",
            "working": "4 W",
            "transferring": "2 W",
            "waiting": "1 W",
            "compute": "0.1 TFLOP/s",
        }
    },
    "networks": {
        "wifi": {"energy": "0.03 kWh/GB", "download": "5 MB/s", "upload": "1 MB/s", "latency": "5 ms"},
        "wan": {"energy": "0.01 kWh/GB", "download": "50 MB/s", "upload": "20 MB/s", "latency": "20 ms"},
    },
    "places": {
        "edge": {
            "pool": "edge",
            "replicas": 1,
            "gpus_per_replica": 1,
            "compute": "10 TFLOP/s",
            "law": "constant",
            "load": {"kind": "measured", "active": "60 W"},
            "cpu_load": 0.1,
        },
        "cloud": {
            "pool": "cloud",
            "over": ["wan"],
            "replicas": 2,
            "gpus_per_replica": 1,
            "compute": "100 TFLOP/s",
            "law": "constant",
            "load": {"kind": "measured", "active": "300 W"},
            "cpu_load": 0.1,
        },
    },
    "input": "150 kB",
    "stages": {
        "head": {"at": "device", "work": "2 GFLOP", "output": "20 kB"},
        "middle": {"at": "edge", "work": "100 GFLOP", "output": "40 kB"},
        "tail": {"at": "cloud", "work": "500 GFLOP"},
    },
    "reply": "1 kB",
}


def scenario(until: str = "2 min", accounting: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A T4 at the edge and a DGX behind it; ``changes`` go to the workload by dotted path, ``__`` for a dot."""
    work = copy.deepcopy(_SPLIT)
    for path, value in changes.items():
        *within, last = path.split("__")
        at = work
        for name in within:
            at = at[name]
        at[last] = value
    data = small() | {"workloads": {"seer": work}, "duration": until}
    nodes = [{"profile": "t4-server", "count": 1, "name": "edge"}, {"profile": "dgx-a100", "count": 1, "name": "cloud"}]
    data["cluster"] = {"nodes": nodes}
    outside = dict.fromkeys(work["devices"], "430 gCO2e/kWh")
    data["accounting"] |= {"outside": {"seer": outside}, **(accounting or {})}
    return data


def run(until: str = "2 min", **changes: Any) -> Results:
    return sim.run(scenario(until, **changes))


def found(results: Results) -> dict[str, Any]:
    metrics: dict[str, Any] = results.summary["split"]["seer"]
    return metrics


def all_at(place: str) -> dict[str, Any]:
    return {f"stages__{name}__at": place for name in _SPLIT["stages"]}


# --- one request in closed form ---------------------------------------------------------------------------------------


def test_a_request_that_meets_nobody_takes_the_sum_of_its_parts() -> None:
    """2 GFLOP at 0.1 TFLOP/s, 20 kB at 1 MB/s and 5 ms, 10 ms at the edge, 40 kB at 20 MB/s and 20 ms, 5 ms in the
    cloud, 1 kB back at 5 MB/s and 25 ms."""
    metrics = found(run(arrivals__rate="0.001 request/s", until="3 h"))
    parts = metrics["parts_s"]
    assert math.isclose(parts["device"], 0.020, abs_tol=2e-9)
    assert math.isclose(parts["network"], (0.020 + 0.005) + (0.002 + 0.020) + (0.0002 + 0.025), abs_tol=2e-9)
    assert math.isclose(parts["service"], 0.010 + 0.005, abs_tol=2e-9)
    assert parts["queue"] == parts["device_queue"] == 0.0
    assert math.isclose(metrics["e2e_s"]["p99"], sum(parts.values()), abs_tol=1e-8)
    device_j = 4.0 * 0.020 + 2.0 * (0.020 + 0.0002) + 1.0 * (0.005 + 0.010 + 0.022 + 0.005 + 0.025)
    assert math.isclose(metrics["energy_j_per_request"]["devices"], device_j, rel_tol=1e-6)
    network_j = (0.03 * 20e3 + 0.01 * 40e3 + (0.03 + 0.01) * 1e3) / 1e9 * J_PER_KWH
    assert math.isclose(metrics["energy_j_per_request"]["network"], network_j, rel_tol=1e-9)


def test_between_places_only_what_lies_between_them_is_crossed() -> None:
    """From the edge to the cloud no byte goes over the device's own network again; the reply goes over both."""
    metrics = found(run())
    done = metrics["completed"]
    assert math.isclose(metrics["sent_gb"], done * 20e3 / 1e9, rel_tol=0.02)
    assert math.isclose(metrics["received_gb"], done * 1e3 / 1e9, rel_tol=0.02)


# --- sums -------------------------------------------------------------------------------------------------------------

BUSY: dict[str, Any] = {
    "arrivals__rate": "60 request/s",
    "places__edge__law": "exponential",
    "devices__phone__count": 3,
}


@pytest.mark.parametrize("changes", [{}, BUSY, {**BUSY, "spread": EXPONENTIAL, "stages__head__leaves": 0.4}])
def test_parts_of_the_time_add_up(changes: dict[str, Any]) -> None:
    """To the nanosecond in each request, and so in the mean."""
    metrics = found(run(**changes))
    assert math.isclose(sum(metrics["parts_s"].values()), metrics["e2e_s"]["mean"], rel_tol=1e-12)
    assert metrics["requests"] == metrics["completed"] + metrics["rejected"] + metrics["unfinished"]
    assert sum(metrics["left_after"].values()) == metrics["completed"]


@pytest.mark.parametrize("until", ["2 min", "61.003 s"])
@pytest.mark.parametrize("changes", [{}, BUSY, {"devices__phone__standby": "0.5 W"}])
def test_what_is_told_is_what_the_ledger_holds(changes: dict[str, Any], until: str) -> None:
    results = run(until, **changes)
    metrics, ledger = found(results), results.energy
    for component, name in ((DEVICES, "devices_kwh"), (WAN, "network_kwh")):
        booked_j = float(ledger.by_component[component].sum())
        assert math.isclose(booked_j / J_PER_KWH, metrics[name], rel_tol=1e-9)
    assert math.isclose(results.at("energy_kwh.devices"), metrics["devices_kwh"], rel_tol=1e-9)
    assert math.isclose(results.at("energy_kwh.network"), metrics["network_kwh"], rel_tol=1e-9)
    assert math.isclose(sum(metrics["by_use_kwh"].values()), metrics["devices_kwh"], rel_tol=1e-12)
    places = sum(place["energy_kwh"] for place in metrics["by_place"].values())
    assert math.isclose(places, metrics["machines_kwh"], rel_tol=1e-12)
    assert math.isclose(results.at("energy_kwh.by_workload.seer"), metrics["machines_kwh"], rel_tol=1e-12)


def test_devices_that_are_kept_are_held_and_made_for_all_of_the_time() -> None:
    """Three boards for two minutes of three years, whatever they do meanwhile: 3 x 60 kg x 120 s / 3 years."""
    made: dict[str, Any] = {"devices__phone__standby": "0.5 W", "devices__phone__embodied": "60 kgCO2e"}
    results = sim.run(scenario(accounting={"device_lifetime": "3 years"}, **BUSY, **made))
    ledger = results.energy
    held_ns = sum(held for key, held in zip(ledger.keys, ledger.held_ns, strict=True) if key.component == DEVICES)
    assert held_ns == 3 * 120 * NS_PER_S
    expected = 3 * 60.0 * 120.0 / (3 * 365.25 * 86400.0)
    assert math.isclose(results.at("carbon_kg.by_component.embodied_devices"), expected, rel_tol=1e-9)
    others = sim.run(scenario(accounting={"device_lifetime": "3 years"}, devices__phone__embodied="60 kgCO2e"))
    assert 0.0 < others.at("carbon_kg.by_component.embodied_devices") < expected / 10.0


def test_two_requests_of_one_device_do_not_have_it_draw_twice() -> None:
    """A device that waits for many answers at once waits once: never more than its highest watts."""
    metrics = found(run(devices__phone__count=1, arrivals__rate="40 request/s", places__edge__compute="4.1 TFLOP/s"))
    assert metrics["by_place"]["edge"]["queue_s"]["mean"] > 0.05
    use = metrics["by_use_kwh"]
    watts = {"active": 4.0, "transferring": 2.0, "waiting": 1.0}
    seconds = {name: use[name] * J_PER_KWH / w for name, w in watts.items()}
    assert sum(seconds.values()) <= 120.0 * (1 + 1e-9)
    assert math.isclose(seconds["active"], 0.020 * metrics["requests"], rel_tol=2e-3)


def test_carbon_of_devices_and_their_networks_is_that_of_where_they_are() -> None:
    results = run()
    metrics, carbon = found(results), results.at("carbon_kg.by_component")
    assert math.isclose(carbon["devices"], metrics["devices_kwh"] * 0.43, rel_tol=1e-9)
    assert math.isclose(carbon["wan"], metrics["network_kwh"] * 0.43, rel_tol=1e-9)


# --- limits -----------------------------------------------------------------------------------------------------------


def test_all_on_the_device_takes_nothing_of_a_data_center() -> None:
    results = run(**all_at("device"))
    metrics = found(results)
    assert metrics["machines_kwh"] == metrics["network_kwh"] == 0.0
    assert metrics["by_place"] == {}
    assert "seer" not in results.at("energy_kwh.by_workload")
    assert math.isclose(metrics["e2e_s"]["p50"], 602e9 / 0.1e12, rel_tol=1e-6)


def test_all_at_a_place_leaves_a_device_its_radio() -> None:
    metrics = found(run(**all_at("edge")))
    assert metrics["by_use_kwh"]["active"] == 0.0
    assert metrics["parts_s"]["device"] == 0.0
    assert set(metrics["by_place"]) == {"edge"}
    assert math.isclose(
        metrics["by_use_kwh"]["transferring"] * J_PER_KWH / metrics["requests"], 2.0 * 0.1502, rel_tol=0.02
    )


def test_nothing_sent_takes_no_network() -> None:
    """Without bytes there is neither energy nor time, and nobody waits for a reply that does not come."""
    nothing = {"stages__head__output": "0 B", "stages__middle__output": "0 B", "reply": "0 B"}
    metrics = found(run(**nothing))
    assert metrics["network_kwh"] == metrics["parts_s"]["network"] == metrics["sent_gb"] == 0.0
    assert metrics["by_use_kwh"]["waiting"] == metrics["by_use_kwh"]["transferring"] == 0.0
    told = found(run(reply="0 B"))
    assert told["by_use_kwh"]["waiting"] == 0.0
    assert told["received_gb"] == 0.0


@given(byte=st.floats(1.0, 1e9), rates=st.lists(st.floats(1e3, 1e9), min_size=1, max_size=4))
def test_a_path_is_as_slow_as_its_slowest_and_takes_the_energy_of_all(byte: float, rates: list[float]) -> None:
    networks = [Network(1e-8 * i, rate, 1e12, 10**6) for i, rate in enumerate(rates, 1)]
    whole = move(byte, [(net, "up") for net in networks], "up")
    assert whole is not None
    assert math.isclose(whole.pass_ns, byte / min(rates) * NS_PER_S, rel_tol=1e-6, abs_tol=1.0)
    assert whole.latency_ns == len(rates) * 10**6
    alone = [move(byte, [(net, "up")], "up") for net in networks]
    assert math.isclose(whole.joules, sum(one.joules for one in alone if one is not None), rel_tol=1e-12)
    assert move(0.0, [(networks[0], "up")], "up") is None
    assert move(byte, [], None) is None


# --- queues -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("replicas", "load"), [(1, 0.6), (3, 0.8)])
def test_waiting_at_a_place_follows_erlang_c(replicas: int, load: float) -> None:
    """Delays before it are the same for all, so that arrivals at the queue are as Poisson as those at the devices."""
    one = {**all_at("cloud"), "places__cloud__replicas": replicas, "places__cloud__law": "exponential"}
    one |= {"places__cloud__compute": "6.02 TFLOP/s", "arrivals__rate": f"{load * replicas / 0.1:g} request/s"}
    waits = []
    for seed in range(6):
        data = scenario("10 min", **one) | {"seed": seed}
        waits.append(found(sim.run(data))["by_place"]["cloud"]["queue_s"]["mean"])
    mean, error = float(np.mean(waits)), float(np.std(waits, ddof=1) / math.sqrt(len(waits)))
    expected = erlang_c_wait_s(replicas, load * replicas, 0.1)
    assert error < 0.15 * expected
    assert abs(mean - expected) < 4.0 * error


def test_waiting_for_a_device_follows_pollaczek_khinchine() -> None:
    """One device with constant work is M/D/1: rho s / (2 (1 - rho)), 60 ms of which 60 % are taken: 45 ms."""
    one = {**all_at("device"), "devices__phone__count": 1, "devices__phone__compute": "10.0333333 TFLOP/s"}
    waits = []
    for seed in range(6):
        data = scenario("10 min", **one, arrivals__rate="10 request/s") | {"seed": seed}
        waits.append(found(sim.run(data))["parts_s"]["device_queue"])
    mean, error = float(np.mean(waits)), float(np.std(waits, ddof=1) / math.sqrt(len(waits)))
    assert error < 0.1 * 0.045
    assert abs(mean - 0.6 * 0.06 / (2 * 0.4)) < 4.0 * error


def test_a_full_queue_turns_requests_away_and_they_still_drew() -> None:
    metrics = found(run(**BUSY, places__edge__queue_limit=0, places__edge__compute="2 TFLOP/s"))
    assert metrics["rejected"] == metrics["by_place"]["edge"]["rejected"] > 0
    assert metrics["by_place"]["cloud"]["requests"] <= metrics["by_place"]["edge"]["completed"]
    assert metrics["by_use_kwh"]["active"] * J_PER_KWH > 4.0 * 0.02 * metrics["completed"]


def test_a_batch_is_quicker_than_its_requests_one_by_one() -> None:
    batching = {"max_batch": 8, "max_wait": "0 s", "further": 0.2}
    loaded = {**BUSY, "places__edge__compute": "5.5 TFLOP/s", "devices__phone__count": 1000}
    alone, together = found(run(**loaded)), found(run(**loaded, places__edge__batching=batching))
    assert together["by_place"]["edge"]["batch_size_mean"] > 1.0
    assert together["parts_s"]["queue"] < alone["parts_s"]["queue"]


# --- early exits, placements ------------------------------------------------------------------------------------------


def test_as_many_leave_early_as_are_said_to() -> None:
    metrics = found(run(until="10 min", arrivals__rate="10 request/s", stages__head__leaves=0.3))
    count = metrics["requests"]
    left = metrics["left_after"]["head"]
    assert abs(left / count - 0.3) < 4.0 * math.sqrt(0.3 * 0.7 / count)
    assert abs(metrics["by_place"]["edge"]["requests"] + left - count) <= metrics["unfinished"]


@given(leaves=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5), seed=st.integers(0, 50))
def test_who_stays_at_every_stage_comes_to_the_last(leaves: list[float], seed: int) -> None:
    course = Course((), (*leaves, 0.0), None, answered=True)
    left = course.left_after(np.random.default_rng(seed), 2000)
    assert left.min() >= 0
    assert left.max() <= len(leaves)
    reach = float((left == len(leaves)).mean())
    expected = math.prod(1.0 - share for share in leaves)
    assert abs(reach - expected) < 4.5 * math.sqrt(max(expected * (1.0 - expected), 1e-12) / 2000) + 1e-9


OUTPUTS = ("600 kB", "200 kB", "50 kB", "10 kB")
"""Activations that shrink from stage to stage, as those of a convolutional network do."""


def chain(cut: int, upload: str) -> dict[str, Any]:
    """Five stages of 10 GFLOP, the first ``cut`` on the device and the others at the edge."""
    stages = {
        f"s{i}": {"at": "device" if i < cut else "edge", "work": "10 GFLOP"} | ({"output": OUTPUTS[i]} if i < 4 else {})
        for i in range(5)
    }
    net = {"energy": "0.03 kWh/GB", "download": "50 MB/s", "upload": upload, "latency": "1 ms"}
    return {"stages": stages, "networks__wifi": net, "arrivals__rate": "0.2 request/s", "input": "1 MB"}


def test_a_slower_network_moves_the_best_cut_to_the_device() -> None:
    """And a fast one to the edge: from all there to all on the device, one after the other."""
    best = []
    for upload in ("500 MB/s", "4 MB/s", "1.5 MB/s", "0.4 MB/s", "0.05 MB/s"):
        times = [found(run(**chain(cut, upload)))["e2e_s"]["mean"] for cut in range(6)]
        best.append(int(np.argmin(times)))
    assert all(before <= after for before, after in pairwise(best)), best
    assert best[0] == 0
    assert best[-1] == 5
    assert len(set(best)) >= 3


def test_a_bottleneck_sends_less_for_some_work_more() -> None:
    """A tenth of the bytes for a twentieth more work: quicker and with less energy of networks where they are slow."""
    split = {**all_at("edge"), "stages__head__at": "device"}
    plain = found(run(**split, stages__head__output="100 kB"))
    bottleneck = found(run(**split, stages__head__output="10 kB", stages__head__work="2.1 GFLOP"))
    assert math.isclose(bottleneck["sent_gb"], plain["sent_gb"] / 10.0, rel_tol=0.02)
    assert bottleneck["e2e_s"]["mean"] < plain["e2e_s"]["mean"]
    assert bottleneck["energy_j_per_request"]["devices"] < plain["energy_j_per_request"]["devices"]


def test_placements_are_asked_by_the_same_devices_at_the_same_times() -> None:
    """And stand beside each other in a comparison."""
    here, there = (run(**all_at(place)) for place in ("edge", "cloud"))
    assert found(here)["requests"] == found(there)["requests"]
    (rows,) = Comparison.of(here, [there]).differences
    (row,) = [row for row in rows if row.path == "split.seer.e2e_s.mean"]
    assert (row.first, row.other) == tuple(found(of)["e2e_s"]["mean"] for of in (here, there))


def test_each_answered_request_has_its_row() -> None:
    results = sim.run(scenario(**BUSY) | {"outputs": {"bin": "1 min", "requests": "all"}})
    rows, metrics = results.requests(), found(results)
    assert len(rows) == metrics["completed"]
    assert (rows["start_ns"] >= rows["arrival_ns"]).all()
    assert math.isclose(
        (rows["done_ns"] - rows["arrival_ns"]).mean() / NS_PER_S, metrics["e2e_s"]["mean"], rel_tol=1e-9
    )
    waited_s = (rows["start_ns"] - rows["arrival_ns"]).mean() / NS_PER_S
    assert math.isclose(waited_s, metrics["parts_s"]["device_queue"], rel_tol=1e-9)


def test_the_same_seed_gives_the_same_run() -> None:
    assert run(**BUSY).summary == run(**BUSY).summary


def test_what_a_failed_node_was_at_is_done_again() -> None:
    """Nothing is lost: each request is answered or under way, those of a node that failed later."""
    data = scenario("6 h", **all_at("cloud"), arrivals__rate="0.2 request/s", places__cloud__compute="0.2 TFLOP/s")
    whole = found(sim.run(copy.deepcopy(data)))
    data["cluster"]["nodes"][1]["failures"] = {"mtbf": "30 min", "repair": "1 min"}
    failing = found(sim.run(data))
    assert failing["by_place"]["cloud"]["retries"] > 0
    assert failing["requests"] == whole["requests"] == failing["completed"] + failing["unfinished"]
    assert failing["e2e_s"]["mean"] > whole["e2e_s"]["mean"]


# --- what is refused --------------------------------------------------------------------------------------------------


TOO_FAST = {"kind": "throughput", "compute": "999 TFLOP/s", "precision": "fp16", "memory_traffic": "1 GB/s"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"stages__head__at": "edg"}, "stages.head.at: 'edg' is none of 'places'; did you mean 'edge'?"),
        ({"devices__phone__network": "lte"}, "'lte' is none of 'networks'"),
        ({"places__cloud__over": ["wam"]}, "did you mean 'wan'?"),
        ({"stages__head__time": {"tablet": "1 s"}}, "'tablet' is none of 'devices or places'"),
        ({"stages__tail__output": "1 kB"}, "its output is the 'reply'"),
        ({"stages__middle__output": None}, "needs 'output', what it hands on"),
        ({"stages__tail__at": "edge", "stages__middle__at": "device", "stages__head__at": "edge"}, "must follow one"),
        ({"stages__tail__at": "edge", "stages__middle__leaves": 0.5}, "needs the next stage elsewhere"),
        ({"places__cloud__pool": "edge"}, "places in use need a pool each"),
        ({"devices__phone__compute": None}, "needs its 'time' on 'phone'"),
        ({"devices__phone__waiting": None}, "needs a 'profile', or waiting"),
        ({"devices__phone__waiting": "5 W"}, "needs standby <= waiting <= transferring and working"),
        ({"devices__phone__profile": "pixel-99"}, "unknown profile 'pixel-99'"),
        ({"devices__phone__compute": "0 FLOP/s"}, "must be above zero"),
        ({"devices__phone__embodied": "60 kgCO2e"}, "needs accounting.device_lifetime"),
        ({"places__cloud__replicas": 9}, "services ask for 9 GPUs of 'cloud', which has 8"),
        ({"places__cloud__law": "lognormal"}, "goes with a lognormal law"),
        ({"places__cloud__compute": {"precision": "fp4", "efficiency": 0.5}}, "has no peak for fp4"),
        ({"places__cloud__load": TOO_FAST}, "999 TFLOP/s is above the peak of 'nvidia-a100-sxm-80gb'"),
        ({"places__edge__pool": "egde"}, "unknown pool 'egde'; did you mean 'edge'?"),
    ],
)
def test_mistakes_are_told_with_what_to_do(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError) as refused:
        run(**changes)
    assert told in str(refused.value)


def test_one_mistake_of_work_in_stages_is_one_problem() -> None:
    """What cannot be read is no reason to say that nobody has devices."""
    data = scenario(accounting={"device_lifetime": "3 years"}, devices__phone__embodied="60 kgCO2e")
    assert sim.check(data) == ()
    data["workloads"]["seer"]["stages"]["head"]["at"] = "edg"
    [problem] = sim.check(data)
    assert problem.path.startswith("workloads.seer")


def test_devices_without_an_intensity_are_refused() -> None:
    data = scenario()
    data["accounting"]["outside"] = {}
    with pytest.raises(InputError, match="We do not guess where users' devices are"):
        sim.run(data)


@pytest.mark.parametrize(
    ("right", "wrong", "where"),
    [
        ("middle: {at: edge,", "middle: {at: egde,", "workloads.detector.stages.middle.at"),
        ("work: 1 GFLOP, output: 15 kB", "work: 1 GFLOP", "workloads.detector.stages.head"),
        ("over: [backbone]", "over: [spine]", "workloads.detector.places.cloud.over"),
        ("tail: {at: cloud, work: 500 GFLOP}", "tail: {at: cloud}", "workloads.detector.stages.tail"),
    ],
)
def test_a_mistake_within_a_part_names_its_own_line(tmp_path: Path, right: str, wrong: str, where: str) -> None:
    """What only the whole workload can tell is told where it is to be mended."""
    text = scenario_path("split-detector").read_text(encoding="utf-8")
    line = text[: text.index(right)].count("\n") + 1
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    with pytest.raises(InputError) as refused:
        load_scenario(mine)
    [problem] = refused.value.problems
    assert (problem.path, problem.line) == (where, line)


def test_what_is_split_counts_as_serving() -> None:
    """All of it is in use, so that SCI for AI has the consumer answer for every watt, and for machines while held."""
    convention = {"accounting.convention": {"kind": "profile", "profile": "sci-ai-consumer"}}
    told = sim.run("split-detector", set=convention).summary["convention"]
    assert told["counted"]["operational_kg"] == pytest.approx(told["physical"]["operational_kg"], rel=1e-12)
    assert 0 < told["counted"]["embodied_kg"] <= told["physical"]["embodied_kg"]


def test_a_place_under_a_limit_is_lowered_and_devices_are_not() -> None:
    """A ladder caps the cloud: its requests take longer there, and nothing else changes."""
    row = {
        "per": "row",
        "pools": ["cloud"],
        "limit": "1.6 kW",
        "answers": [{"kind": "cap", "whom": "serving", "floor": "30 %"}],
        "answer_time": "1 s",
        "release": {"below": "99 %", "after": "10 s"},
    }
    changes: dict[str, Any] = {"stages__tail__work": "50 TFLOP", "arrivals__rate": "3 request/s"}
    data = scenario(**changes)
    rest = sim.run(data | {"policies": [{"kind": "power-limits", "domains": {"row": row | {"limit": "20 kW"}}}]})
    free_w = rest.summary["power_limits"]["domains"]["row"]["most_w"]
    limit = {"policies": [{"kind": "power-limits", "domains": {"row": row | {"limit": f"{free_w - 200.0:.0f} W"}}}]}
    lowered = sim.run(data | limit)
    told = lowered.summary["power_limits"]
    assert told["domains"]["row"]["capped"] > 0
    assert told["domains"]["row"]["longest_over_s"] <= 1.0
    assert told["workloads"]["seer"]["slowed_slot_s"] > 0.0
    assert found(lowered)["e2e_s"]["mean"] > found(rest)["e2e_s"]["mean"]
