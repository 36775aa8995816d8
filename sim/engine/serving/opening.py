"""Replicas that come up at one instant, and what has waited for them."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import simpy

from sim.engine.clock import Clock
from sim.engine.serving.replicas import Pool, ServingReplica
from sim.units import NS_PER_S


class Opening:
    """Opens replicas' lanes; what waited for one goes to all that come up at an instant, and not all to the first."""

    def __init__(self, env: Clock, pool: Pool, replicas: Sequence[ServingReplica]) -> None:
        self._env = env
        self._pool = pool
        self._replicas = replicas
        self._is_due = False
        self._handed_out = env.event()

    def next_look(self) -> simpy.Event:
        """When to look again where everything waits: once that has been handed out, and in a second at the latest."""
        return self._env.any_of((self._handed_out, self._env.wait(NS_PER_S)))

    def open(self, replica: ServingReplica) -> None:
        """A replica has come up: it is given requests from the end of this instant on."""
        for lane in replica.lanes:
            self._pool.open(lane)
            if replica.paused:
                self._pool.pause(lane)
        self._have_handed_out()

    def open_all(self, replicas: Sequence[ServingReplica], cost: int) -> None:
        """Replicas that have not been up before and do not stand still have come up at one cost; nothing waits."""
        self._pool.start_all([lane for replica in replicas for lane in replica.lanes], cost)
        self._have_handed_out()

    def _have_handed_out(self) -> None:
        if not self._is_due:
            self._is_due = True
            self._env.process(self._hand_out())

    def _hand_out(self) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(0)
        self._is_due = False
        there = (replica for replica in self._replicas if replica.up and not replica.draining)
        replica = next(there, None)
        if replica is not None and replica.paused:
            replica = next((other for other in there if not other.paused), replica)
        if replica is not None:
            self._pool.start(replica.lanes[0])
            if replica.paused:
                self._pool.pause(replica.lanes[0])
        self._handed_out.succeed()
        self._handed_out = self._env.event()
