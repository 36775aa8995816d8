"""Time and energy of one iteration of a language model on a group of GPUs: the sum of its kernels, as pure functions.

Kernels follow one another: every product with weights (``layers``), every mixture's experts, the collectives, and what
a layer launches beside them, each by its own law (``kernels.time``), and on top the stack's host work, or what of it a
host that schedules ahead does not hide behind the kernels. Attention over
contexts is counted by slopes, in compute for pairs of tokens and in memory for what is read of the cache; of these the
longer decides. What sampling takes goes with the logits of those sampled. Energy is what the work costs beyond the
power of a loaded GPU: each kernel's by its own law, limited at the board's limit, and waiting between them. A power cap
binds every iteration by itself (``capped``), where real boards let what is short exceed the cap and average it.

The same functions serve one configuration at all numbers of tokens, and many configurations at a few (fields of their
arguments are arrays then, see ``terms``).

What it leaves out: that some GPUs compute more tokens than others, and contention between links.
Reference: Choi et al., "A roofline model of energy", IPDPS 2013, doi 10.1109/IPDPS.2013.77.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.profiles.iteration.capped import (
    BLOCK,
    CHUNK,
    PAIR,
    READ,
    SEQUENCE,
    WINDOW_PAIR,
    WINDOW_READ,
    Work,
    capped_cost,
    stacked,
)
from sim.profiles.iteration.collectives import collective_runs, hops
from sim.profiles.iteration.energy import kernel_joules
from sim.profiles.iteration.experts import expert_work
from sim.profiles.iteration.runs import Collective, Quantise, Run
from sim.profiles.iteration.terms import Device, Precision, Stack, Terms
from sim.profiles.kernels.time import (
    ACTIVATION_BYTES,
    DECODING,
    LATENT_ROWS,
    KernelTime,
    Number,
    ProductLaw,
    choosing_time,
    chunks_time,
    product_time,
    quantise_time,
    recurrence_time,
)
from sim.profiles.language_models.layers import Layers, Product
from sim.profiles.language_models.model import ModelShape
from sim.profiles.power_laws.clock import Joules

Floats = npt.NDArray[np.float64]

COMPUTE, MEMORY, CAPPED, ENERGY = range(4)

DECODES, PROMPTS, BOTH = range(3)
"""Kinds of iterations: sequences decode alone, prompts alone, one beside the other."""

L2_TILE = 128.0
"""Rows and columns of the tiles in which products take their operands from the second-level cache."""
STATE_BYTES = 4.0
"""Recurrent state is kept in 32 bits (mamba_ssm_cache_dtype of the published configurations)."""


@dataclass(frozen=True)
class Drafting:
    """What guessing costs an iteration with decodes: s and J of its own, and for each sequence."""

    seconds: float
    joules: float
    seconds_per_sequence: float
    joules_per_sequence: float


class Known(Protocol):
    """Times that were measured."""

    def seconds(self, run: Run) -> Floats | None:
        """Of one launch by tokens, or None for the law's own."""
        ...


@dataclass(frozen=True)
class IterationCost:
    """``table`` (3, tokens, 4) and ``slope`` (4, 7): rows compute, memory, capped in s and energy in J, as
    ``engine.serving.plan.StepCost`` has them in integers. Of many configurations (3, rows, tokens, 4), (4, 7, rows, 1).
    """

    table: Floats
    slope: Floats


def kv_copies(model: ModelShape, tensor: Number) -> Number:
    """How often a token's KV cache is held by a tensor-parallel group: once, unless there are fewer heads than GPUs."""
    return np.maximum(1.0, tensor / model.kv_heads)


def iteration_cost(
    terms: Terms,
    *,
    tokens: Floats,
    most_sampled: Number,
    block_tokens: int,
    guesses: int = 0,
    draft: Drafting | None = None,
    known: Known | None = None,
) -> IterationCost:
    """The cost of an iteration by tokens in its batch, and its slopes in context, sequences and swapped blocks.

    ``tokens`` (n,) are those of all data-parallel ranks, evenly spread or padded to that (``plan.padded_tokens``). Of
    those that decode, all are sampled; of a prompt the last one: beside prompts the output head has ``most_sampled``
    rows at most, and one for prompts alone. Decodes bring ``guesses`` to verify beside their token. ``draft`` comes on
    top wherever there are decodes.
    """
    model, device, stack, layout = terms.model, terms.device, terms.stack, terms.layout
    busy = np.asarray(tokens > 0.0, dtype=np.float64)
    sampled = [tokens, np.minimum(tokens, 1.0 * layout.data), np.minimum(tokens, most_sampled)]
    body = list(iteration_runs(terms, tokens))
    heads = [list(head_runs(terms, rows / layout.data)) for rows in sampled]
    prompts = [0.0 * tokens, tokens, tokens - sampled[BOTH]]
    states = [list(recurrence_runs(terms.layers, device, rows / layout.data)) for rows in prompts]
    kinds = [_sum([*body, *state, *head], device, known) for state, head in zip(states, heads, strict=True)]
    kernels, links = stacked([kind[0] for kind in kinds]), np.stack([kind[1] for kind in kinds])
    work_s = kernels.computing + kernels.streaming
    launches, quantising = _launches(terms, tokens / layout.data, work_s + links)
    hop_s, hop_j = hops(model, layout, tokens)
    gpus = layout.gpus
    decodes = np.broadcast_to(sampled[BOTH], links.shape[1:])
    decoding = np.stack([decodes, 0.0 * decodes, decodes])
    late_s = _late(stack, decoding / layout.data / (1.0 + guesses), work_s + kernels.other + launches)
    idle_s = launches + quantising + stack.iteration_s + late_s
    # What a graph launches between the kernels are small kernels; a host that is late is waited for.
    small_s = np.where(tokens / layout.data > stack.graph_tokens, 0.0, launches)
    small_s = small_s * np.sqrt(np.minimum(1.0, tokens / layout.data / device.multiprocessors)) + quantising
    waiting_j = idle_s * device.waiting_w + small_s * device.active_w
    between = Work.of(0.0, 0.0, idle_s + hop_s, Joules(0.0 * links, 0.0 * links, waiting_j, hop_j / gpus))
    slopes = _slopes(terms, block_tokens, guesses)
    cost = capped_cost(device, kernels.plus(between), slopes, decoding)
    table, energy = cost.table[:2].copy(), gpus * cost.table[2]

    table[:, [PROMPTS, BOTH]] += stack.encoder_s * busy
    # An encoder of pictures multiplies large matrices: it asks for the limit.
    encoding_w = np.minimum(device.limit_w, device.cap_w) - device.loaded_w
    energy[[PROMPTS, BOTH]] += gpus * stack.encoder_s * busy * encoding_w
    slope = np.stack([*cost.slope[:2], 0.0 * cost.slope[2], gpus * cost.slope[2]])
    if draft is not None:
        table[:, [DECODES, BOTH]] += draft.seconds * busy
        energy[[DECODES, BOTH]] += draft.joules * busy
        slope[[COMPUTE, MEMORY], SEQUENCE] += draft.seconds_per_sequence
        slope[ENERGY, SEQUENCE] += draft.joules_per_sequence
    headroom_w = gpus * (device.cap_w - device.loaded_w)
    whole = np.stack([*table, energy / headroom_w, energy], axis=-1)
    slope[CAPPED] = slope[ENERGY] / headroom_w
    return IterationCost(whole, slope)


def _sum(runs: list[Run], device: Device, known: Known | None) -> tuple[Work, Floats]:
    """Of all launches on one GPU, and s of links among it."""
    nothing = 0.0 * np.asarray(runs[0].rows)
    whole = Work.of(nothing, nothing, nothing, Joules(nothing, nothing, nothing, nothing))
    links = nothing
    for run in runs:
        measured = known.seconds(run) if known is not None else None
        faster = 1.0 if measured is None else measured / np.maximum(run.time.seconds, 1e-30)
        time, own = run.time * faster, (run.own if run.own is not None else run.time) * faster
        if isinstance(run.of, Collective):
            taken_s = np.asarray(time.seconds)
            link_j = np.asarray(run.link_byte * device.joule_per_link_byte)
            joules = Joules(nothing, nothing, taken_s * device.waiting_w, link_j)
            whole = whole.plus(Work.of(nothing, nothing, taken_s, joules), run.count)
            links = links + run.count * taken_s
            continue
        joule_per_flop = np.where(np.asarray(run.low) > 0.0, device.joule_per_flop, device.joule16_per_flop)
        flop_j = run.flop * joule_per_flop
        joules = kernel_joules(
            own.seconds, device, flop_j=flop_j, byte=run.byte, again=run.again, untiled=run.untiled, power=run.power
        )
        late_j = (time.seconds - own.seconds) * device.waiting_w
        joules = replace(joules, waiting=joules.waiting + late_j)
        whole = whole.plus(Work.of(time.computing_s, time.streaming_s, time.floor_s, joules), run.count)
    return whole, links


def iteration_runs(terms: Terms, tokens: Floats) -> Iterator[Run]:
    """Every kernel of an iteration of so many ``tokens`` (n,) but the output head's and what attention does by
    context."""
    layers, model, device = terms.layers, terms.model, terms.device
    stack, layout, precision = terms.stack, terms.layout, terms.precision
    rows = tokens / layout.data
    memory = device.byte_per_s * stack.memory_efficiency
    passed = 0.0 * rows
    for product in layers.products:
        if product.rows == "tokens":
            yield _product(product, device, stack, precision, rows)
            yield from _quantising(product, device, stack, precision, rows)
            passed = passed + product.count * (product.n + product.k) * ACTIVATION_BYTES * rows
    kv_write = (model.kv_values_per_token_full + model.kv_values_per_token_windowed) * precision.kv_value_bytes
    passed = passed + kv_write * kv_copies(model, layout.tensor) * tokens / layout.gpus
    if layers.mixture is not None:
        mixture = layers.mixture
        work = expert_work(mixture, device, stack, layout, precision, tokens)
        yield Run(
            mixture, tokens, mixture.layers, work.time, work.flop, work.byte, again=work.again, own=work.own,
            power=stack.expert_power,
        )  # fmt: skip
        routed = mixture.layers * mixture.per_token * mixture.hidden * ACTIVATION_BYTES * tokens
        passed = passed + np.where((layout.data > 1) & (layout.expert > 0), stack.routed_passes * routed, 0.0)
    yield Run("small", rows, 1.0, KernelTime(0.0, passed / memory, 0.0), byte=passed)
    for part in layers.attentions:
        floor_s = DECODING.floor_cycles / device.clock_hz
        yield Run(part, rows, part.layers, KernelTime(0.0, 0.0, floor_s + 0.0 * rows))
    for index in layers.indexers:
        yield Run("choose", rows, index.layers, choosing_time(rows, machine=device.machine))
    yield from collective_runs(model, device, stack, layout, tokens)


def recurrence_runs(layers: Layers, device: Device, prompt: Floats) -> Iterator[Run]:
    """Recurrences over so many tokens of one prompt, and beside them, for sequences that decode, the launches alone:
    the states that these read and write are counted by sequences."""
    for part in layers.recurrences:
        chunks = chunks_time(
            1.0, prompt, heads=part.heads, flop=part.prompt_flop, channels=part.channels, machine=device.machine
        )
        floor_s = np.where(prompt > 0.0, chunks.floor_s, recurrence_time(0.0, 0.0, machine=device.machine).floor_s)
        byte = ACTIVATION_BYTES * part.moved_values * prompt
        time = KernelTime(chunks.computing_s, chunks.streaming_s, floor_s)
        yield Run(part, prompt, part.layers, time, flop=part.prompt_flop * prompt, byte=byte)


def head_runs(terms: Terms, sampled: Floats) -> Iterator[Run]:
    """The output head for so many ``sampled`` rows (n,) of a rank, and sampling from its logits."""
    model, device, stack, precision = terms.model, terms.device, terms.stack, terms.precision
    for product in terms.layers.products:
        if product.rows == "sequences":
            yield _product(product, device, stack, precision, sampled)
    logits = sampled * model.vocabulary
    byte = stack.logit_byte * logits
    computing_s = logits * stack.logit_s
    streaming_s = np.maximum(byte / (device.byte_per_s * stack.memory_efficiency) - computing_s, 0.0)
    yield Run("sample", sampled, 1.0, KernelTime(computing_s, streaming_s, 0.0 * logits), byte=byte, low=0.0)


def _product(product: Product, device: Device, stack: Stack, precision: Precision, rows: Floats) -> Run:
    """A product of so many rows, in the precision of the weights, or in 16 bits what is not quantised."""
    low = np.asarray(product.quantised, dtype=np.bool_)
    compute16 = stack.compute16_efficiency if stack.compute16_efficiency is not None else stack.compute_efficiency
    law = ProductLaw(
        np.where(low, stack.compute_efficiency, compute16),
        stack.memory_efficiency,
        choosy=np.where(low, stack.choosy, 1.0),
        unpacked=np.where(low & (np.asarray(precision.dense_bytes) < np.asarray(precision.operand_bytes)), 1.0, 0.0),
    )
    weight_bytes = np.where(low, precision.dense_bytes, ACTIVATION_BYTES) * product.stored
    operand_bytes = np.where(low, precision.operand_bytes, ACTIVATION_BYTES)
    n, k = product.n, product.k
    time = product_time(
        rows,
        n,
        k,
        weight_bytes=weight_bytes,
        operand_bytes=operand_bytes,
        flop_per_s=np.where(low, device.peak_flop_per_s, device.peak16_flop_per_s) * product.rate,
        machine=device.machine,
        law=law,
    )
    byte = n * k * weight_bytes
    again = (np.ceil(rows / L2_TILE) - 1.0) * byte + np.ceil(n / L2_TILE) * rows * k * operand_bytes
    flop = 2.0 * rows * n * k * product.density
    single = (rows <= 1.0) & (weight_bytes == ACTIVATION_BYTES) & (operand_bytes == ACTIVATION_BYTES)
    untiled = np.where(single, byte, 0.0)
    return Run(product, rows, product.count, time, flop, byte, np.maximum(again, 0.0), untiled, low=low)


def _quantising(product: Product, device: Device, stack: Stack, precision: Precision, rows: Floats) -> Iterator[Run]:
    """What quantises the operand of a product, if anything does."""
    some = np.asarray(product.quantised, dtype=np.bool_) & (np.asarray(precision.operand_bytes) < ACTIVATION_BYTES)
    if some.any():
        time = quantise_time(rows, product.k, machine=device.machine, memory=stack.memory_efficiency)
        byte = (ACTIVATION_BYTES + precision.operand_bytes) * product.k * rows
        yield Run(Quantise(product.k), rows, np.where(some, 1.0 * product.count, 0.0), time, byte=byte)


def _launches(terms: Terms, tokens: Floats, work_s: Floats) -> tuple[Floats, Floats]:
    """Seconds that launches add to an iteration (gaps within a graph, or what the GPU outruns the host by), and those
    that quantised experts add. ``tokens`` are a rank's."""
    model, stack = terms.model, terms.stack
    gaps = stack.layer_s * model.layers + stack.expert_layer_s * model.moe_layers
    launched = stack.launch_s * model.layers + stack.expert_launch_s * model.moe_layers
    launched = launched + stack.index_launch_s * sum(index.layers for index in terms.layers.indexers)
    late = np.maximum(launched - work_s, 0.0)
    eager = tokens > stack.graph_tokens
    return np.where(eager, late, gaps), np.where(eager, 0.0, stack.quantise_s * model.moe_layers)


def _late(stack: Stack, sequences: Floats, work_s: Floats) -> Floats:
    """Seconds that a host which schedules the next iteration meanwhile is still at it when the GPU is done with a
    rank's so many ``sequences``, of contexts that take no time to read."""
    return np.asarray(stack.ahead * np.maximum(stack.sequence_s * sequences - work_s, 0.0))


def _slopes(terms: Terms, block_tokens: int, guesses: int) -> Work:
    """Of one GPU, for a pair, a read, the same within a window, a sequence, a swapped block, a chunk."""
    layers, model, device = terms.layers, terms.model, terms.device
    stack, layout, precision = terms.stack, terms.layout, terms.precision
    gpus, data = layout.gpus, layout.data
    attention = stack.attention_efficiency if stack.attention_efficiency is not None else stack.compute_efficiency
    context = stack.context_efficiency if stack.context_efficiency is not None else stack.memory_efficiency
    pairs = {PAIR: model.attention_flop_full / gpus, WINDOW_PAIR: model.attention_flop_windowed / gpus}
    a_value = precision.kv_value_bytes * kv_copies(model, layout.tensor) / gpus
    reads = {READ: model.kv_values_per_token_full * a_value, WINDOW_READ: model.kv_values_per_token_windowed * a_value}
    state_byte = 2.0 * model.state_values * STATE_BYTES / gpus  # read and written
    moved = {place: stack.context_passes * byte for place, byte in reads.items()} | {SEQUENCE: state_byte}
    scores: dict[int, Number] = {PAIR: 0.0, WINDOW_PAIR: 0.0}
    for part in layers.attentions:
        near = np.asarray(part.window) > 0
        scores[PAIR] = scores[PAIR] + np.where(near, 0.0, part.layers * part.heads) / data
        scores[WINDOW_PAIR] = scores[WINDOW_PAIR] + np.where(near, part.layers * part.heads, 0.0) / data
    block_byte = (reads[READ] + reads[WINDOW_READ]) * block_tokens
    # A tile of attention for each of a sequence's cached heads.
    tiles = sum((part.layers * part.kv_heads for part in layers.attentions), 0.0)
    tiles_s = tiles * DECODING.tile_s(device.machine) / data

    of: dict[str, dict[int, Number]] = {name: {} for name in ("pairs", "reads", "other")}
    joules: dict[str, dict[int, Number]] = {name: {} for name in ("operations", "working", "waiting", "apart")}

    def kernel(place: int, seconds: Number, **work: Number) -> None:
        spent = kernel_joules(seconds, device, **work)
        for name in joules:
            joules[name][place] = joules[name].get(place, 0.0) + getattr(spent, name)

    # Heads of a GPU that attend to what an indexer chose stand in tiles, rows of which may be empty.
    tiled: dict[int, Number] = {}
    for part in layers.attentions:
        if part.reach == "chosen":
            tiled[WINDOW_PAIR] = np.ceil(np.asarray(part.heads) / LATENT_ROWS) * LATENT_ROWS / part.heads
    for place, flop in pairs.items():
        # Attention is a kernel for as long as it reads; what pairs cost is on top of that.
        of["pairs"][place] = flop * tiled.get(place, 1.0) / (device.peak16_flop_per_s * attention)
        kernel(place, 0.0 * flop, flop_j=flop * device.joule16_per_flop, scores=scores[place])
    # A sequence that decodes has as many reads as each of its tokens has pairs.
    absorbed = model.absorbed_flop_full * (1.0 + guesses) / gpus
    of["pairs"][READ] = absorbed / (device.peak16_flop_per_s * attention)
    kernel(READ, 0.0 * absorbed, flop_j=absorbed * device.joule16_per_flop)
    for place, byte in moved.items():
        of["reads"][place] = byte / (device.byte_per_s * context)
        kernel(place, of["reads"][place], byte=byte)
    # Every rank has a scheduler.
    of["other"][SEQUENCE], of["other"][CHUNK] = (1.0 - stack.ahead) * stack.sequence_s / data, stack.prompt_s
    kernel(SEQUENCE, tiles_s)
    of["other"][BLOCK] = block_byte / stack.swap_byte_per_s
    for place in (SEQUENCE, CHUNK):
        joules["waiting"][place] = joules["waiting"].get(place, 0.0) + of["other"][place] * device.waiting_w
    of["other"][SEQUENCE] = of["other"][SEQUENCE] + tiles_s
    joules["apart"][BLOCK] = block_byte * device.joule_per_byte

    everything = [*of.values(), *joules.values()]
    wide = np.broadcast_shapes(*(np.shape(value) for part in everything for value in part.values()))

    def by_place(part: dict[int, Number]) -> Floats:
        return np.stack([np.broadcast_to(part.get(place, 0.0), wide) for place in range(7)])

    spent = Joules(*(by_place(joules[name]) for name in ("operations", "working", "waiting", "apart")))
    nothing = np.zeros((7, *wide))
    return Work(nothing, nothing, by_place(of["other"]), spent, by_place(of["pairs"]), by_place(of["reads"]))
