"""What a power cap does to a whole job of which only one uncapped run is known, on a board known by its data sheet.

A job is phases and gaps: kernels that work the board, and waiting for data, the host or other boards. Its mean power
says how the two are mixed: phases draw more than the mean, by ``contrast`` of what is left to the board's limit, and
gaps draw ``waiting`` of that limit (at most half way between a board at rest and the mean). A cap bears on the phases,
which slow down as the clock does; so under a cap the mean stays below it, and a job with many gaps loses little. While
it works, memory is used at ``traffic`` of its bandwidth.

The clock follows ``clock``. Where it starts is told by the data sheet: at the board's limit the heaviest load
runs at the base clock and a light one at the boost clock, so a job there is taken to be half way between, and one at
half the limit, and below, at the boost clock. A board whose base clock is far below its boost clock has therefore
little voltage left to give up when a job at its limit is capped.

``contrast`` and the common curve were fitted to training jobs under caps on V100 and P100 (You, Chung, Chowdhury,
"Zeus", NSDI 2023) and to kernels by clock and cap on an A100 (Giordano 2024); ``waiting`` and ``traffic`` are judged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.profiles.power_laws.clock import ClockCurve, clocked, highest_clock

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Board:
    """What a data sheet and an idle board tell, in W: its limit, what no clock takes away, and its memory's at full
    bandwidth; and the curve of its clock. Arrays are one board a job."""

    limit_w: float | Floats
    still_w: float | Floats
    memory_w: float | Floats
    curve: ClockCurve
    base: float | Floats = 1.0


@dataclass(frozen=True)
class JobLaw:
    """How jobs are made of phases and gaps: see above."""

    contrast: float = 0.35
    waiting: float = 0.3
    traffic: float = 0.4


def job_under_cap(cap_w: Floats, full_w: Floats, board: Board, law: JobLaw | None = None) -> tuple[Floats, Floats]:
    """Mean W of a job under a cap, and its time relative to that without one; ``full_w`` is its mean W then.
    They broadcast.

    A cap above the phases' power changes nothing. One that not even the lowest clock meets is kept by halting.
    """
    law, cap_w, full_w = law or JobLaw(), np.asarray(cap_w), np.asarray(full_w)
    still_w = np.minimum(board.still_w, 0.8 * full_w)
    phase_w = full_w + law.contrast * np.maximum(board.limit_w - full_w, 0.0)
    gap_w = np.minimum(np.maximum(law.waiting * np.asarray(board.limit_w), still_w), 0.5 * (still_w + full_w))
    gaps = np.where(phase_w > gap_w, (phase_w - full_w) / np.maximum(phase_w - gap_w, 1e-9), 0.0)
    memory_w = np.minimum(law.traffic * np.asarray(board.memory_w), 0.5 * (phase_w - still_w))
    cores_w = phase_w - still_w - memory_w
    strained = np.clip(2.0 * phase_w / board.limit_w - 1.0, 0.0, 1.0)
    free = 1.0 - 0.5 * (1.0 - np.asarray(board.base)) * strained

    def cores(clock: Floats) -> Floats:
        return clocked(clock * free, board.curve) / clocked(free, board.curve)

    def watts(clock: Floats) -> Floats:
        return np.asarray(still_w + memory_w * clock + cores_w * cores(clock))

    shape = np.broadcast_shapes(cap_w.shape, full_w.shape, np.shape(board.limit_w))
    clock = highest_clock(lambda at: watts(at) > cap_w, shape, board.curve.lowest / free)
    halted = np.maximum(watts(clock) / cap_w, 1.0)
    working = (1.0 - gaps) / clock * halted
    waiting_w = np.minimum(still_w + (gap_w - still_w) * cores(clock), cap_w)
    slower = gaps + working
    return np.asarray((gaps * waiting_w + working * watts(clock) / halted) / slower), np.asarray(slower)
