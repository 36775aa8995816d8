"""A small whole scenario in which a model is trained, as plain data, for tests that change one thing in it."""

from __future__ import annotations

import copy
from typing import Any

RAIL = {
    "kind": "rail",
    "bandwidth": "50 GB/s",
    "latency": "2 us",
    "switch_latency": "0.3 us",
    "energy_per_byte": "340 pJ/B",
    "nodes_per_leaf": 32,
    "oversubscription": 1,
}

_WORLD: dict[str, Any] = {
    "name": "a model in training",
    "seed": 1,
    "start": "2026-01-01T00:00:00Z",
    "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
    "cluster": {"nodes": [{"profile": "dgx-h100", "count": 8, "fabric": RAIL}]},
    "workloads": {
        "llama": {
            "kind": "training",
            "gpus": 64,
            "cpu_load": 0.1,
            "work": {
                "kind": "model",
                "model": "llama-3.1-70b",
                "stack": "megatron-2026",
                "precision": "fp8",
                "sequence": 8192,
                "global_batch": 128,
                "micro_batch": 1,
                "steps": 100,
                "recompute": "none",
                "optimizer": "adam",
                "parallel": {
                    "tensor": 4,
                    "pipeline": 8,
                    "chunks": 5,
                    "sequence": True,
                    "shard": "optimizer",
                },
            },
        },
    },
    "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
}


def training_world(**changes: Any) -> dict[str, Any]:
    """A fresh copy: 70 B on 64 H100 in FP8, as NVIDIA measured it. ``changes`` are of the job's work."""
    world = copy.deepcopy(_WORLD)
    world["workloads"]["llama"]["work"] |= changes
    return world


def failing_world(**changes: Any) -> dict[str, Any]:
    """The same for some days, with everything that can happen to a job: parts that fail in every way and slow it down,
    a spare, stops on purpose, loaders that are too slow, evaluations, boards that smooth their power."""
    waiting = {"loading": {"tokens_per_second": 80_000}, "evaluation": {"every": 50, "tokens": 10**6}}
    world = training_world(**{"steps": 20_000, **waiting, **changes})
    parts = {
        "gpu": {"kind": "device", "per": "gpu", "mtbf": "300 h", "shows": "crash"},
        "nic": {"kind": "device", "per": "gpu", "mtbf": "600 h", "shows": "hang"},
        "core": {"kind": "device", "per": "gpu", "mtbf": "900 h", "shows": "silent"},
        "fan": {"kind": "slowdown", "per": "node", "mtbf": "30 h", "rate": 0.9},
    }
    world["cluster"]["nodes"][0] |= {
        "count": 9,
        "failures": {"kind": "components", "repair": "30 min", "parts": parts},
        "spares": {"count": 1, "state": "warm", "replace": "5 min"},
    }
    world["workloads"]["llama"] |= {
        "checkpoint": {"every": "1 h", "write": "1 min"},
        "recovery": {
            "detection": {"crash": "1 min", "hang": "10 min", "silent": "1000 h", "slow": "20 min"},
            "schedule": "1 min",
            "load": "2 min",
            "warm_up": "1 min",
            "planned": {"every": "10 h", "takes": "20 min"},
        },
        "smoothing": {"kind": "floor", "share": 0.9},
        "trace": {"start": "1 h", "window": "20 s", "resolution": "10 ms"},
    }
    return world
