"""No field of how GPUs are cut and shared, or of work on CPUs, is accepted and ignored: each is changed, and felt."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.spec.cluster import MIGSpec
from sim.spec.sharing import MPSSharing, TimeSliceSharing
from sim.spec.workloads import SocketHours
from sim.validation import Spec
from tests.small import small

MPS = {"kind": "mps", "contention": 0.1, "memory_bound": 0.4}
SLICES = {"kind": "time-slicing", "quantum": "2 ms", "switch": "0.4 ms", "replicas": 4}
SHARING = "cluster.nodes.0.sharing"
MAKESPAN = "batch.parts.makespan_s"


def parts(sharing: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Forty jobs for a quarter of a GPU each, an hour long, on one node of eight GPUs."""
    (folder / "jobs.csv").write_text("submit_s,run_s,gpu_milli\n" + "0,3600,250\n" * 40)
    data = small()
    data.pop("duration")
    data["cluster"] = {
        "nodes": [{"profile": "dgx-a100", "count": 1, "sharing": dict(sharing)}],
        "scheduler": {"kind": "fifo", "placement": {"kind": "packed"}},
    }
    source = {"kind": "trace", "file": str(folder / "jobs.csv")}
    load = {"kind": "measured", "active": "300 W"}
    data["workloads"] = {"parts": {"kind": "jobs", "source": source, "load": load, "cpu_load": 0.1}}
    return data


def cut(_folder: Path) -> dict[str, Any]:
    """An hour's job on an instance."""
    data = small()
    data.pop("duration")
    data["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": 1, "mig": {"layout": ["3g.40gb"] * 2}}]
    work = {"kind": "gpu-hours", "gpu_hours": 1, "load": {"kind": "nameplate"}}
    data["workloads"] = {"fit": {"kind": "training", "gpus": 1, "work": work, "cpu_load": 0.1}}
    return data


def on_sockets(_folder: Path) -> dict[str, Any]:
    """Two hours on two sockets, and a service on another."""
    data = small()
    data["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": 3}]
    work = {"kind": "socket-hours", "socket_hours": 4}
    data["workloads"] = {
        "fit": {"kind": "training", "sockets": 2, "work": work, "cpu_load": 0.9},
        "api": {
            "kind": "inference",
            "replicas": 1,
            "sockets_per_replica": 1,
            "arrivals": {"kind": "poisson", "rate": "1 /s"},
            "service_time": {"law": "constant", "first": "1 s"},
            "cpu_load": 1.0,
        },
    }
    return data


World = Callable[[Path], dict[str, Any]]
FELT: dict[tuple[type[Spec], str], tuple[World, str, Any, str]] = {
    (MIGSpec, "layout"): (cut, "cluster.nodes.0.mig.layout", ["1g.10gb"] * 7, "energy_kwh.by_component.gpu"),
    (MPSSharing, "contention"): (lambda at: parts(MPS, at), f"{SHARING}.contention", 0.3, MAKESPAN),
    (MPSSharing, "memory_bound"): (lambda at: parts(MPS, at), f"{SHARING}.memory_bound", 0.1, MAKESPAN),
    (MPSSharing, "clients"): (lambda at: parts(MPS, at), f"{SHARING}.clients", 2, MAKESPAN),
    (TimeSliceSharing, "quantum"): (
        lambda at: parts(SLICES, at),
        f"{SHARING}.quantum",
        "9 ms",
        "batch.parts.makespan_s",
    ),
    (TimeSliceSharing, "switch"): (lambda at: parts(SLICES, at), f"{SHARING}.switch", "1 ms", MAKESPAN),
    (TimeSliceSharing, "replicas"): (lambda at: parts(SLICES, at), f"{SHARING}.replicas", 2, MAKESPAN),
    (SocketHours, "socket_hours"): (on_sockets, "workloads.fit.work.socket_hours", 6, "jobs.fit.makespan_s"),
}
OTHERS: list[tuple[World, str, Any, str]] = [
    (lambda at: parts(MPS, at), SHARING, {"kind": "exclusive"}, MAKESPAN),
    (lambda at: parts(MPS, at), SHARING, {"kind": "mig"}, MAKESPAN),
    (on_sockets, "workloads.fit.sockets", 4, "jobs.fit.makespan_s"),
    (on_sockets, "workloads.api.sockets_per_replica", 2, "energy_kwh.by_workload.api"),
]


@pytest.mark.parametrize(("world", "path", "value", "felt"), [*FELT.values(), *OTHERS])
def test_what_is_changed_is_felt(world: World, path: str, value: Any, felt: str, tmp_path: Path) -> None:
    data = world(tmp_path)
    changed = copy.deepcopy(data)
    *steps, last = path.split(".")
    at: Any = changed
    for step in steps:
        at = at[int(step)] if isinstance(at, list) else at[step]
    at[last] = value
    assert _at(sim.run(data).summary, felt) != pytest.approx(_at(sim.run(changed).summary, felt), rel=1e-6)


def _at(summary: Any, path: str) -> float:
    for step in path.split("."):
        summary = summary[step]
    return float(summary)


@pytest.mark.parametrize("spec", [MIGSpec, MPSSharing, TimeSliceSharing, SocketHours])
def test_no_field_is_forgotten(spec: type[Spec]) -> None:
    assert {name for kind, name in FELT if kind is spec} == {name for name in spec.model_fields if name != "kind"}
