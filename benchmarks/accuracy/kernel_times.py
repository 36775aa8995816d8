"""Times of single kernels: the laws of ``profiles.kernel_time`` on shapes that their constants have not seen.

Shapes are held out whole: a matrix (n, k) with all its rows m, an attention (heads, cached heads, their size, window)
with all its batches and contexts, a mixture (hidden, width, experts, experts a token) however it is sliced. The
constants that ship (``shipped``, of the stack vllm-2026 and of the laws) were fitted (``fitted``) to one half of the
shapes, of all boards with HBM together, so that a board adds nothing but its data sheet (a mixture's kernels, which
differ by generation, of its generation's boards). The other half is judged here, and boards with GDDR, which no
constant has seen but those of products. The naive guess is a roofline with one efficiency of compute and one of memory.

Measured by NVIDIA for aiconfigurator (Apache-2.0): H200, B200 and GB200 under vLLM 0.22 as files, and the tables of
the package ``aiconfigurator-core`` where it is installed, of vLLM on more boards. Noise: the same kernels in its
releases 0.22 and 0.24 differ by 4 % in the median and 10 % on average. Times of fp8 in blocks are left out below
``LAUNCH_BOUND``, where the host's launches and not the kernels were measured.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.fit.least_squares import Bound, fit
from sim.profiles.catalog import Catalog
from sim.profiles.hardware import Generation
from sim.profiles.kernel_time import (
    DECODING,
    LATENT,
    PREFILLING,
    ROWWISE_CYCLES,
    AttentionLaw,
    KernelTime,
    Machine,
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
from sim.profiles.terms import Stack

Floats = npt.NDArray[np.float64]
Constants = Mapping[str, Number]

FOLDER = MEASURED / "kernels"
LAUNCH_BOUND = {"h100_sxm": 80e-6, "h200_sxm": 110e-6, "b200_sxm": 220e-6, "gb200": 350e-6, "b300_sxm": 220e-6}
"""Below these a kernel of fp8 in blocks was launched no faster; about 1.4 times the fastest there is."""


@dataclass(frozen=True)
class Board:
    """Of its data sheet: what times follow from, and peaks in FLOP/s by the word that the tables use."""

    generation: Generation
    machine: Machine
    bf16: float
    fp8: float = 0.0
    nvfp4: float = 0.0

    def flop_per_s(self, word: str) -> float:
        """The peak of what a table calls its precision."""
        return {"bfloat16": self.bf16, "fp8": self.fp8, "fp8_block": self.fp8, "nvfp4": self.nvfp4}[word]


BOARDS = {
    "a100_sxm": Board("ampere", Machine(108, 1.41e9, 2.039e12), 312e12),
    "h100_sxm": Board("hopper", Machine(132, 1.83e9, 3.35e12), 989.5e12, 1979e12),
    "h200_sxm": Board("hopper", Machine(132, 1.83e9, 4.8e12), 989.5e12, 1979e12),
    "b200_sxm": Board("blackwell", Machine(148, 1.856e9, 7.7e12), 2250e12, 4500e12, 9000e12),
    "gb200": Board("blackwell", Machine(152, 2.008e9, 8.0e12), 2500e12, 5000e12, 10000e12),
    "b300_sxm": Board("blackwell", Machine(148, 1.92e9, 7.7e12), 2250e12, 4500e12, 13500e12),
    "l40s": Board("ada", Machine(142, 2.49e9, 0.864e12), 362e12, 733e12),
    "rtx_pro_6000_server": Board("blackwell", Machine(188, 2.4e9, 1.597e12), 500e12, 1000e12, 2000e12),
}
"""As the vendors' data sheets have them, without sparsity; clocks are what the peaks are stated at."""

LONG_S = 1e-4
"""Kernels that take longer are also told by themselves."""
BYTES = {"bfloat16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625}


@dataclass(frozen=True)
class Kind:
    """Kernels of one kind: the file's name, what makes a shape, constants to fit, and their time by a law.

    ``folder`` is where the package has its table, ``word`` the column of the precision, and ``source`` a part of the
    kernel's name, where a table has several. ``work`` gives FLOP and bytes for the naive guess.
    """

    file: str
    folder: str
    shape: tuple[str, ...]
    bounds: Mapping[str, Bound]
    seconds: Callable[[pd.DataFrame, Board, str, Constants], KernelTime]
    work: Callable[[pd.DataFrame, str], tuple[Floats, Floats]]
    words: tuple[str, ...] = ("bfloat16",)
    word: str = "gemm_dtype"
    source: str = ""


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
    )
    time = product_time(
        m, n, k, weight_bytes=BYTES[word], operand_bytes=BYTES[word], flop_per_s=board.flop_per_s(word),
        machine=board.machine, law=law,
    )  # fmt: skip
    if word == "bfloat16":
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
    batch, _, _, key_dim, heads, value_dim = _columns(table, *RECURRENCE)
    return recurrence_time(batch, 4.0 * heads * key_dim * value_dim, machine=board.machine)


def _recurrence_work(table: pd.DataFrame, _: str) -> tuple[Floats, Floats]:
    batch, _, _, key_dim, heads, value_dim = _columns(table, *RECURRENCE)
    return 7.0 * batch * heads * key_dim * value_dim, 8.0 * batch * heads * key_dim * value_dim


def _chunk_flop(key_dim: Floats, value_dim: Floats) -> Floats:
    """Of a head's token in chunks of 64: scores and sums, the delta rule's system, and the state at the ends."""
    scores, sums = 64.0 * key_dim, 64.0 * value_dim
    return 3.0 * (scores + sums) + scores + 6.0 * key_dim * value_dim


def _chunks(table: pd.DataFrame, board: Board, _: str, __: Constants) -> KernelTime:
    batch, tokens, _, key_dim, heads, value_dim = _columns(table, *RECURRENCE)
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


SHIPPED_WORDS = {"bfloat16": "bf16", "fp8_block": "fp8"}
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


def package_folder() -> Path | None:
    """Where ``aiconfigurator-core`` keeps its tables, if it is installed."""
    found = importlib.util.find_spec("aiconfigurator_core")
    return Path(found.origin).parent / "systems" / "data" if found is not None and found.origin else None


def table_of(
    kind: Kind, board: str, word: str, *, package: Path | None = None, framework: str = "vllm"
) -> pd.DataFrame:
    """Measured kernels of a board in one precision, seconds in ``seconds``; empty where nothing was measured."""
    if package is None:
        path = FOLDER / f"{board}_{kind.file}.parquet"
    else:
        if framework == "vllm" and word == "fp8_block" and kind.file == "gemm":
            framework = "sglang"  # the same library's kernels, launched without the host in the way
        found = sorted((package / board / kind.folder / framework).glob(f"*/{kind.file}_perf.parquet"), key=_version)
        largest = max((each.stat().st_size for each in found), default=0)
        whole = [each for each in found if each.stat().st_size > 0.3 * largest]
        path = whole[-1] if whole else package / "none"
    if not path.is_file():
        return pd.DataFrame()
    table = pd.read_parquet(path)
    some = (table["latency"] > 0.0) & table["kernel_source"].str.contains(kind.source)
    table = table[some & (table[kind.word] == word if kind.word else True)].copy()
    table["seconds"] = table["latency"] * 1e-3
    if "window_size" not in table:
        table["window_size"] = 0
    if "num_key_value_heads" in table:
        alike = table["num_key_value_heads"] == 0
        table["num_key_value_heads"] = np.where(alike, table["num_heads"], table["num_key_value_heads"])
    if "distribution" in table:
        table = table[table["distribution"] == "balanced"]
    if word == "fp8_block" and kind.file == "gemm" and package is None:
        table = table[table["seconds"] > LAUNCH_BOUND.get(board, np.inf)]
    return table


def _version(path: Path) -> list[int]:
    """The release that a table is of, to be sorted by."""
    return [int(number) for number in re.findall(r"\d+", path.parent.name)]


def _number(name: str) -> int:
    """Of a name, the same on every machine."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def known(table: pd.DataFrame, kind: Kind) -> npt.NDArray[np.bool_]:
    """Rows of shapes that constants are fitted to: about half of them, by a hash of the shape alone."""
    mixed = np.zeros(len(table), dtype=np.uint64)
    for name in kind.shape:
        written = table[name].map(_number) if name == "model_name" else table[name]
        mixed = (mixed ^ written.to_numpy().astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.asarray(mixed % np.uint64(2) == 0)


def sets(
    kind: Kind, word: str, *, boards: Collection[str] = tuple(BOARDS), framework: str = "vllm"
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Boards and their kernels: the package's where it is installed, else the files'."""
    package = package_folder()
    for board in boards:
        table = table_of(kind, board, word, package=package, framework=framework)
        if len(table):
            yield board, table


def fitted(
    kind: Kind,
    word: str,
    held: Mapping[str, Bound],
    *,
    boards: Collection[str] = tuple(BOARDS),
    framework: str = "vllm",
    most: int = 1500,
) -> dict[str, float]:
    """Constants of a kind in one precision from the known shapes, as many kernels of each board; ``held`` narrows the
    bounds of some."""
    rng = np.random.default_rng(1)
    parts = []
    for board, table in sets(kind, word, boards=boards, framework=framework):
        rows = table[known(table, kind)]
        parts.append((BOARDS[board], rows.iloc[rng.choice(len(rows), min(most, len(rows)), replace=False)]))

    def residuals(c: Mapping[str, float]) -> Floats:
        return np.concatenate(
            [
                np.log(np.asarray(kind.seconds(rows, board, word, c).seconds) / rows["seconds"].to_numpy())
                for board, rows in parts
            ]
        )

    return dict(fit(residuals, {**kind.bounds, **held}).values)


def naive(kind: Kind, table: pd.DataFrame, board: Board, word: str) -> Floats:
    """A roofline with one efficiency of compute and one of memory."""
    flop, byte = kind.work(table, word)
    return np.maximum(flop / (0.6 * board.flop_per_s(word)), byte / (0.7 * np.asarray(board.machine.byte_per_s)))


def judged(
    kind: Kind,
    word: str,
    constants: Callable[[str], Constants],
    *,
    boards: Collection[str] = tuple(BOARDS),
    framework: str = "vllm",
) -> pd.DataFrame:
    """Relative errors of the law and of the naive guess on shapes held out, with the board and the seconds.

    ``constants`` are a board's.
    """
    found = []
    for board, table in sets(kind, word, boards=boards, framework=framework):
        rows = table[~known(table, kind)]
        ours = np.asarray(kind.seconds(rows, BOARDS[board], word, constants(board)).seconds)
        truth = rows["seconds"].to_numpy()
        errors: dict[str, Any] = {
            "board": board,
            "seconds": truth,
            "error": ours / truth - 1.0,
            "naive": naive(kind, rows, BOARDS[board], word) / truth - 1.0,
        }
        found.append(pd.DataFrame(errors))
    return pd.concat(found) if found else pd.DataFrame(columns=["board", "seconds", "error", "naive"])


def rows() -> list[Row]:
    """Mean errors of times by kind and precision: the mean of the boards', and each board's."""
    if not FOLDER.is_dir() and package_folder() is None:
        print(f"{FOLDER.name} is not here: its rows are left out")
        return []
    found = []
    for name, kind in KINDS.items():
        for word in kind.words:
            off = judged(kind, word, partial(shipped, name, word))
            if not len(off):
                continue
            each = (100.0 * off["error"].abs()).groupby(off["board"]).mean()
            guess = (100.0 * off["naive"].abs()).groupby(off["board"]).mean()
            long = off[off["seconds"] > LONG_S]
            note = f"naive {guess.mean():.0f} %; over 0.1 ms {100.0 * long['error'].abs().mean():.0f} % (naive "
            note += f"{100.0 * long['naive'].abs().mean():.0f}); "
            note += ", ".join(f"{board} {error:.0f}" for board, error in each.items())
            what = f"{name} {word}" if kind.words != ("bfloat16",) else name
            found.append(Row(f"kernels, time, {what}", float(each.mean()), "%", None, f"{note}; {len(off)} kernels"))
    return found
