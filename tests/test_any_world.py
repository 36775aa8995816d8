"""Whatever the machines, the work and the bad luck: time and energy balance, and nothing is lost or served twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from dataclasses import replace

import numpy as np
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.clock import Clock
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.shape import PoolShape
from sim.engine.machines.cluster import Cluster
from sim.engine.machines.nodes import Nodes
from sim.engine.metering.draws import Share, node_draws
from sim.engine.plans import Policies, Workloads
from sim.engine.queueing.service import ServicePlan
from sim.engine.training.job import TrainingJob
from sim.engine.training.plan import TrainingPlan
from sim.engine.world import Outcome, Pool, simulate
from sim.rng import Streams
from sim.workload.provisioning import StartUp
from tests.test_service import service
from tests.worlds import H, S, Tape, hardware, job, pool, run

durations = st.integers(0, 2 * H)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Pool], list[TrainingPlan], list[ServicePlan], int]:
    """One or two pools, up to three jobs and two services that would each fit alone, for up to a day."""
    pools = [
        pool(
            draw(st.integers(1, 3)),
            name=f"p{i}",
            hardware=replace(hardware(boot_s=draw(st.integers(1, 900))), name=f"node{i}"),
            powered=draw(st.booleans()),
            idle_timeout_ns=draw(st.none() | st.integers(1, 2 * H)),
            mtbf_ns=draw(st.none() | st.integers(H, 50 * H)),
            repair_ns=draw(durations),
        )
        for i in range(draw(st.integers(1, 2)))
    ]
    jobs = []
    for i in range(draw(st.integers(0, 3))):
        home = draw(st.sampled_from(pools))
        jobs.append(
            job(
                name=f"job{i}",
                pool=home.name,
                gpus=draw(st.integers(1, 4 * home.count)),
                work_ns=draw(st.integers(1, 8 * H)),
                submit_ns=draw(durations),
                setup_ns=draw(durations),
                checkpoint_every_ns=draw(st.none() | st.integers(H // 4, 4 * H)),
                checkpoint_ns=draw(st.integers(0, H // 10)),
                time_limit_ns=draw(st.none() | st.integers(1, 6 * H)),
                on_failure=draw(st.sampled_from(["restart", "abort"])),
            )
        )
    services = []
    for i in range(draw(st.integers(0, 2))):
        home = draw(st.sampled_from(pools))
        arrivals = draw(st.lists(st.integers(0, 12 * H), max_size=40))
        services.append(
            service(
                np.sort(np.array(arrivals, dtype=np.int64)),
                name=f"api{i}",
                pool=home.name,
                replicas=draw(st.integers(1, 3)),
                gpus_per_replica=draw(st.integers(1, 4)),
                first_ns=draw(st.integers(1, H)),
                further_ns=draw(st.integers(0, H // 10)),
                max_batch=draw(st.integers(1, 4)),
                max_wait_ns=draw(st.integers(0, H // 2)),
                queue_limit=draw(st.none() | st.integers(0, 5)),
                start_up=StartUp(draw(st.integers(0, H)), draw(st.integers(0, H))),
            )
        )
    return pools, jobs, services, draw(st.integers(1, 24 * H))


@settings(max_examples=150)
@given(worlds(), st.integers(0, 1000))
def test_any_world_balances(world: tuple[list[Pool], list[TrainingPlan], list[ServicePlan], int], seed: int) -> None:
    pools, jobs, services, duration_ns = world
    outcome, ledger = run(pools, jobs, services, duration_ns=duration_ns, seed=seed)
    assert outcome.end_ns == ledger.end_ns == duration_ns
    for p in pools:
        for component in ("gpu", "cpu", "dram", "board", "psu_loss"):
            mine = ledger.where(lambda k, p=p, c=component: k.pool == p.name and k.component == c)  # type: ignore[misc]
            assert int(mine.slot_ns.sum()) == 4 * p.count * duration_ns
    assert (ledger.energy_j >= 0).all()
    _never_above_full_power(pools, ledger.total_j(), duration_ns)
    p_never_fails = {p.name: p.failures is None for p in pools}
    for plan, record in zip(jobs, outcome.jobs, strict=True):
        held = ledger.where(lambda k, n=plan.name: k.owner == n and k.component == "gpu")  # type: ignore[misc]
        active = held.where(lambda k: k.state == "active")
        # the meters and the job agree to the nanosecond on how long its whole gang worked
        assert int(active.slot_ns.sum()) == plan.gpus * (record.done_ns + record.lost_ns)
        assert record.done_ns <= plan.work_ns
        if p_never_fails[plan.pool]:
            assert int(held.slot_ns.sum()) == plan.gpus * record.held_ns
        assert (record.status == "completed") == (record.done_ns == plan.work_ns and record.status != "unfinished")
        assert record.done_ns + record.lost_ns <= record.held_ns <= duration_ns
    for served, log in zip(services, outcome.services, strict=True):
        came = [t for t in served.arrivals_ns.tolist() if t < duration_ns]
        assert Counter([*log.arrival_ns, *log.rejected_ns, *log.open_ns]) == Counter(came)
        active = ledger.where(lambda k, n=served.name: (k.owner, k.component, k.state) == (n, "gpu", "active"))  # type: ignore[misc]
        assert int(active.slot_ns.sum()) >= served.gpus_per_replica * log.busy_ns


def _never_above_full_power(pools: list[Pool], joules: float, duration_ns: int) -> None:
    most_w = 0.0
    for p in pools:
        full = (Share("x", 4, "active", 350.0, 1.0),)
        most_w += p.count * max(
            sum(d.watts for d in node_draws(p.hardware, state, full if state == "on" else ()))
            for state in ("on", "booting")
        )
    assert joules <= most_w * duration_ns / 1e9 * (1 + 1e-9)


@settings(max_examples=40)
@given(worlds(), st.integers(0, 1000))
def test_a_world_is_the_same_world_again(
    world: tuple[list[Pool], list[TrainingPlan], list[ServicePlan], int], seed: int
) -> None:
    pools, jobs, services, duration_ns = world

    def once() -> tuple[Outcome, Tape]:
        tape = Tape()
        work = Workloads(training=jobs, services=services)
        how = {"streams": Streams(seed), "recorder": tape}
        return simulate(pools, work, Policies(), duration_ns=duration_ns, **how), tape  # type: ignore[arg-type]  # fields by name, of several types

    (first, one), (again, two) = once(), once()
    assert one.segments == two.segments
    assert (first.jobs, first.end_ns, first.events) == (again.jobs, again.end_ns, again.events)


def test_two_nodes_lost_at_the_same_instant_lose_the_work_once() -> None:
    """Both interrupts reach the job; half an hour of work is lost, not a whole one, and the job still ends."""
    clock = Clock()
    nodes = Nodes(clock, Tape(), "pool", 2, hardware(), True)
    cluster = Cluster(clock, [nodes], Fleet(clock, [PoolShape("pool", 2, nodes.slots)], FirstCome()), {})
    work = TrainingJob(clock, cluster, job(gpus=8, work_ns=H))

    def disaster() -> Generator[simpy.Event, object, None]:
        yield clock.wait(H // 2)
        for node in nodes:
            node.fail()
        yield clock.wait(600 * S)
        for node in nodes:
            cluster.repair(node)

    clock.process(disaster())
    clock.run(until=work.process)
    record = work.record()
    assert (record.status, record.done_ns, record.lost_ns) == ("completed", H, H // 2)
    assert record.ended_ns == H // 2 + (600 + 100) * S + H
    assert record.held_ns == H // 2 + H
