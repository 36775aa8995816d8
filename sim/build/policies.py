"""Policies of a scenario -> what the engine follows: the decisions that need a forecast are made here.

The one place that maps the kinds of schedules, forecasts and caps to what they decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sim.engine.training import TrainingPlan
from sim.signals import Signal
from sim.signals.forecast import Forecast, Noisy, Perfect, Persistence
from sim.spec import policies as spec
from sim.spec.workloads import Training
from sim.workload import schedule as decide


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
    made = _decided(workload.schedule, truth, plan.submit_ns, needs_ns, rng)
    immediate = None
    if truth.covers(plan.submit_ns, plan.submit_ns + needs_ns):
        immediate = decide.mean_over(truth, np.array([[plan.submit_ns, plan.submit_ns + needs_ns]]))
    return replace(plan, schedule=replace(made, immediate_mean=immediate))


def _decided(
    written: spec.FlexibleStart | spec.PauseResume | spec.Suspend,
    truth: Signal,
    submit_ns: int,
    needs_ns: int,
    rng: np.random.Generator,
) -> decide.Schedule:
    if isinstance(written, spec.Suspend):
        allowed = decide.while_at_most(truth, float(written.above), submit_ns)
        return _schedule(written.signal, truth, allowed, None, written.while_paused, None)
    deadline_ns = written.deadline_ns(submit_ns, needs_ns)
    forecast = None
    if written.forecast is not None:
        forecast = forecaster(written.forecast).made(truth, submit_ns, deadline_ns, rng)
    if isinstance(written, spec.FlexibleStart):
        assert forecast is not None
        start_ns = decide.best_start(forecast, needs_ns, deadline_ns - needs_ns)
        spans = np.array([[start_ns, start_ns + needs_ns]])
        mean = decide.mean_over(forecast, spans)
        return _schedule(written.signal, truth, decide.only_within(spans), deadline_ns, None, mean)
    if written.threshold == "fit":
        assert forecast is not None
        paused = written.while_paused
        switch_ns = int(paused.save) + int(paused.restart) if isinstance(paused, spec.Release) else 0
        spans = decide.planned_spans(forecast, needs_ns, switch_ns)
        mean = decide.mean_over(forecast, spans)
        return _schedule(written.signal, truth, decide.only_within(spans), deadline_ns, paused, mean)
    if isinstance(written.threshold, spec.Quantile):
        assert forecast is not None
        level = decide.quantile(forecast, float(written.threshold.quantile))
    else:
        level = float(written.threshold)
    allowed = decide.while_at_most(truth, level, submit_ns)
    return _schedule(written.signal, truth, allowed, deadline_ns, written.while_paused, None)


def _schedule(
    signal: str,
    truth: Signal,
    may_run: Signal,
    deadline_ns: int | None,
    paused: spec.Hold | spec.Release | None,
    forecast_mean: float | None,
) -> decide.Schedule:
    release = paused if isinstance(paused, spec.Release) else None
    return decide.Schedule(
        signal=signal,
        truth=truth,
        may_run=may_run,
        deadline_ns=deadline_ns,
        hold=release is None,
        save_ns=int(release.save) if release is not None else 0,
        restart_ns=int(release.restart) if release is not None else 0,
        forecast_mean=forecast_mean,
        immediate_mean=None,
    )


def forecaster(written: spec.Forecast) -> Forecast:
    """What makes forecasts as they are written."""
    if isinstance(written, spec.PerfectForecast):
        return Perfect()
    if isinstance(written, spec.PersistenceForecast):
        return Persistence()
    return Noisy(float(written.mape_at_once), float(written.mape_day_ahead), int(written.correlation_time))
