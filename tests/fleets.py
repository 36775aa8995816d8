"""Fleets with nothing around them: any pools, any requests, and a driver that ends jobs when they are done."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import simpy
from hypothesis import strategies as st

from sim.engine.clock import Clock
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.scheduling import Scheduler
from sim.engine.fleet.shape import PoolShape
from sim.signals import Signal
from sim.units import HOUR_NS


@st.composite
def pools(draw: st.DrawFn, most: int = 2) -> list[PoolShape]:
    """A pool or several of few nodes, some with racks, some that count CPUs or may be shared."""
    found = []
    for i in range(draw(st.integers(1, most))):
        count = draw(st.integers(1, 5))
        racks = tuple(node // draw(st.sampled_from([1, 2, 5])) for node in range(count)) if draw(st.booleans()) else ()
        found.append(
            PoolShape(
                f"p{i}",
                count,
                draw(st.integers(1, 8)),
                draw(st.sampled_from([None, 4000, 32_000])),
                draw(st.sampled_from([None, 64_000])),
                draw(st.booleans()),
                racks,
                draw(st.booleans()),
            )
        )
    return found


def asked() -> st.SearchStrategy[list[dict[str, Any]]]:
    """What jobs ask for: slots, equal parts on nodes, parts of a slot, or CPUs alone."""
    beside = {"cpu_milli": st.sampled_from([0, 1000, 7000]), "memory_mib": st.sampled_from([0, 0, 10_000])}
    whole = st.fixed_dictionaries({"slots": st.integers(1, 12), **beside})
    equal = st.fixed_dictionaries({"slots": st.sampled_from([2, 4, 8]), "nodes": st.just(2), **beside})
    part = st.fixed_dictionaries({"slots": st.just(0), "milli": st.integers(1, 999), **beside})
    cpus = st.fixed_dictionaries({"slots": st.just(0), "cpu_milli": st.integers(1, 5000)})
    return st.lists(st.one_of(whole, whole, equal, part, cpus), max_size=8)


def requests(rows: Sequence[dict[str, Any]], n_pools: int) -> list[Request]:
    """Requests for these, each in all pools, those of every other with the last preferred."""
    forward, backward = tuple(range(n_pools)), tuple(reversed(range(n_pools)))
    return [
        Request("j", i, backward if i % 2 else forward, submit_ns=0, limit_ns=HOUR_NS, **row)
        for i, row in enumerate(rows)
    ]


@dataclass
class Job:
    """Comes, asks, and works for ``run_ns`` once it has all it asks for; more slowly or faster by ``speed_up``."""

    submit_ns: int
    run_ns: int
    slots: int
    limit_ns: int | None = None
    save_ns: int = 0
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Stint:
    """A job held these places for a while."""

    job: int
    start_ns: int
    places: Places
    end_ns: int = -1
    how: str = "running"


class Played:
    """What became of jobs on a fleet: stints, as a driver of its own saw them, not as the fleet counts."""

    def __init__(
        self, pools: Sequence[PoolShape], scheduler: Scheduler, jobs: Sequence[Job], **signals: Signal
    ) -> None:
        self.env = Clock()
        by_pool = {pool.name: signals for pool in pools}
        self.fleet = Fleet(self.env, pools, scheduler, by_pool)
        self.jobs = jobs
        self.requests: list[Request] = []
        self.stints: list[Stint] = []
        self.completed: dict[int, int] = {}
        self.preempted: Counter[int] = Counter()
        self._current: dict[int, Stint] = {}
        self._left: list[float] = [float(job.run_ns) for job in jobs]
        self._work: dict[int, simpy.Process] = {}
        self.env.process(self._come())

    def run(self, until_ns: int | None = None) -> Played:
        """To the end of all, or to a time."""
        self.env.run(until_ns)
        return self

    def start_ns(self, job: int) -> int:
        """When it first started."""
        return min(stint.start_ns for stint in self.stints if stint.job == job)

    def _come(self) -> Generator[simpy.Event, object, None]:
        order = sorted(range(len(self.jobs)), key=lambda i: self.jobs[i].submit_ns)
        self.requests = [None] * len(self.jobs)  # type: ignore[list-item]  # filled as jobs come
        for i in order:
            job = self.jobs[i]
            if job.submit_ns > self.env.now_ns:
                yield self.env.wait(job.submit_ns - self.env.now_ns)
            all_pools = tuple(range(len(self.fleet.machines.pools)))
            asked = {"owner": "j", "pools": all_pools, "row": i, **job.more}
            request = Request(
                seq=self.fleet.number(), slots=job.slots, submit_ns=job.submit_ns, limit_ns=job.limit_ns, **asked
            )
            self.requests[i] = request
            self.fleet.submit(request, self)
            self.fleet.ask_soon()

    def start(self, request: Request, places: Places) -> None:
        """A stint begins."""
        self._begin(request.row, places)

    def _begin(self, i: int, places: Places) -> None:
        stint = self._current[i] = Stint(i, self.env.now_ns, places)
        self.stints.append(stint)
        self._work[i] = self.env.process(self._works(i, stint))

    def _works(self, i: int, stint: Stint) -> Generator[simpy.Event, object, None]:
        request = self.requests[i]
        held = sum(place.slots for place in stint.places)
        rate = request.speed_up(held, request.slots) if request.speed_up is not None else 1.0
        yield self.env.wait(max(1, round(self._left[i] / rate)))
        if self._current.get(i) is stint:
            self._end(i, "completed")
            self.completed[i] = self.env.now_ns
            self.fleet.release(request)
            self.fleet.ask_soon()

    def _end(self, i: int, how: str) -> None:
        stint = self._current.pop(i)
        stint.end_ns, stint.how = self.env.now_ns, how

    def preempt(self, request: Request) -> None:
        """It is killed, or saves its state and then waits again."""
        self.preempted[request.row] += 1
        if self.jobs[request.row].save_ns:
            self._left[request.row] -= self.env.now_ns - self._current[request.row].start_ns
            self.env.process(self._saves(request, self._current.pop(request.row)))
        else:
            self._end(request.row, "killed")
            self._back(request)

    def _saves(self, request: Request, stint: Stint) -> Generator[simpy.Event, object, None]:
        yield self.env.wait(self.jobs[request.row].save_ns)
        stint.end_ns, stint.how = self.env.now_ns, "preempted"
        self._back(request)

    def _back(self, request: Request) -> None:
        self.fleet.release(request)
        self.fleet.again(request, self)
        self.fleet.ask_soon()

    def resize(self, request: Request, places: Places) -> None:
        """It goes on elsewhere."""
        stint = self._current[request.row]
        held = sum(place.slots for place in stint.places)
        assert request.speed_up is not None
        done = (self.env.now_ns - stint.start_ns) * request.speed_up(held, request.slots)
        self._left[request.row] -= done
        self._end(request.row, "resized")
        self._begin(request.row, places)


def overbooked(played: Played) -> list[str]:
    """Where more was held at once than there is: slots, parts of one, CPUs and memory, at every boundary of every
    stint, counted anew by brute force. What a job asks for beside its slots lies on its nodes by their slots."""
    machines, wrong = played.fleet.machines, []
    for at_ns in sorted({stint.start_ns for stint in played.stints}):
        slots: Counter[int] = Counter()
        parts: Counter[tuple[int, int]] = Counter()
        cpus: Counter[int] = Counter()
        memory: Counter[int] = Counter()
        for stint in played.stints:
            if stint.start_ns <= at_ns and (stint.end_ns > at_ns or stint.end_ns < 0):
                request = played.requests[stint.job]
                whole = sum(place.slots for place in stint.places)
                for place in stint.places:
                    slots[place.node] += place.slots
                    if place.milli:
                        parts[place.node, place.slot] += place.milli
                    share = Fraction(place.slots, whole) if whole else Fraction(1, len(stint.places))
                    cpus[place.node] += math.floor(request.cpu_milli * share)
                    memory[place.node] += math.floor(request.memory_mib * share)
        held = slots + Counter(node for node, _ in parts)
        wrong += [f"node {node} at {at_ns}" for node, n in held.items() if n > machines.slots[node]]
        wrong += [f"slot {slot} at {at_ns}" for slot, n in parts.items() if n > 1000]
        shape_of = {node: machines.pools[machines.pool_of[node]] for node in cpus}
        for what, counted, name in (("CPUs", cpus, "cpu_milli"), ("memory", memory, "memory_mib")):
            for node, n in counted.items():
                there = getattr(shape_of[node], name)
                if there is not None and n > there:
                    wrong.append(f"{what} of node {node} at {at_ns}")
    return wrong


def partial_gangs(played: Played) -> list[int]:
    """Jobs that held some of their slots and not all of them."""
    wrong = []
    for stint in played.stints:
        request = played.requests[stint.job]
        held = sum(place.slots for place in stint.places)
        milli = sum(place.milli for place in stint.places)
        fits = request.least <= held <= request.most if request.elastic else held == request.slots
        if not fits or milli != request.milli or len({played.fleet.machines.pool_of[p.node] for p in stint.places}) > 1:
            wrong.append(stint.job)
    return wrong
