"""Products that the campaign measured too and that are not in a file: a row's past is theirs as well.

The campaign takes every width with every depth of one published list (aiconfigurator, ``collector/cases/base_ops/
gemm.yaml``, Apache-2.0: all pairs but the largest, row counts from the highest down), and about half of the matrices
are in the files. So the others stood between, and what they were is known: widths and depths are those of the files,
their times follow from the law of kernels (``profiles.kernels.time``), brought to the median of the rows that are here,
and nobody launches one by one any faster than the fastest row.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.kernel_kinds import KINDS, shipped
from benchmarks.accuracy.kernel_sets import BOARDS

LEFT_OUT = 65536
"""Of the largest matrix, as wide as it is deep."""
BLOCK = 128
"""What is scaled in blocks, or in 4 bits, is as wide and as deep at least."""
BLOCKED = ("fp8_block", "nvfp4")
TURN = ("bfloat16", "fp8", "fp8_block", "nvfp4")
"""The formats of a matrix, in the order in which they are measured."""


def with_absent(table: pd.DataFrame, file: str) -> pd.DataFrame:
    """The rows of a file and those that are not in it (without watts), in the order in which they were started; the
    ``end`` of each in the file."""
    ends = table.assign(end=np.arange(len(table), dtype=np.float64))
    rows = pd.concat([ends, *(_absent(table, file, word) for word in TURN)], ignore_index=True)
    met = {m: place for place, m in enumerate(table["m"].unique())}
    turn = {word: place for place, word in enumerate(TURN)}
    order = np.lexsort((rows["gemm_dtype"].map(turn), -rows["k"], -rows["n"], rows["m"].map(met)))
    return rows.iloc[order].reset_index(drop=True)


def _absent(table: pd.DataFrame, file: str, word: str) -> pd.DataFrame:
    here = table[table["gemm_dtype"] == word]
    least = BLOCK if word in BLOCKED else 0
    matrices = [
        (n, k)
        for n, k in sorted(set(product(table["n"].unique(), table["k"].unique())) - _matrices(table))
        if min(n, k) >= least and (n, k) != (LEFT_OUT, LEFT_OUT)
    ]
    tasks = [(word, m, n, k) for m in here["m"].unique() for n, k in matrices]
    absent = pd.DataFrame(tasks, columns=["gemm_dtype", "m", "n", "k"]).astype({"m": int, "n": int, "k": int})
    if len(absent) and len(here):
        one_by_one = word == "fp8_block"
        off = 1.0 if one_by_one else float(np.median(here["latency"] / _law_ms(here, file, word)))
        absent["latency"] = _law_ms(absent, file, word) * off
        if one_by_one:
            absent["latency"] = np.maximum(absent["latency"], absent["m"].map(here.groupby("m")["latency"].min()))
    return absent


def _matrices(table: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(table["n"].tolist(), table["k"].tolist(), strict=True))


def _law_ms(rows: pd.DataFrame, file: str, word: str) -> npt.NDArray[np.float64]:
    seconds = KINDS["product"].seconds(rows, BOARDS[file], word, shipped("product", word, "h200_sxm")).seconds
    return 1e3 * np.asarray(seconds)
