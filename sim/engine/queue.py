"""Equal replicas that share one queue: a service-time law, a batching law, and a limit on who may wait.

Requests wait first come first served. A free replica takes up to ``max_batch`` of them; if there are fewer, it may wait
``max_wait`` after the first for more. A batch of b takes (first + (b - 1) x each further) x a random factor of mean 1.
Its GPUs are ``active`` meanwhile and ``loaded`` in between: a served model draws power at zero load. Requests in a
batch whose node fails return to the head of the queue. Whoever asks is told when its request is done or turned away.
Token-level batching of language models is another kind of workload.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Callable, Generator
from typing import NamedTuple, Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.cluster import Cluster
from sim.engine.gang import Gang
from sim.workload.records import ServiceLog


class Replicas(Protocol):
    """Replicas in SI. W are of one GPU; ``factor`` begins the draws of the random factor, None where there is none.
    ``on_hosts``: they work on the CPUs alone, and the GPUs of their slots are idle."""

    @property
    def name(self) -> str:
        """Whom their energy is booked to."""

    @property
    def pool(self) -> str: ...
    @property
    def replicas(self) -> int: ...
    @property
    def gpus_per_replica(self) -> int: ...
    @property
    def first_ns(self) -> int: ...
    @property
    def further_ns(self) -> int: ...
    @property
    def factor(self) -> Callable[[], Callable[[], float]] | None: ...
    @property
    def max_batch(self) -> int: ...
    @property
    def max_wait_ns(self) -> int: ...
    @property
    def queue_limit(self) -> int | None: ...
    @property
    def load_ns(self) -> int: ...
    @property
    def active_w(self) -> float: ...
    @property
    def loaded_w(self) -> float: ...
    @property
    def cpu_load(self) -> float: ...
    @property
    def on_hosts(self) -> bool: ...


class Asked(NamedTuple):
    """A request: when it arrived at the queue, and who is told of it."""

    arrival_ns: int
    asker: int


class Answers(Protocol):
    """Who is told what became of requests."""

    def done(self, asked: Asked, start_ns: int) -> None:
        """It has been served, in a batch that began at ``start_ns`` and ends now."""

    def idle(self) -> None:
        """A batch has ended; there may be nothing left to do."""


class _Collector:
    """A replica that has some requests and waits a little for more."""

    def __init__(self, batch: list[Asked], full: simpy.Event) -> None:
        self.batch = batch
        self.full = full


class Queue:
    """The queue and its replicas, and the log of what became of every request."""

    def __init__(self, env: Clock, cluster: Cluster, plan: Replicas, answers: Answers) -> None:
        self._env = env
        self._cluster = cluster
        self._plan = plan
        self._answers = answers
        self._log = ServiceLog(plan.name, plan.replicas)
        self._factor = plan.factor() if plan.factor is not None else None
        self._queue: deque[Asked] = deque()
        self._idle: deque[tuple[int, simpy.Event]] = deque()
        self._collectors: deque[_Collector] = deque()
        self._in_service: dict[int, list[Asked]] = {}

    def open(self) -> None:
        """Brings the replicas up."""
        for replica in range(self._plan.replicas):
            self._env.process(self._replica(replica))

    @property
    def empty(self) -> bool:
        """Nobody waits, and nobody is served."""
        return not self._queue and not self._in_service

    def log(self) -> ServiceLog:
        """The log, with everything that waits or is served now among the open requests."""
        waiting = [*self._queue, *(asked for batch in self._in_service.values() for asked in batch)]
        self._log.open_ns = array("q", sorted(asked.arrival_ns for asked in waiting))
        return self._log

    def ask(self, asked: Asked) -> bool:
        """Takes a request in; says whether there was room for it."""
        if self._collectors:
            self._join(asked)
        elif self._idle:
            self._wake(asked)
        elif self._plan.queue_limit is None or len(self._queue) < self._plan.queue_limit:
            self._queue.append(asked)
        else:
            self._log.rejected_ns.append(asked.arrival_ns)
            return False
        return True

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
        env, plan, log, answers = self._env, self._plan, self._log, self._answers
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
            for asked in batch:
                log.arrival_ns.append(asked.arrival_ns)
                log.start_ns.append(start_ns)
                log.done_ns.append(env.now_ns)
            del self._in_service[replica]
            for asked in batch:
                answers.done(asked, start_ns)
            answers.idle()

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
