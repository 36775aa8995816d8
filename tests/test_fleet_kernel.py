"""The compiled fleet against the plain one: every column of what they leave, element by element."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine import world
from sim.engine.clock import Clock
from sim.engine.fleet.fast_rows import run_rows, suits, takes_ns
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.plan import JobsPlan, Keeps, PoolForJobs, RowsRecord
from sim.engine.fleet.power.plan import PowerPlan
from sim.engine.fleet.row import FULL_RATE
from sim.engine.fleet.rows import Rows
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.schedulers.shortest import Shortest
from sim.engine.fleet.scheduling import Placement, Scheduler
from sim.engine.fleet.shape import PoolShape
from sim.engine.machines.cluster import Cluster
from sim.units import HOUR_NS
from sim.workload.allocations import Allocations
from sim.workload.jobs.table import UNKNOWN, JobTable
from tests import job_worlds

GIVE_UP_NS = 1 << 59
CPU_MILLI, MEMORY_MIB = 3000, 700
"""What stands beside a slot, where that counts."""
SEED = st.integers(0, 2**32 - 1)


def schedulers() -> st.SearchStrategy[Scheduler]:
    """All that the kernel knows."""
    placements: st.SearchStrategy[Placement] = st.sampled_from([Anywhere(), Packed()])
    easy = st.builds(Easy, st.sampled_from(["first-come", "shortest"]), placements)
    shortest = st.builds(Shortest, st.sampled_from(["none", "easy", "greedy"]), placements)
    return st.one_of(st.builds(FirstCome, placements), easy, easy, shortest)


def plain(
    pools: list[PoolShape], plans: list[JobsPlan], scheduler: Scheduler, duration_ns: int | None
) -> tuple[tuple[RowsRecord, ...], Allocations, int]:
    """The same by the plain fleet, as a run of rows alone drives it."""
    env = Clock()
    fleet = Fleet(env, pools, scheduler)
    rows = Rows(env, fleet, Cluster(env, [], fleet, {}), plans, frozenset())
    env.run(until=duration_ns if duration_ns is not None else rows.finished)
    return rows.records(), rows.log.allocations(env.now_ns), env.now_ns


def drawn_pools(rng: np.random.Generator, most_nodes: int) -> list[PoolShape]:
    """A pool or several."""
    sizes = rng.integers(1, [most_nodes + 1, 5], (rng.integers(1, 4), 2))
    counted = rng.random() < 0.5
    return [
        PoolShape(f"p{i}", count, slots, *((CPU_MILLI * slots, MEMORY_MIB * slots) if counted else ()))
        for i, (count, slots) in enumerate(sizes.tolist())
    ]


def drawn_plan(
    rng: np.random.Generator, name: str, pools: list[PoolShape], most_jobs: int, most_slots: int
) -> JobsPlan:
    """A workload, its times so short and few that many fall together."""
    n = int(rng.integers(1, most_jobs + 1))
    names = [pool.name for pool in pools]
    on_nodes = rng.random(n) < rng.choice([0.0, 0.3])
    nodes = np.where(on_nodes, rng.integers(1, 4, n), UNKNOWN)
    big = rng.integers(1, most_slots + 1, n)
    slots = np.where(on_nodes, nodes * rng.integers(1, 4, n), np.where(rng.random(n) < 0.3, big, rng.integers(1, 5, n)))
    setup_ns = int(rng.choice([0, 3]))
    limit_ns = np.where(rng.random(n) < 0.2, UNKNOWN, rng.integers(0, 60, n))
    if setup_ns:
        limit_ns[limit_ns == setup_ns] += 1
    run_ns = rng.integers(1 if setup_ns else 0, 50, n)
    table = JobTable(
        np.sort(rng.integers(0, 2 * n + 2, n)),
        run_ns,
        slots,
        nodes=nodes,
        limit_ns=limit_ns,
        cpu_milli=rng.integers(-1, CPU_MILLI * slots + 1),
        memory_mib=rng.integers(-1, MEMORY_MIB * slots + 1),
    )
    choices = tuple(tuple(rng.permutation(names)[: rng.integers(1, len(names) + 1)].tolist()) for _ in range(2))
    return JobsPlan(
        name,
        table,
        slots,
        choices,
        rng.integers(0, 2, n),
        {pool: PoolForJobs(float(rng.choice([1.0, 0.7, 1.3])), 50.0, 20.0, None, 12_000) for pool in names},
        {pool: rng.random(n) for pool in names},
        rng.random(n),
        Keeps(saves=True),
        kills=bool(rng.random() < 0.7),
        setup_ns=setup_ns,
    )


def assert_same(ours: Any, theirs: Any) -> None:
    """Two records of columns, column by column."""
    for one in fields(theirs):
        assert np.array_equal(getattr(ours, one.name), getattr(theirs, one.name)), one.name


def assert_twins(pools: list[PoolShape], plans: list[JobsPlan], scheduler: Scheduler, duration_ns: int | None) -> None:
    """Both fleets leave the same."""
    assert suits(pools, plans, scheduler)
    records, log, end_ns = plain(pools, plans, scheduler, duration_ns)
    run = run_rows(pools, plans, scheduler, duration_ns=duration_ns, give_up_ns=GIVE_UP_NS)
    assert run.end_ns == end_ns
    for ours, theirs in zip(run.records, records, strict=True):
        assert_same(ours, theirs)
    assert_same(run.allocations, log)


@given(SEED, schedulers(), st.one_of(st.none(), st.integers(5, 100)))
@settings(max_examples=300)
def test_the_kernel_leaves_what_the_plain_fleet_leaves(
    seed: int, scheduler: Scheduler, duration_ns: int | None
) -> None:
    rng = np.random.default_rng(seed)
    pools = drawn_pools(rng, most_nodes=5)
    plans = [drawn_plan(rng, f"w{i}", pools, most_jobs=60, most_slots=14) for i in range(rng.integers(1, 3))]
    assert_twins(pools, plans, scheduler, duration_ns)


@given(SEED, schedulers())
@settings(max_examples=12, deadline=None)
def test_so_it_does_where_many_run_and_many_wait(seed: int, scheduler: Scheduler) -> None:
    """More than a block of dues and a word of nodes."""
    rng = np.random.default_rng(seed)
    pools = drawn_pools(rng, most_nodes=200)
    assert_twins(pools, [drawn_plan(rng, "w", pools, most_jobs=600, most_slots=300)], scheduler, None)


@given(st.integers(0, 1 << 52), st.integers(1, 1 << 42))
def test_time_at_a_rate_is_exact_beyond_64_bits(work_ns: int, rate: int) -> None:
    taken = takes_ns(np.array([work_ns]), np.array([rate]))
    wanted = -(-work_ns * FULL_RATE // rate)
    assert wanted >= 1 << 62 or taken.tolist() == [wanted]


def test_it_leaves_to_the_plain_fleet_what_it_does_not_know() -> None:
    def plan(**columns: Any) -> JobsPlan:
        table = JobTable(np.array([0]), np.array([HOUR_NS]), np.array([1]), **columns)
        there = PoolForJobs(1.0, 50.0, 20.0, None, None)
        watts = {"p": np.array([300.0])}
        return JobsPlan(
            "w", table, table.gpus, (("p",),), np.array([0]), {"p": there}, watts, np.array([0.1]), Keeps(saves=True)
        )

    class Other(FirstCome):
        """One of its own."""

    bare, counting = PoolShape("p", 2, 4), PoolShape("p", 2, 4, cpu_milli=4000)
    assert suits([bare], [plan()], FirstCome())
    assert suits([counting], [plan()], FirstCome())
    assert suits([counting], [plan(cpu_milli=np.array([1000]))], FirstCome())
    assert suits([bare], [plan(cpu_milli=np.array([1001]))], FirstCome())
    assert not suits([counting], [plan(cpu_milli=np.array([1001]))], FirstCome())
    assert not suits([PoolShape("p", 2, 4, shared=True)], [plan()], FirstCome())
    assert not suits([bare], [plan(gpu_milli=np.array([500]))], FirstCome())
    assert not suits([bare], [plan()], Other())
    assert not suits([PoolShape("p", 2, 4, powered=False)], [plan()], FirstCome())


@pytest.mark.parametrize("count", [1, 64, 65, 4097])
def test_every_node_of_a_pool_is_given_away_once(count: int) -> None:
    """Sets of bits at the edges of their words."""
    n = count + 1
    table = JobTable(np.zeros(n, np.int64), np.full(n, HOUR_NS), np.full(n, 2))
    there = PoolForJobs(1.0, 50.0, 20.0, None, None)
    plan = JobsPlan(
        "w", table, table.gpus, (("p",),), np.zeros(n, np.int64), {"p": there}, {"p": np.full(n, 300.0)}, np.zeros(n),
        Keeps(saves=True),
    )  # fmt: skip
    pools = [PoolShape("p", count, 2)]
    log = run_rows(pools, [plan], FirstCome(Packed()), duration_ns=None, give_up_ns=GIVE_UP_NS).allocations
    assert log.node.tolist() == [*range(count), 0]
    assert log.start_ns.tolist() == [0] * count + [HOUR_NS]


def test_only_runs_of_jobs_that_nothing_acts_back_on_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever else there is in a run, limits of power among it, must see each start and end."""
    taken: list[bool] = []

    def compiled(*_: object) -> None:
        taken.append(True)

    monkeypatch.setattr(world, "_compiled", compiled)
    monkeypatch.setattr(world, "FEWEST_COMPILED", 1)
    jobs = job_worlds.plan(job_worlds.table([0], [HOUR_NS], [1]))
    job_worlds.run([job_worlds.pool()], [jobs])
    assert taken.pop()
    nothing = PowerPlan((), frozenset(), {"a": 400.0}, {})
    job_worlds.run([job_worlds.pool(logged=False)], [jobs])
    job_worlds.run([job_worlds.pool()], [jobs], power=nothing)
    assert not taken
