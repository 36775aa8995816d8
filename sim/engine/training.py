"""A training job on a gang of GPUs: set-up, work in stretches between checkpoints, and what failures cost it.

Progress is counted in nanoseconds of productive work by the whole gang. What was done since the last checkpoint is lost
with a node (or with a kill), and the energy it took stays booked to the job: lost work is paid for.

A schedule says when the job may work (``workload.schedule``). It starts no earlier, and pauses, until waiting longer
would miss its deadline; from then on it works through. What it cannot foresee (failures, a queue for its GPUs, power
caps) may still make it late. Under a power cap it works at a lower rate, changed at the very instant.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Literal

import simpy

from sim.engine.clock import Clock
from sim.engine.cluster import Gang, Lender, NodeLost
from sim.engine.leave import Leave
from sim.errors import RunError
from sim.units import HOUR_NS
from sim.workload.records import JobRecord, JobStatus
from sim.workload.schedule import Schedule, expected_ns


@dataclass(frozen=True)
class TrainingPlan:
    """A job in SI. ``work_ns`` is the productive time its whole gang needs; W are of one GPU.

    ``under_cap`` gives the rate of work (0..1) and the W at work under a cap of so many W; None where caps are not
    allowed to touch it. ``is_set_up``: the first gang it gets is one on which it has nothing to set up.
    """

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
    schedule: Schedule | None = None
    under_cap: Callable[[float], tuple[float, float]] | None = None
    is_set_up: bool = False


@dataclass(frozen=True)
class Killed:
    """The reason of an interrupt: the job's time limit is up."""


@dataclass(frozen=True)
class Recapped:
    """The reason of an interrupt of a job at work: it may draw more or less from now on."""


MOST_FAILURES = 10_000
FULL_RATE = 1 << 60
"""Rates are counted in integers, so that progress under any changes of rate adds up."""


class TrainingJob:
    """One job, and how far it has come."""

    def __init__(self, env: Clock, cluster: Lender, plan: TrainingPlan) -> None:
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
        self._told = False  # of a new cap, in this instant
        self._goal_ns = 0  # of unsaved work, where the present stretch ends
        self._caps_w: dict[str, float] = {}
        self._rate = FULL_RATE
        self._active_w = plan.active_w
        self._slowed_ns = 0
        self._cap_changes = 0
        self._worked_ns: dict[float | None, int] = {}  # by the cap in W
        whole_ns = expected_ns(plan.work_ns, plan.setup_ns, plan.checkpoint_every_ns, plan.checkpoint_ns)
        self._leave = Leave(env, plan.schedule, plan.submit_ns, whole_ns)
        self.process = env.process(self._run())

    @property
    def name(self) -> str:
        """Name of the workload."""
        return self._plan.name

    @property
    def pool(self) -> str:
        """Pool in which its gang is."""
        return self._plan.pool

    @property
    def loaded_w(self) -> float:
        """Power of one GPU, W, held and not at work."""
        return self._plan.loaded_w

    @property
    def cappable(self) -> bool:
        """Whether a cap changes what it draws."""
        return self._plan.under_cap is not None

    def active_w_without(self, source: str) -> float:
        """Power of one GPU at work, W, if ``source`` did not cap it."""
        caps_w = self._others_w(source)
        return self._under(min(caps_w))[1] if caps_w else self._plan.active_w

    def active_w_under(self, source: str, cap_w: float) -> float:
        """The same if ``source`` capped it at ``cap_w``: its gaps may leave it below that."""
        return self._under(min([cap_w, *self._others_w(source)]))[1]

    def _others_w(self, source: str) -> list[float]:
        return [cap_w for name, cap_w in self._caps_w.items() if name != source]

    def record(self) -> JobRecord:
        """What is known of the job now; one still at work keeps what it has done so far."""
        self._book()
        completed_ns = self._ended_ns if self._status == "completed" else None
        return JobRecord(
            workload=self._plan.name,
            status=self._status,
            gpus=self._plan.gpus,
            submitted_ns=self._plan.submit_ns,
            started_ns=self._started_ns,
            ended_ns=self._ended_ns if self._ended_ns is not None else self._env.now_ns,
            work_ns=self._plan.work_ns,
            done_ns=self._saved_ns + self._unsaved_ns,
            lost_ns=self._lost_ns,
            held_ns=self._held_ns + self._holding_ns(),
            interruptions=self._interruptions,
            checkpoints=self._checkpoints,
            slowed_ns=self._slowed_ns,
            cap_changes=self._cap_changes,
            worked_ns=tuple(self._worked_ns.items()),
            schedule=self._leave.record(completed_ns),
        )

    def cap(self, source: str, cap_w: float | None) -> None:
        """Caps the job: from now on ``source`` allows each GPU no more than ``cap_w``; None lifts it.

        The lowest cap of all sources counts.
        """
        self._book()
        if cap_w is None:
            self._caps_w.pop(source, None)
        else:
            self._caps_w[source] = cap_w
        rate, active_w = self._under(min(self._caps_w.values())) if self._caps_w else (1.0, self._plan.active_w)
        if (round(rate * FULL_RATE), active_w) == (self._rate, self._active_w):
            return
        self._rate, self._active_w = round(rate * FULL_RATE), active_w
        self._cap_changes += 1
        if self._working_since_ns is not None and not self._told:
            self._told = True
            self.process.interrupt(Recapped())

    def _under(self, cap_w: float) -> tuple[float, float]:
        under_cap = self._plan.under_cap
        assert under_cap is not None, f"'{self._plan.name}' takes no caps"
        return under_cap(cap_w) if cap_w > self._plan.loaded_w else (0.0, self._plan.loaded_w)

    def _run(self) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        yield self._env.wait(plan.submit_ns)
        while self._status == "unfinished":
            gang: Gang | None = None
            try:
                yield from self._leave.wait_to_start(self._needs_ns(), plan.setup_ns)
                expected_ns = plan.setup_ns + self._needs_ns()
                gang = self._gang = self._cluster.request(plan.name, plan.pool, plan.gpus, expected_ns)
                yield gang.ready
                if (yield from self._attempt(gang)):
                    self._status = "completed"
            except simpy.Interrupt as interrupt:
                self._lose_unsaved()
                self._leave.abandon()
                if isinstance(interrupt.cause, NodeLost):
                    self._interruptions += 1
                    if plan.on_failure == "abort":
                        self._status = "killed"
                else:
                    self._status = "killed"
            finally:
                self._held_ns += self._holding_ns()
                self._gang = None
                if gang is not None:
                    self._cluster.withdraw(gang)
            self._give_up_if_hopeless()
        self._ended_ns = self._env.now_ns

    def _attempt(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        """Works on one gang: True when all is done, False when the gang is given back for a pause."""
        plan, leave = self._plan, self._leave
        setup_ns = 0 if plan.is_set_up and self._started_ns is None else plan.setup_ns
        if self._started_ns is None:
            self._started_ns = self._env.now_ns
            if plan.time_limit_ns is not None:
                self._env.process(self._kill_at_limit(plan.time_limit_ns))
        gang.set("loaded", plan.loaded_w, 0.0)
        yield from leave.restart(setup_ns)
        while True:
            left = plan.work_ns - self._saved_ns
            stretch = min(left, plan.checkpoint_every_ns) if plan.checkpoint_every_ns is not None else left
            self._goal_ns = stretch
            while not (yield from self._work(gang)):
                gang.set("loaded", plan.loaded_w, 0.0)
                if leave.gives_back:
                    yield from leave.save()
                    self._save()
                    leave.pause()
                    return False
                leave.pause()
                yield from leave.wait_to_start(self._needs_ns(), 0)
                leave.resume()
            if stretch == left:
                return True
            gang.set("loaded", plan.loaded_w, 0.0)
            yield self._env.wait(plan.checkpoint_ns)
            self._save()
            self._checkpoints += 1
            self._interruptions_at_checkpoint = self._interruptions

    def _work(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        """Works until the present stretch is done (True) or the job should pause (False)."""
        while self._unsaved_ns < self._goal_ns:
            pause_ns = self._leave.until_pause(self._needs_ns())
            if pause_ns == 0:
                return False
            gang.set("active", self._active_w, self._plan.cpu_load)
            stretch_ns = self._at_rate(self._goal_ns - self._unsaved_ns)
            self._working_since_ns = self._env.now_ns
            try:
                yield self._env.wait(stretch_ns if pause_ns is None else min(stretch_ns, pause_ns))
            except simpy.Interrupt as interrupt:
                if not isinstance(interrupt.cause, Recapped):
                    raise
                self._told = False
            self._book()
            self._working_since_ns = None
        return True

    def _book(self) -> None:
        """Counts what was done since it was last counted, at the rate of that time."""
        since_ns, now_ns = self._working_since_ns, self._env.now_ns
        if since_ns is None or since_ns == now_ns:
            return
        elapsed_ns = now_ns - since_ns
        done_ns = min((elapsed_ns * self._rate) // FULL_RATE, self._goal_ns - self._unsaved_ns)
        self._unsaved_ns += done_ns
        self._slowed_ns += elapsed_ns - done_ns
        cap_w = min(self._caps_w.values()) if self._caps_w else None
        self._worked_ns[cap_w] = self._worked_ns.get(cap_w, 0) + elapsed_ns
        self._leave.worked(since_ns, now_ns)
        self._working_since_ns = now_ns

    def _at_rate(self, work_ns: int) -> int:
        """How long ``work_ns`` takes at the present rate; all but for ever where there is none."""
        return -(-work_ns * FULL_RATE // max(1, self._rate))

    def _needs_ns(self) -> int:
        """How long the job still needs at work and for checkpoints, if nothing happens to it."""
        plan = self._plan
        left_ns = plan.work_ns - self._saved_ns - self._unsaved_ns
        held_ns = expected_ns(plan.work_ns - self._saved_ns, 0, plan.checkpoint_every_ns, plan.checkpoint_ns)
        return held_ns - (plan.work_ns - self._saved_ns) + self._at_rate(left_ns)

    def _save(self) -> None:
        self._saved_ns += self._unsaved_ns
        self._unsaved_ns = 0

    def _lose_unsaved(self) -> None:
        self._book()
        self._lost_ns += self._unsaved_ns
        self._unsaved_ns = 0
        self._working_since_ns = None
        self._told = False

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
