"""One run: the clock, the machines, the work, and when it is over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.scheduling import Scheduler
from sim.engine.fleet.shape import PoolShape
from sim.engine.kernels.loading import FLEET, is_at_hand
from sim.engine.machines.cluster import Cluster, Spares
from sim.engine.machines.nodes import Nodes
from sim.engine.metering.draws import NodeHardware
from sim.engine.metering.meter import Looks, Recorder
from sim.engine.metering.tally import Tally
from sim.engine.plans import Policies, Workloads
from sim.engine.under_way import UnderWay, begin
from sim.errors import RunError
from sim.later import later
from sim.rng import Streams
from sim.units import DAY_NS
from sim.workload.allocations import Allocations
from sim.workload.serving_records import ServingLog

with later():
    from sim.engine.control import Throttle, follow_caps
    from sim.engine.fleet.power.control import PowerControl
    from sim.engine.fleet.rows import RowsOfPool
    from sim.engine.training.progress import Spending, SpendingRecorder


if TYPE_CHECKING:
    from sim.engine.fleet.plan import JobsPlan, RowsRecord
    from sim.engine.machines.failures import FailurePlan
    from sim.engine.metering.unit_effects import UnitEffect
    from sim.profiles.shared_gpu.tenants import SharedGPU
    from sim.workload.power_records import PowerLog
    from sim.workload.records import CampaignRecord, FederatedRecord, JobRecord, ServiceLog, ThrottleRecord
    from sim.workload.relays import RelayLog
    from sim.workload.split_records import SplitRecord


GIVE_UP_NS = 100 * 365 * DAY_NS
"""Simulated time after which work that never ends is reported instead of simulated."""
NEVER_DONE = "the work was not done within 100 simulated years; give the scenario a 'duration'"
NO_TIME = "the run is over as soon as it begins: its work takes no time; give the scenario a 'duration'"
FEWEST_COMPILED = 20_000
"""Slots that all rows of jobs ask for together, from which on the compiled fleet takes them: fewer are given before it
is loaded. Both leave the same."""


@dataclass(frozen=True)
class Pool:
    """``count`` nodes of one kind. ``idle_timeout_ns`` None keeps them powered; without ``failures`` none ever breaks.

    ``unit_spread`` is the standard deviation of power between units of its GPUs, as a share; 0 where it is not known.
    A ``unit_effect`` says more of its units, and comes before it.
    ``cpu_milli`` thousandths of cores and ``memory_mib`` of a node count where they are not None; ``shared``: parts of
    a GPU may be given away, shared by ``sharing``; ``racks`` is the rack of each node, and ``island_slots`` of a node
    are joined more closely than its others (0: all alike). A ``logged`` pool is held by rows of tables of jobs alone
    and its nodes are steady: they have no meters, but the log of who held them tells what they drew.
    """

    name: str
    hardware: NodeHardware
    count: int
    powered: bool
    idle_timeout_ns: int | None
    failures: FailurePlan | None = None
    spares: Spares | None = None
    unit_spread: float = 0.0
    cpu_milli: int | None = None
    memory_mib: int | None = None
    shared: bool = False
    racks: tuple[int, ...] = ()
    logged: bool = False
    keep_warm: int = 0
    sharing: SharedGPU | None = None
    unit_effect: UnitEffect | None = None
    island_slots: int = 0

    @property
    def shape(self) -> PoolShape:
        """What it can hold."""
        return PoolShape(
            self.name,
            self.count,
            self.hardware.slots,
            self.cpu_milli,
            self.memory_mib,
            self.shared,
            self.racks,
            self.powered,
            self.sharing,
            self.island_slots,
        )

    @property
    def has_units(self) -> bool:
        """Whether its nodes draw otherwise, each in its own way."""
        return self.unit_effect is not None or self.unit_spread > 0.0

    @property
    def steady(self) -> bool:
        """Whether its nodes are on from the start to the end: nothing happens to them but work."""
        return (
            self.powered
            and self.idle_timeout_ns is None
            and self.failures is None
            and self.spares is None
            and not (self.unit_spread and self.unit_effect is None)
        )

    @property
    def cold(self) -> int:
        """How many are off at the start: cold spares, which are the last."""
        return self.spares.count if self.spares is not None and self.spares.state == "cold" else 0


@dataclass(frozen=True)
class Outcome:
    """What a run leaves beside its ledger."""

    end_ns: int
    jobs: tuple[JobRecord, ...]
    services: tuple[ServiceLog, ...]
    serving: tuple[ServingLog, ...]
    events: int
    throttling: tuple[ThrottleRecord, ...] = ()
    campaigns: tuple[CampaignRecord, ...] = ()
    federated: tuple[FederatedRecord, ...] = ()
    split: tuple[SplitRecord, ...] = ()
    rows: tuple[RowsRecord, ...] = ()
    allocations: Allocations | None = None
    power: PowerLog | None = None
    relays: tuple[RelayLog, ...] = ()


def simulate(
    pools: Sequence[Pool],
    work: Workloads,
    policies: Policies,
    *,
    duration_ns: int | None,
    streams: Streams,
    recorder: Recorder,
    looks: Looks | None = None,
    begun: Callable[[Callable[[], int]], None] | None = None,
) -> Outcome:
    """Runs to ``duration_ns``, or until all work is done where that is None, booking every joule to ``recorder``.

    ``looks`` are the instants at which serving pools are asked what they drew. ``begun`` is told once how to ask for
    the simulated time, ns, which another thread may do while this runs.

    Raises ``RunError`` where the work cannot end.
    """
    limited = {pool for limit in policies.limits for pool in limit.pools}
    if any(group.pool in limited for plan, _ in work.serving for group in plan.groups):
        raise RunError("a site with a power limit cannot throttle serving workloads; give them a power_cap instead")
    scheduler = policies.scheduler if policies.scheduler is not None else FirstCome()
    steered = policies.power is not None or policies.caps or policies.limits
    asked = sum(int(plan.slots.sum()) for plan in work.rows)
    if asked >= FEWEST_COMPILED and work.rows_alone and not steered and all(pool.logged for pool in pools):
        outcome = _compiled([pool.shape for pool in pools], work.rows, scheduler, duration_ns)
        if outcome is not None:
            return outcome
    env = Clock()
    if begun is not None:
        begun(lambda: env.now_ns)
    tally = Tally(recorder)
    recorder = tally if work.campaigns else recorder
    spendings = {plan.name: Spending(env) for plan in work.training if plan.recovery is not None}
    if spendings:
        recorder = SpendingRecorder(recorder, spendings)
    of_pool = {pool.name: _nodes(env, pool, recorder, streams) for pool in pools if not pool.logged}
    fleet = Fleet(env, [pool.shape for pool in pools], scheduler, policies.signals)
    cluster = _cluster(env, pools, of_pool, fleet, streams)
    under_way = begin(
        env,
        fleet,
        cluster,
        work,
        metered=frozenset(of_pool),
        spendings=spendings,
        tally=tally,
        recorder=recorder,
        looks=looks,
    )
    throttles, shared = _steer(env, policies, under_way, cluster, of_pool)
    if duration_ns is not None:
        env.run(until=duration_ns)
    else:
        _run_until_done(env, under_way.ends)
    if not env.now_ns:
        for service in under_way.serving:
            if service.log().counts["too_long"]:
                raise RunError(f"no request of '{service.name}' fits the KV cache of a replica: nothing can be served")
        raise RunError(NO_TIME)
    for service in under_way.serving:
        service.take_all()
    for own in of_pool.values():
        own.settle()
    outcome = _outcome(env, under_way, throttles, shared)
    for service in under_way.serving:
        service.dismiss()
    return outcome


def _nodes(env: Clock, pool: Pool, recorder: Recorder, streams: Streams) -> Nodes:
    """The machines of a pool, with their meters."""
    hardware = [units_of(pool, i, streams) for i in range(pool.count)] if pool.has_units else pool.hardware
    return Nodes(env, recorder, pool.name, pool.count, hardware, pool.powered, pool.cold)


def _cluster(
    env: Clock, pools: Sequence[Pool], of_pool: Mapping[str, Nodes], fleet: Fleet, streams: Streams
) -> Cluster:
    """All machines, of which some fail."""
    timeouts = {pool.name: pool.idle_timeout_ns for pool in pools if pool.idle_timeout_ns is not None}
    spares = {pool.name: pool.spares for pool in pools if pool.spares is not None}
    warm = {pool.name: pool.keep_warm for pool in pools}
    cluster = Cluster(env, tuple(of_pool.values()), fleet, timeouts, spares, warm)
    for pool in pools:
        if pool.failures is not None:
            pool.failures.begin(env, cluster, pool.name, of_pool[pool.name], streams)
    return cluster


def _steer(
    env: Clock, policies: Policies, under_way: UnderWay, cluster: Cluster, of_pool: Mapping[str, Nodes]
) -> tuple[list[Throttle], PowerControl | None]:
    """What changes how much may be drawn: caps, limits of sites, and power that is shared."""
    rows, power = under_way.rows, policies.power
    by_name = under_way.capped
    for cap in policies.caps:
        if rows is not None and cap.pool:
            env.process(follow_caps(env, cap, RowsOfPool(rows, cap.target, cap.pool)))
        else:
            env.process(follow_caps(env, cap, by_name[cap.target]))
    nodes = [node for own in of_pool.values() for node in own] if policies.limits or power is not None else []
    cappable = [job for job in under_way.training if job.cappable]
    throttles = [Throttle(env, limit, nodes, cappable) for limit in policies.limits]
    for campaign in under_way.campaigns:
        campaign.throttles = throttles
    shared = PowerControl(env, power, cluster, nodes, under_way.sharing_power) if power is not None else None
    return throttles, shared


def _outcome(env: Clock, under_way: UnderWay, throttles: Sequence[Throttle], shared: PowerControl | None) -> Outcome:
    """What is known at the end."""
    rows = under_way.rows
    return Outcome(
        end_ns=env.now_ns,
        jobs=tuple(one.record() for one in (*under_way.training, *under_way.others)),
        services=tuple(one.log() for one in under_way.services),
        serving=tuple(one.log() for one in under_way.serving),
        # SimPy numbers its events and offers no other count of them
        events=next(env._eid) + sum(one.skipped_events for one in under_way.serving),
        throttling=tuple(record for throttle in throttles for record in throttle.records()),
        campaigns=tuple(one.record() for one in under_way.campaigns),
        federated=tuple(one.record() for one in under_way.federated),
        split=tuple(one.record() for one in under_way.split),
        rows=rows.records() if rows is not None else (),
        power=shared.log() if shared is not None else None,
        allocations=rows.log.allocations(env.now_ns) if rows is not None else None,
        relays=tuple(one.log() for one in under_way.relays),
    )


def _compiled(
    pools: Sequence[PoolShape], rows: Sequence[JobsPlan], scheduler: Scheduler, duration_ns: int | None
) -> Outcome | None:
    """The same by the compiled fleet; None where it does not know how."""
    if not is_at_hand(FLEET):
        return None
    from sim.engine.fleet.fast_rows import run_rows, suits  # which loads the kernel, or Numba

    if not suits(pools, rows, scheduler):
        return None
    run = run_rows(pools, rows, scheduler, duration_ns=duration_ns, give_up_ns=GIVE_UP_NS)
    if duration_ns is None and not run.finished:
        raise RunError(NEVER_DONE)
    if not run.end_ns:
        raise RunError(NO_TIME)
    return Outcome(run.end_ns, (), (), (), run.events, rows=run.records, allocations=run.allocations)


def units_of(pool: Pool, i: int, streams: Streams) -> NodeHardware:
    """The hardware of node ``i`` of a pool, its units drawn from their fleet: lognormal factors of mean 1, together."""
    if pool.unit_effect is not None:
        return pool.unit_effect.on(pool.hardware, streams(f"unit-effect/{pool.name}/{i}"), i)
    if not pool.unit_spread or pool.hardware.gpu is None:
        return pool.hardware
    drawn = streams(f"units/{pool.name}/{i}").normal(0.0, pool.unit_spread, pool.hardware.slots)
    return replace(pool.hardware, gpu_scale=float(np.exp(drawn - pool.unit_spread**2 / 2.0).mean()))


def _run_until_done(env: Clock, work: Sequence[simpy.Event]) -> None:
    done = env.all_of(work)
    try:
        env.run(until=env.any_of([done, env.wait(GIVE_UP_NS)]))
    except RuntimeError as error:
        raise RunError(f"the run came to a stop before its work was done: {error}") from None
    if not done.triggered:
        raise RunError(NEVER_DONE)
