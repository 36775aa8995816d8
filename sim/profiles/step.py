"""Time and energy of one iteration of a language model on a group of GPUs: a roofline as pure functions.

Work of an iteration: every resident weight is read once, every expert that some token is routed to is read once, each
token is multiplied with the weights it uses, and attends to its context in the KV cache. Time is the longer of compute
and memory (or part of their sum, where they overlap only in part), plus communication and the stack's own overheads;
energy is what that work costs beyond the power of a loaded GPU. What experts take is in ``profiles.experts``, and what
a power cap does in ``profiles.capped_step``.

What it leaves out: activations (small beside weights and KV), that some GPUs compute more tokens than others, and
contention between links.
References: Williams, Waterman, Patterson, "Roofline", CACM 2009, doi 10.1145/1498765.1498785; Choi et al., "A roofline
model of energy", IPDPS 2013, doi 10.1109/IPDPS.2013.77; Shoeybi et al., "Megatron-LM", arXiv:1909.08053 (two
all-reduces a layer); Patarasuk and Yuan 2009, doi 10.1016/j.jpdc.2008.09.002 (ring all-reduce).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.profiles.capped_step import (
    BLOCK,
    CHUNK,
    PAIR,
    READ,
    SEQUENCE,
    WINDOW_PAIR,
    WINDOW_READ,
    Cap,
    CappedCost,
    Work,
    capped_cost,
)
from sim.profiles.clock import Joules
from sim.profiles.experts import expert_work
from sim.profiles.model import ModelShape
from sim.profiles.terms import Device, Layout, Precision, Stack

Floats = npt.NDArray[np.float64]

COMPUTE, MEMORY, CAPPED, ENERGY = range(4)

WITH_DECODES = (0, 2)
"""Kinds of iterations in which sequences decode: alone, and beside prompts."""
WITH_PROMPTS = slice(1, 3)
"""Kinds of iterations that hold prompts: alone, and beside decodes."""

ACTIVATION_BYTES = 2.0
"""Activations travel between GPUs in 16 bits."""
STATE_BYTES = 4.0
"""Recurrent state is kept in 32 bits (mamba_ssm_cache_dtype of the published configurations)."""


@dataclass(frozen=True)
class Drafting:
    """What guessing costs an iteration with decodes: s and J of its own, and for each sequence."""

    seconds: float
    joules: float
    seconds_per_sequence: float
    joules_per_sequence: float


@dataclass(frozen=True)
class IterationCost:
    """``table`` (3, tokens + 1, 4) and ``slope`` (4, 7): rows compute, memory, capped in s and energy in J, as
    ``engine.serving.plan.StepCost`` has them in integers."""

    table: Floats
    slope: Floats


def kv_copies(model: ModelShape, tensor: int) -> float:
    """How often a token's KV cache is held by a tensor-parallel group: once, unless there are fewer heads than GPUs."""
    return max(1.0, tensor / model.kv_heads)


def iteration_cost(
    model: ModelShape,
    device: Device,
    stack: Stack,
    layout: Layout,
    precision: Precision,
    *,
    most_tokens: int,
    block_tokens: int,
    most_sampled: int | None = None,
    draft: Drafting | None = None,
) -> IterationCost:
    """The cost of an iteration by tokens in its batch, and its slopes in context, sequences and swapped blocks.

    Tokens are those of all data-parallel ranks, evenly spread or padded to that (``plan.padded_tokens``), of which at
    most ``most_sampled`` decode. ``draft`` comes on top wherever there are decodes.
    """
    tokens = np.arange(most_tokens + 1, dtype=np.float64)
    gpus = float(layout.gpus)
    flop = model.matmul_flop_per_token * tokens / gpus
    dense_byte = precision.resident_bytes / layout.tensor + 0.0 * tokens
    experts = expert_work(model, device, stack, layout, precision, tokens)
    kv_write = (model.kv_values_per_token_full + model.kv_values_per_token_windowed) * precision.kv_value_bytes
    copies = kv_copies(model, layout.tensor)
    written = kv_write * copies * tokens / gpus
    if layout.data > 1 and layout.expert:
        a_token = model.moe_layers * model.experts_per_token * model.hidden * ACTIVATION_BYTES
        written = written + stack.routed_passes * a_token * tokens
    link_byte, link_s, hop_j = _communication(model, stack, device, layout, tokens)

    flop = flop + experts.padding_flop
    compute = flop / (device.peak_flop_per_s * stack.compute_efficiency)
    memory = (dense_byte + written) / (device.byte_per_s * stack.memory_efficiency) + experts.slowest_s
    launches, quantising = _launches(model, stack, tokens / layout.data, np.maximum(compute, memory) + link_s)
    other = link_s + stack.iteration_s + launches + quantising
    moved_j = (dense_byte + written + experts.byte) * device.joule_per_byte
    own = _memory_share(device)
    joules = Joules(
        operations=flop * device.joule_per_flop,
        working=(1.0 - own) * moved_j,
        waiting=(experts.short_s * stack.expert_power + other + (stack.quantise_power - 1.0) * quantising)
        * device.waiting_w,
        apart=own * moved_j + link_byte * device.joule_per_link_byte + hop_j / gpus,
    )
    slopes = _slopes(model, device, stack, layout, precision, copies, block_tokens)
    work = Work(compute, memory, other, joules)
    decoding = np.minimum(tokens, most_sampled or most_tokens)
    cost = _cost(device, work, slopes, decoding, 1.0 - stack.overlap)
    headroom_w = gpus * (device.cap_w - device.loaded_w)

    table = np.zeros((3, most_tokens + 1, 4))
    table[:, :, [COMPUTE, MEMORY, ENERGY]] = cost.table.T * np.array([1.0, 1.0, gpus])
    table[WITH_PROMPTS, 1:, :2] += stack.encoder_s
    table[WITH_PROMPTS, 1:, ENERGY] += gpus * stack.encoder_s * device.waiting_w
    if draft is not None:
        for kind in WITH_DECODES:
            table[kind, 1:, :2] += draft.seconds
            table[kind, 1:, ENERGY] += draft.joules
    table[:, :, CAPPED] = table[:, :, ENERGY] / headroom_w
    slope = np.zeros((4, 7))
    slope[[COMPUTE, MEMORY, ENERGY]] = cost.slope * np.array([[1.0], [1.0], [gpus]])
    if draft is not None:
        slope[[COMPUTE, MEMORY], SEQUENCE] += draft.seconds_per_sequence
        slope[ENERGY, SEQUENCE] += draft.joules_per_sequence
    slope[CAPPED] = slope[ENERGY] / headroom_w
    return IterationCost(table, slope)


def _launches(model: ModelShape, stack: Stack, tokens: Floats, work_s: Floats) -> tuple[Floats, Floats]:
    """Seconds that launches add to an iteration (gaps within a graph, or what the GPU outruns the host by), and those
    that quantising activations adds. ``tokens`` are a rank's."""
    gaps = stack.layer_s * model.layers + stack.expert_layer_s * model.moe_layers
    quantising = stack.quantise_s * model.layers + 0.0 * tokens
    if not stack.launch_s:
        return gaps + 0.0 * tokens, quantising
    late = np.maximum(stack.launch_s * model.layers + stack.expert_launch_s * model.moe_layers - work_s, 0.0)
    eager = tokens > stack.graph_tokens
    return np.where(eager, late, gaps), np.where(eager, 0.0, quantising)


def _cost(device: Device, work: Work, slopes: Work, decoding: Floats, hidden: float) -> CappedCost:
    """One GPU's, under the device's cap; a board of which no clock is known is not slowed by one, but only delayed."""
    if device.clock is not None:
        return capped_cost(work, slopes, decoding, Cap(device.cap_w, device.loaded_w, device.clock, hidden))
    free = [
        np.stack([part.compute + hidden * part.memory, part.memory + hidden * part.compute]) + part.other
        for part in (work, slopes)
    ]
    table, slope = (np.stack([*times, part.joules.total]) for times, part in zip(free, (work, slopes), strict=True))
    return CappedCost(table, slope)


def _slopes(
    model: ModelShape,
    device: Device,
    stack: Stack,
    layout: Layout,
    precision: Precision,
    copies: float,
    block_tokens: int,
) -> Work:
    """Of one GPU, for a pair, a read, the same within a window, a sequence, a swapped block, a chunk."""
    gpus = float(layout.gpus)
    pair_flop = np.array([model.attention_flop_full, model.attention_flop_windowed]) / gpus
    read_byte = np.array([model.kv_values_per_token_full, model.kv_values_per_token_windowed], dtype=np.float64)
    read_byte = read_byte * precision.kv_value_bytes * copies / gpus
    compute, memory, other, operations, traffic, waiting = (np.zeros(7) for _ in range(6))
    compute[[PAIR, WINDOW_PAIR]] = pair_flop / (device.peak_flop_per_s * stack.compute_efficiency)
    memory[[READ, WINDOW_READ]] = read_byte / (device.byte_per_s * stack.memory_efficiency)
    operations[[PAIR, WINDOW_PAIR]] = pair_flop * device.joule_per_flop
    traffic[[READ, WINDOW_READ]] = read_byte * device.joule_per_byte * stack.context_power
    other[SEQUENCE] = stack.sequence_s / layout.data  # every rank has a scheduler of its own
    other[CHUNK] = stack.prompt_s
    waiting[[SEQUENCE, CHUNK]] = other[[SEQUENCE, CHUNK]] * device.waiting_w
    state_byte = 2.0 * model.state_values * STATE_BYTES / gpus  # read and written
    memory[SEQUENCE] = state_byte / (device.byte_per_s * stack.memory_efficiency)
    traffic[SEQUENCE] = state_byte * device.joule_per_byte * stack.context_power
    block_byte = float(read_byte.sum()) * block_tokens
    other[BLOCK] = block_byte / stack.swap_byte_per_s
    traffic[BLOCK] = block_byte * device.joule_per_byte
    own = _memory_share(device)
    return Work(compute, memory, other, Joules(operations, (1.0 - own) * traffic, waiting, own * traffic))


def _memory_share(device: Device) -> float:
    """Of the energy of a byte, what is the memory's own and follows no clock of the cores."""
    return float(device.clock.memory_share) if device.clock is not None else 0.0


def _communication(
    model: ModelShape, stack: Stack, device: Device, layout: Layout, tokens: Floats
) -> tuple[Floats, Floats, Floats]:
    """Bytes a GPU sends to its group (all-reduces, gathering for experts), s of it and of hops, J of pipeline hops."""
    sent = 0.0 * tokens
    seconds, hop_j = 0.0 * tokens, 0.0 * tokens
    rate = device.link_byte_per_s * stack.link_efficiency
    here = tokens / layout.data  # tokens of one data-parallel rank
    busy = tokens > 0
    latency_s = stack.link_latency_s + stack.link_latency_per_gpu_s * layout.gpus
    if layout.tensor > 1:
        share = 2.0 * (layout.tensor - 1) / layout.tensor
        a_layer = 2.0 * share * here * model.hidden * ACTIVATION_BYTES
        sent = sent + model.layers * a_layer
        seconds = seconds + model.layers * (2.0 * latency_s * busy + a_layer / rate)
    # Where attention is sliced (tensor parallelism alone), every GPU has all tokens, and the second all-reduce brings
    # the experts' results together. Data-parallel ranks gather all tokens before the experts and scatter the results'
    # sums after them (vLLM's default way, "Expert Parallel Deployment" in its documentation).
    if layout.expert and model.moe_layers and layout.data > 1:
        a_layer = 2.0 * (layout.data - 1) * here * model.hidden * ACTIVATION_BYTES
        sent = sent + model.moe_layers * a_layer
        seconds = seconds + model.moe_layers * (2.0 * latency_s * busy + a_layer / rate)
    if layout.pipeline > 1:
        hop = tokens * model.hidden * ACTIVATION_BYTES
        hops = layout.pipeline - 1
        hop_j = hops * hop * layout.hop_joule_per_byte
        seconds = seconds + hops * (layout.hop_latency_s * busy + hop / layout.hop_byte_per_s)
    return sent, seconds, hop_j


def kv_bytes_per_token(model: ModelShape, precision: Precision, tensor: int) -> float:
    """B that one token takes in the KV caches of a tensor-parallel group together."""
    values = model.kv_values_per_token_full + model.kv_values_per_token_windowed
    return values * precision.kv_value_bytes * kv_copies(model, tensor)
