"""Which layouts of a training job there can be: what Megatron and FSDP would refuse to start, each reason named.

Rules follow from what is cut: heads and widths into tensor-parallel parts, layers into stages and chunks, experts over
ranks, a sequence over ranks in pairs of equal causal work, a global batch into micro-batches. Layers need not divide
evenly: embedding and head may each stand for a layer (Megatron's ``account_for_embedding_in_pipeline_split`` and
``account_for_loss_in_pipeline_split``), and so do modules that predict further tokens.
"""

from __future__ import annotations

from collections.abc import Iterator

from sim.profiles.language_models.architecture import ParameterCounts, Transformer
from sim.training.terms import Recipe, Spread

Problem = tuple[str, str]
"""The field of ``Spread`` or ``Recipe`` it is about, and what is wrong and what would be right."""

SPARE_SLOTS = 2
"""Embedding and head, each in the place of a layer."""


def problems(
    architecture: Transformer | ParameterCounts, spread: Spread, recipe: Recipe, gpus: int, *, uneven: bool = False
) -> list[Problem]:
    """All that is wrong with a layout on a gang of ``gpus``; ``uneven`` stages may differ by a layer."""
    found: list[Problem] = [*_gang(spread, gpus)]
    found += _tensor(architecture, spread)
    found += _pipeline(architecture, spread, recipe, uneven=uneven)
    found += _context(spread, recipe)
    found += _experts(architecture, spread)
    found += _batch(spread, recipe)
    found += _sharding(spread, recipe)
    found += _adapters(architecture, recipe)
    return found


def stage_slots(layers: int, spread: Spread, mtp_modules: int) -> tuple[int, int]:
    """Layers, or what stands for one, of each chunk, and how many of ``SPARE_SLOTS`` stand for one.

    As few as make the chunks equal; where none do, both are counted and some chunks are short of a layer.
    """
    chunks = spread.pipeline * spread.chunks
    for spare in range(SPARE_SLOTS + 1):
        if (layers + mtp_modules + spare) % chunks == 0:
            return (layers + mtp_modules + spare) // chunks, spare
    return -(-(layers + mtp_modules + SPARE_SLOTS) // chunks), SPARE_SLOTS


def _gang(spread: Spread, gpus: int) -> Iterator[Problem]:
    if spread.gpus == gpus:
        return
    each = spread.gpus // spread.data
    would = f"'data' would be {gpus // each}" if gpus % each == 0 else f"{each} do not divide {gpus:,}"
    yield (
        "data",
        f"data {spread.data} x tensor {spread.tensor} x pipeline {spread.pipeline} x context {spread.context} is "
        f"{spread.gpus:,} GPUs, and the gang has {gpus:,}: {would}",
    )


def _tensor(a: Transformer | ParameterCounts, spread: Spread) -> Iterator[Problem]:
    cut = {"heads": a.heads, "kv_heads": a.kv_heads}
    if isinstance(a, Transformer):
        if a.recurrent is not None:
            cut["key_heads of its recurrence"] = a.recurrent.key_heads
        if a.ffn is not None:
            cut["hidden units (ffn)"] = a.ffn
        if a.moe is not None and a.moe.shared_ffn:
            cut["hidden units of its shared experts"] = a.moe.shared_ffn
    for what, count in cut.items():
        if count % spread.tensor:
            yield "tensor", f"{spread.tensor} does not divide {count:,} {what} of the model  ({_divisors(count)})"
    if spread.sequence_parallel and spread.tensor == 1:
        yield "sequence_parallel", "is between tensor-parallel ranks, and 'tensor' is 1; leave it out"


def _pipeline(a: Transformer | ParameterCounts, spread: Spread, recipe: Recipe, *, uneven: bool) -> Iterator[Problem]:
    chunks, layers = spread.pipeline * spread.chunks, a.layers + recipe.mtp_modules
    if spread.chunks > 1 and spread.pipeline == 1:
        yield "chunks", f"{spread.chunks} chunks interleave the stages of a pipeline, and 'pipeline' is 1"
    if chunks > layers + SPARE_SLOTS:
        yield "pipeline", f"{spread.pipeline} stages of {spread.chunks} chunks are more than the {a.layers} layers"
    elif not uneven and all((layers + spare) % chunks for spare in range(SPARE_SLOTS + 1)):
        near = [n for n in range(1, a.layers + 1) if any((layers + s) % n == 0 for s in range(SPARE_SLOTS + 1))]
        close = sorted(sorted(near, key=lambda n: abs(n - chunks))[:4])
        yield (
            "pipeline",
            f"{spread.pipeline} stages x {spread.chunks} chunks do not divide {layers} layers, nor with embedding or "
            f"head or both counted as one; so many do: {', '.join(map(str, close))}; or say 'uneven: true'",
        )
    micro, rest = divmod(recipe.global_batch, recipe.micro_batch * spread.data)
    if spread.chunks > 1 and spread.pipeline > 1 and not rest and micro % spread.pipeline:
        yield (
            "chunks",
            f"interleaved stages take micro-batches in groups of {spread.pipeline}, and a rank has {micro} of them; "
            f"choose a global batch that is a multiple of {recipe.micro_batch * spread.data * spread.pipeline:,}",
        )


def _context(spread: Spread, recipe: Recipe) -> Iterator[Problem]:
    pieces = 2 * spread.context if spread.context > 1 else 1
    if recipe.sequence % pieces:
        yield (
            "context",
            f"a sequence of {recipe.sequence:,} tokens is cut into 2 x context = {pieces} pieces, so that ranks have "
            "equal shares of causal attention, and is no multiple of that",
        )
    elif spread.sequence_parallel and spread.tensor > 1 and recipe.sequence // spread.context % spread.tensor:
        share = recipe.sequence // spread.context
        yield "sequence_parallel", f"tensor {spread.tensor} does not divide a rank's {share:,} tokens of a sequence"


def _experts(a: Transformer | ParameterCounts, spread: Spread) -> Iterator[Problem]:
    experts = (a.moe.experts if a.moe is not None else 0) if isinstance(a, Transformer) else a.experts or 0
    if not experts:
        for field, degree in (("expert", spread.expert), ("expert_tensor", spread.expert_tensor)):
            if degree > 1:
                yield field, "is of the experts of a mixture, and the model has none"
        return
    if experts % spread.expert:
        yield "expert", f"{spread.expert} does not divide {experts} experts  ({_divisors(experts)})"
    ranks, asked = spread.data * spread.context * spread.tensor, spread.expert * spread.expert_tensor
    if ranks % asked:
        how = "more than" if asked > ranks else "no divisor of"
        yield (
            "expert",
            f"expert {spread.expert} x expert_tensor {spread.expert_tensor} is {asked:,} ranks, {how} the {ranks:,} of "
            f"a stage: data {spread.data} x context {spread.context} x tensor {spread.tensor}",
        )
    if isinstance(a, Transformer) and a.moe is not None and a.moe.ffn % spread.expert_tensor:
        yield "expert_tensor", f"{spread.expert_tensor} does not divide the {a.moe.ffn:,} hidden units of an expert"
    if spread.expert > 1 and spread.tensor > 1 and not spread.sequence_parallel:
        yield "sequence_parallel", "is needed where experts are spread and 'tensor' is above 1, or tokens go twice"


def _batch(spread: Spread, recipe: Recipe) -> Iterator[Problem]:
    each = recipe.micro_batch * spread.data
    if recipe.global_batch % each:
        below = recipe.global_batch // each * each
        near = f"{below:,} or {below + each:,}" if below else f"{each:,}"
        yield (
            "global_batch",
            f"{recipe.global_batch:,} is no multiple of micro_batch {recipe.micro_batch} x data {spread.data} = "
            f"{each:,}; {near} would be",
        )


def _sharding(spread: Spread, recipe: Recipe) -> Iterator[Problem]:
    ranks = spread.data * spread.context
    if spread.shard == "parameters" and spread.pipeline > 1:
        yield (
            "shard",
            "'parameters' would be gathered anew for every micro-batch of a pipeline; frameworks keep them gathered "
            "there, which is 'gradients'",
        )
    if spread.shard_gpus and spread.shard == "none":
        yield "shard_gpus", "share nothing out where 'shard' is none"
    elif spread.shard_gpus and ranks % spread.shard_gpus:
        yield "shard_gpus", f"{spread.shard_gpus} does not divide data x context = {ranks:,} ranks"
    if recipe.offload == "parameters" and spread.shard != "parameters":
        yield "offload", "'parameters' are fetched layer by layer only where they are shared out: 'shard: parameters'"


def _adapters(a: Transformer | ParameterCounts, recipe: Recipe) -> Iterator[Problem]:
    if recipe.lora_rank is not None and recipe.lora_rank > a.hidden:
        yield "lora_rank", f"{recipe.lora_rank:,} is above the model's width of {a.hidden:,}: that is no low rank"
    if recipe.mtp_modules and isinstance(a, ParameterCounts):
        yield "mtp_modules", "need an architecture of kind 'transformer': a module has a layer of its own"


def _divisors(count: int) -> str:
    """Small powers of two and the like that would do."""
    return ", ".join(str(n) for n in range(1, min(count, 64) + 1) if count % n == 0)
