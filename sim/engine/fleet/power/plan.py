"""Limits of shared power as the engine is given them, all in SI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sim.signals import Signal

if TYPE_CHECKING:
    from sim.engine.fleet.power.ladder import Answer
    from sim.engine.fleet.power.ramp import Ramp
    from sim.profiles.machines.breakers import Breaker
    from sim.workload.power_records import Level


@dataclass(frozen=True)
class Call:
    """A call to draw at most ``limit_w`` from ``start_ns`` to ``end_ns``, known ``notice_ns`` before."""

    start_ns: int
    end_ns: int
    limit_w: float
    notice_ns: int


@dataclass(frozen=True, eq=False)
class DomainPlan:
    """Nodes that share power: pool, first and last (not included) of each run of them.

    An excess over ``limit`` (None: there is none, but what calls say) is answered after ``answer_ns``, down to the
    share ``target`` of it; once the domain draws less than the share ``release`` for ``release_ns``, as much is given
    back as the target has room for.
    """

    name: str
    level: Level
    nodes: tuple[tuple[str, int, int], ...]
    limit: Signal | None
    answers: tuple[Answer, ...] = ()
    answer_ns: int = 0
    target: float = 1.0
    release: float = 1.0
    release_ns: int = 0
    calls: tuple[Call, ...] = ()
    ramp: Ramp | None = None
    breaker: Breaker | None = None
    reclose_ns: int = 0

    def most_w(self, now_ns: int) -> float:
        """The most that it comes down to from now on, calls left aside."""
        if self.limit is None:
            return np.inf
        ahead = self.limit.edges_ns[1:] > now_ns
        return float(self.limit.values[ahead].max()) * self.target if ahead.any() else np.inf


@dataclass(frozen=True, eq=False)
class PowerPlan:
    """Domains, inner ones first. ``serving`` are the kinds of jobs that serve. ``board_w`` is the limit of a GPU by
    pool; ``gpu_cap_w`` is what each GPU of a pool may draw at any time, where that is less. ``priorities`` are those of
    workloads that are no tables of jobs; what serving replicas draw is read every ``readings_ns``, or, where that is
    None, taken for the limit of their boards."""

    domains: tuple[DomainPlan, ...]
    serving: frozenset[str]
    board_w: Mapping[str, float]
    gpu_cap_w: Mapping[str, float]
    priorities: Mapping[str, int] = field(default_factory=dict)
    readings_ns: int | None = None

    def priority(self, workload: str) -> int:
        """Of a workload that is no table of jobs."""
        return self.priorities.get(workload, 0)
