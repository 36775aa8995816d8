"""What a GPU's profile must know: the bytes that programs can hold, and the energy of every kind of FLOP it has."""

from __future__ import annotations

import math
from typing import Any

import pytest

import sim
from sim.build.serving.deployment import Deployment
from sim.build.serving.feasibility import objections
from sim.profiles import Catalog

CATALOG = Catalog()
GPUS = [name for name in CATALOG.paths() if CATALOG.path(name).parent.name == "gpus"]

DRIVERS_MIB = {  # what nvidia-smi prints as the board's total memory
    "amd-mi355x": 294_896,
    "nvidia-a10": 23_028,
    "nvidia-a100-pcie-80gb": 81_920,
    "nvidia-a100-sxm-40gb": 40_960,
    "nvidia-a100-sxm-80gb": 81_920,
    "nvidia-a10g": 23_028,
    "nvidia-a30": 24_576,
    "nvidia-b200-sxm-180gb": 183_359,
    "nvidia-b300-sxm-270gb": 275_040,
    "nvidia-gb200-186gb": 189_471,
    "nvidia-gb300-279gb": 284_208,
    "nvidia-gh200-96gb": 97_871,
    "nvidia-h100-pcie-80gb": 81_559,
    "nvidia-h100-sxm-80gb": 81_559,
    "nvidia-h100-sxm-94gb": 95_830,
    "nvidia-h20-96gb": 97_871,
    "nvidia-h200-sxm-141gb": 143_771,
    "nvidia-h800-sxm-80gb": 81_559,
    "nvidia-l4": 23_034,
    "nvidia-l40": 46_068,
    "nvidia-l40s": 46_068,
    "nvidia-rtx-3090": 24_576,
    "nvidia-rtx-4090": 24_564,
    "nvidia-rtx-5090": 32_607,
    "nvidia-rtx-6000-ada": 49_140,
    "nvidia-rtx-pro-6000-server": 97_887,
    "nvidia-t4": 15_360,
    "nvidia-v100-sxm2-32gb": 32_768,
}


UNREAD = {
    "amd-alveo-u280",
    "nvidia-jetson-agx-orin-64gb",
    "nvidia-k80-24gb",
    "samsung-hbm-pim-6gb",
    "upmem-pim-dimm-8gb",
}
"""Of which no driver's figure of memory was found. Work is given to all but the Jetson as it takes time, not by a
model: no laws of multiprocessors are asked of them."""


@pytest.mark.parametrize("name", [name for name in GPUS if name not in UNREAD])
def test_every_gpu_knows_what_its_driver_reports_and_what_every_flop_costs(name: str) -> None:
    gpu = CATALOG.gpu(name)
    assert gpu.memory.usable is not None
    assert set(gpu.peak) == set(gpu.power.energy_per_flop)
    if name in DRIVERS_MIB:
        assert gpu.memory.held_bytes == DRIVERS_MIB[name] * 2**20
    # The vendor's GB lies between 1e9 B, less what error correction takes, and 2**30 B of the chips as they are.
    assert 0.99 <= gpu.memory.held_bytes / float(gpu.memory.capacity.value) <= 1.074
    for precision, joule in gpu.power.energy_per_flop.items():
        # At the vendor's peak, which a power limit keeps out of reach, the order of magnitude is the board's power: the
        # newest boards would take two to three times their limit at their highest voltage.
        dynamic_w = float(joule.value) * float(gpu.peak[precision].value)
        assert 0.25 * float(gpu.tdp.value) < dynamic_w < 3.0 * float(gpu.tdp.value), precision


@pytest.mark.parametrize("name", [name for name in GPUS if CATALOG.gpu(name).chip is not None])
def test_multiprocessors_at_their_clock_make_up_the_peak(name: str) -> None:
    """A multiprocessor does a power of two of FLOP a cycle in 16 bits, or in 32 where 16 are no faster: 256 without
    tensor cores, up to 8,192."""
    gpu = CATALOG.gpu(name)
    assert gpu.chip is not None
    peak = float(next(gpu.peak[one] for one in ("bf16", "fp16", "fp32") if one in gpu.peak).value)
    a_cycle = peak / (gpu.chip.multiprocessors.value * float(gpu.chip.clock.value))
    assert math.log2(a_cycle) == pytest.approx(round(math.log2(a_cycle)), abs=0.02)
    assert 250 < a_cycle < 8300


def test_only_matrix_units_have_no_chip() -> None:
    """TPUs and Trainium have a few large matrix units, for which laws of multiprocessors do not hold."""
    bare = {name for name in GPUS if CATALOG.gpu(name).chip is None}
    assert bare - UNREAD == {name for name in GPUS if name.startswith(("google-tpu-", "aws-trainium"))}


def test_serving_asks_for_the_chip() -> None:
    """Times of kernels follow from it: without, a deployment says what is missing and what it is."""
    spec: Any = sim.load(scenario(tensor_parallel=4)).scenario.workloads["c"]
    bare = CATALOG.gpu("nvidia-h100-sxm-80gb").model_copy(update={"chip": None})
    deployment = Deployment.of(spec, spec.replicas, bare, CATALOG.node("dgx-h100"), CATALOG)
    (problem,) = objections(deployment)
    assert problem[0] == "stack"
    assert "has no 'chip' in its profile" in problem[1]
    assert "'multiprocessors'" in problem[1]


def scenario(**replicas: Any) -> dict[str, Any]:
    return {
        "name": "does it fit",
        "start": "2025-03-01T00:00:00Z",
        "duration": "1 min",
        "seed": 1,
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]},
        "workloads": {
            "c": {
                "kind": "serving",
                "model": "llama-3.1-70b",
                "stack": "vllm-2025",
                "precision": {"weights": "bf16", "kv": "bf16"},
                "replicas": {"count": 1, **replicas},
                "batching": {"max_num_seqs": 4, "max_num_batched_tokens": 2048},
                "arrivals": {"kind": "poisson", "rate": "1 request/s", "requests": 1},
                "lengths": {
                    "kind": "separate",
                    "prompt": {"kind": "constant", "tokens": 1024},
                    "output": {"kind": "constant", "tokens": 32},
                },
                "routing": "round-robin",
                "cpu_load": 0.05,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }


def kv_tokens(model: str, tensor_parallel: int) -> int:
    written = scenario(tensor_parallel=tensor_parallel)
    written["workloads"]["c"]["model"] = model
    spec: Any = sim.load(written).scenario.workloads["c"]
    gpu, node = CATALOG.gpu("nvidia-h100-sxm-80gb"), CATALOG.node("dgx-h100")
    laid_out = Deployment.of(spec, spec.replicas, gpu, node, CATALOG)
    return int(laid_out.kv_blocks() * spec.batching.block_tokens)


def test_a_70b_model_in_16_bits_runs_on_two_80_gb_boards_with_a_few_thousand_tokens_of_cache() -> None:
    """As people run it: vLLM logs 6,000 to 20,000 tokens there, by its share of memory. 80e9 B would refuse it. Beside
    14.99 GiB of weights on one board vLLM 0.8.5 logs 54.93 GiB of cache, which 8B's tokens take 131,072 B each of."""
    assert sim.check(scenario(tensor_parallel=2)) == ()
    assert 6_000 < kv_tokens("llama-3.1-70b", 2) < 20_000
    assert kv_tokens("llama-3.1-8b", 1) == pytest.approx(54.93 * 2**30 / 131_072, rel=0.01)


def test_a_model_that_does_not_fit_is_refused_with_the_memory_that_the_driver_reports() -> None:
    problems = sim.check(scenario(tensor_parallel=1))
    assert any("has 85.5 GB (as its driver reports)" in problem.message for problem in problems)


def training(active: str, **load: str) -> dict[str, Any]:
    written = scenario()
    written["workloads"] = {
        "job": {
            "kind": "training",
            "gpus": 8,
            "work": {"kind": "gpu-hours", "gpu_hours": 8, "load": {"kind": "measured", "active": active, **load}},
            "cpu_load": 0.1,
            "checkpoint": {"every": "10 min", "write": "5 min"},
        }
    }
    written["duration"] = "2 h"
    return written


def test_measured_watts_below_the_profile_s_loaded_power_are_drawn_as_measured() -> None:
    """An H100 draws 121.7 W loaded by its profile; a job measured at 90 W draws 90 W, while it saves, too."""
    energy = sim.run(training("90 W")).ledger()
    held = energy[(energy.component == "gpu") & (energy.owner == "job")]
    # 1 h of work and 5 writes of 5 min: at 90 W throughout. The write after the last piece of work is not needed.
    assert held.energy_j.sum() == pytest.approx(8 * 90.0 * (3600 + 5 * 300), rel=1e-9)


def test_measured_watts_far_below_idle_are_another_device() -> None:
    (problem,) = sim.check(training("20 W"))
    assert "less than half of what 'nvidia-h100-sxm-80gb' draws idle" in problem.message
    (problem,) = sim.check(training("90 W", loaded="100 W"))
    assert "work cannot lower power" in problem.message


def test_fp32_work_has_a_power_on_every_shipped_nvidia_gpu() -> None:
    written = training("90 W")
    written["cluster"] = {"nodes": [{"profile": "dgx-a100", "count": 1}]}
    written["workloads"]["job"]["work"] = {
        "kind": "steps",
        "steps": 100,
        "precision": "fp32",
        "flops": "1 PFLOP",
        "memory_traffic": "1 TB",
        "link_traffic": "1 GB",
        "efficiency": {"compute": 0.8, "memory": 0.8, "link": 0.8},
        "overhead": "1 ms",
    }
    del written["workloads"]["job"]["checkpoint"]
    assert sim.check(written) == ()
    assert sim.run(written).summary["energy_kwh"]["it"] > 0
