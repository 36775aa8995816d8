"""Campaigns, federated trainings and work in stages drawn at random, for whole scenarios."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Drawing(Protocol):
    """What draws; see ``tests.any_scenario``."""

    def one(self, *choices: Any) -> Any: ...

    def number(self, low: int, high: int) -> int: ...

    def often(self) -> bool: ...

    def some(self, **fields: Any) -> dict[str, Any]: ...


def campaign(
    d: Drawing, job: dict[str, Any], pools: list[dict[str, Any]], gpu_nodes: Mapping[str, int]
) -> dict[str, Any]:
    """A few trials that grow, are judged and run out of a budget."""
    most = gpu_nodes[next(pool["profile"] for pool in pools if pool["name"] == job.get("pool", pools[0]["name"]))]
    rungs = {"eta": d.number(2, 3), "rungs": d.number(1, 2), "promoted": d.one("continue", "anew"),
             "noise": d.one(0, 0.5)}  # fmt: skip
    selection = d.one({"kind": "all", "trials": 3}, {"kind": "hyperband", **rungs},
                         {"kind": "successive-halving", "trials": 7, **rungs},
                         {"kind": "asha", "trials": 7, **rungs},
                         {"kind": "median", "trials": 6, "grace": 0.2, "every": "30 %", "least": 1,
                          "noise": 1.0})  # fmt: skip
    size = d.one({"kind": "constant"}, {"kind": "exponential"}, {"kind": "lognormal", "cv": 0.5},
                    {"kind": "choice", "values": [0.5, 2]},
                    {"kind": "log-uniform", "low": 0.5, "high": 2})  # fmt: skip
    gpus = min(job["gpus"], most)
    growth = [{"at": "40 %", "gpus": d.number(1, most), "work": job["work"]}] if d.often() else []
    trial = {"gpus": gpus, "work": job["work"]}
    trials = [{"share": 0.25, **trial}, {"share": "75 %", **trial, "growth": growth}]
    campaign = {"kind": "campaign", "pool": job.get("pool", pools[0]["name"]), "cpu_load": job["cpu_load"],
                "trials": trials, "size": size, "selection": selection, "at_once": d.number(1, 8),
                "setup": d.one("0 s", "1 min")}  # fmt: skip
    campaign |= d.some(budget={"gpu_hours": 3}, evaluation={"each": "5 %", "last": "10 %"})
    return campaign | {name: job[name] for name in ("start_after", "checkpoint") if name in job}


def federated(d: Drawing, pools: list[dict[str, Any]]) -> dict[str, Any]:
    """A few rounds of devices that drop out and come late."""
    pool = d.one(*pools)
    together = {"kind": "synchronous", "clients": d.number(1, 20), "over_selection": d.one(0, "30 %"),
                "deadline": d.one("20 s", "5 min"), "least": d.one(0, 0.1),
                "between": d.one("0 s", "1 min")}  # fmt: skip
    in_turn = {"kind": "buffered", "at_once": d.number(1, 20), "buffer": d.number(1, 10),
               "deadline": d.one("1 min", "1 h")}  # fmt: skip
    device = {"training": d.one("0 W", "4 W"), "idle": "1 W", "samples_per_second": d.one(0.5, 50)}
    networks = {"wifi": {"energy": "0.03 kWh/GB", "download": "5 MB/s", "upload": "1 MB/s"},
                "mobile": {"energy": "0 J/B", "download": "1 MB/s", "upload": "0.2 MB/s"}}  # fmt: skip
    return {"kind": "federated", "networks": networks, "samples": d.one(1, 400),
            "server": {"pool": pool["name"], "slots": d.number(1, 2), "cpu_load": d.one(0, 1),
                       "per_round": d.one("0 s", "5 s"), "per_update": d.one("0 s", "10 ms")},
            "devices": {"home": {"share": 0.5, "network": "wifi", **device},
                        "away": {"share": 0.5, "network": "mobile", **device}},
            "spread": d.one({"kind": "constant"}, {"kind": "exponential"}), "drop_out": d.one(0, 0.3),
            "download": d.one("0 B", "20 MB"), "upload": "1 MB", "aggregation": d.one(together, in_turn),
            "rounds": d.one(3, {"at_large": 2, "critical_clients": 4}),
            **d.some(start_after="5 min")}  # fmt: skip


def staged(d: Drawing, pools: list[dict[str, Any]], gpu_nodes: Mapping[str, int]) -> dict[str, Any]:
    """Three stages wherever they may run, on two kinds of devices, over up to two networks."""
    with_gpus = [pool for pool in pools if pool["profile"] in gpu_nodes]
    places = {}
    for number, pool in enumerate(with_gpus[:2]):
        law = d.one({"law": "constant"}, {"law": "exponential"}, {"law": "lognormal", "cv": 0.5})
        batching = {"max_batch": d.number(1, 4), "max_wait": d.one("0 s", "10 ms"), "further": 0.3}
        places[f"place{number}"] = {"pool": pool["name"], "replicas": d.number(1, 2), "gpus_per_replica": 1, **law,
                                    "compute": d.one("1 TFLOP/s", {"precision": "fp16", "efficiency": 0.2}),
                                    "load": {"kind": "measured", "active": "200 W"}, "cpu_load": 0.05,
                                    **d.some(over=["wan"], batching=batching, queue_limit=d.one(0, 3),
                                             start_up="20 s")}  # fmt: skip
    here = [d.one("device", *places) for _ in range(3)]
    networks = {"wifi": {"energy": d.one("0 J/B", "0.03 kWh/GB"), "download": "5 MB/s", "upload": "1 MB/s",
                         "latency": d.one("0 s", "5 ms")},
                "wan": {"energy": "0.01 kWh/GB", "download": "50 MB/s", "upload": "9 MB/s",
                        "latency": "20 ms"}}  # fmt: skip
    watts = {"working": d.one("1 W", "5 W"), "transferring": "1 W", "waiting": d.one("0 W", "1 W")}
    device = {"count": d.number(1, 50), "network": "wifi", **watts, "compute": "0.1 TFLOP/s"}
    stages = {f"stage{i}": {"at": at, "work": d.one("1 GFLOP", "50 GFLOP"),
                            **({"output": d.one("0 B", "20 kB")} if i < 2 else {}),
                            **({"leaves": 0.4} if i < 2 and at == "device" else {})}
              for i, at in enumerate(here)}  # fmt: skip
    return {"kind": "split", "arrivals": {"kind": "poisson", "rate": d.one("0.05 /s", "0.5 /s")},
            "devices": {"home": device, "away": {**device, **d.some(standby="0 W")}}, "networks": networks,
            "places": places, "input": d.one("0 B", "200 kB"), "stages": stages, "reply": d.one("0 B", "1 kB"),
            **d.some(spread={"kind": "exponential"})}  # fmt: skip
