"""Limits of power under attack: nodes, racks, rows, feeds and sites, whole, cut and shared GPUs, jobs, trainings and
services, limits that change, calls with notice and ramps. By a meter that knows nothing of the limits, none is exceeded
for longer than its answer takes; and what an answer is forecast to leave is what the meter reads then."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.engine.fleet.plan import JobsPlan, Keeps, PoolForJobs
from sim.engine.fleet.power.domain import Domain
from sim.engine.fleet.power.ladder import Answer
from sim.engine.fleet.power.plan import Call, DomainPlan, PowerPlan
from sim.engine.fleet.power.ramp import Ramp
from sim.engine.machines.gang import Gang
from sim.engine.metering.draws import NodeHardware, Share, node_draws
from sim.engine.plans import Policies, Workloads
from sim.engine.training.plan import TrainingPlan
from sim.engine.training.run import TrainingRun
from sim.engine.world import Outcome, Pool, simulate
from sim.profiles.shared_gpu.interference import AtOnce, Exclusive, TimeSlices
from sim.profiles.shared_gpu.tenants import SharedGPU
from sim.rng import Streams
from sim.signals import Signal
from sim.units import NS_PER_S
from sim.workload.jobs.table import JobTable
from sim.workload.provisioning import StartUp
from tests.power_worlds import BOARD_W, HARDWARE, IDLE_W, LOADED_W, Meter, half_as_fast_at_half_the_power, service
from tests.worlds import job

S = NS_PER_S
END_S = 1500
CUT = replace(HARDWARE, gpu_idle_w=IDLE_W / 4, gpu_slots=4, gpu_awake_w=LOADED_W / 4)
KINDS: dict[str, NodeHardware] = {"whole": HARDWARE, "cut": CUT, "shared": HARDWARE}
PART = {"whole": 1.0, "cut": 0.25, "shared": 1.0}
SHARINGS = [Exclusive(), AtOnce(0.1, 8, 0.5), TimeSlices(2_000_000, 100_000, 4)]
FLOOR = 0.4


def under_cap(part: float) -> Any:
    """The law of caps of ``tests.power_worlds``, for a slot that is so much of a GPU."""

    def law(active_w: float, cap_w: float) -> tuple[float, float]:
        rate, watts = half_as_fast_at_half_the_power(active_w / part, min(active_w, cap_w) / part)
        return rate, watts * part

    return law


jobs = st.lists(
    st.fixed_dictionaries(
        {
            "at": st.integers(0, 600),
            "run": st.integers(1, 500),
            "gpus": st.sampled_from([1, 2, 8, 12]),
            "milli": st.sampled_from([250, 500, 600]),
            "watts": st.floats(150.0, BOARD_W),
            "priority": st.integers(0, 2),
            "serves": st.integers(0, 1),
        }
    ),
    max_size=12,
)


def rows(some: Sequence[Mapping[str, float]], pool: str, name: str) -> JobsPlan:
    """Rows of one pool; where GPUs are shared, for parts of one."""
    some = sorted(some, key=lambda one: one["at"])
    shared, part, n = pool == "shared", PART[pool], len(some)

    def column(of: str) -> Any:
        return np.array([int(one[of]) for one in some], np.int64)

    table = JobTable(
        submit_ns=column("at") * S,
        run_ns=column("run") * S,
        gpus=column("gpus") * (not shared),
        gpu_milli=column("milli") * shared,
        priority=column("priority"),
        kind=column("serves"),
        names={"kind": ["train", "serve"]},
    )
    here = PoolForJobs(1.0, LOADED_W * part, IDLE_W * part, under_cap(part), None)
    watts = np.array([one["watts"] * part for one in some])
    keeps = Keeps(False)
    return JobsPlan(
        name, table, table.gpus, ((pool,),), np.zeros(n, np.int64), {pool: here}, {pool: watts}, np.full(n, 0.1), keeps
    )


@dataclass(frozen=True)
class World:
    """What runs where, and under which domains."""

    nodes: int
    sharing: Any
    rows: tuple[JobsPlan, ...]
    trainings: tuple[TrainingPlan, ...]
    services: tuple[Any, ...]
    domains: tuple[DomainPlan, ...]


def rest_w(world_pools: Sequence[str], nodes: int, trainings: int) -> float:
    """The most that nodes draw once all that may go has gone: at rest, with trainings as low as they are capped."""
    there = (Share("t", trainings, "active", FLOOR * BOARD_W, 0.1),) if trainings else ()
    awake = sum(draw.watts for draw in node_draws(HARDWARE, "on", there))
    still = {pool: sum(draw.watts for draw in node_draws(KINDS[pool], "on", ())) for pool in world_pools}
    return nodes * sum(still.values()) + (awake - still["whole"] if "whole" in still else 0.0)


@st.composite
def worlds(draw: st.DrawFn, *, calls: bool = True, ramps: bool = True) -> World:
    nodes = draw(st.integers(1, 2))
    gpus = draw(st.sampled_from([0, 0, 2, 4]))
    trainings = tuple(
        job(
            name=f"t{i}",
            pool="whole",
            gpus=1,
            work_ns=draw(st.integers(50, 900)) * S,
            submit_ns=draw(st.integers(0, 300)) * S,
            active_w=650.0,
            loaded_w=LOADED_W,
            waiting_w=LOADED_W,
            cpu_load=0.1,
            under_cap=lambda cap_w: under_cap(1.0)(650.0, cap_w),
        )
        for i in range(gpus)
    )
    services = tuple(
        service(
            draw(st.lists(st.integers(0, 900).map(float), min_size=1, max_size=20)),
            name=f"api{i}",
            pool="whole",
            gpus_per_replica=draw(st.sampled_from([1, 4])),
            replicas=draw(st.integers(1, 2)),
            start_up=StartUp(5 * S, 5 * S),
        )
        for i in range(draw(st.integers(0, 1)))
    )
    tables = tuple(rows(some, pool, pool) for pool in KINDS if (some := draw(jobs)))
    domains = []
    for level, pools, first, last in draw(
        st.lists(
            st.sampled_from(
                [
                    ("node", ("whole",), 0, 1),
                    ("rack", ("shared",), 0, nodes),
                    ("row", ("whole", "cut"), 0, nodes),
                    ("feed", ("cut", "shared"), 0, nodes),
                    ("site", tuple(KINDS), 0, nodes),
                ]
            ),
            min_size=1,
            max_size=3,
            unique_by=lambda one: one[0],
        )
    ):
        count = last - first
        low_w = 1.02 * rest_w(pools, count, min(gpus, 8)) / 0.97
        limits = [low_w * draw(st.floats(1.0, 3.0)) for _ in range(draw(st.integers(1, 3)))]
        edges = [-(10**18), *sorted(draw(st.sets(st.integers(1, 1200), min_size=2, max_size=2))), 10**10]
        edges_ns = np.array([edges[0], *(one * S for one in edges[1 : len(limits)]), 10**18], np.int64)
        called: tuple[Call, ...] = ()
        if calls and draw(st.booleans()):
            start = draw(st.integers(50, 900)) * S
            called = (Call(start, start + 300 * S, low_w * draw(st.floats(1.0, 2.0)), draw(st.integers(0, 60)) * S),)
        ramp = Ramp(draw(st.floats(50.0, 500.0)), 10 * S) if ramps and draw(st.booleans()) else None
        kept = draw(st.booleans())
        domains.append(
            DomainPlan(
                name=level,
                level=level,  # type: ignore[arg-type]  # drawn among its words
                nodes=tuple((pool, first, last) for pool in pools),
                limit=Signal(edges_ns, np.array(limits), "W"),
                answers=(
                    Answer("cap", "training", FLOOR),
                    *((Answer("cap", "serving", FLOOR), Answer("pause", "all")) if kept else ()),
                    Answer("shed", "all"),
                ),
                answer_ns=draw(st.sampled_from([0, 7, 30])) * S,
                target=0.97,
                release=0.9,
                release_ns=draw(st.sampled_from([0, 40])) * S,
                calls=called,
                ramp=ramp,
            )
        )
    domains.sort(key=lambda one: sum(b - a for _, a, b in one.nodes))
    return World(nodes, draw(st.sampled_from(SHARINGS)), tables, trainings, services, tuple(domains))


def played(world: World) -> tuple[Outcome, Meter]:
    """What became of it, and what a meter saw."""
    meter = Meter()
    shared = SharedGPU(world.sharing, IDLE_W, LOADED_W, BOARD_W)
    pools = [
        Pool(
            name,
            hardware,
            world.nodes,
            powered=True,
            idle_timeout_ns=None,
            shared=name == "shared",
            sharing=shared if name == "shared" else None,
        )
        for name, hardware in KINDS.items()
    ]
    boards_w = {name: BOARD_W * part for name, part in PART.items()}
    outcome = simulate(
        pools,
        Workloads(training=world.trainings, services=world.services, rows=world.rows),
        Policies(power=PowerPlan(world.domains, frozenset({"serve"}), boards_w, {})),
        duration_ns=END_S * S,
        streams=Streams(1),
        recorder=meter,
    )
    return outcome, meter


def limit_at(domain: DomainPlan, at_ns: int) -> float:
    """What it may draw, by what is written."""
    assert domain.limit is not None
    called = [call.limit_w for call in domain.calls if call.start_ns <= at_ns < call.end_ns]
    return min([domain.limit.at(at_ns), *called])


def longest_over_s(domain: DomainPlan, meter: Meter) -> float:
    """The longest time at a stretch above its limit, s, of a domain of all nodes of some pools."""
    edges, watts = meter.steps(*(pool for pool, _, _ in domain.nodes))
    assert domain.limit is not None
    own = [*domain.limit.edges_ns[1:-1].tolist(), *(e for call in domain.calls for e in (call.start_ns, call.end_ns))]
    all_edges = np.unique([*edges.tolist(), *(edge for edge in own if edge < edges[-1])])
    longest, since = 0, None
    for start, end in zip(all_edges[:-1].tolist(), all_edges[1:].tolist(), strict=True):
        drawn_w = watts[np.searchsorted(edges, start, side="right") - 1]
        since = (since if since is not None else start) if drawn_w > limit_at(domain, start) * (1 + 1e-7) else None
        longest = max(longest, end - since if since is not None else 0)
    return longest / S


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_no_limit_is_exceeded_for_longer_than_its_answer_takes(world: World) -> None:
    outcome, meter = played(world)
    assert outcome.power is not None
    for domain, record in zip(world.domains, outcome.power.domains, strict=True):
        assert record.name == domain.name
        told_s = max((episode.longest_over_ns for episode in record.episodes), default=0) / S
        assert told_s <= domain.answer_ns / S
        if all(last - first == world.nodes for _, first, last in domain.nodes):
            assert longest_over_s(domain, meter) == pytest.approx(told_s, abs=1e-6)


@contextmanager
def comings() -> Iterator[set[int]]:
    """The instants in which a training begins on a gang."""
    found: set[int] = set()
    before = TrainingRun._attempt

    def attempt(self: TrainingRun, gang: Gang) -> Generator[simpy.Event, object, bool]:
        found.add(self._env.now_ns)
        return before(self, gang)

    with patch.object(TrainingRun, "_attempt", attempt):
        yield found


@contextmanager
def forecasts() -> Iterator[list[tuple[str, int, float]]]:
    """What each answer is supposed to leave: domain, instant, W."""
    found: list[tuple[str, int, float]] = []
    before = Domain._ask

    def ask(self: Domain, loads: Any, supposed: Any, setting: Any, ahead_ns: int) -> None:
        if not ahead_ns:
            found.append((self.plan.name, self.answered_ns, supposed.draws(setting)))
        before(self, loads, supposed, setting, ahead_ns)

    with patch.object(Domain, "_ask", ask):
        yield found


@settings(max_examples=60, deadline=None)
@given(worlds(calls=False, ramps=False))
def test_an_answer_leaves_what_it_was_supposed_to_at_once(world: World) -> None:
    """Once in an instant, whoever shares a GPU with whom: one domain, and instants in which nobody comes or goes
    otherwise."""
    apart_ns = 7 * S + 300_000_001  # from whoever comes and goes, in whole seconds
    # A replica that goes asks for other machines at once: services are left out.
    alone = replace(
        world, services=(), domains=(replace(world.domains[-1], answer_ns=apart_ns, release_ns=2 * apart_ns),)
    )
    with forecasts() as found, comings() as moves:
        outcome, _ = played(alone)
    assert outcome.power is not None
    (record,) = outcome.power.domains
    if outcome.allocations is not None:
        moves |= {*outcome.allocations.start_ns.tolist(), *outcome.allocations.end_ns.tolist()}
    asked = [at_ns for _, at_ns, _ in found if at_ns not in moves]
    assert len(set(asked)) == len(asked), "asked once in an instant"
    for _, at_ns, watts in found:
        if at_ns in moves:
            continue
        drawn = float(record.watts[np.searchsorted(record.at_ns, at_ns, side="right") - 1])
        assert drawn == pytest.approx(watts, rel=1e-9)
