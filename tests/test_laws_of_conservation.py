"""What is sent, split and handed over is counted once: bytes of stages and caches, joules of places and phases."""

from __future__ import annotations

import pytest

import sim
from sim.results.results import Results
from sim.units import J_PER_KWH

GB, KB = 1e9, 1e3


@pytest.fixture(scope="module")
def split() -> Results:
    return sim.run("split-detector", set={"duration": "1 min"})


def test_a_place_s_energy_is_that_of_its_machines(split: Results) -> None:
    ledger, told = split.ledger(), split.summary["split"]["detector"]
    by_pool = ledger[~ledger["component"].isin(["devices", "wan"])].groupby("pool")["energy_j"].sum() / J_PER_KWH
    places = split.scenario["workloads"]["detector"]["places"]
    assert len(places) == 2
    for name, place in places.items():
        at = told["by_place"][name]
        idle = ledger[(ledger["pool"] == place["pool"]) & (ledger["owner"] != "detector")]["energy_j"].sum()
        assert at["energy_kwh"] + idle / J_PER_KWH == pytest.approx(by_pool[place["pool"]], rel=1e-9)
        assert at["power_w_mean"] * 60.0 == pytest.approx(at["energy_kwh"] * J_PER_KWH, rel=1e-9)
    assert sum(at["energy_kwh"] for at in told["by_place"].values()) == pytest.approx(told["machines_kwh"], rel=1e-12)


def test_what_a_split_detector_sends_is_its_stages_outputs_and_the_replies(split: Results) -> None:
    """15 kB up for each frame whose head is done and 1 kB back over Wi-Fi at 0.03 kWh/GB; 60 kB and 1 kB over the
    backbone at 0.01 kWh/GB for each that the edge is not sure of."""
    told = split.summary["split"]["detector"]
    done, sure, unsure = told["completed"], told["left_after"]["middle"], told["left_after"]["tail"]
    assert sure + unsure == done == told["requests"] - told["unfinished"]
    assert (
        0 <= told["by_place"]["edge"]["completed"] - done <= told["unfinished"]
    )  # whose reply or second leg is under way
    assert 0 <= told["by_place"]["cloud"]["completed"] - unsure <= told["unfinished"]
    under_way = told["unfinished"] * 61.0 * KB / GB * 0.03
    assert told["received_gb"] == pytest.approx(done * 1.0 * KB / GB, abs=told["unfinished"] * 1.0 * KB / GB)
    assert told["sent_gb"] == pytest.approx(done * 15.0 * KB / GB, abs=told["unfinished"] * 15.0 * KB / GB * (1 + 1e-6))
    wifi, backbone = 0.03 * (told["sent_gb"] + told["received_gb"]), 0.01 * unsure * 61.0 * KB / GB
    assert told["network_kwh"] == pytest.approx(wifi + backbone, abs=under_way)
    assert sum(told["by_use_kwh"].values()) == pytest.approx(told["devices_kwh"], rel=1e-9)


@pytest.fixture(scope="module")
def handed_over() -> Results:
    return sim.run("disaggregated", set={"duration": "10 min"})


def test_phases_and_overhead_are_the_energy_of_a_service(handed_over: Results) -> None:
    """Each of the two phases takes some, idle machines and unfinished work the rest, and no part is less than none."""
    told = handed_over.summary["serving"]["api"]["energy_split_kwh"]
    assert set(told) == {"prefill", "decode", "overhead"}
    assert min(told.values()) > 0.0
    whole = handed_over.summary["energy_kwh"]["by_workload"]["api"]
    assert sum(told.values()) == pytest.approx(whole, rel=1e-12)
    active = handed_over.summary["energy_kwh"]["by_state"]["active"]
    assert told["prefill"] + told["decode"] <= active


def test_a_cache_is_handed_over_once(handed_over: Results) -> None:
    """Keys and values of every prompt token of Llama 3.1 70B in 8 bits, 2 x 80 x 8 x 128 B = 164 kB: at 600 pJ/B for 60
    boards draw so much more, and what feeds them its losses; those of requests under way come on top."""
    dear = sim.run("disaggregated", set={"duration": "10 min", "workloads.api.network.energy_per_byte": "600 pJ/B"})
    told = dear.summary["serving"]["api"]
    assert told["e2e_s"] == handed_over.summary["serving"]["api"]["e2e_s"]
    parts = {
        part: (kwh - handed_over.summary["energy_kwh"]["by_component"][part]) * J_PER_KWH
        for part, kwh in dear.summary["energy_kwh"]["by_component"].items()
    }
    assert {part for part, more_j in parts.items() if more_j} == {"gpu", "psu_loss"}
    counted_j = told["prompt_tokens"] * 2 * 80 * 8 * 128 * 540e-12
    under_way = told["requests"] / told["completed"] - 1.0
    assert counted_j <= parts["gpu"] <= counted_j * (1.0 + 2.0 * under_way)
