"""Holds power domains under their limits while a run goes on, opens their breakers, and answers calls to draw less.

It looks once in every instant in which something has changed on a node, behind all that has led to it, and at the
instants that it has noted (an answer is due, a breaker would open, a call begins). Nothing polls.

Limits of a GPU hold at every instant: they are set on a board before anything runs on it. A call is prepared for so
long before it begins that those who must go have saved their state, as far as its notice allows. When a breaker opens
the nodes behind it lose power at that instant, and come up again once it has been closed.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.fleet.power.domain import Domain
from sim.engine.fleet.power.live import Live
from sim.engine.fleet.power.loads import BOARD
from sim.engine.fleet.power.plan import Call, DomainPlan, PowerPlan
from sim.engine.fleet.power.ramping import Ramping
from sim.engine.fleet.power.requests import RequestsUnderLimits
from sim.engine.fleet.power.running import Running
from sim.engine.fleet.power.services import ReplicaLoad
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.gang import Gang
from sim.engine.machines.node import Node
from sim.units import NS_PER_S
from sim.workload.power_records import PowerLog, Trip

LONGEST_S = 1e9
"""A breaker that carries its load for longer does so for ever."""


class Room:
    """What each domain leaves, spent as places are chosen."""

    def __init__(self, left_w: list[float], domains_of: Mapping[int, Sequence[int]]) -> None:
        self._left_w, self._domains_of = left_w, domains_of

    def left_w(self, node: int) -> float:
        """See ``PowerRoom``."""
        return min((self._left_w[k] for k in self._domains_of.get(node, ())), default=np.inf)

    def take_w(self, node: int, watts: float) -> None:
        """See ``PowerRoom``."""
        for k in self._domains_of.get(node, ()):
            self._left_w[k] -= watts


class PowerControl:
    """All domains of a run. ``nodes`` are all that have meters, in the order in which the fleet numbers them."""

    def __init__(
        self,
        env: Clock,
        plan: PowerPlan,
        cluster: Cluster,
        nodes: Sequence[Node],
        running: Running,
    ) -> None:
        self._env, self._plan, self._cluster = env, plan, cluster
        self._machines = cluster.fleet.machines
        self._live = Live(nodes, running, plan)
        first: dict[str, int] = {}
        for i, node in enumerate(self._live.nodes):
            first.setdefault(node.pool, i)
        machines = self._machines
        self._of_fleet = [
            machines.first[machines.number[node.pool]] + i - first[node.pool] for i, node in enumerate(self._live.nodes)
        ]
        sent_away: set[tuple[str, str]] = set()
        self._domains = [
            Domain(
                one,
                np.concatenate([np.arange(first[p] + a, first[p] + b) for p, a, b in one.nodes]),
                env.now_ns,
                sent_away,
            )
            for one in plan.domains
        ]
        self._ramps = {d: Ramping(d, d.plan.ramp) for d in self._domains if d.plan.ramp is not None}
        self._save_ns = running.save_ns
        self._dirty: dict[Node, None] = dict.fromkeys(nodes)
        self._prepared: dict[Domain, list[Call]] = {}
        self._down: dict[Domain, list[Node]] = {}
        self._closed = np.zeros(len(self._live.nodes), np.bool_)
        self._domains_of: dict[int, list[int]] = {number: [] for number in self._of_fleet}
        for k, domain in enumerate(self._domains):
            for i in domain.nodes.tolist():
                self._domains_of[self._of_fleet[i]].append(k)
        self._left_w = [np.inf] * len(self._domains)
        self._asked_for_room = False
        self._machines.power_room = self._room
        self._awaited = False
        self._begun = False
        self._requests = RequestsUnderLimits(running.queues, running.serving)
        for service in running.serving:
            service.on_change = self._hear
        if running.serving and plan.readings_ns is not None:
            env.process(self._read(plan.readings_ns))
        for node in nodes:
            node.on_change = self._listener(node, node.on_change)
        for domain in self._domains:
            for edge_ns in self._edges(domain.plan):
                if edge_ns > env.now_ns:
                    self._wake(edge_ns)
            for call in domain.plan.calls:
                env.process(self._prepare(domain, call))
        self._look_soon()

    def log(self) -> PowerLog:
        """What has happened until now."""
        now_ns = self._env.now_ns
        for domain in self._domains:
            domain.pass_time(now_ns)
        records = [domain.books.record(now_ns) for domain in self._domains]
        return PowerLog(records, now_ns, self._requests.records(now_ns))

    # When it looks

    def _listener(self, node: Node, before: Callable[[], None] | None) -> Callable[[], None]:
        def changed() -> None:
            if before is not None:
                before()
            self._dirty[node] = None
            self._look_soon()

        return changed

    def _hear(self, gang: Gang) -> None:
        """A serving replica has come up, or may draw more or less: nothing changes on its nodes."""
        self._dirty.update(dict.fromkeys(gang.parts))
        self._look_soon()

    def _read(self, every_ns: int) -> Generator[simpy.Event, object, None]:
        """Reads what serving replicas have drawn, time and again."""
        while True:
            yield self._env.wait(every_ns)
            self._take_in()
            for gang, load in self._live.of_services.items():
                if isinstance(load, ReplicaLoad) and load.at_work:
                    load.read()
                    self._hear(gang)

    def _look_soon(self) -> None:
        if not self._awaited:
            self._awaited = True
            self._env.process(self._look_behind())

    def _look_behind(self) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(0)
        self._awaited = False
        self._look()

    def _wake(self, at_ns: int) -> None:
        wait = self._env.wait(max(0, at_ns - self._env.now_ns))
        assert wait.callbacks is not None
        wait.callbacks.append(lambda _event: self._look_soon())

    @staticmethod
    def _edges(plan: DomainPlan) -> list[int]:
        calls = [edge for call in plan.calls for edge in (call.start_ns, call.end_ns)]
        own = plan.limit.edges_ns[1:-1].tolist() if plan.limit is not None else []
        return [*own, *calls]

    # What it does

    def _look(self) -> None:
        now_ns = self._env.now_ns
        for domain in self._domains:
            domain.pass_time(now_ns)
        self._take_in()
        self._cap_boards()
        for domain in self._domains:
            self._keep_down(domain)
            domain.welcome(self._live)
        self._take_in()
        for domain in self._domains:
            self._see(domain)
            if domain.plan.breaker is not None and not self._begun:
                domain.heat = domain.plan.breaker.settled(domain.watts)
        self._begun = True
        for domain in self._domains:
            self._hold(domain, now_ns)
        for ramping in self._ramps.values():
            if ramping.hold(self._live, self._take_in, now_ns):
                self._wake(now_ns + ramping.step_ns)
        for domain in self._domains:
            self._see(domain)
            domain.note_slowed()
            self._break(domain, now_ns)
        self._requests.note(self._live.of_services.values(), now_ns)
        self._close_full()

    def _take_in(self) -> None:
        """Sees what has changed on nodes since it was last asked, in this instant or before."""
        dirty, self._dirty = list(self._dirty), {}
        for load in self._live.look(dirty):
            load.forget()
            for domain in self._domains:
                domain.forget(load)
            for ramping in self._ramps.values():
                ramping.forget(load)

    def _see(self, domain: Domain) -> None:
        now_ns, plan = self._env.now_ns, domain.plan
        calls_w = [call.limit_w for call in plan.calls if call.start_ns <= now_ns < call.end_ns]
        coming_w = [call.limit_w for call in self._prepared.get(domain, ()) if now_ns < call.end_ns]
        limit_w = min([plan.limit.at(now_ns) if plan.limit is not None else np.inf, *calls_w])
        domain.see(self._live.drawn_w(domain.nodes), limit_w, min([limit_w, *coming_w]), now_ns)

    def _hold(self, domain: Domain, now_ns: int) -> None:
        """Answers an excess when that is due, and gives back when that is."""
        due_ns, release_ns = domain.answers_ns(), domain.releases_ns()
        if due_ns is not None and now_ns < due_ns:
            self._wake(due_ns)
        elif due_ns is not None:
            domain.answer(self._live, domain.limit_w, now_ns)
        elif domain.watts > domain.goal_w and domain.plan.answers:  # ahead of a call that has been prepared for
            domain.answer(self._live, domain.goal_w, now_ns, ahead_ns=self._ahead_ns(domain))
        elif release_ns is not None and now_ns < release_ns:
            self._wake(release_ns)
        elif release_ns is not None and domain.answered_ns == now_ns:  # what is given back is not taken at once again
            self._wake(now_ns + max(domain.plan.answer_ns, NS_PER_S))
        elif release_ns is not None:
            domain.release(self._live, now_ns)
        self._take_in()
        self._see(domain)

    def _cap_boards(self) -> None:
        fresh, self._live.fresh = self._live.fresh, []
        for load in fresh:
            cap_w = self._plan.gpu_cap_w.get(load.traits.pool)
            if cap_w is not None and load.traits.cappable:
                load.cap(BOARD, cap_w)

    def _ahead_ns(self, domain: Domain) -> int:
        """How long there is until the next of the calls that it comes down for."""
        now_ns = self._env.now_ns
        return min(call.start_ns for call in self._prepared[domain] if call.start_ns > now_ns) - now_ns

    def _prepare(self, domain: Domain, call: Call) -> Generator[simpy.Event, object, None]:
        """Comes down in time for a call: those who must go save their state before it begins."""
        saving_ns = min(call.notice_ns, max(domain.plan.answer_ns, self._save_ns))
        yield self._env.wait(max(0, call.start_ns - saving_ns - self._env.now_ns))
        self._take_in()
        answer_ns = min(call.notice_ns, domain.plan.answer_ns)
        if not domain.would_shed(self._live, call.limit_w):
            yield self._env.wait(max(0, call.start_ns - answer_ns - self._env.now_ns))
        if self._env.now_ns < call.start_ns:
            self._prepared.setdefault(domain, []).append(call)
            self._look_soon()

    def _close_full(self) -> None:
        """Keeps the scheduler from domains that have no room, and asks it again where there is more."""
        closed = np.zeros(len(self._live.nodes), np.bool_)
        for domain in self._domains:
            closed[domain.nodes] |= domain.closed
        changed = np.flatnonzero(closed != self._closed)
        self._closed = closed
        for i in changed.tolist():
            if closed[i]:
                self._machines.withhold(self._of_fleet[i])
            else:
                self._machines.offer(self._of_fleet[i])
        left_w = [domain.left_w for domain in self._domains]
        more = self._asked_for_room and any(now > before for now, before in zip(left_w, self._left_w, strict=True))
        self._left_w = left_w
        if len(changed) or more:
            self._asked_for_room = False
            self._cluster.fleet.ask_soon()

    def _room(self, slot_w: float) -> Room:
        """What is left now, less what those will draw that have started and are not at work yet."""
        self._asked_for_room = True
        room = Room([domain.left_w for domain in self._domains], self._domains_of)
        for gang, load in self._live.loads.items():
            if not load.at_work:
                self._set_aside(room, gang, slot_w)
        for request in reversed(list(self._cluster.fleet.running)):
            if request.started_ns != self._env.now_ns:
                break
            if request.gang is not None and request.gang not in self._live.loads:
                self._set_aside(room, request.gang, slot_w)
        return room

    def _set_aside(self, room: Room, gang: Gang, slot_w: float) -> None:
        for node, slots in gang.parts.items():
            room.take_w(self._of_fleet[self._live.number[node]], slots * slot_w)

    # Breakers

    def _break(self, domain: Domain, now_ns: int) -> None:
        breaker = domain.plan.breaker
        if breaker is None or domain.tripped:
            return
        after_s = breaker.trips_in_s(domain.heat, domain.watts)
        if after_s <= 0.0:
            self._trip(domain, now_ns)
        elif after_s < LONGEST_S:
            self._wake(now_ns + max(1, int(np.ceil(after_s * NS_PER_S))))

    def _trip(self, domain: Domain, now_ns: int) -> None:
        on = sum(self._live.nodes[i].state == "on" for i in domain.nodes.tolist())
        loads = len(self._live.on(domain.nodes))
        domain.books.trips.append(Trip(domain.plan.name, now_ns, domain.watts, on, loads))
        domain.tripped = True
        self._down[domain] = []
        self._env.process(self._reclose(domain))
        self._look_soon()

    def _keep_down(self, domain: Domain) -> None:
        """Nodes behind an open breaker have no power."""
        if not domain.tripped:
            return
        for node in [self._live.nodes[i] for i in domain.nodes.tolist()]:
            if node.state == "on":
                node.fail()
                self._down[domain].append(node)

    def _reclose(self, domain: Domain) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(domain.plan.reclose_ns)
        domain.tripped = False
        domain.heat = 0.0
        for node in self._down.pop(domain):
            if node.state == "failed":
                self._cluster.repair(node)
