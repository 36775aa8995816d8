"""Rules of scaling that could never start anybody, or never end, are refused with a remedy."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.errors import InputError

SERVICE: dict[str, Any] = {
    "name": "a service that scales to none",
    "seed": 1,
    "start": "2024-01-01T00:00:00Z",
    "duration": "1 h",
    "site": {
        "name": "s",
        "grid": {"intensity": "400 gCO2e/kWh"},
        "facility": {"kind": "fixed-pue", "pue": 1},
    },
    "cluster": {"nodes": [{"profile": "dgx-a100", "count": 1}]},
    "workloads": {
        "api": {
            "kind": "inference",
            "replicas": 4,
            "gpus_per_replica": 1,
            "queue_limit": 1,
            "arrivals": {"kind": "poisson", "rate": "0.3 /s"},
            "service_time": {"law": "constant", "first": "5 s"},
            "load": {"kind": "measured", "active": "200 W", "loaded": "60 W"},
            "cpu_load": 0.5,
            "autoscale": {"min": 0, "target": 1, "interval": "10 s", "settle": "1 min"},
        }
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "5 years"},
}


def refused(scenario: Any, changes: dict[str, Any]) -> str:
    """What a run of it is refused with."""
    with pytest.raises(InputError) as error:
        sim.run(scenario, set=changes)
    return str(error.value)


def test_none_and_nobody_who_may_wait_is_refused_and_one_who_may_is_served() -> None:
    assert sim.run(SERVICE).at("serving.api.completed") > 0
    assert "'queue_limit' of 1 or more" in refused(SERVICE, {"workloads.api.queue_limit": 0})
    assert sim.run(SERVICE, set={"workloads.api.queue_limit": 0, "workloads.api.autoscale.min": 1}).summary
    none = {"workloads.chat.queue_limit": 0, "workloads.chat.replicas.count": {"min": 0, "max": 2}}
    assert "workloads.chat.replicas.count: with none left" in refused("chat-service", none)


@pytest.mark.parametrize(
    ("scenario", "where"),
    [
        (SERVICE, "workloads.api.autoscale.interval"),
        ("chat-service", "workloads.chat.autoscale.interval"),
        ("geo-shifted-service", "routes.chat.by.interval"),
    ],
)
def test_a_rule_that_looks_at_every_nanosecond_is_refused(scenario: Any, where: str) -> None:
    assert "must be 10 ms or more, and is '1 ns'" in refused(scenario, {where: "1 ns"})
