"""The schedulers a scenario may choose, each with its spec: who of the gangs that wait starts next, and where."""

from __future__ import annotations

from typing import Literal

from sim.engine.fleet.scheduling import FirstCome, Scheduler
from sim.kinds import builder
from sim.spec.cluster import Cluster, SchedulerSpec


def scheduler(cluster: Cluster) -> Scheduler:
    """The scheduler of a cluster: first come first served, where it names none."""
    if cluster.scheduler is None:
        return FirstCome()
    made: Scheduler = builder(cluster.scheduler)(cluster.scheduler)
    return made


class Fifo(SchedulerSpec):
    """First come first served: a gang that waits for GPUs holds up those behind it."""

    kind: Literal["fifo"]


def fifo(_spec: Fifo) -> FirstCome:
    """First come first served."""
    return FirstCome()
