"""Tiles of a mixture's kernels: what they pad, how they load, and which shapes are tuned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.build.deployment import Deployment
from sim.profiles.catalog import Catalog
from sim.profiles.experts import expert_work, tile_rows
from sim.profiles.model import distinct_experts, shape
from sim.profiles.terms import Device, Layout, Precision, Stack, Tiles
from sim.spec.serving import Replicas, Serving

H100 = Device(989.5e12, 3.35e12, 450e9, 121.7, 700.0, 0.57e-12, 150e-12, 52e-12, vector_flop_per_s=67e12)
PLAIN = Stack(0.65, 0.8, 0.7, 0.75, 1.0, 1e-3, 2e-5, 1e-5, 1.2e-5, 25e9)
MIXTURE = shape(Catalog().model("qwen3-30b-a3b").architecture)
SIZE = Precision(2.0 * MIXTURE.resident_parameters, 2.0 * MIXTURE.expert_parameters, 2.0)
FOUR = Layout(4, 1, 1, True, 450e9, 1e-5, 0.0)
TILES = Tiles(16, 1.0, 64, 27.0)
TOKENS = np.arange(1.0, 4097.0)


@given(st.integers(1, 64), st.integers(64, 256), st.floats(0.0, 4.0), st.integers(1, 512))
def test_a_tile_is_computed_whole_and_no_row_twice(few: int, many: int, until: float, held: int) -> None:
    asked = distinct_experts(MIXTURE.experts, MIXTURE.experts_per_token, TOKENS)
    routed = MIXTURE.experts_per_token * TOKENS
    rows = tile_rows(Tiles(few, until, many, 0.0), routed, asked, TOKENS, held)
    assert (rows >= routed).all()
    assert (rows >= asked * few - 1e-9).all()  # an expert that is asked computes a tile
    assert (rows <= routed + asked * many).all()  # and never a whole tile more than it needs
    assert (tile_rows(None, routed, asked, TOKENS, held) == routed).all()


def test_padding_fades_as_tiles_fill() -> None:
    tokens = np.array([2.0**n for n in range(12, 24)])
    asked = np.full(len(tokens), float(MIXTURE.experts))
    routed = MIXTURE.experts_per_token * tokens
    waste = tile_rows(TILES, routed, asked, tokens, 32.0) / routed - 1.0
    assert waste[1:] == pytest.approx(0.5 * waste[:-1])  # half a tile an expert, whatever there is to do


def test_tiles_grow_with_the_tokens_for_each_expert_that_a_gpu_holds() -> None:
    """128 experts over 4 GPUs: up to 32 tokens an iteration has small tiles; with twice as many GPUs, up to 16."""
    for gpus, last in ((4, 32), (8, 16)):
        at = replace(FOUR, tensor=gpus)
        work = expert_work(MIXTURE, H100, replace(PLAIN, tiles=TILES), at, SIZE, TOKENS)
        small = expert_work(MIXTURE, H100, replace(PLAIN, tiles=replace(TILES, few_until=1e9)), at, SIZE, TOKENS)
        same = work.padding_flop == small.padding_flop
        assert same[: last - 1].all()
        assert not same[last:].any()


def test_large_tiles_leave_a_faster_memory_idle() -> None:
    """Their kernels take as long as their loads: with ever faster memory no less than 27 FLOP a byte, and where memory
    is slow, what memory takes."""
    stack = replace(PLAIN, tiles=replace(TILES, few_until=0.0))
    slow, fast = replace(H100, byte_per_s=1e10), replace(H100, byte_per_s=1e16)
    byte = expert_work(MIXTURE, fast, stack, FOUR, SIZE, TOKENS).byte
    loads_s = 27.0 * byte / H100.vector_flop_per_s
    assert expert_work(MIXTURE, fast, stack, FOUR, SIZE, TOKENS).slowest_s == pytest.approx(loads_s)
    assert expert_work(MIXTURE, slow, stack, FOUR, SIZE, TOKENS).slowest_s == pytest.approx(byte / (1e10 * 0.7))
    both = expert_work(MIXTURE, H100, stack, FOUR, SIZE, TOKENS).slowest_s
    assert (both >= loads_s).all()
    assert (both <= loads_s + byte / (3.35e12 * 0.7)).all()


def test_without_tiles_memory_alone_decides() -> None:
    work = expert_work(MIXTURE, replace(H100, vector_flop_per_s=0.0), PLAIN, FOUR, SIZE, TOKENS)
    assert work.slowest_s == pytest.approx(work.byte / (3.35e12 * 0.7))
    assert (work.padding_flop == 0.0).all()


def coefficients(model: str, weights: str, *, board: str = "h100-sxm-80gb", stack: str = "vllm-2025") -> Stack:
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


def test_the_stack_knows_which_shapes_are_tuned() -> None:
    tuned = coefficients("deepseek-v3", "fp8", board="b200-sxm-180gb")
    assert tuned.tiles == Tiles(16, 2.0, 64, 0.0)
    assert tuned.expert_floor == 0.0
    other = coefficients("qwen3-235b-a22b", "fp8", board="b200-sxm-180gb")
    assert other.tiles is not None
    assert other.tiles.few_until == 0.0  # blocks of fp8: always large
    assert other.tiles.issue > 0.0
    assert other.expert_floor > 0.0
    assert coefficients("qwen3-235b-a22b", "bf16").tiles == replace(other.tiles, few_until=1.0)
    assert coefficients("qwen3-235b-a22b", "bf16", stack="generic-2025").tiles is None
    assert coefficients("gpt-oss-120b", "mxfp4").tiles is None  # other kernels
