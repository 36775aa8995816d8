"""Parameters that are gathered tensor by tensor: what each call costs the host, and what that does to a step."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.training.stack import TrainingStack, training_stack
from sim.training.step import step_cost
from sim.training.tensors import FLATTENED, Tensors
from sim.training.terms import Recipe, Spread, StepCost
from sim.training.topology import Island, Network, Tier, switched

CATALOG = Catalog()
A100 = CATALOG.gpu("nvidia-a100-sxm-80gb")
LLAMA_70B = CATALOG.model("llama-3.1-70b").architecture
DEEPSPEED = training_stack(CATALOG.training_stack("deepspeed-2021"))
OTHERS = [training_stack(CATALOG.training_stack(name)) for name in ("megatron-2026", "fsdp-2024", "torchtitan-2024")]


def cost(stack: TrainingStack, gpus: int, *, a_gpu: int = 4, accumulated: int = 1, recompute: str = "full") -> StepCost:
    """A step of Llama 3.1 70B whose weights all GPUs share out, ``a_gpu`` sequences on each at a time."""
    recipe = Recipe(2048, gpus * a_gpu * accumulated, a_gpu, "bf16", recompute=recompute, gradient_bytes=2.0)  # type: ignore[arg-type]  # one of its words
    network = Network(25e9, 2e-6, 0.3e-6, 1e-12, (Tier(1024, 1.0),), rails=True)
    topology = switched(gpus, Island(8, 300e9, 1e-12), network)
    return step_cost(LLAMA_70B, A100, topology, stack, Spread(data=gpus, shard="parameters"), recipe)


def test_frameworks_that_flatten_a_layer_take_no_part_in_it() -> None:
    for stack in OTHERS:
        assert stack.shared_out == FLATTENED
    assert FLATTENED.handled_s(1024, 2.0, 8) == 0.0
    assert FLATTENED.gathers(1e12, recomputed=True) == 2.0


def test_the_host_walks_a_part_for_each_rank_of_each_collective() -> None:
    """Four matrices gathered twice and scattered once, eight vectors scattered, and gathered once a step together."""
    apart = Tensors(matrices=4.0, vectors=8.0, collective_s=3e-4, rank_s=1e-5, reuse=inf)
    for micro_batches in (1, 3):
        calls = (4 * 2 + 4 + 8) * micro_batches
        expected = calls * (3e-4 + 100 * 1e-5) + 8 * 100 * 1e-5
        assert apart.handled_s(100, 2.0, micro_batches) == pytest.approx(expected, rel=1e-12)
        frozen = apart.handled_s(100, 2.0, micro_batches, trained=False)
        assert expected - frozen == pytest.approx((4 + 8) * micro_batches * (3e-4 + 100 * 1e-5), rel=1e-9)


def test_a_layer_longer_than_the_reuse_distance_is_gathered_anew_for_its_backward_pass() -> None:
    apart = replace(DEEPSPEED.shared_out, reuse=1e9)
    assert apart.gathers(1.81e9, recomputed=True) == 3.0
    assert apart.gathers(0.9e9, recomputed=True) == apart.gathers(1.81e9, recomputed=False) == 2.0
    kept, let_go = (
        cost(replace(DEEPSPEED, shared_out=replace(DEEPSPEED.shared_out, reuse=reuse)), 64) for reuse in (1e12, 1e6)
    )
    sent = [sum(found.link_byte.values()) for found in (kept, let_go)]
    assert sent[1] / sent[0] == pytest.approx(4.0 / 3.0, rel=1e-3)  # gathered twice or thrice, scattered once


def test_more_gpus_on_the_same_batch_gain_nothing_in_the_end() -> None:
    """Computation is shared out, the host's walk grows: there is a number of GPUs beyond which a step is longer."""
    steps = {gpus: cost(DEEPSPEED, gpus, a_gpu=2048 // gpus).step_s for gpus in (128, 256, 2048)}
    assert steps[256] < steps[128]
    assert steps[2048] > steps[256]
    flat = replace(DEEPSPEED, shared_out=FLATTENED)
    assert cost(flat, 2048, a_gpu=1).step_s < cost(flat, 256, a_gpu=8).step_s


@given(gpus=st.sampled_from([16, 64, 256]), accumulated=st.integers(1, 4))
def test_tensors_apart_never_take_less_than_flattened_ones(gpus: int, accumulated: int) -> None:
    flat = replace(DEEPSPEED, shared_out=FLATTENED)
    apart, together = cost(DEEPSPEED, gpus, accumulated=accumulated), cost(flat, gpus, accumulated=accumulated)
    assert apart.step_s > together.step_s
    assert apart.seconds["compute"] == together.seconds["compute"]
    assert sum(apart.link_byte.values()) >= sum(together.link_byte.values())


def test_nothing_hides_what_waits_for_the_gpu() -> None:
    found = cost(DEEPSPEED, 64)
    assert found.hidden_s["data"] == 0.0
    assert found.exposed_s["data"] == found.seconds["communication"]
