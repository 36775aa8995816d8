"""Schedules of jobs -> when each may work: the decisions that need a forecast are made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sim.kinds import builder
from sim.later import later
from sim.signals import Signal
from sim.spec import schedules as spec
from sim.workload import schedule as decide

with later():
    from sim.signals.forecast import Forecast, Noisy, Perfect, Persistence


if TYPE_CHECKING:
    from sim.engine.training.plan import TrainingPlan
    from sim.spec.workloads import Training


def job_schedule(
    plan: TrainingPlan, workload: Training, signals: Mapping[str, Signal], rng: np.random.Generator
) -> TrainingPlan:
    """The plan with the schedule of its workload decided, if it has one. ``signals`` are of the site of its GPUs.

    Raises ``SignalRangeError`` where a series is too short; the checks say so before.
    """
    if workload.schedule is None:
        return plan
    truth = signals[workload.schedule.signal]
    needs_ns = decide.expected_ns(plan.work_ns, plan.setup_ns, plan.checkpoint_every_ns, plan.checkpoint_ns)
    made: decide.Schedule = builder(workload.schedule)(workload.schedule, Job(truth, plan.submit_ns, needs_ns, rng))
    immediate = None
    if truth.covers(plan.submit_ns, plan.submit_ns + needs_ns):
        immediate = decide.mean_over(truth, np.array([[plan.submit_ns, plan.submit_ns + needs_ns]]))
    return replace(plan, schedule=replace(made, immediate_mean=immediate))


@dataclass(frozen=True)
class Job:
    """What a schedule decides by: the signal as it will be, when the job is submitted, how long it takes if it starts
    at once, and a generator for errors of forecasts."""

    truth: Signal
    submit_ns: int
    needs_ns: int
    rng: np.random.Generator

    def forecast(self, written: spec.ForecastSpec | None, until_ns: int) -> Signal:
        """What is known of the signal when the job is submitted."""
        assert written is not None  # the spec has refused it otherwise
        return forecaster(written).made(self.truth, self.submit_ns, until_ns, self.rng)


def flexible_start(written: spec.FlexibleStart, job: Job) -> decide.Schedule:
    """At the best time of the forecast, and through."""
    deadline_ns = written.deadline_ns(job.submit_ns, job.needs_ns)
    forecast = job.forecast(written.forecast, deadline_ns)
    start_ns = decide.best_start(forecast, job.needs_ns, deadline_ns - job.needs_ns)
    spans = np.array([[start_ns, start_ns + job.needs_ns]])
    mean = decide.mean_over(forecast, spans)
    return _schedule(written, job, decide.only_within(spans), deadline_ns, None, mean)


def pause_resume(written: spec.PauseResume, job: Job) -> decide.Schedule:
    """By a threshold, which a forecast may have to find."""
    deadline_ns, paused = written.deadline_ns(job.submit_ns, job.needs_ns), written.while_paused
    if written.threshold == "fit":
        forecast = job.forecast(written.forecast, deadline_ns)
        spans = decide.planned_spans(forecast, job.needs_ns, sum(paused.save_and_restart_ns or ()))
        mean = decide.mean_over(forecast, spans)
        return _schedule(written, job, decide.only_within(spans), deadline_ns, paused, mean)
    if isinstance(written.threshold, spec.Quantile):
        level = decide.quantile(job.forecast(written.forecast, deadline_ns), float(written.threshold.quantile))
    else:
        level = float(written.threshold)
    allowed = decide.while_at_most(job.truth, level, job.submit_ns)
    return _schedule(written, job, allowed, deadline_ns, paused, None)


def suspend(written: spec.Suspend, job: Job) -> decide.Schedule:
    """Whenever the price is not too high."""
    allowed = decide.while_at_most(job.truth, float(written.above), job.submit_ns)
    return _schedule(written, job, allowed, None, written.while_paused, None)


def _schedule(
    written: spec.JobSchedule,
    job: Job,
    may_run: Signal,
    deadline_ns: int | None,
    paused: spec.Hold | spec.Release | None,
    forecast_mean: float | None,
) -> decide.Schedule:
    switch = paused.save_and_restart_ns if paused is not None else None
    save_ns, restart_ns = switch or (0, 0)
    return decide.Schedule(
        signal=written.signal,
        truth=job.truth,
        may_run=may_run,
        deadline_ns=deadline_ns,
        hold=switch is None,
        save_ns=save_ns,
        restart_ns=restart_ns,
        forecast_mean=forecast_mean,
        immediate_mean=None,
    )


def forecaster(written: spec.ForecastSpec) -> Forecast:
    """What makes forecasts as they are written."""
    made: Forecast = builder(written)(written)
    return made


def perfect(_written: spec.PerfectForecast) -> Perfect:
    """The truth."""
    return Perfect()


def persistence(_written: spec.PersistenceForecast) -> Persistence:
    """The day before, again."""
    return Persistence()


def noisy(written: spec.NoisyForecast) -> Noisy:
    """The truth, with errors."""
    return Noisy(float(written.mape_at_once), float(written.mape_day_ahead), int(written.correlation_time))
