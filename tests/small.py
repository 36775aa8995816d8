"""A small whole scenario as plain data, for tests that change one thing in it."""

from __future__ import annotations

import copy
from typing import Any

_SMALL: dict[str, Any] = {
    "name": "small",
    "seed": 1,
    "start": "2022-07-04T00:00:00Z",
    "duration": "6 h",
    "site": {
        "grid": {"intensity": "400 gCO2e/kWh", "price": "0.18 USD/kWh"},
        "facility": {"kind": "fixed-pue", "pue": 1.25},
        "water": {"wue": "1.8 L/kWh", "ewif": "3.1 L/kWh"},
    },
    "cluster": {"nodes": [{"profile": "dgx-a100", "count": 2}]},
    "workloads": {
        "tune": {
            "kind": "training",
            "gpus": 8,
            "work": {"kind": "gpu-hours", "gpu_hours": 16, "load": {"kind": "measured", "active": "350 W"}},
            "cpu_load": 0.1,
        },
        "api": {
            "kind": "inference",
            "replicas": 2,
            "gpus_per_replica": 2,
            "arrivals": {"kind": "poisson", "rate": "0.1 /s"},
            "service_time": {"law": "exponential", "first": "2 s"},
            "load": {"kind": "measured", "active": "300 W"},
            "cpu_load": 0.05,
        },
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    "outputs": {"bin": "1 h", "requests": "all"},
}


def backlog_of(service_time: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The same with one service alone, of one GPU, that answers five requests which are there from the start."""
    data = small()
    del data["duration"]
    data["workloads"] = {
        "api": {
            "kind": "inference",
            "replicas": 1,
            "gpus_per_replica": 1,
            "arrivals": {"kind": "backlog", "requests": 5},
            "service_time": service_time,
            "cpu_load": 0.1,
            **changes,
        }
    }
    return data


def small() -> dict[str, Any]:
    """A fresh copy: two nodes of eight GPUs for six hours, a training job on one, a service on half of the other."""
    return copy.deepcopy(_SMALL)
