"""Cold starts go with the size of what is brought, and with what nodes have already."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.workload.provisioning import pulling_s, start_up
from tests.relay_worlds import IMAGE, alone

GB = 1e9
ONE = {"arrivals": {"kind": "poisson", "rate": "0.1 /s"}}


def test_layers_are_pulled_and_then_unpacked() -> None:
    """10 GB of which 40 % are there: 6 GB at 0.5 GB/s and 0.25 GB/s are 12 s and 24 s."""
    assert pulling_s(10 * GB, cached=0.4, pull=0.5 * GB, unpack=0.25 * GB) == pytest.approx(36.0)
    assert pulling_s(10 * GB, cached=1.0, pull=0.5 * GB, unpack=0.25 * GB) == 0.0
    assert pulling_s(10 * GB, cached=0.0, pull=0.5 * GB, unpack=float("inf")) == pytest.approx(20.0)
    assert start_up(36.0, 2.0, 10**9, kept=True) == start_up(36.0, 2.0, 10**9, kept=True)
    assert start_up(36.0, 2.0, 10**9, kept=True).again_ns == 3 * 10**9
    assert start_up(36.0, 2.0, 10**9, kept=False).again_ns == 39 * 10**9


@given(st.floats(0.1, 50.0), st.floats(1.0, 10.0), st.floats(0.0, 1.0))
def test_a_start_is_faster_by_no_more_than_its_image_is_smaller(size: float, smaller: float, fixed_s: float) -> None:
    """What does not go with the image keeps the gain below the ratio of sizes; without it they are equal."""
    times = [pulling_s(gb * GB, cached=0.0, pull=GB, unpack=GB) for gb in (size, size / smaller)]
    gain = (times[0] + fixed_s) / (times[1] + fixed_s)
    assert 1.0 - 1e-9 <= gain <= smaller * (1.0 + 1e-9)
    assert times[0] / times[1] == pytest.approx(smaller)


def test_a_service_waits_for_its_image_and_weights() -> None:
    results = sim.run(alone(**ONE, start_up=IMAGE))
    assert results.at("serving.api.start_up_s") == pytest.approx(65.0)
    stated = sim.run(alone(**ONE, start_up="65 s"))
    assert stated.at("serving.api.e2e_s") == results.at("serving.api.e2e_s")
    assert stated.at("energy_kwh") == results.at("energy_kwh")
    assert "start_up_s" not in stated.at("serving.api")


def test_what_a_node_keeps_it_does_not_pull_again() -> None:
    """Nodes fail every half an hour or so: the first start takes 65 s, those after it 5 s."""
    failing = alone(**ONE, replicas=1, start_up=IMAGE)
    failing["duration"] = "24 h"
    failing["cluster"]["nodes"] = [
        {"profile": "dgx-a100", "count": 1, "failures": {"mtbf": "30 min", "repair": "1 min"}}
    ]
    pulled = sim.run(failing).at("serving.api")
    failing["workloads"]["api"]["start_up"] = {**IMAGE, "kept": True}
    kept = sim.run(failing).at("serving.api")
    assert pulled["start_up_s"] == pytest.approx(65.0)
    assert kept["start_up_s"] < 15.0  # one of 65 s among many of 5 s
    assert kept["start_up_s"] > 5.0
    assert kept["e2e_s"]["mean"] < pulled["e2e_s"]["mean"]


SCALE = {"min": 0, "target": 1.0, "interval": "10 s", "settle": "1 min"}
RARE = {"arrivals": {"kind": "poisson", "rate": "0.002 /s"}}


def test_replicas_that_come_and_go_pay_for_each_start() -> None:
    """A request every 500 s, a minute of patience: nearly each pays 65 s, and the GPU is free in between."""
    day = {"duration": "24 h"}
    scaled = sim.run(alone(**RARE, start_up=IMAGE, autoscale=SCALE), set=day)
    stays = sim.run(alone(**RARE, start_up=IMAGE), set=day)
    api = scaled.at("serving.api")
    assert api["completed"] + api["unfinished"] == api["requests"] == stays.at("serving.api.requests")
    # a gap of 500 s is exponential: exp(-60/500) = 0.89 of them are longer than the patience
    assert 0.7 * api["requests"] < api["cold_starts"] < api["requests"]
    assert 65.0 < api["e2e_s"]["p90"] < 65.0 + 10.0 + 0.5 + 1.0  # and at most an interval until it is looked at
    # up for the request, the patience and what is left of intervals
    assert api["replicas_mean"] < 0.3
    assert api["replicas_mean"] * 24 * 3600 > 60.0 * api["cold_starts"]
    assert scaled.at("energy_kwh.by_component.gpu") < stays.at("energy_kwh.by_component.gpu")
    debloated = sim.run(alone(**RARE, start_up={**IMAGE, "image": "2 GB"}, autoscale=SCALE), set=day)
    assert debloated.at("serving.api.e2e_s.mean") < api["e2e_s"]["mean"] - 30.0


def test_replicas_follow_what_is_asked() -> None:
    """Four requests at once want a replica each at a target of one; erlangs are the mean of what is busy."""
    asked = {"arrivals": {"kind": "poisson", "rate": "4 /s"}, "service_time": {"law": "exponential", "first": "1 s"}}
    scaled = sim.run(alone(**asked, replicas=8, autoscale={**SCALE, "min": 1}), set={"duration": "2 h"})
    api = scaled.at("serving.api")
    assert api["utilisation"] * api["replicas_mean"] == pytest.approx(4.0, rel=0.05)  # Little's law
    assert 4.0 < api["replicas_mean"] <= 8.0
    assert api["completed"] + api["unfinished"] == api["requests"]
    with pytest.raises(InputError, match="min <= initial <= replicas"):
        load_scenario(alone(**asked, replicas=2, autoscale={**SCALE, "min": 3}))


def test_weights_are_needed_where_nothing_says_them() -> None:
    lacking = {name: part for name, part in IMAGE.items() if name != "weights"}
    with pytest.raises(InputError, match="required"):
        load_scenario(alone(**ONE, start_up=lacking))
    with pytest.raises(InputError, match=r"greater than|above 0|more than"):
        load_scenario(alone(**ONE, start_up={**IMAGE, "image_bandwidth": "0 B/s"}))


def test_served_models_pull_what_their_nodes_lack() -> None:
    """Autoscaled from none: the first request waits for the image, less what every node has."""
    scenario = {"duration": "10 min", "workloads.chat.start_up": {**SERVED, "cached": 0.0}}
    whole = sim.run("chat-service", set=scenario)
    half = sim.run("chat-service", set={**scenario, "workloads.chat.start_up": {**SERVED, "cached": 1.0}})
    assert whole.at("serving.chat.cold_starts") > 0
    assert half.at("serving.chat.ttft_s.p99") <= whole.at("serving.chat.ttft_s.p99")


SERVED: dict[str, Any] = {
    "image": "30 GB",
    "image_bandwidth": "500 MB/s",
    "unpack": "500 MB/s",
    "weights_bandwidth": "4 GB/s",
}
