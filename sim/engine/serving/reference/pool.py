"""The plain serving engine as the control plane asks it: time passes, replicas come, stand still and go."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from sim.engine.serving import plan as p
from sim.engine.serving.iterations import IterationLog
from sim.engine.serving.plan import Ints, Settings, StepCost, largest_request
from sim.engine.serving.reference.batches import begin_iterations
from sim.engine.serving.reference.ends import end
from sim.engine.serving.reference.events import arrive, happen
from sim.engine.serving.reference.lives import lose
from sim.engine.serving.reference.routing import attempt, dispatch
from sim.engine.serving.reference.shares import settle
from sim.engine.serving.reference.state import AWAY, USER, WAITING, Replica, State
from sim.workload.requests import RequestChunk


class ReferencePool:
    """Replicas behind one router. ``more`` gives the next arrivals, or None once there are no more."""

    def __init__(
        self,
        settings: Settings,
        costs: Sequence[StepCost],
        roles: Sequence[int],
        cost_of: Sequence[int],
        kv_blocks: Sequence[int],
        more: Callable[[], RequestChunk | None],
        iterations: IterationLog | None = None,
    ) -> None:
        self._state = State(
            settings,
            list(costs),
            more,
            IterationLog(0) if iterations is None else iterations,
            [
                Replica(i, role, kv_blocks[i], costs[cost_of[i]], waiting=[deque() for _ in range(settings.priorities)])
                for i, role in enumerate(roles)
            ],
            largest_request(roles, kv_blocks),
        )
        self.passed = 0
        """At how many instants anything happened by itself in the last ``advance``."""

    @property
    def counts(self) -> dict[str, int]:
        """What is counted, by ``COUNTS``."""
        return self._state.counts

    @property
    def sketches(self) -> Ints:
        """Sketches (m, n) of times, by ``SKETCHES``."""
        return self._state.sketches

    def advance(self, until_ns: int, *, idle_ends: bool = False) -> int:
        """Simulates everything up to and including ``until_ns``; returns how far it is.

        With ``idle_ends`` it goes no further than to where nothing is left to be done and nothing will arrive.
        """
        state = self._state
        before = state.instants
        if not state.began:
            state.began = True
            for _ in range(state.settings.concurrency):
                state.push(state.now, USER, None)
        while not (idle_ends and self.is_over) and (now := state.next_ns()) is not None and now <= until_ns:
            state.instants += now > state.now
            state.pass_to(now)
            for replica in state.replicas:
                if replica.busy and replica.end_ns == now:
                    end(state, replica)
            while state.future and state.future[0][0] == now:
                happen(state, *heapq.heappop(state.future)[2:])
            while not state.settings.concurrency and state.peek() == now:
                arrive(state, state.arrivals.popleft())
            begin_iterations(state)
        if not (idle_ends and self.is_over):
            state.pass_to(until_ns)
        self.passed = state.instants - before
        return state.now

    def next_event_ns(self) -> int:
        """The earliest instant at which anything can happen by itself, or -1."""
        following = self._state.next_ns()
        return -1 if following is None else following

    def open(self, index: int) -> None:
        """Brings a replica up; what waited for one goes on waiting until one is started."""
        replica = self._state.replicas[index]
        replica.up, replica.draining = True, False
        if replica.paused:
            self.resume(index)

    def start(self, index: int) -> None:
        """Brings a replica up; what waited for one is handed out."""
        state = self._state
        replica = state.replicas[index]
        replica.up, replica.draining, replica.paused = True, False, False
        waiting, state.backlog = state.backlog, deque()
        for request in waiting:
            request.where = AWAY
            state.waiting -= 1
            dispatch(state, request, p.PREFILL, 0)
        begin_iterations(state)

    def start_all(self, indices: Sequence[int], cost: int) -> None:
        """Brings up replicas that have not been up before, at one cost; nothing may wait for them."""
        for index in indices:
            self.set_cost(index, cost)
            self.start(index)

    def drain(self, index: int) -> None:
        """Drains a replica: it finishes what it has and is given nothing more."""
        self._state.replicas[index].draining = True

    def pause(self, index: int) -> None:
        """Has a replica that is up stand still once the iteration that it is in is over; it keeps what it has, and is
        given more."""
        self._state.replicas[index].paused = self._state.replicas[index].up

    def resume(self, index: int) -> None:
        """It goes on."""
        self._state.replicas[index].paused = False
        begin_iterations(self._state)

    def kill(self, index: int) -> None:
        """Takes a replica away with everything on it; its requests begin anew elsewhere."""
        state = self._state
        replica = state.replicas[index]
        settle(state, replica)
        lost = sorted(
            (q for q in state.live.values() if q.replica is replica and q.where != AWAY), key=lambda q: q.ordinal
        )
        fresh = Replica(index, replica.role, replica.blocks, replica.cost)
        fresh.waiting = [deque() for _ in range(state.settings.priorities)]
        fresh.active_ns, fresh.dynamic_nj, fresh.link_nj = replica.active_ns, replica.dynamic_nj, replica.link_nj
        state.replicas[index] = fresh
        for request in lost:
            if request.where == WAITING:
                state.waiting -= 1
            else:
                state.running -= 1
            lose(state, request)
        for request in lost:
            attempt(state, request)
        begin_iterations(state)

    def set_cost(self, index: int, cost: int) -> None:
        """Sets the cost of a replica's iterations from its next one on (a power cap has changed)."""
        self._state.replicas[index].cost = self._state.costs[cost]

    def add_cost(self, cost: StepCost) -> int:
        """Another cost of iterations; its index."""
        self._state.costs.append(cost)
        return len(self._state.costs) - 1

    def load(self, index: int) -> tuple[int, int, int, int]:
        """Load of a replica: requests waiting and running, KV blocks in use, KV blocks in all."""
        replica = self._state.replicas[index]
        return sum(map(len, replica.waiting)), len(replica.running), replica.used, replica.blocks

    def take_energy(self, index: int) -> tuple[int, int, int]:
        """Work since the last call, up to the last ``advance``: ns in iterations, dynamic nJ, and nJ of hand-overs."""
        replica = self._state.replicas[index]
        settle(self._state, replica)
        taken = replica.active_ns, replica.dynamic_nj, replica.link_nj
        replica.active_ns = replica.dynamic_nj = replica.link_nj = 0
        return taken

    def take_all(self) -> Ints:
        """``take_energy`` of every replica: (n, 3)."""
        return np.array([self.take_energy(i) for i in range(len(self._state.replicas))], dtype=np.int64)

    def take_rows(self) -> Ints:
        """Rows (n, 16) of the requests finished since the last call, columns ``ROW_COLUMNS``."""
        rows = np.array(self._state.rows, dtype=np.int64).reshape(-1, len(p.ROW_COLUMNS))
        self._state.rows = []
        return rows

    @property
    def in_system(self) -> int:
        """Number of requests neither finished nor given up, retries under way included."""
        return len(self._state.live)

    @property
    def late(self) -> int:
        """How many of these have missed a limit already."""
        told = [(q.arrival_ns, q.first_ns, q.output) for q in self._state.live.values()]
        arrival_ns, first_ns, output = np.array(told, dtype=np.int64).reshape(-1, 3).T
        return self._state.settings.late(arrival_ns, first_ns, output, self._state.now)

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to be done, nor will anything come."""
        return not self.in_system and self._state.peek() is None

    @property
    def backlog(self) -> int:
        """Number of requests that wait because no replica is up."""
        return len(self._state.backlog)
