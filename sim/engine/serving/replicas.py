"""Replicas of a serving workload: what they are, the pool that serves on them, and what is kept of each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import simpy

from sim.engine.machines.cohort import Cohort
from sim.engine.machines.gang import Gang
from sim.engine.machines.node import Node
from sim.engine.serving.plan import Ints, StepCost
from sim.engine.serving.power import whole_w
from sim.workload.provisioning import StartUp

Sums = tuple[int, int, int]
"""Of what a replica draws: ns in iterations, dynamic nJ, and nJ of hand-overs."""
NOTHING: Sums = (0, 0, 0)


class Pool(Protocol):
    """An engine's pool of replicas, as the control plane asks it; see ``reference.pool.ReferencePool``."""

    @property
    def counts(self) -> dict[str, int]: ...
    @property
    def sketches(self) -> Ints: ...
    @property
    def passed(self) -> int: ...
    @property
    def in_system(self) -> int: ...
    @property
    def late(self) -> int: ...
    @property
    def is_over(self) -> bool: ...
    @property
    def backlog(self) -> int: ...
    def advance(self, until_ns: int, *, idle_ends: bool = False) -> int: ...
    def next_event_ns(self) -> int: ...
    def open(self, index: int) -> None: ...
    def start(self, index: int) -> None: ...
    def start_all(self, indices: Sequence[int], cost: int) -> None: ...
    def drain(self, index: int) -> None: ...
    def pause(self, index: int) -> None: ...
    def resume(self, index: int) -> None: ...
    def kill(self, index: int) -> None: ...
    def set_cost(self, index: int, cost: int) -> None: ...
    def add_cost(self, cost: StepCost) -> int: ...
    def load(self, index: int) -> tuple[int, int, int, int]: ...
    def take_energy(self, index: int) -> tuple[int, int, int]: ...
    def take_all(self) -> Ints: ...
    def take_rows(self) -> Ints: ...


@dataclass(frozen=True)
class ReplicaGroup:
    """Replicas of one role on one pool of nodes. W and loads are of one GPU and one host; ``costs`` by power cap.

    ``polling_w`` is what a GPU draws beyond loaded while it waits for another stage of its pipeline.

    ``caps_w`` are these caps, and ``under_cap`` gives the cost of an iteration under any other.
    """

    role: int
    pool: str
    initial: int
    least: int
    most: int
    gpus: int
    lanes: int  # pipeline stages, each with a batch of its own
    kv_blocks: int  # of a lane
    costs: tuple[int, ...]  # index of the cost under each cap of the plan's schedule
    caps_w: tuple[float, ...]
    under_cap: Callable[[float], StepCost]
    loaded_w: float
    polling_w: float
    cpu_load: float
    start_up: StartUp

    @property
    def lane_w(self) -> float:
        """Power of a lane's GPUs, W, loaded and not at work."""
        return self.loaded_w * self.gpus / self.lanes


class ServingReplica:
    """One replica: its lanes in the pool, and the caps that those who share its power have set. While it is up it has a
    gang, or is of a ``cohort`` of which none is made yet.

    There may be thousands of them, to most of which little happens: what is the same of all at first is told here once.
    """

    cohort: Cohort | None = None
    own_gang: Gang | None = None
    up = False
    draining = False
    leaving = False  # drained and told to go down, which it does within this instant
    wanted = False
    wake: simpy.Event | None = None
    process: simpy.Process | None = None
    since_ns = 0
    begun: Sums = NOTHING  # what was drawn in all when it came up
    seen: dict[Node, Sums]  # since then, and when each node last asked
    caps_w: Mapping[str, float] = {}
    read_ns = 0
    read: Sums = NOTHING
    shed = False  # and not up again
    paused = False

    def __init__(self, group: ReplicaGroup, lanes: range, index: int) -> None:
        self.group = group
        self.lanes = lanes
        self.index = index

    @property
    def gang(self) -> Gang | None:
        """Its gang, while it is up; it is made, if it is not yet."""
        if self.cohort is not None:
            self.cohort.part()
        return self.own_gang

    @gang.setter
    def gang(self, gang: Gang | None) -> None:
        self.cohort, self.own_gang = None, gang

    @property
    def metered_by(self) -> Iterable[Node | Cohort]:
        """What settles what it draws, while it is up."""
        if self.cohort is not None:
            return (self.cohort,)
        return self.own_gang.parts if self.own_gang is not None else ()

    @property
    def cap_w(self) -> float:
        """The lowest of its caps that are not of the plan; inf where there is none."""
        return whole_w(min(self.caps_w.values()), self.group.loaded_w) if self.caps_w else np.inf
