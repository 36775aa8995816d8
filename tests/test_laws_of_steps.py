"""A training step counted twice: by kernels and by formula, by layers and by differences, and NCCL's own tables."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import Transformer
from sim.training.activations import LOGIT_WORDS, activation_bytes
from sim.training.collectives import cost
from sim.training.compute import kernels
from sim.training.flops import forward_flop
from sim.training.layout import problems
from sim.training.memory import WEIGHT_BYTES
from sim.training.parameters import held
from sim.training.protocols import RING, SWITCH, TREE, Library
from sim.training.stack import training_stack
from sim.training.terms import Recipe, Recompute, Spread
from sim.training.topology import Island, Network, Tier, switched
from sim.training.work import work_of

CATALOG = Catalog()
RECIPE = Recipe(sequence=2048, global_batch=64, micro_batch=2, precision="bf16")
ALONE = Spread(data=1)
H100 = CATALOG.gpu("nvidia-h100-sxm-80gb")
STACK = training_stack(CATALOG.training_stack("megatron-2026"))


def model(name: str) -> Transformer:
    found = CATALOG.model(name).architecture
    assert isinstance(found, Transformer)
    return found


@pytest.mark.parametrize("rank", [None, 16])
@pytest.mark.parametrize("recompute", ["none", "selective", "full"])
@pytest.mark.parametrize("name", ["gpt-3-175b", "llama-3.1-8b", "llama-3.1-70b"])
def test_kernels_multiply_what_the_formula_counts(name: str, recompute: Recompute, rank: int | None) -> None:
    """Forward, the gradient of the input and that of weights (unless they are frozen); layers once more under full
    recomputation, but for the last product of each, whose output no gradient needs."""
    a, recipe = model(name), replace(RECIPE, recompute=recompute, lora_rank=rank)
    p = work_of(a, ALONE, recipe).products
    multiplied = float((2.0 * p[:, 0] * p[:, 1] * p[:, 2] * p[:, 3] * (p[:, 4] + 1.0 + p[:, 5])).sum())
    forward = forward_flop(a, recipe.sequence)
    each = 3.0 if rank is None else 2.0
    expected = each * (forward.products + forward.head)
    if recompute == "full":
        assert a.ffn is not None
        expected += forward.products - 2.0 * a.layers * a.ffn * a.hidden
    assert multiplied == pytest.approx(recipe.micro_batch * recipe.sequence * expected, rel=1e-12)


@pytest.mark.parametrize("tensor", [2, 8])
def test_tensor_parallel_ranks_share_the_products_out(tensor: int) -> None:
    a = model("llama-3.1-70b")
    whole, part = (work_of(a, Spread(data=1, tensor=t), RECIPE).products for t in (1, tensor))
    flop = [float((p[:, 0] * p[:, 1] * p[:, 2] * p[:, 3]).sum()) for p in (whole, part)]
    assert flop[1] == pytest.approx(flop[0] / tensor, rel=1e-12)


@pytest.mark.parametrize("name", ["llama-3.1-8b", "qwen3-30b-a3b"])
def test_a_larger_vocabulary_is_the_head_s_alone(name: str) -> None:
    """Twice the words: what a micro-batch takes longer is what its head takes longer."""
    a = model(name)
    small, large = (
        kernels(work_of(a.model_copy(update={"vocabulary": n}), ALONE, RECIPE), H100, STACK, RECIPE)
        for n in (65_536, 131_072)
    )
    assert large.seconds - small.seconds == pytest.approx(large.head_s - small.head_s, rel=1e-9)
    assert large.head_s == pytest.approx(2.0 * small.head_s, rel=0.01)


def test_a_module_that_predicts_a_token_keeps_what_a_layer_keeps_and_a_head_and_its_inputs() -> None:
    """DeepSeek-V3 (arXiv:2412.19437, figure 3): a block, a shared head, and two normed inputs that are joined: three
    hidden states of 16 bits; the head's norm keeps two, and logits are kept as they are of the last layer."""
    a = model("deepseek-v3")

    def kept(of: Transformer, modules: int) -> float:
        recipe = replace(RECIPE, mtp_modules=modules)
        return activation_bytes(of, ALONE, recipe, "first", held(of, ALONE, recipe, "first"))

    tokens = RECIPE.micro_batch * RECIPE.sequence
    layer = kept(a.model_copy(update={"layers": a.layers + 1}), 0) - kept(a, 0)
    beside = tokens * ((2 + 3) * 2.0 * a.hidden + LOGIT_WORDS * 4.0 * a.vocabulary)
    for modules in (1, 2):
        assert kept(a, modules) - kept(a, 0) == pytest.approx(modules * (layer + beside), rel=1e-9)


def test_weights_in_blocks_carry_their_scales_for_rows_and_for_columns() -> None:
    """MXFP8: 8 bits and 8 for 32 values, twice (OCP Microscaling Formats v1.0); NVFP4: 4 bits and 8 for 16 values,
    twice, beside the 16 bits that are rounded anew each step."""
    bits = {"bf16": 16, "fp8": 2 * 8, "mxfp8": 2 * (8 + 8 / 32), "nvfp4": 16 + 2 * (4 + 8 / 16)}
    assert {name: 8 * WEIGHT_BYTES[name] for name in bits} == bits  # type: ignore[index]  # names of precisions


@pytest.mark.parametrize(("layers", "pipeline", "modules"), [(31, 7, 0), (61, 11, 1)])
def test_a_number_of_stages_that_is_proposed_is_taken(layers: int, pipeline: int, modules: int) -> None:
    """They divide the layers, or these with the embedding or the head or both counted as one."""
    a, recipe = model("deepseek-v3").model_copy(update={"layers": layers}), replace(RECIPE, mtp_modules=modules)
    spread = Spread(data=1, pipeline=pipeline)
    (said,) = (text for field, text in problems(a, spread, recipe, spread.gpus) if field == "pipeline")
    proposed = said.split("so many do: ")[1].split(";")[0].split(", ")
    assert len(proposed) == 4
    for stages in map(int, proposed):
        fits = replace(spread, pipeline=stages)
        assert not [text for field, text in problems(a, fits, recipe, fits.gpus) if field == "pipeline"], stages


@pytest.mark.parametrize("islands", [2, 4, 16])
def test_a_tree_sends_the_buffer_up_and_down_all_but_once(islands: int) -> None:
    """Of k islands k - 1 edges carry it up and down, half by each of two trees: 2 (k - 1) / k of it leave an island in
    the mean, as in a ring, with what Simple leaves of a tree's bandwidth (0.92, NCCL's tuning)."""
    port = 1e9
    network = Network(port, 2e-6, 3e-7, 0.0, (Tier(64, 1.0),), rails=True)
    reach = switched(8 * islands, Island(8, 450e9, 0.0), network).reach(8 * islands, 1)
    byte = 1e13
    took = {name: cost("all-reduce", byte, reach, Library(1.0, 1.0), name).seconds for name in ("tree", "hierarchical")}
    expected_s = 2.0 * (islands - 1) / islands * byte / (8 * port)
    assert took["tree"] == pytest.approx(expected_s / 0.92, rel=1e-3)
    # Scattered and gathered within, 7/8 of the buffer each, and an eighth of it by each port between.
    assert took["hierarchical"] == pytest.approx(expected_s + 2.0 * 7.0 / 8.0 * byte / 450e9, rel=1e-3)


def test_latencies_and_shares_are_nccls() -> None:
    """us of NCCL 2.28, src/graph/tuning.cc: baseLatencies, and hwLatencies of NVLINK, NET and PCI, of LL, LL128 and
    Simple; of a bandwidth LL keeps 1/3.8 in a tree, LL128 120 of 128 bytes, a tree 0.92 of Simple's."""
    us = {
        "tree": ([6.8, 14.0, 8.4], [0.6, 1.25, 4.0], [5.0, 8.5, 14.0], [1.0, None, 4.0]),
        "ring": ([6.6, 14.0, 8.4], [0.6, 1.9, 3.4], [2.7, 4.0, 14.0], [1.0, None, 5.7]),
    }
    for name, protocols in (("tree", TREE), ("ring", RING)):
        launch, link, network, pcie = us[name]
        assert [1e6 * one.launch_s for one in protocols] == pytest.approx(launch)
        assert [1e6 * one.link_s for one in protocols] == pytest.approx(link)
        assert [1e6 * one.network_s for one in protocols] == pytest.approx(network)
        assert [one.pcie_s and round(1e6 * one.pcie_s, 6) for one in protocols] == pcie
    (switch,) = SWITCH
    assert (switch.launch_s, switch.link_s, switch.network_s) == pytest.approx((0.0, 25e-6, 14e-6))
    assert [one.share for one in TREE] == pytest.approx([1 / 3.8, 0.92 * 120 / 128, 0.92])
    assert [one.share for one in RING][1:] == pytest.approx([0.92, 1.0])
