"""Equal replicas that share one queue: a service-time law, a batching law, and a limit on who may wait.

Requests wait first come first served. A free replica takes up to ``max_batch`` of them; if there are fewer, it may wait
``max_wait`` after the first for more. A batch of b takes (first + (b - 1) x each further) x a random factor of mean 1,
or what is known of its size. Its GPUs are ``active`` meanwhile and ``loaded`` in between: a served model draws power
at zero load. Requests in a batch whose node fails return to the head of the queue. Whoever asks is told when its
request is done or turned away. Where its network has early exits, a batch goes through it in segments and gets smaller
on the way. Token-level batching of language models is another kind of workload.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Generator
from typing import TYPE_CHECKING, NamedTuple, Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.gang import Gang
from sim.engine.machines.images import Images
from sim.engine.queueing.horizontal import replicas_for
from sim.engine.queueing.replica import Repaced, Replica
from sim.units import SECONDS_PER_NS
from sim.workload.records import ServiceLog

if TYPE_CHECKING:
    from sim.engine.queueing.plan import Replicas, Scaling
    from sim.workload.early_exit import EarlyExits


class Asked(NamedTuple):
    """A request: when it arrived at the queue, who is told of it, and the number of the exit that it leaves at."""

    arrival_ns: int
    asker: int
    leaves: int = 0


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
        names = (*plan.exits.names, "end") if plan.exits is not None else ()
        self._log = ServiceLog(
            plan.name, plan.replicas, exits=dict.fromkeys(names, 0), from_image=plan.start_up.from_image
        )
        self._leaving = plan.exits.begun() if plan.exits is not None else None
        self._images = Images(plan.start_up)
        self._factor = plan.factor() if plan.factor is not None else None
        self._queue: deque[Asked] = deque()
        self._idle: deque[tuple[int, simpy.Event]] = deque()
        self._aside: dict[int, simpy.Event] = {}  # idle replicas that are paused
        self._of_gang: dict[Gang, Replica] = {}
        self._replicas = [
            Replica(env, number, self.most_w, plan.loaded_w, plan.under_cap) for number in range(plan.replicas)
        ]
        self._collectors: deque[_Collector] = deque()
        self._in_service: dict[int, list[Asked]] = {}
        self._wanted = set(range(plan.scaling.initial if plan.scaling is not None else plan.replicas))
        self._asleep: dict[int, simpy.Event] = {}
        self._up_since_ns: dict[int, int] = {}
        self._left_ns = 0  # of replicas that were up and are not any more

    def begin(self) -> None:
        """Brings the replicas up."""
        for replica in self._replicas:
            replica.process = self._env.process(self._life(replica))
        if self._plan.scaling is not None:
            self._env.process(self._scale(self._plan.scaling))

    # What those who share its power ask

    @property
    def plan(self) -> Replicas:
        """What its replicas are."""
        return self._plan

    @property
    def most_w(self) -> float:
        """W of a GPU at work, of the batch that draws most."""
        return max((watts for _, watts in self._plan.by_size), default=self._plan.active_w)

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
        return replica.leave() * SECONDS_PER_NS * self._plan.gpus_per_replica if replica.whole else 0.0

    # The queue

    @property
    def empty(self) -> bool:
        """Nobody waits, and nobody is served."""
        return not self._queue and not self._in_service

    def log(self) -> ServiceLog:
        """The log, with everything that waits or is served now among the open requests."""
        waiting = [*self._queue, *(asked for batch in self._in_service.values() for asked in batch)]
        self._log.open_ns = array("q", sorted(asked.arrival_ns for asked in waiting))
        if self._plan.scaling is not None:
            up_ns = sum(self._env.now_ns - since_ns for since_ns in self._up_since_ns.values())
            self._log.replica_ns = self._left_ns + up_ns
        return self._log

    def ask(self, asked: Asked) -> bool:
        """Takes a request in; says whether there was room for it."""
        if self._leaving is not None:
            asked = asked._replace(leaves=self._leaving())
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

    def _life(self, its: Replica) -> Generator[simpy.Event, object, None]:
        plan, replica = self._plan, its.number
        while True:
            if replica not in self._wanted:
                self._asleep[replica] = self._env.event()
                yield self._asleep[replica]
            gang = self._cluster.request(plan.name, plan.pool, plan.gpus_per_replica)
            gang.on_hosts = plan.on_hosts
            try:
                yield gang.ready
                self._of_gang[gang] = its
                its.gang = gang
                gang.set("loaded", plan.loaded_w, 0.0)
                load_ns = self._images.wait_ns(gang)
                if load_ns:
                    yield self._env.wait(load_ns)
                self._images.pulled(gang)
                self._log.start_ups += 1
                self._log.start_up_ns += load_ns
                self._up_since_ns[replica] = self._env.now_ns
                its.shed = False
                yield from self._serve(its, gang)
            except simpy.Interrupt:
                its.stop()
                killed = self._in_service.pop(replica, [])
                self._queue.extendleft(reversed(killed))
                self._log.retries += len(killed)
            finally:
                self._of_gang.pop(gang, None)
                its.gang = None
                self._cluster.withdraw(gang)
                now_ns = self._env.now_ns
                self._left_ns += now_ns - self._up_since_ns.pop(replica, now_ns)
            self._hand_out()

    def _scale(self, rule: Scaling) -> Generator[simpy.Event, object, None]:
        low_since_ns: int | None = None
        while True:
            yield self._env.wait(rule.interval_ns)
            now_ns, more = self._env.now_ns, self._desired(rule) - len(self._wanted)
            if more >= 0:
                low_since_ns = None
                self._add(more)
                continue
            low_since_ns = now_ns if low_since_ns is None else low_since_ns
            if now_ns - low_since_ns >= rule.settle_ns:
                low_since_ns = None
                self._remove(-more)

    def _desired(self, rule: Scaling) -> int:
        """Number of replicas that the rule asks for."""
        least = max(rule.least, 0 if self.empty else 1)
        up = len(self._wanted.intersection(self._up_since_ns))
        if not up:
            return max(least, len(self._wanted))  # nothing to measure: wait for those that are starting
        asked = len(self._queue) + sum(map(len, self._in_service.values()))
        return max(least, min(self._plan.replicas, replicas_for(up, asked / up / rule.target)))

    def _add(self, count: int) -> None:
        """Wants more replicas; those on their way out stay, since they look before they go."""
        resting = [replica for replica in range(self._plan.replicas) if replica not in self._wanted]
        for replica in sorted(resting, key=lambda replica: replica in self._asleep)[:count]:
            self._wanted.add(replica)
            if replica in self._asleep:
                self._asleep.pop(replica).succeed()

    def _remove(self, count: int) -> None:
        """Wants fewer: those of the highest numbers go, at once where they have nothing to do."""
        for replica in sorted(self._wanted, reverse=True)[:count]:
            self._wanted.discard(replica)
            for entry in [entry for entry in self._idle if entry[0] == replica]:
                self._idle.remove(entry)
                entry[1].succeed()
            if replica in self._aside:
                self._aside.pop(replica).succeed()

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

    def _serve(self, its: Replica, gang: Gang) -> Generator[simpy.Event, object, None]:
        env, plan, log, answers, replica = self._env, self._plan, self._log, self._answers, its.number
        active = False
        while replica in self._wanted:
            if not self._queue or its.paused:
                if active:
                    gang.set("loaded", plan.loaded_w, 0.0)
                    active = False
                yield from self._wait_for_work(its)
                if replica not in self._in_service:
                    return  # woken to go
            batch = self._in_service.setdefault(replica, [])
            while self._queue and len(batch) < plan.max_batch:
                batch.append(self._queue.popleft())
            if len(batch) < plan.max_batch and plan.max_wait_ns:
                if active:
                    gang.set("loaded", plan.loaded_w, 0.0)
                    active = False
                yield from self._collect(batch)
            start_ns = env.now_ns
            if plan.exits is None:
                yield from self._work(its, gang, self._service_ns(len(batch)), self._whole(len(batch))[1])
                done = batch
            else:
                done = yield from self._in_segments(plan.exits, batch, start_ns, its, gang)
            active = True
            log.busy_ns += env.now_ns - start_ns
            log.batches += 1
            del self._in_service[replica]
            self._done(done, start_ns)
            answers.idle()

    def _work(self, its: Replica, gang: Gang, work_ns: int, active_w: float) -> Generator[simpy.Event, object, None]:
        """Serves for so long at full rate, at the pace that power leaves."""
        its.begin(work_ns, active_w)
        while True:
            if its.paused:
                gang.set("loaded", self._plan.loaded_w, 0.0)
            else:
                gang.set("active", its.pace.active_w, self._plan.cpu_load)
            try:
                yield self._env.wait(its.takes_ns())
            except simpy.Interrupt as interrupt:
                if not isinstance(interrupt.cause, Repaced):
                    raise
            its.book()
            if not its.left_ns:
                break
        its.stop()

    def _in_segments(
        self, exits: EarlyExits, batch: list[Asked], start_ns: int, its: Replica, gang: Gang
    ) -> Generator[simpy.Event, object, list[Asked]]:
        """Takes a batch through a network with exits; ``batch`` holds what is still in it. Returns those that leave
        last."""
        plan = self._plan
        factor = self._factor() if self._factor is not None else 1.0
        done: list[Asked] = []
        for i, (share, load, name) in enumerate(zip(exits.segments, exits.loads, self._log.exits, strict=True)):
            self._done(done, start_ns)
            whole_ns, active_w = self._whole(len(batch))
            segment_w = plan.loaded_w + load * (active_w - plan.loaded_w)
            yield from self._work(its, gang, max(1, round(whole_ns * factor * share)), segment_w)
            done = [asked for asked in batch if asked.leaves == i]
            batch[:] = [asked for asked in batch if asked.leaves > i]
            self._log.exits[name] += len(done)
            if not batch:
                break
        return done

    def _done(self, batch: list[Asked], start_ns: int) -> None:
        log, now_ns = self._log, self._env.now_ns
        for asked in batch:
            log.arrival_ns.append(asked.arrival_ns)
            log.start_ns.append(start_ns)
            log.done_ns.append(now_ns)
        for asked in batch:
            self._answers.done(asked, start_ns)

    def _wait_for_work(self, its: Replica) -> Generator[simpy.Event, object, None]:
        entry = (its.number, self._env.event())
        if its.paused:
            self._aside[its.number] = entry[1]
        else:
            self._idle.append(entry)
        try:
            yield entry[1]
        finally:
            self._aside.pop(its.number, None)
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
        mean_ns, _ = self._whole(size)
        return mean_ns if self._factor is None else max(1, round(mean_ns * self._factor()))

    def _whole(self, size: int) -> tuple[int, float]:
        """Mean ns of a batch, and W of a GPU meanwhile."""
        plan = self._plan
        if plan.by_size:
            return plan.by_size[size - 1]
        return plan.first_ns + (size - 1) * plan.further_ns, plan.active_w
