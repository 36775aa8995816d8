"""A mixture's kernels in an iteration: which experts a GPU is asked for, and what its tiles and its slices cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from sim.build.serving.deployment import Deployment
from sim.profiles.catalog import Catalog
from sim.profiles.iteration.cost import DECODES, ENERGY
from sim.profiles.iteration.experts import _experts_read, asked_experts, expert_work
from sim.profiles.iteration.terms import Stack
from sim.profiles.kernels.time import MixtureLaw, mixture_time
from sim.profiles.language_models.layers import Mixture
from sim.profiles.language_models.model import distinct_experts
from sim.spec.serving import Replicas, Serving
from tests.iterations import H100, IN_16_BITS, PLAIN, cost_of, layout, named

MIXTURE = Mixture(layers=48, experts=128, per_token=8, hidden=2048, width=768)
FOUR = layout(4, expert=True)
TOKENS = np.arange(1.0, 4097.0)
LAW = MixtureLaw(compute=0.7, memory=0.9, passes=4.0, floor_cycles=60000.0)


def seconds(routed: float, asked: float, *, hidden: float = 2048.0, width: float = 768.0) -> float:
    time = mixture_time(
        routed, asked, hidden, width, everyones=routed, first=2.0, bytes_each=2.0, flop_per_s=989.5e12,
        machine=H100.machine, law=LAW,
    )  # fmt: skip
    return float(np.asarray(time.seconds))


@given(st.integers(1, 10_000), st.integers(1, 128))
def test_no_mixture_beats_its_roofline(routed: int, asked: int) -> None:
    """Padded tiles are computed whole, and every expert that is asked is read once."""
    asked = min(asked, routed)
    an_expert = 3.0 * 2048 * 768
    took = seconds(float(routed), float(asked))
    assert took > asked * an_expert * 2.0 / (3.35e12 * 0.9)
    assert took > 2.0 * routed * an_expert / (989.5e12 * 0.7)
    assert took > 60000.0 / 1.83e9
    assert seconds(float(routed + asked), float(asked)) >= took  # a row more for each expert


def test_large_mixtures_compute_at_their_efficiency() -> None:
    """A million rows of 128 experts: what padding, floors and memory add is small beside their FLOP and the passes."""
    rows = 1e6
    flop_s = 2.0 * rows * 3 * 2048 * 768 / (989.5e12 * 0.7)
    passes_s = 4.0 * 2.0 * rows * (2048 + 768) / (3.35e12 * 0.9)
    assert seconds(rows, 128.0) == pytest.approx(flop_s + passes_s, rel=0.02)


def test_few_rows_cost_what_their_experts_weigh() -> None:
    """Twice the experts, a row each, twice the time beyond the floor; their tiles hide behind their bytes."""
    floor_s = 60000.0 / 1.83e9
    small, large = (seconds(n, n) - floor_s for n in (32.0, 64.0))
    assert large / small == pytest.approx(2.0, rel=0.05)
    assert large == pytest.approx(64 * 3 * 2048 * 768 * 2.0 / (3.35e12 * 0.9), rel=0.15)


@given(st.sampled_from([2, 4, 8]), st.floats(0.0, 2.0))
def test_spread_experts_are_shared_out(gpus: int, skew: float) -> None:
    """Every GPU reads its share of what all are asked for; sliced, all read a slice of each: the same bytes."""
    stack = replace(PLAIN, expert_skew=skew)
    asked = distinct_experts(128, 8, TOKENS, skew)
    for at in (layout(gpus, expert=True), layout(gpus)):
        work = expert_work(MIXTURE, H100, stack, at, IN_16_BITS, TOKENS)
        assert work.byte == pytest.approx(asked * 3 * 2048 * 768 * 2.0 / gpus)
        assert work.flop == pytest.approx(2.0 * TOKENS * 8 * 3 * 2048 * 768 / gpus)


def test_the_gpu_with_most_experts_decides() -> None:
    even = expert_work(MIXTURE, H100, PLAIN, FOUR, IN_16_BITS, TOKENS)
    uneven = expert_work(MIXTURE, H100, replace(PLAIN, expert_imbalance=1.0), FOUR, IN_16_BITS, TOKENS)
    assert (np.asarray(uneven.time.seconds) >= np.asarray(even.time.seconds)).all()
    assert np.all(uneven.byte == even.byte)


def test_the_busiest_gpu_computes_more_of_many_tokens() -> None:
    """Where some experts are popular; alike popular, all GPUs compute the same once all experts are asked."""
    uneven = replace(PLAIN, expert_imbalance=1.0)
    skewed = replace(uneven, expert_skew=1.0)
    computing = [
        np.asarray(expert_work(MIXTURE, H100, stack, at, IN_16_BITS, np.array([65536.0])).time.computing_s)[0]
        for stack in (PLAIN, uneven, skewed)
        for at in (FOUR, layout(4))
    ]
    even, sliced = computing[0], computing[1]
    assert computing[2] == pytest.approx(even, rel=1e-6)
    assert computing[3] == computing[5] == sliced
    assert 1.1 * even < computing[4] < 1.5 * even


def test_crowded_kernels_take_longer_where_tokens_outnumber_experts() -> None:
    """128 experts on 4 GPUs: beyond 32 tokens."""
    crowded = expert_work(MIXTURE, H100, replace(PLAIN, expert_crowded=1.5), FOUR, IN_16_BITS, TOKENS).time
    plain = expert_work(MIXTURE, H100, PLAIN, FOUR, IN_16_BITS, TOKENS).time
    ratio = np.asarray(crowded.streaming_s) / np.asarray(plain.streaming_s)
    assert ratio[:32] == pytest.approx(1.0)
    assert ratio[32:] == pytest.approx(1.5)
    assert (np.asarray(crowded.floor_s) == np.asarray(plain.floor_s)).all()


def test_configurations_are_asked_apart() -> None:
    """Rows of different mixtures at once."""
    experts, each = np.array([[128.0], [8.0], [128.0]]), np.array([[8.0], [2.0], [8.0]])
    found = asked_experts(experts, each, TOKENS[np.newaxis], np.array([[0.0], [1.0], [0.0]]))
    assert found[0] == pytest.approx(distinct_experts(128, 8, TOKENS))
    assert found[1] == pytest.approx(distinct_experts(8, 2, TOKENS, 1.0))
    assert (found[2] == found[0]).all()


def coefficients(model: str, weights: str, *, board: str = "h100-sxm-80gb", stack: str = "vllm-2026") -> Stack:
    """Of eight GPUs with experts spread over them."""
    workload = {
        "kind": "serving", "model": model, "stack": stack, "precision": {"weights": weights},
        "replicas": {"count": 1, "tensor_parallel": 8, "expert_parallel": True},
        "batching": {"max_num_seqs": 8, "max_num_batched_tokens": 512},
        "routing": "round-robin", "arrivals": {"kind": "closed-loop", "concurrency": 8}, "cpu_load": 0.1,
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "constant", "tokens": 64}, "output": {"kind": "constant", "tokens": 64},
        },
    }  # fmt: skip
    spec = Serving.model_validate(workload)
    catalog = Catalog()
    node = catalog.node("dgx-b200" if board.startswith("b200") else "dgx-h100")
    gpu = catalog.gpu(f"nvidia-{board}")
    assert isinstance(spec.replicas, Replicas)
    return Deployment.of(spec, spec.replicas, gpu, node, catalog).coefficients()


def test_a_stack_has_kernels_by_generation_and_precision() -> None:
    """No shape of a model is in it: what differs is the GPU, and what its weights are kept in."""
    stack = Catalog().stack("vllm-2026")
    for board, generation in (("h100-sxm-80gb", "hopper"), ("b200-sxm-180gb", "blackwell")):
        for weights, kernels in (("bf16", stack.experts), ("fp8", stack.quantised["fp8"].experts)):
            own = next(made for name, made in kernels.items() if name == generation)
            for model in ("qwen3-235b-a22b", "deepseek-v3"):
                found = coefficients(model, weights, board=board)
                assert found.expert_efficiency == own.memory_efficiency.value
                assert found.expert_compute_efficiency == own.compute_efficiency.value
                assert found.expert_passes == own.passes.value
                assert found.expert_cycles == own.cycles.value
    assert coefficients("qwen3-235b-a22b", "bf16", stack="generic-2025").expert_cycles == Stack.expert_cycles


def test_experts_asked_of_a_gpu_spread_as_draws_without_replacement() -> None:
    """32 of 128 experts lie on each of four GPUs: how many of them are among those asked for is hypergeometric, and the
    most of four such numbers lies ndtri((4 - 3/8) / (4 + 1/4)) deviations above the mean (Blom 1958)."""
    asked = np.array([8.0, 40.0, 100.0, 127.0])
    mean, most = _experts_read(128.0, replace(PLAIN, expert_imbalance=1.0), FOUR, asked)
    assert mean == pytest.approx(asked / 4)
    ahead = 1.0491 * np.array([hypergeom(128, int(n), 32).std() for n in asked])
    assert most == pytest.approx(np.minimum(32.0, mean + ahead), rel=1e-4)


def test_gpus_that_wait_for_the_busiest_draw_what_waiting_takes() -> None:
    """That experts are spread unevenly gives nobody more work: every s more costs each GPU its power while it waits."""
    board = replace(H100, waiting_w=31.0, limit_w=1e6, cap_w=1e6)
    even, uneven = (
        cost_of(named("qwen3-30b-a3b"), replace(PLAIN, expert_imbalance=spread), board, at=FOUR, most_tokens=32)
        for spread in (0.0, 2.0)
    )
    later_s = (uneven.table - even.table)[DECODES, 2:, :2].max(axis=1)
    assert (later_s > 0.0).all()
    more_j = (uneven.table - even.table)[DECODES, 2:, ENERGY]
    assert more_j == pytest.approx(4 * 31.0 * later_s, rel=1e-9)
