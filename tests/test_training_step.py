"""The time of a training step: its limits, its parts, what batches and recomputation do to it, and how few constants
it has."""

from __future__ import annotations

from dataclasses import asdict, replace
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.measure.fit.training_fit import FSDP_FORM, MEGATRON_FORM, SOFT
from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import Transformer
from sim.quantities import Quantity
from sim.training.communication import HIDING
from sim.training.compute import cooled, kernels, lacking
from sim.training.flops import training_flops
from sim.training.pipeline import bubble_s, slowest_stage_s
from sim.training.stack import TrainingStack, training_stack
from sim.training.step import step_cost
from sim.training.terms import Recipe, Spread, StepCost
from sim.training.topology import Island, Network, Switched, Tier, switched
from sim.training.work import Work, work_of

CATALOG = Catalog()
H100 = CATALOG.gpu("nvidia-h100-sxm-80gb")
B200 = CATALOG.gpu("nvidia-b200-sxm-180gb")
LLAMA_8B = CATALOG.model("llama-3.1-8b").architecture
LLAMA_70B = CATALOG.model("llama-3.1-70b").architecture
QWEN = CATALOG.model("qwen3-30b-a3b").architecture
STACKS = [training_stack(CATALOG.training_stack(name)) for name in ("megatron-2026", "fsdp-2024")]
MEGATRON, FSDP = STACKS
ENDLESS = 1e30
"""B/s."""
RECIPE = Recipe(sequence=4096, global_batch=64, micro_batch=1, precision="bf16")


def nodes(gpus: int, byte_per_s: float = 450e9, port: float = 50e9, latency_s: float = 2e-6) -> Switched:
    network = Network(port, latency_s, 0.0, 1e-12, (Tier(32, 1.0),), rails=True)
    return switched(gpus, Island(8, byte_per_s, 1e-12), network if gpus > 8 else None)


def cost(stack: TrainingStack, spread: Spread, recipe: Recipe = RECIPE, **other: object) -> StepCost:
    architecture = other.get("architecture", LLAMA_8B)
    topology = other.get("topology", nodes(spread.gpus))
    return step_cost(architecture, H100, topology, stack, spread, recipe)  # type: ignore[arg-type]  # the others are objects by their names


def mfu(found: StepCost, gpus: int) -> float:
    return found.model_flop / found.step_s / gpus / float(H100.peak["bf16"].value)


@pytest.mark.parametrize("stack", STACKS)
def test_one_gpu_has_no_communication_no_bubble_and_nobody_to_wait_for(stack: TrainingStack) -> None:
    found = cost(stack, Spread(data=1))
    assert found.seconds["communication"] == found.seconds["bubble"] == found.seconds["straggler"] == 0.0
    assert sum(found.link_byte.values()) == 0.0
    assert found.step_s == found.seconds["compute"] + found.seconds["optimizer"]


def test_infinite_bandwidth_leaves_computation() -> None:
    spread = Spread(data=4, tensor=4, shard="optimizer", sequence_parallel=True)
    library = replace(MEGATRON, latency=0.0, straggling=0.0)
    free = cost(library, spread, topology=nodes(16, ENDLESS, ENDLESS, 0.0))
    assert free.seconds["communication"] < 1e-12 * free.step_s
    assert free.step_s == pytest.approx(free.seconds["compute"] + free.seconds["optimizer"], rel=1e-12)
    assert cost(library, spread).seconds["compute"] == free.seconds["compute"]
    assert cost(library, spread).step_s > free.step_s


@given(p=st.sampled_from([2, 4, 8]), v=st.sampled_from([1, 2]), m=st.sampled_from([8, 16, 64]))
def test_the_bubble_of_the_ideal_schedule(p: int, v: int, m: int) -> None:
    """Equal stages, a head that holds up nobody: (p - 1) / (v m) of what micro-batches take."""
    ideal = replace(MEGATRON, head_imbalance=0.0, data_exposed=0.0)
    found = cost(ideal, Spread(data=1, pipeline=p, chunks=v), replace(RECIPE, global_batch=m))
    assert found.seconds["bubble"] == pytest.approx((p - 1) / (v * m) * found.seconds["compute"], rel=1e-12)
    assert bubble_s(1.0, p, v) == (p - 1) / v


def test_a_stage_is_never_faster_than_the_mean_and_the_head_holds_up_the_others() -> None:
    spread = Spread(data=1, pipeline=4)
    mean = slowest_stage_s(32.0, 0.0, 32, spread, 0, 1.0)
    assert mean == 8.0
    assert slowest_stage_s(34.0, 2.0, 32, spread, 0, 1.0) == 8.0 + 2.0
    # Where embedding and head stand for a layer each, the last stage of 30 layers has 7 of them and the head.
    assert slowest_stage_s(31.0, 1.0, 30, spread, 0, 1.0) == 8.0


@pytest.mark.parametrize("stack", STACKS)
@given(
    data=st.sampled_from([1, 2, 8, 32]),
    tensor=st.sampled_from([1, 2, 4]),
    pipeline=st.sampled_from([1, 4]),
    micro=st.sampled_from([1, 2, 4]),
    steps=st.sampled_from([4, 8, 32]),
)
def test_doubling_the_batch_never_lowers_mfu(
    stack: TrainingStack, data: int, tensor: int, pipeline: int, micro: int, steps: int
) -> None:
    shard = "parameters" if pipeline == 1 else "optimizer"
    spread = Spread(data, tensor, pipeline, shard=shard, sequence_parallel=tensor > 1)  # type: ignore[arg-type]  # a drawn word is a str, not a Literal
    recipe = replace(RECIPE, global_batch=data * micro * steps, micro_batch=micro)
    own = mfu(cost(stack, spread, recipe), spread.gpus)
    more_micro_batches = replace(recipe, global_batch=2 * recipe.global_batch)
    assert mfu(cost(stack, spread, more_micro_batches), spread.gpus) >= own * (1 - 1e-12)
    larger = replace(more_micro_batches, micro_batch=2 * micro)
    assert mfu(cost(stack, spread, larger), spread.gpus) >= own * (1 - 1e-12)


@pytest.mark.parametrize("stack", STACKS)
def test_recomputation_raises_hfu_and_not_mfu(stack: TrainingStack) -> None:
    spread = Spread(data=8, shard="parameters")
    none, full = (cost(stack, spread, replace(RECIPE, recompute=r)) for r in ("none", "full"))
    assert full.model_flop == none.model_flop
    assert full.step_s > none.step_s
    assert full.hardware_flop / full.step_s > none.hardware_flop / none.step_s
    assert 0.0 < full.recompute_s < full.seconds["compute"]
    assert none.recompute_s == 0.0


@pytest.mark.parametrize("stack", STACKS)
def test_parts_are_disjoint_and_add_up(stack: TrainingStack) -> None:
    spread = Spread(
        data=4, tensor=2, pipeline=2, context=2, expert=8, chunks=2, shard="optimizer", sequence_parallel=True
    )
    found = cost(stack, spread, architecture=QWEN)
    assert all(seconds >= 0.0 for seconds in found.seconds.values())
    assert found.seconds["communication"] == pytest.approx(sum(found.exposed_s.values()), rel=1e-12)
    assert set(found.exposed_s) == set(found.hidden_s)
    assert all(hidden >= 0.0 for hidden in found.hidden_s.values())
    assert found.seconds["straggler"] == pytest.approx(
        stack.straggling * log(spread.gpus) * (found.step_s - found.seconds["straggler"]), rel=1e-12
    )
    assert found.memory_s <= found.seconds["compute"]
    assert found.optimizer_byte < found.byte


def test_what_kernels_compute_is_what_the_architecture_needs() -> None:
    """But for a fifth matrix product of attention's backward pass and rows that fill up experts' tiles: an expert of
    128 with 8 of 32,768 tokens' choices has 2,048 rows, and half a tile of 128 is 3 % of those."""
    recipe = replace(RECIPE, micro_batch=8)
    for architecture in (LLAMA_8B, LLAMA_70B, QWEN):
        work = work_of(architecture, Spread(data=1), recipe)
        needed = training_flops(architecture, recipe).hardware * recipe.micro_batch * recipe.sequence
        assert needed < kernels(work, H100, MEGATRON, recipe).flop < 1.08 * needed


@given(tensor=st.sampled_from([1, 2, 4, 8]), context=st.sampled_from([1, 2]))
def test_a_gpu_of_a_group_has_its_share_of_the_work(tensor: int, context: int) -> None:
    spread = Spread(data=1, tensor=tensor, context=context, sequence_parallel=tensor > 1)
    whole = kernels(work_of(LLAMA_8B, Spread(data=1), RECIPE), H100, MEGATRON, RECIPE)
    part = kernels(work_of(LLAMA_8B, spread, RECIPE), H100, MEGATRON, RECIPE)
    assert part.flop == pytest.approx(whole.flop / (tensor * context), rel=1e-9)
    assert whole.seconds / (tensor * context) <= part.seconds < whole.seconds or tensor * context == 1


def test_frozen_weights_cost_no_gradients() -> None:
    adapters = kernels(work_of(LLAMA_8B, Spread(data=1), replace(RECIPE, lora_rank=16)), H100, MEGATRON, RECIPE)
    whole = kernels(work_of(LLAMA_8B, Spread(data=1), RECIPE), H100, MEGATRON, RECIPE)
    assert adapters.products_s == pytest.approx(2.0 / 3.0 * whole.products_s, rel=0.03)
    assert adapters.attention_s == whole.attention_s


def test_memory_holds_back_the_faster_board() -> None:
    """Of products eight times as fast and of memory 2.4 times, less than half of the gain is left in 4 bits."""
    small = replace(RECIPE, precision="nvfp4")
    work = work_of(LLAMA_8B, Spread(data=1), small)
    slow, fast = (
        kernels(work_of(LLAMA_8B, Spread(data=1), RECIPE), H100, MEGATRON, RECIPE),
        kernels(work, B200, MEGATRON, small),
    )
    assert slow.products_s / fast.products_s > slow.seconds / fast.seconds
    assert fast.memory_s / fast.seconds > slow.memory_s / slow.seconds


def test_more_gpus_wait_longer_for_the_slowest_and_for_gradients() -> None:
    per_gpu = [
        cost(FSDP, Spread(data=n, shard="parameters"), replace(RECIPE, global_batch=n)).step_s for n in (8, 64, 512)
    ]
    assert per_gpu == sorted(per_gpu)


def test_hybrid_sharding_gathers_within_the_node() -> None:
    """Six bytes of a parameter pass every GPU's neighbour, one in eight of them in another node."""
    recipe = replace(RECIPE, gradient_bytes=2.0)
    everywhere = cost(FSDP, Spread(data=64, shard="parameters"), recipe)
    within = cost(FSDP, Spread(data=64, shard="parameters", shard_gpus=8), recipe)
    assert within.link_byte["network"] < everywhere.link_byte["network"]


def test_offload_takes_time() -> None:
    spread = Spread(data=8, shard="parameters")
    steps = [cost(FSDP, spread, replace(RECIPE, offload=o)) for o in ("none", "optimizer", "parameters")]
    assert steps[0].seconds["optimizer"] < steps[1].seconds["optimizer"]
    assert steps[0].exposed_s["host"] == 0.0 < steps[2].exposed_s["host"]


def test_a_stack_of_another_year_is_slower_where_it_launches() -> None:
    older = MEGATRON.as_of(MEGATRON.year - 1.0)
    assert older.layer_s > MEGATRON.layer_s
    assert older.as_of(MEGATRON.year).layer_s == pytest.approx(MEGATRON.layer_s, rel=1e-12)
    assert (
        cost(older, Spread(data=8), architecture=QWEN).step_s > cost(MEGATRON, Spread(data=8), architecture=QWEN).step_s
    )


def test_software_before_the_first_release_is_slower_by_a_rate_of_its_own_and_comes_back() -> None:
    first, early = MEGATRON.as_of(MEGATRON.first_year), MEGATRON.as_of(MEGATRON.first_year - 3.0)
    assert first.compute16 == MEGATRON.compute16
    assert log(first.compute16 / early.compute16) == pytest.approx(3.0 * MEGATRON.kernel_progress, rel=1e-12)
    assert log(early.layer_s / first.layer_s) == pytest.approx(3.0 * MEGATRON.kernel_progress, rel=1e-12)
    back = early.as_of(MEGATRON.year)
    for name in ("compute16", "compute8", "attention", "passes", "layer_s", "expert_passes"):
        assert getattr(back, name) == pytest.approx(getattr(MEGATRON, name), rel=1e-12)


def test_a_board_with_more_watts_for_its_peak_achieves_more_of_it_until_its_limit_holds_it_no_longer() -> None:
    def with_limit(watts: float) -> float:
        board = H100.model_copy(update={"tdp": H100.tdp.model_copy(update={"value": Quantity(watts)})})
        return cooled(board, MEGATRON.watt_exponent, MEGATRON.unthrottled)

    shares = [with_limit(watts) for watts in (350.0, 700.0, 800.0, 1400.0, 2800.0)]
    assert shares[0] < shares[1] < shares[2] < shares[3] == shares[4] == MEGATRON.unthrottled
    assert shares[1] == pytest.approx(1.0, rel=1e-3)


@given(times=st.integers(1, 8))
def test_what_is_handled_of_routed_rows_is_no_wider_than_the_model(times: int) -> None:
    """All that wider experts add passes as a dense network's activations do."""
    assert isinstance(QWEN, Transformer)
    assert QWEN.moe is not None
    spread = Spread(data=8, expert=8)

    def counted(width: int) -> Work:
        wide = QWEN.moe.model_copy(update={"ffn": width})  # type: ignore[union-attr]  # asserted above
        return work_of(QWEN.model_copy(update={"moe": wide}), spread, RECIPE)

    narrow, as_wide, wider = (counted(width) for width in (QWEN.hidden // 2, QWEN.hidden, times * QWEN.hidden))
    assert as_wide.routed_values == wider.routed_values == pytest.approx(2.0 * narrow.routed_values, rel=1e-12)
    assert wider.values - as_wide.values == pytest.approx((times - 1) * as_wide.routed_values, rel=1e-9, abs=1.0)


def test_scalar_units_are_not_throttled_as_matrix_units_are() -> None:
    # A B200 has 75 TFLOP/s in 32 bits where an H100 has 67, and both less than their limits let through.
    recipe = replace(RECIPE, precision="fp32", global_batch=8)
    taken = [
        step_cost(LLAMA_8B, gpu, nodes(8), MEGATRON, Spread(8, shard="parameters"), recipe) for gpu in (H100, B200)
    ]
    assert taken[1].seconds["compute"] < taken[0].seconds["compute"]


def test_boards_that_cannot_be_costed_are_named() -> None:
    a100 = CATALOG.gpu("nvidia-a100-sxm-80gb")
    assert lacking(H100, RECIPE) is None
    assert "fp8" in str(lacking(a100, replace(RECIPE, precision="fp8")))
    assert "chip" in str(lacking(CATALOG.gpu("google-tpu-v5e"), RECIPE))


def test_few_constants_and_efficiencies_below_one() -> None:
    """Fitted ones of both stacks, those of their fields that are held, and those of the law and of the fit."""
    held = {name for form in (MEGATRON_FORM, FSDP_FORM) for name in form.held if name != "year"}
    constants = (
        len(MEGATRON_FORM.fitted) + len(FSDP_FORM.fitted) + len(held - set(MEGATRON_FORM.fitted)) + len([HIDING, SOFT])
    )
    assert constants <= 40
    assert {*MEGATRON_FORM.fitted, *MEGATRON_FORM.held, "attention_watt_exponent"} == set(asdict(MEGATRON))
    assert {*FSDP_FORM.fitted, *FSDP_FORM.held} == set(asdict(FSDP))
    for form in (MEGATRON_FORM, FSDP_FORM):
        for name, prior in form.fitted.items():
            assert prior.low < prior.value < prior.high
            assert prior.high < 1.0 or name in {
                "attention_watt_exponent", "expert_passes", "layer_s", "latency", "logit_bytes", "passes", "progress",
                "straggling", "watt_exponent", "tensor_exposed", "expert_exposed", "data_exposed", "head_imbalance",
            }  # fmt: skip
    for stack in STACKS:
        for name in (
            "compute16",
            "compute8",
            "compute4",
            "attention",
            "memory",
            "link_efficiency",
            "network_efficiency",
        ):
            assert 0.0 < getattr(stack, name) < 1.0
