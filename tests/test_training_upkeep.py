"""What a step takes beside its passes: the optimizer's bytes, what is offloaded, loaders and evaluations."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.training.memory import memory_bytes
from sim.training.optimizer import HOST_BYTE_PER_S, fetched_behind_s, optimizer_bytes, optimizer_s
from sim.training.parameters import Held, held
from sim.training.stack import training_stack
from sim.training.terms import Recipe, Spread, StepCost
from sim.training.upkeep import evaluation_s, with_loading

CATALOG = Catalog()
H100 = CATALOG.gpu("nvidia-h100-sxm-80gb")
STACK = training_stack(CATALOG.training_stack("fsdp-2024"))
RECIPE = Recipe(sequence=4096, global_batch=64, micro_batch=1, precision="bf16")
OWN = Held(dense=6e9, experts=0.0, embedding=0.5e9, head=0.5e9, adapters=1e7, layer=2e8, layers=32, moe_layers=0)


@pytest.mark.parametrize(("gradient", "each"), [(4.0, 4 + 2 * (4 + 8) + 2), (2.0, 2 + 2 * (4 + 8) + 2)])
@pytest.mark.parametrize(("shard", "ranks"), [("none", 1), ("optimizer", 8), ("parameters", 8)])
def test_adam_reads_and_writes_master_weights_and_both_moments(
    gradient: float, each: float, shard: str, ranks: int
) -> None:
    """30 or 28 B of a parameter that a rank steps: gradients read, three values of 32 bits there and back, weights of
    16 bits written; each rank steps those it keeps the states of (Rajbhandari et al., arXiv:1910.02054, section 5)."""
    spread = Spread(data=8, shard=shard)  # type: ignore[arg-type]  # a word of a list is a str, not a Literal
    found = optimizer_bytes(OWN, spread, replace(RECIPE, gradient_bytes=gradient))
    assert found == pytest.approx(OWN.shared / ranks * each, rel=1e-12)


def test_adapters_alone_are_stepped_beside_frozen_weights() -> None:
    found = optimizer_bytes(OWN, Spread(data=8, shard="parameters"), replace(RECIPE, lora_rank=16))
    assert found == pytest.approx(OWN.adapters / 8 * 30.0, rel=1e-12)


@pytest.mark.parametrize(("expert", "expert_tensor", "copies"), [(8, 1, 4), (16, 2, 1), (4, 1, 8)])
def test_experts_are_stepped_by_the_ranks_that_hold_them(expert: int, expert_tensor: int, copies: int) -> None:
    """Of 16 data x 2 tensor ranks of a stage, as many hold an expert as are left when experts are spread."""
    spread = Spread(data=16, tensor=2, expert=expert, expert_tensor=expert_tensor, shard="optimizer")
    own = held(CATALOG.model("qwen3-30b-a3b").architecture, spread, RECIPE, "first")
    assert optimizer_bytes(own, spread, RECIPE) == pytest.approx(
        30.0 * (own.shared / 16 + own.experts / copies), rel=1e-12
    )


@pytest.mark.parametrize(
    ("spread", "ranks", "copies"),
    [
        (Spread(data=16, tensor=2, expert=8), 16, 4),
        (Spread(data=4, tensor=8, expert=2), 4, 16),  # peers of a tensor-parallel group hold the same experts
        (Spread(data=4, tensor=8), 4, 32),
        (Spread(data=16, tensor=2, expert=8, shard_gpus=8), 8, 2),
        (Spread(data=16, expert=16, shard_gpus=8), 8, 1),
    ],
)
def test_states_are_held_stepped_and_fetched_by_the_same_ranks(spread: Spread, ranks: int, copies: int) -> None:
    """Of a stage's ranks, over those that experts are spread over, share an expert out (Megatron's expert data
    parallelism), within hybrid sharding as many as it has; so says the memory, the step, and what comes up."""
    spread = replace(spread, shard="parameters")
    architecture = CATALOG.model("qwen3-30b-a3b").architecture
    own = held(architecture, spread, RECIPE, "first")
    share = own.shared / ranks + own.experts / copies
    assert memory_bytes(architecture, RECIPE, spread).optimizer == pytest.approx(12.0 * share, rel=1e-12)
    assert optimizer_bytes(own, spread, RECIPE) == pytest.approx(30.0 * share, rel=1e-12)
    recipe = replace(RECIPE, offload="parameters")
    passes = 2.0 * recipe.micro_batches(spread) * 2.0 / HOST_BYTE_PER_S
    assert fetched_behind_s(own, spread, recipe) == pytest.approx(passes * share, rel=1e-12)


def test_an_offloaded_optimizer_sends_gradients_down_while_weights_come_up() -> None:
    """Ren et al., arXiv:2101.06840, section 4: no state passes the GPU's memory, and the link is full both ways, so
    that the wider of the two sets the time."""
    spread, recipe = Spread(data=8, shard="parameters"), replace(RECIPE, offload="optimizer")
    moved = optimizer_bytes(OWN, spread, recipe)
    assert moved == pytest.approx(OWN.shared / 8 * (4.0 + 2.0), rel=1e-12)
    here_s = optimizer_s(OWN, moved, H100, STACK, spread, RECIPE)
    for gradient, wider in ((4.0, 4.0), (2.0, 2.0), (1.0, 2.0)):
        taken_s = optimizer_s(OWN, moved, H100, STACK, spread, replace(recipe, gradient_bytes=gradient))
        assert taken_s - here_s == pytest.approx(OWN.shared / 8 * wider / HOST_BYTE_PER_S, rel=1e-9)


def test_offloaded_parameters_come_up_for_both_passes_of_every_micro_batch() -> None:
    """Rajbhandari et al., arXiv:2104.07857; a rank fetches its own share, and gathers the rest from its peers."""
    spread = Spread(data=8, shard="parameters")
    recipe = replace(RECIPE, offload="parameters")
    assert recipe.micro_batches(spread) == 8
    fetched_s = 2 * 8 * OWN.total / 8 * 2.0 / HOST_BYTE_PER_S
    assert fetched_behind_s(OWN, spread, recipe) == pytest.approx(fetched_s, rel=1e-12)
    assert fetched_behind_s(OWN, spread, replace(recipe, offload="optimizer")) == 0.0


def step(**seconds: float) -> StepCost:
    return StepCost(
        seconds=seconds,  # type: ignore[arg-type]  # names of phases
        tokens=1000, model_flop=6e15, hardware_flop=8e15, flop={}, byte=0.0, link_byte={},
        exposed_s={"data": 0.25, "tensor": 0.75},
    )  # fmt: skip


@given(st.floats(1.0, 1e4))
def test_a_step_lasts_as_long_as_its_tokens_take_to_come(rate: float) -> None:
    """Little's law of a loader: no more tokens a second than it delivers, and no wait where it keeps up."""
    slowed = with_loading(step(compute=2.0, communication=1.0), rate)
    assert slowed.step_s == pytest.approx(max(3.0, 1000 / rate), rel=1e-12)
    assert with_loading(slowed, rate).step_s == pytest.approx(slowed.step_s, rel=1e-12)


def test_an_evaluation_is_a_forward_pass_without_gradients_to_sum() -> None:
    """A quarter of the FLOP of a step that recomputes a third of its 6e15, forward 2e12 a token: so much of its time,
    but for the data-parallel part of what is exposed, and the optimizer."""
    cost = step(compute=2.0, communication=1.0, bubble=0.5, optimizer=0.3)
    assert evaluation_s(cost.seconds, cost, 2e12, 1000) == pytest.approx(
        {"compute": 0.5, "bubble": 0.125, "communication": 0.1875}, rel=1e-12
    )
