"""What collectives of a training step send, byte by byte, against the counts of the papers that describe them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import Transformer
from sim.training.communication import (
    Carried,
    Groups,
    context_parallel,
    data_parallel,
    expert_parallel,
    pipeline_parallel,
    tensor_parallel,
)
from sim.training.parameters import Held, held
from sim.training.stack import training_stack
from sim.training.tensors import FLATTENED
from sim.training.terms import Recipe, Spread
from sim.training.topology import Island, switched
from sim.training.work import work_of

CATALOG = Catalog()
LLAMA = CATALOG.model("llama-3.1-70b").architecture
QWEN = CATALOG.model("qwen3-30b-a3b").architecture
assert isinstance(LLAMA, Transformer)
LIBRARY = training_stack(CATALOG.training_stack("megatron-2026")).library
RECIPE = Recipe(sequence=4096, global_batch=64, micro_batch=2, precision="bf16")
TOKENS = 2 * 4096
ACTIVATIONS = TOKENS * LLAMA.hidden * 2.0
"""B of a micro-batch's hidden states in 16 bits."""


def groups(spread: Spread) -> Groups:
    """On one island, where ring, tree and switch differ in time and a gathered buffer passes every GPU's link once."""
    return Groups.of(spread, switched(spread.gpus, Island(64, 450e9, 1e-12), None))


def sent(found: Carried) -> float:
    assert found.network_byte == 0.0
    return found.link_byte


def of_tensor(spread: Spread, recipe: Recipe = RECIPE) -> float:
    return sent(tensor_parallel(LLAMA, spread, recipe, groups(spread), LIBRARY))


@given(st.sampled_from([2, 4, 8]))
def test_tensor_parallel_ranks_sum_two_activations_a_layer_forward_and_two_backward(n: int) -> None:
    """Shoeybi et al., arXiv:1909.08053, section 3; a ring's all-reduce sends 2 (n - 1) / n of its buffer, and less
    where the switch adds. Recomputing all of a layer is a third pass."""
    spread = Spread(data=1, tensor=n)
    assert of_tensor(spread) <= 4 * LLAMA.layers * 2 * (n - 1) / n * ACTIVATIONS * (1 + 1e-12)
    assert of_tensor(spread) >= 4 * LLAMA.layers * ACTIVATIONS * (1 - 1e-12)
    assert of_tensor(spread, replace(RECIPE, recompute="full")) == pytest.approx(1.5 * of_tensor(spread))


@given(st.sampled_from([2, 4, 8]))
def test_sequence_parallel_ranks_gather_three_times_for_two_scatters(n: int) -> None:
    """Korthikanti et al., arXiv:2205.05198, section 4.2.2: a gather and a scatter a block each way, and the input's
    gather anew for the gradient of weights, which frozen ones have none of. Each sends (n - 1) / n of the buffer."""
    spread, each = Spread(data=1, tensor=n, sequence_parallel=True), 2 * LLAMA.layers * (n - 1) / n * ACTIVATIONS
    assert of_tensor(spread) == pytest.approx((3 + 2) * each, rel=1e-12)
    assert of_tensor(spread, replace(RECIPE, lora_rank=16)) == pytest.approx((2 + 2) * each, rel=1e-12)
    assert of_tensor(spread, replace(RECIPE, recompute="full")) == pytest.approx((4 + 3) * each, rel=1e-12)


@given(st.sampled_from([2, 4, 8]), st.sampled_from([1, 2, 8]))
def test_a_ring_passes_keys_and_values_once_forward_and_with_gradients_backward(n: int, tensor: int) -> None:
    """Liu et al., arXiv:2310.01889, section 3: n - 1 rounds, of a rank's own tokens and its own heads."""
    spread = Spread(data=1, tensor=tensor, context=n)
    own = TOKENS / n * 2 * LLAMA.kv_heads / tensor * LLAMA.head_dim * 2.0
    found = sent(context_parallel(LLAMA, spread, RECIPE, groups(spread), LIBRARY))
    assert found == pytest.approx(LLAMA.layers * (n - 1) * 3 * own, rel=1e-12)
    again = sent(context_parallel(LLAMA, spread, replace(RECIPE, recompute="selective"), groups(spread), LIBRARY))
    assert again == pytest.approx(4 / 3 * found, rel=1e-12)


def test_a_group_of_more_ranks_than_cached_heads_holds_each_head_twice() -> None:
    spread = [Spread(data=1, tensor=n, context=2) for n in (LLAMA.kv_heads, 2 * LLAMA.kv_heads)]
    few, many = (sent(context_parallel(LLAMA, one, RECIPE, groups(one), LIBRARY)) for one in spread)
    assert few == many


@given(st.sampled_from([2, 4, 8]))
def test_tokens_go_to_their_experts_and_come_back_each_way(n: int) -> None:
    """Four all-to-alls a layer with experts, of every copy of a token; (n - 1) / n of them leave the GPU."""
    spread = Spread(data=n, expert=n)
    work = work_of(QWEN, spread, RECIPE)
    assert isinstance(QWEN, Transformer)
    assert QWEN.moe is not None
    copies = TOKENS * QWEN.moe.experts_per_token * QWEN.hidden * 2.0
    found = sent(expert_parallel(QWEN, work, spread, RECIPE, groups(spread), LIBRARY))
    assert found == pytest.approx(QWEN.layers * 4 * (n - 1) / n * copies, rel=1e-12)


@given(st.sampled_from([2, 4]), st.sampled_from([1, 5]))
def test_a_stage_hands_on_activations_and_gradients_of_each_of_its_chunks(stages: int, chunks: int) -> None:
    spread = Spread(data=1, pipeline=stages, chunks=chunks)
    assert sent(pipeline_parallel(LLAMA, spread, RECIPE, groups(spread), LIBRARY)) == 2 * chunks * ACTIVATIONS


@pytest.mark.parametrize(
    ("shard", "micro_batches", "bytes_of_a_parameter"),
    [
        ("optimizer", 8, 2.0 + 4.0),  # gathered once in 16 bits, and gradients of 32 bits scattered
        ("gradients", 8, 2.0 + 4.0),
        ("parameters", 8, 8 * (2.0 + 2.0 + 4.0)),  # gathered for forward and backward, of every micro-batch
        ("parameters", 1, 2.0 + 2.0 + 4.0),
    ],
)
def test_sharded_states_are_gathered_and_scattered_as_often_as_zero_says(
    shard: str, micro_batches: int, bytes_of_a_parameter: float
) -> None:
    """Rajbhandari et al., arXiv:1910.02054, section 7: stage 1 and 2 send as much as plain data parallelism (a scatter
    and a gather), stage 3 gathers once more; and what of it is done for each micro-batch."""
    n = 4
    spread = Spread(data=n, shard=shard)  # type: ignore[arg-type]  # a word of a list is a str, not a Literal
    recipe = replace(RECIPE, global_batch=micro_batches * n * RECIPE.micro_batch, gradient_bytes=4.0)
    assert recipe.micro_batches(spread) == micro_batches
    own = held(LLAMA, spread, recipe, "first")
    found = sent(data_parallel(own, spread, recipe, groups(spread), LIBRARY, FLATTENED))
    assert found == pytest.approx((n - 1) / n * own.shared * bytes_of_a_parameter, rel=1e-12)


def test_frozen_parameters_are_gathered_and_have_no_gradients_to_scatter() -> None:
    spread = Spread(data=4, shard="parameters")
    recipe = replace(RECIPE, global_batch=8, lora_rank=16)
    own = held(LLAMA, spread, recipe, "first")
    found = sent(data_parallel(own, spread, recipe, groups(spread), LIBRARY, FLATTENED))
    assert found == pytest.approx(3 / 4 * own.shared * 4.0, rel=1e-12)
    alone = sent(data_parallel(own, replace(spread, shard="none"), recipe, groups(spread), LIBRARY, FLATTENED))
    assert own.adapters * recipe.gradient_bytes < alone <= 1.5 * own.adapters * recipe.gradient_bytes * (1 + 1e-12)


def test_gradients_of_experts_are_summed_by_all_that_hold_them() -> None:
    """Hybrid sharding or not, every copy of an expert ends with the sum over all: half of the ranks share it out and
    the shares are summed with the other half's, so that a GPU sends no less than a ring over all would."""
    spread = Spread(data=16, expert=4, shard="optimizer")
    own = Held(dense=0.0, experts=1e9, embedding=0.0, head=0.0, adapters=0.0, layer=1e8, layers=10, moe_layers=10)

    def byte(shard_gpus: int) -> float:
        at = replace(spread, shard_gpus=shard_gpus)
        return sent(data_parallel(own, at, RECIPE, groups(at), LIBRARY, FLATTENED))

    gathered, summed = 1e9 * 2.0, 1e9 * RECIPE.gradient_bytes
    assert byte(0) == pytest.approx(3 / 4 * (gathered + summed))  # four copies share it out
    assert byte(8) >= 1 / 2 * (gathered + summed) + summed / 2 / 2  # two do, and two such pairs sum
