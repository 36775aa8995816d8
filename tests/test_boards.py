"""Boards, servers and racks of 2023 to 2026: each runs, and sums to what its maker publishes."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

import sim
from sim.build.site.plates import resolved_plates
from sim.build.world import node_hardware
from sim.engine.metering.draws import Share, node_draws
from sim.profiles import Catalog, NodeProfile
from sim.results.profile_tables import profile_tables
from sim.spec.facility import PlantSpec
from tests.plants import COOLING, plant_spec
from tests.test_added_kinds import DALLAS

CATALOG = Catalog()

GPUS = {  # watts at the limit, bytes/s of the links both ways
    "nvidia-h800-sxm-80gb": (700, 400e9),
    "nvidia-h100-sxm-94gb": (700, 900e9),
    "nvidia-h100-pcie-80gb": (350, 128e9),
    "nvidia-a100-pcie-80gb": (300, 64e9),
    "nvidia-b300-sxm-270gb": (1100, 1800e9),
    "nvidia-gb300-279gb": (1400, 1800e9),
    "nvidia-rtx-pro-6000-server": (600, 128e9),
    "amd-mi325x": (1000, 896e9),
    "amd-mi355x": (1400, 1075e9),
    "google-tpu-v5e": (137, 400e9),
    "google-tpu-v5p": (400, 1200e9),
    "google-tpu-v6e": (381, 800e9),
    "google-tpu-7x": (959, 1200e9),
    "aws-trainium2": (500, 1280e9),
}
NODES = {  # accelerators of the node, and those that their own link joins
    "hgx-h800": (8, None),
    "hgx-h100-94gb-4": (4, None),
    "h100-pcie-server": (8, None),
    "dgx-b300": (8, None),
    "gb200-nvl72-tray": (4, 72),
    "gb300-nvl72-tray": (4, 72),
    "gb200-nvl72": (72, 72),
    "gb300-nvl72": (72, 72),
    "rtx-pro-6000-server": (8, None),
    "mi325x-8-gpu": (8, None),
    "mi355x-8-gpu": (8, None),
    "tpu-v5e-host": (8, 256),
    "tpu-v5p-host": (4, 8960),
    "tpu-v6e-host": (8, 256),
    "tpu-7x-host": (4, 9216),
    "trn2-server": (16, 64),
}
LIQUID = {"gb200-nvl72-tray", "gb300-nvl72-tray", "gb200-nvl72", "gb300-nvl72", "tpu-v5p-host", "tpu-7x-host"}
SERVING = [name for name in NODES if CATALOG.gpu(CATALOG.node(name).gpus.profile).chip is not None]  # type: ignore[union-attr]  # every node of these has GPUs


def drawn(name: str, *, cpu_load: float = 1.0, at_work: bool = True) -> dict[str, float]:
    """Watts of a node by component, from the wall, with all its accelerators at their limit or with none at work."""
    node = CATALOG.node(name)
    assert node.gpus is not None
    gpu = CATALOG.gpu(node.gpus.profile)
    held = (Share("x", node.slots, "active", float(gpu.tdp.value), cpu_load),) if at_work else ()
    watts: dict[str, float] = {}
    for draw in node_draws(node_hardware(node, gpu, CATALOG), "on", held):
        watts[draw.component] = watts.get(draw.component, 0.0) + draw.watts
    return watts


def scenario(node: str, workload: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "a board at work",
        "start": "2026-03-01T00:00:00Z",
        "duration": "10 min",
        "seed": 1,
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": node, "count": 1}]},
        "workloads": {"w": workload},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }


def steps(gpus: int) -> dict[str, Any]:
    return {
        "kind": "training",
        "gpus": gpus,
        "cpu_load": 0.1,
        "work": {
            "kind": "steps",
            "steps": 100,
            "precision": "bf16",
            "flops": "1 PFLOP",
            "memory_traffic": "1 TB",
            "link_traffic": "10 GB",
            "efficiency": {"compute": 0.5, "memory": 0.8, "link": 0.8},
            "overhead": "1 ms",
        },
    }


def served() -> dict[str, Any]:
    return {
        "kind": "serving",
        "model": "llama-3.1-8b",
        "stack": "vllm-2025",
        "precision": {"weights": "bf16", "kv": "bf16"},
        "replicas": {"count": 1, "tensor_parallel": 1},
        "batching": {"max_num_seqs": 16, "max_num_batched_tokens": 2048},
        "arrivals": {"kind": "poisson", "rate": "2 request/s", "requests": 20},
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "constant", "tokens": 512},
            "output": {"kind": "constant", "tokens": 64},
        },
        "routing": "round-robin",
        "cpu_load": 0.05,
    }


@pytest.mark.parametrize("name", GPUS)
def test_a_board_has_the_limit_and_the_links_of_its_maker(name: str) -> None:
    gpu = CATALOG.gpu(name)
    limit_w, link = GPUS[name]
    assert float(gpu.tdp.value) == limit_w
    assert float(gpu.link.bandwidth.value) == link


@pytest.mark.parametrize("name", [*GPUS, *NODES, "nvidia-grace", "intel-xeon-6776p", "amd-epyc-9575f"])
def test_a_board_is_shown_with_its_sources(name: str) -> None:
    console = Console(width=100)
    with console.capture() as shown:
        console.print(profile_tables(CATALOG.read(name)))
    printed = " ".join(shown.get().split())
    assert "assumed" in printed  # none of them is known in full, and each says what is not
    profile = CATALOG.read(name)
    assert all(key in printed for key in profile.sources)
    if isinstance(profile, NodeProfile):
        assert ("liquid_share" in printed) == (name in LIQUID)


@pytest.mark.parametrize("name", NODES)
def test_a_node_holds_its_accelerators_and_says_how_far_their_link_reaches(name: str) -> None:
    node = CATALOG.node(name)
    held, joined = NODES[name]
    assert node.slots == held
    assert (int(node.link_domain.value) if node.link_domain is not None else None) == joined
    assert (node.liquid_share is not None) == (name in LIQUID)


@pytest.mark.parametrize("name", NODES)
def test_a_training_job_of_steps_runs_on_every_node(name: str) -> None:
    written = scenario(name, steps(CATALOG.node(name).slots))
    assert sim.check(written) == ()
    run = sim.run(written)
    energy = run.ledger()
    busy = energy[(energy.component == "gpu") & (energy.owner == "w")].energy_j.sum()
    assert busy > 0
    gpu = CATALOG.gpu(CATALOG.node(name).gpus.profile)  # type: ignore[union-attr]  # every node of these has GPUs
    step_s = max(1e15 / (0.5 * float(gpu.peak["bf16"].value)), 1e12 / (0.8 * float(gpu.memory.bandwidth.value)))
    assert busy <= CATALOG.node(name).slots * float(gpu.tdp.value) * 100 * (2 * step_s + 0.25)


@pytest.mark.parametrize("name", SERVING)
def test_a_model_is_served_on_every_node_whose_boards_have_multiprocessors(name: str) -> None:
    run = sim.run({**scenario(name, served()), "outputs": {"requests": "all"}})
    assert run.summary["energy_kwh"]["it"] > 0
    requests = run.requests()
    assert len(requests) == 20


def test_a_model_on_matrix_units_is_refused_by_what_they_lack() -> None:
    for name in sorted(set(NODES) - set(SERVING)):
        problems = sim.check(scenario(name, served()))
        told = {problem.path: problem.message for problem in problems}
        assert "has no 'chip' in its profile" in told["workloads.w.stack"], problems


@pytest.mark.parametrize("rack", ["gb200-nvl72", "gb300-nvl72"])
def test_eighteen_trays_are_a_rack(rack: str) -> None:
    whole, tray = CATALOG.node(rack), CATALOG.node(f"{rack}-tray")
    assert whole.slots == 18 * tray.slots == 72
    assert whole.cpus.count == 18 * tray.cpus.count == 36
    for state in ({"at_work": False}, {"cpu_load": 0.3}, {"cpu_load": 1.0}):
        of_rack, of_tray = drawn(rack, **state), drawn(f"{rack}-tray", **state)
        for component, watts in of_rack.items():
            # The shelves' rating is written to four figures.
            assert watts == pytest.approx(18 * of_tray[component], rel=2e-3), component


def test_racks_draw_what_is_published_of_them() -> None:
    """NVIDIA: 120 kW of a GB200 NVL72 (6,667 W a tray), 132 by others; makers: 132 to 142 kW of a GB300 NVL72. Sums of
    parts that are judged one by one, with every accelerator at its limit, so near the top of what a rack can do."""
    assert 0.95 * 120e3 < sum(drawn("gb200-nvl72").values()) < 132e3
    assert 132e3 < sum(drawn("gb300-nvl72").values()) < 142e3
    # Morgan Stanley: 6.2 of about 6.6 kW of a tray are what hangs on cold plates, GPUs and Grace.
    tray = drawn("gb300-nvl72-tray")
    assert tray["gpu"] + tray["cpu"] + tray["dram"] == pytest.approx(6200, rel=0.01)
    # NVIDIA's captures: a superchip at rest reads 467 W (GB200) and 488 W (GB300).
    for name, superchip_w in (("gb200-nvl72-tray", 467), ("gb300-nvl72-tray", 488)):
        rest = drawn(name, at_work=False)
        assert rest["gpu"] + rest["cpu"] + rest["dram"] == pytest.approx(2 * superchip_w, rel=0.1)
    # The lowest limits that NVIDIA's Domain Power Service lets a tray keep sum to 1,000 W; at rest it draws more.
    assert 1000 < sum(drawn("gb200-nvl72-tray", at_work=False).values()) < 1800


@pytest.mark.parametrize("name", sorted(LIQUID))
def test_what_cold_plates_take_is_what_hangs_on_them(name: str) -> None:
    watts, node = drawn(name), CATALOG.node(name)
    assert node.liquid_share is not None
    plates = watts["gpu"]
    if "nvl72" in name:  # also Grace with its memory, two thirds of the adapters, and 180 W of switches a tray
        plates += watts["cpu"] + watts["dram"] + 0.67 * watts["nic"] + 180 * node.slots / 4
    assert float(node.liquid_share.value) == pytest.approx(plates / sum(watts.values()), abs=0.015)


def plates(*nodes: str, **cooling: Any) -> dict[str, Any]:
    """A hall of cold plates with one of each of these nodes."""
    written = scenario(nodes[0], steps(CATALOG.node(nodes[0]).slots))
    written["cluster"] = {"nodes": [{"profile": name, "count": 1} for name in nodes]}
    written["workloads"]["w"]["pool"] = nodes[0]
    chips = {**COOLING["direct-to-chip"], **cooling}
    written["site"]["facility"] = {
        **plant_spec("direct-to-chip"),
        "cooling": {k: v for k, v in chips.items() if v is not None},
    }
    written["site"]["weather"] = {"kind": "month-hours", "file": str(DALLAS), "latitude": 32.9, "longitude": -97.0}
    return written


def test_cold_plates_may_take_what_the_profiles_of_their_nodes_say() -> None:
    stated = sim.run(plates("gb300-nvl72", liquid_share=0.88)).summary["energy_kwh"]["overhead_by_component"]
    left = sim.run(plates("gb300-nvl72", liquid_share=None)).summary["energy_kwh"]["overhead_by_component"]
    assert left == pytest.approx(stated, rel=1e-12)
    assert left != sim.run(plates("gb300-nvl72")).summary["energy_kwh"]["overhead_by_component"]  # 0.75
    (problem,) = sim.check(plates("gb300-nvl72", "hgx-h800", liquid_share=None))
    assert "the profile of 'hgx-h800' has none" in problem.message


def test_cold_plates_of_several_nodes_take_their_shares_by_what_each_draws() -> None:
    resolved = sim.load(plates("gb300-nvl72", "tpu-v5p-host", liquid_share=None)).answers
    (name,) = resolved.places
    made = resolved_plates(resolved.places[name].facility, name, resolved)
    assert isinstance(made, PlantSpec)
    rack_w, host_w = (sum(drawn(n).values()) - drawn(n)["psu_loss"] for n in ("gb300-nvl72", "tpu-v5p-host"))
    expected = (0.88 * rack_w + 0.54 * host_w) / (rack_w + host_w)
    assert made.cooling.liquid_share == pytest.approx(expected, rel=1e-12)  # type: ignore[attr-defined]  # the facility is a plant with cold plates


def test_fans_take_little_where_plates_take_the_heat() -> None:
    for name in NODES:
        share = drawn(name)["fans"] / sum(drawn(name).values())
        assert (share < 0.02) == ("nvl72" in name), name


def test_a_pod_of_ironwood_draws_nearly_10_mw() -> None:
    """Google's figure for 9,216 chips. With every chip at its derived limit and hosts that do little it is up to 15 %
    more; at the lowest limit that the profile gives, about that."""
    host = drawn("tpu-7x-host", cpu_load=0.1)
    assert 10e6 < 9216 / 4 * sum(host.values()) < 11.5e6
    tdp = CATALOG.gpu("google-tpu-7x").tdp
    assert tdp.low is not None
    assert 9216 / 4 * (sum(host.values()) - 4 * (float(tdp.value) - float(tdp.low))) < 10.2e6


def test_generations_rise() -> None:
    """Of one maker, the newer does more for a watt of its limit, at its narrowest, and moves more bytes."""
    for older, newer in (
        ("nvidia-h800-sxm-80gb", "nvidia-b300-sxm-270gb"),
        ("nvidia-a100-pcie-80gb", "nvidia-h100-pcie-80gb"),
        ("google-tpu-v5e", "google-tpu-v6e"),
        ("google-tpu-v5p", "google-tpu-7x"),
        ("amd-mi325x", "amd-mi355x"),
    ):
        one, two = CATALOG.gpu(older), CATALOG.gpu(newer)
        a_watt = [max(float(rate.value) for rate in gpu.peak.values()) / float(gpu.tdp.value) for gpu in (one, two)]
        assert a_watt[0] < a_watt[1]
        assert float(one.memory.bandwidth.value) < float(two.memory.bandwidth.value)


def test_h800_differs_from_the_h100_in_its_links_and_fp64() -> None:
    h800, h100 = CATALOG.gpu("nvidia-h800-sxm-80gb"), CATALOG.gpu("nvidia-h100-sxm-80gb")
    assert float(h800.link.bandwidth.value) / float(h100.link.bandwidth.value) == pytest.approx(4 / 9)
    assert set(h100.peak) - set(h800.peak) == {"fp64"}
    for precision, rate in h800.peak.items():
        assert rate.value == h100.peak[precision].value
