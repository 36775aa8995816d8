"""Times of NCCL's collectives within an island, each kind judged by constants of the others alone.

A board has two constants: the share of its link's rate that large messages achieve, and its latencies in those of
NCCL's own model. They are fitted to three of all-reduce, all-gather, reduce-scatter and all-to-all, over 2, 4 and 8
GPUs and of 512 B to 512 MiB, and judged on the fourth. The naive guess knows bytes and the best bandwidth of the other
kinds, and no latencies. Of the two boards that are joined by PCIe, each is judged by the constants of the other; what
more than two of a server keep of the bus (``PCIE_SHARE``) is known from the all-reduces of the RTX PRO 6000, so that
only the L40S is held out.
Data: AIConfigurator 0.12.0 (NVIDIA, Apache-2.0), the newest NCCL of each board.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.kernel_sets import package_folder
from benchmarks.table import Row
from sim.measure.fit.least_squares import Bound, fit
from sim.profiles.catalog import Catalog
from sim.profiles.kernel_tables.package import SYSTEMS
from sim.training.collectives import Kind, cost
from sim.training.protocols import Library
from sim.training.topology import Switched, island_of, switched

Floats = npt.NDArray[np.float64]

KINDS: Mapping[str, Kind] = {
    "all_reduce": "all-reduce",
    "all_gather": "all-gather",
    "reduce_scatter": "reduce-scatter",
    "alltoall": "all-to-all",
}
BOARDS = (
    "nvidia-a100-sxm-80gb",
    "nvidia-h100-sxm-80gb",
    "nvidia-h200-sxm-141gb",
    "nvidia-b200-sxm-180gb",
    "nvidia-b300-sxm-270gb",
    "nvidia-gb200-186gb",
    "nvidia-gb300-279gb",
)
OVER_PCIE = ("nvidia-l40s", "nvidia-rtx-pro-6000-server")
SMALL_BYTES = 2.0**15
"""A decoded token of a large model sends less."""
VALUE_BYTES = 2.0
LARGE_BYTES = 2.0**20
BOUNDS = {"link_efficiency": Bound(0.7, 0.2, 1.0), "latency": Bound(1.0, 0.3, 3.0)}


@dataclass(frozen=True)
class Measured:
    """One collective among so many GPUs of an island."""

    kind: Kind
    gpus: int
    byte: float
    seconds: float


def measured(package: Path, board: str) -> list[Measured]:
    """Those of a board by the newest NCCL, in 16 bits, the median of what was measured several times."""
    folders = sorted((package / SYSTEMS[board] / "comm" / "nccl").glob("*/nccl_perf.parquet"), key=_version)
    table = pd.read_parquet(folders[-1])
    table = table[(table["nccl_dtype"] == "half") & (table["latency"] > 0.0)]
    middle = table.groupby(["op_name", "num_gpus", "message_size"], as_index=False)["latency"].median()
    columns = (middle[name].tolist() for name in ("op_name", "num_gpus", "message_size", "latency"))
    return [
        Measured(KINDS[name], int(gpus), VALUE_BYTES * float(values), 1e-3 * float(ms))
        for name, gpus, values, ms in zip(*columns, strict=True)
    ]


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.parent.name.split("."))


def predicted_s(rows: list[Measured], island: Switched, library: Library) -> Floats:
    """By the laws of ``sim.training.collectives``."""
    return np.array([cost(row.kind, row.byte, island.reach(row.gpus, 1), library).seconds for row in rows])


def fitted(rows: list[Measured], island: Switched) -> Library:
    """The two constants of a board."""
    truth = np.array([row.seconds for row in rows])

    def residuals(c: Mapping[str, float]) -> Floats:
        off: Floats = np.log(predicted_s(rows, island, Library(c["link_efficiency"], 1.0, c["latency"])) / truth)
        return off

    found = fit(residuals, BOUNDS).values
    return Library(found["link_efficiency"], 1.0, found["latency"])


def naive_s(rows: list[Measured], known: list[Measured]) -> Floats:
    """Bytes over the best bus bandwidth of the others."""
    best = max(_sent(row) / row.seconds for row in known)
    return np.array([_sent(row) / best for row in rows])


def _sent(row: Measured) -> float:
    return (2.0 if row.kind == "all-reduce" else 1.0) * (row.gpus - 1) / row.gpus * row.byte


def judged(package: Path) -> pd.DataFrame:
    """Relative errors of the law and of the naive guess, each kind of each board held out."""
    found = []
    for board in BOARDS:
        rows = measured(package, board)
        island = switched(8, island_of(Catalog().gpu(board), 8), None)
        for kind in KINDS.values():
            held = [row for row in rows if row.kind == kind]
            known = [row for row in rows if row.kind != kind]
            truth = np.array([row.seconds for row in held])
            off = predicted_s(held, island, fitted(known, island)) / truth - 1.0
            columns = {"board": board, "kind": kind, "byte": [row.byte for row in held], "error": off}
            found.append(pd.DataFrame({**columns, "naive": naive_s(held, known) / truth - 1.0}))
    return pd.concat(found)


def judged_over_pcie(package: Path) -> pd.DataFrame:
    """Relative errors on either board of PCIe, by the constants of the other."""
    found = []
    by_board = {board: measured(package, board) for board in OVER_PCIE}
    islands = {board: switched(8, island_of(Catalog().gpu(board), 8), None) for board in OVER_PCIE}
    for board, other in (OVER_PCIE, OVER_PCIE[::-1]):
        held, known = by_board[board], by_board[other]
        truth = np.array([row.seconds for row in held])
        off = predicted_s(held, islands[board], fitted(known, islands[other])) / truth - 1.0
        fields = {name: [getattr(row, name) for row in held] for name in ("kind", "gpus", "byte")}
        guess = naive_s(held, known) / truth - 1.0
        found.append(pd.DataFrame({"board": board, **fields, "error": off, "naive": guess}))
    return pd.concat(found)


def rows() -> list[Row]:
    """Mean errors by kind of collective: the mean of the boards', and each board's."""
    package = package_folder()
    if package is None:
        print("aiconfigurator-core is not installed: collectives are left out")
        return []
    off = judged(package)
    found = []
    for kind, part in off.groupby("kind", sort=False):
        each = (100.0 * part["error"].abs()).groupby(part["board"]).mean()
        guess = (100.0 * part["naive"].abs()).groupby(part["board"]).mean()
        large = part[part["byte"] >= LARGE_BYTES]
        note = f"kind held out; naive {guess.mean():.0f} %; from 1 MiB {100.0 * large['error'].abs().mean():.0f} % "
        note += f"(naive {100.0 * large['naive'].abs().mean():.0f}); "
        note += ", ".join(f"{str(board).split('-')[1]} {error:.0f}" for board, error in each.items())
        found.append(Row(f"collectives, time, {kind}", float(each.mean()), "%", None, f"{note}; {len(part)} times"))
    return [*found, *_rows_over_pcie(package)]


def _rows_over_pcie(package: Path) -> list[Row]:
    """Mean errors on small messages, which latencies make, and what they are on all."""
    found = []
    for board, part in judged_over_pcie(package).groupby("board", sort=False):
        few = part[part["byte"] <= SMALL_BYTES]
        whole = part["error"].abs().groupby(part["gpus"]).mean()
        note = f"the other board's constants; naive {100.0 * few['naive'].abs().mean():.0f} %; of all sizes "
        note += ", ".join(f"{100.0 * error:.0f} % among {gpus}" for gpus, error in whole.items())
        name = f"collectives over PCIe up to 32 KiB, time, {str(board).removeprefix('nvidia-')}"
        found.append(Row(name, 100.0 * float(few["error"].abs().mean()), "%", None, f"{note}; {len(few)} times"))
    return found
