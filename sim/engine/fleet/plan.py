"""A table of jobs as the engine is given it: what each row asks of which pools, and what it draws there. All in SI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.workload.jobs.table import JobTable

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UnderCap = Callable[[float, float], tuple[float, float]]
"""From the W of a GPU at work and a cap in W to the rate of work (0..1) and the W under it."""


@dataclass(frozen=True)
class Keeps:
    """What a job keeps that must make room, or loses a node.

    With ``saves`` it takes ``save_ns`` to write its state before it gives its machines back, and all its work is kept;
    else nothing is. A node that is lost leaves the work up to the last of checkpoints every ``every_ns`` of work (None:
    nothing). It takes ``restart_ns`` to go on. ``again``: it waits again after it was killed to make room.
    """

    saves: bool
    save_ns: int = 0
    restart_ns: int = 0
    every_ns: int | None = None
    again: bool = True


@dataclass(frozen=True)
class PoolForJobs:
    """What rows find in a pool: how fast they run there, relative to their ``run_ns``; what a GPU draws that is held
    and not at work; what a cap does, where that is known; and the thousandths of cores of a node. In a pool without
    GPUs ``sockets`` are those of a node: jobs that ask for cores hold as much of them. ``straddling`` is what is
    left of the rate of one that would fit one island of a node and lies on several.
    """

    speed: float
    loaded_w: float
    idle_w: float
    under_cap: UnderCap | None
    cpu_milli: int | None
    sockets: int = 0
    straddling: float = 1.0


@dataclass(frozen=True, eq=False)
class JobsPlan:
    """One workload of rows. ``slots`` are whole ones that each asks for; row ``i`` may stand in the pools
    ``choices[choice[i]]``, preferred first. ``active_w`` is W of one GPU at work by pool, of shape (rows,), and
    ``cpu_load`` the load of its CPUs then; NaN where the row's loads in the table tell it, of which ``mean_w`` (rows,)
    is the mean.

    ``kills``: a job that has held its machines for its time limit is killed. ``speed_up`` gives the rate of an elastic
    job from its slots and those it asks for.
    """

    name: str
    table: JobTable
    slots: Ints
    choices: tuple[tuple[str, ...], ...]
    choice: Ints
    pools: Mapping[str, PoolForJobs]
    active_w: Mapping[str, Floats]
    cpu_load: Floats
    keeps: Keeps
    kills: bool = True
    setup_ns: int = 0
    speed_up: Callable[[int, int], float] | None = None
    mean_w: Floats = field(default_factory=lambda: np.empty(0))


RowStatus = Literal["coming", "waiting", "running", "completed", "killed", "refused"]
ROW_STATUS: tuple[RowStatus, ...] = ("coming", "waiting", "running", "completed", "killed", "refused")
"""How a row stands, by code. ``coming``: the run ended before it was submitted. ``killed`` for good: by its time limit,
or to make room. ``refused``: no pool that it may stand in could ever hold it."""


@dataclass(frozen=True, eq=False)
class RowsRecord:
    """What became of the rows of one workload, columns of shape (rows,): status by code; ns of work done that was kept
    and that was lost; when it ended (-1: it did not); how often it was preempted and hit by a failure."""

    workload: str
    first_row: int
    status: Ints
    done_ns: Ints
    lost_ns: Ints
    ended_ns: Ints
    preempted: Ints
    failed: Ints
