"""A pool's fabric: what it makes of a gang, and what of it is refused, where it stands and with what would mend it."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.build.resolved import Resolved
from sim.build.training.fabric import topology
from sim.build.training.gangs import gang_in
from sim.errors import InputError, Problem
from sim.profiles.catalog import Catalog
from sim.spec.fabric import FatTree, Rail
from sim.training.topology import Switched
from sim.training.torus import Torus
from tests.small import small

RAIL = {"kind": "rail", **Rail.example}
TREE = {"kind": "fat-tree", **FatTree.example}


def model_job(profile: str, nodes: int, gpus: int, fabric: dict[str, Any] | None, **parallel: Any) -> dict[str, Any]:
    """A small model in training on a gang, in a pool of ``nodes`` that a ``fabric`` joins."""
    scenario = small()
    pool = {"profile": profile, "count": nodes, "name": "here"}
    scenario["cluster"] = {"nodes": [pool | ({"fabric": fabric} if fabric is not None else {})]}
    work = {
        "kind": "model",
        "model": "llama-3.1-8b",
        "stack": "megatron-2026",
        "precision": "bf16",
        "sequence": 4096,
        "global_batch": 4 * gpus,
        "micro_batch": 1,
        "steps": 10,
        "parallel": {"shard": "parameters", **parallel},
        "recompute": "full",
        "optimizer": "adam",
    }
    scenario["workloads"] = {"train": {"kind": "training", "gpus": gpus, "work": work, "cpu_load": 0.1}}
    return scenario


def refused(scenario: dict[str, Any]) -> list[Problem]:
    """What loading it complains of."""
    with pytest.raises(InputError) as error:
        sim.load(scenario)
    return list(error.value.problems)


def joined(scenario: dict[str, Any], gpus: int) -> Any:
    """The topology of a gang in the only pool."""
    catalog = Catalog()
    return topology(Resolved.of(sim.load(scenario).scenario, catalog).machines["here"], gpus)


def test_a_gang_that_leaves_its_node_needs_a_fabric() -> None:
    (problem,) = refused(model_job("dgx-h100", 2, 16, None))
    assert problem.path == "workloads.train.work.parallel"
    assert "leaves the 8 GPUs that the link of 'dgx-h100' joins; give pool 'here' a 'fabric'" in problem.message
    assert "{kind: rail, bandwidth: 50 GB/s" in problem.message
    sim.load(model_job("dgx-h100", 2, 8, None))
    sim.load(model_job("dgx-h100", 2, 16, RAIL))


def test_a_rack_shares_one_link() -> None:
    """Eighteen trays of four GPUs are one island of 72; of two racks, a gang of 128 takes 64 of each."""
    sim.load(model_job("gb200-nvl72-tray", 18, 72, None))
    (problem,) = refused(model_job("gb200-nvl72-tray", 36, 144, None))
    assert "leaves the 72 GPUs" in problem.message
    racks = {**RAIL, "nodes_per_leaf": 18}
    made = joined(model_job("gb200-nvl72-tray", 36, 128, racks), 128)
    assert isinstance(made, Switched)
    assert (made.reach(64, 1).islands, made.reach(128, 1).islands) == (1, 2)
    assert made.reach(64, 1).spans[0].gpu_byte_per_s == pytest.approx(900e9)
    assert made.reach(128, 1).spans[1].gpu_byte_per_s == pytest.approx(50e9)


def test_leaves_hold_whole_racks() -> None:
    (problem,) = refused(model_job("gb200-nvl72-tray", 36, 128, {**RAIL, "nodes_per_leaf": 32}))
    assert problem.path == "cluster.nodes.0.fabric.nodes_per_leaf"
    assert "no whole number of the 72 that their link joins; use a multiple of 18 nodes" in problem.message


def test_tiers_must_nest() -> None:
    tiers = [{"nodes": 2, "oversubscription": 1}, {"nodes": 7, "oversubscription": 7}]
    (problem,) = refused(model_job("dgx-h100", 2, 16, {**TREE, "tiers": tiers}))
    assert problem.path == "cluster.nodes.0.fabric"
    assert "7 nodes are not several times 2" in problem.message


@pytest.mark.parametrize("field", sorted(set(Rail.example)))
def test_nothing_that_decides_is_guessed(field: str) -> None:
    written = {name: value for name, value in RAIL.items() if name != field}
    (problem,) = refused(model_job("dgx-h100", 2, 16, written))
    assert problem.path == f"cluster.nodes.0.fabric.{field}"
    assert "required" in problem.message


def test_a_port_sends_something() -> None:
    (problem,) = refused(model_job("dgx-h100", 2, 16, {**RAIL, "bandwidth": "0 GB/s"}))
    assert "must be above 0" in problem.message


def test_what_has_no_gpus_is_not_joined() -> None:
    scenario = small()
    scenario["cluster"]["nodes"].append({"profile": "cpu-2s-epyc-9654", "count": 2, "name": "hosts", "fabric": RAIL})
    (problem,) = refused(scenario)
    assert problem.path == "cluster.nodes.1.fabric"
    assert "has no GPUs to join" in problem.message


def test_numbers_reach_the_topology() -> None:
    """Each of the fields of a fabric changes what a gang crosses."""
    plain = joined(model_job("dgx-h100", 512, 4096, TREE), 4096)
    first, second, third = plain.reach(512, 8).spans
    assert [span.gpu_byte_per_s for span in (first, second, third)] == pytest.approx([50e9, 50e9, 50e9 / 7.0])
    assert [span.latency_s for span in (first, second, third)] == pytest.approx([2.3e-6, 2.9e-6, 3.5e-6])
    assert [span.units for span in (first, second, third)] == [512, 256, 2]
    assert plain.joule_per_byte("network") == pytest.approx(340e-12)
    assert plain.joule_per_byte("link") == pytest.approx(52e-12)
    assert first.in_switch == 0.0
    assert joined(model_job("dgx-h100", 2, 16, {**RAIL, "in_network": 0.9}), 16).reach(2, 8).spans[0].in_switch == 0.9
    assert plain.reach(8, 1).spans[0].in_switch == 0.85  # NVLink SHARP, off the board's profile


def test_a_torus_has_a_place_for_each() -> None:
    torus = {"kind": "torus", "shape": [4, 4], "hop_latency": "1 us", "wraps": True}
    made = joined(model_job("dgx-h100", 2, 16, torus), 16)
    assert isinstance(made, Torus)
    assert made.reach(16, 1).spans[0].unit_byte_per_s == pytest.approx(450e9)
    (problem,) = refused(model_job("dgx-h100", 2, 16, {**torus, "shape": [4, 8]}))
    assert problem.path == "cluster.nodes.0.fabric.shape"
    assert "4 x 8 are 32 accelerators; the pool has 16" in problem.message


def test_groups_that_no_torus_has_are_refused() -> None:
    torus = {"kind": "torus", "shape": [6, 4], "hop_latency": "1 us", "wraps": True}
    sim.load(model_job("dgx-h100", 3, 24, torus, tensor=2))
    problems = {problem.path: problem.message for problem in refused(model_job("dgx-h100", 3, 24, torus, tensor=4))}
    assert set(problems) == {f"workloads.train.work.parallel.{field}" for field in ("tensor", "data")}
    tensor = problems["workloads.train.work.parallel.tensor"]
    assert "groups of 4 ranks, 1 apart, are no blocks of a torus of 6 x 4; use divisors of its sides" in tensor


def test_bytes_between_nodes_cost_what_the_fabric_says() -> None:
    """Of 16 GPUs on two nodes; the same on a fabric whose bytes are free draws that much less, and is as fast."""

    def work(fabric: dict[str, Any]) -> Any:
        scenario = sim.load(model_job("dgx-h100", 2, 16, fabric)).scenario
        resolved = Resolved.of(scenario, Catalog())
        return gang_in(resolved.jobs["train"], "here", resolved)

    paid, free = work(RAIL), work({**RAIL, "energy_per_byte": "0 J/B"})
    sent = paid.cost.link_byte["network"]
    assert sent > 0.0
    assert paid.split(None).joules["network"] == pytest.approx(sent * 340e-12)
    assert "network" not in free.split(None).joules
    assert paid.under(None).work_ns == free.under(None).work_ns
    step_s = sum(paid.split(None).seconds.values())
    extra_w = paid.under(None).active_w - free.under(None).active_w
    assert extra_w * step_s == pytest.approx(sent * 340e-12, rel=1e-6)


def test_a_wider_fabric_is_no_slower() -> None:
    """Ports, latencies and uplinks each show in a job's time."""

    def step_s(**changes: Any) -> float:
        return float(sim.run(model_job("dgx-h100", 8, 64, {**TREE, **changes})).at("jobs.train.step.step_s"))

    plain = step_s()
    assert step_s(bandwidth="25 GB/s") > plain
    assert step_s(latency="200 us") > plain
    assert step_s(tiers=[{"nodes": 2, "oversubscription": 8.0}]) > plain
    assert step_s(bandwidth="400 GB/s") < plain
