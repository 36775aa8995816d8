"""What the benchmarks of serving run: Poisson requests of short answers to few replicas and to many. Nothing here loads
the engine, so that an earlier version can be given the same."""

from __future__ import annotations

from typing import Any

KEPT_UP_WITH = "1000 request/s"
"""Eight replicas answer 1,190 a second: at 1,600 a quarter of all requests ever asked waits in the end, which is what
the first rows measure, and what a billion of them would not fit into memory with."""


def poisson_service(
    requests: int,
    routing: str,
    *,
    seed: int = 0,
    engine: str = "fast",
    model: str = "llama-3.1-8b",
    weights: str = "fp8",
    rate: str = "1600 request/s",
) -> dict[str, Any]:
    """Eight replicas, a GPU each, and short requests; by default more of them than they keep up with."""
    return {
        "name": "Poisson requests to eight replicas",
        "seed": seed,
        "start": "2025-01-01T00:00:00Z",
        "site": {"name": "none", "grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
        "workloads": {
            "chat": {
                "kind": "serving",
                "model": model,
                "stack": "generic-2025",
                "precision": {"weights": weights},
                "replicas": {"count": 8},
                "batching": {"max_num_seqs": 256, "max_num_batched_tokens": 2048, "prefill": "chunked"},
                "routing": routing,
                "arrivals": {"kind": "poisson", "rate": rate, "requests": requests},
                "lengths": {
                    "kind": "separate",
                    "prompt": {"kind": "lognormal", "mean": 200, "cv": 1.0, "max": 4096},
                    "output": {"kind": "lognormal", "mean": 64, "cv": 1.0, "max": 1024},
                },
                "cpu_load": 0.1,
                "engine": engine,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
        "outputs": {"bin": "1 h"},
    }


def many_replicas(replicas: int, router: str, requests: int) -> dict[str, Any]:
    """So many requests to so many replicas, 200 a second to each."""
    data = poisson_service(requests, router, rate=f"{200 * replicas} request/s")
    data["cluster"]["nodes"][0]["count"] = max(1, replicas // 8)
    served = data["workloads"]["chat"]
    served["replicas"]["count"] = replicas
    if router in ("prefix-affinity", "session-affinity"):
        served["batching"]["prefix_cache"] = True
    if router == "prefix-affinity":
        served["prefix"] = {"kind": "documents", "count": 1000, "tokens": 512, "zipf": 0.8}
    if router == "session-affinity":
        served["prefix"] = {"kind": "conversations", "turns": 3, "think_time": "5 s"}
    return data
