"""An open-arrival inference service: replicas, one queue with a limit, a service-time law and a batching law.

Requests wait first come first served. A free replica takes up to ``max_batch`` of them; if there are fewer, it may wait
``max_wait`` after the first for more. A batch of b takes (first + (b - 1) x each further) x a random factor of mean 1.
Its GPUs are ``active`` meanwhile and ``loaded`` in between: a served model draws power at zero load. Requests in a
batch whose node fails return to the head of the queue. Token-level batching of language models is another kind of
workload.

Where its network has early exits, a batch goes through it in segments and gets smaller on the way.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import simpy

from sim.engine.clock import Clock
from sim.engine.cluster import Cluster
from sim.engine.gang import Gang
from sim.engine.images import Images
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
    arrivals of its own: it is handed its requests, and closed when no more can come.
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
    relayed: bool = False


class Asked(NamedTuple):
    """A request: when it came, the number of the exit that it leaves at, and whose it is where it was relayed."""

    arrival_ns: int
    leaves: int
    passing: Passing | None


class _Collector:
    """A replica that has some requests and waits a little for more."""

    def __init__(self, batch: list[Asked], full: simpy.Event) -> None:
        self.batch = batch
        self.full = full


class Service:
    """The queue, its replicas, and the log of what became of every request."""

    def __init__(self, env: Clock, cluster: Cluster, plan: ServicePlan) -> None:
        self._env = env
        self._cluster = cluster
        self._plan = plan
        names = (*plan.exits.names, "end") if plan.exits is not None else ()
        self._log = ServiceLog(
            plan.name, plan.replicas, exits=dict.fromkeys(names, 0), from_image=plan.start_up.from_image
        )
        self._leaving = plan.exits.begun() if plan.exits is not None else None
        self._images = Images(plan.start_up)
        self._factor = plan.factor() if plan.factor is not None else None
        self._queue: deque[Asked] = deque()
        self._idle: deque[tuple[int, simpy.Event]] = deque()
        self._collectors: deque[_Collector] = deque()
        self._in_service: dict[int, list[Asked]] = {}
        self._arrived_all = False
        self.finished = env.event()
        self.on_end: Callable[[Passing, bool], None] | None = None
        """Hears of relayed requests that are over: whose, and whether they were served."""
        if not plan.relayed:
            env.process(self._arrive())
        for replica in range(plan.replicas):
            env.process(self._replica(replica))

    @property
    def name(self) -> str:
        """Name of the workload."""
        return self._plan.name

    def log(self) -> ServiceLog:
        """The log, with everything that waits or is served now among the open requests."""
        waiting = [*self._queue, *(asked for batch in self._in_service.values() for asked in batch)]
        self._log.open_ns = array("q", sorted(asked.arrival_ns for asked in waiting))
        return self._log

    def enter(self, passing: Passing | None = None) -> None:
        """A request is here, now."""
        leaves = self._leaving() if self._leaving is not None else 0
        asked, plan = Asked(self._env.now_ns, leaves, passing), self._plan
        if self._collectors:
            self._join(asked)
        elif self._idle:
            self._wake(asked)
        elif plan.queue_limit is None or len(self._queue) < plan.queue_limit:
            self._queue.append(asked)
        else:
            self._log.rejected_ns.append(asked.arrival_ns)
            self._tell(asked, served=False)

    def close(self) -> None:
        """No more requests will come."""
        self._arrived_all = True
        self._finish_if_done()

    def _tell(self, asked: Asked, *, served: bool) -> None:
        if asked.passing is not None and self.on_end is not None:
            self.on_end(asked.passing, served)

    def _arrive(self) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        for arrival_ns in plan.arrivals_ns.tolist():
            if arrival_ns > self._env.now_ns:
                yield self._env.wait(arrival_ns - self._env.now_ns)
            self.enter()
        if plan.open_until_ns > self._env.now_ns:
            yield self._env.wait(plan.open_until_ns - self._env.now_ns)
        self.close()

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
                load_ns = self._images.wait_ns(gang)
                if load_ns:
                    yield self._env.wait(load_ns)
                self._images.pulled(gang)
                self._log.start_ups += 1
                self._log.start_up_ns += load_ns
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

    def _join(self, asked: Asked) -> None:
        """Adds a request to the batch that has been collecting longest."""
        collector = self._collectors[0]
        collector.batch.append(asked)
        if len(collector.batch) == self._plan.max_batch:
            self._collectors.popleft().full.succeed()

    def _wake(self, asked: Asked) -> None:
        """Hands a request to the replica that has been idle longest; it is in service from this very instant."""
        replica, woken = self._idle.popleft()
        self._in_service[replica] = [asked]
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
            if plan.exits is None:
                yield env.wait(self._service_ns(len(batch)))
                self._done(batch, start_ns)
            else:
                yield from self._in_segments(plan.exits, batch, start_ns, gang)
            log.busy_ns += env.now_ns - start_ns
            log.batches += 1
            del self._in_service[replica]
            self._finish_if_done()

    def _in_segments(
        self, exits: EarlyExits, batch: list[Asked], start_ns: int, gang: Gang
    ) -> Generator[simpy.Event, object, None]:
        """Takes a batch through a network with exits; ``batch`` holds what is still in it."""
        plan = self._plan
        factor = self._factor() if self._factor is not None else 1.0
        for i, (share, load, name) in enumerate(zip(exits.segments, exits.loads, self._log.exits, strict=True)):
            gang.set("active", plan.loaded_w + load * (plan.active_w - plan.loaded_w), plan.cpu_load)
            whole_ns = plan.first_ns + (len(batch) - 1) * plan.further_ns
            yield self._env.wait(max(1, round(whole_ns * factor * share)))
            done = [asked for asked in batch if asked.leaves == i]
            batch[:] = [asked for asked in batch if asked.leaves > i]
            self._log.exits[name] += len(done)
            self._done(done, start_ns)
            if not batch:
                return

    def _done(self, batch: list[Asked], start_ns: int) -> None:
        log, now_ns = self._log, self._env.now_ns
        for asked in batch:
            log.arrival_ns.append(asked.arrival_ns)
            log.start_ns.append(start_ns)
            log.done_ns.append(now_ns)
            self._tell(asked, served=True)

    def _wait_for_work(self, replica: int) -> Generator[simpy.Event, object, None]:
        entry = (replica, self._env.event())
        self._idle.append(entry)
        try:
            yield entry[1]
        finally:
            if entry in self._idle:
                self._idle.remove(entry)

    def _collect(self, batch: list[Asked]) -> Generator[simpy.Event, object, None]:
        """Waits until ``batch`` is full or its first request has waited long enough; arrivals join it meanwhile."""
        patience_ns = batch[0].arrival_ns + self._plan.max_wait_ns - self._env.now_ns
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
