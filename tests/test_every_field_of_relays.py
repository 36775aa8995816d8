"""No field of a cascade, a memo, an early exit, a cold start or an autoscaled queue is accepted and ignored."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import sim
from sim.spec.early_exit import EarlyExit, Exit
from sim.spec.inference import QueueAutoscale
from sim.spec.provisioning import ColdStartOf
from sim.spec.result_cache import Lookup, RepeatedSamples, RouteCache, ZipfPopularity
from sim.spec.routes import ByCascade, Verifier
from sim.validation import Spec
from tests.relay_worlds import EXITS, IMAGE, alone, cascade, memo

SCALE = {"min": 1, "initial": 2, "target": 1.0, "interval": "10 s", "settle": "1 min"}
ZIPF = {"kind": "zipf", "catalogue": 200, "exponent": 0.8}
ROUTE = cascade(cache=memo())
KNOWN = cascade(cache=memo(keys=ZIPF))
SERVICE = alone(early_exit=EXITS, start_up=IMAGE, replicas=2, autoscale=SCALE)
CACHE, BY = "routes.all.cache", "routes.all.by"
EXIT, IMAGED, SCALED = "workloads.api.early_exit", "workloads.api.start_up", "workloads.api.autoscale"

FELT: dict[type[Spec], dict[str, tuple[dict[str, Any], str, Any]]] = {
    ByCascade: {
        "of": (ROUTE, f"{BY}.of", {"kind": "beta", "alpha": 1, "beta": 5}),
        "up_to": (ROUTE, f"{BY}.up_to.little", 0.2),
        "beyond": (ROUTE, BY, {**ROUTE["routes"]["all"]["by"], "up_to": {"large": 0.7}, "beyond": "little"}),
        "verifier": (ROUTE, f"{BY}.verifier.time", "2 s"),
    },
    Verifier: {
        "time": (ROUTE, f"{BY}.verifier.time", "1 s"),
        "energy": (ROUTE, f"{BY}.verifier.energy", "5 J"),
    },
    RouteCache: {
        "keys": (ROUTE, f"{CACHE}.keys", ZIPF),
        "capacity": (ROUTE, f"{CACHE}.capacity", 20),
        "lookup": (ROUTE, f"{CACHE}.lookup.energy", "0 J"),
        "at": (ROUTE, f"{CACHE}.at", "large"),
    },
    Lookup: {
        "time": (ROUTE, f"{CACHE}.lookup.time", "1 s"),
        "energy": (ROUTE, f"{CACHE}.lookup.energy", "1 J"),
    },
    RepeatedSamples: {
        "samples": (ROUTE, f"{CACHE}.keys.samples", 10),
        "times": (ROUTE, f"{CACHE}.keys.times", 5),
    },
    ZipfPopularity: {
        "catalogue": (KNOWN, f"{CACHE}.keys.catalogue", 50),
        "exponent": (KNOWN, f"{CACHE}.keys.exponent", 0.1),
    },
    EarlyExit: {
        "of": (SERVICE, f"{EXIT}.of", {"kind": "beta", "alpha": 5, "beta": 1}),
        "exits": (SERVICE, f"{EXIT}.exits.first.after", 0.1),
        "last_load": (SERVICE, f"{EXIT}.last_load", 0.5),
    },
    Exit: {
        "up_to": (SERVICE, f"{EXIT}.exits.first.up_to", 0.7),
        "after": (SERVICE, f"{EXIT}.exits.second.after", 0.9),
        "classifier": (SERVICE, f"{EXIT}.exits.second.classifier", 0.0),
        "load": (SERVICE, f"{EXIT}.exits.first.load", 0.3),
    },
    ColdStartOf: {
        "image": (SERVICE, f"{IMAGED}.image", "5 GB"),
        "image_bandwidth": (SERVICE, f"{IMAGED}.image_bandwidth", "1 GB/s"),
        "cached": (SERVICE, f"{IMAGED}.cached", "50 %"),
        "unpack": (SERVICE, f"{IMAGED}.unpack", "1 GB/s"),
        "kept": (SERVICE, f"{IMAGED}.kept", True),
        "weights": (SERVICE, f"{IMAGED}.weights", "8 GB"),
        "weights_bandwidth": (SERVICE, f"{IMAGED}.weights_bandwidth", "1 GB/s"),
        "launch": (SERVICE, f"{IMAGED}.launch", "10 s"),
    },
    QueueAutoscale: {
        "min": (SERVICE, f"{SCALED}.min", 2),
        "initial": (SERVICE, f"{SCALED}.initial", 1),
        "target": (SERVICE, f"{SCALED}.target", 0.2),
        "interval": (SERVICE, f"{SCALED}.interval", "3 s"),
        "settle": (SERVICE, f"{SCALED}.settle", "5 min"),
    },
}


def fields() -> Iterator[Any]:
    for spec, own in FELT.items():
        for name, (world, path, value) in own.items():
            yield pytest.param(world, path, value, id=f"{spec.__name__}.{name}")


def test_every_field_is_there() -> None:
    for spec, own in FELT.items():
        assert set(own) == set(spec.model_fields) - {"kind"}, spec.__name__


@pytest.mark.parametrize(("world", "path", "value"), list(fields()))
def test_a_field_that_changes_changes_a_result(world: dict[str, Any], path: str, value: Any) -> None:
    before, after = sim.run(world).summary, sim.run(world, set={path: value}).summary
    parts = ("energy_kwh", "serving", "routes")
    assert any(before.get(part) != after.get(part) for part in parts)
