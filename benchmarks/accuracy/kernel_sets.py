"""Measured kernels by kind and board: where their tables stand, and which shapes are held out.

Shapes are held out whole: a matrix (n, k) with all its rows m, an attention (heads, cached heads, their size, window)
with all its batches and contexts, a mixture (hidden, width, experts, experts a token) however it is sliced.

Measured by NVIDIA for aiconfigurator (Apache-2.0): H200, B200 and GB200 under vLLM 0.22 as files, and the tables of
the package ``aiconfigurator-core`` where it is installed, of more boards and frameworks. Times of fp8 in blocks are
left out of the files below ``LAUNCH_BOUND``, where the host's launches and not the kernels were measured.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.sources import MEASURED
from sim.measure.fit.least_squares import Bound
from sim.profiles.kernels.time import KernelTime, Machine, Number
from sim.profiles.machines.gpu import Generation

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
        if word in UNPACKED:
            return self.bf16  # weights are unpacked to 16 bits first
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

UNPACKED = ("int8_wo", "int4_wo")
"""Weights of fewer bits than what they are multiplied in, which TensorRT-LLM's tables of an A100 have alone."""
BYTES = {"bfloat16": 2.0, "fp8": 1.0, "fp8_block": 1.0, "nvfp4": 0.5625, "int8_wo": 1.0, "int4_wo": 0.5}


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
