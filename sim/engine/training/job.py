"""A training job as others see it: what limits of power ask of it, and what is known of it at the end.

Under a power cap it works at a lower rate, changed at the very instant. A limit of power may have it stand still with
its GPUs loaded, or take them from it: it then waits for others. How it works otherwise is in ``run``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.gang import Lender
from sim.engine.pace import FULL_RATE
from sim.engine.training.progress import Spending
from sim.engine.training.run import Killed, Shed, TrainingRun
from sim.workload.records import JobRecord

if TYPE_CHECKING:
    from sim.engine.training.plan import TrainingPlan
    from sim.workload.records import ReliabilityRecord


class TrainingJob:
    """One job: its run, and what others may ask of it and about it."""

    def __init__(self, env: Clock, cluster: Lender, plan: TrainingPlan, spending: Spending | None = None) -> None:
        self._env = env
        self._plan = plan
        self._run = TrainingRun(env, cluster, plan, spending if spending is not None else Spending(env))
        self._worked = self._run.worked

    @property
    def process(self) -> simpy.Process:
        """The process that runs it."""
        return self._run.process

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
        return self._run.at_work

    @property
    def would_work(self) -> bool:
        """Whether it works, or would if it did not have to stand still."""
        return self._worked.since_ns is not None or self._run.goes_on is not None

    @property
    def writes(self) -> bool:
        """Whether it writes a checkpoint, and works again in a moment."""
        return self._run.writes

    @property
    def leaving(self) -> bool:
        """Whether it saves its state to give its gang back."""
        return self._run.leaving

    @property
    def save_ns(self) -> int:
        """How long it takes until its state is safe; 0 where it keeps none."""
        return self._plan.save_ns

    @property
    def kept_rate(self) -> float:
        """What caps leave of its rate of work, 0..1."""
        return self._worked.pace.rate / FULL_RATE

    @property
    def cappable(self) -> bool:
        """Whether a cap changes what it draws."""
        return self._worked.pace.cappable

    def active_w_without(self, source: str) -> float:
        """Power of one GPU at work, W, if ``source`` did not cap it."""
        return self._worked.pace.without(source)

    def active_w_under(self, source: str, cap_w: float) -> float:
        """The same if ``source`` capped it at ``cap_w``: its gaps may leave it below that."""
        return self._worked.pace.capped_by(source, cap_w)

    def record(self) -> JobRecord:
        """What is known of the job now; one still at work keeps what it has done so far."""
        self._worked.book()
        run, pace = self._run, self._worked.pace
        completed_ns = run.ended_ns if run.status == "completed" else None
        return JobRecord(
            workload=self._plan.name,
            status=run.status,
            gpus=self._plan.gpus,
            submitted_ns=self._plan.submit_ns,
            started_ns=run.started_ns,
            ended_ns=run.ended_ns if run.ended_ns is not None else self._env.now_ns,
            work_ns=self._plan.work_ns,
            done_ns=self._worked.done_ns,
            lost_ns=self._worked.checkpoints.lost_ns,
            held_ns=run.held_ns + run.holding_ns(),
            interruptions=run.interruptions,
            checkpoints=run.checkpoints,
            slowed_ns=pace.slowed_ns,
            straddling_ns=pace.straddling_ns,
            paused_ns=run.paused_ns + (self._env.now_ns - run.still_since_ns if run.goes_on is not None else 0),
            sheds=run.sheds,
            cap_changes=pace.changes,
            worked_ns=tuple(pace.worked_ns.items()),
            schedule=run.leave.record(completed_ns),
            reliability=self._reliability(),
        )

    def _reliability(self) -> ReliabilityRecord | None:
        recovery = self._run.recovery
        if recovery is None:
            return None
        activities, every_ns = self._worked.checkpoints.activities(), self._plan.checkpoint_every_ns
        return recovery.record(activities, every_ns, self._worked.pace.straggling_ns)

    def cap(self, source: str, cap_w: float | None) -> None:
        """Caps the job: from now on ``source`` allows each GPU no more than ``cap_w``; None lifts it.

        The lowest cap of all sources counts.
        """
        self._worked.book()
        if self._worked.pace.cap(source, cap_w):
            self._run.change_pace()

    def pause(self) -> None:
        """It stands still, its state loaded, from now on; or as soon as it has set up, or written a checkpoint."""
        self._worked.book()
        self._run.paused = True
        self._run.change_pace()

    def resume(self) -> None:
        """It goes on."""
        self._run.paused = False
        self._run.stir()

    def leave(self) -> None:
        """It saves its state and gives its gang back, to wait for another. Only where it would work."""
        self._worked.book()
        self._run.leaving = True
        self._run.stir()

    def shed(self) -> int:
        """Its gang is taken from it now: it goes back to its last checkpoint and waits for another.

        Returns the ns of its work that are lost.
        """
        lost_ns = self._run.take_away(Shed())
        self._run.sheds += 1
        return lost_ns

    def kill(self) -> int:
        """The same for good."""
        return self._run.take_away(Killed())
