"""An open-arrival inference service: replicas, one queue with a limit, a service-time law and a batching law.

Requests wait first come first served. A free replica takes up to ``max_batch`` of them; if there are fewer, it may wait
``max_wait`` after the first for more. A batch of b takes (first + (b - 1) x each further) x a random factor of mean 1.
Its GPUs are ``active`` meanwhile and ``loaded`` in between: a served model draws power at zero load. Requests in a
batch whose node fails return to the head of the queue. Token-level batching of language models is another kind of
workload.

Under a power cap a replica serves more slowly, changed at the very instant; paused, it stands still with its batch, and
is given no other; shed, it gives its GPUs back, with its batch as after a failure, and waits for others.
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
from sim.engine.pace import FULL_RATE, Pace, UnderCap
from sim.units import SECONDS_PER_NS
from sim.workload.records import ServiceLog


@dataclass(frozen=True, eq=False)
class ServicePlan:
    """A service in SI. ``arrivals_ns`` (n,) is sorted; W are of one GPU; ``factor`` begins the draws of the
    random factor, None where there is none.

    The service stays open until ``open_until_ns`` at least: a log of intervals without requests is still time.
    ``on_hosts``: it works on the CPUs alone, and the GPUs of its slots are idle. ``under_cap`` gives the rate of
    serving (0..1) and the W at work under a cap; None where caps are not allowed to touch it.
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
    under_cap: UnderCap | None = None


@dataclass(frozen=True)
class Repaced:
    """The reason of an interrupt of a replica that serves: it goes at another pace from now on."""


@dataclass(frozen=True)
class Shed:
    """The reason of an interrupt of a replica: it is to give its machines back."""


class _Collector:
    """A replica that has some requests and waits a little for more."""

    def __init__(self, batch: list[int], full: simpy.Event) -> None:
        self.batch = batch
        self.full = full


class Replica:
    """One replica, and what power leaves of its pace. ``left_ns`` of its batch are to be served at full rate."""

    def __init__(self, env: Clock, plan: ServicePlan, number: int) -> None:
        self.number = number
        self.pace = Pace(plan.active_w, plan.loaded_w, plan.loaded_w, plan.under_cap)
        self.process: simpy.Process | None = None
        self.gang: Gang | None = None
        self.paused = False
        self.work_ns = self.left_ns = 0
        self.shed = False  # and not up again
        self._env = env
        self._since_ns: int | None = None
        self._told = False  # in this instant

    @property
    def whole(self) -> bool:
        """Whether it has all of its machines."""
        return self.gang is not None and not self.gang.lacks

    @property
    def at_work(self) -> bool:
        """Whether it serves a batch, at whatever rate."""
        return self._since_ns is not None and not self.paused

    @property
    def rate(self) -> float:
        """What is left of its rate of serving, 0..1."""
        return 0.0 if self.paused else self.pace.rate / FULL_RATE

    @property
    def serves(self) -> bool:
        """Whether it has a batch, though it may stand still."""
        return self._since_ns is not None

    def begin(self, work_ns: int) -> None:
        """A batch that takes so long at full rate."""
        self.work_ns = self.left_ns = work_ns

    def takes_ns(self) -> int:
        """Works from now on; how long the rest takes at this pace."""
        self._since_ns, self._told = self._env.now_ns, False
        return FULL_RATE if self.paused else self.pace.takes_ns(self.left_ns)  # paused: until it is told

    def book(self) -> None:
        """Counts what was done since it was last counted, at the pace of that time."""
        if self._since_ns is not None:
            elapsed_ns = self._env.now_ns - self._since_ns
            self.left_ns -= 0 if self.paused else self.pace.done_ns(elapsed_ns, self.left_ns)
            self._since_ns = self._env.now_ns

    def stop(self) -> None:
        """It works no longer."""
        self._since_ns = None

    def cap(self, source: str, cap_w: float | None) -> None:
        """From now on ``source`` allows each GPU no more than ``cap_w``; None lifts it."""
        self.book()
        if self.pace.cap(source, cap_w):
            self.tell()

    def tell(self) -> None:
        """Something has changed that it must know, if it serves; whoever has lost a node is about to hear of that."""
        if self._since_ns is not None and not self._told and self.whole:
            assert self.process is not None
            self._told = True
            self.process.interrupt(Repaced())


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
        self._aside: dict[int, simpy.Event] = {}  # idle replicas that are paused
        self._replicas = [Replica(env, plan, number) for number in range(plan.replicas)]
        self._of_gang: dict[Gang, Replica] = {}
        self._in_service: dict[int, list[int]] = {}
        self._arrived_all = False
        self.finished = env.event()
        env.process(self._arrive())
        for replica in self._replicas:
            replica.process = env.process(self._replica(replica))

    @property
    def plan(self) -> ServicePlan:
        """What it is."""
        return self._plan

    @property
    def lacks_replicas(self) -> bool:
        """Whether a replica has been shed and is not up again."""
        return any(replica.shed for replica in self._replicas)

    def counts(self) -> dict[str, int]:
        """None: its log has every request."""
        return {}

    def replica_on(self, gang: Gang) -> Replica | None:
        """The replica that holds a gang."""
        return self._of_gang.get(gang)

    def pause(self, replica: Replica) -> None:
        """It stands still with its batch and is given no other."""
        replica.book()
        replica.paused = True
        replica.tell()
        for entry in [entry for entry in self._idle if entry[0] == replica.number]:
            self._idle.remove(entry)
            self._aside[replica.number] = entry[1]

    def resume(self, replica: Replica) -> None:
        """It goes on."""
        replica.book()
        replica.paused = False
        replica.tell()
        if replica.number in self._aside:
            self._idle.append((replica.number, self._aside.pop(replica.number)))
        self._hand_out()

    def shed(self, replica: Replica) -> float:
        """It gives its machines back; slot-seconds of work on its batch that are lost."""
        if not replica.whole:
            return 0.0
        lost_ns = 0
        if replica.serves:
            replica.book()
            lost_ns = replica.work_ns - replica.left_ns
            replica.stop()
        replica.shed = True
        assert replica.process is not None
        replica.process.interrupt(Shed())
        return lost_ns * SECONDS_PER_NS * self._plan.gpus_per_replica

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

    def _replica(self, replica: Replica) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        while True:
            gang = self._cluster.request(plan.name, plan.pool, plan.gpus_per_replica)
            gang.on_hosts = plan.on_hosts
            try:
                yield gang.ready
                self._of_gang[gang] = replica
                replica.gang = gang
                gang.set("loaded", plan.loaded_w, 0.0)
                if plan.load_ns:
                    yield self._env.wait(plan.load_ns)
                replica.shed = False
                yield from self._serve(replica, gang)
            except simpy.Interrupt:
                replica.stop()
                killed = self._in_service.pop(replica.number, [])
                self._queue.extendleft(reversed(killed))
                self._log.retries += len(killed)
            finally:
                self._of_gang.pop(gang, None)
                replica.gang = None
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

    def _serve(self, replica: Replica, gang: Gang) -> Generator[simpy.Event, object, None]:
        env, plan, log = self._env, self._plan, self._log
        active = False
        while True:
            if not self._queue or replica.paused:
                if active:
                    gang.set("loaded", plan.loaded_w, 0.0)
                    active = False
                yield from self._wait_for_work(replica)
            batch = self._in_service.setdefault(replica.number, [])
            while self._queue and len(batch) < plan.max_batch:
                batch.append(self._queue.popleft())
            if len(batch) < plan.max_batch and plan.max_wait_ns:
                if active:
                    gang.set("loaded", plan.loaded_w, 0.0)
                    active = False
                yield from self._collect(batch)
            start_ns = env.now_ns
            yield from self._work(replica, gang, len(batch))
            active = True
            log.busy_ns += env.now_ns - start_ns
            log.batches += 1
            for arrival_ns in batch:
                log.arrival_ns.append(arrival_ns)
                log.start_ns.append(start_ns)
                log.done_ns.append(env.now_ns)
            del self._in_service[replica.number]
            self._finish_if_done()

    def _work(self, replica: Replica, gang: Gang, size: int) -> Generator[simpy.Event, object, None]:
        """Serves a batch of so many, at the pace that power leaves."""
        replica.begin(self._service_ns(size))
        while True:
            if replica.paused:
                gang.set("loaded", self._plan.loaded_w, 0.0)
            else:
                gang.set("active", replica.pace.active_w, self._plan.cpu_load)
            try:
                yield self._env.wait(replica.takes_ns())
            except simpy.Interrupt as interrupt:
                if not isinstance(interrupt.cause, Repaced):
                    raise
            replica.book()
            if not replica.left_ns:
                break
        replica.stop()

    def _wait_for_work(self, replica: Replica) -> Generator[simpy.Event, object, None]:
        entry = (replica.number, self._env.event())
        if replica.paused:
            self._aside[replica.number] = entry[1]
        else:
            self._idle.append(entry)
        try:
            yield entry[1]
        finally:
            self._aside.pop(replica.number, None)
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
