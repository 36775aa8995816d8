"""A training job on a gang of GPUs: set-up, work in stretches between checkpoints, and what failures cost it.

Progress is counted in nanoseconds of productive work by the whole gang. What was done since the last checkpoint is lost
with a node (or with a kill), and the energy it took stays booked to the job: lost work is paid for. A job without a
``recovery`` gives its GPUs back then and asks for others; one with it keeps those that are well (``engine.recovery``).

A schedule says when the job may work (``workload.schedule``). It starts no earlier, and pauses, until waiting longer
would miss its deadline; from then on it works through. What it cannot foresee (failures, a queue for its GPUs, power
caps) may still make it late. Under a power cap it works at a lower rate, changed at the very instant. A limit of power
may have it stand still with its GPUs loaded, or take them from it: it then waits for others.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import simpy

from sim.engine.clock import Clock
from sim.engine.draws import ShareState
from sim.engine.gang import Fault, Gang, Lender, NodeLost
from sim.engine.leave import Leave
from sim.engine.pace import FULL_RATE, Pace
from sim.engine.progress import Checkpoints, Doing, Saved, Spending
from sim.engine.recovery import Recovery
from sim.engine.training_plan import TrainingPlan
from sim.errors import RunError
from sim.units import HOUR_NS
from sim.workload.records import JobRecord, JobStatus, ReliabilityRecord
from sim.workload.schedule import expected_ns


@dataclass(frozen=True)
class Killed:
    """The reason of an interrupt: the job's time limit is up."""


@dataclass(frozen=True)
class Shed:
    """The reason of an interrupt: its gang has been taken from it."""


@dataclass(frozen=True)
class Recapped:
    """The reason of an interrupt of a job at work: it may draw more or less from now on, or is to stand still or go."""


MOST_FAILURES = 10_000


class TrainingJob:
    """One job, and how far it has come."""

    def __init__(self, env: Clock, cluster: Lender, plan: TrainingPlan, spending: Spending | None = None) -> None:
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
        self._spending = spending if spending is not None else Spending(env)
        self._checkpoint = Checkpoints(self._spending)
        self._recovery = Recovery(env, plan.recovery) if plan.recovery is not None else None
        self._interruptions = 0
        self._interruptions_at_checkpoint = 0
        self._checkpoints = 0
        self._told = False  # of a new cap, in this instant
        self._paused = False
        self._goes_on: simpy.Event | None = None  # while it stands still
        self._still_since_ns = self._paused_ns = 0
        self._leaving = False  # saves its state, or is about to, to give its gang back
        self._sheds = 0
        self._writes = False
        self._goal_ns = 0  # of unsaved work, where the present stretch ends
        self._pace = Pace(plan.active_w, plan.loaded_w, plan.waiting_w, plan.under_cap)
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
    def full_w(self) -> float:
        """Power of one GPU at work, W, without any cap."""
        return self._plan.active_w

    @property
    def cpu_load(self) -> float:
        """Load of the CPUs that are its while it works."""
        return self._plan.cpu_load

    @property
    def at_work(self) -> bool:
        """Whether it works now, at whatever rate."""
        return self._working_since_ns is not None and not (self._paused or self._leaving)

    @property
    def would_work(self) -> bool:
        """Whether it works, or would if it did not have to stand still."""
        return self._working_since_ns is not None or self._goes_on is not None

    @property
    def writes(self) -> bool:
        """Whether it writes a checkpoint, and works again in a moment."""
        return self._writes

    @property
    def leaving(self) -> bool:
        """Whether it saves its state to give its gang back."""
        return self._leaving

    @property
    def save_ns(self) -> int:
        """How long it takes until its state is safe; 0 where it keeps none."""
        return self._plan.save_ns

    @property
    def kept_rate(self) -> float:
        """What caps leave of its rate of work, 0..1."""
        return self._pace.rate / FULL_RATE

    @property
    def cappable(self) -> bool:
        """Whether a cap changes what it draws."""
        return self._pace.cappable

    def active_w_without(self, source: str) -> float:
        """Power of one GPU at work, W, if ``source`` did not cap it."""
        return self._pace.without(source)

    def active_w_under(self, source: str, cap_w: float) -> float:
        """The same if ``source`` capped it at ``cap_w``: its gaps may leave it below that."""
        return self._pace.capped_by(source, cap_w)

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
            lost_ns=self._checkpoint.lost_ns,
            held_ns=self._held_ns + self._holding_ns(),
            interruptions=self._interruptions,
            checkpoints=self._checkpoints,
            slowed_ns=self._pace.slowed_ns,
            straddling_ns=self._pace.straddling_ns,
            paused_ns=self._paused_ns + (self._env.now_ns - self._still_since_ns if self._goes_on is not None else 0),
            sheds=self._sheds,
            cap_changes=self._pace.changes,
            worked_ns=tuple(self._pace.worked_ns.items()),
            schedule=self._leave.record(completed_ns),
            reliability=self._reliability(),
        )

    def _reliability(self) -> ReliabilityRecord | None:
        if self._recovery is None:
            return None
        activities, every_ns = self._checkpoint.activities(), self._plan.checkpoint_every_ns
        return self._recovery.record(activities, every_ns, self._pace.straggling_ns)

    def cap(self, source: str, cap_w: float | None) -> None:
        """Caps the job: from now on ``source`` allows each GPU no more than ``cap_w``; None lifts it.

        The lowest cap of all sources counts.
        """
        self._book()
        if self._pace.cap(source, cap_w):
            self._change_pace()

    def pause(self) -> None:
        """It stands still, its state loaded, from now on; or as soon as it has set up, or written a checkpoint."""
        self._book()
        self._paused = True
        self._change_pace()

    def resume(self) -> None:
        """It goes on."""
        self._paused = False
        self._stir()

    def leave(self) -> None:
        """It saves its state and gives its gang back, to wait for another. Only where it would work."""
        self._book()
        self._leaving = True
        self._stir()

    def shed(self) -> int:
        """Its gang is taken from it now: it goes back to its last checkpoint and waits for another.

        Returns the ns of its work that are lost.
        """
        before_ns = self._checkpoint.lost_ns
        self._take_away(Shed())
        self._sheds += 1
        return self._checkpoint.lost_ns - before_ns

    def kill(self) -> int:
        """The same for good."""
        before_ns = self._checkpoint.lost_ns
        self._take_away(Killed())
        return self._checkpoint.lost_ns - before_ns

    def _take_away(self, cause: Shed | Killed) -> None:
        assert self._gang is not None, "it holds nothing"
        self._lose_unsaved(self._recovery.sound_until_ns if self._recovery is not None else self._env.now_ns)
        self._gang.kept = False
        self._give_back()
        self.process.interrupt(cause)

    def _change_pace(self) -> None:
        gang = self._gang
        if gang is None or self._working_since_ns is None:
            return
        if gang.lacks > 0 and gang.hears is None:  # it dies, and hears of that in this instant
            return
        self._draw(gang)  # now, for whoever looks at what is drawn before the job itself is told
        if not self._told:
            self._told = True
            self.process.interrupt(Recapped())

    def _stir(self) -> None:
        """It is told that it need not stand still."""
        if self._goes_on is None:
            self._change_pace()
        elif not self._goes_on.triggered:
            self._goes_on.succeed()

    def _draw(self, gang: Gang) -> None:
        if self.at_work:
            self._turn_to(gang, "work", "active", self._pace.active_w, self._plan.cpu_load)
        else:
            self._turn_to(gang, "waiting", "loaded", self._plan.loaded_w)

    def _run(self) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        yield self._env.wait(plan.submit_ns)
        while self._status == "unfinished":
            try:
                yield from self._leave.wait_to_start(self._needs_ns(), plan.setup_ns)
                expected_ns = plan.setup_ns + self._needs_ns()
                gang = self._gang = self._cluster.request(plan.name, plan.pool, plan.gpus, expected_ns)
                gang.on_hosts = plan.on_hosts
                yield gang.ready
                if (yield from self._attempt(gang)):
                    self._status = "completed"
            except simpy.Interrupt as interrupt:
                self._lose_unsaved(self._env.now_ns)
                self._leave.abandon()
                if isinstance(interrupt.cause, NodeLost):
                    self._interruptions += 1
                    if self._recovery is not None:
                        self._recovery.interruptions["node"] += 1
                    if plan.on_failure == "abort":
                        self._status = "killed"
                elif not isinstance(interrupt.cause, Shed):
                    self._status = "killed"
            finally:
                self._give_back()
            self._give_up_if_hopeless()
        self._ended_ns = self._env.now_ns
        self._spending.end()
        if self._recovery is not None:
            self._recovery.over = True

    def _give_back(self) -> None:
        """Holds nothing from now on."""
        gang = self._gang
        self._held_ns += self._holding_ns()
        self._gang = None
        self._leaving = self._writes = False
        self._settle(gang)
        self._spending.turn_to("waiting")
        if gang is not None:
            self._cluster.withdraw(gang)

    def _attempt(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        """Works on one gang: True when all is done, False when the gang is given back for a pause."""
        plan, leave = self._plan, self._leave
        self._pace.link_to(plan.straddling if gang.straddles else 1.0)
        setup_ns = 0 if plan.is_set_up and self._started_ns is None else plan.setup_ns
        if self._started_ns is None:
            self._started_ns = self._env.now_ns
            if plan.time_limit_ns is not None:
                self._env.process(self._kill_at_limit(plan.time_limit_ns))
            if self._recovery is not None and self._recovery.plan.stop_every_ns is not None:
                self._env.process(self._recovery.stop_by_plan())
            self._spending.begin()
        self._turn_to(gang, "waiting", "loaded", plan.loaded_w)
        if self._recovery is None:
            yield from leave.restart(setup_ns)
            return (yield from self._work_through(gang))
        gang.hears = self._hear
        self._recovery.watch(self.process)
        try:
            return (yield from self._through_faults(gang, self._recovery))
        finally:
            gang.hears = None
            self._recovery.watch(None)

    def _work_through(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        plan, leave = self._plan, self._leave
        while True:
            left = plan.work_ns - self._saved_ns
            stretch = min(left, plan.checkpoint_every_ns) if plan.checkpoint_every_ns is not None else left
            self._goal_ns = stretch
            while not (yield from self._work(gang)):
                if self._leaving:
                    yield from self._save_and_go(gang)
                    return False
                self._turn_to(gang, "waiting", "loaded", plan.loaded_w)
                if leave.gives_back:
                    yield from leave.save()
                    self._save(0)
                    leave.pause()
                    return False
                leave.pause()
                yield from leave.wait_to_start(self._needs_ns(), 0)
                leave.resume()
            if stretch == left:
                return True
            self._writes = True
            self._turn_to(gang, "checkpoint", "loaded", plan.loaded_w)
            yield self._env.wait(plan.checkpoint_ns)
            self._writes = False
            self._save(plan.checkpoint_behind_ns)
            self._checkpoints += 1
            self._interruptions_at_checkpoint = self._interruptions

    def _save_and_go(self, gang: Gang) -> Generator[simpy.Event, object, None]:
        self._turn_to(gang, "checkpoint", "loaded", self._plan.loaded_w)
        yield self._env.wait(self.save_ns)
        self._save(0)
        self._checkpoints += 1
        self._sheds += 1
        gang.kept = False

    def _through_faults(self, gang: Gang, recovery: Recovery) -> Generator[simpy.Event, object, bool]:
        """Works on one gang whatever happens to it, after its first set-up."""
        set_up = False
        while True:
            try:
                if not set_up:
                    yield from self._leave.restart(self._plan.setup_ns)
                if recovery.stops:
                    yield from self._recover(gang, recovery)
                return (yield from self._work_through(gang))
            except simpy.Interrupt as interrupt:
                self._book()
                self._working_since_ns = None
                self._told = self._writes = False
                if isinstance(interrupt.cause, Recapped):
                    continue
                set_up = True
                recovery.heard()
                self._leave.abandon()
                self._interruptions = recovery.interruptions.total()
                aborts = self._plan.on_failure == "abort" and not recovery.orderly
                if aborts or not isinstance(interrupt.cause, Fault):
                    raise
                self._give_up_if_hopeless()

    def _recover(self, gang: Gang, recovery: Recovery) -> Generator[simpy.Event, object, None]:
        """Notices, saves where that can still be done, replaces what is broken, loads, and goes on."""
        plan, times = self._plan, recovery.plan
        if not recovery.orderly:
            recovery.restored(self._lose_unsaved(recovery.sound_until_ns).taken_ns)
            self._turn_to(gang, "detection", "waiting", plan.waiting_w)
            yield self._env.wait(recovery.unnoticed_ns)
        elif self._unsaved_ns:
            self._turn_to(gang, "checkpoint", "loaded", plan.loaded_w)
            yield self._env.wait(plan.checkpoint_ns + plan.checkpoint_behind_ns)
            self._save(0)
            self._checkpoints += 1
        recovery.take_out(gang)
        self._pace.slow_to(recovery.slowest)
        if recovery.service_ns:
            self._turn_to(gang, "stop", "idle", plan.idle_w)
            yield self._env.wait(recovery.service_ns)
            recovery.serviced()
        self._turn_to(gang, "restart", "idle", plan.idle_w)
        replace_ns = yield from gang.refill()
        self._pace.link_to(plan.straddling if gang.straddles else 1.0)
        yield self._env.wait(replace_ns + times.schedule_ns)
        self._turn_to(gang, "restart", "loaded", plan.loaded_w)
        yield self._env.wait(times.load_ns)
        recovery.recovered()

    def _hear(self, fault: Fault) -> None:
        assert self._recovery is not None
        self._book()
        self._recovery.hear(fault)
        if self._pace.slow_to(self._recovery.slowest):
            self._change_pace()

    def _turn_to(self, gang: Gang, doing: Doing, state: ShareState, gpu_w: float, cpu_load: float = 0.0) -> None:
        """Something else begins, at another power: what was drawn until now was drawn for what is over."""
        self._settle(gang)
        self._spending.turn_to(doing)
        gang.set(state, gpu_w, cpu_load)

    def _settle(self, gang: Gang | None) -> None:
        if self._recovery is not None and gang is not None:
            gang.settle()

    def _work(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        """Works until the present stretch is done (True) or the job should pause, or go (False)."""
        while self._unsaved_ns < self._goal_ns:
            if self._leaving:
                return False
            if self._paused:
                yield from self._stand_still(gang)
                continue
            pause_ns = self._leave.until_pause(self._needs_ns())
            if pause_ns == 0:
                return False
            stretch_ns = self._pace.takes_ns(self._goal_ns - self._unsaved_ns)
            self._working_since_ns = self._env.now_ns
            self._draw(gang)
            try:
                yield self._env.wait(stretch_ns if pause_ns is None else min(stretch_ns, pause_ns))
            except simpy.Interrupt as interrupt:
                if not isinstance(interrupt.cause, Recapped):
                    raise
                self._told = False
            self._book()
            self._working_since_ns = None
        return True

    def _stand_still(self, gang: Gang) -> Generator[simpy.Event, object, None]:
        self._turn_to(gang, "waiting", "loaded", self._plan.loaded_w)
        self._still_since_ns, self._goes_on = self._env.now_ns, self._env.event()
        try:
            yield self._goes_on
        finally:
            self._goes_on = None
            self._paused_ns += self._env.now_ns - self._still_since_ns

    def _book(self) -> None:
        """Counts what was done since it was last counted, at the rate of that time."""
        since_ns, now_ns = self._working_since_ns, self._env.now_ns
        if since_ns is None or since_ns == now_ns:
            return
        self._unsaved_ns += self._pace.done_ns(now_ns - since_ns, self._goal_ns - self._unsaved_ns)
        self._leave.worked(since_ns, now_ns)
        self._working_since_ns = now_ns

    def _needs_ns(self) -> int:
        """How long the job still needs at work and for checkpoints, if nothing happens to it."""
        plan, left_ns = self._plan, self._plan.work_ns - self._saved_ns
        held_ns = expected_ns(left_ns, 0, plan.checkpoint_every_ns, plan.checkpoint_ns)
        return held_ns - left_ns + self._pace.takes_ns(left_ns - self._unsaved_ns)

    def _save(self, behind_ns: int) -> None:
        """A checkpoint of all that is done, safe ``behind_ns`` from now."""
        self._settle(self._gang)
        self._saved_ns += self._unsaved_ns
        self._unsaved_ns = 0
        now_ns = self._env.now_ns
        keep_ns = self._recovery.plan.longest_ns if self._recovery is not None else 0
        self._checkpoint.take(now_ns, self._saved_ns, durable_ns=now_ns + behind_ns, keep_ns=keep_ns)

    def _lose_unsaved(self, sound_until_ns: int) -> Saved:
        """Goes back to the last checkpoint that is safe and was taken by ``sound_until_ns``."""
        self._book()
        self._settle(self._gang)
        done_ns = self._saved_ns + self._unsaved_ns
        last = self._checkpoint.go_back(self._env.now_ns, done_ns, sound_until_ns=sound_until_ns)
        self._saved_ns, self._unsaved_ns = last.done_ns, 0
        self._working_since_ns = None
        self._told = False
        return last

    def _holding_ns(self) -> int:
        """How long the present gang has been held, booting included."""
        gang = self._gang
        return self._env.now_ns - gang.placed_ns if gang is not None and gang.placed_ns is not None else 0

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
