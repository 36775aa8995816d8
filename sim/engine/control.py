"""Controllers that change what running work may draw: caps that follow a signal or the clock, and a site's power limit.

A change settles every meter at its instant. Boards find their new clock in milliseconds, which are left out. A limit is
met by lowering all training jobs of the site alike, from what they draw down to loaded power; what services and idle
machines draw is not touched, and what cannot be shed is told.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.machines.node import Node
from sim.engine.metering.draws import NodeHardware, NodeState, Share, node_draws
from sim.signals import Signal
from sim.workload.records import ThrottleRecord

if TYPE_CHECKING:
    from sim.engine.training.job import TrainingJob


Changes = Callable[[], Iterator[tuple[int, float | None]]]
"""Instants in ns, rising, and the cap in W of one GPU from each on; None where there is none."""

CLOSE_W = 1e-6
MOST_STEPS = 60
MOST_KNOWN = 1000
"""Caps make ever more ways to be held; so many beyond those of the nodes are remembered."""


@dataclass(frozen=True, eq=False)
class CapPlan:
    """A cap on every GPU of a job or campaign, or of the rows of a table of jobs in one ``pool``. ``source`` names who
    asks: each source has one cap at a time."""

    source: str
    target: str
    changes: Changes
    pool: str = ""


class Capped(Protocol):
    """What takes caps: a training job, or a campaign of them."""

    def cap(self, source: str, cap_w: float | None) -> None:
        """From now on ``source`` allows each GPU no more than ``cap_w``; None lifts it."""


def follow_caps(env: Clock, plan: CapPlan, job: Capped) -> Generator[simpy.Event, object, None]:
    """Tells ``job`` of every change at its instant."""
    for at_ns, cap_w in plan.changes():
        if at_ns > env.now_ns:
            yield env.wait(at_ns - env.now_ns)
        job.cap(plan.source, cap_w)


@dataclass(frozen=True, eq=False)
class PowerLimit:
    """What all machines of ``pools`` together may draw, in W at their plugs (IT power) over time."""

    site: str
    pools: frozenset[str]
    limit: Signal


_Machine = tuple[NodeHardware, NodeState, tuple[Share, ...]]


class Throttle:
    """Holds the machines of one site under its limit, and keeps a record of when and by how much."""

    def __init__(self, env: Clock, limit: PowerLimit, nodes: Sequence[Node], jobs: Sequence[TrainingJob]) -> None:
        self._env = env
        self._limit = limit
        self._nodes = [node for node in nodes if node.pool in limit.pools]
        self._jobs = {job.name: job for job in jobs if job.pool in limit.pools}
        self._source = f"limit of {limit.site}"
        self._awaited = False
        self._episodes: list[ThrottleRecord] = []
        self._open: ThrottleRecord | None = None
        self._changed = dict.fromkeys(range(len(self._nodes)))
        self._kind = np.zeros(len(self._nodes), dtype=np.int64)  # of each node, among those known
        self._known: dict[_Machine, int] = {}
        for i, node in enumerate(self._nodes):
            node.on_change = partial(self._hear, i)
        env.process(self._follow())

    def join(self, job: TrainingJob) -> None:
        """Holds ``job``, too, from now on, if it is of the site and can be capped."""
        if job.cappable and job.pool in self._limit.pools:
            self._jobs[job.name] = job

    def leave(self, job: TrainingJob) -> None:
        """Forgets a job that is over."""
        self._jobs.pop(job.name, None)

    def records(self) -> tuple[ThrottleRecord, ...]:
        """Every time the limit was binding; the last may last still."""
        ongoing = [replace(self._open, end_ns=self._env.now_ns)] if self._open is not None else []
        return tuple(r for r in [*self._episodes, *ongoing] if r.end_ns > r.start_ns)

    def _follow(self) -> Generator[simpy.Event, object, None]:
        self._look_soon()
        for edge_ns in self._limit.limit.edges_ns[1:-1].tolist():
            if edge_ns > self._env.now_ns:
                yield self._env.wait(edge_ns - self._env.now_ns)
                self._look_soon()

    def _hear(self, i: int) -> None:
        """A node is in another state, or is held otherwise."""
        self._changed[i] = None
        self._look_soon()

    def _look_soon(self) -> None:
        """Looks at the limit once in an instant, behind what has led to it."""
        if not self._awaited:
            self._awaited = True
            self._env.process(self._look())

    def _look(self) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(0)
        self._awaited = False
        limit_w = self._limit.limit.at(self._env.now_ns)
        machines = self._machines()
        wanted_w = self._power_w(machines, 1.0)
        share = 1.0 if wanted_w <= limit_w else self._share(machines, limit_w, wanted_w)
        for job in self._jobs.values():
            job.cap(self._source, None if share == 1.0 else self._cap_w(job, share))
        self._note(limit_w, wanted_w, share, self._power_w(machines, share))

    def _machines(self) -> Mapping[_Machine, int]:
        """How many nodes there are of each kind, in each state and held alike, in the order of the first of them. Only
        those that have changed since the last look are asked."""
        if len(self._known) > 2 * len(self._nodes) + MOST_KNOWN:
            self._known.clear()
            self._changed = dict.fromkeys(range(len(self._nodes)))
        for i in self._changed:
            node = self._nodes[i]
            self._kind[i] = self._known.setdefault((node.hardware, node.state, node.shares), len(self._known))
        self._changed.clear()
        many = len(self._nodes)
        count, first = np.bincount(self._kind, minlength=len(self._known)), np.full(len(self._known), many)
        first[self._kind[::-1]] = np.arange(many)[::-1]  # of equals, the last that is written stays
        known = list(self._known)
        return {known[kind]: int(count[kind]) for kind in np.argsort(first)[: np.count_nonzero(count)].tolist()}

    def _cap_w(self, job: TrainingJob, share: float) -> float:
        return job.loaded_w + share * (job.active_w_without(self._source) - job.loaded_w)

    def _active_w(self, job: TrainingJob, share: float) -> float:
        """What a GPU of the job draws then; all of it is without a cap."""
        if share == 1.0:
            return job.active_w_without(self._source)
        return job.active_w_under(self._source, self._cap_w(job, share))

    def _power_w(self, machines: Mapping[_Machine, int], share: float) -> float:
        """What the site would draw with its jobs capped at ``share`` of what they draw above loaded power."""
        total_w = 0.0
        for (hardware, state, shares), count in machines.items():
            supposed = tuple(
                replace(held, gpu_w=self._active_w(self._jobs[held.owner], share))
                if held.state == "active" and held.owner in self._jobs
                else held
                for held in shares
            )
            total_w += count * sum(draw.watts for draw in node_draws(hardware, state, supposed))
        return total_w

    def _share(self, machines: Mapping[_Machine, int], limit_w: float, wanted_w: float) -> float:
        """The share at which the limit is just met from below; 0 where even that is too much.

        Regula falsi (Illinois): power rises with the share, and all but linearly (the supplies' efficiency bends it).
        """
        low, high = 0.0, 1.0
        under, over = self._power_w(machines, 0.0) - limit_w, wanted_w - limit_w
        if under >= 0.0:
            return 0.0
        side = 0
        for _ in range(MOST_STEPS):
            middle = low - under * (high - low) / (over - under)
            excess = self._power_w(machines, middle) - limit_w
            if -CLOSE_W <= excess <= 0.0:
                return middle
            if excess > 0.0:
                high, over = middle, excess
                under = under / 2.0 if side > 0 else under
                side = 1
            else:
                low, under = middle, excess
                over = over / 2.0 if side < 0 else over
                side = -1
        return low

    def _note(self, limit_w: float, wanted_w: float, share: float, drawn_w: float) -> None:
        now_ns, before = self._env.now_ns, self._open
        if share == 1.0 and wanted_w <= limit_w:
            if before is not None:
                self._episodes.append(replace(before, end_ns=now_ns))
                self._open = None
            return
        if before is None:
            before = ThrottleRecord(self._limit.site, now_ns, now_ns, limit_w, wanted_w, share, 0.0)
        self._open = replace(
            before,
            least_limit_w=min(before.least_limit_w, limit_w),
            most_wanted_w=max(before.most_wanted_w, wanted_w),
            least_share=min(before.least_share, share),
            most_exceeded_w=max(before.most_exceeded_w, drawn_w - limit_w if share == 0.0 else 0.0),
        )
