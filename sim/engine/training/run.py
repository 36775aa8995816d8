"""How a training job runs on a gang: set-up, work in stretches between checkpoints, and what failures cost it.

Progress is counted in nanoseconds of productive work by the whole gang. What was done since the last checkpoint is lost
with a node (or with a kill), and the energy it took stays booked to the job: lost work is paid for. A job without a
``recovery`` gives its GPUs back then and asks for others; one with it keeps those that are well (``recovery``).

A schedule says when the job may work (``workload.schedule``). It starts no earlier, and pauses, until waiting longer
would miss its deadline; from then on it works through. What it cannot foresee (failures, a queue for its GPUs, power
caps) may still make it late.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.gang import Fault, Gang, Lender, NodeLost
from sim.engine.metering.draws import ShareState
from sim.engine.training.leave import Leave
from sim.engine.training.recovery import Recovery
from sim.engine.training.worked import Worked
from sim.errors import RunError
from sim.units import HOUR_NS
from sim.workload.records import JobStatus
from sim.workload.schedule import expected_ns

if TYPE_CHECKING:
    from sim.engine.training.plan import TrainingPlan
    from sim.engine.training.progress import Doing, Saved, Spending


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


class TrainingRun:
    """The process of one job, and what it has come to. Whoever limits its power may set ``paused`` (it stands still)
    and ``leaving`` (it saves its state to give its gang back), and tells it so (``stir``, ``change_pace``).

    ``writes`` while it writes a checkpoint; ``goes_on`` is the event that ends standing still, since
    ``still_since_ns``, None while it does not.
    """

    def __init__(self, env: Clock, cluster: Lender, plan: TrainingPlan, spending: Spending) -> None:
        self.plan = plan
        self.spending = spending
        self.status: JobStatus = "unfinished"
        self.started_ns: int | None = None
        self.ended_ns: int | None = None
        self.held_ns = 0
        self.gang: Gang | None = None
        self.recovery = Recovery(env, plan.recovery) if plan.recovery is not None else None
        self.interruptions = 0
        self.checkpoints = 0
        self.paused = False
        self.leaving = False
        self.writes = False
        self.goes_on: simpy.Event | None = None
        self.still_since_ns = self.paused_ns = 0
        self.sheds = 0
        whole_ns = expected_ns(plan.work_ns, plan.setup_ns, plan.checkpoint_every_ns, plan.checkpoint_ns)
        self.leave = Leave(env, plan.schedule, plan.submit_ns, whole_ns)
        self.worked = Worked(env, plan, self.leave, spending)
        self._env = env
        self._cluster = cluster
        self._told = False  # of a new cap, in this instant
        self._interruptions_at_checkpoint = 0
        self.process = env.process(self._run())

    @property
    def at_work(self) -> bool:
        """Whether it works now, at whatever rate."""
        return self.worked.since_ns is not None and not (self.paused or self.leaving)

    def take_away(self, cause: Shed | Killed) -> int:
        """Its gang is taken from it now: it goes back to its last checkpoint. Returns the ns of its work that are
        lost."""
        assert self.gang is not None, "it holds nothing"
        before_ns = self.worked.checkpoints.lost_ns
        self._lose_unsaved(self.recovery.sound_until_ns if self.recovery is not None else self._env.now_ns)
        self.gang.kept = False
        self._give_back()
        self.process.interrupt(cause)
        return self.worked.checkpoints.lost_ns - before_ns

    def change_pace(self) -> None:
        """What it may draw has changed."""
        gang = self.gang
        if gang is None or self.worked.since_ns is None:
            return
        if gang.lacks > 0 and gang.hears is None:  # it dies, and hears of that in this instant
            return
        self._draw(gang)  # now, for whoever looks at what is drawn before the job itself is told
        if not self._told:
            self._told = True
            self.process.interrupt(Recapped())

    def stir(self) -> None:
        """It is told that it need not stand still."""
        if self.goes_on is None:
            self.change_pace()
        elif not self.goes_on.triggered:
            self.goes_on.succeed()

    def _draw(self, gang: Gang) -> None:
        if self.at_work:
            self._turn_to(gang, "work", "active", self.worked.pace.active_w, self.plan.cpu_load)
        else:
            self._turn_to(gang, "waiting", "loaded", self.plan.loaded_w)

    def _run(self) -> Generator[simpy.Event, object, None]:
        plan = self.plan
        yield self._env.wait(plan.submit_ns)
        while self.status == "unfinished":
            try:
                yield from self.leave.wait_to_start(self.worked.needs_ns, plan.setup_ns)
                takes_ns = plan.setup_ns + self.worked.needs_ns
                gang = self.gang = self._cluster.request(plan.name, plan.pool, plan.gpus, takes_ns)
                gang.on_hosts = plan.on_hosts
                yield gang.ready
                if (yield from self._attempt(gang)):
                    self.status = "completed"
            except simpy.Interrupt as interrupt:
                self._lose_unsaved(self._env.now_ns)
                self.leave.abandon()
                if isinstance(interrupt.cause, NodeLost):
                    self.interruptions += 1
                    if self.recovery is not None:
                        self.recovery.interruptions["node"] += 1
                    if plan.on_failure == "abort":
                        self.status = "killed"
                elif not isinstance(interrupt.cause, Shed):
                    self.status = "killed"
            finally:
                self._give_back()
            self._give_up_if_hopeless()
        self.ended_ns = self._env.now_ns
        self.spending.end()
        if self.recovery is not None:
            self.recovery.over = True

    def _give_back(self) -> None:
        """Holds nothing from now on."""
        gang = self.gang
        self.held_ns += self.holding_ns()
        self.gang = None
        self.leaving = self.writes = False
        self._settle(gang)
        self.spending.turn_to("waiting")
        if gang is not None:
            self._cluster.withdraw(gang)

    def _attempt(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        """Works on one gang: True when all is done, False when the gang is given back for a pause."""
        plan, leave = self.plan, self.leave
        self.worked.pace.link_to(plan.straddling if gang.straddles else 1.0)
        setup_ns = 0 if plan.is_set_up and self.started_ns is None else plan.setup_ns
        if self.started_ns is None:
            self.started_ns = self._env.now_ns
            if plan.time_limit_ns is not None:
                self._env.process(self._kill_at_limit(plan.time_limit_ns))
            if self.recovery is not None and self.recovery.plan.stop_every_ns is not None:
                self._env.process(self.recovery.stop_by_plan())
            self.spending.begin()
        self._turn_to(gang, "waiting", "loaded", plan.loaded_w)
        if self.recovery is None:
            yield from leave.restart(setup_ns)
            return (yield from self._work_through(gang))
        gang.hears = self._hear
        self.recovery.watch(self.process)
        try:
            return (yield from self._through_faults(gang, self.recovery))
        finally:
            gang.hears = None
            self.recovery.watch(None)

    def _work_through(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        plan, leave = self.plan, self.leave
        while True:
            is_last = self.worked.next_stretch()
            while not (yield from self._work(gang)):
                if self.leaving:
                    yield from self._save_and_go(gang)
                    return False
                self._turn_to(gang, "waiting", "loaded", plan.loaded_w)
                if leave.gives_back:
                    yield from leave.save()
                    self._save(0)
                    leave.pause()
                    return False
                leave.pause()
                yield from leave.wait_to_start(self.worked.needs_ns, 0)
                leave.resume()
            if is_last:
                return True
            self.writes = True
            self._turn_to(gang, "checkpoint", "loaded", plan.loaded_w)
            yield self._env.wait(plan.checkpoint_ns)
            self.writes = False
            self._save(plan.checkpoint_behind_ns)
            self.checkpoints += 1
            self._interruptions_at_checkpoint = self.interruptions

    def _save_and_go(self, gang: Gang) -> Generator[simpy.Event, object, None]:
        self._turn_to(gang, "checkpoint", "loaded", self.plan.loaded_w)
        yield self._env.wait(self.plan.save_ns)
        self._save(0)
        self.checkpoints += 1
        self.sheds += 1
        gang.kept = False

    def _through_faults(self, gang: Gang, recovery: Recovery) -> Generator[simpy.Event, object, bool]:
        """Works on one gang whatever happens to it, after its first set-up."""
        set_up = False
        while True:
            try:
                if not set_up:
                    yield from self.leave.restart(self.plan.setup_ns)
                if recovery.stops:
                    yield from self._recover(gang, recovery)
                return (yield from self._work_through(gang))
            except simpy.Interrupt as interrupt:
                self.worked.end()
                self._told = self.writes = False
                if isinstance(interrupt.cause, Recapped):
                    continue
                set_up = True
                recovery.heard()
                self.leave.abandon()
                self.interruptions = recovery.interruptions.total()
                aborts = self.plan.on_failure == "abort" and not recovery.orderly
                if aborts or not isinstance(interrupt.cause, Fault):
                    raise
                self._give_up_if_hopeless()

    def _recover(self, gang: Gang, recovery: Recovery) -> Generator[simpy.Event, object, None]:
        """Notices, saves where that can still be done, replaces what is broken, loads, and goes on."""
        plan, times = self.plan, recovery.plan
        if not recovery.orderly:
            recovery.restored(self._lose_unsaved(recovery.sound_until_ns).taken_ns)
            self._turn_to(gang, "detection", "waiting", plan.waiting_w)
            yield self._env.wait(recovery.unnoticed_ns)
        elif self.worked.unsaved_ns:
            self._turn_to(gang, "checkpoint", "loaded", plan.loaded_w)
            yield self._env.wait(plan.checkpoint_ns + plan.checkpoint_behind_ns)
            self._save(0)
            self.checkpoints += 1
        recovery.take_out(gang)
        self.worked.pace.slow_to(recovery.slowest)
        if recovery.service_ns:
            self._turn_to(gang, "stop", "idle", plan.idle_w)
            yield self._env.wait(recovery.service_ns)
            recovery.serviced()
        self._turn_to(gang, "restart", "idle", plan.idle_w)
        replace_ns = yield from gang.refill()
        self.worked.pace.link_to(plan.straddling if gang.straddles else 1.0)
        yield self._env.wait(replace_ns + times.schedule_ns)
        self._turn_to(gang, "restart", "loaded", plan.loaded_w)
        yield self._env.wait(times.load_ns)
        recovery.recovered()

    def _hear(self, fault: Fault) -> None:
        assert self.recovery is not None
        self.worked.book()
        self.recovery.hear(fault)
        if self.worked.pace.slow_to(self.recovery.slowest):
            self.change_pace()

    def _turn_to(self, gang: Gang, doing: Doing, state: ShareState, gpu_w: float, cpu_load: float = 0.0) -> None:
        """Something else begins, at another power: what was drawn until now was drawn for what is over."""
        self._settle(gang)
        self.spending.turn_to(doing)
        gang.set(state, gpu_w, cpu_load)

    def _settle(self, gang: Gang | None) -> None:
        if self.recovery is not None and gang is not None:
            gang.settle()

    def _work(self, gang: Gang) -> Generator[simpy.Event, object, bool]:
        """Works until the present stretch is done (True) or the job should pause, or go (False)."""
        while not self.worked.stretch_is_over:
            if self.leaving:
                return False
            if self.paused:
                yield from self._stand_still(gang)
                continue
            pause_ns = self.leave.until_pause(self.worked.needs_ns)
            if pause_ns == 0:
                return False
            stretch_ns = self.worked.begin()
            self._draw(gang)
            try:
                yield self._env.wait(stretch_ns if pause_ns is None else min(stretch_ns, pause_ns))
            except simpy.Interrupt as interrupt:
                if not isinstance(interrupt.cause, Recapped):
                    raise
                self._told = False
            self.worked.end()
        return True

    def _stand_still(self, gang: Gang) -> Generator[simpy.Event, object, None]:
        self._turn_to(gang, "waiting", "loaded", self.plan.loaded_w)
        self.still_since_ns, self.goes_on = self._env.now_ns, self._env.event()
        try:
            yield self.goes_on
        finally:
            self.goes_on = None
            self.paused_ns += self._env.now_ns - self.still_since_ns

    def _save(self, behind_ns: int) -> None:
        """A checkpoint of all that is done, safe ``behind_ns`` from now."""
        self._settle(self.gang)
        self.worked.save(behind_ns)

    def _lose_unsaved(self, sound_until_ns: int) -> Saved:
        """Goes back to the last checkpoint that is safe and was taken by ``sound_until_ns``."""
        self.worked.book()
        self._settle(self.gang)
        self._told = False
        return self.worked.go_back(sound_until_ns)

    def holding_ns(self) -> int:
        """How long the present gang has been held, booting included."""
        gang = self.gang
        return self._env.now_ns - gang.placed_ns if gang is not None and gang.placed_ns is not None else 0

    def _give_up_if_hopeless(self) -> None:
        if self.interruptions - self._interruptions_at_checkpoint > MOST_FAILURES and self.status == "unfinished":
            hours = self.plan.work_ns / HOUR_NS
            raise RunError(
                f"'{self.plan.name}' failed {MOST_FAILURES:,} times in a row without saving any work: {hours:,.4g} h "
                "do not fit between failures; give it a checkpoint, or the scenario a duration"
            )

    def _kill_at_limit(self, limit_ns: int) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(limit_ns)
        yield self._env.wait(0)  # behind everything else of this instant: work that is done in time is done
        if self.process.is_alive:
            self.process.interrupt(Killed())
