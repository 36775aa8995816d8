"""A serving workload in the simulated cluster: gangs of GPUs for its replicas, and a pool that advances lazily.

The pool (``reference`` or the compiled ``fast``) holds requests, routers and batches. This control plane gives it
replicas and takes them away, changes their power cap, scales them, and asks it every quarter of an hour what it drew.
Whoever shares power may cap a replica at any instant, in whole watts as boards take them, and shed one. Between such
moments nothing of it runs in the event loop.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.gang import Gang
from sim.engine.metering.courses import Activity
from sim.engine.metering.meter import Looks
from sim.engine.serving import plan as p
from sim.engine.serving.drawn import Drawn
from sim.engine.serving.iterations import IterationLog
from sim.engine.serving.keep import Keep, KeepAll, KeepSample
from sim.engine.serving.lives import Lives
from sim.engine.serving.metered import Metered
from sim.engine.serving.opening import Opening
from sim.engine.serving.plan import Ints, Settings, StepCost
from sim.engine.serving.pools import Engine, make_pool
from sim.engine.serving.power import CostsUnderCaps
from sim.engine.serving.relay import ServingRelay, in_kv_blocks
from sim.engine.serving.replicas import ReplicaGroup, ServingReplica
from sim.engine.serving.scaling import Autoscale, Scaler
from sim.workload.requests import RequestChunk, RequestSource
from sim.workload.serving_records import ServingLog


@dataclass(frozen=True, eq=False)
class ServingPlan:
    """A serving workload in SI and integers."""

    name: str
    settings: Settings
    groups: tuple[ReplicaGroup, ...]
    step_costs: tuple[StepCost, ...]
    cap_changes_ns: tuple[int, ...]
    autoscale: Autoscale | None
    source: RequestSource
    open_until_ns: int | None
    engine: Engine
    skipped_rows: int  # of its trace, that could not be used
    trace_problems: tuple[str, ...]  # the first of them, with line and reason
    step_shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # how times of iterations are known
    iterations: int = 0  # of its replicas, that are kept; the plain engine keeps them
    relayed: bool = False  # handed its requests by a relay, which hears of those that are finished


def _unheard(_gang: Gang) -> None:
    """Nobody shares its power."""


class ServingService:
    """The processes that keep a serving workload's replicas, and its log."""

    def __init__(self, env: Clock, cluster: Cluster, plan: ServingPlan, looks: Looks | None, keep: Keep) -> None:
        self._env = env
        self._cluster = cluster
        self._plan = plan
        self._keep = keep
        self._chunks = plan.source.chunks()
        self._last_arrival_ns = self._place = 0
        self._all_fed = False
        self._relay: ServingRelay | None = None
        self._iterations = IterationLog(plan.iterations) if plan.iterations else None
        how = plan.engine, plan.settings, plan.step_costs, plan.groups
        self._pool = make_pool(*how, self._more, self._iterations)
        self._replicas: list[ServingReplica] = []
        lane = 0
        for group in plan.groups:
            for _ in range(group.most):
                lanes = range(lane, lane + group.lanes)
                self._replicas.append(ServingReplica(group, lanes, len(self._replicas)))
                lane += group.lanes
        self._drawn = Drawn([replica.lanes for replica in self._replicas], self._pool)
        self._metered = Metered(env, self._drawn, self._advance)
        self._opening = Opening(env, self._pool, self._replicas)
        self._costs = CostsUnderCaps(self._pool.add_cost)
        self.on_change: Callable[[Gang], None] = _unheard
        """Told of gangs whose replica has come up or may draw more or less."""
        self._cap = 0
        self._scaler: Scaler | None = None
        self.finished = env.event()
        self._skipped_instants = 0
        self._lives = Lives(
            env,
            cluster,
            plan.name,
            self._pool,
            self._opening,
            self._metered,
            self._advance,
            self._cost_of,
            lambda gang: self.on_change(gang),
            lambda: self.on_change is not _unheard,
        )
        for group in plan.groups:
            self._lives.begin(group, [replica for replica in self._replicas if replica.group is group])
        if looks is not None:
            env.process(self._tick(looks))
        if plan.cap_changes_ns:
            env.process(self._change_caps())
        if plan.autoscale is not None:
            self._scaler = Scaler(
                env, plan.autoscale, plan.groups, self._replicas, self._pool, self._lives, self._advance
            )
            env.process(self._scaler.run())
        env.process(self._watch())

    @property
    def name(self) -> str:
        """Name of the workload."""
        return self._plan.name

    @property
    def skipped_events(self) -> int:
        """Instants of the pool that the clock did not stop at, and would have without looking ahead; and those that
        replicas came to together."""
        return self._skipped_instants + self._lives.skipped_events

    def log(self) -> ServingLog:
        """What is known of the workload up to now."""
        self._advance()
        now_ns = self._env.now_ns
        lives = self._lives
        replica_ns = lives.replica_ns + sum(now_ns - r.since_ns for r in self._replicas if r.up)
        prefills = next(group for group in self._plan.groups if group.role != p.DECODE)
        decodes = next(group for group in self._plan.groups if group.role != p.PREFILL)
        return ServingLog(
            workload=self._plan.name,
            counts=self._pool.counts,
            sketches=self._pool.sketches,
            rows=self._keep.rows(),
            unfinished=self._pool.in_system,
            late=self._pool.late,
            has_slo=self._plan.settings.has_slo,
            kv_blocks=decodes.kv_blocks,
            most_kv_blocks=max(group.kv_blocks for group in self._plan.groups),
            block_tokens=self._plan.settings.block_tokens,
            kv_weights=self._plan.settings.kv_weights,
            phase_w={"prefill": prefills.lane_w, "decode": decodes.lane_w},
            unit_scale=self._metered.unit_scale,
            handed_ns=np.array([at_ns for at_ns, _ in self._metered.handed], dtype=np.int64),
            handed_j=np.array([joules for _, joules in self._metered.handed], dtype=np.float64),
            replica_ns=replica_ns,
            most_replicas=lives.most_up,
            cold_starts=lives.cold_starts,
            network_busy=self._network_busy(prefills),
            engine=self._plan.engine,
            sampled=isinstance(self._keep, KeepSample),
            skipped_rows=self._plan.skipped_rows,
            trace_problems=self._plan.trace_problems,
            step_shares=self._plan.step_shares,
            iterations=self._iterations.rows() if self._iterations is not None else None,
            iterations_are_cut=self._iterations is not None and self._iterations.is_cut,
        )

    def _network_busy(self, prefills: ReplicaGroup) -> float | None:
        """As the log tells it; each lane that prefills has a link of its own."""
        settings, now_ns = self._plan.settings, self._env.now_ns
        if prefills.role != p.PREFILL or settings.transfer_per_window_token or not now_ns:
            return None
        carried_ns = (self._pool.counts["transferred_tokens"] * settings.transfer_per_token) >> p.FRACTION_BITS
        return carried_ns / (prefills.initial * prefills.lanes * now_ns)

    def feed_by(self, relay: ServingRelay, place: int) -> None:
        """From now on ``relay`` hands it its requests, as its place of that number."""
        self._relay, self._place = relay, place

    def bring(self, until_ns: int) -> Ints:
        """Simulates everything up to and including an instant; returns rows (n, 16) of requests that are finished."""
        self._pool.advance(until_ns)
        rows = self._pool.take_rows()
        self._keep.add(rows)
        return rows

    def take_all(self) -> None:
        """Asks the pool at once what all replicas have drawn, at an instant at which nothing happens any more but that
        nodes settle."""
        self._advance()
        self._drawn.take_all()
        self._metered.is_current = True

    def next_event_ns(self) -> int:
        """The earliest instant at which anything can happen to what it has by itself, or -1."""
        return self._pool.next_event_ns()

    def dismiss(self) -> None:
        """Gives up the pool, at the end.

        A world refers to itself in rings, which only Python's collector takes apart, when it comes to it; a pool's
        100 MB a run are not to wait for that.
        """
        self._lives.dismiss()
        if self._scaler is not None:
            self._scaler.dismiss()
        del self._pool, self._costs, self._drawn, self._metered, self._opening  # which ask the pool

    # The pool

    def _more(self) -> RequestChunk | None:
        if self._plan.relayed:
            chunk = self._relay.more(self._place) if self._relay is not None else None
            self._all_fed = chunk is None
            return in_kv_blocks(chunk, self._plan.source) if chunk is not None else None
        if self._plan.settings.rows and isinstance(self._keep, KeepAll):  # between two looks there may be millions
            self._keep.add(self._pool.take_rows())
        chunk = next(self._chunks, None)
        if chunk is None:
            self._all_fed = True
        elif len(chunk.arrival_ns):
            self._last_arrival_ns = int(chunk.arrival_ns[-1])
        return chunk

    def _advance(self) -> None:
        if self._relay is not None:
            self._relay.bring(self._env.now_ns)
            return
        self._pool.advance(self._env.now_ns)
        if self._plan.settings.rows:
            self._keep.add(self._pool.take_rows())

    # What those who share its power ask

    @property
    def lacks_replicas(self) -> bool:
        """Whether a replica has been shed and is not up again."""
        return any(replica.shed for replica in self._replicas)

    def counts(self) -> dict[str, int]:
        """Of requests and tokens until now, as ``plan.COUNTS`` names them, and the dynamic energy of all replicas."""
        self._advance()
        self._drawn.take_all()
        return {**self._pool.counts, "dynamic_nj": self._drawn.dynamic_nj}

    def replica_on(self, gang: Gang) -> ServingReplica | None:
        """The replica that holds a gang."""
        return self._lives.of_gang.get(gang)

    def planned_w(self, replica: ServingReplica) -> float:
        """What the plan's own schedule lets each of its GPUs draw now."""
        return replica.group.caps_w[self._cap]

    def cap_replica(self, replica: ServingReplica, source: str, cap_w: float | None) -> None:
        """From now on ``source`` allows each of its GPUs no more than ``cap_w``; None lifts it. The lowest counts."""
        others = {name: own for name, own in replica.caps_w.items() if name != source}
        replica.caps_w = others if cap_w is None else {**others, source: cap_w}
        if replica.gang is not None:
            self._advance()
            self._set_cost(replica)
            self.on_change(replica.gang)

    def pause_replica(self, replica: ServingReplica) -> None:
        """It stands still, its model and its cache loaded, once its iterations are over; its requests wait for it."""
        replica.paused = True
        self._turn(replica)

    def resume_replica(self, replica: ServingReplica) -> None:
        """It goes on."""
        replica.paused = False
        self._turn(replica)

    def _turn(self, replica: ServingReplica) -> None:
        if replica.gang is None or not replica.up:
            return
        self._advance()
        for lane in replica.lanes:
            (self._pool.pause if replica.paused else self._pool.resume)(lane)
        self.on_change(replica.gang)

    def reading(self, replica: ServingReplica) -> Activity:
        """What one of its GPUs drew in the mean since the last reading, and the load of its CPUs then."""
        return self._metered.reading(replica)

    def shed(self, replica: ServingReplica) -> None:
        """It gives its machines back at once, and waits for others; its requests begin anew elsewhere."""
        if replica.gang is not None and not replica.gang.lacks:
            replica.shed = True
            self._lives.process_of(replica).interrupt("shed")

    def _set_cost(self, replica: ServingReplica) -> None:
        cost = self._cost_of(replica)
        for lane in replica.lanes:
            self._pool.set_cost(lane, cost)

    def _cost_of(self, replica: ServingReplica) -> int:
        return self._costs.of(replica.group, self._cap, replica.cap_w)

    # Processes

    def _tick(self, looks: Looks) -> Generator[simpy.Event, object, None]:
        """Settles nodes at every look: a span that the pool tells of ends there. At edges of the ledger in between it
        notes what was drawn, so that every bin gets its part of the span."""
        while True:
            since_ns = self._env.now_ns
            look_ns, edge_ns = looks.next_look(since_ns), looks.next_edge(since_ns)
            yield self._env.wait(min(look_ns, edge_ns) - since_ns)
            self.take_all()
            if edge_ns < look_ns:
                self._metered.is_current = False
                self._drawn.note(edge_ns)
                continue
            for metered in dict.fromkeys(one for replica in self._replicas for one in replica.metered_by):
                metered.settle()
            self._metered.is_current = False
            self._drawn.forget_notes()

    def _change_caps(self) -> Generator[simpy.Event, object, None]:
        for i, change_ns in enumerate(self._plan.cap_changes_ns):
            yield self._env.wait(change_ns - self._env.now_ns)
            self._advance()
            self._cap = i + 1
            for replica in self._replicas:
                self._set_cost(replica)
                if self.on_change is not _unheard and replica.gang is not None:
                    self.on_change(replica.gang)

    def _watch(self) -> Generator[simpy.Event, object, None]:
        """Says when the last request is over: the instant at which it is, not the next time somebody looks."""
        plan, env = self._plan, self._env
        if plan.open_until_ns is not None:
            yield env.wait(plan.open_until_ns)
        while True:
            self._advance()
            if self._is_over:
                self.finished.succeed()
                return
            over_ns = self._over_before(env.next_ns)
            if over_ns is not None:
                yield env.wait(over_ns - env.now_ns)
                continue
            if self._relay is not None:
                next_ns = self._relay.look_ns()
            elif self._all_fed or plan.settings.concurrency:
                next_ns = self._pool.next_event_ns()
            else:
                next_ns = self._last_arrival_ns  # which has not come yet; more follow
            # Nothing is due where everything waits for a replica.
            yield env.wait(max(1, next_ns - env.now_ns)) if next_ns >= 0 else self._opening.next_look()

    @property
    def _is_over(self) -> bool:
        """Whether nothing is left to be done, nor will anything come."""
        return (self._all_fed or self._plan.settings.concurrency > 0) and self._pool.is_over

    def _over_before(self, next_ns: int | None) -> int | None:
        """When the last request is over, if that is before anything else happens, at ``next_ns``; else None.

        Nobody looks at the pool until then, so it may be ahead of the clock.
        """
        env = self._env
        if self._relay is not None or not self._all_fed or next_ns is None or next_ns <= env.now_ns + 1:
            return None
        at_ns = self._pool.advance(next_ns - 1, idle_ends=True)
        self._skipped_instants += self._pool.passed
        if not self._is_over:
            return None
        self._skipped_instants -= 1  # of these the clock comes to one
        return at_ns
