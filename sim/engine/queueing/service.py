"""An open-arrival inference service: requests that come by themselves, and the queue that they come to."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.queueing.plan import Scaling
from sim.engine.queueing.queue import Asked, Queue
from sim.engine.queueing.replica import UnderCap
from sim.workload.early_exit import EarlyExits
from sim.workload.provisioning import StartUp
from sim.workload.records import ServiceLog
from sim.workload.relays import Passing


@dataclass(frozen=True, eq=False)
class ServicePlan:
    """A service in SI. ``arrivals_ns`` (n,) is sorted; W are of one GPU; ``factor`` begins the draws of the
    random factor, None where there is none.

    The service stays open until ``open_until_ns`` at least: a log of intervals without requests is still time.
    ``on_hosts``: it works on the CPUs alone, and the GPUs of its slots are idle. One that is ``relayed`` has no
    arrivals of its own: it is handed its requests, and closed when no more can come. ``by_size``: ns and W of batches
    of each size, where these do not follow from ``first_ns`` and ``further_ns``. Requests that take ``slo_e2e_ns`` at
    most are good.
    """

    name: str
    pool: str
    replicas: int
    gpus_per_replica: int
    arrivals_ns: npt.NDArray[np.int64]
    open_until_ns: int
    first_ns: int
    further_ns: int
    factor: Callable[[], Callable[[], float]] | None
    max_batch: int
    max_wait_ns: int
    queue_limit: int | None
    start_up: StartUp
    active_w: float
    loaded_w: float
    cpu_load: float
    on_hosts: bool = False
    exits: EarlyExits | None = None
    scaling: Scaling | None = None
    relayed: bool = False
    by_size: tuple[tuple[int, float], ...] = ()
    under_cap: UnderCap | None = None
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
