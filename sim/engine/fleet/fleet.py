"""The fleet: who waits, who runs, what is free, and the scheduler that is asked whenever one of these has changed."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from typing import Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.fleet.alike import PlacesOfAll, places_of_all, starts_who_has_room
from sim.engine.fleet.machines import Machines
from sim.engine.fleet.possible import Possible, could_admit, placements_of, starts_smaller
from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.scheduling import Decision, Preempt, Reserve, Scheduler, Start, fault
from sim.engine.fleet.shape import PoolShape
from sim.engine.fleet.usage import LABELS
from sim.errors import RunError
from sim.later import later
from sim.signals import Signal

with later():
    from sim.engine.fleet.usage import Usage


MOST_DECISIONS = 100_000
"""At one instant; a scheduler that names more goes in a circle."""


class Holding(Protocol):
    """Who does what the scheduler has named, for the requests that it has made."""

    def start(self, request: Request, places: Places) -> None:
        """The request has these places from now on."""

    def preempt(self, request: Request) -> None:
        """The request gives back what it holds, now or once its state is saved."""

    def resize(self, request: Request, places: Places) -> None:
        """The request goes on, on these places."""


class Cohort(Protocol):
    """Requests that run and are all alike, as long as nobody looks at one of them (see ``engine.machines.cohort``)."""

    def make(self) -> None:
        """Has each of them start by itself, as it would have when all did."""


class Fleet:
    """A queue over all pools. Slots are counted in ``machines``; who holds them, in ``running``."""

    def __init__(
        self,
        env: Clock,
        pools: Sequence[PoolShape],
        scheduler: Scheduler,
        signals: Mapping[str, Mapping[str, Signal]] | None = None,
    ) -> None:
        self.env = env
        self.machines = Machines(pools)
        self._scheduler = scheduler
        self._signals = signals if signals is not None else {}
        self._waiting: list[Request] = []
        self._running: dict[Request, Holding] = {}
        self._holding: dict[Request, Holding] = {}
        self._ends: list[list[tuple[int, int, Request]]] = [[] for _ in pools]
        self._end_of: dict[Request, tuple[int, tuple[int, int, Request]]] = {}
        self._usages: dict[tuple[str, int | None], Usage] = {}
        self._could_hold = Possible(pools, placements_of(scheduler), shrinks=starts_smaller(scheduler))
        self._asked_soon = False
        self._again_ns: int | None = None
        self._seq = 0
        self._cohorts: dict[Request, Cohort] = {}  # by the request that stands for all among those that run
        self.on_change: list[Callable[[], None]] = []
        """Called whenever somebody begins to wait, or starts or ends; who draws pictures or holds limits looks then."""

    # What a scheduler sees

    @property
    def now_ns(self) -> int:
        """The present."""
        return self.env.now_ns

    @property
    def waiting(self) -> Sequence[Request]:
        """Who waits, in the order in which they came."""
        return self._waiting

    @property
    def running(self) -> Collection[Request]:
        """Who holds machines, in the order in which they started."""
        self.part()
        return self._running.keys()

    def ends(self, pool: int) -> Sequence[tuple[int, int, Request]]:
        """Who holds machines of a pool, by when they are to give them back."""
        self.part()
        return self._ends[pool]

    def usage(self, by: str, half_life_ns: int | None) -> dict[str, float]:
        """Slot-seconds held until now by ``user``, ``account`` or ``queue``; counted from the first question on, which
        is asked before anything starts."""
        return self._usage(by, half_life_ns).now(self.now_ns)

    def held(self, by: str) -> Mapping[str, int]:
        """Thousandths of slots that each holds now."""
        return self._usage(by, None).held_milli

    def _usage(self, by: str, half_life_ns: int | None) -> Usage:
        key = (by, half_life_ns)
        if key not in self._usages:
            self._usages[key] = Usage(LABELS[by], half_life_ns)
            for request in self.running:
                self._usages[key].change(request, _milli(request.places), self.now_ns)
        return self._usages[key]

    def signal(self, pool: int, name: str) -> Signal | None:
        """A signal of the site of a pool."""
        return self._signals.get(self.machines.pools[pool].name, {}).get(name)

    def can_ever_hold(self, request: Request) -> bool:
        """Whether a request could ever start: were all machines free and up, and nobody at work."""
        return could_admit(self._scheduler, request) and self._could_hold(request)

    # What changes it

    def number(self, count: int = 1) -> int:
        """The next in the order in which requests come, or the first of so many."""
        self._seq += count
        return self._seq - count + 1

    def submit(self, request: Request, holding: Holding) -> None:
        """A request waits from now on; ``holding`` is told when it starts. Ask afterwards."""
        request.waits = True
        self._waiting.append(request)
        self._holding[request] = holding
        self._changed()

    def decided(self, request: Request, count: int) -> PlacesOfAll | None:
        """Where ``count`` requests like this one would start, if they came now and the scheduler were asked after each.
        None where that cannot be told without asking it, or where somebody follows each of its decisions."""
        if self._waiting or self._usages or self.on_change or not starts_who_has_room(self._scheduler):
            return None
        return places_of_all(request, count, self.machines)

    def start_together(self, alike: Request, cohort: Cohort, holding: Holding) -> None:
        """Requests ``alike``, for which this was ``decided``, run from now on; none is made before somebody looks."""
        self._cohorts[alike], self._running[alike] = cohort, holding

    def part(self) -> None:
        """Makes the requests of all cohorts, where they are in the order of who started."""
        if self._cohorts:
            running, self._running = self._running, {}
            for request, holding in running.items():
                cohort = self._cohorts.pop(request, None)
                if cohort is None:
                    self._running[request] = holding
                else:
                    cohort.make()

    def start(self, requests: Sequence[Request], holding: Holding, started_ns: int) -> None:
        """Requests of one pool for which this was ``decided`` run since then, at their ``places``; who holds them
        knows."""
        pool = requests[0].pools[0]
        ends = self._ends[pool]
        for request in requests:
            request.started_ns = started_ns
            self._running[request] = holding
            end = (started_ns + request.asked_ns, request.seq, request)
            ends.append(end)
            self._end_of[request] = pool, end
            self.machines.take(request, request.places)
        ends.sort()

    def withdraw(self, request: Request) -> None:
        """A request waits no longer."""
        if request.waits:
            request.waits = False
            self._waiting.remove(request)
            del self._holding[request]
            self._changed()

    def release(self, request: Request, places: Places | None = None) -> None:
        """A request that runs gives back all that it holds (or those ``places`` that it still holds). Ask
        afterwards."""
        given = request.places if places is None else places
        self.machines.give(request, given)
        self._count(request, request.places, -1)
        request.places = ()
        if request.started_ns is not None:
            request.ran_ns += self.now_ns - request.started_ns
        request.started_ns = None
        request.leaving = False
        if self._running.pop(request, None) is not None:
            self._expect_no_more(request)
        self._changed()

    def ask_soon(self) -> None:
        """Asks the scheduler once in this instant, behind all that happens in it."""
        if not self._asked_soon:
            self._asked_soon = True
            self.env.process(self._ask_later())

    def ask(self) -> None:
        """Asks the scheduler until it names nothing."""
        for _ in range(MOST_DECISIONS):
            decision = self._scheduler.next(self)
            if decision is None:
                break
            wrong = fault(decision, self)
            if wrong is not None:
                raise RunError(f"the scheduler ({type(self._scheduler).__name__}) {wrong}")
            self._do(decision)
        else:
            raise RunError(
                f"the scheduler ({type(self._scheduler).__name__}) goes in a circle: it never stops deciding"
            )
        self._ask_again()

    def preempt(self, request: Request) -> None:
        """A request that runs makes room, whether a scheduler has said so or somebody else. Ask afterwards."""
        request.leaving = True
        self._expect(request, self._expect_no_more(request), self.now_ns)
        self._running[request].preempt(request)
        self._changed()

    def moved(self, node: int, rank: int, free: int | None = None) -> None:
        """A node is in another state, or somebody who counts its slots says how many are free."""
        self.machines.move(node, rank, free)

    def _do(self, decision: Decision) -> None:
        if isinstance(decision, Reserve):
            for request, at_ns, places in decision.promises:
                request.promise = at_ns, places
            return
        request = decision.request
        if isinstance(decision, Start):
            request.waits, request.promise = False, None
            self._waiting.remove(request)
            holding = self._running[request] = self._holding.pop(request)
            request.places = decision.places
            request.started_ns = self.now_ns
            pool = self.machines.pool_of[decision.places[0].node]
            self._expect(request, pool, self.now_ns + max(0, request.asked_ns - request.spent_ns))
            self.machines.take(request, decision.places)
            self._count(request, decision.places, 1)
            holding.start(request, decision.places)
            self._changed()
        elif isinstance(decision, Preempt):
            self.preempt(request)
        else:
            self._resize(request, decision.places)
            self._changed()

    def _resize(self, request: Request, places: Places) -> None:
        before = request.places
        self.machines.give(request, before)
        if not self.machines.has_room(request, places):
            self.machines.take(request, before)
            name = type(self._scheduler).__name__
            raise RunError(
                f"the scheduler ({name}) gives '{request.owner}' slots that are not free, or not of its pool"
            )
        self.machines.take(request, places)
        self._count(request, before, -1)
        self._count(request, places, 1)
        request.places = places
        self._running[request].resize(request, places)

    def again(self, request: Request, holding: Holding) -> None:
        """A request that has given back what it held waits again, where it was in the order of all that came."""
        request.waits = True
        at = len(self._waiting)
        while at and self._waiting[at - 1].seq > request.seq:
            at -= 1
        self._waiting.insert(at, request)
        self._holding[request] = holding
        self._changed()

    def _expect(self, request: Request, pool: int, due_ns: int) -> None:
        end = (due_ns, request.seq, request)
        insort(self._ends[pool], end)
        self._end_of[request] = pool, end

    def _expect_no_more(self, request: Request) -> int:
        pool, end = self._end_of.pop(request)
        del self._ends[pool][bisect_left(self._ends[pool], end)]
        return pool

    def _count(self, request: Request, places: Places, sign: int) -> None:
        milli = sign * _milli(places) if self._usages else 0
        for usage in self._usages.values():
            usage.change(request, milli, self.now_ns)

    def _changed(self) -> None:
        for listener in self.on_change:
            listener()

    def _ask_later(self) -> Generator[simpy.Event, object, None]:
        yield self.env.wait(0)
        self._asked_soon = False
        self.ask()

    def _ask_again(self) -> None:
        again_ns = self._scheduler.ask_again_ns(self)
        if again_ns is None or (self._again_ns is not None and self.now_ns < self._again_ns <= again_ns):
            return
        self._again_ns = again_ns
        self.env.process(self._ask_at(again_ns))

    def _ask_at(self, at_ns: int) -> Generator[simpy.Event, object, None]:
        yield self.env.wait(max(1, at_ns - self.now_ns))
        if self._again_ns == at_ns:
            self._again_ns = None
            self.ask()


def _milli(places: Places) -> int:
    return sum(place.total_milli for place in places)
