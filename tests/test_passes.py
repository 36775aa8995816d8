"""Requests as passes through networks: the roofline of a batch, on GPUs and on sockets, and what others measured."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.serving.passes import batches
from sim.errors import InputError
from sim.profiles.catalog import Catalog
from sim.profiles.passes import Device, Pass, batch_cost
from sim.spec.passes import Roofline
from tests.small import backlog_of

CATALOG = Catalog()
DEVICE = Device(byte_per_s=1e12, joule_per_byte=1e-10, active_w=50.0)
RATE: dict[str, float] = {"flop_per_s": 1e13, "joule_per_flop": 1e-12}
EXITS = {"of": {"kind": "uniform"}, "exits": {"first": {"up_to": 0.5, "after": 0.3, "classifier": 0.01}}}
AMOUNT = st.floats(0.0, 1e12)
PASSES = st.builds(
    Pass,
    times=st.integers(1, 50),
    flop=AMOUNT,
    byte=st.floats(0.0, 1e9),
    shared_byte=st.floats(1.0, 1e10),
    launch_s=st.floats(0.0, 0.1),
    flop_per_s=st.just(1e13),
    joule_per_flop=st.just(1e-12),
)


@given(st.lists(PASSES, min_size=1, max_size=4), st.integers(1, 64), st.floats(0.0, 0.01))
def test_a_batch_is_never_slower_than_its_requests_one_by_one(passes: list[Pass], size: int, host_s: float) -> None:
    """Weights and launches are shared; operations and the rest are not, nor is the host's work."""
    one_s, one_busy_s, one_j = batch_cost(passes, 1, DEVICE, host_s=host_s)
    all_s, all_busy_s, all_j = batch_cost(passes, size, DEVICE, host_s=host_s)
    assert one_s * (1 - 1e-9) <= all_s <= size * one_s * (1 + 1e-9)
    assert one_j * (1 - 1e-9) <= all_j <= size * one_j * (1 + 1e-9)
    assert all_busy_s <= all_s * (1 + 1e-9)
    assert one_busy_s > 0.0


def test_its_limits_are_arithmetic_memory_and_launches() -> None:
    compute = Pass(times=10, flop=1e13, byte=0.0, shared_byte=1e9, launch_s=0.1, **RATE)
    memory = Pass(times=10, flop=1e9, byte=0.0, shared_byte=1e12, launch_s=0.1, **RATE)
    launch = Pass(times=10, flop=1e9, byte=0.0, shared_byte=1e9, launch_s=0.1, **RATE)
    assert [batch_cost([one], 1, DEVICE, host_s=0.0)[0] for one in (compute, memory, launch)] == pytest.approx(
        [10, 10, 1]
    )
    # Memory is shared by a batch, arithmetic is not.
    assert batch_cost([memory], 8, DEVICE, host_s=0.0)[0] == pytest.approx(10)
    assert batch_cost([compute], 8, DEVICE, host_s=0.0)[0] == pytest.approx(80)


@given(st.integers(1, 32), st.sampled_from(["fp32", "bf16"]), st.floats(0.0, 50.0))
def test_watts_lie_between_loaded_and_the_limit(most: int, precision: str, host_ms: float) -> None:
    gpu = CATALOG.gpu("nvidia-a100-sxm-80gb")
    spec = _roofline(precision=precision, host=f"{host_ms} ms")
    found = batches(spec, most, gpu)
    assert len(found) == most
    for ns, watts in found:
        assert ns >= host_ms * 1e6
        assert float(gpu.power.loaded.value) <= watts <= float(gpu.tdp.value)


def test_a_run_takes_what_the_roofline_says() -> None:
    """100 requests on one GPU, one at a time: their time, and joules of the GPU beyond idle ones'."""
    data = _world(arrivals={"kind": "backlog", "requests": 100})
    summary = sim.run(copy.deepcopy(data)).summary
    gpu = CATALOG.gpu("nvidia-a100-sxm-80gb")
    ((ns, watts),) = batches(_roofline(), 1, gpu)
    assert summary["simulated_s"] == pytest.approx(100 * ns * 1e-9, rel=1e-9)
    others_w = 15 * float(gpu.power.idle.value)
    expected_kwh = (watts + others_w) * 100 * ns * 1e-9 / 3.6e6
    assert summary["energy_kwh"]["by_component"]["gpu"] == pytest.approx(expected_kwh, rel=1e-6)
    data["workloads"]["api"]["batching"] = {"max_batch": 10}
    batched = sim.run(data).summary
    assert batched["simulated_s"] < 0.7 * summary["simulated_s"]
    assert batched["serving"]["api"]["completed"] == 100


def test_a_site_limit_slows_what_is_computed_as_it_slows_what_was_measured() -> None:
    """50 W less for a node whose only GPU at work draws some 300 W."""
    data = _world(arrivals={"kind": "backlog", "requests": 5000})
    free = sim.run(copy.deepcopy(data)).summary
    mean_w = free["energy_kwh"]["it"] * 3.6e6 / free["simulated_s"]
    answers = [{"kind": "cap", "whom": "serving", "floor": "50 %"}]
    domain: dict[str, Any] = {"per": "site", "limit": f"{mean_w - 50} W", "answer_time": "1 s", "answers": answers}
    domain["release"] = {"below": "95 %", "after": "1 min"}
    data["policies"] = [{"kind": "power-limits", "domains": {"all": domain}}]
    held = sim.run(data).summary
    assert held["simulated_s"] > 1.01 * free["simulated_s"]
    assert held["energy_kwh"]["it"] * 3.6e6 / held["simulated_s"] < mean_w - 40


@pytest.mark.parametrize(
    ("parameters", "byte", "measured_s"),
    [(6.738e9, 4.0, 5.402), (6.05e9, 2.0, 2.429), (6.05e9, 4.0, 4.561), (6.738e9, 0.6225, 32 * 27.99e-3)],
    ids=["LLaMA 7B fp32", "GPT-J 6B bf16", "GPT-J 6B fp32", "LLaMA 7B int4"],
)
def test_a_socket_decodes_as_fast_as_intel_measured(parameters: float, byte: float, measured_s: float) -> None:
    """32 tokens on one Xeon 8480+, one sequence. LLaMA 7B in bf16 takes 2.689 s, by which memory is used to 52 %.

    The others are predicted from that. Intel Extension for Transformers, docs/release_data.md, September 2023: in fp32
    and bf16 by PyTorch; in 4 bits (groups of 32: 4.98 bits a weight) by its own runtime, next tokens alone.
    """
    cpu = CATALOG.cpu("intel-xeon-platinum-8480c")
    spec = _roofline(
        precision="fp32" if byte == 4.0 else "bf16",
        efficiency={"compute": 0.5, "memory": 0.522},
        passes={"token": {"times": 32, "flops": f"{2 * parameters} FLOP", "weights": f"{parameters * byte} B"}},
    )
    assert batches(spec, 1, cpu)[0][0] * 1e-9 == pytest.approx(measured_s, rel=0.15)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"load": {"kind": "measured", "active": "300 W"}}, "leave 'load' out"),
        ({"gpus_per_replica": 2}, "one GPU or one socket"),
        ({"early_exit": EXITS}, "has no early exits"),
        ({"batching": {"max_batch": 5000}}, "'max_batch' is at most"),
        ({"service_time.precision": "fp4"}, "has no peak .and power. for fp4"),
        ({"service_time.passes.network.precision": "fp6"}, "passes.network.precision: .* for fp6"),
        ({"service_time.passes": {}}, "passes: must not be empty"),
        ({"service_time.passes.network": {"flops": "0 FLOP", "weights": "0 B"}}, "all of its costs are zero"),
        (
            {"gpus_per_replica": 0, "sockets_per_replica": 1, "service_time.precision": "bf16"},
            "has no peak .and power. for bf16",
        ),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], says: str) -> None:
    data = _world()
    for path, value in changes.items():
        *into, last = path.split(".")
        place = data["workloads"]["api"]
        for key in into:
            place = place[key]
        place[last] = value
    with pytest.raises(InputError, match=says):
        sim.run(data)


def test_a_socket_whose_rates_are_not_known_needs_a_measured_time() -> None:
    data = _world(gpus_per_replica=0, sockets_per_replica=1)
    data["cluster"]["nodes"][0]["profile"] = "frontier-like"
    with pytest.raises(InputError, match="has no 'rates' in its profile"):
        sim.run(data)


def _roofline(**changes: Any) -> Roofline:
    passes = {"network": {"times": 2, "flops": "20 GFLOP", "traffic": "100 MB", "weights": "10 GB", "launch": "1 ms"}}
    efficiency = {"compute": 0.5, "memory": 0.8}
    written = {"law": "roofline", "precision": "fp32", "efficiency": efficiency, "host": "2 ms", "passes": passes}
    return Roofline.model_validate(written | changes)


def _world(**changes: Any) -> dict[str, Any]:
    return backlog_of(_roofline().model_dump(), **changes)
