"""Measured kernels with their watts: files read into what the kernels did, how they were run, and their shapes.

Shapes are groups that are held out whole: a matrix (n, k) with all its rows m; an attention (heads, cached heads, their
size, window) with all its batches and contexts; a module of latent attention (model, heads); a mixture (hidden, width,
experts, experts a token) however it is sliced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.kernel_absent import with_absent
from benchmarks.accuracy.kernel_compiling import compiled
from benchmarks.accuracy.kernel_lanes import in_tasks, in_turn, places
from benchmarks.accuracy.kernel_meter import loops
from benchmarks.accuracy.kernel_order import attention_lanes, in_order_of
from benchmarks.accuracy.kernel_second import queued, resumed
from benchmarks.accuracy.kernel_table import Kernels, codes_of, columns_of, kernels_of, merged_of
from benchmarks.accuracy.sources import MEASURED
from sim.profiles.kernels.power import KernelWork, Number
from sim.profiles.kernels.work import (
    asked_experts,
    attention_work,
    causal_pairs,
    missing,
    mixture_work,
    product_work,
    together,
)

Floats = npt.NDArray[np.float64]

FOLDER = MEASURED / "kernels"
BF16, FP8, FP4 = 16, 8, 4


@dataclass(frozen=True)
class Board:
    """Of its data sheet: file names, multiprocessors, B of second-level cache, B/s, FLOP/s at 16 bits, W at most; how
    many a node has; and in how many turns rows of attention were taken whose order of ends is lost (on GB200 every
    second one often reads the same)."""

    file: str
    profile: str
    multiprocessors: int
    cache_bytes: float
    byte_per_s: float
    flop_per_s: float
    limit_w: float
    gpus: int
    turns: int = 0


H200 = Board("h200_sxm", "nvidia-h200-sxm-141gb", 132, 50e6, 4.8e12, 989.5e12, 700.0, 8)
B200 = Board("b200_sxm", "nvidia-b200-sxm-180gb", 148, 126e6, 7.7e12, 2250e12, 1000.0, 8)
GB200 = Board("gb200", "nvidia-gb200-186gb", 152, 126e6, 8.0e12, 2500e12, 1200.0, 4, turns=2)
BOARDS = (H200, B200, GB200)


@dataclass(frozen=True)
class Format:
    """Bits of its operations, B of a weight and of an operand, and how the campaign launched a product in it: how many
    in an iteration, within a graph or one by one."""

    bits: int
    weight_bytes: float
    operand_bytes: float
    launches: int = 6
    graph: bool = True


FORMATS = {
    "bfloat16": Format(BF16, 2.0, 2.0),
    "fp8": Format(FP8, 1.0, 1.0),
    "fp8_block": Format(FP8, 1.0, 1.0, launches=1, graph=False),
    "nvfp4": Format(FP4, 0.5625, 0.5625, launches=1),
}
"""In the order in which the campaign takes them in turn; nvfp4 has a scale of 8 bits for 16 values."""


COMPILE_S = 3.0
"""Of a kernel, in which the GPU rests."""
SET_UP_S = 0.05
"""About what is between two runs of products, as far as it decides who takes the next."""
LAUNCH_S = 12e-6
"""A launch of a product by the host, one by one."""
START_S = 3e-6
"""A kernel's start and end, of its own time where a host is slower."""


def products(table: pd.DataFrame, board: Board) -> Kernels:
    """Products in all formats. What is launched one by one keeps the GPU busy for its kernels' own time only."""
    table = with_absent(table, board.file)
    parts = []
    word = table["gemm_dtype"].to_numpy(np.str_)
    seconds = table["latency"].to_numpy(np.float64) * 1e-3
    busy = np.ones(len(table))
    for name, kind in FORMATS.items():
        rows = word == name
        m, n, k = columns_of(table[rows], "m", "n", "k")
        held = kind.launches * n * k * kind.weight_bytes + m * k * kind.operand_bytes + 2.0 * m * n
        work = product_work(
            m, n, k,
            bits=kind.bits, weight_bytes=kind.weight_bytes, operand_bytes=kind.operand_bytes,
            multiprocessors=board.multiprocessors, cold=missing(held, board.cache_bytes),
        )  # fmt: skip
        parts.append((rows, work))
        if not kind.graph:
            flop_s = 2.0 * m * n * k / (0.7 * board.flop_per_s * BF16 / kind.bits)
            byte_s = held / (1.3 * board.byte_per_s)
            busy[rows] = np.minimum(1.0, (np.maximum(flop_s, byte_s) + START_S) / seconds[rows])
    eager = word == "fp8_block"
    paused = np.zeros(len(table), dtype=np.bool_)
    alone = word == "fp8"
    end = table["end"].to_numpy(np.float64)
    late = np.zeros(len(table), dtype=np.bool_)
    late[np.flatnonzero(~alone)[resumed(end[~alone]) :]] = True
    for rows in (eager & ~late, eager & late):
        rows_m, rows_n, rows_k = (table[name].to_numpy(np.int64)[rows] for name in ("m", "n", "k"))
        paused[rows] = compiled(rows_m, rows_n, rows_k, board.multiprocessors, hopper=board is H200)
    launches = np.array([FORMATS[w].launches for w in word], dtype=np.float64)
    loop_s, warm_s = loops(seconds, launches, LAUNCH_S)
    lane = np.zeros(len(table), dtype=np.int64)
    for format_, rows in enumerate((~alone, alone)):
        own = SET_UP_S + loop_s[rows] + warm_s[rows] + np.where(paused[rows], COMPILE_S, 0.0)
        lane[rows] = (board.gpus + 1) * format_ + queued(end[rows], own, board.gpus)
    return kernels_of(
        table, merged_of(parts),
        launches=launches, host_s=LAUNCH_S, shape=("n", "k"), word="gemm_dtype", lane=lane,
        queue=alone.astype(np.int64), busy=busy, eager=eager, paused=paused, tiling=codes_of(table, "m", "n"),
    )  # fmt: skip


def _cache(table: pd.DataFrame) -> tuple[Floats, list[tuple[npt.NDArray[np.bool_], int]]]:
    """B of a cached value, and which rows compute in which bits: those of the cache."""
    narrow = (table["kv_cache_dtype"] == "fp8").to_numpy()
    return np.where(narrow, 1.0, 2.0), [(~narrow, BF16), (narrow, FP8)]


MODULE_LAUNCH_S = 5e-5


def attentions(table: pd.DataFrame, board: Board) -> Kernels:
    """Attention over prompts (with a prefix or without) or over the cache of sequences that decode."""
    b, s, heads, kv, size, step, window = columns_of(
        table, "batch_size", "isl", "num_heads", "num_key_value_heads", "head_dim", "step", "window_size"
    )
    reach = np.where(window > 0, window, np.inf)
    cache_bytes, halves = _cache(table)
    pairs = np.asarray(causal_pairs(s, step, reach))
    kept = np.asarray(np.minimum(step + s, reach + s - 1.0))
    parts = []
    for rows, bits in halves:
        held = 2.0 * b * size * (s * heads * 2.0 + kept * kv * cache_bytes)
        work = attention_work(
            b[rows], s[rows], pairs[rows], kept[rows],
            heads=heads[rows], kv_heads=kv[rows], key_dim=size[rows], value_dim=size[rows],
            cache_bytes=cache_bytes[rows], bits=bits, multiprocessors=board.multiprocessors,
            cold=np.asarray(missing(held, board.cache_bytes))[rows],
        )  # fmt: skip
        parts.append((rows, work))
    shape = ("num_heads", "num_key_value_heads", "head_dim", "window_size")
    lane = np.arange(len(table)) % board.turns if board.turns else attention_lanes(table, board.gpus)
    return kernels_of(
        table, merged_of(parts),
        launches=1, host_s=MODULE_LAUNCH_S, shape=shape, word="kv_cache_dtype", lane=lane, sequences=b,
    )  # fmt: skip


def encoders(table: pd.DataFrame, board: Board) -> Kernels:
    """Attention of all tokens to all, without a cache."""
    b, s, heads, size = columns_of(table, "batch_size", "isl", "num_heads", "head_dim")
    held = 8.0 * b * s * heads * size
    work = attention_work(
        b, s, s * s, s,
        heads=heads, kv_heads=heads, key_dim=size, value_dim=size, cache_bytes=2.0, bits=BF16,
        multiprocessors=board.multiprocessors, cold=missing(held, board.cache_bytes),
    )  # fmt: skip
    return kernels_of(
        table, work, launches=1, host_s=MODULE_LAUNCH_S, shape=("num_heads", "head_dim"), word="attn_dtype"
    )  # fmt: skip


HIDDEN, Q_RANK, KV_RANK, ROPE, NOPE, VALUE = 7168.0, 1536.0, 512.0, 64.0, 128.0, 128.0
"""Of DeepSeek-V3 and its kin, as their configurations state them; the campaign changes the number of heads alone."""


def latent_modules(table: pd.DataFrame, board: Board, *, prompts: bool) -> Kernels:
    """Multi-head latent attention with all its projections: as they are over prompts, absorbed while decoding."""
    b, s, heads, step = columns_of(table, "batch_size", "isl", "num_heads", "step")
    cache_bytes, _ = _cache(table)
    words = table["gemm_type"].to_numpy(np.str_)
    narrow = (table["mla_dtype"] == "fp8").to_numpy() if prompts else cache_bytes == 1.0
    parts = []
    for name, kind in FORMATS.items():
        for eight in (False, True):
            rows = (words == name) & (narrow == eight)
            if not rows.any():
                continue
            h, m = heads[rows], (b * s)[rows]

            def product(n: Number, k: Number, of: Format = kind, m: Floats = m) -> KernelWork:
                return product_work(
                    m, n, k, bits=of.bits, weight_bytes=of.weight_bytes, operand_bytes=of.operand_bytes,
                    multiprocessors=board.multiprocessors,
                )  # fmt: skip

            kernels = [
                product(Q_RANK + KV_RANK + ROPE, HIDDEN),
                product(h * (NOPE + ROPE), Q_RANK),
                product(HIDDEN, h * VALUE),
            ]
            if prompts:
                kernels.append(product(h * (NOPE + VALUE), KV_RANK))
                pairs = np.asarray(causal_pairs(s, step, np.inf))[rows]
                key, value, kv_heads, held = NOPE + ROPE, VALUE, h, 2.0
            else:
                kernels.append(product(h * (NOPE + VALUE), KV_RANK, FORMATS["bfloat16"]))
                pairs = (step + s)[rows]
                key, value, kv_heads, held = KV_RANK + ROPE, KV_RANK, 1.0, cache_bytes[rows] * 0.53
            kernels.append(
                attention_work(
                    b[rows], s[rows], pairs, (step + s)[rows],
                    heads=h, kv_heads=kv_heads, key_dim=key, value_dim=value, cache_bytes=held,
                    bits=FP8 if eight else BF16, multiprocessors=board.multiprocessors,
                )
            )  # fmt: skip
            parts.append((rows, together(*kernels)))
    block = codes_of(table, "model", "mla_dtype", "kv_cache_dtype", "gemm_type", "num_heads")
    loops_of = (table[name].to_numpy(np.int64) for name in ("batch_size", "isl", "step"))
    return kernels_of(
        table, merged_of(parts), launches=1, host_s=MODULE_LAUNCH_S, shape=("model", "num_heads"), word="gemm_type",
        lane=in_turn(places(block, *loops_of), board.gpus),
    )  # fmt: skip


def mixtures(table: pd.DataFrame, board: Board) -> Kernels:
    """Experts of one GPU, with tokens spread evenly or by a power law (of which five draws are launched in turn)."""
    tokens, hidden, inter, each, experts, slices, ranks = columns_of(
        table, "num_tokens", "hidden_size", "inter_size", "topk", "num_experts", "moe_tp_size", "moe_ep_size"
    )
    here, width, routed = experts / ranks, inter / slices, tokens * each / ranks
    even = (table["distribution"] == "balanced").to_numpy()
    reached = np.where(even, np.minimum(here, routed), asked_experts(0.5 * routed, here))
    words = table["moe_dtype"].to_numpy(np.str_)
    parts = []
    for name, kind in FORMATS.items():
        rows = words == name
        if not rows.any():
            continue
        work = mixture_work(
            tokens[rows], routed[rows], reached[rows],
            hidden=hidden[rows], width=width[rows], bits=kind.bits, weight_bytes=kind.weight_bytes,
            operand_bytes=kind.operand_bytes, multiprocessors=board.multiprocessors,
            cold=missing(3.0 * (here * hidden * width)[rows] * kind.weight_bytes, board.cache_bytes),
        )  # fmt: skip
        parts.append((rows, work))
    task = (
        "moe_dtype",
        "hidden_size",
        "inter_size",
        "topk",
        "num_experts",
        "moe_tp_size",
        "moe_ep_size",
        "distribution",
    )
    return kernels_of(
        table, merged_of(parts), launches=np.where(even, 1.0, 5.0), host_s=MODULE_LAUNCH_S,
        shape=("hidden_size", "inter_size", "topk", "num_experts"), word="moe_dtype",
        lane=in_tasks(codes_of(table, *task)),
    )  # fmt: skip


KINDS: dict[str, Callable[[pd.DataFrame, Board], Kernels]] = {
    "gemm": products,
    "context_attention": attentions,
    "generation_attention": attentions,
    "encoder_attention": encoders,
    "mla_context_module": partial(latent_modules, prompts=True),
    "mla_generation_module": partial(latent_modules, prompts=False),
    "moe": mixtures,
}


SHAPES = {
    "gemm": ("n", "k"),
    "context_attention": ("num_heads", "num_key_value_heads", "head_dim", "window_size"),
    "generation_attention": ("num_heads", "num_key_value_heads", "head_dim", "window_size"),
    "encoder_attention": ("num_heads", "head_dim"),
    "mla_context_module": ("model", "num_heads"),
    "mla_generation_module": ("model", "num_heads"),
    "moe": ("hidden_size", "inter_size", "topk", "num_experts"),
}
"""Columns that make a shape."""


def read(board: Board, kind: str, *, share: float = 1.0) -> Kernels | None:
    """The kernels of a board of one kind, of about a ``share`` of its shapes; None where their file is not here."""
    path = FOLDER / f"{board.file}_{kind}.parquet"
    if not path.is_file():
        return None
    table = pd.read_parquet(path)
    if board is GB200 and KINDS[kind] is attentions and (like := FOLDER / f"{B200.file}_{kind}.parquet").is_file():
        table = in_order_of(table, pd.read_parquet(like))
    if share < 1.0:
        shape = table.groupby([name for name in SHAPES[kind] if name in table], sort=True).ngroup()
        rng = np.random.default_rng(0)
        table = table[(rng.random(int(shape.max()) + 1) < share)[shape]].reset_index(drop=True)
    return KINDS[kind](table, board)
