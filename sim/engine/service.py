"""An open-arrival inference service: replicas, one queue with a limit, a service-time law and a batching law.

Requests wait first come first served. A free replica takes up to ``max_batch`` of them; if there are fewer, it may wait
``max_wait`` after the first for more. A batch of b takes (first + (b - 1) x each further) x a random factor of mean 1.
Its GPUs are ``active`` meanwhile and ``loaded`` in between: a served model draws power at zero load. Requests in a
batch whose node fails return to the head of the queue. Token-level batching of language models is another kind of
workload.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simpy

from sim.engine.clock import Clock
from sim.engine.cluster import Cluster
from sim.engine.gang import Gang
from sim.workload.records import ServiceLog


@dataclass(frozen=True, eq=False)
class ServicePlan:
    """A service in SI. ``arrivals_ns`` (n,) is sorted; W are of one GPU; ``factor`` begins the draws of the
    random factor, None where there is none.

    The service stays open until ``open_until_ns`` at least: a log of intervals without requests is still time.
    ``on_hosts``: it works on the CPUs alone, and the GPUs of its slots are idle.
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
    load_ns: int
    active_w: float
    loaded_w: float
    cpu_load: float
    on_hosts: bool = False


class _Collector:
    """A replica that has some requests and waits a little for more."""

    def __init__(self, batch: list[int], full: simpy.Event) -> None:
        self.batch = batch
        self.full = full


class Service:
    """The queue, its replicas, and the log of what became of every request."""

    def __init__(self, env: Clock, cluster: Cluster, plan: ServicePlan) -> None:
        self._env = env
        self._cluster = cluster
        self._plan = plan
        self._log = ServiceLog(plan.name, plan.replicas)
        self._factor = plan.factor() if plan.factor is not None else None
        self._queue: deque[int] = deque()
        self._idle: deque[tuple[int, simpy.Event]] = deque()
        self._collectors: deque[_Collector] = deque()
        self._in_service: dict[int, list[int]] = {}
        self._arrived_all = False
        self.finished = env.event()
        env.process(self._arrive())
        for replica in range(plan.replicas):
            env.process(self._replica(replica))

    def log(self) -> ServiceLog:
        """The log, with everything that waits or is served now among the open requests."""
        waiting = [*self._queue, *(arrival for batch in self._in_service.values() for arrival in batch)]
        self._log.open_ns = array("q", sorted(waiting))
        return self._log

    def _arrive(self) -> Generator[simpy.Event, object, None]:
        plan, log = self._plan, self._log
        for arrival_ns in plan.arrivals_ns.tolist():
            if arrival_ns > self._env.now_ns:
                yield self._env.wait(arrival_ns - self._env.now_ns)
            if self._collectors:
                self._join(arrival_ns)
            elif self._idle:
                self._wake(arrival_ns)
            elif plan.queue_limit is None or len(self._queue) < plan.queue_limit:
                self._queue.append(arrival_ns)
            else:
                log.rejected_ns.append(arrival_ns)
        if plan.open_until_ns > self._env.now_ns:
            yield self._env.wait(plan.open_until_ns - self._env.now_ns)
        self._arrived_all = True
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._arrived_all and not self._queue and not self._in_service and not self.finished.triggered:
            self.finished.succeed()

    def _replica(self, replica: int) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        while True:
            gang = self._cluster.request(plan.name, plan.pool, plan.gpus_per_replica)
            gang.on_hosts = plan.on_hosts
            try:
                yield gang.ready
                gang.set("loaded", plan.loaded_w, 0.0)
                if plan.load_ns:
                    yield self._env.wait(plan.load_ns)
                yield from self._serve(replica, gang)
            except simpy.Interrupt:
                killed = self._in_service.pop(replica, [])
                self._queue.extendleft(reversed(killed))
                self._log.retries += len(killed)
            finally:
                self._cluster.withdraw(gang)
            self._hand_out()

    def _hand_out(self) -> None:
        """Gives requests to idle replicas.

        Those put back by a failure go before later ones, and do not wait for an arrival to wake a replica.
        """
        while self._queue and self._collectors:
            self._join(self._queue.popleft())
        while self._queue and self._idle:
            self._wake(self._queue.popleft())

    def _join(self, arrival_ns: int) -> None:
        """Adds a request to the batch that has been collecting longest."""
        collector = self._collectors[0]
        collector.batch.append(arrival_ns)
        if len(collector.batch) == self._plan.max_batch:
            self._collectors.popleft().full.succeed()

    def _wake(self, arrival_ns: int) -> None:
        """Hands a request to the replica that has been idle longest; it is in service from this very instant."""
        replica, woken = self._idle.popleft()
        self._in_service[replica] = [arrival_ns]
        woken.succeed()

    def _serve(self, replica: int, gang: Gang) -> Generator[simpy.Event, object, None]:
        env, plan, log = self._env, self._plan, self._log
        active = False
        while True:
            if not self._queue:
                if active:
                    gang.set("loaded", plan.loaded_w, 0.0)
                    active = False
                yield from self._wait_for_work(replica)
            batch = self._in_service.setdefault(replica, [])
            while self._queue and len(batch) < plan.max_batch:
                batch.append(self._queue.popleft())
            if len(batch) < plan.max_batch and plan.max_wait_ns:
                if active:
                    gang.set("loaded", plan.loaded_w, 0.0)
                    active = False
                yield from self._collect(batch)
            if not active:
                gang.set("active", plan.active_w, plan.cpu_load)
                active = True
            start_ns = env.now_ns
            yield env.wait(self._service_ns(len(batch)))
            log.busy_ns += env.now_ns - start_ns
            log.batches += 1
            for arrival_ns in batch:
                log.arrival_ns.append(arrival_ns)
                log.start_ns.append(start_ns)
                log.done_ns.append(env.now_ns)
            del self._in_service[replica]
            self._finish_if_done()

    def _wait_for_work(self, replica: int) -> Generator[simpy.Event, object, None]:
        entry = (replica, self._env.event())
        self._idle.append(entry)
        try:
            yield entry[1]
        finally:
            if entry in self._idle:
                self._idle.remove(entry)

    def _collect(self, batch: list[int]) -> Generator[simpy.Event, object, None]:
        """Waits until ``batch`` is full or its first request has waited long enough; arrivals join it meanwhile."""
        patience_ns = batch[0] + self._plan.max_wait_ns - self._env.now_ns
        if patience_ns <= 0:
            return
        collector = _Collector(batch, self._env.event())
        self._collectors.append(collector)
        try:
            yield self._env.any_of([collector.full, self._env.wait(patience_ns)])
        finally:
            if collector in self._collectors:
                self._collectors.remove(collector)

    def _service_ns(self, size: int) -> int:
        mean_ns = self._plan.first_ns + (size - 1) * self._plan.further_ns
        return mean_ns if self._factor is None else max(1, round(mean_ns * self._factor()))
