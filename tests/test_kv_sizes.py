"""What sequences keep: windows hold no more than their tokens, states are there once, and engines count so."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.build.serving.deployment import Deployment
from sim.engine.serving import plan
from sim.engine.serving.plan import Settings
from sim.profiles import Catalog
from sim.profiles.iteration.kv import Blocks, Kept, blocks
from sim.profiles.language_models.model import shape
from sim.spec.serving import Serving
from tests.serving_worlds import World, build, chunk, linear_cost, observe, worlds
from tests.test_precisions import scenario

CATALOG = Catalog()
GEMMA = shape(CATALOG.model("gemma-3-27b").architecture)


def deployed(model: str, weights: str, *, tensor: int = 1, prefix_cache: bool = False, draft: str | None = None) -> Any:
    """A model on 80 GB boards."""
    written = {
        "kind": "serving", "model": model, "stack": "generic-2025", "precision": {"weights": weights},
        "replicas": {"count": 1, "tensor_parallel": tensor}, "routing": "round-robin", "cpu_load": 0.1,
        "batching": {"max_num_seqs": 256, "max_num_batched_tokens": 2048, "prefix_cache": prefix_cache},
        "arrivals": {"kind": "poisson", "rate": "1 request/s"},
    }  # fmt: skip
    if draft is not None:
        written["speculative"] = {"draft_tokens": 3, "acceptance": 0.7, "draft_model": draft}
    spec = Serving.model_validate(written)
    assert spec.replicas is not None
    gpu, node = CATALOG.gpu("nvidia-h100-sxm-80gb"), CATALOG.node("dgx-h100")
    return Deployment.of(spec, spec.replicas, gpu, node, CATALOG)


def counted(held: Blocks, block_tokens: int = 16) -> Settings:
    """An engine's rules, of which only the sizes matter."""
    return Settings(
        max_num_seqs=1, max_num_batched_tokens=1, block_tokens=block_tokens,
        kv_full=held.full, kv_windowed=held.windowed, kv_window_blocks=held.window_blocks, kv_state=held.state,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("model", "weights", "tensor", "more"),
    # Layers that keep all and that do not: 10 and 52 of 1,024 tokens, 18 and 18 of 128, 12 and 36 of 8,192, 23 and 23
    # of 4,096; at 32,768 tokens the bound is layers / (full + windowed x window / 32,768), less part of a block.
    [
        ("gemma-3-27b", "bf16", 1, 62 / (10 + 52 * 1040 / 32768)),
        ("gpt-oss-120b", "mxfp4", 1, 36 / (18 + 18 * 144 / 32768)),
        ("llama-4-scout", "bf16", 4, 48 / (12 + 36 * 8192 / 32768)),
        ("gemma-2-27b", "bf16", 1, 46 / (23 + 23 * 4112 / 32768)),
        ("mistral-7b", "bf16", 1, 32768 / 4112),
    ],
)
def test_more_long_sequences_fit_where_layers_keep_no_more_than_a_window(
    model: str, weights: str, tensor: int, more: float
) -> None:
    """5.3, 2.0, 2.3, 1.8 and 8.0 times as many of 32,768 tokens as if every layer kept all."""
    laid_out = deployed(model, weights, tensor=tensor)
    kept, a_gpu = laid_out.kept(), laid_out.kv_bytes_per_gpu()
    as_if_full = a_gpu * tensor / (32768 * (kept.full + kept.windowed))
    assert laid_out.kv_blocks() / counted(laid_out.blocks).kv_blocks(32768) == pytest.approx(
        more * as_if_full, rel=1e-3
    )


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-8b"])
def test_a_model_whose_layers_are_alike_is_counted_in_blocks_of_all_of_them(model: str) -> None:
    held = deployed(model, "bf16").blocks
    assert (held.full, held.windowed, held.window_blocks, held.state) == (1, 0, 0, 0)


def test_whole_contexts_are_kept_where_only_windows_could_be_shared() -> None:
    assert deployed("mistral-7b", "bf16").blocks.windowed == 1
    held = deployed("mistral-7b", "bf16", prefix_cache=True).blocks
    assert (held.full, held.windowed) == (1, 0)


def test_states_take_what_their_publishers_state_whatever_the_context() -> None:
    """27 x 128 x 80 x 128 values of 32 bits, and 3 tokens of 12,288 channels of 16 bits in as many layers."""
    laid_out = deployed("nemotron-nano-9b-v2", "bf16")
    byte = 27 * (128 * 80 * 128 * 4 + 3 * 12288 * 2)
    assert laid_out.kept().state == byte
    rules = counted(laid_out.blocks)
    for tokens in (1, 100, 100_000):
        state = rules.kv_blocks(tokens) - -(-tokens // 16)
        assert (state - 1) * laid_out.blocks.byte < byte <= state * laid_out.blocks.byte


def test_a_draft_model_takes_room_beside_windows() -> None:
    alone, beside = deployed("gemma-3-27b", "bf16").blocks, deployed("gemma-3-27b", "bf16", draft="llama-3.2-1b").blocks
    for tokens in (512, 5000, 50_000):
        assert beside.byte * counted(beside).kv_blocks(tokens) > alone.byte * counted(alone).kv_blocks(tokens)


@given(
    st.builds(Kept, st.floats(1, 1e6), st.one_of(st.just(0.0), st.floats(1, 1e6)), st.floats(0, 1e9)),
    st.integers(1, 5000),
    st.sampled_from([1, 16, 48]),
    st.integers(1, 20_000),
)
def test_blocks_hold_what_is_kept_and_hardly_more(keeps: Kept, window: int, size: int, tokens: int) -> None:
    """At least what a sequence keeps; at most a block of every kind more, and little for the whole numbers."""
    model = replace(GEMMA, window=window)
    held = blocks(keeps, model, block_tokens=size, verified_tokens=1, whole_prefixes=False)
    found = held.byte * counted(held, size).kv_blocks(tokens)
    least = keeps.full * tokens + keeps.windowed * min(tokens, window) + keeps.state
    assert found >= least * (1 - 1e-9)
    most = keeps.full * (tokens + size) + keeps.windowed * (min(tokens, window) + 2 * size) + keeps.state
    assert found <= 1.005 * most + held.byte


@given(worlds(), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_a_window_beyond_every_context_is_full_attention(world: World, share: int) -> None:
    """Its layers read, keep and share the same as layers without one. (Cached prefixes are shared in layers that keep
    all alone, so there are none here.)"""
    rules = replace(
        world.settings, hash_blocks=0, window=10**6, chunked=False, kv_full=1, kv_windowed=share,
        kv_window_blocks=10**6, transfer_per_token=5, transfer_nj_per_token=3, transfer_per_window_token=7,
        transfer_nj_per_window_token=11,
    )  # fmt: skip
    plain = replace(
        rules, window=0, kv_full=1 + share, kv_windowed=0, kv_window_blocks=0, transfer_per_token=12,
        transfer_nj_per_token=14, transfer_per_window_token=0, transfer_nj_per_window_token=0,
    )  # fmt: skip
    costs = []
    for cost in world.costs:
        slope = cost.slope.copy()
        slope[plan.ENERGY, [plan.WINDOW_PAIR, plan.WINDOW_READ]] = 0  # a request's own share counts full reads alone
        whole = slope.copy()
        whole[:, plan.PAIR] += whole[:, plan.WINDOW_PAIR]
        whole[:, plan.READ] += whole[:, plan.WINDOW_READ]
        costs.append((replace(cost, slope=slope), replace(cost, slope=whole)))
    seen = [
        observe(
            replace(world, settings=rule, costs=[both[i] for both in costs], blocks=[4 * b for b in world.blocks]),
            "fast",
        )
        for i, rule in enumerate((rules, plain))
    ]
    without = [{k: v for k, v in each[-2].items() if k != "kv_window_tokens"} for each in seen]  # type: ignore[attr-defined]
    assert without[0] == without[1]
    assert seen[0][-1] == seen[1][-1]
    assert seen[0][-3] == seen[1][-3]


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_a_window_makes_room_for_those_who_would_have_waited(engine: str) -> None:
    """Twelve prompts of 400 tokens: 25 of 108 blocks each in layers that keep all, 9 in those with windows of 128."""
    arrivals = chunk([0] * 12, [400] * 12, [100] * 12)
    most = []
    for full, windowed in ((1, 0), (0, 1)):
        rules = Settings(
            max_num_seqs=12, max_num_batched_tokens=8192, window=128, kv_full=full, kv_windowed=windowed,
            kv_window_blocks=9,
        )  # fmt: skip
        pool = build(engine, rules, [arrivals], blocks=108, costs=[linear_cost(tokens=9000)])
        pool.start(0)
        pool.advance(20_000_000)
        most.append(pool.load(0)[1])
        pool.advance(10**12)
        assert pool.counts["completed"] == 12
    assert most == [4, 12]


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_chunks_of_attention_begin_anew(engine: str) -> None:
    """The 129th token reads itself alone where chunks have 128, and as many as the window where it slides."""
    read = {}
    for chunked in (False, True):
        rules = Settings(max_num_seqs=1, max_num_batched_tokens=4096, window=128, chunked=chunked)
        pool = build(engine, rules, [chunk([0], [126], [131])])
        pool.start(0)
        pool.advance(10**12)
        read[chunked] = pool.counts["kv_window_tokens"]
    # 130 decodes, whose last tokens are number 127 to 256
    assert read[False] == 127 + 129 * 128
    assert read[True] == 127 + 128 + sum(range(1, 129))


def test_occupancy_counts_what_is_kept() -> None:
    """A lone sequence of Gemma 3 holds 5 blocks for each 16 tokens, and 26 for each of the last 1,024 of them."""
    written = scenario("dgx-h100", "gemma-3-27b", "bf16")
    workload = written["workloads"]["c"]
    workload["arrivals"] = {"kind": "closed-loop", "concurrency": 1, "think_time": "0 s"}
    workload["lengths"]["prompt"]["tokens"], workload["lengths"]["output"]["tokens"] = 8000, 400
    found = sim.run(written).summary["serving"]["c"]
    laid_out = deployed("gemma-3-27b", "bf16")
    mean_tokens = 8000 + 200
    expected = (5 * mean_tokens + 26 * 1024) / 16 / laid_out.kv_blocks()
    assert found["kv_occupancy"] == pytest.approx(expected, rel=0.01)
    assert found["kv_occupancy"] < found["kv_occupancy_peak"] < 1.05 * found["kv_occupancy"]


@pytest.mark.parametrize("engine", ["reference", "fast"])
def test_what_is_handed_over_is_what_is_kept(engine: str) -> None:
    """Of 400 tokens all in layers that keep all, 128 in those with a window, and the state."""
    rules = Settings(
        max_num_seqs=1, max_num_batched_tokens=4096, window=128, kv_windowed=1, kv_window_blocks=9,
        transfer_nj=1_000_000, transfer_nj_per_token=1000, transfer_nj_per_window_token=1,
    )  # fmt: skip
    pool = build(engine, rules, [chunk([0], [400], [3])], roles=(plan.PREFILL, plan.DECODE))
    pool.start(0)
    pool.start(1)
    pool.advance(10**12)
    assert pool.take_energy(0)[2] == 1_000_000 + 400 * 1000 + 128
