"""Policies as a scenario writes them: whom they cap and when, what a run says of them, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.build.power.loads import RateUnderCap, gang_of
from sim.errors import InputError
from tests.small import small
from tests.test_caps import GPU, TDP_W, measured


def scenario(*policies: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The small scenario under policies."""
    data = small()
    data["workloads"].pop("api")
    return {**data, "policies": list(policies), **changes}


def test_a_demand_response_event_reaches_all_of_a_pool() -> None:
    event = {"start": "30 min", "duration": "30 min", "reduce_to": "50 %"}
    results = sim.run(scenario({"kind": "demand-response", "target": "dgx-a100", "events": [event]}))
    summary = results.summary
    job_ = summary["jobs"]["tune"]
    assert summary["policies"] == [
        {"policy": "policies.0", "kind": "demand-response", "workload": "tune", "times": 1, "in_force_s": 1800.0}
    ]
    rate, active_w = RateUnderCap(gang_of(measured(), 8, GPU))(0.5 * TDP_W)
    assert active_w <= 0.5 * TDP_W + 1e-6
    assert job_["slowed_by_caps_s"] == pytest.approx(1800 * (1 - rate), rel=1e-6)
    assert job_["cap_changes"] == 2
    rows = results.ledger()
    active_j = rows[(rows.owner == "tune") & (rows.component == "gpu") & (rows.state == "active")].energy_j.sum()
    assert active_j == pytest.approx(8 * (active_w * 1800 + 350.0 * (7200 - rate * 1800)), rel=1e-9)


def test_a_daily_cap_follows_the_clock_in_utc_through_midnight() -> None:
    cap = {
        "kind": "power-cap",
        "target": "tune",
        "cap": "250 W",
        "when": {"kind": "daily", "since": "23:00", "until": "01:30"},
    }
    data = scenario(cap, start="2022-07-04T00:30:00Z", duration="48 h")
    (log,) = sim.run(data).summary["policies"]
    assert (log["times"], log["in_force_s"]) == (3, (1.0 + 2.5 + 1.5) * 3600)  # 00:30-01:30, 23:00-01:30, 23:00-00:30


def test_a_cap_by_carbon_holds_where_the_signal_is_high(tmp_path: Any) -> None:
    rows = [f"2022-07-04 {hour:02d}:00:00,{value}" for hour, value in enumerate([300, 500, 300, 500, 500, 300])]
    (tmp_path / "grid.csv").write_text("\n".join(["datetime_utc,carbon_intensity", *rows]), encoding="utf-8")
    cap = {
        "kind": "power-cap",
        "target": "tune",
        "cap": "200 W",
        "when": {"kind": "above", "signal": "carbon", "level": "400 gCO2e/kWh"},
    }
    data = scenario(cap)
    series = {"kind": "series", "file": str(tmp_path / "grid.csv"), "unit": "1 gCO2e/kWh"}
    data["site"]["grid"]["intensity"] = series
    results = sim.run(data)
    (log,) = results.summary["policies"]
    assert (log["times"], log["in_force_s"]) == (2, 3 * 3600)
    rate, _ = RateUnderCap(gang_of(measured(), 8, GPU))(200.0)
    assert results.at("jobs.tune.slowed_by_caps_s") == pytest.approx(3600 * (1 - rate), rel=1e-6)  # of 2 h and a little
    again = sim.account(results, set={"site.grid.intensity": "9 gCO2e/kWh"}).summary
    assert (again["policies"], again["jobs"]) == (results.summary["policies"], results.summary["jobs"])


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        ({"kind": "power-cap", "target": "tun", "cap": "250 W"}, "did you mean 'tune'"),
        ({"kind": "power-cap", "target": "tune", "cap": "20 W"}, "is not between"),
        ({"kind": "power-cap", "target": "tune", "cap": "900 W"}, "is not between"),
        ({"kind": "power-cap", "target": "api", "cap": "250 W"}, "inference service"),
    ],
)
def test_a_policy_that_cannot_be_is_refused(policy: dict[str, Any], says: str) -> None:
    data = small()
    data["policies"] = [{**policy, "when": {"kind": "daily", "since": "16:00", "until": "20:00"}}]
    assert any(says in problem.message for problem in sim.check(data))


@pytest.mark.parametrize(
    ("when", "says"),
    [
        ({"kind": "above", "signal": "marginal", "level": "0.0001 g/J"}, "no marginal intensity"),
        ({"kind": "above", "signal": "price", "level": "0.1 EUR/kWh"}, "in EUR"),
        ({"kind": "above", "signal": "price", "level": "0.0001 g/J"}, "is a price"),
        ({"kind": "daily", "since": "25:00", "until": "20:00"}, "time of day"),
        ({"kind": "daily", "since": "20:00", "until": "20:00"}, "the same time"),
    ],
)
def test_a_condition_that_cannot_be_is_refused(when: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        sim.run(scenario({"kind": "power-cap", "target": "tune", "cap": "250 W", "when": when}))


SERVING: dict[str, Any] = {
    "kind": "serving",
    "model": "llama-3.1-8b",
    "stack": "generic-2025",
    "precision": {"weights": "bf16", "kv": "bf16"},
    "replicas": {"count": 1, "tensor_parallel": 2},
    "batching": {"max_num_seqs": 64, "max_num_batched_tokens": 2048},
    "routing": "round-robin",
    "arrivals": {"kind": "poisson", "rate": "1 request/s"},
    "lengths": {
        "kind": "separate",
        "prompt": {"kind": "constant", "tokens": 500},
        "output": {"kind": "constant", "tokens": 100},
    },
    "cpu_load": 0.1,
    "engine": "reference",
}


def test_a_policy_caps_serving_as_its_own_schedule_of_caps_would() -> None:
    data = small()
    data["workloads"] = {"chat": SERVING}
    data |= {"duration": "4 min"}
    event = {"start": "1 min", "duration": "2 min", "reduce_to": "200 W"}
    by_policy = {**data, "policies": [{"kind": "demand-response", "target": "chat", "events": [event]}]}
    written = [{"after": "1 min", "cap": "200 W"}, {"after": "3 min", "cap": f"{TDP_W} W"}]
    by_hand = {**data, "workloads": {"chat": {**SERVING, "replicas": {**SERVING["replicas"], "power_cap": written}}}}
    one, other, free = (sim.run(each).summary for each in (by_policy, by_hand, data))
    assert one["serving"] == other["serving"]
    assert one["energy_kwh"] == other["energy_kwh"]
    assert one["serving"]["chat"]["e2e_s"]["mean"] > free["serving"]["chat"]["e2e_s"]["mean"]
    assert one["policies"][0]["field"] == "replicas"
