"""Times of single kernels: the laws of ``profiles.kernels.time`` on shapes that their constants have not seen.

The constants that ship (``shipped``, of the stack vllm-2026 and of the laws) were fitted (``fitted``) to one half of
the shapes, of all boards with HBM together, so that a board adds nothing but its data sheet (a mixture's kernels, which
differ by generation, of its generation's boards). The other half is judged here, and boards with GDDR, which no
constant has seen but those of products. The layer of latent attention is the sum of its kernels, and nothing is fitted
to it. The naive guess is a roofline with one efficiency of compute and one of memory.

Noise: the same kernels in releases 0.22 and 0.24 of vLLM differ by 4 % in the median and 10 % on average.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.kernel_kinds import KINDS, shipped
from benchmarks.accuracy.kernel_sets import (
    BOARDS,
    FOLDER,
    UNPACKED,
    Board,
    Constants,
    Kind,
    known,
    package_folder,
    sets,
)
from benchmarks.table import Row
from sim.measure.fit.least_squares import Bound, fit

Floats = npt.NDArray[np.float64]

LONG_S = 1e-4
"""Kernels that take longer are also told by themselves."""


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
        for word in (*kind.words, *(UNPACKED if name == "product" else ())):
            framework = "trtllm" if word in UNPACKED else "vllm"
            off = judged(kind, word, partial(shipped, name, word), framework=framework)
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
