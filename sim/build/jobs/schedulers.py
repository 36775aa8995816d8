"""Builds the scheduler that a scenario chooses, and its placement."""

from __future__ import annotations

import math

from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.scheduling import Placement, Scheduler
from sim.kinds import builder
from sim.later import later
from sim.spec.cluster import Cluster

with later():
    from sim.engine.fleet.placements.best_fit import BestFit
    from sim.engine.fleet.placements.fgd import LeastFragmentation, TypicalTask
    from sim.engine.fleet.placements.headroom import Headroom
    from sim.engine.fleet.placements.least_power import LeastPower
    from sim.engine.fleet.placements.packed import Packed
    from sim.engine.fleet.placements.spread import Spread
    from sim.engine.fleet.placements.topology import Topology
    from sim.engine.fleet.schedulers.carbon_aware import WaitWithinSlack
    from sim.engine.fleet.schedulers.conservative import Conservative
    from sim.engine.fleet.schedulers.deadline import Deadline
    from sim.engine.fleet.schedulers.easy import Easy
    from sim.engine.fleet.schedulers.elastic import Elastic
    from sim.engine.fleet.schedulers.fair_share import FairShare
    from sim.engine.fleet.schedulers.priority import Priority
    from sim.engine.fleet.schedulers.quotas import Quota, Quotas
    from sim.engine.fleet.schedulers.shortest import Shortest
    from sim.engine.fleet.schedulers.spot import Spot
    from sim.spec import placements as places
    from sim.spec import schedulers as specs


MIB = 1 << 20


def scheduler(cluster: Cluster) -> Scheduler:
    """The scheduler of a cluster: first come first served, where it names none."""
    if cluster.scheduler is None:
        return FirstCome()
    made: Scheduler = builder(cluster.scheduler)(cluster.scheduler)
    return made


def placement(spec: places.PlacementSpec | None) -> Placement:
    """A placement: any slots, where none is named."""
    if spec is None:
        return Anywhere()
    made: Placement = builder(spec)(spec)
    return made


def fifo(spec: specs.Fifo) -> FirstCome:
    """First come first served."""
    return FirstCome(placement(spec.placement))


def easy(spec: specs.EasyBackfill) -> Easy:
    """EASY backfill."""
    return Easy(spec.candidates, placement(spec.placement))


def conservative(spec: specs.Conservative) -> Conservative:
    """Conservative backfill."""
    return Conservative(spec.depth, placement(spec.placement))


def shortest(spec: specs.Shortest) -> Shortest:
    """Shortest first."""
    return Shortest(spec.backfill, placement(spec.placement))


def deadline(spec: specs.Deadline) -> Deadline:
    """Earliest deadline, or least slack, first."""
    return Deadline(spec.urgency, spec.late, spec.backfill, placement(spec.placement))


def fair_share(spec: specs.FairShare) -> FairShare:
    """Fair share with decay."""
    half_life_ns = None if spec.half_life == "never" else int(spec.half_life)
    shares = tuple(sorted(spec.shares.items()))
    return FairShare(spec.by, half_life_ns, shares, spec.others, spec.backfill, placement(spec.placement))


def priority(spec: specs.Priority) -> Priority:
    """By priority, with or without preemption."""
    return Priority(spec.preemption, spec.aging, spec.backfill, placement(spec.placement))


def spot(spec: specs.Spot) -> Spot:
    """Spot jobs behind all others."""
    return Spot(builder(spec.regular)(spec.regular), placement(spec.placement))


def carbon_aware(spec: specs.CarbonAware) -> WaitWithinSlack:
    """Waits within slack."""
    return WaitWithinSlack(spec.signal, builder(spec.then)(spec.then))


def quotas(spec: specs.Quotas) -> Quotas:
    """Queues that borrow from each other; no queue of a trace has an empty name."""
    queues = tuple(_quota(name, quota) for name, quota in spec.queues.items())
    return Quotas(queues, _quota("", spec.others), spec.reclaim, spec.within, placement(spec.placement))


def _quota(name: str, quota: specs.Quota) -> Quota:
    return Quota(name, quota.slots, quota.borrow, quota.cohort)


def elastic(spec: specs.Elastic) -> Elastic:
    """Jobs that grow and shrink."""
    return Elastic(int(spec.every), placement(spec.placement))


def anywhere(_spec: places.AnyPlace) -> Anywhere:
    """Any slots."""
    return Anywhere()


def packed(_spec: places.PackedPlace) -> Packed:
    """As few nodes as can be."""
    return Packed()


def spread(_spec: places.SpreadPlace) -> Spread:
    """The emptiest nodes."""
    return Spread()


def topology(spec: places.TopologyPlace) -> Topology:
    """Few racks."""
    return Topology(spec.most_racks)


def best_fit(_spec: places.BestFitPlace) -> BestFit:
    """Where least is left."""
    return BestFit()


def fgd(spec: places.FgdPlace) -> LeastFragmentation:
    """Where least is fragmented; shares are of all that are named."""
    whole = sum(task.share for task in spec.typical)
    return LeastFragmentation(
        tuple(
            TypicalTask(
                task.share / whole,
                task.gpus,
                task.gpu_milli,
                round(1000 * task.cpus),
                math.ceil(task.memory / MIB),
            )
            for task in spec.typical
        )
    )


def headroom(spec: places.HeadroomPlace) -> Headroom:
    """Where power is left."""
    return Headroom(float(spec.slot))


def least_power(spec: places.LeastPowerPlace) -> LeastPower:
    """Efficient pools first, as few nodes awake as can be."""
    return LeastPower(tuple(spec.order))
