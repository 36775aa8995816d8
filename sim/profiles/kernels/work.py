"""What kernels of language models do: FLOP, bytes from memory and from the second-level cache, exponentials.

A kernel cuts its result into tiles, one to a multiprocessor, and every tile takes the rows and columns it needs from
the second-level cache: so operands cross the fabric as often as there are tiles that need them, and memory once, if
they do not stay in the cache from one launch to the next. Form: Kwon and others, "Understanding reuse, performance,
and hardware cost of DNN dataflow", MICRO 2019, doi 10.1145/3352460.3358252; Dao, "FlashAttention-2", arXiv:2307.08691
(tiles of queries that pass over all keys). Arguments broadcast.
"""

from __future__ import annotations

import numpy as np

from sim.profiles.kernels.power import KernelWork, Number

TILE = 128
"""Rows and columns of a result that one multiprocessor makes at a time (wgmma, tcgen05 kernels; CUTLASS defaults)."""
SPLIT_DEPTH = 1024
"""A deep product with few tiles is split along its depth, so that more multiprocessors take part, at most 8-fold."""
DECODE_TILE = 256
"""Tokens of a cache that one multiprocessor reads for one head (split along the context, "flash decoding")."""
RESULT_BYTES = 2.0
"""Results, queries and what is between kernels have 16 bits."""


def missing(working_set: Number, cache_bytes: float) -> Number:
    """Share of its bytes that a kernel launched over and over takes from memory: what does not fit the cache.

    In a model every other kernel comes between, and all comes from memory.
    """
    return np.clip(1.0 - cache_bytes / np.maximum(working_set, 1.0), 0.0, 1.0)


def product_work(
    m: Number,
    n: Number,
    k: Number,
    *,
    bits: int,
    weight_bytes: float,
    operand_bytes: float,
    multiprocessors: int,
    cold: Number = 1.0,
) -> KernelWork:
    """``m`` rows times a matrix of ``k`` by ``n``; ``cold`` of its bytes come from memory.

    Operands narrower than 16 bits are quantised from 16 first: read, written and read again.
    """
    weights = n * k * weight_bytes
    quantising = m * k * (RESULT_BYTES + operand_bytes) if operand_bytes < RESULT_BYTES else 0.0 * m
    others = m * k * operand_bytes + m * n * RESULT_BYTES + quantising
    rows, columns = np.ceil(m / TILE), np.ceil(n / TILE)
    l2 = rows * weights + columns * m * k * operand_bytes + m * n * RESULT_BYTES + quantising
    tiles = rows * columns * np.clip(k / SPLIT_DEPTH, 1.0, 8.0)
    return KernelWork(
        {bits: 2.0 * m * n * k}, l2, cold * (weights + others), 0.0, np.minimum(1.0, tiles / multiprocessors)
    )


def causal_pairs(queries: Number, before: Number, window: Number) -> Number:
    """Pairs of a query and a key it sees: queries at the end of ``before`` tokens, each of which sees those up to its
    own and at most ``window`` of them."""
    growing = np.clip(window - before, 0.0, queries)
    return (
        growing * before + growing * (growing + 1.0) / 2.0 + (queries - growing) * np.minimum(window, before + queries)
    )


def attention_work(
    sequences: Number,
    queries: Number,
    pairs: Number,
    kept: Number,
    *,
    heads: Number,
    kv_heads: Number,
    key_dim: Number,
    value_dim: Number,
    cache_bytes: Number,
    bits: int,
    multiprocessors: int,
    cold: Number = 1.0,
) -> KernelWork:
    """Attention of ``queries`` tokens in each of ``sequences`` over ``kept`` tokens of cache, ``pairs`` a head.

    Many queries pass over keys in tiles of rows; one query reads each cached value once for all heads that share it.
    """
    sides = sequences * queries * heads * (key_dim + value_dim) * RESULT_BYTES
    cached = sequences * kept * kv_heads * (key_dim + value_dim) * cache_bytes
    passes = sequences * pairs * heads / TILE * (key_dim + value_dim) * cache_bytes
    alone = np.asarray(queries) <= 1
    tiles = np.where(
        alone, sequences * kv_heads * np.ceil(kept / DECODE_TILE), np.ceil(queries / TILE) * heads * sequences
    )
    flop = 2.0 * (key_dim + value_dim) * pairs * heads * sequences
    l2 = sides + np.where(alone, cached, passes)
    share = np.minimum(1.0, tiles / multiprocessors)
    return KernelWork({bits: flop}, l2, cold * (sides + cached), pairs * heads * sequences, share)


def asked_experts(choices: Number, experts: Number) -> Number:
    """Experts that so many choices reach, each of ``experts`` as likely: 1 - (1 - 1/E)^choices of them."""
    return experts * (1.0 - np.exp(choices * np.log1p(-1.0 / np.maximum(experts, 2.0))))


def mixture_work(
    tokens: Number,
    routed: Number,
    reached: Number,
    *,
    hidden: Number,
    width: Number,
    bits: int,
    weight_bytes: float,
    operand_bytes: float,
    multiprocessors: int,
    cold: Number = 1.0,
) -> KernelWork:
    """A gated network of three matrices for each of ``reached`` experts, to which ``routed`` rows of ``tokens`` go."""
    weights = 3.0 * reached * hidden * width * weight_bytes
    between = routed * (2.0 * hidden + 3.0 * width) * RESULT_BYTES + routed * (hidden + width) * operand_bytes
    others = between + 2.0 * tokens * hidden * RESULT_BYTES
    rows = np.maximum(1.0, np.ceil(routed / np.maximum(reached, 1e-9) / (TILE / 2)))
    passes = routed * (2.0 * width / TILE * hidden + hidden / TILE * width) * operand_bytes
    tiles = reached * rows * (width + hidden / 2.0) / TILE
    share = np.minimum(1.0, tiles / multiprocessors)
    return KernelWork(
        {bits: 6.0 * hidden * width * routed}, rows * weights + passes + others, cold * (weights + others), 0.0, share
    )


def together(*works: KernelWork) -> KernelWork:
    """Kernels of one launch, one after another: what they do in all; multiprocessors as in the busiest of them."""
    flop: dict[int, Number] = {}
    for work in works:
        for bits, count in work.flop.items():
            flop[bits] = flop.get(bits, 0.0) + count
    occupancy: Number = 0.0
    for work in works:
        occupancy = np.maximum(occupancy, work.occupancy)
    return KernelWork(
        flop,
        sum((w.l2_byte for w in works), 0.0),
        sum((w.byte for w in works), 0.0),
        sum((w.scores for w in works), 0.0),
        occupancy,
    )
