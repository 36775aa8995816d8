"""Rows of a table of measured kernels as what they did and how they were run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from benchmarks.accuracy.kernel_meter import Floats, Ints, Runs, loops
from sim.profiles.kernels.power import KernelWork, Number


@dataclass(frozen=True)
class Kernels:
    """Rows of one file: ``watts`` and ``seconds`` measured, ``work`` and ``runs`` known.

    ``shape`` and ``words`` name their group and their precision. ``eager`` rows were launched one by one, and kernels
    of ``paused`` ones were compiled just before, by a rule; what is compiled alike has one ``tiling``. Rows without
    ``watts`` (NaN) are not in the file and stood between. ``sequences`` of a batch are filled one by one.
    """

    watts: Floats
    seconds: Floats
    work: KernelWork
    runs: Runs
    busy: Number
    shape: npt.NDArray[np.str_]
    words: npt.NDArray[np.str_]
    eager: npt.NDArray[np.bool_]
    paused: npt.NDArray[np.bool_]
    launches: Floats
    tiling: Ints
    sequences: Floats

    def __len__(self) -> int:
        return len(self.watts)

    @property
    def measured(self) -> npt.NDArray[np.bool_]:
        """Rows that are in the file."""
        return np.isfinite(self.watts)

    def launched(self, host_s: float, first_s: float = 0.0) -> Kernels:
        """The same, where a host takes so long for a launch one by one, and for the first: fewer are aimed at."""
        loop_s, warm_s = loops(self.seconds, self.launches, host_s, first_s)
        return replace(self, runs=replace(self.runs, loop_s=loop_s, warm_s=warm_s))


def columns_of(table: pd.DataFrame, *names: str) -> tuple[Floats, ...]:
    return tuple(table[name].to_numpy(np.float64) for name in names)


def names_of(table: pd.DataFrame, *columns: str) -> npt.NDArray[np.str_]:
    return table[list(columns)].astype(str).agg("/".join, axis=1).to_numpy(np.str_)


def codes_of(table: pd.DataFrame, *columns: str) -> Ints:
    return np.asarray(table.groupby(list(columns), sort=False).ngroup(), dtype=np.int64)


def merged_of(parts: list[tuple[npt.NDArray[np.bool_], KernelWork]]) -> KernelWork:
    """Works of disjoint rows, each given for its own rows alone."""
    size = len(parts[0][0])

    def spread(value: Callable[[KernelWork], Number]) -> Floats:
        whole = np.zeros(size)
        for rows, work in parts:
            whole[rows] = value(work)
        return whole

    bits = sorted({bits for _, work in parts for bits in work.flop})

    def flop_in(each: int) -> Floats:
        return spread(lambda work: work.flop.get(each, 0.0))

    flop: dict[int, Number] = {each: flop_in(each) for each in bits}
    return KernelWork(
        flop,
        spread(lambda w: w.l2_byte),
        spread(lambda w: w.byte),
        spread(lambda w: w.scores),
        spread(lambda w: w.occupancy),
    )


def kernels_of(
    table: pd.DataFrame,
    work: KernelWork,
    *,
    launches: Floats | int,
    host_s: float,
    shape: tuple[str, ...],
    word: str,
    lane: Ints | None = None,
    queue: Ints | None = None,
    eager: npt.NDArray[np.bool_] | None = None,
    busy: Number = 1.0,
    paused: npt.NDArray[np.bool_] | None = None,
    tiling: Ints | None = None,
    sequences: Floats | None = None,
) -> Kernels:
    seconds = table["latency"].to_numpy(np.float64) * 1e-3
    nothing = np.zeros(len(table), dtype=np.int64)
    loop_s, warm_s = loops(seconds, launches, host_s)
    runs = Runs(loop_s, warm_s, nothing if lane is None else lane, nothing if queue is None else queue)
    return Kernels(
        table["power"].to_numpy(np.float64),
        seconds,
        work,
        runs,
        busy,
        names_of(table, *shape),
        table[word].to_numpy(np.str_),
        np.zeros(len(table), dtype=np.bool_) if eager is None else eager,
        np.zeros(len(table), dtype=np.bool_) if paused is None else paused,
        np.broadcast_to(np.asarray(launches, dtype=np.float64), len(table)),
        nothing if tiling is None else tiling,
        np.zeros(len(table)) if sequences is None else sequences,
    )
