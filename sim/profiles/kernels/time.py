"""How long one kernel takes, by its kind and shape: a roofline with floors, tiles and occupancy, as pure functions.

A product of matrices is cut into tiles, one for a multiprocessor at a time. A tile is computed whole; fewer tiles than
multiprocessors leave some idle, unless the sum over k is split among them. (That the last of several waves of tiles
leaves some idle does not show in what was measured.) Its time is that of the tiles and that of the memory, which hide
each other in part, after a floor: filling the pipeline of loads, and its end. Counted in cycles the floors are the same
on four generations of GPUs. A mixture of experts is two such products, of many matrices at once, with what sorts tokens
to them; attention is a roofline of its own. Messages between GPUs are in ``iteration.message_time``.

The constants are fitted to measured kernels alone (``benchmarks.accuracy.kernel_times``): NVIDIA's tables in
aiconfigurator (Apache-2.0), vLLM 0.14 to 0.24 on A100, H100, H200, B200, GB200, B300, L40S and RTX PRO 6000, every
second shape. Efficiencies are what a large kernel achieves of the data sheet's peaks at the board's power limit, at
which large products are throttled: that is in them. They never exceed 1.

Weights are taken to come from memory in every launch, as in the tables, but for boards whose second-level cache is
large beside their memory's rate (L40S, RTX PRO 6000): the law is too slow for small matrices launched over and over.

References: Williams, Waterman, Patterson, "Roofline", CACM 2009, doi 10.1145/1498765.1498785; Osama et al., "Stream-K",
PPoPP 2023, arXiv:2301.03598 (tiles, waves and splits); NVIDIA, "Matrix multiplication background user's guide".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Number = float | Floats
"""A value for one configuration, or an array (rows, 1) of many that tokens (rows or 1, many) broadcast with."""

TILES = ((32.0, 64.0), (64.0, 32.0), (64.0, 64.0), (64.0, 128.0), (128.0, 64.0), (128.0, 128.0), (128.0, 256.0),
         (256.0, 128.0))  # fmt: skip
"""Rows and columns of the tiles that libraries choose from."""
THIN_TILES = ((16.0, 64.0), (16.0, 128.0), (32.0, 128.0))
"""That kernels for few rows have besides, whose weights are unpacked on the way to what they are multiplied in."""
UNPACKING_FLOOR_CYCLES, UNPACKING_SPLIT_CYCLES = 16_000.0, 10_000.0
"""Of such kernels, in place of those of a law. Fitted, like their tiles, to weights of 8 and 4 bits times rows of 16 on
an A100 by TensorRT-LLM 1.0, every second shape; on the others they err by 13 and 16 %, other products' constants by 32
and 36 (kernels of over 60 us, of up to 32 rows: 5 and 8 %, 6 and 23 before)."""
GROUPED_ROWS = (16.0, 32.0, 64.0, 128.0)
"""Rows of the tiles of kernels that multiply the tokens of many experts at once."""
GROUPED_COLUMNS = (32.0, 64.0, 128.0)
LEAST_SPLIT = 512.0
"""A split of the sum over k has so many terms at least."""
TERMS = 64.0
"""Of the sum over k that a tile loads at once."""
ACTIVATION_BYTES = 2.0
"""What is not quantised, and every result, is kept in 16 bits."""

QUANTISED_BYTES = 5.0
"""A value of 16 bits is read twice, for its row's largest and to be scaled, and written in 8."""
ROWWISE_CYCLES, ROW_CYCLES = 0.57, 1800.0
"""That a multiprocessor spends on quantising a value by its row's largest, and at least on a row."""
QUANTISE_CYCLES = 4400.0
QUERY_ROWS = 128.0
"""Of a prompt's tokens that a tile of attention over prompts holds."""
LATENT_ROWS = 64.0
"""Heads of latent attention are padded to a multiple of so many."""
PACKED_QUERIES = 16.0
"""Heads that share a cached head are padded to a multiple of so many."""


@dataclass(frozen=True)
class Machine:
    """What times follow from, of the data sheet: multiprocessors, their clock in Hz, B/s of memory."""

    multiprocessors: Number
    clock_hz: Number
    byte_per_s: Number


@dataclass(frozen=True)
class KernelTime:
    """Seconds of one launch. A lower clock lengthens ``computing_s`` (exactly so to first order), and hardly the rest:
    floors are cycles too, but small."""

    computing_s: Number
    streaming_s: Number
    floor_s: Number

    @property
    def seconds(self) -> Number:
        """All of it."""
        return self.computing_s + self.streaming_s + self.floor_s

    def __mul__(self, times: Number) -> KernelTime:
        """As many launches, one after the other; or the same at another speed."""
        return KernelTime(self.computing_s * times, self.streaming_s * times, self.floor_s * times)

    def __add__(self, other: KernelTime) -> KernelTime:
        """One after the other."""
        return KernelTime(
            self.computing_s + other.computing_s, self.streaming_s + other.streaming_s, self.floor_s + other.floor_s
        )


@dataclass(frozen=True)
class ProductLaw:
    """``compute`` and ``memory``: achieved fractions of the peaks. ``choosy``: the library picks the best tile and
    splits the sum over k (1), or goes by the rows and never splits (0). ``unpacked``: weights have fewer bits than what
    they are multiplied in (1), and come with tiles and cycles of their own. Cycles are of the multiprocessors' clock.

    ``sharpness``: the norm in which tiles' and memory's time add up; 1 is their sum, infinity the longer of the two.
    """

    compute: Number
    memory: Number
    floor_cycles: Number = 4450.0
    step_cycles: Number = 73.0
    split_cycles: Number = 5320.0
    sharpness: Number = 1.83
    choosy: Number = 1.0
    unpacked: Number = 0.0


def product_time(
    m: Number,
    n: Number,
    k: Number,
    *,
    weight_bytes: Number,
    operand_bytes: Number,
    flop_per_s: Number,
    machine: Machine,
    law: ProductLaw,
) -> KernelTime:
    """Of ``m`` rows times a matrix of ``k`` by ``n``, in seconds; everything broadcasts.

    ``weight_bytes`` are those of a value of the matrix, ``operand_bytes`` of the rows; ``flop_per_s`` is the peak of
    what they are multiplied in. It rises with k and with the bytes; with m and n in steps, where another tile begins.
    """
    best = _tiles_s(m, n, k, flop_per_s, machine, law)
    moved = n * k * weight_bytes + m * k * operand_bytes + ACTIVATION_BYTES * m * n
    floor_s = np.where(np.asarray(law.unpacked) > 0.0, UNPACKING_FLOOR_CYCLES, law.floor_cycles) / machine.clock_hz
    return together(best, moved / (machine.byte_per_s * law.memory), law.sharpness, floor_s)


def _tiles_s(m: Number, n: Number, k: Number, flop_per_s: Number, machine: Machine, law: ProductLaw) -> Floats:
    """Of the tiles' computation with the tiles that are chosen."""
    processors = machine.multiprocessors
    rate = flop_per_s * law.compute / processors
    choosy, unpacked = np.asarray(law.choosy) > 0.0, np.asarray(law.unpacked) > 0.0
    best: Floats | None = None
    for rows, columns in (*TILES, *THIN_TILES) if unpacked.any() else TILES:
        tiles = np.ceil(m / rows) * np.ceil(n / columns)
        one_s = 2.0 * rows * columns * k / rate  # of a tile's whole sum, on a multiprocessor
        step_s = law.step_cycles * k / TERMS / machine.clock_hz
        whole = np.maximum(1.0, tiles / processors) * one_s + step_s
        splits = np.clip(np.floor(processors / np.maximum(tiles, 1.0)), 1.0, np.maximum(1.0, np.floor(k / LEAST_SPLIT)))
        split = (np.maximum(1.0, tiles * splits / processors) * one_s + step_s) / splits
        split = split + np.where(unpacked, UNPACKING_SPLIT_CYCLES, law.split_cycles) / machine.clock_hz
        seconds = np.where(choosy, np.minimum(whole, split), np.where(_by_rows(m, rows, columns), whole, np.inf))
        seconds = seconds if (rows, columns) in TILES else np.where(unpacked, seconds, np.inf)
        best = seconds if best is None else np.minimum(best, seconds)
    assert best is not None
    return np.where(np.asarray(m) > 0.0, best, 0.0)


def _by_rows(m: Number, rows: float, columns: float) -> npt.NDArray[np.bool_]:
    """Whether kernels that go by the rows take this tile: 64 x 64 up to 64 rows, 64 x 128 up to 128, 128 x 128 beyond
    (vLLM's dispatch of its CUTLASS kernels for fp8)."""
    m = np.asarray(m)
    ranges = {(64.0, 64.0): (0.0, 64.0), (64.0, 128.0): (64.0, 128.0), (128.0, 128.0): (128.0, np.inf)}
    low, high = ranges.get((rows, columns), (np.inf, np.inf))
    return np.asarray((m > low) & (m <= high))


def together(computing: Number, streaming: Number, sharpness: Number, floor_s: Number) -> KernelTime:
    """The norm of both, each with the share that a change of it has in a change of the whole (Euler's theorem)."""
    longer = np.maximum(np.maximum(computing, streaming), 1e-30)
    c, s = (np.asarray(part / longer) ** sharpness for part in (computing, streaming))
    both = longer * np.maximum(c + s, 1e-300) ** (1.0 / sharpness - 1.0)  # nothing takes no time
    return KernelTime(both * c, both * s, floor_s)


def quantise_time(m: Number, k: Number, *, machine: Machine, memory: Number, value_cycles: Number = 0.0) -> KernelTime:
    """Of quantising ``m`` rows of ``k`` values: what moves, or what multiprocessors do.

    ``value_cycles`` are a multiprocessor's for each value, where each row goes by its own largest (``ROWWISE_CYCLES``);
    kernels that go by short blocks move values as fast as memory can.
    """
    issued = machine.clock_hz * machine.multiprocessors
    moved_s = k * QUANTISED_BYTES / (machine.byte_per_s * memory)
    row_s = np.maximum(moved_s, np.maximum(k * value_cycles, ROW_CYCLES) / issued)
    return KernelTime(0.0, m * row_s, QUANTISE_CYCLES / machine.clock_hz)


@dataclass(frozen=True)
class MixtureLaw:
    """Of kernels that multiply the tokens of many experts at once: efficiencies, ``passes`` of the routed activations
    through memory (sorting, activation, summing up), and cycles of all that they launch."""

    compute: Number
    memory: Number
    passes: Number
    floor_cycles: Number
    step_cycles: Number = 73.0
    sharpness: Number = 2.0


def mixture_time(
    routed: Number,
    asked: Number,
    hidden: Number,
    width: Number,
    *,
    everyones: Number,
    first: Number,
    bytes_each: Number,
    flop_per_s: Number,
    machine: Machine,
    law: MixtureLaw,
) -> KernelTime:
    """Of a mixture's layer on one GPU, in seconds, where ``asked`` of its experts get ``routed`` rows in all.

    Two products: ``first`` times ``width`` columns from ``hidden`` (2 where networks are gated), and back. Buffers hold
    ``everyones`` rows, those of other GPUs' experts too.
    """
    some = np.maximum(np.asarray(asked), 1e-30)
    rows = routed / some
    up = _grouped(some, rows, first * width, hidden, bytes_each, flop_per_s, machine, law)
    down = _grouped(some, rows, hidden, width, bytes_each, flop_per_s, machine, law)
    passed = law.passes * ACTIVATION_BYTES * everyones * (hidden + width) / (machine.byte_per_s * law.memory)
    busy = np.asarray(asked) > 0.0
    return KernelTime(
        np.where(busy, up.computing_s + down.computing_s, 0.0),
        np.where(busy, up.streaming_s + down.streaming_s, 0.0) + passed,
        np.where(busy, law.floor_cycles / machine.clock_hz, 0.0),
    )


def _grouped(
    asked: Number,
    rows: Number,
    n: Number,
    k: Number,
    bytes_each: Number,
    flop_per_s: Number,
    machine: Machine,
    law: MixtureLaw,
) -> KernelTime:
    """Products of ``asked`` matrices of ``k`` by ``n`` with ``rows`` each."""
    rate = flop_per_s * law.compute / machine.multiprocessors
    waiting_s = law.step_cycles * k / TERMS / machine.clock_hz
    best: Floats | None = None
    for tall in GROUPED_ROWS:
        for wide in GROUPED_COLUMNS:
            tiles = asked * np.ceil(rows / tall) * np.ceil(n / wide)
            full = np.maximum(1.0, tiles / machine.multiprocessors)
            seconds = np.asarray(full * (2.0 * tall * wide * k / rate) + waiting_s)
            best = seconds if best is None else np.minimum(best, seconds)
    assert best is not None
    streaming = asked * n * k * bytes_each / (machine.byte_per_s * law.memory)
    return together(best, streaming, law.sharpness, 0.0)


@dataclass(frozen=True)
class AttentionLaw:
    """Efficiencies of attention by one kernel, cycles before its first tile (planning, joining of parts), and cycles of
    a multiprocessor for every tile: a head of the cache of a sequence that decodes, so many rows of a prompt."""

    compute: Number
    memory: Number
    floor_cycles: Number
    tile_cycles: Number
    sharpness: Number

    def tile_s(self, machine: Machine) -> Number:
        """Of each tile, where there are enough for all multiprocessors."""
        return self.tile_cycles / (machine.clock_hz * machine.multiprocessors)


DECODING = AttentionLaw(compute=0.1, memory=0.95, floor_cycles=20100.0, tile_cycles=3400.0, sharpness=2.7)
LATENT = AttentionLaw(compute=0.6, memory=0.9, floor_cycles=20100.0, tile_cycles=3400.0, sharpness=2.7)
"""As decoding's; that its tensor cores do as well as over prompts is assumed."""
PREFILLING = AttentionLaw(compute=0.63, memory=0.36, floor_cycles=19000.0, tile_cycles=3900.0, sharpness=1.0)


def generation_time(
    sequences: Number,
    context: Number,
    *,
    heads: Number,
    kv_heads: Number,
    head_dim: Number,
    kv_bytes: Number,
    flop_per_s: Number,
    machine: Machine,
    law: AttentionLaw,
) -> KernelTime:
    """Of one layer's attention of ``sequences``' newest tokens over ``context`` tokens of cache each, in ``kv_bytes``
    a value (no more than the window, where there is one)."""
    values = sequences * kv_heads * context * head_dim
    packed = np.ceil(heads / kv_heads / PACKED_QUERIES) * PACKED_QUERIES
    computing = 4.0 * values * packed / (flop_per_s * law.compute)
    time = together(computing, 2.0 * values * kv_bytes / (machine.byte_per_s * law.memory), law.sharpness, 0.0)
    return KernelTime(
        time.computing_s,
        time.streaming_s,
        law.floor_cycles / machine.clock_hz + sequences * kv_heads * law.tile_s(machine),
    )


def latent_time(
    sequences: Number,
    context: Number,
    *,
    heads: Number,
    key_dim: Number,
    value_dim: Number,
    kv_bytes: Number,
    flop_per_s: Number,
    machine: Machine,
    law: AttentionLaw,
) -> KernelTime:
    """As ``generation_time``, where all heads read one vector of ``key_dim`` values, part of which serve as the value
    (multi-head latent attention in its absorbed form)."""
    packed = np.ceil(heads / LATENT_ROWS) * LATENT_ROWS
    pairs = sequences * context
    computing = 2.0 * pairs * packed * (key_dim + value_dim) / (flop_per_s * law.compute)
    streaming = pairs * key_dim * kv_bytes / (machine.byte_per_s * law.memory)
    floor_s = law.floor_cycles / machine.clock_hz + sequences * law.tile_s(machine)
    return together(computing, streaming, law.sharpness, floor_s)


CHOOSING_CYCLES, CHOOSING_ROW_CYCLES = 160000.0, 120000.0
"""Of an indexer, beside its products and pairs: clock cycles of what it launches in a layer, and cycles of one
multiprocessor to choose for a token. Modules of sparse beside those of latent attention, as vLLM 0.22 has them: 175,000
to 244,000 with what the products' floors take, on H200, B200 and GB200; 98,000 to 138,000 a token of a prompt, 73,000
to 146,000 a sequence that decodes."""


def choosing_time(tokens: Number, *, machine: Machine) -> KernelTime:
    """Of one layer's indexer, which chooses for each of ``tokens`` what it attends to."""
    chosen_s = tokens * CHOOSING_ROW_CYCLES / (machine.clock_hz * machine.multiprocessors)
    return KernelTime(chosen_s, 0.0, CHOOSING_CYCLES / machine.clock_hz + 0.0 * tokens)


def context_time(
    prompts: Number,
    tokens: Number,
    window: Number,
    *,
    heads: Number,
    kv_heads: Number,
    head_dim: Number,
    flop_per_s: Number,
    machine: Machine,
    law: AttentionLaw,
) -> KernelTime:
    """Of one layer's causal attention of ``prompts`` of so many ``tokens`` each; ``window`` 0 is none.

    Heads that share a cached head stand in one another's rows. A tile of rows attends to its past, and half of the
    tokens of its own on average, or to its window and all of them.
    """
    packed = heads / kv_heads
    tall = np.ceil(tokens * packed / QUERY_ROWS)
    own = QUERY_ROWS / packed
    near = np.where(np.asarray(window) > 0.0, np.minimum(window, tokens), tokens) + own
    past = np.minimum(near, (tall + 1.0) * own / 2.0)
    tiles = prompts * kv_heads * tall
    idle = np.maximum(1.0, machine.multiprocessors / tiles)
    computing = 4.0 * tiles * QUERY_ROWS * head_dim * past / (flop_per_s * law.compute) * idle
    computing = computing + tiles * idle * law.tile_s(machine)
    byte = ACTIVATION_BYTES * prompts * tokens * 2.0 * (heads + kv_heads) * head_dim
    return together(
        computing, byte / (machine.byte_per_s * law.memory), law.sharpness, law.floor_cycles / machine.clock_hz
    )


STATE_MEMORY = 0.87
"""Fraction of the memory's rate at which recurrences read and write their states."""
STATE_CYCLES, CHUNKS_CYCLES = 7200.0, 33500.0
"""That a recurrence takes before its first state when sequences decode, and before its first chunk of a prompt."""
CHUNK_FLOP_PER_CYCLE = 1800.0
"""Of a multiprocessor that works on the chunks of one head, one after the other."""
CONVOLUTION_MEMORY, CONVOLUTION_CYCLES = 0.40, 5800.0
"""Fraction of the memory's rate and cycles of the convolution before a recurrence, over prompts."""


def recurrence_time(sequences: Number, state_bytes: Number, *, machine: Machine) -> KernelTime:
    """Of one layer's recurrence for ``sequences`` that decode: each reads its state of so many bytes and writes it."""
    moved_s = 2.0 * sequences * state_bytes / (machine.byte_per_s * STATE_MEMORY)
    return KernelTime(0.0, moved_s, STATE_CYCLES / machine.clock_hz)


def chunks_time(
    prompts: Number, tokens: Number, *, heads: Number, flop: Number, channels: Number, machine: Machine
) -> KernelTime:
    """Of one layer's recurrence over ``prompts`` of so many ``tokens`` each, computed in chunks with ``flop`` a token,
    and of the convolution over ``channels`` before it (0: none).

    A head of a prompt has its chunks one after the other, on one multiprocessor.
    """
    idle = np.maximum(1.0, machine.multiprocessors / (prompts * heads))
    issued = CHUNK_FLOP_PER_CYCLE * machine.clock_hz * machine.multiprocessors
    convolved = 2.0 * ACTIVATION_BYTES * prompts * tokens * channels / (machine.byte_per_s * CONVOLUTION_MEMORY)
    floor = CHUNKS_CYCLES + np.where(np.asarray(channels) > 0.0, CONVOLUTION_CYCLES, 0.0)
    return KernelTime(prompts * tokens * flop / issued * idle, convolved, floor / machine.clock_hz)
