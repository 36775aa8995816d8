"""Requests that go through stages on users' devices and at places of the cluster, one process a request.

A device works first come first served; places are queues of replicas as of any service. What devices and networks draw
is booked beside the machines, under components of their own, by the kind of device.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.user_devices import InTransit, UserDevices
from sim.engine.metering.meter import Recorder
from sim.engine.queueing.plan import Replicas
from sim.engine.queueing.queue import Asked, Queue
from sim.rng import Stream
from sim.workload.split_records import ACTIVE, PARTS, STANDBY, TRANSFERRING, WAITING, SplitLog, SplitRecord
from sim.workload.stages import ON_DEVICE, Course, DeviceKind, Leg, Move

Ints = npt.NDArray[np.int64]
DEVICE, DEVICE_QUEUE, NETWORK, QUEUE, SERVICE = range(len(PARTS))


@dataclass(frozen=True, eq=False)
class SplitPlan:
    """A workload in stages. ``arrivals_ns`` (n,) is sorted; ``pool`` is where devices and networks are booked;
    ``places`` have the names that the scenario gives them."""

    name: str
    pool: str
    kinds: tuple[DeviceKind, ...]
    stages: tuple[str, ...]
    course: Course
    places: tuple[tuple[str, Replicas], ...]
    arrivals_ns: Ints
    open_until_ns: int
    stream: Stream


class _Counter:
    """Hands requests to the queue of a place, and wakes each when it has been served."""

    def __init__(self, env: Clock, cluster: Cluster, plan: Replicas) -> None:
        self._env = env
        self._waiting: dict[int, simpy.Event] = {}
        self.queue = Queue(env, cluster, plan, self)
        self.queue.begin()

    def ask(self, request: int) -> simpy.Event | None:
        """What happens when a request has been served, with the start of its batch; None if it is turned away."""
        if not self.queue.ask(Asked(self._env.now_ns, request)):
            return None
        self._waiting[request] = self._env.event()
        return self._waiting[request]

    def done(self, asked: Asked, start_ns: int) -> None:
        """Wakes the request."""
        self._waiting.pop(asked.asker).succeed(start_ns)

    def idle(self) -> None:
        """The requests know when all is done."""


class _Request:
    """A request under way: whose it is, where its time went, and what it has its device do."""

    def __init__(self, number: int, device: int, devices: UserDevices, now_ns: int) -> None:
        self.number = number
        self.device = device
        self.kind = devices.kind_of(device)
        self.arrival_ns = now_ns
        self.spent_ns = [0] * len(PARTS)
        self._devices = devices
        self._use = STANDBY

    def has_device(self, use: int) -> None:
        """From now on its device does this for it."""
        self._devices.becomes(self.device, self._use, use)
        self._use = use


class Split:
    """One such workload under way."""

    def __init__(self, env: Clock, cluster: Cluster, plan: SplitPlan, recorder: Recorder) -> None:
        self._env = env
        self._plan = plan
        self._log = SplitLog()
        self._devices = UserDevices(env, plan.kinds, plan.name, plan.pool, recorder)
        self._transit = InTransit(env, [kind.name for kind in plan.kinds], plan.name, plan.pool, recorder)
        self._counters = [_Counter(env, cluster, replicas) for _, replicas in plan.places]
        self._under_way = 0
        self._arrived_all = False
        self.finished = env.event()
        count, factors = len(plan.arrivals_ns), plan.course.factors
        devices = sum(kind.count for kind in plan.kinds)
        # each of its own stream: more requests are more of the same, and no other choice changes who asks
        self._asks = plan.stream.of("devices")().integers(0, devices, size=count).tolist()
        self._left = plan.course.left_after(plan.stream.of("leaving")(), count).tolist()
        spread = factors(plan.stream.of("spread")(), count) if factors is not None else np.ones(count)
        self._factors = spread.tolist()
        env.process(self._arrive())

    @property
    def queues(self) -> tuple[Queue, ...]:
        """Those of its places."""
        return tuple(counter.queue for counter in self._counters)

    def record(self) -> SplitRecord:
        """What is known of it now. Books what is under way, so this comes last, and once."""
        self._log.under_way = self._under_way
        self._devices.settle()
        self._transit.settle()
        return SplitRecord(
            workload=self._plan.name,
            kinds=tuple(kind.name for kind in self._plan.kinds),
            stages=self._plan.stages,
            log=self._log,
            joules=dict(self._devices.joules),
            network_j=dict(self._transit.joules),
            up_byte=self._transit.byte["up"],
            down_byte=self._transit.byte["down"],
            places={
                place: (replicas.pool, counter.queue.log())
                for (place, replicas), counter in zip(self._plan.places, self._counters, strict=True)
            },
        )

    def _arrive(self) -> Generator[simpy.Event, object, None]:
        for number, arrival_ns in enumerate(self._plan.arrivals_ns.tolist()):
            if arrival_ns > self._env.now_ns:
                yield self._env.wait(arrival_ns - self._env.now_ns)
            self._under_way += 1
            self._env.process(self._execute(number))
        if self._plan.open_until_ns > self._env.now_ns:
            yield self._env.wait(self._plan.open_until_ns - self._env.now_ns)
        self._arrived_all = True
        self._finish_if_done()

    def _finish_if_done(self) -> None:
        if self._arrived_all and not self._under_way:
            self.finished.succeed()

    def _execute(self, number: int) -> Generator[simpy.Event, object, None]:
        """One request from its device through its stages, and back."""
        one = _Request(number, self._asks[number], self._devices, self._env.now_ns)
        back: Move | None = None
        for leg in self._plan.course.legs:
            if leg.first > self._left[number]:
                break
            yield from self._go(leg.into[one.kind], one)
            if leg.place == ON_DEVICE:
                yield from self._on_device(leg, one)
            elif not (yield from self._at_place(leg, one)):
                self._log.rejected += 1
                self._over(one)
                return
            back = leg.back[one.kind]
        yield from self._go(back, one)
        self._over(one)
        log = self._log
        log.arrival_ns.append(one.arrival_ns)
        log.done_ns.append(self._env.now_ns)
        log.of.append(one.kind)
        log.left.append(self._left[number])
        for column, spent_ns in zip(log.parts, one.spent_ns, strict=True):
            column.append(spent_ns)

    def _over(self, one: _Request) -> None:
        one.has_device(STANDBY)
        self._under_way -= 1
        self._finish_if_done()

    def _on_device(self, leg: Leg, one: _Request) -> Generator[simpy.Event, object, None]:
        last = min(leg.last, self._left[one.number]) + 1 - leg.first
        work_ns = max(1, round(sum(leg.device_ns[one.kind][:last]) * self._factors[one.number]))
        until_ns = self._devices.turn_ns(one.device, work_ns)
        if until_ns:
            one.spent_ns[DEVICE_QUEUE] += until_ns
            yield self._env.wait(until_ns)
        one.has_device(ACTIVE)
        yield self._env.wait(work_ns)
        one.spent_ns[DEVICE] += work_ns
        one.has_device(STANDBY)

    def _at_place(self, leg: Leg, one: _Request) -> Generator[simpy.Event, object, bool]:
        """Says whether it was served; it is turned away where too many wait."""
        asked_ns = self._env.now_ns
        served = self._counters[leg.place].ask(one.number)
        if served is None:
            return False
        start_ns = yield served
        assert isinstance(start_ns, int)
        one.spent_ns[QUEUE] += start_ns - asked_ns
        one.spent_ns[SERVICE] += self._env.now_ns - start_ns
        return True

    def _go(self, move: Move | None, one: _Request) -> Generator[simpy.Event, object, None]:
        """To the next place: what a device sends has left it before it is there, and what it receives takes its time
        to come."""
        if move is None:
            return
        since_ns = self._env.now_ns
        waiting = WAITING if self._plan.course.answered else STANDBY
        if move.way == "down" and move.latency_ns:
            yield self._env.wait(move.latency_ns)
        if move.way is not None:
            one.has_device(TRANSFERRING)
        yield from self._transit.carry(one.kind, move)
        one.has_device(STANDBY if move.way == "down" else waiting)
        if move.way != "down" and move.latency_ns:
            yield self._env.wait(move.latency_ns)
        one.spent_ns[NETWORK] += self._env.now_ns - since_ns
