"""Kinds of kernels: what their tables say of a shape, and their time by the laws of ``profiles.kernels.time``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.kernel_sets import BOARDS, BYTES, UNPACKED, Board, Constants, Kind
from sim.measure.fit.least_squares import Bound
from sim.profiles.catalog import Catalog
from sim.profiles.iteration.terms import Stack
from sim.profiles.kernels.time import (
    DECODING,
    LATENT,
    PREFILLING,
    ROWWISE_CYCLES,
    AttentionLaw,
    KernelTime,
    MixtureLaw,
    Number,
    ProductLaw,
    chunks_time,
    context_time,
    generation_time,
    latent_time,
    mixture_time,
    product_time,
    quantise_time,
    recurrence_time,
)

Floats = npt.NDArray[np.float64]


def _columns(table: pd.DataFrame, *names: str) -> tuple[Floats, ...]:
    return tuple(table[name].to_numpy(np.float64) for name in names)


def _product(table: pd.DataFrame, board: Board, word: str, c: Constants) -> KernelTime:
    m, n, k = _columns(table, "m", "n", "k")
    law = ProductLaw(
        c["compute"],
        c["memory"],
        c["floor"],
        c["step"],
        c["split"],
        c["sharpness"],
        c.get("choosy", float(word != "fp8")),
        float(word in UNPACKED),
    )
    operand = BYTES["bfloat16"] if word in UNPACKED else BYTES[word]
    time = product_time(
        m, n, k, weight_bytes=BYTES[word], operand_bytes=operand, flop_per_s=board.flop_per_s(word),
        machine=board.machine, law=law,
    )  # fmt: skip
    if word == "bfloat16" or word in UNPACKED:
        return time
    value_cycles = ROWWISE_CYCLES if word == "fp8" else 0.0
    return time + quantise_time(m, k, machine=board.machine, memory=c["memory"], value_cycles=value_cycles)


def _product_work(table: pd.DataFrame, word: str) -> tuple[Floats, Floats]:
    m, n, k = _columns(table, "m", "n", "k")
    return 2.0 * m * n * k, (n * k + m * k) * BYTES[word] + 2.0 * m * n


def _mixture(table: pd.DataFrame, board: Board, word: str, c: Constants) -> KernelTime:
    tokens, each, experts, ranks, slices, hidden, width = _columns(table, *MIXTURE)
    everyones = tokens * each
    routed = np.maximum(1.0, everyones / ranks)
    law = MixtureLaw(c["compute"], c["memory"], c["passes"], c["floor"], c["step"], c["sharpness"])
    return mixture_time(
        routed, np.minimum(experts / ranks, routed), hidden, width / slices, everyones=everyones, first=2.0,
        bytes_each=BYTES[word], flop_per_s=board.flop_per_s(word), machine=board.machine, law=law,
    )  # fmt: skip


MIXTURE = ("num_tokens", "topk", "num_experts", "moe_ep_size", "moe_tp_size", "hidden_size", "inter_size")


def _mixture_work(table: pd.DataFrame, word: str) -> tuple[Floats, Floats]:
    tokens, each, experts, ranks, slices, hidden, width = _columns(table, *MIXTURE)
    routed = np.maximum(1.0, tokens * each / ranks)
    an_expert = 3.0 * hidden * width / slices
    return 2.0 * routed * an_expert, np.minimum(experts / ranks, routed) * an_expert * BYTES[word]


ATTENTION = ("batch_size", "num_heads", "num_key_value_heads", "head_dim", "window_size")


def _attention_law(c: Constants) -> AttentionLaw:
    return AttentionLaw(c["compute"], c["memory"], c["floor"], c["tile"], c["sharpness"])


def _generation(table: pd.DataFrame, board: Board, _: str, c: Constants) -> KernelTime:
    batch, heads, kv_heads, head_dim, window = _columns(table, *ATTENTION)
    past = table["step"].to_numpy(np.float64) + 1.0
    return generation_time(
        batch, np.where(window > 0.0, np.minimum(past, window), past), heads=heads, kv_heads=kv_heads,
        head_dim=head_dim, kv_bytes=_kv_bytes(table), flop_per_s=board.bf16, machine=board.machine,
        law=_attention_law(c),
    )  # fmt: skip


def _kv_bytes(table: pd.DataFrame) -> Floats:
    return np.where(table["kv_cache_dtype"].to_numpy() == "fp8", 1.0, 2.0)


def _generation_work(table: pd.DataFrame, _: str) -> tuple[Floats, Floats]:
    batch, heads, kv_heads, head_dim, window = _columns(table, *ATTENTION)
    past = table["step"].to_numpy(np.float64) + 1.0
    near = np.where(window > 0.0, np.minimum(past, window), past)
    return 4.0 * batch * heads * head_dim * near, 2.0 * batch * kv_heads * head_dim * near * _kv_bytes(table)


def _context(table: pd.DataFrame, board: Board, _: str, c: Constants) -> KernelTime:
    batch, heads, kv_heads, head_dim, window = _columns(table, *ATTENTION)
    (tokens,) = _columns(table, "isl")
    return context_time(
        batch, tokens, window, heads=heads, kv_heads=kv_heads, head_dim=head_dim, flop_per_s=board.bf16,
        machine=board.machine, law=_attention_law(c),
    )  # fmt: skip


def _context_work(table: pd.DataFrame, _: str) -> tuple[Floats, Floats]:
    batch, heads, kv_heads, head_dim, window = _columns(table, *ATTENTION)
    (tokens,) = _columns(table, "isl")
    near = np.where((window > 0.0) & (window < tokens), window - window**2 / (2.0 * tokens), tokens / 2.0)
    return 4.0 * batch * heads * head_dim * tokens * near, 4.0 * batch * tokens * (heads + kv_heads) * head_dim


RECURRENCE = ("batch_size", "seq_len", "num_k_heads", "head_k_dim", "num_v_heads", "head_v_dim")


def _recurrence(table: pd.DataFrame, board: Board, _: str, __: Constants) -> KernelTime:
    batch, *_unused, key_dim, heads, value_dim = _columns(table, *RECURRENCE)
    return recurrence_time(batch, 4.0 * heads * key_dim * value_dim, machine=board.machine)


def _recurrence_work(table: pd.DataFrame, _: str) -> tuple[Floats, Floats]:
    batch, *_unused, key_dim, heads, value_dim = _columns(table, *RECURRENCE)
    return 7.0 * batch * heads * key_dim * value_dim, 8.0 * batch * heads * key_dim * value_dim


def _chunk_flop(key_dim: Floats, value_dim: Floats) -> Floats:
    """Of a head's token in chunks of 64: scores and sums, the delta rule's system, and the state at the ends."""
    scores, sums = 64.0 * key_dim, 64.0 * value_dim
    return 3.0 * (scores + sums) + scores + 6.0 * key_dim * value_dim


def _chunks(table: pd.DataFrame, board: Board, _: str, __: Constants) -> KernelTime:
    batch, tokens, _key_heads, key_dim, heads, value_dim = _columns(table, *RECURRENCE)
    flop = heads * _chunk_flop(key_dim, value_dim)
    return chunks_time(
        batch, np.ceil(tokens / 64.0) * 64.0, heads=heads, flop=flop, channels=0.0, machine=board.machine
    )


def _chunks_work(table: pd.DataFrame, _: str) -> tuple[Floats, Floats]:
    batch, tokens, key_heads, key_dim, heads, value_dim = _columns(table, *RECURRENCE)
    byte = 2.0 * batch * tokens * (2.0 * key_heads * key_dim + 2.0 * heads * value_dim)
    return batch * tokens * heads * _chunk_flop(key_dim, value_dim), byte


LATENT_QUERY, LATENT_KEY, LATENT_VALUE = 1536.0, 576.0, 512.0
"""DeepSeek-V3's ranks of queries, keys and values (arXiv:2412.19437); heads have 128 + 64 and 128 values."""


def _latent(table: pd.DataFrame, board: Board, word: str, _: Constants) -> KernelTime:
    """The whole of latent attention's layer as the sum of its kernels."""
    heads, batch, done = _columns(table, "num_heads", "batch_size", "step")
    context = done + table["isl"].to_numpy(np.float64)
    low = shipped("product", word, "h200_sxm")
    machine, flop_per_s = board.machine, board.flop_per_s(word)
    time = latent_time(
        batch, context, heads=heads, key_dim=LATENT_KEY, value_dim=LATENT_VALUE, kv_bytes=_kv_bytes(table),
        flop_per_s=board.bf16, machine=machine, law=LATENT,
    )  # fmt: skip
    for n, k in ((LATENT_QUERY + LATENT_KEY, 7168.0), (heads * 192.0, LATENT_QUERY), (7168.0, heads * 128.0)):
        time = time + product_time(
            batch, n, k, weight_bytes=BYTES[word], operand_bytes=BYTES[word], flop_per_s=flop_per_s, machine=machine,
            law=ProductLaw(low["compute"], low["memory"]),
        )  # fmt: skip
        if word != "bfloat16":
            time = time + quantise_time(batch, k, machine=machine, memory=low["memory"])
    plain = shipped("product", "bfloat16", "h200_sxm")
    absorbed = product_time(
        batch, heads * 128.0, LATENT_VALUE, weight_bytes=2.0, operand_bytes=2.0, flop_per_s=board.bf16,
        machine=machine, law=ProductLaw(plain["compute"], plain["memory"]),
    )  # fmt: skip
    return time + absorbed * 2.0


def _latent_work(table: pd.DataFrame, word: str) -> tuple[Floats, Floats]:
    heads, batch, done = _columns(table, "num_heads", "batch_size", "step")
    context = done + table["isl"].to_numpy(np.float64)
    weights = 7168.0 * (LATENT_QUERY + LATENT_KEY) + heads * (
        192.0 * LATENT_QUERY + 256.0 * LATENT_VALUE + 128.0 * 7168.0
    )
    pairs = batch * context
    flop = 2.0 * batch * weights + 2.0 * pairs * heads * (LATENT_KEY + LATENT_VALUE)
    return flop, weights * BYTES[word] + pairs * LATENT_KEY * _kv_bytes(table)


EFFICIENCY = Bound(0.7, 0.05, 1.0)
PRODUCT_BOUNDS = {
    "compute": EFFICIENCY,
    "memory": EFFICIENCY,
    "floor": Bound(4450.0, 1000.0, 20000.0),
    "step": Bound(73.0, 0.0, 500.0),
    "split": Bound(5320.0, 0.0, 20000.0),
    "sharpness": Bound(1.83, 1.0, 8.0),
}
ATTENTION_BOUNDS = {
    "compute": EFFICIENCY,
    "memory": EFFICIENCY,
    "floor": Bound(16000.0, 1000.0, 60000.0),
    "tile": Bound(3000.0, 0.0, 20000.0),
    "sharpness": Bound(2.0, 1.0, 8.0),
}
MIXTURE_BOUNDS = {
    "compute": EFFICIENCY,
    "memory": EFFICIENCY,
    "passes": Bound(4.0, 0.0, 30.0),
    "floor": Bound(60000.0, 1000.0, 400000.0),
    "step": Bound(73.0, 0.0, 500.0),
    "sharpness": Bound(2.0, 1.0, 8.0),
}
KINDS = {
    "product": Kind(
        "gemm", "gemm", ("n", "k"), PRODUCT_BOUNDS, _product, _product_work, ("bfloat16", "fp8", "fp8_block", "nvfp4")
    ),
    "mixture": Kind(
        "moe", "moe", ("hidden_size", "inter_size", "num_experts", "topk"), MIXTURE_BOUNDS, _mixture, _mixture_work,
        ("bfloat16", "fp8", "fp8_block", "nvfp4"), "moe_dtype",
    ),
    "generation attention": Kind(
        "generation_attention", "attention", ATTENTION[1:], ATTENTION_BOUNDS, _generation, _generation_work,
        word="attn_dtype",
    ),
    "context attention": Kind(
        "context_attention", "attention", ATTENTION[1:], ATTENTION_BOUNDS, _context, _context_work, word="attn_dtype"
    ),
    "recurrence": Kind(
        "gdn", "linear_attention", ("model_name",), {}, _recurrence, _recurrence_work, word="", source="fused_recurrent"
    ),
    "recurrence over prompts": Kind(
        "gdn", "linear_attention", ("model_name",), {}, _chunks, _chunks_work, word="", source="_flashinfer"
    ),
    "latent attention's layer": Kind(
        "mla_generation_module", "mla", ("num_heads",), {}, _latent, _latent_work, ("bfloat16", "fp8_block"),
        word="gemm_type",
    ),
}  # fmt: skip


SHIPPED_WORDS = {"bfloat16": "bf16", "fp8_block": "fp8", "int8_wo": "bf16", "int4_wo": "bf16"}
"""Precisions of the tables that a stack's weights may have: fp8 is scaled in blocks as it is published."""
OTHERS = {
    ("product", "fp8"): {"compute": 0.86, "memory": 0.86},
    ("product", "nvfp4"): {"compute": 0.57, "memory": 0.81},
    ("mixture", "fp8"): {"compute": 0.35, "memory": 0.945, "passes": 0.58, "floor": 40600.0},
    ("mixture", "nvfp4"): {"compute": 0.31, "memory": 0.87, "passes": 1.2, "floor": 39400.0},
}
"""Efficiencies of precisions that no stack has."""


def shipped(name: str, word: str, board: str) -> Constants:
    """The constants of a kind in one precision on a board, as they ship."""
    if not KINDS[name].bounds:
        return {}  # nothing of these is fitted, or by models alone
    if "attention" in name:
        law = DECODING if name.startswith("generation") else PREFILLING
        cycles = {"floor": law.floor_cycles, "tile": law.tile_cycles, "sharpness": law.sharpness}
        return {"compute": law.compute, "memory": law.memory, **cycles}
    law_of = ProductLaw if name == "product" else MixtureLaw
    shared = {"step": law_of.step_cycles, "sharpness": law_of.sharpness}
    if name == "product":
        shared |= {"floor": ProductLaw.floor_cycles, "split": ProductLaw.split_cycles}
    if (name, word) in OTHERS:
        return {**shared, **OTHERS[name, word]}
    stack = Catalog().stack("vllm-2026")
    own = stack.quantised["fp8"] if SHIPPED_WORDS[word] == "fp8" else stack
    if name == "product":
        assert own.compute_efficiency is not None
        assert own.memory_efficiency is not None
        return {**shared, "compute": own.compute_efficiency.value, "memory": own.memory_efficiency.value}
    kernels = own.experts.get(BOARDS[board].generation)
    if kernels is not None:
        efficiencies = kernels.compute_efficiency.value, kernels.memory_efficiency.value
        beside: tuple[Number, Number] = (kernels.passes.value, kernels.cycles.value)
    else:
        assert own.expert_compute_efficiency is not None
        efficiencies = own.expert_compute_efficiency.value, own.expert_efficiency.value
        beside = (Stack.expert_passes, Stack.expert_cycles)
    (compute, memory), (passes, floor) = efficiencies, beside
    return {**shared, "compute": compute, "memory": memory, "passes": passes, "floor": floor}
