"""Replicas of a serving workload that come and go with its load."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Literal

import simpy

from sim.engine.clock import Clock
from sim.engine.queueing.horizontal import replicas_for
from sim.engine.serving.lives import Lives
from sim.engine.serving.replicas import Pool, ReplicaGroup, ServingReplica


@dataclass(frozen=True)
class Autoscale:
    """A rule that keeps a load per replica at ``target``: requests waiting, or the share of KV blocks in use.

    The number wanted is replicas x load / target, rounded up, as the Horizontal Pod Autoscaler has it, and none is
    changed within a tenth of the target. Down only after ``settle_ns`` of wanting less.
    """

    measure: Literal["queue", "kv"]
    target: float
    interval_ns: int
    settle_ns: int


class Scaler:
    """Keeps a rule for each group of replicas; ``advance`` brings the pool to the present."""

    def __init__(
        self,
        env: Clock,
        rule: Autoscale,
        groups: Sequence[ReplicaGroup],
        replicas: Sequence[ServingReplica],
        pool: Pool,
        lives: Lives,
        advance: Callable[[], None],
    ) -> None:
        self._env = env
        self._rule = rule
        self._groups = groups
        self._replicas = replicas
        self._pool = pool
        self._lives = lives
        self._advance = advance

    def dismiss(self) -> None:
        """Gives up the pool, at the end."""
        del self._pool

    def run(self) -> Generator[simpy.Event, object, None]:
        """The process: looks at every interval, and changes what has to change."""
        rule = self._rule
        low_since_ns: dict[int, int] = {}
        while True:
            yield self._env.wait(rule.interval_ns)
            self._advance()
            for at, group in enumerate(self._groups):
                mine = [r for r in self._replicas if r.group is group]
                self._release_drained(mine)
                serving = [r for r in mine if r.up and not r.draining and not r.leaving]
                wanted_now = sum(r.wanted for r in mine)
                wanted = self._desired(group, serving, wanted_now)
                if wanted > wanted_now:
                    low_since_ns.pop(at, None)
                    self._add(mine, wanted - wanted_now)
                elif wanted < wanted_now:
                    since_ns = low_since_ns.setdefault(at, self._env.now_ns)
                    if self._env.now_ns - since_ns >= rule.settle_ns:
                        self._remove(mine, wanted_now - wanted)
                        low_since_ns.pop(at, None)
                else:
                    low_since_ns.pop(at, None)

    def _desired(self, group: ReplicaGroup, serving: list[ServingReplica], wanted_now: int) -> int:
        """Number of replicas that the rule asks for; one at least while there is a request, which it is to serve."""
        rule = self._rule
        least = max(group.least, min(1, self._pool.in_system))
        if not serving:
            return max(least, wanted_now)  # nothing to measure: wait for those that are starting
        loads = [self._pool.load(lane) for r in serving for lane in r.lanes]
        if rule.measure == "queue":
            load = sum(waiting for waiting, _, _, _ in loads) / len(serving)
        else:
            load = sum(used for _, _, used, _ in loads) / sum(blocks for _, _, _, blocks in loads)
        return max(least, min(group.most, replicas_for(len(serving), load / rule.target)))

    def _add(self, mine: list[ServingReplica], count: int) -> None:
        """Adds replicas: those on their way out are kept first, then others are woken."""
        for replica in [r for r in mine if r.draining and not r.leaving][:count]:
            replica.draining, replica.wanted = False, True
            for lane in replica.lanes:
                self._pool.start(lane)
            count -= 1
        for replica in [r for r in mine if not r.wanted and r.gang is None][:count]:
            replica.wanted = True
            if replica.wake is not None and not replica.wake.triggered:
                replica.wake.succeed()

    def _remove(self, mine: list[ServingReplica], count: int) -> None:
        """Removes replicas: those still starting go first, since they serve nobody. Others drain."""
        for replica in [r for r in reversed(mine) if r.wanted and not r.up][:count]:
            replica.wanted = False
            count -= 1
            self._lives.process_of(replica).interrupt("not wanted any more")
        for replica in [r for r in reversed(mine) if r.up and not r.draining and not r.leaving][:count]:
            replica.draining, replica.wanted = True, False
            for lane in replica.lanes:
                self._pool.drain(lane)
        self._release_drained(mine)

    def _release_drained(self, mine: list[ServingReplica]) -> None:
        for replica in mine:
            loads = [self._pool.load(lane) for lane in replica.lanes] if replica.draining else [(1, 1, 1, 1)]
            empty = all(not (waiting or running or used) for waiting, running, used, _ in loads)
            if empty:
                self._lives.process_of(replica)
                if replica.wake is not None and not replica.wake.triggered:
                    replica.leaving = True
                    replica.wake.succeed()
