"""Domains of power while jobs run: limits hold but for the answer time, and what that costs is told and conserved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.fleet.placements.headroom import Headroom
from sim.engine.fleet.plan import Keeps
from sim.engine.fleet.power.ladder import Answer
from sim.engine.fleet.power.plan import Call
from sim.engine.fleet.power.ramp import Ramp
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.plans import Policies, Workloads
from sim.engine.world import Pool, simulate
from sim.profiles.machines.breakers import Breaker, ThermalMagnetic
from sim.rng import Streams
from sim.signals import Signal
from sim.units import NS_PER_S
from sim.workload.allocations import OUTCOMES, PACE_STATES
from sim.workload.power_records import binned
from tests.power_worlds import BOARD_W, HARDWARE, IDLE_W, Meter, domain, plan, run

Record = TypeVar("Record")
IDLE_NODE_W = 755.6  # a node with nobody on it, by its meter; see the first test
RACKS = ("left", "right")

job = st.fixed_dictionaries(
    {
        "at": st.integers(0, 900).map(float),
        "run": st.integers(1, 600).map(float),
        "gpus": st.sampled_from([1, 2, 4, 8, 16]),
        "watts": st.floats(150.0, BOARD_W),
        "priority": st.integers(0, 2),
        "serves": st.integers(0, 1),
    }
)
jobs = st.lists(job, min_size=1, max_size=10)


def only(records: Sequence[Record]) -> Record:
    assert len(records) == 1
    return records[0]


@settings(max_examples=60, deadline=None)
@given(jobs, st.floats(1700.0, 9000.0), st.floats(3300.0, 18000.0), st.integers(0, 30), st.sampled_from([0.0, 20.0]))
def test_no_limit_is_exceeded_for_longer_than_the_answer_takes(
    some: list[dict[str, float]], rack_w: float, feed_w: float, answer_s: int, setup_s: float
) -> None:
    """By a meter that knows nothing of the limits: two racks and the feed of both, for any jobs. The least limits are
    above what machines draw at rest, so that the ladder, which ends in shedding, can always meet them."""
    answer = {"answer_ns": answer_s * NS_PER_S}
    domains = [domain(0, 2, rack_w, pools=(rack,), **answer) for rack in RACKS]
    domains.append(domain(0, 2, feed_w, pools=RACKS, **answer))
    outcome, meter = run(plan(some, setup_s=setup_s, pools=RACKS), domains, duration_s=2000.0)
    for rack in RACKS:
        assert meter.longest_over_s(rack_w, rack) <= answer_s
    assert meter.longest_over_s(feed_w) <= answer_s
    assert outcome.power is not None
    for record, limit_w in zip(outcome.power.domains, (rack_w, rack_w, feed_w), strict=True):
        told_s = max((episode.longest_over_ns for episode in record.episodes), default=0) / NS_PER_S
        pools = RACKS if record.name == "left+right" else (record.name,)
        assert told_s == pytest.approx(meter.longest_over_s(limit_w, *pools), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(jobs, st.floats(3300.0, 18000.0))
def test_what_a_domain_is_said_to_draw_is_what_its_meters_book(some: list[dict[str, float]], limit_w: float) -> None:
    """Energy of the series of power is the meters', in all and bin by bin."""
    outcome, meter = run(plan(some, pools=RACKS), [domain(0, 2, limit_w, pools=RACKS)], duration_s=2000.0)
    assert outcome.power is not None
    edges = np.arange(0, 2001, 100, dtype=np.int64) * NS_PER_S
    mean, most, least = binned(only(outcome.power.domains), edges, outcome.end_ns)
    assert float(mean.sum()) * 100.0 == pytest.approx(meter.joules, rel=1e-9)
    assert np.all(most >= mean - 1e-6)
    assert np.all(least == limit_w)
    at, watts = meter.steps()
    first = int(np.searchsorted(at, edges[3], side="right")) - 1
    assert most[3] >= watts[first] - 1e-6


@settings(max_examples=40, deadline=None)
@given(jobs, st.floats(12000.0, 18000.0))
def test_work_is_conserved_whatever_is_asked_of_it(some: list[dict[str, float]], limit_w: float) -> None:
    """Every job is done in the end, with all of its work, once: what was lost was worked again on top. Any job alone
    has room for as little as it may be capped to."""
    jobs_plan = plan(some, pools=RACKS)
    outcome, _ = run(jobs_plan, [domain(0, 2, limit_w, pools=RACKS)], duration_s=None)
    record, log = only(outcome.rows), outcome.allocations
    assert log is not None
    assert np.all(record.done_ns == jobs_plan.table.run_ns)
    ends = np.append(log.pace_start_ns[1:], 0)
    last = log.first_pace[1:] - 1
    ends[last] = log.end_ns
    worked = np.zeros(len(some))
    stint_of_pace = np.repeat(np.arange(len(log)), np.diff(log.first_pace))
    np.add.at(worked, log.job[stint_of_pace], (ends - log.pace_start_ns) * log.pace_rate)
    assert worked == pytest.approx((record.done_ns + record.lost_ns).astype(float), rel=1e-6, abs=1e3)


def test_a_node_at_rest() -> None:
    """The number above: 8 GPUs, 2 sockets and memory at rest, through supplies at 8.5 % of their rating."""
    _, meter = run(plan([{"at": 0, "run": 10, "gpus": 1}]), [], nodes=1, duration_s=20.0)
    dc_w = 8 * IDLE_W + 2 * HARDWARE.cpu_idle_w + HARDWARE.parts[0].idle_w
    assert meter.steps()[1][-1] == pytest.approx(dc_w / 0.9)
    assert pytest.approx(dc_w / 0.9, abs=0.1) == IDLE_NODE_W


def test_lower_priority_first_and_serving_last() -> None:
    """Four jobs of a node each; as the limit falls, the low training job is capped, then the high one, then the service
    of low priority: never one before the one before it is at its floor."""
    some = [
        {"at": 0, "run": 9000, "gpus": 8, "priority": 1},
        {"at": 0, "run": 9000, "gpus": 8, "priority": 0},
        {"at": 0, "run": 9000, "gpus": 8, "priority": 0, "serves": 1},
    ]
    seen = []
    for limit_w in (17000.0, 15000.0, 13500.0, 12000.0, 10500.0):
        outcome, _ = run(plan(some), [domain(0, 3, limit_w)], nodes=3, duration_s=600.0)
        log = outcome.allocations
        assert log is not None
        seen.append(log.pace_gpu_w[log.first_pace[1:] - 1].tolist())
    floor, serving_floor = 0.4 * BOARD_W, 0.6 * BOARD_W
    for high, low, service in seen:
        assert high == 650.0 or low == pytest.approx(floor)
        assert service == 650.0 or (high == pytest.approx(floor) and low == pytest.approx(floor))
        assert service >= serving_floor - 1e-6
    assert [sum(watts) for watts in seen] == sorted((sum(watts) for watts in seen), reverse=True)
    assert seen[0][1] < 650.0 == seen[0][0]
    assert seen[-1][2] < 650.0


def test_costs_are_those_of_the_work_that_was_put_off() -> None:
    """One job, capped throughout: slot-seconds put off are those by which it takes longer, and joules shaved and added
    those of its GPUs by hand."""
    long = plan([{"at": 0, "run": 3600, "gpus": 8}])
    free, _ = run(long, [], nodes=1, duration_s=None)
    held, _ = run(long, [domain(0, 1, 4500.0, answer_ns=0)], nodes=1, duration_s=None)
    assert held.power is not None
    episode = only(held.power.domains).episodes[0]
    cost = dict(episode.costs)["research"]
    longer_s = (held.end_ns - free.end_ns) / NS_PER_S
    assert longer_s > 60.0
    assert cost.slowed_slot_s == pytest.approx(8 * longer_s, rel=1e-6)
    log = held.allocations
    assert log is not None
    capped_w, rate = log.pace_gpu_w[-1], log.pace_rate[-1]
    took_s = held.end_ns / NS_PER_S
    assert cost.shaved_j == pytest.approx(8 * (650.0 - capped_w) * took_s, rel=1e-6)
    assert cost.extra_j == pytest.approx(8 * (capped_w - rate * 650.0) * took_s, rel=1e-6)
    assert episode.over_ns == 0


def test_caps_are_taken_back_only_after_a_calm_time() -> None:
    """Three-band control: over at 100 s, answered at 110 s; the other job ends at 400 s and leaves the domain below its
    release level; caps go 60 s later, not before."""
    some = [{"at": 0, "run": 2000, "gpus": 8, "priority": 0}, {"at": 100, "run": 300, "gpus": 8, "priority": 1}]
    outcome, meter = run(plan(some), [domain(0, 2, 9000.0)], duration_s=1000.0)
    edges, watts = meter.steps()
    at_s = (edges / NS_PER_S).tolist()
    assert at_s == pytest.approx([0.0, 100.0, 110.0, 400.0, 460.0, 1000.0])
    assert watts[1] > 9000.0 >= watts[2] >= 0.97 * 9000.0 * (1 - 1e-3)
    assert watts[4] == pytest.approx(watts[0])
    assert outcome.power is not None
    episode = only(outcome.power.domains).episodes[0]
    assert (episode.start_ns, episode.end_ns) == (100 * NS_PER_S, 460 * NS_PER_S)
    assert episode.over_ns == episode.longest_over_ns == 10 * NS_PER_S


def test_what_is_shed_loses_its_work_and_does_not_come_back_while_there_is_no_room() -> None:
    """No caps to give: the last to come goes. The domain is calm at
    once, but has no room for it until the other is done."""
    some = [{"at": 0, "run": 1000, "gpus": 8}, {"at": 100, "run": 300, "gpus": 8}]
    outcome, _ = run(plan(some), [domain(0, 2, 9000.0, answers=(Answer("shed", "all"),))], duration_s=None)
    log, record = outcome.allocations, only(outcome.rows)
    assert log is not None
    assert [OUTCOMES[code] for code in log.outcome] == ["completed", "killed", "completed"]
    assert (log.end_ns[1], log.start_ns[2]) == (110 * NS_PER_S, 1000 * NS_PER_S)
    assert record.lost_ns.tolist() == [0, 10 * NS_PER_S]
    assert outcome.power is not None
    cost = dict(only(outcome.power.domains).episodes[0].costs)["research"]
    assert cost.lost_slot_s == pytest.approx(80.0)
    assert cost.lost_j == pytest.approx(80.0 * 650.0)


def test_a_domain_whose_ladder_was_too_short_takes_work_again_once_it_is_calm() -> None:
    """Caps alone do not bring two nodes at work below 7 kW; when they are done the next job starts, alone within it."""
    some = [{"at": 0, "run": 100, "gpus": 16}, {"at": 50, "run": 100, "gpus": 8}]
    cap = Answer("cap", "all", 0.9)
    outcome, _ = run(plan(some), [domain(0, 2, 7000.0, answers=(cap,))], duration_s=2000.0)
    log, record = outcome.allocations, only(outcome.rows)
    assert log is not None
    assert outcome.power is not None
    first, *_ = only(outcome.power.domains).episodes
    assert first.unmet
    assert np.all(record.done_ns == 100 * NS_PER_S)
    assert log.start_ns[1] == first.end_ns == log.end_ns[0] + 60 * NS_PER_S


def test_a_call_with_notice_leaves_time_to_save() -> None:
    """Known 15 min before, with 5 min to save: the job that must go begins to save 5 min before and loses nothing, and
    the limit of the call holds from its first instant. Without notice its work is lost."""
    keeps = Keeps(True, save_ns=300 * NS_PER_S, restart_ns=60 * NS_PER_S)
    some = [{"at": 0, "run": 5000, "gpus": 8}, {"at": 10, "run": 5000, "gpus": 8}]

    def called(notice_s: int) -> tuple[list[str], int, float]:
        call = Call(3600 * NS_PER_S, 5400 * NS_PER_S, 8000.0, notice_s * NS_PER_S)
        calm = Signal.constant(20000.0, "W")
        asked = domain(0, 2, 0.0, limit=calm, calls=(call,), answers=(Answer("shed", "all"),))
        outcome, meter = run(plan(some, keeps), [asked], duration_s=7200.0)
        log = outcome.allocations
        assert log is not None
        edges, watts = meter.steps()
        within = np.diff(np.clip(edges, call.start_ns, call.end_ns))
        over_s = float(within[watts > call.limit_w].sum()) / NS_PER_S
        assert only(outcome.rows).done_ns[1] > 0 or notice_s == 0
        return [OUTCOMES[code] for code in log.outcome], int(only(outcome.rows).lost_ns.sum()), over_s

    outcomes, lost_ns, over_s = called(900)
    assert outcomes[1] == "preempted"
    assert (lost_ns, over_s) == (0, 0.0)
    outcomes, lost_ns, over_s = called(0)
    assert outcomes[1] == "killed"
    assert lost_ns == (3600 - 10 + 10) * NS_PER_S
    assert over_s == 10.0


@settings(max_examples=40, deadline=None)
@given(jobs, st.floats(20.0, 400.0), st.sampled_from([5, 10, 30]), st.sampled_from([0.0, 20.0]), st.booleans())
def test_power_rises_no_faster_than_the_ramp_at_any_instant(
    some: list[dict[str, float]], w_per_s: float, step_s: int, setup_s: float, limited: bool
) -> None:
    """Every pair of instants, by the meter, with a step large enough for what the host adds to one job at once."""
    host_w = 2 * 2 * 400.0  # of a job on two nodes: CPUs and memory that start to work, through the supplies
    step_s = max(step_s, math.ceil((host_w + 16 * 70.0) / w_per_s))
    ramp = Ramp(w_per_s, step_s * NS_PER_S)
    limit_w = 9000.0 if limited else math.inf
    row = domain(0, 2, limit_w, pools=RACKS, ramp=ramp, answer_ns=0)
    outcome, meter = run(plan(some, setup_s=setup_s, pools=RACKS), [row], duration_s=4000.0)
    edges, watts = meter.steps()
    envelope = -math.inf
    for (start, end), before, after in zip(pairwise(edges[:-1].tolist()), watts[:-1], watts[1:], strict=True):
        span_s = (end - start) / NS_PER_S
        envelope = min(max(envelope, -math.inf) + w_per_s * span_s if envelope > -math.inf else math.inf, before)
        assert after <= envelope + w_per_s * step_s + 1e-3
    assert outcome.power is not None
    assert only(outcome.power.domains).ramp_exceeded_w <= 1e-3
    if limited:
        assert meter.longest_over_s(limit_w) == 0.0


def test_a_breaker_opens_when_its_curve_says_and_takes_its_nodes_away() -> None:
    """No answers: at 1.4 times its rating from 100 s on, on top of what it carried for long. Jobs lose their work, the
    nodes boot once it is closed again, and the jobs start anew."""
    curve = ThermalMagnetic.through(holds=1.13, at=2.55, after_s=60.0, instant=10.0)
    some = [{"at": 100, "run": 4000, "gpus": 16}]
    _, free = run(plan(some), [], duration_s=200.0)
    idle_w, busy_w = free.steps()[1].tolist()
    breaker = Breaker(busy_w / 1.4, curve)
    fused = domain(0, 2, math.inf, answers=(), breaker=breaker, reclose_ns=600 * NS_PER_S)
    outcome, meter = run(plan(some), [fused], duration_s=1500.0)
    assert outcome.power is not None
    trip = only(outcome.power.domains).trips[0]
    carries_s = curve.trips_in_s(curve.settled(1.4 * idle_w / busy_w), 1.4)
    assert trip.at_ns / NS_PER_S == pytest.approx(100.0 + carries_s, abs=1e-6)
    assert (trip.nodes, trip.loads) == (2, 1)
    edges, watts = meter.steps()
    dark = watts[np.searchsorted(edges, trip.at_ns)]
    assert dark == pytest.approx(2 * HARDWARE.standby_w)
    log = outcome.allocations
    assert log is not None
    assert [OUTCOMES[code] for code in log.outcome[:2]] == ["failed", log and OUTCOMES[log.outcome[1]]]
    assert log.start_ns[1] == trip.at_ns + 600 * NS_PER_S + HARDWARE.boot_ns or log.start_ns[1] > trip.at_ns
    assert only(outcome.rows).lost_ns[0] >= trip.at_ns - 100 * NS_PER_S


def test_an_answer_in_time_saves_the_breaker() -> None:
    """The same overload with caps after 10 s: the curve would have carried it for longer."""
    curve = ThermalMagnetic.through(holds=1.13, at=2.55, after_s=60.0, instant=10.0)
    some = [{"at": 100, "run": 1000, "gpus": 16}]
    saved = domain(0, 2, 8500.0, breaker=Breaker(8500.0, curve), reclose_ns=600 * NS_PER_S)
    outcome, _ = run(plan(some), [saved], duration_s=1500.0)
    assert outcome.power is not None
    record = only(outcome.power.domains)
    assert record.trips == ()
    assert record.episodes[0].most_w > 1.3 * 8500.0


def test_limits_of_a_gpu_hold_at_every_instant() -> None:
    """Set on a board before anything runs on it."""
    outcome, meter = run(plan([{"at": 100, "run": 600, "gpus": 8}]), [], nodes=1, gpu_cap_w={"gpus": 400.0})
    _, free = run(plan([{"at": 100, "run": 600, "gpus": 8, "watts": 400.0}]), [], nodes=1)
    assert outcome.allocations is not None
    assert meter.steps()[1].max() == pytest.approx(free.steps()[1].max())


@settings(max_examples=40, deadline=None)
@given(jobs, st.floats(8500.0, 12000.0), st.floats(13000.0, 24000.0), st.sampled_from([0.0, 20.0]), st.booleans())
def test_a_placement_by_headroom_never_exceeds_a_limit(
    some: list[dict[str, float]], rack_w: float, feed_w: float, setup_s: float, easy: bool
) -> None:
    """Without any answer: jobs wait where there is no power for them. Each slot is reckoned with at what a board, and
    the host of a single slot, draw at most; each limit has room for the largest job on idle machines."""
    domains = [domain(0, 2, rack_w, pools=(rack,), answers=()) for rack in RACKS]
    domains.append(domain(0, 2, feed_w, pools=RACKS, answers=()))
    some = [{**one, "gpus": min(one["gpus"], 8)} for one in some]
    host_w = 2 * 220.0 * (0.1 / 8) ** 0.8 + 50.0 / 8
    placement = Headroom((BOARD_W - IDLE_W + host_w) / 0.9)
    scheduler = Easy("first-come", placement) if easy else FirstCome(placement)
    outcome, meter = run(plan(some, setup_s=setup_s, pools=RACKS), domains, duration_s=None, scheduler=scheduler)
    for rack in RACKS:
        assert meter.longest_over_s(rack_w, rack) == 0.0
    assert meter.longest_over_s(feed_w) == 0.0
    assert np.all(only(outcome.rows).lost_ns == 0)


def test_so_many_idle_nodes_are_kept_warm() -> None:
    """Four nodes, all idle from 100 s on, with a timeout of 60 s and one to be kept: three are shut down, and the job
    that comes next starts at once on the one that is left."""
    some = [{"at": 0, "run": 100, "gpus": 32}, {"at": 1000, "run": 100, "gpus": 8}]
    pool = Pool("gpus", HARDWARE, 4, powered=True, idle_timeout_ns=60 * NS_PER_S, keep_warm=1)
    meter = Meter()
    work = Workloads(rows=[plan(some)])
    outcome = simulate([pool], work, Policies(), duration_ns=2000 * NS_PER_S, streams=Streams(1), recorder=meter)
    log = outcome.allocations
    assert log is not None
    assert log.pace_start_ns[log.pace_state == PACE_STATES.index("active")].tolist() == [0, 1000 * NS_PER_S]
    edges, watts = meter.steps()
    asleep = watts[np.searchsorted(edges, 900 * NS_PER_S, side="right") - 1]
    assert asleep == pytest.approx(IDLE_NODE_W + 3 * HARDWARE.standby_w, abs=0.1)
