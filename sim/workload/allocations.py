"""Who held what, from when to when: all that a run of jobs leaves, and all that its energy is worked out from.

A *stint* is one job on one set of nodes, from the instant it is given them to the instant it gives them back; a job has
several where it was preempted, resized or restarted. Within a stint what it does is piecewise constant: *paces*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Outcome = Literal["completed", "preempted", "killed", "failed", "resized", "unfinished"]
OUTCOMES: tuple[Outcome, ...] = ("completed", "preempted", "killed", "failed", "resized", "unfinished")
"""Why a stint ended, by code. ``killed`` by its time limit (or by whoever preempts without a checkpoint)."""

PaceState = Literal["booting", "idle", "loaded", "active"]
PACE_STATES: tuple[PaceState, ...] = ("booting", "idle", "loaded", "active")

MILLI = 1000
"""Thousandths in a slot: what a part of a GPU is counted in."""


@dataclass(frozen=True, eq=False)
class Allocations:
    """Columns. Stint ``s``: ``job[s]`` (a row over all tables of the run), ``start_ns``, ``end_ns``, ``outcome``; its
    nodes are ``node[first_place[s]:first_place[s + 1]]`` with so many ``milli`` of slots on each, and ``cpu_share``
    (0..1) of the node's CPUs (by slots, where nobody says how many it asked for); it has the paces ``first_pace[s]`` to
    ``first_pace[s + 1]``, the first from ``start_ns`` on. A pace lasts until the next begins: ``pace_start_ns``,
    ``pace_state`` (a code), ``pace_gpu_w`` W of each of its GPUs (of a whole one, where it holds a part: scaled by its
    milli), ``pace_cpu_load`` 0..1 on the CPUs that are its, ``pace_rate`` of work, 0..1.

    Nodes are numbered over all pools in the order of the scenario. Stints are in the order in which they began; paces
    are in the order of their stints, within one by time.
    """

    job: Ints
    start_ns: Ints
    end_ns: Ints
    outcome: Ints
    first_place: Ints
    node: Ints
    milli: Ints
    cpu_share: Floats
    first_pace: Ints
    pace_start_ns: Ints
    pace_state: Ints
    pace_gpu_w: Floats
    pace_cpu_load: Floats
    pace_rate: Floats

    def __len__(self) -> int:
        return len(self.job)
