"""What is left of a model: weights, operations and bytes after pruning, in factors, and with zeros in a pattern."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import Transformer
from sim.profiles.language_models.compression import (
    factored,
    pruned,
    saved_by_factors,
    sparse,
    stored_share,
    with_factors,
)
from sim.profiles.language_models.layers import layers_of
from sim.profiles.language_models.model import shape
from sim.training.flops import forward_flop
from tests.training_worlds import training_world


def llama() -> Transformer:
    architecture = Catalog().model("llama-3.1-8b").architecture
    assert isinstance(architecture, Transformer)
    return architecture


LLAMA = llama()


def test_pruned_layers_go_with_their_weights_and_operations() -> None:
    """All but embeddings, head and the last norm are in layers: half of the layers, half of that."""
    half = pruned(LLAMA, layers=16, networks=1.0, heads=1.0)
    ends = 2 * LLAMA.vocabulary * LLAMA.hidden + LLAMA.hidden
    assert shape(half).parameters - ends == (shape(LLAMA).parameters - ends) // 2
    whole, left = forward_flop(LLAMA, 2048), forward_flop(half, 2048)
    assert left.total - left.head == pytest.approx((whole.total - whole.head) / 2)
    assert shape(half).kv_values_per_token_full * 2 == shape(LLAMA).kv_values_per_token_full


def test_pruned_widths_and_heads() -> None:
    narrow = pruned(LLAMA, layers=32, networks=0.5, heads=1.0)
    assert shape(LLAMA).parameters - shape(narrow).parameters == 32 * 3 * 4096 * 14336 // 2
    few = pruned(LLAMA, layers=32, networks=1.0, heads=0.5)
    assert (few.heads, few.kv_heads) == (16, 4)
    assert shape(few).kv_values_per_token_full * 2 == shape(LLAMA).kv_values_per_token_full
    assert pruned(LLAMA, layers=32, networks=1.0, heads=1.0) == LLAMA


@given(st.integers(16, 8192))
def test_factors_never_have_more_weights(rank: int) -> None:
    """r (n + k) in the place of n k, or the matrix itself; what they save in weights they save twice in operations."""
    layers = layers_of(LLAMA)
    thin = factored(layers, rank)
    assert thin.multiplied <= layers.multiplied
    saved = saved_by_factors(layers, rank)
    left = with_factors(shape(LLAMA), saved)
    assert shape(LLAMA).parameters - left.parameters == saved
    assert shape(LLAMA).matmul_flop_per_token - left.matmul_flop_per_token == 2 * saved
    if rank >= 4096:
        assert thin == layers  # r (n + k) >= n k for every matrix with a side of 4,096


def test_factors_of_one_matrix() -> None:
    """The output projection, 4,096 by 4,096, in rank 512: 2 x 512 x 4,096 weights, a quarter."""
    square = next(p for p in layers_of(LLAMA).products if (p.n, p.k) == (4096, 4096))
    thin = [p for p in factored(layers_of(LLAMA), 512).products if 512 in (p.n, p.k)][2:4]
    assert sum(p.n * p.k for p in thin) * 4 == square.n * square.k


def test_tensor_parallel_ranks_cut_the_wide_side_of_factors() -> None:
    thin, two = factored(layers_of(LLAMA), 512), factored(layers_of(LLAMA), 512).on(2)
    for whole, cut in zip(thin.products, two.products, strict=True):
        assert 512 not in (whole.n, whole.k) or cut.n * cut.k in (whole.n * whole.k, whole.n * whole.k // 2)
    assert two.multiplied < thin.multiplied


def test_two_of_four_are_stored_with_two_bits_each() -> None:
    """16 bits: 4 weights of 64 bits become 2 of 32 and 4 bits that say which (Mishra et al., arXiv:2104.08378)."""
    assert stored_share(16.0) == 36 / 64
    assert stored_share(8.0) == 20 / 32
    assert {p.density for p in sparse(layers_of(LLAMA), bits=16.0, rate=1.5).products} == {0.5, 1.0}  # but the head


def served(**workload: Any) -> dict[str, Any]:
    """An 8 B model on one H100 that is asked in a closed loop, as in HPC-AI's measurement: 1,024 tokens in and out."""
    chat = {
        "kind": "serving", "model": "llama-3.1-8b", "stack": "vllm-2025", "precision": {"weights": "bf16"},
        "replicas": {"count": 1}, "batching": {"max_num_seqs": 32, "max_num_batched_tokens": 4096},
        "routing": "round-robin", "arrivals": {"kind": "closed-loop", "concurrency": 32, "requests": 64},
        "lengths": {
            "kind": "separate",
            "prompt": {"kind": "constant", "tokens": 1024}, "output": {"kind": "constant", "tokens": 256},
        },
        "cpu_load": 0.1,
    }  # fmt: skip
    site = {"grid": {"intensity": "400 gCO2e/kWh"}, "facility": {"kind": "fixed-pue", "pue": 1.2}}
    return {
        "name": "served", "start": "2025-01-01T00:00:00Z", "site": site,
        "cluster": {"nodes": [{"profile": "dgx-h100", "count": 1}]}, "workloads": {"chat": {**chat, **workload}},
        "accounting": {"gpu_lifetime": "5 years", "server_lifetime": "5 years"},
    }  # fmt: skip


def tpot(data: dict[str, Any]) -> float:
    return float(sim.run(data).summary["serving"]["chat"]["tpot_s"]["mean"])


@pytest.mark.parametrize(("weights", "bits"), [("bf16", 16.0), ("fp8", 8.0)])
def test_zeros_are_worth_less_than_the_bytes_they_save(weights: str, bits: float) -> None:
    """Decoding reads all weights, and does more than that: its gain stays below that of its bytes, and above none."""
    dense = tpot(served(precision={"weights": weights}))
    sparsity = {"pattern": "2:4", "rate": 1.22}
    zeros = tpot(served(precision={"weights": weights}, compression={"sparsity": sparsity}))
    faster = tpot(served(precision={"weights": weights}, compression={"sparsity": {**sparsity, "rate": 2}}))
    assert 1.05 < dense / zeros < 1.0 / stored_share(bits)
    assert faster <= zeros


def test_less_of_a_model_is_faster_and_takes_less() -> None:
    runs = [served(), served(compression={"pruning": {"layers": 24}}), served(compression={"rank": 1024})]
    found = [sim.run(data).summary["serving"]["chat"] for data in runs]
    assert found[0]["tpot_s"]["mean"] > found[1]["tpot_s"]["mean"] > found[2]["tpot_s"]["mean"]
    assert found[0]["energy_j_per_output_token"] > found[1]["energy_j_per_output_token"]


@pytest.mark.parametrize(
    ("workload", "says"),
    [
        ({"compression": {"rank": 40000}}, "leaves no matrix smaller"),
        ({"compression": {"pruning": {"layers": 33}}}, "and no more can be left"),
        ({"compression": {"rank": 64, "sparsity": {"pattern": "2:4", "rate": 1.5}}}, "'rank' or 'sparsity'"),
        ({"compression": {}}, "needs 'pruning', 'rank' or 'sparsity'"),
        ({"compression": {"sparsity": {"pattern": "2:4", "rate": 2.5}}}, "2"),
        ({"model": "mixtral-8x7b", "compression": {"rank": 64}}, "dense models"),
        ({"model": "gemma-2-9b", "compression": {"pruning": {"layers": 20}}}, "all alike"),
    ],
)
def test_what_cannot_be_taken_away_is_refused(workload: dict[str, Any], says: str) -> None:
    assert says in " ".join(map(str, sim.check(served(**workload))))


def test_a_pruned_model_trains_faster() -> None:
    whole, left = sim.run(training_world()).summary, sim.run(training_world(pruning={"networks": 0.5})).summary
    steps = [summary["jobs"]["llama"]["step"] for summary in (whole, left)]
    assert steps[1]["tokens"] == steps[0]["tokens"]
    assert left["jobs"]["llama"]["gpu_hours"] < whole["jobs"]["llama"]["gpu_hours"]
    assert "all alike" in " ".join(map(str, sim.check(training_world(model="gpt-oss-20b", pruning={"layers": 10}))))
