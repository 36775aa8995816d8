"""Phases of a project sum to the whole; operation equals making after a time with a closed form; trials that fail."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.rng import Streams
from sim.workload.laws import Law, LogUniform
from sim.workload.trials import Trials
from tests.small import small

YEARS_5_S = 5 * 365.25 * 86400.0
HOURS = {"kind": "gpu-hours", "gpu_hours": 2, "load": {"kind": "measured", "active": "300 W"}}


def project(**changes: Any) -> dict[str, Any]:
    data = small()
    data["accounting"] |= {"phases": {"training": ["tune"], "inference": ["api"]}, "break_even": True, **changes}
    return data


def test_nothing_breaks_even_where_no_making_is_counted() -> None:
    counts_none = {"kind": "profile", "profile": "tdp-hours", "given": {"pue": 1.0, "intensity": "57 gCO2e/kWh"}}
    [problem] = sim.check(project(convention=counts_none))
    assert problem.path == "accounting.break_even"
    assert "counts no making of machines" in problem.message
    assert sim.check(project(convention=counts_none, break_even=False)) == ()
    assert sim.check(project(convention={"kind": "profile", "profile": "sci"})) == ()


def test_phases_and_what_nobody_held_are_the_whole() -> None:
    summary = sim.run(project()).summary
    told = summary["project"]
    every = [*told["phases"].values(), told["unallocated"]]
    carbon = summary["carbon_kg"]
    assert sum(one["energy_kwh"] for one in every) == pytest.approx(summary["energy_kwh"]["facility"], rel=1e-12)
    assert sum(one["operational_kg"] for one in every) == pytest.approx(carbon["operational_location"], rel=1e-12)
    assert sum(one["embodied_kg"] for one in every) == pytest.approx(carbon["embodied"], rel=1e-12)
    for share in ("energy_share", "carbon_share"):
        assert sum(one[share] for one in every) == pytest.approx(1.0)
    assert sum(one["share_of_phases"] for one in told["phases"].values()) == pytest.approx(1.0)
    assert told["phases"]["training"]["carbon_kg"] == pytest.approx(carbon["by_workload"]["tune"])


def test_a_phase_of_two_workloads_is_their_sum() -> None:
    apart = sim.run(project()).summary["project"]["phases"]
    joined = sim.run(project(phases={"all": ["tune", "api"]})).summary["project"]["phases"]["all"]
    for name in ("energy_kwh", "operational_kg", "embodied_kg"):
        assert joined[name] == pytest.approx(sum(one[name] for one in apart.values()))


def test_phases_hold_every_workload_once() -> None:
    for phases, says in (
        ({"a": ["tune"]}, "api is in none"),
        ({"a": ["tune", "api"], "b": ["api"]}, "is in the phase 'a' already"),
        ({"a": ["tune", "api", "apu"]}, "did you mean 'api'"),
    ):
        assert says in " ".join(map(str, sim.check(project(phases=phases))))


def server(watts: float, intensity: float, use: float = 1.0) -> dict[str, Any]:
    """One GPU server whose GPU draws ``watts`` at work, for a share ``use`` of ten hours; 1,000 kg to make."""
    data = small()
    data["cluster"]["nodes"] = [{"profile": "t4-server", "count": 1}]
    data["duration"] = "10 h"
    data["site"] |= {"grid": {"intensity": f"{intensity} gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.5}}
    load = {"kind": "measured", "active": f"{watts} W"}
    work = {"kind": "gpu-hours", "gpu_hours": 10 * use, "load": load}
    data["workloads"] = {"job": {"kind": "training", "gpus": 1, "work": work, "cpu_load": 0.1}}
    data["accounting"] = {"gpu_lifetime": "4 years", "server_lifetime": "4 years", "break_even": True}
    data["accounting"]["embodied"] = {"gpu": "100 kgCO2e", "server": "900 kgCO2e"}
    return data


@settings(max_examples=8)
@given(st.floats(30.0, 70.0), st.floats(20.0, 900.0))
def test_break_even_is_making_over_the_rate_of_emitting(watts: float, intensity: float) -> None:
    """T = m / (P x PUE x I), of a machine that is busy all the time."""
    summary = sim.run(server(watts, intensity)).summary
    kg_per_hour = summary["carbon_kg"]["operational_location"] / 10.0
    told = summary["break_even"]
    assert told["workloads"]["job"]["use_s"] / 3600 == pytest.approx(1000.0 / kg_per_hour, rel=1e-9)
    kilowatts = summary["energy_kwh"]["it"] / 10.0
    hours = told["machines"]["use_s"] / 3600
    assert hours == pytest.approx(1000.0 / (kilowatts * 1.5 * intensity / 1000.0), rel=1e-9)
    assert told["machines"]["of_lifetime"] == pytest.approx(hours / (4 * 8766.0), rel=2e-3)  # of four years


def test_break_even_comes_later_on_a_cleaner_grid_and_at_less_use() -> None:
    def hours(data: dict[str, Any]) -> float:
        return float(sim.run(data).summary["break_even"]["machines"]["use_s"])

    busy = hours(server(60.0, 400.0))
    assert hours(server(60.0, 40.0)) == pytest.approx(10 * busy, rel=1e-9)
    assert hours(server(60.0, 400.0, use=0.2)) > hours(server(60.0, 400.0, use=0.6)) > busy
    assert "machines" not in sim.run(server(60.0, 0.0)).summary["break_even"]


def test_break_even_of_servers_of_many_slots_is_their_lifetime_by_what_is_amortised() -> None:
    """All of one lifetime, and charged by time: what making emits over a lifetime is what is charged for the run, as
    many times as the run is shorter. A server of eight slots counts once."""
    summary = sim.run(project(gpu_lifetime="5 years", server_lifetime="5 years")).summary
    carbon, told = summary["carbon_kg"], summary["break_even"]
    whole_s = YEARS_5_S * carbon["embodied"] / carbon["operational_location"]
    assert told["machines"]["use_s"] == pytest.approx(whole_s, rel=1e-9)


def test_break_even_asks_for_no_rule_of_amortisation() -> None:
    by_time, by_use = server(60.0, 400.0), server(60.0, 400.0)
    by_use["accounting"]["embodied"]["amortization"] = {"kind": "expected-utilisation", "utilisation": 0.5}
    by_use["accounting"] |= {"gpu_lifetime": "2 years", "server_lifetime": "2 years"}
    first, second = (sim.run(data).summary["break_even"]["workloads"]["job"] for data in (by_time, by_use))
    assert first["use_s"] == pytest.approx(second["use_s"], rel=1e-12)


# Trials that fail


SAME: Law = LogUniform(0.5, 2.0)


def search(selection: dict[str, Any], failed: dict[str, Any] | None) -> dict[str, Any]:
    data = small()
    del data["duration"]
    campaign = {
        "kind": "campaign", "trials": [{"share": 1, "gpus": 1, "work": HOURS}], "size": {"kind": "constant"},
        "selection": selection, "at_once": 16, "setup": "0 s", "cpu_load": 0.1,
    }  # fmt: skip
    data["workloads"] = {"search": {**campaign, **({"failed": failed} if failed is not None else {})}}
    return data


def told(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = sim.run(data).summary["campaigns"]["search"]
    return found


LADDER = {"trials": 40, "eta": 3, "rungs": 3, "promoted": "continue", "noise": 0.2}
RULES = [
    {"kind": "all", "trials": 40},
    {"kind": "successive-halving", **LADDER},
    {"kind": "asha", **LADDER},
    {"kind": "asha", **LADDER, "promoted": "anew"},
    {"kind": "median", "trials": 40, "noise": 0.2, "grace": "10 %", "every": "10 %", "least": 3},
    {"kind": "hyperband", "eta": 3, "rungs": 3, "promoted": "continue", "noise": 0.2},
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["kind"])
def test_failed_trials_are_told_and_end_no_campaign(rule: dict[str, Any]) -> None:
    """Every rule goes on without them, and GPU-hours by outcome are still the whole."""
    found = told(search(rule, {"share": 0.5, "within": 0.5}))
    assert found["status"] == "completed"
    assert 0 < found["failed"] < found["trials"]
    assert found["kept"] + found["killed"] + found["cut"] + found["failed"] == found["trials"]
    assert sum(found["by_outcome_gpu_hours"].values()) == pytest.approx(found["gpu_hours"], rel=1e-9)
    assert 0.0 < found["by_outcome_gpu_hours"]["failed"] <= found["failed"] * 2 * 0.5


def test_failures_follow_their_law_and_change_nobody_else() -> None:
    """30 % of 8,000 trials (three standard deviations are 1.5 points), uniform up to half of their training."""
    fails = [
        Trials(Streams(seed).named("campaign/search"), (1.0,), SAME, 0.5, (1.0,), 0.3, 0.5)[i]
        for seed in range(4)
        for i in range(2000)
    ]
    at = [trial.fails_at for trial in fails if trial.fails_at is not None]
    assert len(at) / 8000 == pytest.approx(0.3, abs=0.0154)
    assert sum(at) / len(at) == pytest.approx(0.25, abs=3 * 0.5 / math.sqrt(12 * len(at)))
    assert 0.0 < min(at) < max(at) <= 0.5
    plain = Trials(Streams(0).named("campaign/search"), (1.0,), SAME, 0.5, (1.0,))
    assert [replace(trial, fails_at=None) for trial in fails[:50]] == [plain[i] for i in range(50)]


def test_what_fails_is_spent_and_the_rest_is_trained() -> None:
    rule = {"kind": "all", "trials": 100}
    plain, found = told(search(rule, None)), told(search(rule, {"share": 0.3, "within": 0.5}))
    assert found["by_outcome_gpu_hours"]["kept"] == pytest.approx(plain["gpu_hours"] * (1 - found["failed"] / 100))
    assert "failed" not in plain


def test_all_of_them_may_fail() -> None:
    for rule in RULES:
        found = told(search(rule, {"share": 1, "within": 0.01}))
        assert found["failed"] == found["trials"]
        assert found["status"] == "completed"
        assert "best_rank" not in found
