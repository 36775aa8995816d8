"""The work of a run as processes: begun in the order that decides ties, and asked when all of it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.engine.clock import Clock
from sim.engine.serving.relay import ServingRelay
from sim.engine.serving.service import ServingService
from sim.later import later

with later():
    from sim.engine.control import Capped
    from sim.engine.fleet.power.running import Running
    from sim.engine.fleet.rows import Rows
    from sim.engine.queueing.relay import QueueRelay
    from sim.engine.queueing.service import Service
    from sim.engine.split import Split
    from sim.engine.training.campaign import Campaign
    from sim.engine.training.federated import Federated
    from sim.engine.training.job import TrainingJob

if TYPE_CHECKING:
    import simpy

    from sim.engine.fleet.fleet import Fleet
    from sim.engine.machines.cluster import Cluster
    from sim.engine.metering.meter import Looks, Recorder
    from sim.engine.metering.tally import Tally
    from sim.engine.plans import Workloads
    from sim.engine.training.progress import Spending
    from sim.engine.work import Work
    from sim.workload.relays import RelayPlan


@dataclass(frozen=True, eq=False)
class UnderWay:
    """What ``Workloads`` plan, kind by kind."""

    rows: Rows | None
    training: Sequence[TrainingJob]
    others: Sequence[Work]
    campaigns: Sequence[Campaign]
    federated: Sequence[Federated]
    split: Sequence[Split]
    services: Sequence[Service]
    serving: Sequence[ServingService]
    relays: Sequence[QueueRelay | ServingRelay]

    @property
    def capped(self) -> dict[str, Capped]:
        """Those by name that follow caps as a whole."""
        return {**{one.name: one for one in self.training}, **{one.name: one for one in self.campaigns}}

    @property
    def sharing_power(self) -> Running:
        """Those that limits of shared power hold."""
        queues = [*(service.queue for service in self.services), *(queue for one in self.split for queue in one.queues)]
        jobs = {job.name: job for job in self.training}
        return Running(self.rows, jobs, self.campaigns, queues, self.serving)

    @property
    def ends(self) -> list[simpy.Event]:
        """What happens when each is done."""
        at_work: list[Work] = [*self.training, *self.others]
        return [
            *(one.process for one in at_work),
            *(one.process for one in self.campaigns),
            *(one.process for one in self.federated),
            *((self.rows.finished,) if self.rows is not None else ()),
            *(one.finished for one in self.services),
            *(one.finished for one in self.serving),
            *(one.finished for one in self.split),
        ]


def begin(
    env: Clock,
    fleet: Fleet,
    cluster: Cluster,
    work: Workloads,
    *,
    metered: frozenset[str],
    spendings: dict[str, Spending],
    tally: Tally,
    recorder: Recorder,
    looks: Looks | None,
) -> UnderWay:
    """All of ``work``, at the present instant. ``metered`` pools have nodes with meters; trainings tell ``spendings``
    what they have done, campaigns ask ``tally`` what they drew, and what is no machine books to ``recorder``."""
    rows = Rows(env, fleet, cluster, work.rows, metered) if work.rows else None
    training = [TrainingJob(env, cluster, plan, spendings.get(plan.name)) for plan in work.training]
    others = [plan.begin(env, cluster) for plan in work.others]
    campaigns = [Campaign(env, cluster, plan, tally) for plan in work.campaigns]
    federated = [Federated(env, cluster, plan, recorder) for plan in work.federated]
    split = [Split(env, cluster, plan, recorder) for plan in work.split]
    services = [Service(env, cluster, plan) for plan in work.services]
    serving = [ServingService(env, cluster, plan, looks, keep) for plan, keep in work.serving]
    relays = [_relay(env, plan, services, serving) for plan in work.relays]
    return UnderWay(rows, training, others, campaigns, federated, split, services, serving, relays)


def _relay(
    env: Clock, plan: RelayPlan, services: Sequence[Service], serving: Sequence[ServingService]
) -> QueueRelay | ServingRelay:
    """The relay of a plan, between services of the one kind or of the other."""
    by_token = {service.name: service for service in serving}
    if all(name in by_token for name in plan.to):
        return ServingRelay(plan, [by_token[name] for name in plan.to])
    queues = {service.name: service for service in services}
    return QueueRelay(env, plan, [queues[name] for name in plan.to])
