"""Builds the scheduler that a scenario chooses, and its placement."""

from __future__ import annotations

from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.placements.packed import Packed
from sim.engine.fleet.schedulers.easy import Easy
from sim.engine.fleet.schedulers.fifo import FirstCome
from sim.engine.fleet.scheduling import Placement, Scheduler
from sim.kinds import builder
from sim.spec import placements as places
from sim.spec import schedulers as specs
from sim.spec.cluster import Cluster


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


def anywhere(_spec: places.AnyPlace) -> Anywhere:
    """Any slots."""
    return Anywhere()


def packed(_spec: places.PackedPlace) -> Packed:
    """As few nodes as can be."""
    return Packed()
