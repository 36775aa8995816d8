"""Pools whose GPUs are cut (MIG): today's workloads on instances, and the energy of the whole conserved."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.engine.metering.draws import Share, node_draws
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.shared_gpu.sliced import slice_of
from sim.units import HOUR_NS, SECONDS_PER_NS
from tests.small import small
from tests.worlds import hardware

CATALOG = Catalog()
A100 = CATALOG.gpu("nvidia-a100-sxm-80gb")
SEVENTHS = ["1g.10gb"] * 7
HALVES = ["3g.40gb"] * 2
LAYOUTS = (SEVENTHS, HALVES, ["1g.20gb"] * 4, ["2g.20gb"] * 3, ["7g.80gb"], ["1g.10gb"] * 3)


def world(layout: list[str] | None, *, nodes: int = 1, **api: Any) -> dict[str, Any]:
    """One service that is asked once an hour on DGX A100s whose GPUs are cut."""
    data = small()
    data["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": nodes}]
    if layout is not None:
        data["cluster"]["nodes"][0]["mig"] = {"layout": layout}
    del data["workloads"]["tune"]
    data["workloads"]["api"] |= {"replicas": 1, "gpus_per_replica": 1, **api}
    return data


def kwh(data: dict[str, Any], component: str = "gpu") -> float:
    """kWh of a component."""
    return float(sim.run(copy.deepcopy(data)).summary["energy_kwh"]["by_component"][component])


def problems(data: dict[str, Any]) -> list[str]:
    """What is wrong with it, by path."""
    with pytest.raises(InputError) as told:
        sim.run(data)
    return [f"{problem.path}: {problem.message}" for problem in told.value.problems]


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{len(layout)} x {layout[0]}")
def test_instances_at_rest_are_the_gpu_at_rest(layout: list[str]) -> None:
    """All instances of a board idle draw what the board does, loaded what it does loaded, and are limited as it is."""
    slices = CATALOG.slices("nvidia-mig-a100-80gb")
    one = slice_of(A100, slices, layout[0], len(layout))
    for whole, part in (
        (A100.power.idle, one.power.idle),
        (A100.power.loaded, one.power.loaded),
        (A100.tdp, one.tdp),
        (A100.embodied.central, one.embodied.central),
    ):
        assert len(layout) * float(part.value) == pytest.approx(float(whole.value), rel=1e-12)
    assert one.chip is not None
    shares = int(one.chip.multiprocessors.value) / 108, slices.slices[layout[0]].memory / 8
    assert float(one.peak["bf16"].value) == pytest.approx(312e12 * shares[0])
    assert float(one.memory.bandwidth.value) == pytest.approx(2039e9 * shares[1])
    assert len(layout) * shares[0] <= 1.0
    assert len(layout) * shares[1] <= 1.0
    # Work at the peak of all of them takes no more than at the board's: no joule is made up.
    assert len(layout) * float(one.peak["bf16"].value) <= float(A100.peak["bf16"].value)
    assert one.power.energy_per_flop == A100.power.energy_per_flop


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: f"{len(layout)} x {layout[0]}")
def test_a_pool_that_nobody_uses_draws_what_it_does_uncut(layout: list[str]) -> None:
    """Energy by component, carbon of making it and power supplies: cutting a GPU changes nothing of it at rest."""
    never = {"kind": "poisson", "rate": "1e-9 /s"}
    idle_w = f"{60 / len(layout)} W"  # the service's own, as if it were idle: only cutting is compared
    whole = world(None, arrivals=never, load={"kind": "measured", "active": "60 W", "loaded": "60 W"})
    cut = world(layout, arrivals=never, load={"kind": "measured", "active": idle_w, "loaded": idle_w})
    # A loaded instance clocks its board up; the same board uncut is clocked up by the load that is stated.
    awake_kwh = (len(layout) - 1) / len(layout) * (92.0 - 60.0) * 6.0 / 1000.0
    before, after = (sim.run(data).summary for data in (whole, cut))
    for component, energy in before["energy_kwh"]["by_component"].items():
        more = awake_kwh if component == "gpu" else 0.0
        if component != "psu_loss":
            assert after["energy_kwh"]["by_component"][component] == pytest.approx(energy + more, rel=1e-9), component
    assert after["carbon_kg"]["embodied"] == pytest.approx(before["carbon_kg"]["embodied"], rel=1e-9)


@given(st.integers(0, 14), st.integers(0, 14), st.sampled_from(("loaded", "active", "idle")))
def test_one_instance_clocks_up_the_whole_gpu(ours: int, theirs: int, state: Any) -> None:
    """Two boards of seven: as many are clocked up as it takes to hold the instances in use; watts as by hand."""
    cut = replace(hardware(slots=14, supply=False), gpu_idle_w=10.0, gpu_slots=7, gpu_awake_w=15.0)
    theirs = min(theirs, 14 - ours)
    shares = [Share("a", ours, "active", 40.0, 0.0), Share("b", theirs, state, 15.0, 0.0)]
    draws = node_draws(cut, "on", tuple(share for share in shares if share.slots))
    watts = sum(draw.watts for draw in draws if draw.component == "gpu")
    used = ours + (theirs if state != "idle" else 0)
    free = 14 - ours - theirs
    boards = -(-used // 7)
    awake = min(free, 7 * boards - used)
    assert watts == pytest.approx(40.0 * ours + 15.0 * theirs + 15.0 * awake + 10.0 * (free - awake))
    assert sum(draw.slots for draw in draws if draw.component == "gpu") == 14


def test_whole_gpus_are_as_they_were() -> None:
    """A node of whole GPUs has none that is clocked up by a neighbour."""
    shares = (Share("a", 3, "active", 200.0, 0.1),)
    gpu = [draw for draw in node_draws(hardware(), "on", shares) if draw.component == "gpu"]
    assert sum(draw.watts for draw in gpu) == 3 * 200.0 + 50.0


def test_steps_on_an_instance_take_as_much_longer_as_it_is_smaller() -> None:
    """Work bound by the multiprocessors: 14 of 108 take 108/14 times as long, for the same joules of the work."""
    steps = {
        "kind": "steps",
        "steps": 1000,
        "flops": "100 TFLOP",
        "precision": "bf16",
        "memory_traffic": "1 GB",
        "link_traffic": "0 GB",
        "efficiency": {"compute": 0.5, "memory": 0.8, "link": 0.8},
        "overhead": "0 s",
    }
    found = {}
    for name, layout in (("whole", None), ("seventh", SEVENTHS)):
        data = world(layout)
        data["workloads"] = {"fit": {"kind": "training", "gpus": 1, "work": steps, "cpu_load": 0.0}}
        data["duration"] = "2 h"
        found[name] = sim.run(data).summary["jobs"]["fit"]
    assert found["seventh"]["makespan_s"] == pytest.approx(found["whole"]["makespan_s"] * 108 / 14, rel=1e-6)


def test_a_model_is_served_on_instances() -> None:
    """Seven replicas of a small model on one GPU; a large one is refused with the memory of its instance."""
    data = world(SEVENTHS)
    served = {
        "kind": "serving",
        "model": "llama-3.2-1b",
        "stack": "vllm-2025",
        "replicas": {"count": 7, "tensor_parallel": 1},
        "batching": {"max_num_seqs": 16, "max_num_batched_tokens": 2048},
        "routing": "join-shortest-queue",
        "arrivals": {"kind": "poisson", "rate": "4 /s"},
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "constant", "tokens": 200},
            "output": {"kind": "constant", "tokens": 50},
        },
        "precision": {"weights": "bf16"},
        "cpu_load": 0.05,
    }
    data["workloads"] = {"chat": served}
    data["duration"] = "10 min"
    summary = sim.run(copy.deepcopy(data)).summary
    energy = summary["energy_kwh"]
    assert sum(energy["by_workload"].values()) == pytest.approx(energy["it"], rel=1e-9)
    assert 8 * 60.0 * 600.0 < energy["by_component"]["gpu"] * 3.6e6 < 8 * 400.0 * 600.0
    data["workloads"]["chat"]["model"] = "llama-3.1-8b"
    assert any("9.5" in said or "10.2 GB" in said for said in problems(copy.deepcopy(data)))
    data["workloads"]["chat"] |= {"model": "llama-3.2-1b", "replicas": {"count": 1, "tensor_parallel": 2}}
    assert any(said.startswith("workloads.chat.replicas: a replica takes 2 GPUs") for said in problems(data))


def test_training_and_inference_on_one_cut_node() -> None:
    """A job on three instances and a service on four of the same node: each is charged for its own."""
    data = small()
    data["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": 1, "mig": {"layout": SEVENTHS}}]
    load = {"kind": "measured", "active": "45 W", "loaded": "13 W"}
    data["workloads"]["tune"] |= {"gpus": 3, "work": {"kind": "gpu-hours", "gpu_hours": 6, "load": load}}
    data["workloads"]["api"] |= {"replicas": 4, "gpus_per_replica": 1, "load": load}
    summary = sim.run(data).summary
    assert summary["jobs"]["tune"]["makespan_s"] == pytest.approx(2.0 * HOUR_NS * SECONDS_PER_NS)
    energy = summary["energy_kwh"]
    assert set(energy["by_workload"]) == {"tune", "api", "unallocated"}
    assert sum(energy["by_workload"].values()) == pytest.approx(energy["it"], rel=1e-9)


def test_pools_cut_and_whole_beside_each_other() -> None:
    """The server's carbon is one server's in both, whatever its slots; so is a GPU's."""
    data = world(None)
    data["cluster"]["nodes"] = [
        {"profile": "dgx-a100", "count": 1},
        {"profile": "dgx-a100", "count": 1, "name": "cut", "mig": {"layout": SEVENTHS}},
    ]
    data["workloads"]["api"]["pool"] = "cut"
    data["workloads"]["api"]["load"] = {"kind": "measured", "active": "45 W"}
    two = world(None, nodes=2)
    assert sim.run(data).summary["carbon_kg"]["embodied"] == pytest.approx(
        sim.run(two).summary["carbon_kg"]["embodied"], rel=1e-9
    )


def test_a_cap_is_of_a_board() -> None:
    """200 W on each A100 are 100 W on each of its halves; below what a board draws loaded, it is refused."""
    data = world(HALVES)
    load = {"kind": "measured", "active": "190 W", "loaded": "46 W"}
    work = {"kind": "gpu-hours", "gpu_hours": 1, "load": load}
    data["workloads"] = {"fit": {"kind": "training", "gpus": 1, "work": work, "cpu_load": 0.0}}
    data["duration"] = "4 h"
    free = sim.run(copy.deepcopy(data)).summary["jobs"]["fit"]["makespan_s"]
    cap = {
        "kind": "power-cap",
        "target": "fit",
        "cap": "200 W",
        "when": {"kind": "daily", "since": "00:00", "until": "23:59"},
    }
    data["policies"] = [cap]
    capped = sim.run(copy.deepcopy(data)).summary["jobs"]["fit"]
    assert capped["makespan_s"] > free
    cap["cap"] = "90 W"
    assert any("90 W is not between the 92 W loaded and 400 W TDP" in said for said in problems(data))


@pytest.mark.parametrize(
    ("profile", "mig", "says"),
    [
        (
            "dgx-a100",
            {"layout": ["1g.11gb"]},
            "cluster.nodes.0.mig: 'nvidia-a100-sxm-80gb' has no '1g.11gb'; did you mean",
        ),
        ("dgx-a100", {"layout": ["3g.40gb"] * 3}, "3 x 3g.40gb do not fit on one 'nvidia-a100-sxm-80gb': 2 do"),
        ("dgx-a100", {"layout": ["3g.40gb", "4g.40gb"]}, "give all instances of 'layout' the same kind"),
        ("l4-server", {"layout": ["1g.10gb"]}, "'nvidia-l4' cannot be cut: its profile names no 'slices'"),
        ("cpu-2s-epyc-9654", {"layout": ["1g.10gb"]}, "'cpu-2s-epyc-9654' has no GPUs to cut"),
    ],
)
def test_what_cannot_be_cut_is_told(profile: str, mig: dict[str, Any], says: str) -> None:
    data = world(None)
    data["cluster"]["nodes"][0] |= {"profile": profile, "mig": mig}
    assert any(says in said for said in problems(data)), problems(data)


def test_instances_do_not_reach_each_other() -> None:
    """Work that crosses the GPUs' link is refused on them, by the field that says so."""
    data = world(SEVENTHS)
    steps = {
        "kind": "steps",
        "steps": 10,
        "flops": "1 TFLOP",
        "precision": "bf16",
        "memory_traffic": "1 GB",
        "link_traffic": "1 GB",
        "efficiency": {"compute": 0.5, "memory": 0.8, "link": 0.8},
        "overhead": "0 s",
    }
    data["workloads"] = {"fit": {"kind": "training", "gpus": 2, "work": steps, "cpu_load": 0.0}}
    assert any(said.startswith("workloads.fit.work.link_traffic: its GPUs exchange data") for said in problems(data))
