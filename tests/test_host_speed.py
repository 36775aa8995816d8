"""A host takes as long as the node's CPU is slow; text is handed out by a process that keeps up or not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.serving.denoising import batches_of_pictures
from sim.build.serving.host_times import HostTimes, host_times
from sim.documents import read_document
from sim.errors import InputError
from sim.profiles.catalog import Catalog, shipped_folder
from sim.profiles.machines.host import host_slowdown
from sim.profiles.machines.node import CPUProfile
from sim.profiles.sourced import Sourced
from sim.profiles.stacks.serving import StackProfile
from sim.report.validity import UNTOLD, WITHIN, ranges
from sim.results.files import to_yaml
from sim.spec.passes import Denoising
from tests.small import small

CATALOG = Catalog()
REFERENCE = CATALOG.cpu("intel-xeon-platinum-8480c")
VLLM = CATALOG.stack("vllm-2025")
ITERATION_S = 1e-9 * VLLM.iteration.value
LAUNCH_S = 1e-9 * VLLM.launch.value if VLLM.launch is not None else 0.0
EAGER = "scenarios/published/fernandez-eager.yaml"
ONE = {
    "workloads.text.arrivals.requests": 2,
    "workloads.text.lengths.prompt.tokens": 16,
    "workloads.text.lengths.output.tokens": 32,
    "workloads.text.eager": True,
}
AHEAD = {"value": "ahead", "source": "judgement", "confidence": "assumed", "note": "of this test"}
TEXT: dict[str, Any] = {
    "token": {"value": "2 ms", "source": "judgement", "confidence": "assumed", "note": "of this test"},
    "one_for": {"value": "server", "source": "judgement", "confidence": "assumed", "note": "of this test"},
}


def cpu(speed: float | None) -> CPUProfile:
    """The reference with another speed, or none."""
    told = None if speed is None else Sourced[Any](value=speed, source="spec-int", confidence="cited")
    return REFERENCE.model_copy(update={"single_thread": told})


def own(folder: Path, speed: float | None = None, stack: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A server of H100 with a CPU whose thread has that speed, and vLLM of 2025 with what is changed of it, as a user
    would write them: overrides of a scenario."""
    plain, node, served = (read_document(CATALOG.path(name)).data for name in (REFERENCE.name, "dgx-h100", "vllm-2025"))
    plain |= {"name": "own-cpu"}
    if speed is None:
        del plain["single_thread"]
    else:
        plain["single_thread"]["value"] = speed
        plain["single_thread"] = {key: plain["single_thread"][key] for key in ("value", "source", "confidence", "note")}
    node |= {"name": "own-node", "cpus": {"profile": "own-cpu", "count": 2}}
    changed = dict(stack or {})
    served = {**served, "name": "own-stack", **({"scheduling": AHEAD} if "text" in changed else {}), **changed}
    folder.mkdir(exist_ok=True)
    for profile in (plain, node, served):
        (folder / f"{profile['name']}.yaml").write_text(to_yaml(profile), encoding="utf-8")
    return {"profiles": str(folder), "cluster.nodes.0.profile": "own-node", "workloads.text.stack": "own-stack"}


def token_s(**changes: Any) -> float:
    """Mean time between tokens, in s."""
    return float(sim.run(EAGER, set=ONE | changes).at("serving.text.tpot_s.mean"))


# The law


@given(st.floats(0.5, 20.0), st.floats(0.5, 20.0), st.floats(0.5, 20.0))
def test_slowness_is_a_ratio(a: float, b: float, c: float) -> None:
    """1 on the reference itself, monotone, and by way of a third CPU the same."""

    def slowdown(reference: float, thread: float) -> float:
        found = host_slowdown(cpu(reference), cpu(thread))
        assert found is not None
        return found

    assert slowdown(a, a) == 1.0
    assert (slowdown(a, b) > slowdown(a, c)) == (b < c) or slowdown(a, b) == slowdown(a, c)
    assert slowdown(a, b) * slowdown(b, c) == pytest.approx(slowdown(a, c))


def test_what_is_not_known_is_not_scaled() -> None:
    assert host_slowdown(None, cpu(5.0)) is None
    assert host_slowdown(cpu(5.0), cpu(None)) is None
    assert host_slowdown(cpu(None), cpu(5.0)) is None


def test_every_cpu_beside_a_gpu_that_ships_has_a_speed_on_the_scale_and_its_source() -> None:
    """Whoever adds one would else mix servers that are scaled with others that are not. Threads of 2014 to 2025 lie
    within a factor of three of each other."""
    speeds = {}
    for file in shipped_folder("hardware_profiles").glob("nodes/*.yaml"):
        node = CATALOG.node(file.stem)
        if node.gpus is not None:
            speed = CATALOG.cpu(node.cpus.profile).single_thread
            assert speed is not None, node.cpus.profile
            assert speed.source == "spec-int"
            speeds[node.cpus.profile] = float(speed.value)
    assert max(speeds.values()) < 3.0 * min(speeds.values())


def test_all_of_a_hosts_times_are_scaled_and_nothing_else() -> None:
    as_told, slow = (host_times(VLLM, VLLM.quantised["fp8"], 1, factor) for factor in (1.0, 2.5))
    for name in HostTimes.__dataclass_fields__:
        assert getattr(slow, name) == pytest.approx(2.5 * getattr(as_told, name), rel=1e-12)
    assert as_told.launch_s == pytest.approx(LAUNCH_S)


# In servers


def test_a_token_that_waits_for_launches_takes_as_much_longer_as_a_thread_is_slower(tmp_path: Path) -> None:
    """Llama 3.1 8B launched kernel by kernel on an H100: 32 layers and an iteration, once more for half the speed;
    less than a millisecond is the device's."""
    speed = float(REFERENCE.single_thread.value) if REFERENCE.single_thread is not None else 0.0
    same, half, unknown = (token_s(**own(tmp_path / str(at), at)) for at in (speed, speed / 2, None))
    host = 32 * LAUNCH_S + ITERATION_S
    assert half - same == pytest.approx(host, rel=1e-4)
    assert host < same < host + 1e-3
    assert unknown == same == token_s(**{"cluster.nodes.0.profile": "dgx-h100"})


def test_kernels_that_take_longer_hide_a_slow_host(tmp_path: Path) -> None:
    """Of launches; what an iteration takes beside them is not hidden."""
    big = {"workloads.text.model": "qwen3-32b"}  # 64 layers: 30 ms of launches, 22 of kernels
    fast, faster = (token_s(**own(tmp_path / str(at), at), **big) for at in (26.0, 52.0))
    assert fast - faster == pytest.approx(ITERATION_S * 6.5 * (1 / 26.0 - 1 / 52.0), rel=0.01)


def test_work_that_a_scenario_states_is_that_of_its_own_servers(tmp_path: Path) -> None:
    """A prompt's own work takes what is written, on any CPU."""
    first = {}
    for speed in (6.5, 3.25):
        for work in ("0 s", "50 ms"):
            changes = own(tmp_path / f"{speed}", speed) | {"workloads.text.prompt_work": work}
            first[speed, work] = float(sim.run(EAGER, set=ONE | changes).at("serving.text.ttft_s.mean"))
    for speed in (6.5, 3.25):
        assert first[speed, "50 ms"] - first[speed, "0 s"] == pytest.approx(0.05, abs=1e-4)


def test_a_host_that_is_no_profile_is_refused_by_name(tmp_path: Path) -> None:
    host = {"value": "xeon-of-nobody", "source": "judgement", "confidence": "assumed", "note": "of this test"}
    with pytest.raises(InputError, match="xeon-of-nobody"):
        sim.load(EAGER, set=ONE | own(tmp_path / "own", 6.5, {"host": host}))


def test_a_run_names_the_cpu_that_it_is_scaled_from_and_says_that_this_is_assumed() -> None:
    found = sim.run(EAGER, set=ONE)
    assert {"amd-epyc-7742", REFERENCE.name} <= set(found.manifest["profiles_sha256"])
    (row,) = (row for row in ranges(found) if row[1] == "work of its host")
    assert row[2:] == (
        f"{REFERENCE.name} (assumed)",
        "amd-epyc-7742, taken to need 1.374 times as long",
        UNTOLD,
    )
    (row,) = (row for row in ranges(sim.run("chat-service", set={"duration": "1 min"})) if row[1] == "work of its host")
    assert row[4] == WITHIN


# Pictures

PICTURES: dict[str, Any] = {
    "law": "denoising",
    "network": "stable-diffusion-1.5",
    "stack": "diffusers-2024",
    "precision": "fp16",
    "height": 256,
    "width": 256,
    "steps": 20,
    "guided": True,
}


def pictures_s(speed: float | None, size: int, **changes: Any) -> float:
    """Of a batch on an A100 beside a thread of that speed."""
    spec, gpu = Denoising.model_validate(PICTURES | changes), CATALOG.gpu("nvidia-a100-sxm-80gb")
    return batches_of_pictures(spec, size, gpu, cpu(speed), CATALOG)[-1][0] * 1e-9


def of_pictures(node: str, **changes: Any) -> dict[str, Any]:
    """A scenario of two of them."""
    found = small()
    del found["duration"]
    found["cluster"]["nodes"] = [{"profile": node, "count": 1}]
    found["workloads"] = {
        "api": {
            "kind": "inference",
            "replicas": 1,
            "gpus_per_replica": 1,
            "arrivals": {"kind": "backlog", "requests": 2},
            "service_time": PICTURES | changes,
            "cpu_load": 0.1,
        }
    }
    return found


def test_small_pictures_take_as_much_longer_as_a_thread_is_slower_and_large_batches_do_not() -> None:
    """A small picture alone waits for nothing but launches; of sixteen large ones kernels outlast them."""
    same, half, unknown = (pictures_s(speed, 1) for speed in (4.73, 4.73 / 2, None))
    assert same == unknown
    assert half == pytest.approx(2.0 * same, rel=0.02)
    same, half = (pictures_s(speed, 16, height=512, width=512) for speed in (4.73, 4.73 / 1.4))
    assert half == pytest.approx(same, rel=0.02)


def test_pictures_from_graphs_take_the_same_on_any_host() -> None:
    assert pictures_s(1.0, 1, stack="diffusers-2024-compiled") == pictures_s(9.0, 1, stack="diffusers-2024-compiled")


def test_a_run_of_pictures_is_scaled_by_its_nodes_cpu_and_says_so() -> None:
    found = sim.run(of_pictures("a2-megagpu-16g-like"))
    assert {"amd-epyc-7742", "intel-cascade-lake-a2-guest"} <= set(found.manifest["profiles_sha256"])
    (row,) = (row for row in ranges(found) if row[1] == "work of its host")
    assert row == (
        "stack diffusers-2024",
        "work of its host",
        "amd-epyc-7742 (assumed)",
        "intel-cascade-lake-a2-guest, taken to need 1.1 times as long",
        UNTOLD,
    )
    there = sim.run(of_pictures("dgx-a100"))
    (row,) = (row for row in ranges(there) if row[1] == "work of its host")
    assert row[4] == WITHIN
    assert found.summary["simulated_s"] == pytest.approx(4.73 / 4.3 * there.summary["simulated_s"], rel=0.02)
    graphs = sim.run(of_pictures("dgx-a100", stack="diffusers-2024-compiled"))
    assert not [row for row in ranges(graphs) if row[1] == "work of its host"]


def test_a_host_of_pictures_that_is_no_profile_or_launches_nothing_is_refused(tmp_path: Path) -> None:
    host = {"value": "xeon-of-nobody", "source": "judgement", "confidence": "assumed", "note": "of this test"}
    own_stack = {**read_document(CATALOG.path("diffusers-2024")).data, "name": "own-stack", "host": host}
    file = tmp_path / "own-stack.yaml"
    for without, says in ((False, "service_time.stack: .*xeon-of-nobody"), (True, "the CPU that 'launch' is of")):
        if without:
            del own_stack["launch"]
        file.write_text(to_yaml(own_stack), encoding="utf-8")
        with pytest.raises(InputError, match=says):
            sim.run(of_pictures("dgx-a100", stack="own-stack") | {"profiles": str(tmp_path)})


# Text


def text_of(one_for: str) -> StackProfile:
    """vLLM of 2025 with a front end as above."""
    data = {**read_document(CATALOG.path("vllm-2025")).data, "scheduling": AHEAD}
    data["text"] = {**TEXT, "one_for": {**TEXT["one_for"], "value": one_for}}
    return StackProfile.model_validate(data)


def test_one_front_end_for_all_ranks_has_all_their_tokens() -> None:
    for one_for, ranks, takes in (("server", 8, 16e-3), ("rank", 8, 2e-3), ("server", 1, 2e-3), ("rank", 1, 2e-3)):
        assert host_times(text_of(one_for), None, ranks, 1.0).sequence_s == pytest.approx(takes)


def test_a_front_end_needs_an_engine_that_does_not_wait_for_it(tmp_path: Path) -> None:
    changes = own(tmp_path / "own", 6.5, {"text": TEXT, "scheduling": {**AHEAD, "value": "in-turn"}})
    with pytest.raises(InputError, match="runs beside the engine: it needs 'scheduling: ahead'"):
        sim.load(EAGER, set=ONE | changes)


def test_tokens_come_no_faster_than_they_are_handed_out(tmp_path: Path) -> None:
    """Sixteen sequences at 2 ms a token: 500 a second at most, and half of that by a thread half as fast; one sequence
    alone is held up by kernels."""
    many = {
        "workloads.text.arrivals.concurrency": 16,
        "workloads.text.arrivals.requests": 32,
        "workloads.text.batching.max_num_seqs": 16,
        "workloads.text.eager": False,
    }
    for speed in (6.5, 3.25):
        found = sim.run(EAGER, set=ONE | own(tmp_path / str(speed), speed, {"text": TEXT}) | many)
        between = float(found.at("serving.text.tpot_s.mean"))
        assert 16 * 2e-3 * 6.5 / speed <= between < 16 * 2e-3 * 6.5 / speed + 2 * ITERATION_S * 6.5 / speed
    few = {"workloads.text.eager": False}
    alone, without = (
        token_s(**own(tmp_path / name, 6.5, changed), **few)
        for name, changed in (("with", {"text": TEXT}), ("without", {}))
    )
    assert alone == pytest.approx(without, rel=1e-3)
