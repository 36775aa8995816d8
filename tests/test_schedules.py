"""Jobs that follow signals: what waiting is worth, what it costs, and that nothing of the work is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from sim.build.jobs.schedules import job_schedule
from sim.engine.training.plan import TrainingPlan
from sim.errors import InputError
from sim.loading.scenario import load_scenario
from sim.quantities import Share
from sim.signals import Signal
from sim.spec.schedules import FlexibleStart
from sim.spec.workloads import Training
from sim.workload.records import JobRecord, ScheduleRecord
from tests.schemas import scenario_validator
from tests.small import small
from tests.test_forecasts import hourly
from tests.worlds import H, S, job, pool, run

PERFECT = {"kind": "perfect"}
HOLD = {"kind": "hold"}
MILLIONTH = 1e-6  # as "u" is read, to the last bit
FREE = {"kind": "release", "save": "0 s", "restart": "0 s"}


def planned(plan: TrainingPlan, schedule: dict[str, Any], truth: Signal, seed: int = 0) -> TrainingPlan:
    """``plan`` with a schedule as it would be written, decided on ``truth``, whose values are easy to add up and a
    million times what intensities and prices of a joule can be."""
    workload = Training.model_validate(
        {
            "kind": "training",
            "gpus": 4,
            "work": {"kind": "gpu-hours", "gpu_hours": 4, "load": {"kind": "measured", "active": "350 W"}},
            "cpu_load": 0.5,
            "schedule": schedule,
        }
    )
    real = Signal(truth.edges_ns, truth.values * MILLIONTH, truth.unit)
    signals = {"carbon": real, "price": real}
    return job_schedule(plan, workload, signals, np.random.default_rng(seed))


def done(
    plan: TrainingPlan, schedule: dict[str, Any], truth: Signal, seed: int = 0
) -> tuple[JobRecord, ScheduleRecord]:
    """The records of a job that ran alone."""
    outcome, _ = run([pool()], [planned(plan, schedule, truth, seed)])
    (record,) = outcome.jobs
    log = record.schedule
    assert log is not None
    means = {name: getattr(log, name) for name in ("forecast_mean", "actual_mean", "immediate_mean")}
    return record, replace(log, **{name: mean / MILLIONTH for name, mean in means.items() if mean is not None})


def flexible(within: str | float, **forecast: Any) -> dict[str, Any]:
    """A flexible start by carbon."""
    return {"kind": "flexible-start", "signal": "carbon", "within": within, "forecast": forecast or PERFECT}


def pausing(threshold: Any, within: str, paused: dict[str, Any], forecast: Any = PERFECT) -> dict[str, Any]:
    """A pause and resume by carbon; no forecast for a level."""
    written = {"kind": "pause-resume", "signal": "carbon", "threshold": threshold, "within": within}
    known = {} if isinstance(threshold, str) and threshold != "fit" else {"forecast": forecast}
    return {**written, **known, "while_paused": paused}


def level(grams_per_joule: float) -> str:
    """A level as it is written, a million times smaller (see ``planned``)."""
    return f"{grams_per_joule} ug/J"


values = st.lists(st.integers(1, 9).map(float), min_size=60, max_size=60)
PERSISTENCE = {"kind": "persistence"}
NOISY = {"kind": "noisy", "mape_at_once": 0.05, "mape_day_ahead": 0.3, "correlation_time": "6 h"}
EVERY_KIND = [
    flexible("8 h"),
    flexible("8 h", **PERSISTENCE),
    flexible("8 h", **NOISY),
    pausing("fit", "8 h", FREE),
    pausing("fit", "50 %", HOLD, PERSISTENCE),
    pausing("fit", "8 h", FREE, NOISY),
    pausing({"quantile": 0.3}, "8 h", FREE),
    pausing({"quantile": 0.3}, "8 h", HOLD, PERSISTENCE),
    pausing(level(5), "8 h", HOLD),
    {"kind": "suspend", "above": "99 USD/kWh", "while_paused": FREE},
]


@pytest.mark.parametrize("schedule", EVERY_KIND)
def test_on_a_constant_signal_every_policy_starts_at_once_and_runs_through(schedule: dict[str, Any]) -> None:
    plan = job(work_ns=5 * H, setup_ns=60 * S, checkpoint_every_ns=H, checkpoint_ns=30 * S, submit_ns=7 * S)
    plain, _ = run([pool()], [plan])
    record, log = done(plan, schedule, Signal.constant(5.0, "g/J"))
    assert (record.started_ns, record.ended_ns) == (plain.jobs[0].started_ns, plain.jobs[0].ended_ns)
    assert (log.waited_ns, log.pauses, log.paused_ns, log.finish_delay_ns) == (0, 0, 0, 0)
    assert log.actual_mean == pytest.approx(5.0, rel=1e-12)
    assert log.immediate_mean == pytest.approx(5.0, rel=1e-12)


@given(values, st.integers(1, 12), st.integers(0, 12))
def test_a_flexible_start_is_the_best_of_all_starts(hours: list[float], work_h: int, within_h: int) -> None:
    """Slow twin: the job run from every whole hour; means over whole hours bend nowhere else."""
    truth = hourly(hours)
    record, log = done(job(work_ns=work_h * H), flexible(f"{within_h} h"), truth)
    means = [sum(hours[start : start + work_h]) / work_h for start in range(within_h + 1)]
    assert log.actual_mean == pytest.approx(min(means), rel=1e-9)
    assert log.forecast_mean == pytest.approx(min(means), rel=1e-9)
    assert record.started_ns == means.index(min(means)) * H
    assert log.deadline_met


@given(values, st.integers(1, 12), st.lists(st.integers(0, 24), min_size=2, max_size=2))
def test_longer_windows_are_never_worse_with_a_perfect_forecast(
    hours: list[float], work_h: int, within_h: list[int]
) -> None:
    truth, plan = hourly(hours), job(work_ns=work_h * H)
    short, long = (f"{h} h" for h in sorted(within_h))
    for schedule in (flexible, lambda within: pausing("fit", within, FREE)):
        means = [done(plan, schedule(within), truth)[1].actual_mean for within in (short, long)]
        assert means[0] is not None
        assert means[1] is not None
        assert means[1] <= means[0] * (1 + 1e-9)


@given(values, st.integers(1, 12), st.integers(0, 24), st.sampled_from([HOLD, FREE]))
def test_pausing_takes_the_lowest_hours_there_are(
    hours: list[float], work_h: int, within_h: int, paused: dict[str, Any]
) -> None:
    record, log = done(job(work_ns=work_h * H), pausing("fit", f"{within_h} h", paused), hourly(hours))
    best = sum(sorted(hours[: work_h + within_h])[:work_h]) / work_h
    assert log.actual_mean == pytest.approx(best, rel=1e-9)
    assert log.immediate_mean is not None
    assert best <= log.immediate_mean * (1 + 1e-12)
    assert (record.status, record.done_ns, record.lost_ns) == ("completed", work_h * H, 0)


@given(values, st.integers(1, 9), st.integers(1, 12))
def test_without_a_deadline_pausing_above_a_price_never_pays_more(hours: list[float], above: int, work_h: int) -> None:
    truth = hourly([*hours, *([1.0] * 24)])
    schedule = {"kind": "suspend", "above": f"{(above + 0.5) * 3.6} USD/kWh", "while_paused": FREE}
    record, log = done(job(work_ns=work_h * H), schedule, truth)
    assert record.status == "completed"
    assert log.actual_mean is not None
    assert log.immediate_mean is not None
    assert log.actual_mean <= min(log.immediate_mean, above + 0.5) * (1 + 1e-12)
    assert log.deadline_met is None


@given(
    values,
    st.sampled_from(["fit", {"quantile": 0.2}, {"quantile": 0.6}, level(3), level(6)]),
    st.integers(0, 20 * 3600),
    st.integers(0, 1800),
    st.integers(0, 1800),
    st.sampled_from([None, H // 2, 2 * H]),
    st.sampled_from([PERFECT, NOISY]),
    st.integers(0, 2**32),
)
def test_deadlines_are_met_and_every_hour_is_accounted_for(
    hours: list[float],
    threshold: Any,
    within_s: int,
    save_s: int,
    restart_s: int,
    every_ns: int | None,
    forecast: dict[str, Any],
    seed: int,
) -> None:
    paused = {"kind": "release", "save": f"{save_s} s", "restart": f"{restart_s} s"}
    plan = job(work_ns=7 * H, submit_ns=H // 3, setup_ns=90 * S, checkpoint_every_ns=every_ns, checkpoint_ns=45 * S)
    schedule = planned(plan, pausing(threshold, f"{within_s} s", paused, forecast), hourly(hours), seed)
    outcome, ledger = run([pool()], [schedule])
    (record,) = outcome.jobs
    log = record.schedule
    assert log is not None
    assert log.deadline_met
    assert (record.status, record.done_ns, record.lost_ns, record.slowed_ns) == ("completed", 7 * H, 0, 0)
    assert log.restarts == log.pauses
    assert log.switching_ns == log.pauses * (save_s + restart_s) * S
    writes = record.checkpoints * 45 * S
    assert record.held_ns == 90 * S + 7 * H + writes + log.switching_ns
    assert record.ended_ns == H // 3 + log.waited_ns + log.paused_ns + record.held_ns
    gpu = ledger.where(lambda key: key.owner == "job" and key.component == "gpu")
    active_j = gpu.where(lambda key: key.state == "active").total_j()
    loaded_j = gpu.where(lambda key: key.state == "loaded").total_j()
    assert active_j == pytest.approx(4 * 350.0 * 7 * 3600, rel=1e-12)  # pauses change when, not how much
    assert loaded_j == pytest.approx(4 * 80.0 * (90 + record.checkpoints * 45 + log.switching_ns / S), rel=1e-9)


def test_a_pause_that_keeps_its_gpus_draws_loaded_power() -> None:
    truth = hourly([1.0, 9.0, 9.0, 1.0, 1.0, 1.0])
    for paused, held_h in ((HOLD, 4), (FREE, 2)):
        outcome, ledger = run([pool()], [planned(job(work_ns=2 * H), pausing("fit", "2 h", paused), truth)])
        (record,) = outcome.jobs
        assert record.schedule is not None
        assert (record.schedule.pauses, record.schedule.paused_ns) == (1, 2 * H)
        assert (record.held_ns, record.ended_ns) == (held_h * H, 4 * H)
        loaded = ledger.where(lambda key: key.component == "gpu" and key.owner == "job" and key.state == "loaded")
        assert loaded.total_j() == pytest.approx(4 * 80.0 * (held_h - 2) * 3600, rel=1e-12)


def test_a_threshold_that_never_lets_go_still_meets_its_deadline() -> None:
    """Waiting for what does not come can cost: the last hours here are the worst, and the job is forced into them."""
    truth = hourly([5.0] * 4 + [9.0] * 8)
    record, log = done(job(work_ns=4 * H), pausing(level(1), "8 h", FREE), truth)
    assert (record.started_ns, record.ended_ns, log.deadline_met) == (8 * H, 12 * H, True)
    assert log.actual_mean == pytest.approx(9.0)
    assert log.immediate_mean == pytest.approx(5.0)


def test_a_released_gang_works_for_others_meanwhile() -> None:
    truth = hourly([1.0, 9.0, 9.0, 9.0, 1.0, 1.0])
    waiting = planned(job(name="first", work_ns=2 * H), pausing("fit", "3 h", FREE), truth)
    outcome, _ = run([pool()], [waiting, job(name="second", work_ns=2 * H, submit_ns=H // 2)])
    first, second = outcome.jobs
    assert (second.started_ns, second.ended_ns) == (H, 3 * H)
    assert first.ended_ns == 5 * H


@given(values, st.integers(0, 2**16))
def test_failures_and_pauses_together_lose_no_work(hours: list[float], seed: int) -> None:
    paused = {"kind": "release", "save": "60 s", "restart": "120 s"}
    plan = job(work_ns=4 * H, checkpoint_every_ns=H, checkpoint_ns=30 * S)
    for kept in (paused, HOLD):
        truth = hourly([*hours, *([5.0] * 1000)])
        schedule = planned(plan, pausing({"quantile": 0.5}, "12 h", kept), truth)
        outcome, _ = run([pool(2, mtbf_ns=3 * H, repair_ns=300 * S)], [schedule], seed=seed, duration_ns=100 * H)
        (record,) = outcome.jobs
        assert record.done_ns + record.lost_ns <= record.held_ns
        if record.status == "completed":
            assert record.done_ns == 4 * H


def scenario(schedule: dict[str, Any]) -> dict[str, Any]:
    """The small scenario with its job alone, on a schedule."""
    data = small()
    del data["workloads"]["api"]
    del data["duration"]
    data["workloads"]["tune"]["schedule"] = schedule
    return data


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "flexible-start", "signal": "carbon", "within": "3 h"}, "forecast.*persistence"),
        ({"kind": "flexible-start", "signal": "carbon", "forecast": PERFECT}, "either 'within'"),
        ({**flexible("1 h"), "deadline": "9 h"}, "either 'within'"),
        (pausing("fit", "3 h", HOLD) | {"forecast": None}, "none is taken as perfect"),
        (pausing(level(1), "3 h", HOLD) | {"forecast": PERFECT}, "leave it out"),
        (pausing("0.1 USD/kWh", "3 h", HOLD), "is an intensity"),
        (pausing(level(1), "3 h", HOLD) | {"signal": "price"}, "is a price"),
        (flexible("1 h") | {"signal": "marginal"}, "has no marginal intensity"),
        (flexible("1 h") | {"within": None, "deadline": "30 min"}, "cannot be done by then"),
        (flexible("1 h") | {"forecast": {**NOISY, "mape_day_ahead": 0.01}}, "no forecast improves"),
        (pausing("fit", "3 h", {"kind": "release", "save": "1 min"}), "restart"),
    ],
)
def test_what_a_schedule_lacks_is_said(change: dict[str, Any], says: str) -> None:
    written = {name: value for name, value in change.items() if value is not None}
    data = scenario(written)
    with pytest.raises(InputError, match=says):
        sim.run(data)
    assert sim.check(data)


def test_a_run_says_what_its_schedule_did_and_repricing_does_not_decide_again() -> None:
    results = sim.run(scenario(flexible("50 %")))
    log = results.summary["jobs"]["tune"]["schedule"]
    assert log["signal"] == "carbon"
    assert log["unit"] == "g/kWh"
    assert log["actual_mean"] == pytest.approx(400.0)
    assert (log["waited_s"], log["deadline_met"]) == (0.0, True)
    assert sim.account(results, set={"site.grid.intensity": "9 gCO2e/kWh"}).summary["jobs"] == results.summary["jobs"]


def test_the_same_seed_gives_the_same_decision_and_other_workloads_do_not_disturb_it(tmp_path: Any) -> None:
    rows = [f"2022-07-{4 + h // 24:02d} {h % 24:02d}:00:00,{300 + 100 * ((7 * h) % 13)}" for h in range(72)]
    (tmp_path / "grid.csv").write_text("\n".join(["datetime_utc,carbon_intensity", *rows]), encoding="utf-8")
    data = scenario(flexible("24 h", **NOISY))
    series = {"kind": "series", "file": str(tmp_path / "grid.csv"), "unit": "1 gCO2e/kWh"}
    data["site"]["grid"]["intensity"] = series
    data["duration"] = "60 h"
    alone = [sim.run(data, seed=3).summary["jobs"]["tune"] for _ in range(2)]
    assert alone[0] == alone[1]
    data["workloads"]["other"] = data["workloads"]["tune"]
    assert sim.run(data, seed=3).summary["jobs"]["tune"] == alone[0]
    starts = {
        done(job(), flexible("24 h", **NOISY), hourly([5.0, 4.9, 4.8] * 30), seed)[0].started_ns for seed in range(9)
    }
    assert len(starts) > 1  # the error is drawn


def test_a_share_is_told_from_a_duration_and_a_bare_number_is_neither() -> None:
    for written, wanted in (("50 %", 0.5), (0.25, 0.25), ("100 %", 1.0), ("150 %", 1.5), ("6 h", 6 * H)):
        work = Training.model_validate(scenario(flexible(written))["workloads"]["tune"])
        assert isinstance(work.schedule, FlexibleStart)
        assert work.schedule.within == wanted
        assert isinstance(work.schedule.within, Share) == (wanted < H)
    assert any("at most 1" in problem.message for problem in sim.check(scenario(flexible(6))))


def test_every_kind_reads_back_as_it_was_written() -> None:
    for schedule in EVERY_KIND:
        data = scenario(schedule)
        data["policies"] = [
            {
                "kind": "power-cap",
                "target": "tune",
                "cap": "250 W",
                "when": {"kind": "daily", "since": "9:00", "until": "17:00"},
            },
            {
                "kind": "power-cap",
                "target": "tune",
                "cap": "250 W",
                "when": {"kind": "above", "signal": "price", "level": "0.1 USD/kWh"},
            },
            {
                "kind": "demand-response",
                "target": "tune",
                "events": [{"start": "1 h", "duration": "1 h", "reduce_to": level} for level in ("70 %", 0.7, "250 W")],
            },
        ]
        loaded = load_scenario(data)
        again = load_scenario(loaded.resolved())
        assert again.scenario == loaded.scenario
        assert again.resolved() == loaded.resolved()
        assert list(scenario_validator().iter_errors(loaded.resolved())) == []
