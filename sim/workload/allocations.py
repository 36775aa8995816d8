"""Who held what, from when to when: all that a run of jobs leaves, and all that its energy is worked out from.

A *stint* is one job on one set of nodes, from the instant it is given them to the instant it gives them back; a job has
several where it was preempted, resized or restarted. Within a stint what it does is piecewise constant: *paces*.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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

    A NaN of W or of load in an active pace is what the job's ``Loads`` say at that much work done; ``done_ns`` is work
    that was done and kept when the stint began (none given: none).

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
    done_ns: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.job)

    def stints(self, rows: Ints) -> Allocations:
        """Those stints alone, in this order, with all that is theirs."""
        first_place, places = _ranges(self.first_place, rows)
        first_pace, paces = _ranges(self.first_pace, rows)
        by_place = {name: getattr(self, name)[places] for name in ("node", "milli", "cpu_share")}
        by_pace = {name: column[paces] for name, column in vars(self).items() if name.startswith("pace_")}
        own = {name: getattr(self, name)[rows] for name in ("job", "start_ns", "end_ns", "outcome")}
        done_ns = self.done_ns[rows] if len(self.done_ns) else self.done_ns
        return Allocations(
            first_place=first_place, first_pace=first_pace, done_ns=done_ns, **own, **by_place, **by_pace
        )


def _ranges(first: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Where the ranges of some rows begin once they stand one after the other, and what was in them."""
    counts = first[rows + 1] - first[rows]
    begins = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return begins, np.repeat(first[rows] - begins[:-1], counts) + np.arange(begins[-1])
