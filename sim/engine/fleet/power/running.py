"""All that runs and can be asked to draw less, found by the gang that it holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.engine.fleet.power.jobs import JobLoad, RowLoad
from sim.engine.fleet.power.services import ReplicaLoad, ServiceLoad
from sim.engine.fleet.rows import Rows
from sim.engine.machines.gang import Gang
from sim.engine.serving.service import ServingService

if TYPE_CHECKING:
    from sim.engine.fleet.power.loads import Load
    from sim.engine.fleet.power.plan import PowerPlan
    from sim.engine.queueing.queue import Queue
    from sim.engine.training.campaign import Campaign
    from sim.engine.training.job import TrainingJob


@dataclass(frozen=True, eq=False)
class Running:
    """What a run holds, by kind: rows of tables (None where there are none), trainings by name, campaigns, services."""

    rows: Rows | None
    jobs: Mapping[str, TrainingJob]
    campaigns: Sequence[Campaign]
    queues: Sequence[Queue]
    serving: Sequence[ServingService]

    @property
    def save_ns(self) -> int:
        """The longest that any of them takes to save its state."""
        plans = self.rows.plans if self.rows is not None else ()
        of_rows = (plan.keeps.save_ns for plan in plans if plan.keeps.saves)
        of_jobs = (job.save_ns for job in self.jobs.values())
        return max([0, *of_rows, *of_jobs, *(campaign.save_ns for campaign in self.campaigns)])

    def load(self, gang: Gang, plan: PowerPlan) -> Load | None:
        """The load that holds a gang; None where nobody can be asked, or not yet."""
        row = gang.request.row if gang.request is not None else -1
        if row >= 0:
            if self.rows is None or row not in self.rows.running:
                return None
            return RowLoad(self.rows.running[row], self.rows, plan.serving)
        if gang.owner in self.jobs:
            return JobLoad(self.jobs[gang.owner], gang, gang.owner, plan.priority(gang.owner))
        for campaign in self.campaigns:
            job = campaign.job_of(gang.owner)
            if job is not None:
                return JobLoad(job, gang, campaign.name, plan.priority(campaign.name))
        return self._of_service(gang, plan)

    def _of_service(self, gang: Gang, plan: PowerPlan) -> Load | None:
        for queue in self.queues:
            replica = queue.replica_on(gang)
            if replica is not None:
                return ServiceLoad(queue, replica, gang, plan.priority(queue.plan.name))
        for pool in self.serving:
            served = pool.replica_on(gang)
            if served is not None:
                board_w = plan.board_w[served.group.pool]
                read = plan.readings_ns is not None
                return ReplicaLoad(pool, served, gang, plan.priority(pool.name), read=read, board_w=board_w)
        return None
