"""Trainings and trials under shared limits of power: they stand still, go and come back, and nothing of them is lost
but what the ladder says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.fleet.power.ladder import Answer, What
from sim.engine.fleet.power.plan import Call, DomainPlan, PowerPlan
from sim.engine.fleet.power.ramp import Ramp
from sim.engine.plans import Policies, Workloads
from sim.engine.training.plan import TrainingPlan
from sim.engine.world import Outcome, Pool, simulate
from sim.rng import Streams
from sim.signals import Signal
from sim.units import NS_PER_S
from tests.power_worlds import BOARD_W, HARDWARE, LOADED_W, Meter, domain, half_as_fast_at_half_the_power
from tests.worlds import job

PAUSE, SHED = (Answer("pause", "training"),), (Answer("shed", "training"),)


def training(name: str, run_s: float, **changes: object) -> TrainingPlan:
    """Eight GPUs at 650 W, that can be capped."""
    given: dict[str, object] = {
        "name": name,
        "pool": "gpus",
        "gpus": 8,
        "work_ns": round(run_s * NS_PER_S),
        "active_w": 650.0,
        "loaded_w": LOADED_W,
        "cpu_load": 0.1,
        "under_cap": lambda cap_w: half_as_fast_at_half_the_power(650.0, min(cap_w, 650.0)),
    }
    return job(**{**given, **changes})


def run(
    jobs: Sequence[TrainingPlan], domains: Sequence[DomainPlan], nodes: int = 2, duration_s: float | None = None
) -> tuple[Outcome, Meter]:
    """The outcome, and what a meter saw that knows nothing of limits."""
    meter = Meter()
    outcome = simulate(
        [Pool("gpus", HARDWARE, nodes, powered=True, idle_timeout_ns=None)],
        Workloads(training=jobs),
        Policies(power=PowerPlan(tuple(domains), frozenset(), {"gpus": BOARD_W}, {}) if domains else None),
        duration_ns=round(duration_s * NS_PER_S) if duration_s is not None else None,
        streams=Streams(1),
        recorder=meter,
    )
    return outcome, meter


def called(answers: tuple[Answer, ...], limit_w: float, notice_s: int = 0) -> DomainPlan:
    """From 100 s to 400 s no more than ``limit_w``, answered and released at once."""
    call = Call(100 * NS_PER_S, 400 * NS_PER_S, limit_w, notice_s * NS_PER_S)
    given: dict[str, object] = {"answer_ns": 0, "target": 1.0, "release": 1.0, "release_ns": 0, "calls": (call,)}
    return domain(0, 2, np.inf, answers=answers, **given)  # type: ignore[arg-type]  # fields by name, of several types


def test_a_paused_training_stands_still_with_its_gpus_and_loses_nothing() -> None:
    """Two trainings of 1,000 s; a call of 300 s leaves room for one. The later stands still meanwhile."""
    jobs = [training("first", 1000), training("second", 1000, submit_ns=10 * NS_PER_S)]
    outcome, meter = run(jobs, [called(PAUSE, 8000.0)])
    first, second = outcome.jobs
    assert (first.ended_ns, second.ended_ns) == (1000 * NS_PER_S, 1310 * NS_PER_S)
    assert (first.paused_ns, second.paused_ns) == (0, 300 * NS_PER_S)
    assert second.held_ns == 1300 * NS_PER_S
    assert second.lost_ns == second.sheds == 0
    assert outcome.power is not None
    cost = dict(outcome.power.domains[0].episodes[0].costs)["second"]
    assert cost.slowed_slot_s == pytest.approx(8 * 300.0)
    assert cost.shaved_j == pytest.approx(8 * 300.0 * (650.0 - LOADED_W))
    edges, watts = meter.steps()
    assert watts[(edges[:-1] >= 100 * NS_PER_S) & (edges[:-1] < 400 * NS_PER_S)].max() <= 8000.0


def test_a_pause_that_begins_during_set_up_holds_the_work_back() -> None:
    """Set up from 10 s to 60 s, called at 100 s; then the same with a set-up that ends within the call."""
    for setup_s, ends_s in ((50, 1360), (200, 1400)):
        jobs = [training("first", 1000), training("second", 1000, submit_ns=10 * NS_PER_S, setup_ns=setup_s * NS_PER_S)]
        outcome, meter = run(jobs, [called(PAUSE, 8000.0)])
        assert outcome.jobs[1].ended_ns == ends_s * NS_PER_S
        edges, watts = meter.steps()
        assert watts[(edges[:-1] >= 100 * NS_PER_S) & (edges[:-1] < 400 * NS_PER_S)].max() <= 8000.0


def test_a_shed_training_goes_back_to_its_checkpoint_and_waits() -> None:
    """A checkpoint every 60 s, nothing of the time to write one: at 100 s it has 90 s of work, of which 30 are lost; it
    comes back when the call is over and does the 940 s that are left, the 30 among them."""
    jobs = [
        training("first", 1000),
        training("second", 1000, submit_ns=10 * NS_PER_S, checkpoint_every_ns=60 * NS_PER_S),
    ]
    outcome, _ = run(jobs, [called(SHED, 8000.0)])
    second = outcome.jobs[1]
    assert (second.sheds, second.lost_ns) == (1, 30 * NS_PER_S)
    assert second.ended_ns == (400 + 940) * NS_PER_S
    assert second.held_ns == (90 + 940) * NS_PER_S
    assert outcome.power is not None
    assert dict(outcome.power.domains[0].episodes[0].costs)["second"].lost_slot_s == pytest.approx(8 * 30.0)


def test_a_checkpoint_of_another_is_no_room() -> None:
    """The other writes for 20 s every 40 s, and a domain that was calm looks every 5 s what it can give back: nobody
    comes back for the length of a checkpoint, to be stopped again."""
    keeps = {"checkpoint_every_ns": 40 * NS_PER_S, "checkpoint_ns": 20 * NS_PER_S}
    jobs = [training("first", 1000, **keeps), training("second", 1000, submit_ns=10 * NS_PER_S)]
    for answers in (PAUSE, SHED):
        call = Call(100 * NS_PER_S, 400 * NS_PER_S, 8000.0, 0)
        given: dict[str, object] = {"answer_ns": 0, "release": 0.99, "release_ns": 5 * NS_PER_S, "calls": (call,)}
        outcome, _ = run(jobs, [domain(0, 2, np.inf, answers=answers, **given)])  # type: ignore[arg-type]  # fields by name, of several types
        assert outcome.power is not None
        assert len(outcome.power.domains[0].episodes) == 1
        assert outcome.jobs[1].sheds == (answers == SHED)


def test_with_notice_it_saves_its_state_before_it_goes() -> None:
    """Twenty seconds to write a checkpoint, and a notice of a minute: it writes from 80 s on and loses nothing."""
    keeps = {"checkpoint_every_ns": 50 * NS_PER_S, "checkpoint_ns": 20 * NS_PER_S}
    jobs = [training("first", 1000), training("second", 1000, **keeps)]
    outcome, meter = run(jobs, [called(SHED, 8000.0, notice_s=60)])
    second = outcome.jobs[1]
    assert (second.sheds, second.lost_ns, second.status) == (1, 0, "completed")
    edges, watts = meter.steps()
    assert watts[(edges[:-1] >= 100 * NS_PER_S) & (edges[:-1] < 400 * NS_PER_S)].max() <= 8000.0


def test_one_that_no_limit_has_room_for_is_told_and_ends() -> None:
    """Eight GPUs at 650 W draw above 5 kW. It is killed, at once where it would stand still, and the run ends."""
    for answers in (PAUSE, SHED):
        outcome, _ = run([training("large", 1000)], [domain(0, 1, 5000.0, answers=answers)], nodes=1)
        assert outcome.jobs[0].status == "killed"
        assert outcome.power is not None
        (alone,) = outcome.power.domains[0].killed
        assert (alone.workload, alone.row) == ("large", -1)


def test_trainings_come_up_one_after_another_on_a_ramp() -> None:
    """Two of 4 kW each on a ramp of 100 W/s: nowhere does power rise by more than the ramp lets it."""
    ramp = Ramp(100.0, 10 * NS_PER_S)
    jobs = [training("first", 500), training("second", 500)]
    outcome, meter = run(jobs, [domain(0, 2, np.inf, answers=(), ramp=ramp)])
    assert outcome.power is not None
    assert outcome.power.domains[0].ramp_exceeded_w < 1000.0
    free, _ = run(jobs, [])
    assert outcome.end_ns > free.end_ns
    watts = meter.steps()[1]
    assert np.diff(watts).max() <= 1000.0 + outcome.power.domains[0].ramp_exceeded_w + 1e-6


LADDERS: list[tuple[What, ...]] = [("cap", "pause", "shed"), ("pause", "shed"), ("cap", "shed"), ("shed",)]
several = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 300),
            "run": st.integers(20, 600),
            "gpus": st.sampled_from([2, 4, 8, 16]),
            "setup": st.sampled_from([0, 0, 30]),
            "every": st.sampled_from([None, 40, 100]),
            "writes": st.sampled_from([0, 5]),
        }
    ),
    min_size=1,
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(several, st.floats(3300.0, 14000.0), st.integers(1, 20), st.sampled_from(LADDERS))
def test_limits_hold_and_every_training_ends_once_whatever_comes(
    some: list[dict[str, float | None]], limit_w: float, answer_s: int, rungs: tuple[What, ...]
) -> None:
    """By a meter that knows nothing of limits, no excess is longer than an answer takes where the ladder ends in going;
    work that is done, lost, slowed and paused is within the time held; gangs are whole."""
    ladder = [Answer(what, "all", 0.5 if what == "cap" else 0.0) for what in rungs]
    jobs = [
        training(
            f"job{i}",
            float(one["run"] or 0),
            gpus=int(one["gpus"] or 0),
            submit_ns=int(one["at"] or 0) * NS_PER_S,
            setup_ns=int(one["setup"] or 0) * NS_PER_S,
            checkpoint_every_ns=int(one["every"]) * NS_PER_S if one["every"] is not None else None,
            checkpoint_ns=int(one["writes"] or 0) * NS_PER_S,
        )
        for i, one in enumerate(some)
    ]
    outcome, meter = run(
        jobs, [domain(0, 2, limit_w, answers=tuple(ladder), answer_ns=answer_s * NS_PER_S)], duration_s=4000.0
    )
    assert meter.longest_over_s(limit_w) <= answer_s
    assert outcome.power is not None
    killed = {one.workload for one in outcome.power.domains[0].killed}
    for record in outcome.jobs:
        assert (record.status == "killed") == (record.workload in killed)
        assert record.status in ("completed", "killed") or rungs != ("cap", "shed")
        assert record.done_ns + record.lost_ns + record.slowed_ns + record.paused_ns <= record.held_ns
        if record.status == "completed":
            assert record.done_ns == record.work_ns


@settings(max_examples=20, deadline=None)
@given(limit_w=st.floats(8000.0, 11500.0))
def test_a_limit_that_changes_pauses_and_lets_go(limit_w: float) -> None:
    """Low from 200 s to 500 s: who stood still goes on, and all of it comes to the same work."""
    limit = Signal(
        np.array([-(1 << 62), 200 * NS_PER_S, 500 * NS_PER_S, 1 << 62]), np.array([20e3, limit_w, 20e3]), "W"
    )
    jobs = [training("first", 1000), training("second", 1000)]
    outcome, _ = run(jobs, [domain(0, 2, 0.0, limit=limit, answers=PAUSE)])
    assert [record.done_ns for record in outcome.jobs] == [1000 * NS_PER_S] * 2
    assert sum(record.paused_ns > 0 for record in outcome.jobs) == 1


def test_who_fits_only_one_at_a_time_comes_back_one_at_a_time() -> None:
    """Room for one of two, and for none during a call, which sends both away: nothing else is at work: nodes open."""
    jobs = [training("first", 1000), training("second", 1000, checkpoint_every_ns=10 * NS_PER_S)]
    call = Call(100 * NS_PER_S, 400 * NS_PER_S, 4000.0, 0)
    given: dict[str, object] = {"answer_ns": 0, "target": 1.0, "release": 1.0, "release_ns": 0, "calls": (call,)}
    outcome, _ = run(jobs, [domain(0, 2, 8000.0, answers=SHED, **given)], duration_s=9000)  # type: ignore[arg-type]  # fields by name, of several types
    assert [one.status for one in outcome.jobs] == ["completed", "completed"]
    assert sorted(one.ended_ns or 0 for one in outcome.jobs) == [1400 * NS_PER_S, 2400 * NS_PER_S]
    assert sum(one.sheds for one in outcome.jobs) == 3
