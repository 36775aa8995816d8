"""A campaign: many trainings under one budget of GPU-hours, of which a rule stops some early.

Each turn of a trial is a ``TrainingJob``, so that set-up, checkpoints, failures, caps and energy are a job's. Between
two jobs of one turn the trial keeps its gang; a trial that rests, grows or is stopped gives it back in that instant.
The budget counts GPU time held, from being placed to being given back, and ends the campaign in the very nanosecond in
which another would exceed it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import simpy

from sim.engine.clock import Clock
from sim.engine.control import Throttle
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.gang import Gang
from sim.engine.metering.tally import Tally
from sim.engine.training.job import TrainingJob
from sim.engine.training.run import Killed
from sim.workload.records import CampaignRecord, JobRecord, TrialRecord
from sim.workload.selection import Turn, Verdict

if TYPE_CHECKING:
    from sim.engine.training.plan import TrainingPlan
    from sim.workload.records import TrialOutcome
    from sim.workload.selection import Rule
    from sim.workload.trials import Drawn, Trials


@dataclass(frozen=True)
class Stage:
    """What a trial is from a share of its progress on: ``whole`` is all of its training at that size, and ``forward``
    what an evaluation takes relative to training on as many samples."""

    since: float
    whole: TrainingPlan
    forward: float


@dataclass(frozen=True)
class Variant:
    """A kind of trial: its stages, the first from 0."""

    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class CampaignPlan:
    """A campaign in SI. ``evaluated`` and ``evaluated_at_end`` are samples gone through forwards after each rung and
    after a whole training, relative to those of a whole training; ``anew`` where a promoted trial begins from nothing.
    """

    name: str
    submit_ns: int
    variants: tuple[Variant, ...]
    trials: Trials
    rule: Rule
    anew: bool
    at_once: int
    budget_gpu_ns: int | None
    evaluated: float
    evaluated_at_end: float

    @property
    def cappable(self) -> bool:
        """Whether caps change what all of its trials draw."""
        return all(stage.whole.under_cap is not None for variant in self.variants for stage in variant.stages)


class Budget:
    """GPU time that may be held in all, and what has been; ``spent`` is called when one more nanosecond is too much.

    ``most_gpu_ns`` None is no limit.
    """

    def __init__(self, env: Clock, most_gpu_ns: int | None, spent: Callable[[], None]) -> None:
        self._env = env
        self._most_gpu_ns = most_gpu_ns
        self._spent = spent
        self._held = 0
        self._used_gpu_ns = 0
        self._since_ns = env.now_ns
        self._changes = 0

    def hold(self, gpus: int) -> None:
        """``gpus`` more are held from now on; fewer, if below zero."""
        now_ns = self._env.now_ns
        self._used_gpu_ns += self._held * (now_ns - self._since_ns)
        self._since_ns = now_ns
        self._held += gpus
        self._changes += 1
        if self._most_gpu_ns is not None and self._held:
            left_ns = (self._most_gpu_ns - self._used_gpu_ns) // self._held
            self._env.process(self._watch(left_ns, self._changes))

    def _watch(self, left_ns: int, change: int) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(left_ns)
        if self._changes == change:
            self._spent()


class Slots:
    """Where the jobs of one turn of a trial get their gangs: of the cluster, or the one that the job before left."""

    def __init__(self, cluster: Cluster, budget: Budget) -> None:
        self._cluster = cluster
        self._budget = budget
        self._kept: Gang | None = None

    def has(self, slots: int) -> bool:
        """Whether a whole gang of so many is there already."""
        return self._kept is not None and self._kept.slots == slots and not self._kept.lacks

    def request(self, owner: str, pool: str, slots: int, expected_ns: int | None = None) -> Gang:
        """As ``Cluster.request``."""
        if self._kept is not None and self.has(slots):
            gang, self._kept = self._kept, None
            gang.owner, gang.process = owner, self._cluster.env.active_process
            gang.placed_ns = self._cluster.env.now_ns
            return gang
        self.give_back()
        gang = self._cluster.request(owner, pool, slots, expected_ns)
        if gang.placed_ns is not None:
            self._budget.hold(slots)
        else:
            gang.on_placed = lambda: self._budget.hold(slots)
        return gang

    def withdraw(self, gang: Gang) -> None:
        """Keeps a whole gang that is set up and not taken away; otherwise as ``Cluster.withdraw``."""
        if gang.ready.triggered and not gang.lacks and gang.kept:
            self._kept = gang
            return
        if gang.placed_ns is not None:
            self._budget.hold(-gang.slots)
        gang.on_placed = None
        self._cluster.withdraw(gang)

    def give_back(self) -> None:
        """Gives back what is kept."""
        kept, self._kept = self._kept, None
        if kept is not None:
            self._budget.hold(-kept.slots)
            self._cluster.withdraw(kept)


class Trial:
    """One trial, and how far it has come."""

    def __init__(self, number: int, drawn: Drawn, plan: CampaignPlan) -> None:
        self.number = number
        self.drawn = drawn
        self.progress = 0.0
        self.failed = False
        self.shown: float | None = None
        self.ended_ns: int | None = None
        self.job: TrainingJob | None = None
        self.evaluating = False
        self.trained: list[JobRecord] = []
        self.evaluated: list[JobRecord] = []
        self._variant = plan.variants[drawn.variant]
        self.name = f"{plan.name}/{number}"

    @property
    def evaluation_name(self) -> str:
        """What its evaluations are called."""
        return f"{self.name}/evaluation"

    def jobs(self, since: float, until: float) -> Iterator[TrainingPlan]:
        """Its training between two shares of the whole: one job, or several where it grows on the way."""
        stages = self._variant.stages
        ends = [*(stage.since for stage in stages[1:]), 1.0]
        for stage, end in zip(stages, ends, strict=True):
            low, high = max(since, stage.since), min(until, end)
            if low < high:
                yield replace(stage.whole, name=self.name, work_ns=self._share_ns(stage, high - low))

    def evaluation(self, samples: float) -> TrainingPlan:
        """Going forwards through ``samples``, relative to those of its whole training, as it is now."""
        stage = [stage for stage in self._variant.stages if stage.since < self.progress][-1]
        work_ns = self._share_ns(stage, samples * stage.forward)
        return replace(stage.whole, name=self.evaluation_name, work_ns=work_ns, checkpoint_every_ns=None)

    def _share_ns(self, stage: Stage, share: float) -> int:
        return max(1, round(stage.whole.work_ns * self.drawn.factor * share))

    def record(self, outcome: TrialOutcome, tally: Tally) -> TrialRecord:
        """What is known of it."""
        trained, evaluated = list(self.trained), list(self.evaluated)
        if self.job is not None:
            (evaluated if self.evaluating else trained).append(self.job.record())
        started = [job.started_ns for job in (*trained, *evaluated) if job.started_ns is not None]
        return TrialRecord(
            number=self.number,
            variant=self.drawn.variant,
            factor=self.drawn.factor,
            gpus=max((job.gpus for job in trained), default=0),
            outcome=outcome,
            progress=self.progress,
            started_ns=min(started, default=None),
            ended_ns=self.ended_ns,
            held_gpu_ns=sum(job.held_ns * job.gpus for job in trained),
            lost_gpu_ns=sum(job.lost_ns * job.gpus for job in trained),
            evaluation_gpu_ns=sum(job.held_ns * job.gpus for job in evaluated),
            interruptions=sum(job.interruptions for job in (*trained, *evaluated)),
            quality=self.drawn.quality,
            shown=self.shown,
            energy_j=tally.joules(self.name),
            evaluation_j=tally.joules(self.evaluation_name),
        )


class Campaign:
    """One campaign under way."""

    def __init__(self, env: Clock, cluster: Cluster, plan: CampaignPlan, tally: Tally) -> None:
        self._env = env
        self._cluster = cluster
        self._plan = plan
        self._tally = tally
        self._selector = plan.rule.begun()
        self._budget = Budget(env, plan.budget_gpu_ns, self._run_out)
        self._trials: dict[int, Trial] = {}
        self._running: dict[int, Trial] = {}
        self._changed: simpy.Event = env.event()
        self._spent = False
        self._ended_ns: int | None = None
        self._caps_w: dict[str, float] = {}
        self.throttles: list[Throttle] = []
        self.process = env.process(self._run())

    @property
    def name(self) -> str:
        """Name of the workload."""
        return self._plan.name

    @property
    def save_ns(self) -> int:
        """The longest that one of its trials takes until its state is safe."""
        return max(stage.whole.save_ns for variant in self._plan.variants for stage in variant.stages)

    def job_of(self, owner: str) -> TrainingJob | None:
        """The job that now holds a gang in this name, of a trial or its evaluation."""
        for trial in self._running.values():
            if trial.job is not None and owner == trial.job.name:
                return trial.job
        return None

    def cap(self, source: str, cap_w: float | None) -> None:
        """As ``TrainingJob.cap``: of all trials, those that begin later too."""
        if cap_w is None:
            self._caps_w.pop(source, None)
        else:
            self._caps_w[source] = cap_w
        for trial in self._running.values():
            if trial.job is not None:
                trial.job.cap(source, cap_w)

    def record(self) -> CampaignRecord:
        """What is known of it now; call it when all meters are settled."""
        ended = self._ended_ns is not None
        return CampaignRecord(
            workload=self._plan.name,
            submitted_ns=self._plan.submit_ns,
            ended_ns=self._ended_ns if self._ended_ns is not None else self._env.now_ns,
            status="unfinished" if not ended else "out-of-budget" if self._spent else "completed",
            ranked=self._plan.rule.ranks,
            trials=tuple(trial.record(self._outcome(trial), self._tally) for trial in self._trials.values()),
            failing=self._plan.trials.failing > 0.0,
        )

    def _outcome(self, trial: Trial) -> TrialOutcome:
        if trial.failed:
            return "failed"
        if trial.progress == 1.0:
            return "kept"
        judged = self._ended_ns is not None and not self._spent
        return "killed" if judged or trial.number in self._selector.stopped else "cut"

    def _run(self) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(self._plan.submit_ns)
        while True:
            while len(self._running) < self._plan.at_once and not self._spent:
                turn = self._selector.next()
                if turn is None:
                    break
                trial = self._running[turn.trial] = self._trial(turn.trial)
                self._env.process(self._train(trial, turn))
            if not self._running:
                break
            self._changed = self._env.event()
            yield self._changed
        self._ended_ns = self._env.now_ns

    def _run_out(self) -> None:
        if not self._spent:
            self._spent = True
            self._env.process(self._stop())

    def _stop(self) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(0)  # jobs of this instant have begun by then, and can be told
        for trial in self._running.values():
            if trial.job is not None and trial.job.process.is_alive:
                trial.job.process.interrupt(Killed())

    def _trial(self, number: int) -> Trial:
        trial = self._trials.get(number)
        if trial is None:
            trial = self._trials[number] = Trial(number, self._plan.trials[number], self._plan)
            self._tally.follow(trial.name, self._plan.name)
            self._tally.follow(trial.evaluation_name, self._plan.name)
        return trial

    def _train(self, trial: Trial, turn: Turn) -> Generator[simpy.Event, object, None]:
        """One turn of a trial, from asking for GPUs to giving them back."""
        slots = Slots(self._cluster, self._budget)
        yield from self._take(trial, turn, slots)
        slots.give_back()
        trial.ended_ns = self._env.now_ns
        del self._running[trial.number]
        if not self._changed.triggered:
            self._changed.succeed()

    def _take(self, trial: Trial, turn: Turn, slots: Slots) -> Generator[simpy.Event, object, None]:
        plan, selector = self._plan, self._selector
        if trial.failed:  # among the best of a rung that has seen nothing else
            selector.report(turn, math.inf)
            return
        since = 0.0 if plan.anew else trial.progress
        verdict: Verdict = "on"
        while verdict == "on":
            until = plan.rule.rungs[turn.rung]
            fails_at = trial.drawn.fails_at
            fails = fails_at is not None and fails_at <= until
            for part in trial.jobs(since, until if fails_at is None else min(until, fails_at)):
                if not (yield from self._do(trial, part, slots)):
                    return
            if fails:
                trial.failed = True
                selector.report(turn, math.inf)  # worse than all others: whoever waits for a whole rung goes on
                return
            trial.progress = since = until
            if plan.evaluated and not (yield from self._evaluate(trial, plan.evaluated, slots)):
                return
            trial.shown = trial.drawn.shows[turn.rung]
            verdict = selector.report(turn, trial.shown)
            turn = Turn(turn.trial, turn.rung + 1)
        if verdict == "done" and plan.evaluated_at_end:
            yield from self._evaluate(trial, plan.evaluated_at_end, slots)

    def _evaluate(self, trial: Trial, samples: float, slots: Slots) -> Generator[simpy.Event, object, bool]:
        trial.evaluating = True
        done = yield from self._do(trial, trial.evaluation(samples), slots)
        trial.evaluating = False
        return done

    def _do(self, trial: Trial, plan: TrainingPlan, slots: Slots) -> Generator[simpy.Event, object, bool]:
        """One job of a trial; whether it came to its end."""
        if self._spent:
            return False
        job = trial.job = TrainingJob(self._env, slots, replace(plan, is_set_up=slots.has(plan.gpus)))
        for source, cap_w in self._caps_w.items():
            job.cap(source, cap_w)
        for throttle in self.throttles:
            throttle.join(job)
        yield job.process
        for throttle in self.throttles:
            throttle.leave(job)
        trial.job = None
        record = job.record()
        (trial.evaluated if trial.evaluating else trial.trained).append(record)
        return record.status == "completed"
