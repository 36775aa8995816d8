"""Small worlds of inference services behind cascades and memos, as plain data."""

from __future__ import annotations

from typing import Any

from tests.small import small

EXITS: dict[str, Any] = {
    "of": {"kind": "uniform"},
    "exits": {
        "first": {"up_to": 0.5, "after": 0.25, "classifier": 0.02},
        "second": {"up_to": 0.8, "after": 0.6, "classifier": 0.05, "load": 0.5},
    },
}
"""Half of all requests leave after a quarter of the work, and 30 % after 60 %."""

IMAGE: dict[str, Any] = {
    "image": "10 GB",
    "image_bandwidth": "500 MB/s",
    "unpack": "250 MB/s",
    "weights": "4 GB",
    "weights_bandwidth": "2 GB/s",
    "launch": "3 s",
}
"""20 s to pull, 40 s to unpack, 2 s for the weights and 3 s for the program."""


def alone(**service: Any) -> dict[str, Any]:
    """One service of one GPU: 2,000 s of a request a second that take 0.5 s each."""
    world = small()
    del world["workloads"]["tune"]
    world["duration"] = "2000 s"
    world["workloads"]["api"] |= {
        "replicas": 1,
        "gpus_per_replica": 1,
        "arrivals": {"kind": "poisson", "rate": "1 /s"},
        "service_time": {"law": "constant", "first": "0.5 s"},
        "load": {"kind": "measured", "active": "300 W", "loaded": "100 W"},
        **service,
    }
    return world


def memo(*, of_route: bool = True, **changes: Any) -> dict[str, Any]:
    """A memo of 100 results in front of what is asked twice, in passes over 50 samples."""
    keys = {"kind": "repeated", "samples": 50, "times": 2}
    lookup = {"time": "10 ms", "energy": "2 J"}
    return {"keys": keys, "capacity": 60, "lookup": lookup, **({"at": "little"} if of_route else {}), **changes}


def cascade(**route: Any) -> dict[str, Any]:
    """A small service that answers 70 % of what it is asked, and a large one for the rest; exponential times."""
    world = alone()
    api = world["workloads"].pop("api") | {"arrivals": {"kind": "routed", "route": "all"}}
    times = {"little": "1 s", "large": "4 s"}
    world["workloads"] = {
        name: {**api, "service_time": {"law": "exponential", "first": mean}} for name, mean in times.items()
    }
    by = {
        "kind": "cascade",
        "of": {"kind": "uniform"},
        "up_to": {"little": 0.7},
        "beyond": "large",
        "verifier": {"time": "0 s", "energy": "0 J"},
    }
    arrivals = {"kind": "poisson", "rate": "0.5 /s"}
    world["routes"] = {"all": {"arrivals": arrivals, "to": {"little": {}, "large": {}}, "by": by, **route}}
    return world
