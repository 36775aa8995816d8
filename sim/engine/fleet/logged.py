"""What is known of nodes that only jobs hold: of what they are made, and when they were on, off or booting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from sim.engine.metering.draws import NodeHardware, NodeState, ShareState
from sim.workload.allocations import PACE_STATES, Allocations
from sim.workload.jobs.table import Loads

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NODE_STATES: tuple[NodeState, ...] = ("off", "booting", "on", "stopping", "failed")
"""States of nodes, by code."""
OFF, BOOTING, ON, STOPPING, FAILED = range(5)
HOLDER_STATES: tuple[ShareState | NodeState, ...] = (*PACE_STATES, "off", "stopping", "failed")
"""States of slots, by code: those of paces, and those of slots that nobody holds on a node that is not on."""
OF_NOBODY = (4, 0, 1, 5, 6)
"""The state of slots that nobody holds, by the state of their node."""
HOLDER_STATE_COUNT = len(HOLDER_STATES)
ACTIVE = PACE_STATES.index("active")

NEVER = 2**62
WHOLE_RATE = 1.0


@dataclass(frozen=True, eq=False)
class FleetNodes:
    """The nodes of a fleet, as its log numbers them: each of a pool and of a kind of hardware, by code (nodes,).

    Those that are not ``logged`` have meters of their own: nothing of them is booked by the log (none given: all are).
    """

    pools: tuple[str, ...]
    pool_of: Ints
    hardware: tuple[NodeHardware, ...]
    kind_of: Ints
    logged: npt.NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))

    def __len__(self) -> int:
        return len(self.pool_of)


@dataclass(frozen=True, eq=False)
class PowerStates:
    """Changes of the power state of nodes: columns, in the order of time. A node is on until its first."""

    node: Ints
    start_ns: Ints
    state: Ints

    @classmethod
    def always_on(cls) -> PowerStates:
        """Of a fleet whose nodes were on all the time."""
        return cls(*(np.empty(0, dtype=np.int64) for _ in range(3)))


@dataclass(frozen=True, eq=False)
class LoggedRun:
    """A log with all that its energy follows from, up to ``end_ns``.

    ``owner_of`` (jobs,) are codes into ``owners``, ``loads`` are those of the same jobs. ``log`` has its optional
    columns.
    """

    log: Allocations
    nodes: FleetNodes
    states: PowerStates
    owners: tuple[str, ...]
    owner_of: Ints
    loads: Loads
    end_ns: int


def logged(
    log: Allocations,
    nodes: FleetNodes,
    states: PowerStates,
    *,
    owners: Sequence[str],
    owner_of: Ints,
    loads: Loads | None,
    end_ns: int,
) -> LoggedRun:
    """A log made complete, cut to the stints on nodes that it books, none of which goes on after the run.

    Nothing is copied that need not be.
    """
    if not len(nodes.logged):
        nodes = replace(nodes, logged=np.ones(len(nodes), dtype=np.bool_))
    if not len(log.done_ns):
        log = replace(log, done_ns=np.zeros(len(log), dtype=np.int64))
    booked = nodes.logged[log.node[log.first_place[:-1]]] if len(log) else np.empty(0, np.bool_)
    if not booked.all():
        log = log.stints(np.flatnonzero(booked))
    log = replace(log, end_ns=np.minimum(log.end_ns, end_ns))
    if loads is None:
        loads = Loads(np.zeros(len(owner_of) + 1, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0))
    return LoggedRun(log, nodes, states, tuple(owners), owner_of, loads, end_ns)


def reached_ns(left_ns: int, rate: float) -> int:
    """How long work at ``rate`` takes to get on by ``left_ns``: up to the first ns at which it has; NEVER at none."""
    if left_ns <= 0:
        return 0
    if rate == WHOLE_RATE:
        return left_ns
    if rate * NEVER <= left_ns:
        return NEVER
    return int(np.ceil(left_ns / rate))


def work_ns(rate: float, span_ns: int) -> int:
    """Work done at ``rate`` in ``span_ns``, in whole ns."""
    return span_ns if rate == WHOLE_RATE else int(np.floor(rate * span_ns))
