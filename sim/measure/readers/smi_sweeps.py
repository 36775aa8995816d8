"""GPUs of an nvidia-smi log without a column that names them, told by the gaps between sweeps.

nvidia-smi answers for one GPU after the other, in the order of their indices, then sleeps. A sweep of another length
than the usual one cannot be assigned and is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from sim.errors import InputError
from sim.measure.readers.gathering import Gathering, Ints
from sim.measure.readers.text import Text
from sim.units import NS_PER_S

SLOWEST_WITHIN_SWEEP_NS = NS_PER_S // 100
"""Rows of one sweep are usually closer together than this, and loops are not run faster."""

MOST_STALLS_ALIKE = 4
"""A driver's stalls come at odd places; so many sweeps in a row that fall apart in the same way are no stalls."""


class Row(Protocol):
    """A row of the log: its line, its time, and whether it is the first under a header."""

    line: int
    time_ns: int
    opens: bool


def sweep_positions(text: Text, rows: Sequence[Row], gathering: Gathering) -> list[int]:
    """Which GPU each row is of, counted from 0; -1 where that cannot be told."""
    times = np.array([row.time_ns for row in rows], dtype=np.int64)
    opens = np.array([row.opens for row in rows])
    gaps = np.diff(times)
    inner = gaps[~opens[1:] & (gaps >= 0)]
    threshold = two_level_threshold(inner)
    ends = np.flatnonzero(opens[1:] | (gaps < 0) | (gaps > threshold))  # the last row of each run of close rows
    bounds = np.concatenate([[0], ends + 1, [len(rows)]])
    opening = np.concatenate([opens[bounds[:-1]], [True]])
    count = _device_count(text, np.diff(bounds), inner, threshold)
    positions = np.full(len(rows), -1)
    for sweep in _sweeps(np.diff(bounds), opening[1:], count):
        first, length = rows[sweep.start], sum(sweep.runs)
        if sweep.kind == "whole":  # perhaps with a stall in it, or several without a gap between them
            positions[sweep.start : sweep.start + length] = np.arange(length) % count
        elif sweep.kind == "begun":
            positions[sweep.start : sweep.start + length] = np.arange(length)
            tell = gathering.incomplete if sweep.start + length == len(rows) else gathering.fault
            tell(
                f"the log ends after {length} of the {count} GPUs of a sweep", line=rows[sweep.start + length - 1].line
            )
        else:
            reason = (
                f"a sweep of {length} rows where there are {count} GPUs: left out, as no column says whose they are"
            )
            gathering.fault(reason, line=first.line, time_ns=first.time_ns)
    told = np.flatnonzero(positions >= 0)
    if len(told) and told[-1] + 1 < len(rows):
        first = rows[int(told[-1]) + 1]
        gathering.incomplete("every row from here on is left out: a GPU may have vanished", line=first.line)
    return [int(position) for position in positions]


class _Sweep(NamedTuple):
    """Rows from ``start`` on, in runs of rows that are close together, and what is to be made of them."""

    start: int
    runs: tuple[int, ...]
    kind: Literal["whole", "begun", "unknown"]


def _sweeps(runs: Ints, closes: npt.NDArray[np.bool_], count: int) -> list[_Sweep]:
    """Puts runs of close rows together to sweeps of ``count`` rows. ``closes``: whether a log ends with the run."""
    sweeps: list[_Sweep] = []
    start = 0
    waiting: tuple[int, ...] = ()
    for length, last in zip(runs.tolist(), closes.tolist(), strict=True):
        if waiting and sum(waiting) + length > count and (sum(waiting) + length) % count:
            sweeps.append(_Sweep(start, waiting, "unknown"))  # what waits does not fill up to a sweep
            start, waiting = start + sum(waiting), ()
        waiting = (*waiting, length)
        total = sum(waiting)
        if total % count == 0:
            sweeps.append(_Sweep(start, waiting, "whole"))
        elif last and total < count:
            sweeps.append(_Sweep(start, waiting, "begun"))  # nvidia-smi keeps to the order of the GPUs
        elif last or total > count:
            sweeps.append(_Sweep(start, waiting, "unknown"))
        else:
            continue  # the rest of the sweep may follow after a stall
        start, waiting = start + total, ()
    return _doubted(sweeps)


def _doubted(sweeps: list[_Sweep]) -> list[_Sweep]:
    """Sweeps that fall apart alike many times in a row did not stall: there are fewer GPUs by then, as there may be
    where the log ends after a sweep that is not known."""
    result: list[_Sweep] = []
    for (runs, kind), alike in groupby(sweeps, key=lambda sweep: (sweep.runs, sweep.kind)):
        same = list(alike)
        regular = len(runs) > 1 and len(same) >= MOST_STALLS_ALIKE
        orphan = kind == "begun" and bool(result) and result[-1].kind == "unknown"
        result += [sweep._replace(kind="unknown") for sweep in same] if regular or orphan else same
    return result


def two_level_threshold(gaps: Ints) -> float:
    """The gap that best parts short gaps from long ones, in ns, by Otsu's method on their logarithms.

    Source: N. Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE Trans. SMC 9 (1979), 62-66.
    """
    if not len(gaps):
        return math.inf
    logs = np.sort(np.log(np.maximum(gaps, NS_PER_S // 1000)))  # nvidia-smi writes whole ms
    below = np.arange(1, len(logs))
    sums = np.cumsum(logs)
    if not len(below) or logs[0] == logs[-1]:
        return math.inf
    above = len(logs) - below
    apart: npt.NDArray[np.float64] = below * above * (sums[:-1] / below - (sums[-1] - sums[:-1]) / above) ** 2
    at = int(np.argmax(apart))
    return float(np.exp((logs[at] + logs[at + 1]) / 2))


def _device_count(text: Text, runs: Ints, gaps: Ints, threshold: float) -> int:
    """How many rows make a sweep. Raises ``InputError`` where the times do not show it."""
    if not len(gaps):
        return 1
    usual = float(np.median(gaps))
    short, long = gaps[gaps <= threshold], gaps[gaps > threshold]
    if len(short) and len(long) and np.median(long) >= 3 * max(float(np.median(short)), NS_PER_S / 1000):
        lengths, times_seen = np.unique(runs, return_counts=True)
        best = int(np.argmax(lengths * times_seen))
        count, seen = int(lengths[best]), int(times_seen[best])
        share = count * seen / int(runs.sum())
        close = float(np.median(short)) < SLOWEST_WITHIN_SWEEP_NS
        if count >= 2 and ((close and share >= 0.5) or (seen >= 3 and share >= 0.8)):
            return count
    if usual >= SLOWEST_WITHIN_SWEEP_NS:
        return 1
    raise _no_telling(text)


def _no_telling(text: Text) -> InputError:
    return text.refuse(
        "has neither 'index' nor 'uuid', and its times do not show how many GPUs take turns;"
        " record again with --query-gpu=timestamp,index,..."
    )
