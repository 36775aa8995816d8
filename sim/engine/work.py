"""What the engine asks of work of any kind: a process that holds gangs of GPUs, and a record of it."""

from __future__ import annotations

from typing import Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.workload.records import JobRecord


class Work(Protocol):
    """Work under way. ``process`` is over when the work is done."""

    @property
    def process(self) -> simpy.Process: ...

    def record(self) -> JobRecord:
        """What is known of it now."""


class WorkPlan(Protocol):
    """Work before it begins: a frozen value."""

    def begin(self, env: Clock, cluster: Cluster) -> Work:
        """Starts its process, which asks the cluster for gangs, says what they draw and gives them back."""
