"""Federated training: a server on the cluster, and rounds over devices that stand elsewhere.

The server holds its slots from the first round to the last: waiting while clients are at it, at work while it takes in
their updates. What devices and networks draw is booked beside it, under components of their own, by the class of the
devices. A server that is lost loses the round that is under way.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.gang import Gang
from sim.engine.metering.meter import Draw, Recorder
from sim.errors import RunError
from sim.rng import Stream
from sim.units import SECONDS_PER_NS
from sim.workload.fleet import Fleet
from sim.workload.records import FederatedRecord
from sim.workload.rounds import MOST_IN_VAIN, SOURCES, USES, Aggregation, Counts, Course, NoUpdateError, Round

MOST_ABANDONED = 10_000


@dataclass(frozen=True)
class FederatedPlan:
    """A federated training in SI. The server's slots draw ``loaded_w`` each beside the CPUs of their hosts, and are at
    work for ``round_ns`` and ``update_ns`` an update after each of ``rounds`` rounds."""

    name: str
    pool: str
    slots: int
    loaded_w: float
    cpu_load: float
    submit_ns: int
    rounds: int
    round_ns: int
    update_ns: int
    fleet: Fleet
    aggregation: Aggregation
    stream: Stream


class Federated:
    """One federated training under way."""

    def __init__(self, env: Clock, cluster: Cluster, plan: FederatedPlan, recorder: Recorder) -> None:
        self._env = env
        self._cluster = cluster
        self._plan = plan
        self._recorder = recorder
        self._rng = plan.stream()
        self._course: Course = plan.aggregation.begun(plan.fleet, self._rng)
        self._round: Round | None = None
        self._counts = Counts()
        self._joules: dict[tuple[str, str], float] = {}
        self._round_ns: list[int] = []
        self._done = self._abandoned = self._in_a_row = self._interruptions = 0
        self._ended_ns: int | None = None
        self.process = env.process(self._run())

    def record(self) -> FederatedRecord:
        """What is known of it now. Books what a round that is not over has drawn, so this comes last, and once."""
        self._break_off()
        return FederatedRecord(
            workload=self._plan.name,
            submitted_ns=self._plan.submit_ns,
            ended_ns=self._ended_ns if self._ended_ns is not None else self._env.now_ns,
            completed=self._ended_ns is not None,
            rounds=self._plan.rounds,
            done=self._done,
            abandoned=self._abandoned,
            interruptions=self._interruptions,
            samples=self._counts.counted * self._plan.fleet.samples,
            counts=self._counts,
            round_ns=tuple(self._round_ns),
            joules=dict(self._joules),
        )

    def _run(self) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        yield self._env.wait(plan.submit_ns)
        while self._done < plan.rounds:
            gang = self._cluster.request(plan.name, plan.pool, plan.slots)
            try:
                yield gang.ready
                yield from self._serve(gang)
            except simpy.Interrupt:  # a node is lost
                self._interruptions += 1
                self._break_off()
                self._course = plan.aggregation.begun(plan.fleet, self._rng)
            finally:
                self._cluster.withdraw(gang)
        self._ended_ns = self._env.now_ns

    def _serve(self, gang: Gang) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        gang.set("loaded", plan.loaded_w, 0.0)
        while True:
            self._round = self._next()
            yield self._env.wait(max(0, self._round.end_ns - self._env.now_ns))
            over = self._round
            self._book(over.end_ns)
            if over.counts:
                gang.set("active", plan.loaded_w, plan.cpu_load)
                yield self._env.wait(plan.round_ns + plan.update_ns * over.updates)
                gang.set("loaded", plan.loaded_w, 0.0)
                self._in_a_row = 0
                self._done += 1
                if self._done == plan.rounds:
                    return
            else:
                self._give_up_if_hopeless()
            yield self._env.wait(plan.aggregation.waits_ns)

    def _next(self) -> Round:
        try:
            return self._course.next(self._env.now_ns)
        except NoUpdateError:
            raise RunError(
                f"'{self._plan.name}' had no update of {MOST_IN_VAIN:,} clients in a row: too few are back by the "
                "deadline; give it a longer one, or a lower 'drop_out'"
            ) from None

    def _book(self, until_ns: int) -> None:
        """Books what the round has drawn by ``until_ns``, and that it is over."""
        over, self._round = self._round, None
        assert over is not None
        since_ns = over.start_ns
        passed = over.until(until_ns)
        self._counts += passed.counts
        if until_ns == over.end_ns and over.counts:
            self._round_ns.append(until_ns - since_ns)
        else:
            self._abandoned += 1
        seconds = (until_ns - since_ns) * SECONDS_PER_NS
        draws = []
        for kind, by_source in zip(self._plan.fleet.classes, passed.joules.tolist(), strict=True):
            for source, by_use in zip(SOURCES, by_source, strict=True):
                for use, joules in zip(USES, by_use, strict=True):
                    if joules and seconds:
                        draws.append(Draw(kind.name, source, self._plan.name, use, joules / seconds, 0))
                        self._joules[source, use] = self._joules.get((source, use), 0.0) + joules
        self._recorder.record(self._plan.pool, draws, since_ns, until_ns)

    def _break_off(self) -> None:
        """Books a round that has begun and will not be ended."""
        if self._round is not None and self._env.now_ns > self._round.start_ns:
            self._book(min(self._env.now_ns, self._round.end_ns))
        self._round = None

    def _give_up_if_hopeless(self) -> None:
        self._in_a_row += 1
        if self._in_a_row > MOST_ABANDONED:
            raise RunError(
                f"'{self._plan.name}' abandoned {MOST_ABANDONED:,} rounds in a row: too few clients are back by the "
                "deadline; give it a longer one, more clients or a lower 'least'"
            )
