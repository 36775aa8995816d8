"""Number formats of weights: 16 bits of either kind, on GPUs that have one of them, and four bits of NVIDIA's."""

from __future__ import annotations

from typing import Any

import pytest

import sim
from sim.build.serving.deployment import Deployment
from sim.profiles import Catalog

CATALOG = Catalog()


def scenario(node: str, model: str, weights: str, **precision: str) -> dict[str, Any]:
    return {
        "name": "of either kind",
        "start": "2025-03-01T00:00:00Z",
        "duration": "1 min",
        "seed": 1,
        "site": {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.0}},
        "cluster": {"nodes": [{"profile": node, "count": 1}]},
        "workloads": {
            "c": {
                "kind": "serving",
                "model": model,
                "stack": "generic-2025",
                "precision": {"weights": weights, **precision},
                "replicas": {"count": 1},
                "batching": {"max_num_seqs": 4, "max_num_batched_tokens": 2048},
                "arrivals": {"kind": "poisson", "rate": "1 request/s", "requests": 5},
                "lengths": {
                    "kind": "separate",
                    "prompt": {"kind": "constant", "tokens": 128},
                    "output": {"kind": "constant", "tokens": 16},
                },
                "routing": "round-robin",
                "cpu_load": 0.05,
            }
        },
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "6 years"},
    }


def deployed(node: str, gpu: str, model: str, weights: str, **precision: str) -> Deployment:
    spec: Any = sim.load(scenario(node, model, weights, **precision)).scenario.workloads["c"]
    return Deployment.of(spec, spec.replicas, CATALOG.gpu(gpu), CATALOG.node(node), CATALOG)


@pytest.mark.parametrize("node", ["jean-zay-v100-node", "t4-server"])
def test_gpus_without_bf16_serve_in_fp16_alone(node: str) -> None:
    model = "llama-3.2-3b"
    assert sim.check(scenario(node, model, "fp16")) == ()
    (refused,) = sim.check(scenario(node, model, "bf16"))
    assert "workloads.c.precision" in str(refused)
    assert "fp16" in str(refused)


def test_fp16_weights_take_and_cost_what_bf16_ones_do() -> None:
    half, brain = (deployed("dgx-h100", "nvidia-h100-sxm-80gb", "llama-2-7b", weights) for weights in ("fp16", "bf16"))
    assert half.arithmetic == "fp16"
    assert half.bytes() == brain.bytes()
    assert half.kv_blocks() == brain.kv_blocks()
    cap_w = half.caps()[0]
    assert (half.cost(cap_w, 512).table == brain.cost(cap_w, 512).table).all()


def test_packed_weights_are_multiplied_in_the_16_bits_there_are() -> None:
    assert deployed("t4-server", "nvidia-t4", "llama-3.1-8b", "int4").arithmetic == "fp16"
    assert deployed("l4-server", "nvidia-l4", "llama-3.1-8b", "int4").arithmetic == "bf16"


def test_nvfp4_takes_four_bits_and_a_scale_of_eight_for_sixteen() -> None:
    blackwell = deployed("dgx-b200", "nvidia-b200-sxm-180gb", "llama-3.1-8b", "nvfp4")
    assert blackwell.arithmetic == "fp4"
    head = blackwell.model.vocabulary * blackwell.model.hidden  # and as many embeddings: in 16 bits
    four_bits = (blackwell.weights_bytes_per_gpu() - 2 * 2 * head) / (blackwell.model.resident_parameters - head)
    assert four_bits * 8 == 4 + 8 / 16
    (refused,) = sim.check(scenario("dgx-h100", "llama-3.1-8b", "nvfp4"))
    assert "fp4" in str(refused)
    assert sim.check(scenario("dgx-h100", "llama-3.1-8b", "nvfp4", compute="bf16")) == ()


def deployment(data: dict[str, Any]) -> Deployment:
    spec: Any = sim.load(data).scenario.workloads["c"]
    return Deployment.of(spec, spec.replicas, CATALOG.gpu("nvidia-a100-sxm-80gb"), CATALOG.node("dgx-a100"), CATALOG)


def test_a_head_in_four_bits_is_read_as_such() -> None:
    """128,256 x 4,096 weights in 4.125 bits and not in 16: 780 MB less a token at 0.8 of an A100's rate is 478 us;
    twice that in memory, as the input embeddings are held likewise (they are apart in Llama 3.1 8B)."""
    kept, quantised = (
        deployment(scenario("dgx-a100", "llama-3.1-8b", "int4", **more)) for more in ({}, {"head": "int4"})
    )
    saved = 128_256 * 4096 * (16.0 - 4.125) / 8.0
    assert kept.weights_bytes_per_gpu() - quantised.weights_bytes_per_gpu() == pytest.approx(2.0 * saved)
    took = [
        sim.run(scenario("dgx-a100", "llama-3.1-8b", "int4", **more)).at("serving.c.tpot_s.mean")
        for more in ({}, {"head": "int4"})
    ]
    assert took[0] - took[1] == pytest.approx(saved / (0.8 * 2.039e12), rel=0.2)


@pytest.mark.parametrize(
    ("model", "weights", "head", "says"),
    [
        ("llama-3.1-8b", "int4", "int8", "must be that of the weights ('int4'), or 16 bits"),
        ("gpt-oss-20b", "mxfp4", "mxfp4", "a mixture quantises its experts alone"),
    ],
)
def test_a_head_that_would_change_nothing_or_is_another_is_told(model: str, weights: str, head: str, says: str) -> None:
    assert says in " ".join(map(str, sim.check(scenario("dgx-h100", model, weights, head=head))))
