"""Policies of a scenario -> what the engine follows: the decisions that need a forecast are made here.

The one place that maps the kinds of schedules, forecasts and caps to what they decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from sim.build.machines import machines_of
from sim.documents import KeyPath
from sim.engine.training import TrainingPlan
from sim.profiles.catalog import Catalog
from sim.profiles.hardware import GPUProfile
from sim.quantities import Price
from sim.signals import Signal
from sim.signals.forecast import Forecast, Noisy, Perfect, Persistence
from sim.spec import policies as spec
from sim.build.loads import gang_work
from sim.build.policy_targets import targets, throttle_problems
from sim.spec.scenario import Scenario
from sim.spec.workloads import Training
from sim.units import DAY_NS, HOUR_NS
from sim.workload import schedule as decide


def job_schedule(
    plan: TrainingPlan, workload: Training, signals: Mapping[str, Signal], rng: np.random.Generator
) -> TrainingPlan:
    """The plan with the schedule of its workload decided, if it has one. ``signals`` are of the site of its GPUs.

    Raises ``SignalRangeError`` where a series is too short; ``signal_problems`` says so before.
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
    deadline_ns = _deadline_ns(written, submit_ns, needs_ns)
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


def _deadline_ns(written: spec.FlexibleStart | spec.PauseResume, submit_ns: int, needs_ns: int) -> int:
    if written.deadline is not None:
        return int(written.deadline)
    within = written.within
    assert within is not None
    delay_ns = int(within) if isinstance(within, int) else round(float(within) * needs_ns)
    return submit_ns + needs_ns + delay_ns


def forecaster(written: spec.Forecast) -> Forecast:
    """What makes forecasts as they are written."""
    if isinstance(written, spec.PerfectForecast):
        return Perfect()
    if isinstance(written, spec.PersistenceForecast):
        return Persistence()
    return Noisy(float(written.mape_at_once), float(written.mape_day_ahead), int(written.correlation_time))


def signal_problems(
    scenario: Scenario, catalog: Catalog, signals: Mapping[str, Mapping[str, Signal]]
) -> list[tuple[KeyPath, str]]:
    """What policies ask of their signals that these do not give: where it is written, and why."""
    machines = machines_of(scenario.cluster, catalog)
    gpus = {label: machine.gpu for label, machine in machines.items() if machine.gpu is not None}
    at_pool = {pool.label: signals[scenario.site_of(pool)] for pool in scenario.cluster.nodes}
    found: list[tuple[KeyPath, str]] = []
    for name, workload in scenario.workloads.items():
        if isinstance(workload, Training) and workload.schedule is not None:
            path: KeyPath = ("workloads", name, "schedule")
            label = workload.pool if workload.pool is not None else next(iter(gpus))
            written = workload.schedule
            level = written.threshold if isinstance(written, spec.PauseResume) else None
            level = written.above if isinstance(written, spec.Suspend) else level
            problem = _unseen(written.signal, level, at_pool[label])
            if problem is not None:
                found.append(((*path, "signal"), problem))
            elif not isinstance(written, spec.Suspend):
                truth = at_pool[label][written.signal]
                found += [((*path, field), why) for field, why in _windows(workload, written, gpus[label], truth)]
    for i, policy in enumerate(scenario.policies):
        if isinstance(policy, spec.PowerCap) and isinstance(policy.when, spec.Above):
            for label in sorted({capped.pool for capped in targets(policy.target, scenario.workloads, list(gpus))}):
                problem = _unseen(policy.when.signal, policy.when.level, at_pool[label])
                if problem is not None:
                    found.append((("policies", i, "when", "signal"), problem))
    return [*found, *throttle_problems(scenario, list(gpus))]


def _unseen(signal: str, level: object, known: Mapping[str, Signal]) -> str | None:
    """Why a policy cannot compare the signal of a site with a level; None where it can."""
    if signal not in known:
        what = {"price": "price", "marginal": "marginal intensity", "carbon": "intensity"}[signal]
        return f"the grid of its site has no {what}"
    if isinstance(level, Price) and known[signal].unit != f"{level.currency}/J":
        return f"the level is in {level.currency}, and the price of its site in {known[signal].unit.partition('/')[0]}"
    return None


def _windows(
    workload: Training, written: spec.FlexibleStart | spec.PauseResume, gpu: GPUProfile, truth: Signal
) -> Iterator[tuple[str, str]]:
    """What is wrong with the window of a schedule: too short for the job, or too long for the series."""
    every = workload.checkpoint
    needs_ns = decide.expected_ns(
        gang_work(workload.work, workload.gpus, gpu).work_ns,
        int(workload.setup),
        int(every.every) if every is not None else None,
        int(every.write) if every is not None else 0,
    )
    submit_ns = int(workload.start_after)
    deadline_ns = _deadline_ns(written, submit_ns, needs_ns)
    if deadline_ns < submit_ns + needs_ns:
        yield "deadline", f"the job takes {needs_ns / HOUR_NS:.4g} h and cannot be done by then if started at once"
    elif isinstance(written.forecast, spec.PersistenceForecast) and not truth.covers(submit_ns - DAY_NS, submit_ns):
        yield "forecast", "persistence needs the day before the job is submitted, which the series does not cover"
    elif not truth.covers(submit_ns, deadline_ns):
        yield "signal", f"the series does not cover the window, which ends {deadline_ns / HOUR_NS:.4g} h into the run"
