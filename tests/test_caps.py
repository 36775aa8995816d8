"""Caps that come and go while work runs: what they save, what they cost in time, and that work and energy add up."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.accounting.bins import Bins
from sim.accounting.ledger import Ledger
from sim.accounting.recorder import LedgerRecorder
from sim.build.power.caps import cap_at
from sim.build.power.loads import RateUnderCap, gang_of
from sim.engine.control import CapPlan, PowerLimit
from sim.engine.plans import Policies, Workloads
from sim.engine.training.plan import TrainingPlan
from sim.engine.world import Outcome, Pool, simulate
from sim.errors import RunError
from sim.profiles import Catalog
from sim.profiles.machines.gpu import board_of
from sim.profiles.power_laws.capped_job import job_under_cap
from sim.rng import Streams
from sim.signals import Signal
from sim.spec.workloads import GPUHours, Steps
from sim.units import HOUR_NS
from tests.test_forecasts import hourly
from tests.worlds import H, S, Tape, job, pool, run

GPU = Catalog().gpu("nvidia-a100-sxm-80gb")
TDP_W = float(GPU.tdp.value)


def simple(cap_w: float) -> tuple[float, float]:
    """A board whose speed goes with its dynamic power: 350 W at work, 80 W loaded."""
    return (1.0, 350.0) if cap_w >= 350.0 else ((cap_w - 80.0) / 270.0, cap_w)


def measured(watts: float = 350.0) -> GPUHours:
    """16 GPU-hours at so many W."""
    return GPUHours.model_validate(
        {"kind": "gpu-hours", "gpu_hours": 16, "load": {"kind": "measured", "active": f"{watts} W"}}
    )


def steps() -> Steps:
    """Steps bound by the cores for half of their time."""
    return Steps.model_validate(
        {
            "kind": "steps",
            "steps": 100,
            "flops": "20 PFLOP",
            "precision": "bf16",
            "memory_traffic": "8 TB",
            "link_traffic": "2 TB",
            "efficiency": {"compute": 0.8, "memory": 0.8, "link": 0.7},
            "overhead": "1 s",
        }
    )


def capped(
    plan: TrainingPlan,
    *changes: list[tuple[int, float | None]],
    limits: tuple[PowerLimit, ...] = (),
    pools: tuple[Pool, ...] = (),
    **options: Any,
) -> tuple[Outcome, Ledger]:
    """``plan`` run alone under one or several courses of caps."""
    used = pools or (pool(),)
    recorder = LedgerRecorder({p.name: "site" for p in used}, Bins(H))
    caps = [CapPlan(f"policies.{i}", plan.name, lambda each=each: iter(each)) for i, each in enumerate(changes)]  # type: ignore[misc]
    outcome = simulate(
        used,
        Workloads(training=[plan]),
        Policies(caps=caps, limits=limits),
        streams=Streams(0),
        recorder=recorder,
        **{"duration_ns": None, **options},
    )
    return outcome, recorder.ledger(outcome.end_ns)


def gpu_j(ledger: Ledger, state: str) -> float:
    """J of the job's GPUs in a state."""
    rows = ledger.where(lambda key: key.component == "gpu" and key.owner == "job" and key.state == state)
    return float(rows.total_j())


# The rate of work under a cap


@given(st.floats(100.0, TDP_W), st.sampled_from([measured(), measured(280.0), steps()]))
def test_a_cap_is_met_and_never_speeds_work_up(cap_w: float, work: GPUHours | Steps) -> None:
    free = gang_of(work, 8, GPU).under(None)
    rate, active_w = RateUnderCap(gang_of(work, 8, GPU))(cap_w)
    assert 0.0 < rate <= 1.0
    assert active_w <= min(cap_w, free.active_w) * (1 + 1e-9)
    loaded_w = free.loaded_w
    assert (active_w - loaded_w) / rate <= (free.active_w - loaded_w) * (1 + 1e-6)  # dynamic J of the same work
    peaks_w = free.active_w if work.kind == "steps" else free.active_w + 0.35 * (TDP_W - free.active_w)
    if cap_w >= peaks_w * (1 + 1e-9):
        assert rate == 1.0
        assert active_w == pytest.approx(free.active_w)


@given(st.floats(100.0, TDP_W), st.floats(120.0, TDP_W))
def test_work_given_in_hours_is_capped_as_a_job_of_phases_and_gaps(cap_w: float, full_w: float) -> None:
    board = board_of(GPU)
    assert board is not None
    watts, slower = job_under_cap(np.array(cap_w), np.array(full_w), board)
    rate, active_w = RateUnderCap(gang_of(measured(full_w), 8, GPU))(cap_w)
    assert rate == pytest.approx(1.0 / float(slower), rel=1e-6)
    assert active_w == pytest.approx(max(float(watts), float(GPU.power.loaded.value)), rel=1e-9)


@given(st.floats(100.0, 350.0), st.floats(100.0, 350.0))
def test_a_lower_cap_is_never_faster(one_w: float, other_w: float) -> None:
    under = RateUnderCap(gang_of(steps(), 8, GPU))
    low, high = sorted((one_w, other_w))
    assert under(low)[0] <= under(high)[0] * (1 + 1e-9)


# Jobs under caps that change


@given(st.lists(st.tuples(st.integers(1, 3 * H), st.one_of(st.none(), st.floats(90.0, 400.0))), max_size=8))
def test_work_is_conserved_and_time_and_energy_are_those_of_the_pieces(steps_: list[tuple[int, float | None]]) -> None:
    """Slow twin: the job by hand, piece by piece between changes of its cap."""
    changes, at_ns = [], 0
    for gap_ns, cap_w in steps_:
        at_ns += gap_ns
        changes.append((at_ns, cap_w))
    outcome, ledger = capped(job(work_ns=5 * H, under_cap=simple), changes)
    (record,) = outcome.jobs
    left, now, joules = 5.0 * H, 0.0, 0.0
    rate, watts = 1.0, 350.0
    for change_ns, cap_w in [*changes, (10**18, None)]:
        took = min(left / rate, change_ns - now)
        left, now, joules = left - took * rate, now + took, joules + 4 * watts * took / S
        if left <= 1e-3:
            break
        rate, watts = simple(cap_w) if cap_w is not None else (1.0, 350.0)
    assert (record.status, record.done_ns) == ("completed", 5 * H)
    assert record.ended_ns == pytest.approx(now, abs=30 * (len(changes) + 1))  # 1 ns of work, 27 ns of time
    assert record.held_ns == record.done_ns + record.slowed_ns
    assert gpu_j(ledger, "active") == pytest.approx(joules, rel=1e-9)


def test_a_cap_lengthens_the_job_by_its_rate_and_draws_what_it_allows() -> None:
    outcome, ledger = capped(job(under_cap=simple), [(H // 2, 215.0)])  # half the dynamic power: half the speed
    (record,) = outcome.jobs
    assert record.ended_ns == H // 2 + 2 * (H // 2)
    assert (record.slowed_ns, record.cap_changes) == (H // 2, 1)
    assert gpu_j(ledger, "active") == pytest.approx(4 * (350.0 * 1800 + 215.0 * 3600), rel=1e-12)


def test_the_lowest_of_several_caps_counts_and_lifting_one_leaves_the_other() -> None:
    first = [(0, 215.0), (H, None)]
    second: list[tuple[int, float | None]] = [(H // 2, 300.0)]
    outcome, _ = capped(job(work_ns=2 * H, under_cap=simple), first, second)
    (record,) = outcome.jobs
    slow = simple(300.0)[0]
    assert record.ended_ns == pytest.approx(H + (2 * H - H / 2) / slow, abs=4)
    assert record.cap_changes == 2  # at the start, and from 215 to 300 W


def test_checkpoints_failures_and_limits_go_with_caps() -> None:
    """A capped job saves after so much work, not time; one killed at its limit has lost what it did, not the time."""
    plan = job(work_ns=2 * H, checkpoint_every_ns=H, checkpoint_ns=60 * S, under_cap=simple)
    outcome, _ = capped(plan, [(0, 215.0)])
    (record,) = outcome.jobs
    assert record.ended_ns == 4 * H + 60 * S
    outcome, _ = capped(job(under_cap=simple, time_limit_ns=H), [(0, 215.0)], duration_ns=2 * H)
    (record,) = outcome.jobs
    assert (record.status, record.lost_ns, record.slowed_ns, record.held_ns) == ("killed", H // 2, H // 2, H)
    exactly, _ = capped(job(under_cap=simple, time_limit_ns=2 * H), [(0, 215.0), (2 * H, None)])
    assert exactly.jobs[0].status == "completed"


@given(st.integers(0, 2**16))
def test_caps_and_failures_together_lose_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(1, 30 * H, 30)).tolist()
    changes: list[tuple[int, float | None]] = [(t, float(rng.uniform(100, 400))) for t in at]
    failing = (pool(2, mtbf_ns=3 * H, repair_ns=300 * S),)
    plan = job(work_ns=6 * H, checkpoint_every_ns=H, checkpoint_ns=30 * S, under_cap=simple)
    outcome, _ = capped(plan, changes, pools=failing, duration_ns=60 * H)
    (record,) = outcome.jobs
    assert record.done_ns + record.lost_ns + record.slowed_ns <= record.held_ns
    assert record.status != "completed" or record.done_ns == 6 * H


def test_a_cap_that_changes_nothing_leaves_no_trace() -> None:
    plain, plain_ledger = run([pool()], [job()])
    outcome, ledger = capped(job(under_cap=simple), [(H // 3, 390.0), (H // 2, None)])
    assert replace(outcome.jobs[0]) == plain.jobs[0]
    assert np.array_equal(ledger.energy_j, plain_ledger.energy_j)


# A site's limit


def limit(watts: Signal | float, site: str = "site") -> PowerLimit:
    """On the one pool."""
    signal = watts if isinstance(watts, Signal) else Signal.constant(watts, "W")
    return PowerLimit(site, frozenset({"pool"}), signal)


def most_w(tape: Tape) -> list[tuple[int, int, float]]:
    """The site's power in each stretch between changes."""
    edges = sorted({edge for _, _, begin, until in tape.segments for edge in (begin, until)})
    return [
        (
            a,
            b,
            sum(sum(d.watts for d in draws) for _, draws, begin, until in tape.segments if begin <= a and b <= until),
        )
        for a, b in pairwise(edges)
    ]


@given(
    st.lists(st.integers(900, 4000).map(float), min_size=8, max_size=8),
    st.lists(st.integers(0, 3 * 3600), min_size=3, max_size=3),
)
def test_a_limit_is_never_exceeded_while_there_is_something_to_shed(watts: list[float], starts_s: list[int]) -> None:
    """Two nodes draw about 620 W before any work; the limit changes by the hour, jobs start when they like."""
    tape = Tape()
    allowed = hourly(watts + [9000.0] * 40)
    plans = [
        job(name=f"job{i}", gpus=2 + i, work_ns=2 * H, submit_ns=at * S, under_cap=simple)
        for i, at in enumerate(starts_s)
    ]
    policies = Policies(limits=[limit(allowed)])
    outcome = simulate(
        [pool(2)], Workloads(training=plans), policies, duration_ns=20 * H, streams=Streams(0), recorder=tape
    )
    unmet = {record.most_exceeded_w for record in outcome.throttling}
    for begin, until, drawn_w in most_w(tape):
        for edge in range(begin // H, (until - 1) // H + 1):
            assert drawn_w <= allowed.at(max(begin, edge * H)) + max(unmet, default=0.0) + 1e-3
    assert all(record.done_ns == 2 * H for record in outcome.jobs if record.status == "completed")


def test_a_limit_takes_as_much_as_it_must_and_says_when() -> None:
    """The node without supplies: 100 to 300 W of CPU at load 0.5, 40 W of DRAM, 30 W of board, and 4 GPUs."""
    from tests.worlds import hardware

    plain = pool(hardware=hardware(supply=False))
    host_w = 100.0 + 200.0 * 0.5**0.8 + 40.0 + 30.0
    allowed = hourly([5000.0, host_w + 4 * 215.0, 5000.0, 5000.0])
    outcome, ledger = capped(job(work_ns=2 * H, under_cap=simple), limits=(limit(allowed),), pools=(plain,))
    (record,) = outcome.jobs
    assert record.ended_ns == pytest.approx(2 * H + H // 2, abs=1000)  # half speed for an hour
    (throttled,) = outcome.throttling
    assert (throttled.start_ns, throttled.end_ns) == (H, 2 * H)
    assert throttled.least_share == pytest.approx(0.5, rel=1e-6)
    assert throttled.most_wanted_w == pytest.approx(host_w + 4 * 350.0)
    assert throttled.most_exceeded_w == 0.0
    assert gpu_j(ledger, "active") == pytest.approx(4 * 3600 * (350.0 * 1.5 + 215.0), rel=1e-6)


def test_what_cannot_be_shed_is_told() -> None:
    outcome, _ = capped(job(under_cap=simple), limits=(limit(hourly([100.0] * 3 + [9000.0] * 9)),), duration_ns=8 * H)
    assert outcome.throttling[0].most_exceeded_w > 400.0
    assert outcome.throttling[0].least_share == 0.0


def test_without_need_a_limit_changes_nothing() -> None:
    plain, plain_ledger = run([pool()], [job()])
    outcome, ledger = capped(job(under_cap=simple), limits=(limit(1e6),))
    assert outcome.jobs == plain.jobs
    assert outcome.throttling == ()
    assert np.array_equal(ledger.energy_j, plain_ledger.energy_j)


def test_a_cap_is_looked_up_by_its_instant() -> None:
    changes = [(5, 100.0), (9, None), (12, 50.0)]
    assert [cap_at(changes, t) for t in (0, 5, 8, 9, 12, 99)] == [None, 100.0, 100.0, None, 50.0, 50.0]


def test_a_limit_and_serving_do_not_go_together() -> None:
    from sim.engine.serving.keep import KeepAll

    class Plan:
        groups = (type("Group", (), {"pool": "pool"}),)

    with pytest.raises(RunError, match="cannot throttle serving"):
        simulate(
            [pool()],
            Workloads(serving=[(Plan(), KeepAll())]),  # type: ignore[list-item]  # what is asked of a plan
            Policies(limits=[limit(1000.0)]),
            duration_ns=HOUR_NS,
            streams=Streams(0),
            recorder=Tape(),
        )
