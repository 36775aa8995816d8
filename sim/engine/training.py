"""A training job on a gang of GPUs: set-up, work in stretches between checkpoints, and what failures cost it.

Progress is counted in nanoseconds of productive work by the whole gang. What was done since the last checkpoint is lost
with a node (or with a kill), and the energy it took stays booked to the job: lost work is paid for.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Literal

import simpy

from sim.engine.clock import Clock
from sim.engine.cluster import Cluster, Gang, NodeLost
from sim.errors import RunError
from sim.units import HOUR_NS
from sim.workload.records import JobRecord, JobStatus


@dataclass(frozen=True)
class TrainingPlan:
    """A job in SI. ``work_ns`` is the productive time its whole gang needs; W are of one GPU."""

    name: str
    pool: str
    gpus: int
    work_ns: int
    submit_ns: int
    setup_ns: int
    checkpoint_every_ns: int | None
    checkpoint_ns: int
    time_limit_ns: int | None
    on_failure: Literal["restart", "abort"]
    active_w: float
    loaded_w: float
    cpu_load: float


@dataclass(frozen=True)
class Killed:
    """Why a job is interrupted: its time limit is up."""


MOST_FAILURES = 10_000


class TrainingJob:
    """One job and how far it has come."""

    def __init__(self, env: Clock, cluster: Cluster, plan: TrainingPlan) -> None:
        self._env = env
        self._cluster = cluster
        self._plan = plan
        self._status: JobStatus = "unfinished"
        self._started_ns: int | None = None
        self._ended_ns: int | None = None
        self._held_ns = 0
        self._gang: Gang | None = None
        self._saved_ns = 0  # safe in a checkpoint
        self._unsaved_ns = 0  # done since
        self._working_since_ns: int | None = None
        self._lost_ns = 0
        self._interruptions = 0
        self._interruptions_at_checkpoint = 0
        self._checkpoints = 0
        self.process = env.process(self._run())

    def record(self) -> JobRecord:
        """What is known now; a job still at work keeps what it has done so far."""
        now = self._env.now_ns
        working = now - self._working_since_ns if self._working_since_ns is not None else 0
        return JobRecord(
            workload=self._plan.name,
            status=self._status,
            gpus=self._plan.gpus,
            submitted_ns=self._plan.submit_ns,
            started_ns=self._started_ns,
            ended_ns=self._ended_ns if self._ended_ns is not None else now,
            work_ns=self._plan.work_ns,
            done_ns=self._saved_ns + self._unsaved_ns + working,
            lost_ns=self._lost_ns,
            held_ns=self._held_ns + self._holding_ns(),
            interruptions=self._interruptions,
            checkpoints=self._checkpoints,
        )

    def _run(self) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        yield self._env.wait(plan.submit_ns)
        while self._status == "unfinished":
            gang = self._gang = self._cluster.request(plan.name, plan.pool, plan.gpus)
            try:
                yield gang.ready
                yield from self._attempt(gang)
                self._status = "completed"
            except simpy.Interrupt as interrupt:
                self._lose_unsaved()
                if isinstance(interrupt.cause, NodeLost):
                    self._interruptions += 1
                    if plan.on_failure == "abort":
                        self._status = "killed"
                else:
                    self._status = "killed"
            finally:
                self._held_ns += self._holding_ns()
                self._gang = None
                self._cluster.withdraw(gang)
            self._give_up_if_hopeless()
        self._ended_ns = self._env.now_ns

    def _attempt(self, gang: Gang) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        if self._started_ns is None:
            self._started_ns = self._env.now_ns
            if plan.time_limit_ns is not None:
                self._env.process(self._kill_at_limit(plan.time_limit_ns))
        gang.set("loaded", plan.loaded_w, 0.0)
        if plan.setup_ns:
            yield self._env.wait(plan.setup_ns)
        while True:
            gang.set("active", plan.active_w, plan.cpu_load)
            left = plan.work_ns - self._saved_ns
            stretch = min(left, plan.checkpoint_every_ns) if plan.checkpoint_every_ns is not None else left
            self._working_since_ns = self._env.now_ns
            yield self._env.wait(stretch)
            self._unsaved_ns += stretch
            self._working_since_ns = None
            if stretch == left:
                return
            gang.set("loaded", plan.loaded_w, 0.0)
            yield self._env.wait(plan.checkpoint_ns)
            self._saved_ns += self._unsaved_ns
            self._unsaved_ns = 0
            self._checkpoints += 1
            self._interruptions_at_checkpoint = self._interruptions

    def _lose_unsaved(self) -> None:
        working = self._env.now_ns - self._working_since_ns if self._working_since_ns is not None else 0
        self._lost_ns += self._unsaved_ns + working
        self._unsaved_ns = 0
        self._working_since_ns = None

    def _holding_ns(self) -> int:
        """How long the present gang has been held, booting included."""
        placed_ns = self._gang.placed_ns if self._gang is not None else None
        return self._env.now_ns - placed_ns if placed_ns is not None else 0

    def _give_up_if_hopeless(self) -> None:
        if self._interruptions - self._interruptions_at_checkpoint > MOST_FAILURES and self._status == "unfinished":
            hours = self._plan.work_ns / HOUR_NS
            raise RunError(
                f"'{self._plan.name}' failed {MOST_FAILURES:,} times in a row without saving any work: {hours:,.4g} h "
                "do not fit between failures; give it a checkpoint, or the scenario a duration"
            )

    def _kill_at_limit(self, limit_ns: int) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(limit_ns)
        yield self._env.wait(0)  # behind everything else of this instant: work that is done in time is done
        if self.process.is_alive:
            self.process.interrupt(Killed())
