"""A burn-in: GPUs under full power for a time, before they are handed over."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import simpy

from sim.build.work import Around
from sim.engine.clock import Clock
from sim.engine.machines.cluster import Cluster
from sim.quantities import PositiveDevicePower, PositiveDuration
from sim.spec.cluster import Wanted
from sim.spec.work import Workload
from sim.workload.records import JobRecord


class BurnIn(Workload):
    """``gpus`` at ``power`` each for as long as it ``lasts``."""

    example: ClassVar[dict[str, Any]] = {"gpus": 8, "power": "400 W", "lasts": "1 h"}

    kind: Literal["burn-in"]
    gpus: int
    power: PositiveDevicePower
    lasts: PositiveDuration
    pool: str | None = None

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """All of them at once."""
        return (Wanted("", self.pool, self.gpus),)


@dataclass(frozen=True)
class BurnInPlan:
    """In SI."""

    name: str
    pool: str
    gpus: int
    active_w: float
    lasts_ns: int

    def begin(self, env: Clock, cluster: Cluster) -> BurningIn:
        """Starts its process."""
        return BurningIn(env, cluster, self)


class BurningIn:
    """Under way."""

    def __init__(self, env: Clock, cluster: Cluster, plan: BurnInPlan) -> None:
        self._env, self._cluster, self._plan = env, cluster, plan
        self._started_ns: int | None = None
        self._ended_ns: int | None = None
        self.process = env.process(self._run())

    def _run(self) -> Generator[simpy.Event, object, None]:
        plan = self._plan
        gang = self._cluster.request(plan.name, plan.pool, plan.gpus, plan.lasts_ns)
        yield gang.ready
        self._started_ns = self._env.now_ns
        gang.set("active", plan.active_w, 0.0)
        yield self._env.wait(plan.lasts_ns)
        gang.release()
        self._ended_ns = self._env.now_ns

    def record(self) -> JobRecord:
        """As of a job."""
        plan, now_ns = self._plan, self._env.now_ns
        ended_ns = self._ended_ns if self._ended_ns is not None else now_ns
        done_ns = ended_ns - self._started_ns if self._started_ns is not None else 0
        return JobRecord(
            workload=plan.name,
            status="completed" if self._ended_ns is not None else "unfinished",
            gpus=plan.gpus,
            submitted_ns=0,
            started_ns=self._started_ns,
            ended_ns=ended_ns,
            work_ns=plan.lasts_ns,
            done_ns=done_ns,
            lost_ns=0,
            held_ns=done_ns,
            interruptions=0,
            checkpoints=0,
        )


def burn_in(spec: BurnIn, around: Around) -> BurnInPlan:
    """In the pool that the scenario means."""
    pool = around.resolved.pool(around.name)
    return BurnInPlan(around.name, pool, spec.gpus, float(spec.power), int(spec.lasts))
