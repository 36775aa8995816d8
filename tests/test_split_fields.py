"""Every field of work in stages changes what it should: none is accepted and ignored."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import pytest

import sim
from sim.spec import networks, split
from sim.validation import Spec
from tests.test_every_field_matters import numbers
from tests.test_split import scenario

AT = "workloads.seer"
PHONE, EDGE, WIFI, HEAD = f"{AT}.devices.phone", f"{AT}.places.edge", f"{AT}.networks.wifi", f"{AT}.stages.head"

J = "split.seer.energy_j_per_request"
BATCHING = {"max_batch": 4, "max_wait": "1 ms", "further": 0.5}
MADE = {"accounting.device_lifetime": "3 years"}

FELT: dict[type[Spec], dict[str, tuple[dict[str, Any], str]]] = {
    split.SplitSpec: {
        "arrivals": ({f"{AT}.arrivals.rate": "9 request/s"}, "split.seer.requests"),
        "input": ({f"{HEAD}.at": "edge", f"{AT}.input": "1 kB"}, "split.seer.sent_gb"),
        "reply": ({f"{AT}.reply": "1 MB"}, "split.seer.received_gb"),
        "spread": ({f"{AT}.spread": {"kind": "exponential"}}, "split.seer.parts_s.device"),
    },
    split.UserDevices: {
        "count": ({f"{PHONE}.count": 1}, "split.seer.parts_s.device_queue"),
        "network": ({f"{PHONE}.network": "wan"}, "split.seer.parts_s.network"),
        "profile": ({f"{PHONE}.profile": "raspberry-pi-4b", f"{PHONE}.working": None}, f"{J}.devices"),
        "working": ({f"{PHONE}.working": "8 W"}, "split.seer.by_use_kwh.active"),
        "transferring": ({f"{PHONE}.transferring": "3 W"}, "split.seer.by_use_kwh.transferring"),
        "waiting": ({f"{PHONE}.waiting": "2 W"}, "split.seer.by_use_kwh.waiting"),
        "standby": ({f"{PHONE}.standby": "0.1 W"}, "split.seer.by_use_kwh.standby"),
        "compute": ({f"{PHONE}.compute": "1 TFLOP/s"}, "split.seer.parts_s.device"),
        "embodied": ({**MADE, f"{PHONE}.embodied": "99 kgCO2e"}, "carbon_kg.by_component.embodied_devices"),
    },
    split.OfPeak: {
        "precision": ({f"{EDGE}.compute": {"precision": "int8", "efficiency": 0.2}}, "split.seer.parts_s.service"),
        "efficiency": ({f"{EDGE}.compute": {"precision": "fp16", "efficiency": 0.3}}, "split.seer.parts_s.service"),
    },
    networks.NetworkWithLatency: {
        "energy": ({f"{WIFI}.energy": "0.3 kWh/GB"}, f"{J}.network"),
        "download": ({f"{WIFI}.download": "0.1 MB/s"}, "split.seer.parts_s.network"),
        "upload": ({f"{WIFI}.upload": "0.1 MB/s"}, "split.seer.parts_s.network"),
        "latency": ({f"{WIFI}.latency": "1 s"}, "split.seer.parts_s.network"),
    },
    split.StagePlace: {
        "pool": ({f"{AT}.stages.tail.at": "edge", f"{EDGE}.pool": "cloud"}, "energy_kwh.by_workload.seer"),
        "over": ({f"{EDGE}.over": ["wan"]}, "split.seer.parts_s.network"),
        "replicas": ({f"{AT}.places.cloud.replicas": 3}, "split.seer.machines_kwh"),
        "gpus_per_replica": ({f"{AT}.places.cloud.gpus_per_replica": 2}, "split.seer.machines_kwh"),
        "sockets_per_replica": (
            {f"{EDGE}.gpus_per_replica": 0, f"{EDGE}.sockets_per_replica": 2, f"{EDGE}.load": None},
            "split.seer.by_place.edge.energy_kwh",
        ),
        "compute": ({f"{EDGE}.compute": "20 TFLOP/s"}, "split.seer.parts_s.service"),
        "law": ({f"{EDGE}.law": "exponential"}, "split.seer.by_place.edge.e2e_s.p99"),
        "cv": ({f"{EDGE}.law": "lognormal", f"{EDGE}.cv": 0.5}, "split.seer.by_place.edge.e2e_s.p99"),
        "queue_limit": ({f"{EDGE}.queue_limit": 0}, "split.seer.rejected"),
        "load": ({f"{EDGE}.load.active": "40 W"}, "split.seer.by_place.edge.energy_kwh"),
        "cpu_load": ({f"{EDGE}.cpu_load": 0.9}, "split.seer.by_place.edge.energy_kwh"),
        "start_up": ({f"{EDGE}.start_up": "3 s"}, "split.seer.by_place.edge.queue_s.p99"),
    },
    split.PlaceBatching: {
        "max_batch": ({f"{EDGE}.batching.max_batch": 2}, "split.seer.by_place.edge"),
        "max_wait": ({f"{EDGE}.batching.max_wait": "100 ms"}, "split.seer.parts_s.queue"),
        "further": ({f"{EDGE}.batching.further": 0.1}, "split.seer.parts_s.service"),
    },
    split.Stage: {
        "at": ({f"{HEAD}.at": "edge"}, "split.seer.parts_s.device"),
        "work": ({f"{HEAD}.work": "9 GFLOP"}, "split.seer.parts_s.device"),
        "time": ({f"{HEAD}.time": {"phone": "1 s"}}, "split.seer.parts_s.device"),
        "output": ({f"{HEAD}.output": "90 kB"}, "split.seer.sent_gb"),
        "leaves": ({f"{HEAD}.leaves": 0.5}, "split.seer.left_after.head"),
    },
}
OF_OTHERS = {"devices", "networks", "places", "stages", "batching"}
"""Held in classes of their own, with rows of their own."""
BASE: dict[type[Spec], dict[str, Any]] = {
    split.OfPeak: {"places__edge__compute": {"precision": "fp16", "efficiency": 0.2}},
    split.PlaceBatching: {"places__edge__batching": BATCHING},
}
ROWS = [(spec, name) for spec, fields in FELT.items() for name in fields]


@pytest.mark.parametrize("spec", FELT, ids=lambda spec: spec.__name__)
def test_every_field_has_its_row(spec: type[Spec]) -> None:
    assert {*spec.model_fields} - {"kind"} - OF_OTHERS == {*FELT[spec]}


def _world(spec: type[Spec]) -> dict[str, Any]:
    return scenario("20 s", arrivals__rate="90 request/s", **BASE.get(spec, {}))


@cache
def _unchanged(spec: type[Spec]) -> dict[str, float]:
    return numbers(sim.run(_world(spec)).summary)


@pytest.mark.parametrize(("spec", "name"), ROWS, ids=[f"{spec.__name__}.{name}" for spec, name in ROWS])
def test_no_field_is_accepted_and_ignored(spec: type[Spec], name: str) -> None:
    """Its change is felt where it should be."""
    changes, felt = FELT[spec][name]
    changed = numbers(sim.run(copy.deepcopy(_world(spec)), set=changes).summary)

    def below(found: dict[str, float]) -> dict[str, float]:
        return {path: n for path, n in found.items() if path == felt or path.startswith(f"{felt}.")}

    assert below(changed), f"nothing is told below {felt}"
    assert below(changed) != pytest.approx(below(_unchanged(spec)), rel=1e-9)
