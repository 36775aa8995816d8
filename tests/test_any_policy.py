"""Whole small worlds drawn at random, with schedules, caps and power limits on top: what must hold in all of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.control import CapPlan, PowerLimit
from sim.engine.plans import Policies, Workloads
from sim.engine.queueing.service import ServicePlan
from sim.engine.training.plan import TrainingPlan
from sim.engine.world import Outcome, Pool, simulate
from sim.rng import Streams
from sim.signals import Signal
from sim.workload.schedule import Schedule, best_start, only_within, planned_spans, while_at_most
from tests.test_caps import most_w, simple
from tests.test_forecasts import hourly
from tests.test_service import service
from tests.worlds import H, S, Tape, hardware, job, pool


@dataclass(frozen=True)
class World:
    """Everything a run takes."""

    pools: list[Pool]
    jobs: list[TrainingPlan]
    services: list[ServicePlan]
    duration_ns: int
    caps: list[CapPlan]
    limit: Signal | None

    def run(self, seed: int) -> tuple[Outcome, Tape]:
        """With every segment as it was settled."""
        tape = Tape()
        names = frozenset(pool.name for pool in self.pools)
        limits = [PowerLimit("site", names, self.limit)] if self.limit is not None else []
        outcome = simulate(
            self.pools,
            Workloads(training=self.jobs, services=self.services),
            Policies(caps=self.caps, limits=limits),
            duration_ns=self.duration_ns,
            streams=Streams(seed),
            recorder=tape,
        )
        return outcome, tape


def policed_world(seed: int) -> World:
    """Up to two pools, three jobs and a service for up to two days; drawn by NumPy, as Hypothesis would draw mostly
    worlds in which nothing happens."""
    rng = np.random.default_rng(seed)

    def chance(share: float) -> bool:
        return bool(rng.random() < share)

    def up_to(most_ns: int) -> int:
        return int(rng.integers(0, most_ns))

    pools = [
        pool(
            int(rng.integers(1, 4)),
            name=f"p{i}",
            hardware=replace(hardware(boot_s=int(rng.integers(1, 900))), name=f"node{i}"),
            powered=chance(0.7),
            idle_timeout_ns=up_to(2 * H) + 1 if chance(0.4) else None,
            mtbf_ns=H + up_to(30 * H) if chance(0.4) else None,
            repair_ns=up_to(H),
        )
        for i in range(int(rng.integers(1, 3)))
    ]
    jobs, caps = [], []
    for i in range(int(rng.integers(1, 4))):
        home = pools[int(rng.integers(len(pools)))]
        plan = job(
            name=f"job{i}",
            pool=home.name,
            gpus=int(rng.integers(1, 4 * home.count + 1)),
            work_ns=1 + up_to(10 * H),
            submit_ns=up_to(2 * H),
            setup_ns=up_to(H // 4),
            checkpoint_every_ns=H // 4 + up_to(2 * H) if chance(0.6) else None,
            checkpoint_ns=up_to(H // 10),
            time_limit_ns=1 + up_to(20 * H) if chance(0.2) else None,
            on_failure="restart" if chance(0.8) else "abort",
            under_cap=simple,
        )
        jobs.append(replace(plan, schedule=_schedule(plan, rng) if chance(0.8) else None))
        for source in range(int(rng.integers(0, 3))):
            at_ns = np.unique(rng.integers(0, 48 * H, 12)).tolist()
            changes = [(t, float(rng.uniform(81.0, 400.0)) if chance(0.7) else None) for t in at_ns]
            caps.append(CapPlan(f"policies.{source}", plan.name, lambda changes=changes: iter(changes)))  # type: ignore[misc]
    services = [service(np.sort(rng.integers(0, 12 * H, 30)), pool="p0", gpus_per_replica=1)] if chance(0.3) else []
    limit = hourly(rng.uniform(300.0, 1500.0 * len(pools) * 3, 50).tolist()) if chance(0.6) else None
    return World(pools, jobs, services, H + up_to(47 * H), caps, limit)


def _schedule(plan: TrainingPlan, rng: np.random.Generator) -> Schedule:
    """Of any kind, decided on a signal of two days and a half."""
    truth = hourly(rng.integers(1, 10, 60).astype(float).tolist())
    kind = rng.choice(["start", "fit", "level", "for ever"])
    deadline_ns = plan.submit_ns + plan.setup_ns + plan.work_ns + int(rng.integers(0, 24 * H))
    if kind == "start":
        start_ns = best_start(truth, plan.work_ns, deadline_ns)
        may_run = only_within(np.array([[start_ns, start_ns + plan.work_ns]]))
    elif kind == "fit":
        may_run = only_within(planned_spans(truth, int(rng.integers(1, 30 * H)), int(rng.integers(0, H))))
    else:
        may_run = while_at_most(truth, float(rng.integers(1, 9)), 0)
    return Schedule(
        signal="carbon",
        truth=truth,
        may_run=may_run,
        deadline_ns=None if kind == "for ever" else deadline_ns,
        hold=bool(rng.random() < 0.5),
        save_ns=int(rng.integers(0, H // 4)),
        restart_ns=int(rng.integers(0, H // 4)),
        forecast_mean=None,
        immediate_mean=None,
    )


seeds = st.integers(0, 2**32)


@settings(max_examples=120)
@given(seeds)
def test_any_world_under_policies_balances(seed: int) -> None:
    world = policed_world(seed)
    outcome, tape = world.run(seed)
    for p in world.pools:
        spans = sum(until - begin for name, _, begin, until in tape.segments if name == p.name)
        assert spans == p.count * world.duration_ns  # every node's time is told once
    active_ns = {plan.name: 0 for plan in world.jobs}
    for _, draws, begin, until in tape.segments:
        for draw in draws:
            if draw.component == "gpu" and draw.state == "active" and draw.owner in active_ns:
                active_ns[draw.owner] += draw.slots * (until - begin)
    for plan, record in zip(world.jobs, outcome.jobs, strict=True):
        # the meters and the job agree to the nanosecond on how long its whole gang worked
        assert active_ns[plan.name] == plan.gpus * (record.done_ns + record.lost_ns + record.slowed_ns)
        assert record.done_ns + record.lost_ns + record.slowed_ns <= record.held_ns <= world.duration_ns
        assert (record.status == "completed") == (record.done_ns == plan.work_ns and record.status != "unfinished")
        log = record.schedule
        if log is not None:
            assert log.restarts <= log.pauses
            assert log.waited_ns + log.paused_ns + log.switching_ns <= world.duration_ns


@settings(max_examples=80)
@given(seeds)
def test_a_limit_holds_in_any_world_but_for_what_cannot_be_shed(seed: int) -> None:
    world = policed_world(seed)
    outcome, tape = world.run(seed)
    if world.limit is None:
        assert outcome.throttling == ()
        return
    for begin, until, drawn_w in most_w(tape):
        most_unmet_w = max(
            (r.most_exceeded_w for r in outcome.throttling if r.start_ns < until and begin < r.end_ns), default=0.0
        )
        for hour in range(begin // H, (until - 1) // H + 1):
            assert drawn_w <= world.limit.at(max(begin, hour * H)) + most_unmet_w + 1e-3
    for one, following in pairwise(outcome.throttling):
        assert one.end_ns <= following.start_ns


@settings(max_examples=30)
@given(seeds)
def test_a_world_under_policies_is_the_same_again(seed: int) -> None:
    world = policed_world(seed)
    (first, one), (again, two) = world.run(seed), world.run(seed)
    assert one.segments == two.segments
    assert first == again


def test_the_drawn_worlds_do_pause_and_throttle() -> None:
    """The laws above hold in worlds without policies too: a good part of what is drawn must be under them."""
    found = {"paused": 0, "throttled": 0, "capped": 0, "failed": 0}
    for seed in range(60):
        outcome, _ = policed_world(seed).run(seed)
        found["paused"] += any(record.schedule is not None and record.schedule.pauses for record in outcome.jobs)
        found["throttled"] += any(record.end_ns - record.start_ns > S for record in outcome.throttling)
        found["capped"] += any(record.slowed_ns for record in outcome.jobs)
        found["failed"] += any(record.interruptions for record in outcome.jobs)
    assert min(found.values()) >= 10
