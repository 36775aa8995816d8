"""Federated training: rounds in closed form, energy that adds up, and the same work done centrally."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.accounting.ledger import DEVICES, WAN
from sim.errors import InputError, RunError
from sim.profiles.catalog import Catalog
from sim.results.results import Results
from sim.units import J_PER_KWH
from sim.workload.fleet import DeviceClass, Fleet, round_end_s
from sim.workload.laws import Exponential, Lognormal, Same
from sim.workload.rounds import Buffered, Synchronous, rounds_of
from tests.small import small

S = 10**9
ROUNDS = {"kind": "synchronous", "clients": 20, "over_selection": 0.5, "deadline": "4 min", "least": 0.5}


def federated(**changes: Any) -> dict[str, Any]:
    """50 rounds of 20 phones, of 30 that are asked."""
    return {
        "kind": "federated",
        "server": {"slots": 2, "cpu_load": 0.3, "per_round": "5 s", "per_update": "20 ms"},
        "devices": {
            "home": {"share": 0.75, "network": "wifi", "training": "4 W", "idle": "1 W", "samples_per_second": 20},
            "away": {"share": 0.25, "network": "mobile", "training": "3 W", "idle": "1 W", "samples_per_second": 10},
        },
        "networks": {
            "wifi": {"energy": "0.03 kWh/GB", "download": "5 MB/s", "upload": "1 MB/s"},
            "mobile": {"energy": "0.14 kWh/GB", "download": "2 MB/s", "upload": "0.5 MB/s"},
        },
        "samples": 1000,
        "spread": {"kind": "lognormal", "cv": 0.5},
        "drop_out": 0.1,
        "download": "20 MB",
        "upload": "10 MB",
        "aggregation": {**ROUNDS, "between": "10 s"},
        "rounds": 50,
        **changes,
    }


OUTSIDE = {"home": "430 gCO2e/kWh", "away": "700 gCO2e/kWh"}


def scenario(*, outside: dict[str, str] = OUTSIDE, until: str | None = None, **changes: Any) -> dict[str, Any]:
    data = small() | {"workloads": {"keyboard": federated(**changes)}}
    data["cluster"] = {"nodes": [{"profile": "cpu-2s-epyc-9654", "count": 1}]}
    data["accounting"] = {"server_lifetime": "6 years", "outside": {"keyboard": outside}}
    data.pop("duration")
    return data | ({"duration": until} if until else {})


def run(**changes: Any) -> Results:
    return sim.run(scenario(**changes))


def found(results: Results) -> dict[str, Any]:
    metrics: dict[str, Any] = results.summary["federated"]["keyboard"]
    return metrics


def fleet(**changes: Any) -> Fleet:
    """One kind of device: a second of training, no transfers and nobody lost, unless ``changes`` say so."""
    kind = DeviceClass("one", 1.0, 4.0, 1.0, 100.0, 1e6, 1e6, 0.0)
    values: dict[str, Any] = {"classes": (kind,), "samples": 100.0, "download_byte": 0.0, "upload_byte": 0.0}
    return Fleet(**{**values, "factors": Same(), "drop_out": 0.0, **changes})


# --- one round --------------------------------------------------------------------------------------------------------


def harmonic(n: int) -> float:
    return math.fsum(1.0 / k for k in range(1, n + 1))


@pytest.mark.parametrize(("asked", "wanted"), [(13, 10), (130, 100), (10, 10)])
def test_a_round_of_exponential_stragglers_ends_as_their_order_says(asked: int, wanted: int) -> None:
    """The k-th of n exponential times of mean 1 is H(n) - H(n - k) on average, of variance sum 1/i^2 over those i."""
    rng, kinds = np.random.default_rng(1), fleet(factors=Exponential())
    ends = [round_end_s(kinds.sessions(rng, asked), wanted, math.inf) for _ in range(2000)]
    variance = math.fsum(1.0 / i**2 for i in range(asked - wanted + 1, asked + 1))
    assert abs(np.mean(ends) - (harmonic(asked) - harmonic(asked - wanted))) < 4.0 * math.sqrt(variance / 2000)


def test_a_deadline_cuts_off_the_share_that_its_law_says() -> None:
    """Of exponential times of mean 1 the share exp(-d) is later than d: counted over 1000 x 50 clients, a binomial."""
    rule = Synchronous(wanted=50, asked=50, least=1, deadline_ns=2 * S, waits_ns=0)
    course = rule.begun(fleet(factors=Exponential()), np.random.default_rng(2))
    rounds = [course.next(0) for _ in range(1000)]
    assert all(one.end_ns == 2 * S for one in rounds if one.updates < 50)
    late = sum(50 - one.updates for one in rounds) / 50_000
    assert abs(late - math.exp(-2.0)) < 4.0 * math.sqrt(math.exp(-2.0) / 50_000)


def test_as_many_drop_out_as_are_said_to() -> None:
    """A binomial count: 30 % of 65,000; and each has drawn half of its session on average."""
    kinds = fleet(drop_out=0.3)
    sessions = kinds.sessions(np.random.default_rng(3), 65_000)
    assert abs(sessions.lost.mean() - 0.3) < 4.0 * math.sqrt(0.3 * 0.7 / 65_000)
    drawn = sessions.until(math.inf)
    assert np.allclose(drawn.device_j[~sessions.lost], 4.0)
    assert math.isclose(drawn.device_j[sessions.lost].mean(), 2.0, rel_tol=0.02)


@given(cut_s=st.floats(0.0, 400.0), seed=st.integers(0, 100))
def test_what_a_client_draws_grows_with_its_time_and_ends_with_its_session(cut_s: float, seed: int) -> None:
    kinds = tuple(DeviceClass(f"{i}", 0.5, 4.0 + i, 1.0, 20.0, 5e6, 1e6 * (1 + i), 1e-7 * (1 + i)) for i in range(2))
    many = fleet(
        classes=kinds, samples=2000.0, download_byte=2e7, upload_byte=1e7, factors=Lognormal(0.8), drop_out=0.2
    )
    sessions = many.sessions(np.random.default_rng(seed), 50)
    some, all_of_it = sessions.until(cut_s), sessions.until(math.inf)
    for name in ("device_j", "network_j", "down_byte", "up_byte", "there_s"):
        assert (getattr(some, name) <= getattr(all_of_it, name) + 1e-9).all()
    back = ~sessions.lost
    assert np.allclose(all_of_it.up_byte[back], 1e7)
    assert np.allclose(all_of_it.down_byte[back], 2e7)
    watts = np.array([kind.training_w for kind in kinds])[sessions.of]
    whole = watts * sessions.train_s + 1.0 * (sessions.down_s + sessions.up_s)
    assert np.allclose(all_of_it.device_j[back], whole[back])
    assert (all_of_it.device_j <= whole + 1e-9).all()


def test_buffered_rounds_come_at_the_rate_of_their_clients() -> None:
    """100 clients of a second each, 20 % of whom are lost after half of it on average: by the renewal theorem
    100 x 0.8 / 0.9 updates a second, so a round of 40 takes 0.45 s."""
    rule = Buffered(at_once=100, buffer=40, deadline_ns=1000 * S)
    kinds = fleet(factors=Lognormal(0.5), drop_out=0.2)
    course = rule.begun(kinds, np.random.default_rng(4))
    rounds = [course.next(0) for _ in range(2000)]
    assert math.isclose(rounds[-1].end_ns / S / 2000, 0.45, rel_tol=0.01)
    for before, after in pairwise(rounds):
        assert before.end_ns == after.start_ns
    watts = sum(one.until(one.end_ns).joules.sum() for one in rounds) / (rounds[-1].end_ns / S)
    assert math.isclose(watts, 100 * 4.0, rel_tol=1e-9), "all clients train all the time"


def test_rounds_fall_with_clients_to_their_least() -> None:
    assert rounds_of(100, 50, 50) == 200
    assert rounds_of(100, 50, 10**9) == 101
    counts = [rounds_of(100, 50, clients) for clients in range(1, 500)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 5100


# --- whole trainings --------------------------------------------------------------------------------------------------


BUFFERED = {"kind": "buffered", "at_once": 40, "buffer": 20, "deadline": "4 min"}


@pytest.mark.parametrize("aggregation", [{**ROUNDS, "between": "10 s"}, BUFFERED])
@pytest.mark.parametrize("until", [None, "10 min"])
def test_what_is_told_is_what_the_ledger_holds(aggregation: dict[str, Any], until: str | None) -> None:
    results = run(aggregation=aggregation, until=until)
    metrics, ledger = found(results), results.energy
    for component, name in ((DEVICES, "devices_kwh"), (WAN, "network_kwh")):
        booked_j = float(ledger.by_component[component].sum())
        assert math.isclose(booked_j / J_PER_KWH, metrics[name], rel_tol=1e-9)
    assert math.isclose(results.at("energy_kwh.devices"), metrics["devices_kwh"], rel_tol=1e-9)
    assert math.isclose(results.at("energy_kwh.network"), metrics["network_kwh"], rel_tol=1e-9)
    assert math.isclose(results.at("energy_kwh.by_workload.keyboard"), metrics["server_kwh"], rel_tol=1e-12)
    assert 0.0 < metrics["wasted_share"] < 1.0
    assert metrics["clients"] == metrics["updates"] + metrics["dropped_out"] + metrics["late"]
    assert metrics["completed"] == (until is None)
    if until is None:
        assert metrics["rounds"] == 50
        assert metrics["updates"] == 50 * 20
        assert metrics["samples"] == 50 * 20 * 1000


def test_devices_and_networks_are_neither_it_nor_building_and_their_carbon_is_scope_3() -> None:
    """At the intensity of where they are: a site's own changes nothing of theirs, and they nothing of its PUE."""
    results = run()
    ledger = results.energy
    intensity = {"home": 0.43, "away": 0.70}
    rows = zip(ledger.keys, ledger.energy_j.sum(axis=1).tolist(), strict=True)
    expected = sum(joules / J_PER_KWH * intensity.get(key.hardware, 0.0) for key, joules in rows)
    scopes = results.at("carbon_kg.scopes")
    assert math.isclose(scopes["scope_3"] - results.at("carbon_kg.embodied"), expected, rel_tol=1e-12)
    assert math.isclose(scopes["scope_2_location"], results.at("energy_kwh.facility") * 0.4, rel_tol=1e-12)
    assert math.isclose(results.at("kpi.pue"), 1.25, rel_tol=1e-12)
    carbon = results.at("carbon_kg.by_component")
    assert math.isclose(carbon["devices"] + carbon["wan"], expected, rel_tol=1e-12)
    other = sim.account(results, set={"site.grid.intensity": "0 gCO2e/kWh"})
    assert other.at("carbon_kg.by_component.devices") == carbon["devices"]
    double = {"home": "860 gCO2e/kWh", "away": "1400 gCO2e/kWh"}
    priced = sim.account(results, set={"accounting.outside.keyboard": double})
    assert math.isclose(priced.at("carbon_kg.by_component.wan"), 2.0 * carbon["wan"], rel_tol=1e-12)
    assert priced.summary["federated"] == results.summary["federated"]


def test_one_perfect_device_is_the_central_training() -> None:
    """A device that draws what a GPU draws and is as fast, that loses nothing and sends nothing, takes the energy of
    the GPU of a training job, and as long."""
    rounds = {"kind": "synchronous", "clients": 1, "over_selection": 0, "deadline": "2 h", "least": 1, "between": "0 s"}
    device = {"share": 1, "network": "none", "training": "350 W", "idle": "0 W", "samples_per_second": 100}
    fed = run(
        outside={"gpu": "400 gCO2e/kWh"},
        devices={"gpu": device},
        networks={"none": {"energy": "0 J/B", "download": "1 GB/s", "upload": "1 GB/s"}},
        samples=100 * 3600,
        spread={"kind": "constant"},
        drop_out=0,
        download="0 B",
        upload="0 B",
        aggregation=rounds,
        rounds=6,
        server={"slots": 1, "cpu_load": 0, "per_round": "0 s", "per_update": "0 s"},
    )
    data = small()
    work = {"kind": "gpu-hours", "gpu_hours": 6, "load": {"kind": "measured", "active": "350 W"}}
    data["workloads"] = {"central": {"kind": "training", "gpus": 1, "work": work, "cpu_load": 0}}
    data.pop("duration")
    central = sim.run(data)
    gpu = central.energy.where(lambda key: key.component == "gpu" and key.owner == "central")
    assert math.isclose(found(fed)["devices_kwh"], gpu.total_j() / J_PER_KWH, rel_tol=1e-12)
    assert found(fed)["network_kwh"] == 0.0
    assert found(fed)["makespan_s"] == central.at("jobs.central.makespan_s")
    assert math.isclose(fed.at("carbon_kg.by_component.devices"), 0.4 * 6 * 0.35, rel_tol=1e-12)
    assert "wasted_share" in found(fed)
    assert found(fed)["wasted_share"] == 0.0


def test_asking_more_clients_is_faster_and_wastes_more() -> None:
    few, many = (run(aggregation={**ROUNDS, "between": "0 s", "over_selection": over}) for over in (0.2, 1.5))
    assert found(many)["round_s"]["mean"] < found(few)["round_s"]["mean"]
    assert found(many)["wasted_share"] > found(few)["wasted_share"]


def test_nobody_waits_for_stragglers_in_buffered_rounds() -> None:
    together = found(run(aggregation={**ROUNDS, "over_selection": 0, "least": 0, "between": "0 s"}))
    in_turn = found(run(aggregation={**BUFFERED, "at_once": 20}))
    assert in_turn["makespan_s"] < together["makespan_s"]


def test_a_server_that_is_lost_loses_its_round() -> None:
    data = scenario()
    data["cluster"]["nodes"][0]["failures"] = {"mtbf": "40 min", "repair": "5 min"}
    metrics, whole = found(sim.run(data)), found(run())
    assert metrics["interruptions"] > 0
    assert metrics["rounds"] == 50
    assert metrics["rounds_abandoned"] > 0
    assert metrics["clients"] > whole["clients"]
    assert metrics["makespan_s"] > whole["makespan_s"]


def test_rounds_that_nobody_finishes_are_told() -> None:
    with pytest.raises(RunError, match="abandoned 10,000 rounds in a row"):
        run(aggregation={**ROUNDS, "deadline": "1 s", "between": "0 s"})


def test_a_buffer_that_is_never_full_is_told() -> None:
    with pytest.raises(RunError, match=r"'keyboard' had no update of 100,000 clients .* give it a longer one"):
        run(aggregation={**BUFFERED, "deadline": "1 ms"})


def test_a_server_on_gpus_waits_loaded() -> None:
    data = scenario()
    data["cluster"] = {"nodes": [{"profile": "dgx-a100", "count": 1}]}
    data["accounting"]["gpu_lifetime"] = "5 years"
    results = sim.run(data)
    gpu = results.energy.where(lambda key: key.owner == "keyboard" and key.component == "gpu")
    loaded_w = float(Catalog().gpu("nvidia-a100-sxm-80gb").power.loaded.value)
    held_s = int(gpu.slot_ns.sum()) / S
    assert math.isclose(gpu.total_j(), held_s * loaded_w, rel_tol=1e-9)


DEVICES_OF = federated()["devices"]
NO_WATTS = {name: value for name, value in DEVICES_OF["home"].items() if name != "training"}


def test_watts_of_a_device_may_stand_in_its_profile() -> None:
    """A Jetson Nano at 6.8 W while it trains and 3 W while it transfers, as if they were written."""
    plain = {name: value for name, value in NO_WATTS.items() if name != "idle"}
    away = DEVICES_OF["away"]
    named = run(devices={"home": {**plain, "profile": "jetson-nano"}, "away": away})
    written = run(devices={"home": {**plain, "training": "6.8 W", "idle": "3 W"}, "away": away})
    assert found(named) == found(written)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"devices": {"home": NO_WATTS, "away": DEVICES_OF["away"]}}, "needs training, or a 'profile'"),
        ({"devices": {"home": {**NO_WATTS, "profile": "pi"}, "away": DEVICES_OF["away"]}}, "unknown profile 'pi'"),
        ({"outside": {"home": "430 gCO2e/kWh"}}, "We do not guess where users' devices are"),
        ({"outside": {**OUTSIDE, "hom": "1 gCO2e/kWh"}}, "'keyboard' has no such devices; did you mean 'home'?"),
        ({"drop_out": 1}, "'drop_out' must be below 1: no update would ever come"),
        ({"server": {"slots": 3, "cpu_load": 0, "per_round": "0 s", "per_update": "0 s"}}, "asks for 3 slots"),
        ({"networks": {"wifi": federated()["networks"]["wifi"]}}, "'away' is on 'mobile', none of 'networks'  (wifi)"),
        ({"aggregation": {**ROUNDS}}, "between"),
        ({"rounds": 0}, "workloads.keyboard.rounds: must be at least 1, and is 0"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as error:
        run(**changes)
    assert says in str(error.value)


def test_the_law_of_rounds_is_asked_with_the_clients_of_a_round() -> None:
    law = {"at_large": 10, "critical_clients": 30}
    assert found(run(rounds=law))["rounds"] == 25
    assert found(run(rounds=law, aggregation={**BUFFERED, "buffer": 30}))["rounds"] == 20
