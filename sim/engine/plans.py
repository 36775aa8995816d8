"""The plans of a run: work of all kinds, and what steers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.engine.control import CapPlan, PowerLimit
    from sim.engine.fleet.plan import JobsPlan
    from sim.engine.fleet.power.plan import PowerPlan
    from sim.engine.fleet.scheduling import Scheduler
    from sim.engine.queueing.service import ServicePlan
    from sim.engine.serving.keep import Keep
    from sim.engine.serving.service import ServingPlan
    from sim.engine.split import SplitPlan
    from sim.engine.training.campaign import CampaignPlan
    from sim.engine.training.federated import FederatedPlan
    from sim.engine.training.plan import TrainingPlan
    from sim.engine.work import WorkPlan
    from sim.signals import Signal
    from sim.workload.relays import RelayPlan


@dataclass(frozen=True)
class Workloads:
    """Plans of what runs on the machines, kind by kind. ``rows`` are tables of jobs, and ``others`` work of other
    kinds, whose records stand with those of training jobs. ``relays`` hand requests to services and serving workloads
    that have none of their own."""

    training: Sequence[TrainingPlan] = ()
    services: Sequence[ServicePlan] = ()
    serving: Sequence[tuple[ServingPlan, Keep]] = ()
    others: Sequence[WorkPlan] = ()
    campaigns: Sequence[CampaignPlan] = ()
    federated: Sequence[FederatedPlan] = ()
    split: Sequence[SplitPlan] = ()
    rows: Sequence[JobsPlan] = ()
    relays: Sequence[RelayPlan] = ()

    @property
    def rows_alone(self) -> bool:
        """Whether there is nothing but tables of jobs."""
        kinds = self.training, self.services, self.serving, self.others, self.campaigns, self.federated, self.split
        return not any(kinds)


@dataclass(frozen=True)
class Policies:
    """What decides who starts and how much may be drawn.

    Without a ``scheduler`` it is first come first served; ``signals`` are those that it sees, by pool. ``caps`` and
    ``limits`` change what training jobs may draw while they run. A limit does not know what a serving pool draws at an
    instant (it is told afterwards), so the two do not go together; ``power`` is shared by all kinds.
    """

    scheduler: Scheduler | None = None
    signals: Mapping[str, Mapping[str, Signal]] = field(default_factory=dict)
    caps: Sequence[CapPlan] = ()
    limits: Sequence[PowerLimit] = ()
    power: PowerPlan | None = None
