"""An open-arrival inference service: requests that come by themselves, and the queue that they come to."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.queueing.plan import Replicas
from sim.engine.queueing.queue import Asked, Queue
from sim.workload.records import ServiceLog
from sim.workload.relays import Passing


@dataclass(frozen=True, eq=False, kw_only=True)
class ServicePlan(Replicas):
    """A service in SI: its replicas, and when requests come; ``arrivals_ns`` (n,) is sorted.

    The service stays open until ``open_until_ns`` at least: a log of intervals without requests is still time. One that
    is ``relayed`` has no arrivals of its own: it is handed its requests, and closed when no more can come. Requests
    that take ``slo_e2e_ns`` at most are good.
    """

    arrivals_ns: npt.NDArray[np.int64]
    open_until_ns: int
    relayed: bool = False
    slo_e2e_ns: int | None = None


class Service:
    """The arrivals of a service and its queue."""

    def __init__(self, env: Clock, cluster: Cluster, plan: ServicePlan) -> None:
        self._env = env
        self._plan = plan
        self._queue = Queue(env, cluster, plan, self)
        self._arrived_all = False
        self._relayed: dict[int, Passing] = {}
        self._entered = 0
        self.on_end: Callable[[Passing, bool], None] | None = None
        """Hears of relayed requests that are over: whose, and whether they were served."""
        self.finished = env.event()
        if not plan.relayed:
            env.process(self._arrive())
        self._queue.begin()

    @property
    def queue(self) -> Queue:
        """Where its requests wait, and its replicas."""
        return self._queue

    @property
    def name(self) -> str:
        """Name of the workload."""
        return self._plan.name

    def log(self) -> ServiceLog:
        """The log, with everything that waits or is served now among the open requests."""
        log = self._queue.log()
        log.slo_e2e_ns = self._plan.slo_e2e_ns
        return log

    def enter(self, passing: Passing) -> None:
        """A request that was relayed is here, now."""
        self._entered += 1
        number = self._entered
        self._relayed[number] = passing
        if not self._queue.ask(Asked(self._env.now_ns, number)):
            self._over(number, served=False)

    def close(self) -> None:
        """No more requests will come."""
        self._arrived_all = True
        self.idle()

    def done(self, asked: Asked, start_ns: int) -> None:  # noqa: ARG002  (see ``Answers``)
        """Its log says it; a relay hears of its own."""
        if asked.asker in self._relayed:
            self._over(asked.asker, served=True)

    def _over(self, number: int, *, served: bool) -> None:
        passing = self._relayed.pop(number)
        if self.on_end is not None:
            self.on_end(passing, served)

    def idle(self) -> None:
        """Finished, once all have come and gone."""
        if self._arrived_all and self._queue.empty and not self.finished.triggered:
            self.finished.succeed()

    def _arrive(self) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        for arrival_ns in plan.arrivals_ns.tolist():
            if arrival_ns > self._env.now_ns:
                yield self._env.wait(arrival_ns - self._env.now_ns)
            self._queue.ask(Asked(arrival_ns, 0))
        if plan.open_until_ns > self._env.now_ns:
            yield self._env.wait(plan.open_until_ns - self._env.now_ns)
        self.close()
