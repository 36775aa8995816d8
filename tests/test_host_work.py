"""Work on hosts' CPUs: on nodes without GPUs, and on those of GPU nodes, whose accelerators stand idle and count."""

from __future__ import annotations

import copy
import csv
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.engine.metering.draws import Share, node_draws
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from tests.small import small
from tests.worlds import hardware

CATALOG = Catalog()
CPU_NODE = "cpu-2s-epyc-9654"


def world(profile: str, *, nodes: int = 1, **api: Any) -> dict[str, Any]:
    """A service on one socket that is always at work, for six hours."""
    data = small()
    data["cluster"]["nodes"] = [{"profile": profile, "count": nodes}]
    data["workloads"] = {
        "api": {
            "kind": "inference",
            "replicas": 1,
            "sockets_per_replica": 1,
            "arrivals": {"kind": "poisson", "rate": "10 /s"},
            "service_time": {"law": "constant", "first": "1 s"},
            "cpu_load": 1.0,
            **api,
        }
    }
    if CATALOG.node(profile).gpus is None:
        del data["accounting"]["gpu_lifetime"]
    return data


def energy(data: dict[str, Any]) -> dict[str, Any]:
    """kWh, in all ways that a summary tells them."""
    found: dict[str, Any] = sim.run(copy.deepcopy(data)).summary["energy_kwh"]
    assert sum(found["by_workload"].values()) == pytest.approx(found["it"], rel=1e-9)
    return found


def problems(data: dict[str, Any]) -> list[str]:
    """What is wrong with it, by path."""
    with pytest.raises(InputError) as told:
        sim.run(data)
    return [f"{problem.path}: {problem.message}" for problem in told.value.problems]


def test_a_service_on_a_node_without_gpus() -> None:
    """Both sockets at full load draw what the profile says of both, at the DC side; one of them, half of the way."""
    cpu = CATALOG.cpu("amd-epyc-9654")
    both = energy(world(CPU_NODE, replicas=2))["by_component"]
    assert "gpu" not in both
    full_kwh = 2 * float(cpu.power.full.value) * 6.0 / 1000.0
    assert both["cpu"] == pytest.approx(full_kwh, rel=2e-3)  # the first request comes after a while
    alone = energy(world(CPU_NODE))["by_component"]
    idle_kwh = 2 * float(cpu.power.idle.value) * 6.0 / 1000.0
    assert idle_kwh < alone["cpu"] < both["cpu"]


@given(st.floats(0.0, 1.0), st.integers(1, 4))
def test_its_gpus_are_idle_and_the_rest_of_the_node_but_memory_rests(load: float, slots: int) -> None:
    """On a GPU node: the CPUs and the memory work, accelerators and what cools and feeds them do not."""
    node = hardware(supply=False)
    on_hosts = Share("a", slots, "active", node.gpu_idle_w, load, on_hosts=True)
    on_gpus = Share("a", slots, "active", node.gpu_idle_w, load)
    watts = {}
    for share in (on_hosts, on_gpus):
        draws = node_draws(node, "on", (share,))
        assert sum(draw.slots for draw in draws if draw.component == "gpu") == node.slots
        watts[share.on_hosts] = {c: sum(d.watts for d in draws if d.component == c) for c in ("gpu", "cpu", "dram")}
    assert watts[True]["gpu"] == pytest.approx(node.slots * node.gpu_idle_w)
    assert watts[True] == pytest.approx(watts[False]), "CPUs and memory as for any work"


def test_idle_accelerators_count() -> None:
    """The same work on the CPUs of a GPU node: the node's composition decides what it takes.

    Of a DGX A100 half of the machine goes with one of its two sockets, and four idle GPUs with it: they are booked to
    the service, and draw as idle ones do (60 W each).
    """
    of_cpus, of_gpus = world(CPU_NODE), world("dgx-a100")
    lean, fat = energy(of_cpus), energy(of_gpus)
    assert fat["by_component"]["gpu"] == pytest.approx(8 * 60.0 * 6.0 / 1000.0)
    assert fat["by_workload"]["api"] > 1.6 * lean["by_workload"]["api"]
    board_kwh = 4 * 60.0 * 6.0 / 1000.0
    assert fat["by_workload"]["api"] > board_kwh, "its four GPUs are its own"
    served = [sim.run(copy.deepcopy(data)).summary["serving"]["api"]["completed"] for data in (of_cpus, of_gpus)]
    assert served[0] == served[1]


@pytest.mark.shared_data
def test_a_whole_cpu_server_as_spec_measured_it(shared_data: Any) -> None:
    """A service on both sockets of the shipped node draws 1,069 W, 31 % above the 817 W of SPECpower_ssj2008.

    Not a validation: servers are tuned for that benchmark (little memory, one drive, slow fans), and it runs Java, not
    kernels that take a CPU to its limit. It bounds how far the profile's assumed parts are off, and tells if it moves.
    """
    text = (shared_data / "factors/cpu_server_power.csv").read_text().splitlines()
    (measured,) = [row for row in csv.DictReader(text) if row["cpu_2s_server"] == "EPYC 9654"]
    spec_w = float(measured["full_load_w"])
    full_w = energy(world(CPU_NODE, replicas=2))["it"] / 6.0 * 1000.0
    assert 1.25 < full_w / spec_w < 1.35


def test_training_on_sockets() -> None:
    """12 socket-hours on four sockets take 3 hours, on two 6."""
    data = world(CPU_NODE, nodes=2)
    work = {"kind": "socket-hours", "socket_hours": 12}
    data["workloads"] = {"fit": {"kind": "training", "sockets": 4, "work": work, "cpu_load": 0.9}}
    data["duration"] = "6 h"
    job = sim.run(copy.deepcopy(data)).summary["jobs"]["fit"]
    assert job["makespan_s"] == pytest.approx(3 * 3600.0)
    half = copy.deepcopy(data)
    half["workloads"]["fit"]["sockets"] = 2
    assert sim.run(half).summary["jobs"]["fit"]["makespan_s"] == pytest.approx(6 * 3600.0)


def test_training_on_gpus_and_inference_on_the_hosts_of_one_node() -> None:
    """Mixed on one node: a job on four GPUs, a service on the socket of the other four; they add up to the node."""
    data = world("dgx-a100")
    load = {"kind": "measured", "active": "350 W"}
    data["workloads"]["tune"] = {
        "kind": "training",
        "gpus": 4,
        "work": {"kind": "gpu-hours", "gpu_hours": 24, "load": load},
        "cpu_load": 0.1,
    }
    both = energy(data)
    assert set(both["by_workload"]) == {"api", "tune"}
    gpu_kwh = (4 * 350.0 + 4 * 60.0) * 6.0 / 1000.0
    assert both["by_component"]["gpu"] == pytest.approx(gpu_kwh, rel=1e-3)
    # There is no room for a second socket beside them: what has been given away is given away once.
    data["workloads"]["api"]["replicas"] = 2
    assert any("asks for 4 GPUs; 'dgx-a100' has 8, of which services hold 8" in said for said in problems(data))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"gpus_per_replica": 1}, "needs either 'gpus_per_replica' or 'sockets_per_replica'"),
        ({"load": {"kind": "measured", "active": "300 W"}}, "'load' is what its GPUs draw"),
        ({"replicas": 3}, "services ask for 3 sockets of 'cpu-2s-epyc-9654', which has 2"),
    ],
)
def test_what_is_refused_of_a_service(changes: dict[str, Any], says: str) -> None:
    assert any(says in said for said in problems(world(CPU_NODE, **changes)))


def test_what_is_refused_of_a_job() -> None:
    data = world(CPU_NODE)
    work: dict[str, Any] = {"kind": "socket-hours", "socket_hours": 12}
    job: dict[str, Any] = {"kind": "training", "sockets": 4, "work": work, "cpu_load": 0.9}
    data["workloads"] = {"fit": job}
    assert any("workloads.fit.sockets: asks for 4 sockets; 'cpu-2s-epyc-9654' has 2" in s for s in problems(data))
    job |= {"sockets": 0, "gpus": 1}
    assert any("work of kind socket-hours go together" in said for said in problems(data))
    del job["gpus"], job["sockets"]
    assert any("needs either 'gpus' or 'sockets'" in said for said in problems(data))
    job |= {"sockets": 1}
    cap = {
        "kind": "power-cap",
        "target": "fit",
        "cap": "300 W",
        "when": {"kind": "daily", "since": "00:00", "until": "12:00"},
    }
    data["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": 1}]
    data["accounting"]["gpu_lifetime"] = "5 years"
    data["policies"] = [cap]
    assert any("works on CPUs, which no cap on GPUs slows" in said for said in problems(data))
