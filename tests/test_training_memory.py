"""Memory of training: published counts, limits, order, and whether what was really run fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sim.profiles.catalog import Catalog
from sim.profiles.language_models.architecture import Transformer
from sim.profiles.language_models.model import shape
from sim.training.activations import LOGIT_WORDS, activation_bytes, in_flight, per_token
from sim.training.layout import problems
from sim.training.memory import memory_bytes, usable_bytes
from sim.training.parameters import held, stage_layers
from sim.training.terms import Recipe, Recompute, Shard, Spread
from tests.training_runs import megatron, mpt

STEP = Recipe(sequence=2048, global_batch=64, micro_batch=1, precision="bf16")
MODELS = [name for name, path in Catalog().paths().items() if path.parent.name == "models"]
GPUS = {"h100_80gb": "nvidia-h100-sxm-80gb", "a100_80gb": "nvidia-a100-sxm-80gb", "DGX-H100": "nvidia-h100-sxm-80gb"}
GPUS |= {"DGX-B200": "nvidia-b200-sxm-180gb", "DGX-GB200": "nvidia-gb200-186gb"}


def _usable(gpu: str) -> float:
    return usable_bytes(Catalog().gpu(GPUS[gpu]).memory.held_bytes)


def _model(name: str) -> Transformer:
    found = Catalog().model(name).architecture
    assert isinstance(found, Transformer)
    return found


def test_a_parameter_takes_16_bytes() -> None:
    """Mixed precision with Adam: 2 + 2 + 12 with gradients in 16 bits, 18 with those in 32 (Rajbhandari et al.,
    arXiv:1910.02054, section 3.1)."""
    a = _model("gpt-3-175b")
    for gradient, each in ((2.0, 16), (4.0, 18)):
        found = memory_bytes(a, replace(STEP, gradient_bytes=gradient), Spread(data=1))
        assert found.total - found.activations == each * shape(a).parameters


@pytest.mark.parametrize("shard", ["optimizer", "gradients", "parameters"])
def test_zero_of_a_7_5b_model_on_64_gpus(shard: Shard) -> None:
    """31.4, 16.6 and 1.9 GB (arXiv:1910.02054, figure 1), and what is gathered a layer at a time."""
    hidden, layers = 4096, 37
    a = _model("gpt-3-175b").model_copy(
        update={"hidden": hidden, "layers": layers, "heads": 32, "kv_heads": 32, "ffn": 4 * hidden, "positions": 0}
    )
    share = 7.5e9 / shape(a).parameters
    found = memory_bytes(a, replace(STEP, gradient_bytes=2.0), Spread(data=64, shard=shard))
    published = {"optimizer": 31.4e9, "gradients": 16.6e9, "parameters": 1.9e9}[shard]
    layer = 12 * hidden**2
    gathered = {"optimizer": 0, "gradients": 2 * layer, "parameters": (2 + 2 * 2) * layer}[shard]
    assert share * (found.total - found.activations - gathered) == pytest.approx(published, rel=0.02)


def test_a_head_larger_than_a_layer_is_the_largest_thing_gathered() -> None:
    """Two units at once, one at work and the next, of 2 B a weight and 2 of its gradient: the head of a small model
    with many words is the largest unit there is."""
    a, spread = _model("llama-3.2-1b"), Spread(data=64, shard="parameters")
    own = held(a, spread, STEP, "first")
    head = a.vocabulary * a.hidden
    assert head > 3 * own.layer
    found = memory_bytes(a, STEP, spread)
    assert found.weights == pytest.approx(2.0 * (own.shared / 64 + 2 * head), rel=1e-12)
    assert found.gradients == pytest.approx(STEP.gradient_bytes * own.shared / 64 + 2.0 * head, rel=1e-12)


@pytest.mark.parametrize("tensor", [1, 8])
def test_logits_are_cut_among_tensor_parallel_ranks(tensor: int) -> None:
    """A word more costs each rank its share of a logit of every token (vocabulary-parallel head, Shoeybi et al.,
    arXiv:1909.08053, section 3)."""
    a, spread = _model("llama-3.1-8b"), Spread(data=1, tensor=tensor)
    wider = a.model_copy(update={"vocabulary": 2 * a.vocabulary})
    few, many = (activation_bytes(one, spread, STEP, "last", held(one, spread, STEP, "last")) for one in (a, wider))
    assert many - few == pytest.approx(2048 * LOGIT_WORDS * 4.0 * a.vocabulary / tensor, rel=1e-9)


def test_a_gpt_layer_keeps_what_korthikanti_counts() -> None:
    """34 s b h + 5 a s² b (arXiv:2205.05198, equation 1): without the masks of two dropouts, s b h each, and of the
    scores, their softmax and its mask the 4 bytes a row that one kernel keeps."""
    a = _model("gpt-3-175b")
    found = per_token(a, STEP, experts=False)
    assert found.whole + found.cut == (34 - 2) * a.hidden + 4 * a.heads
    assert found.cheap_whole + found.cheap_cut == (2 + 2 + 8) * a.hidden + 4 * a.heads  # norms, GeLU


@given(tensor=st.sampled_from([1, 2, 4, 8, 16, 32]), shared=st.booleans())
def test_tensor_parallel_ranks_share_what_korthikanti_says(tensor: int, shared: bool) -> None:
    """s b h (10 + 24 / t) and, sharing the sequence, s b h 34 / t (equations 2 and 4): of 34, the two masks, two norms'
    inputs and two networks' inputs are whole on every rank."""
    a = _model("gpt-3-175b")
    spread = Spread(data=1, tensor=tensor, sequence_parallel=shared and tensor > 1)
    kept = per_token(a, STEP, experts=False).on(spread, STEP)
    published = 34 / tensor - 2 / tensor if spread.sequence_parallel else 10 - 2 + 24 / tensor
    assert kept == pytest.approx(published * a.hidden + 4 * a.heads / tensor)


@given(p=st.integers(2, 16), v=st.integers(2, 8), groups=st.integers(2, 4))
def test_interleaving_keeps_more(p: int, v: int, groups: int) -> None:
    """1 + (p - 1) / (p v) times as much as p micro-batches (arXiv:2205.05198, section 4.2.3), and the last least."""
    plain, chunked = Spread(data=1, pipeline=p), Spread(data=1, pipeline=p, chunks=v)
    assert in_flight(plain, groups * p, "first") == p
    assert in_flight(chunked, groups * p, "first") == pytest.approx(p * (1 + (p - 1) / (p * v)))
    assert in_flight(plain, groups * p, "last") == 1
    assert in_flight(chunked, groups * p, "last") == pytest.approx(p - (p - 1) / v)
    assert in_flight(plain, groups * p, "second") == p - 1
    assert in_flight(chunked, groups * p, "second") == pytest.approx(in_flight(chunked, groups * p, "first") - 2 / v)
    assert in_flight(chunked, 1, "first") == 1


@given(
    name=st.sampled_from(MODELS),
    data=st.sampled_from([1, 2, 8, 64]),
    expert=st.sampled_from([1, 4]),
    rank=st.none() | st.integers(1, 64),
    gradient=st.sampled_from([2.0, 4.0]),
)
def test_stages_of_zero_order_memory(name: str, data: int, expert: int, rank: int | None, gradient: float) -> None:
    """Each shares out more than the one before, and nothing where there is nobody to share with."""
    a = Catalog().model(name).architecture
    expert = expert if shape(a).experts and data >= expert else 1
    step = replace(STEP, lora_rank=rank, gradient_bytes=gradient)
    shards: tuple[Shard, ...] = ("none", "optimizer", "gradients", "parameters")
    totals = [memory_bytes(a, step, Spread(data=data, expert=expert, shard=shard)).total for shard in shards]
    assert totals == pytest.approx(sorted(totals, reverse=True), rel=1e-12)
    assert (totals[0] > totals[1] * 1.0000001) == (data > 1)
    assert (totals[2] > totals[3] * 1.0000001) == (data > 1)


@given(name=st.sampled_from(MODELS), tensor=st.sampled_from([1, 2, 4]), mtp=st.integers(0, 1))
def test_recomputing_orders_activations(name: str, tensor: int, mtp: int) -> None:
    """And nothing else."""
    a = Catalog().model(name).architecture
    spread = Spread(data=1, tensor=tensor, sequence_parallel=tensor > 1)
    hows: tuple[Recompute, ...] = ("none", "selective", "full")
    steps = [replace(STEP, recompute=how, mtp_modules=mtp) for how in hows]
    none, selective, full = (memory_bytes(a, step, spread) for step in steps)
    assert none.activations > selective.activations > full.activations
    assert none.weights == selective.weights == full.weights


@given(name=st.sampled_from(MODELS), pipeline=st.integers(1, 16), chunks=st.integers(1, 3), mtp=st.integers(0, 1))
def test_stages_hold_the_model(name: str, pipeline: int, chunks: int, mtp: int) -> None:
    """No stage more than the model; the largest at least its share of it."""
    a = Catalog().model(name).architecture
    spread, step = (
        Spread(data=1, pipeline=pipeline, chunks=chunks if pipeline > 1 else 1),
        replace(STEP, mtp_modules=mtp),
    )
    assume(spread.pipeline * spread.chunks <= a.layers)
    first, last = stage_layers(a, spread, step, "first"), stage_layers(a, spread, step, "last")
    moe = shape(a).moe_layers
    for layers, sparse in (first, last):
        assert 1 <= layers <= a.layers
        assert 0 <= sparse <= min(layers, moe)
    assert pipeline * max(first[0], last[0]) >= a.layers - 2 * pipeline


def test_dense_layers_in_front_leave_experts_to_the_second_stage() -> None:
    """DeepSeek-V3 in 16 stages: the first has the embedding and three dense layers, the second four with experts, whose
    weights, gradients and optimizer outweigh the activations of one more micro-batch."""
    a, spread = _model("deepseek-v3"), Spread(data=16, pipeline=16, expert=4, shard="optimizer")
    step = replace(STEP, mtp_modules=1)
    assert stage_layers(a, spread, step, "first") == (3, 0)
    assert stage_layers(a, spread, step, "second") == (4, 4)
    second = held(a, spread, step, "second")
    assert second.experts == 4 * 64 * 3 * 7168 * 2048
    assert memory_bytes(a, step, spread).weights == 2.0 * second.total


@pytest.mark.parametrize("name", MODELS)
def test_one_gpu_holds_every_parameter(name: str) -> None:
    """To the rounding of a model of which only counts are known."""
    a = Catalog().model(name).architecture
    found = held(a, Spread(data=1), STEP, "first")
    slack = 1e-3 if a.kind == "parameters" else 1e-9
    known = shape(a).parameters if a.kind == "transformer" else found.total
    assert found.total == pytest.approx(known, rel=slack)
    cut = held(a, Spread(data=1, tensor=2), STEP, "first")
    assert cut.experts == found.experts
    assert found.shared / 2 <= cut.shared < found.shared * 0.62  # routers and what leads into latent spaces is whole


@given(context=st.sampled_from([1, 2, 4, 8]), micro=st.sampled_from([1, 2, 4]))
def test_activations_go_with_the_tokens_of_a_rank(context: int, micro: int) -> None:
    """Context parallelism divides them, a larger micro-batch multiplies them."""
    a = _model("llama-3.1-8b")
    spread, step = Spread(data=1, context=context), replace(STEP, micro_batch=micro)
    whole = activation_bytes(a, Spread(data=1), STEP, "first", held(a, Spread(data=1), STEP, "first"))
    found = activation_bytes(a, spread, step, "first", held(a, spread, step, "first"))
    assert found == pytest.approx(whole * micro / context)


def test_offloading_moves_bytes_to_the_host() -> None:
    """What leaves the GPU is found there, none is lost."""
    a, spread = _model("llama-3.1-8b"), Spread(data=8, shard="parameters")
    whole = memory_bytes(a, STEP, spread)
    some = memory_bytes(a, replace(STEP, offload="optimizer"), spread)
    most = memory_bytes(a, replace(STEP, offload="parameters"), spread)
    assert whole.total > some.total > most.total
    for found in (whole, some, most):
        assert found.total + found.host == pytest.approx(whole.total)


def test_adapters_need_no_gradients_of_frozen_weights() -> None:
    """The weights remain, the rest goes with the rank."""
    a = _model("llama-3.1-70b")
    whole, small, large = (memory_bytes(a, replace(STEP, lora_rank=r), Spread(data=8)) for r in (None, 8, 16))
    assert 1.0 < small.weights / whole.weights < 1.005
    assert small.gradients + small.optimizer < 0.01 * (whole.gradients + whole.optimizer)
    assert large.gradients == pytest.approx(2 * small.gradients)


def test_llama_70b_does_not_fit_one_node_unshared() -> None:
    """70.6 B parameters at 18 bytes are 1.27 TB; 8 GPUs hold 0.68 TB, and each needs all of it."""
    found = memory_bytes(_model("llama-3.1-70b"), STEP, Spread(data=8))
    assert found.total > 1.27e12
    assert found.total > _usable("DGX-H100")
    assert f"= {found.total / 1e9:.1f} GB" in found.arithmetic()


@pytest.mark.shared_data
def test_every_measured_fsdp_run_fits(shared_data: Path) -> None:
    """Recomputation as stated. The models are the ones measured, to the parameter; some runs fill a GPU to 98 %."""
    fullest = 0.0
    for run in mpt(shared_data):
        assert shape(run.architecture).parameters == int(run.row["parameters"])
        assert not problems(run.architecture, run.spread, run.recipe, run.gpus)
        usable = _usable(run.row["gpu"])
        found = memory_bytes(run.architecture, run.recipe, run.spread)
        assert found.total <= usable, (run.row, found.arithmetic())
        fullest = max(fullest, found.total / usable)
    assert fullest > 0.95


@pytest.mark.shared_data
def test_every_measured_megatron_run_fits(shared_data: Path) -> None:
    """The table does not say what is recomputed: 70 of 83 fit as they are, six more if what is cheap is computed again
    (DeepSeek-V3's recipes do that), and the last with full recomputation. Those are six of FSDP with micro-batches of
    2, whose recipe keeps activations on the host instead, and one of gpt-oss on 80 GB with micro-batches of 4."""
    policies: tuple[Recompute, ...] = ("none", "selective", "full")
    needed: dict[Recompute, list[tuple[str, str]]] = {policy: [] for policy in policies}
    for run in megatron(shared_data):
        usable = _usable(run.row["system"])
        least = next(
            policy
            for policy in policies
            if memory_bytes(run.architecture, replace(run.recipe, recompute=policy), run.spread).total <= usable
        )
        needed[least].append((run.row["model"].split(" (")[0], run.row["system"]))
    assert {policy: len(runs) for policy, runs in needed.items()} == {"none": 70, "selective": 6, "full": 7}
    assert set(needed["full"]) == {("LLAMA3_70B", "DGX-GB200"), ("GPT OSS 120B", "DGX-H100")}
