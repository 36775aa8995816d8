"""All that a simulation reads, as values in SI.

Nothing else decides what a run does, so the hash of its content is the key that tells simulations apart: whoever gives
the engine something more gives it here. Nothing in it has begun: laws name the streams that they will draw from, and
what is called is a function of the module's or a frozen value. See ``sim.content``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.accounting.bins import Bins
from sim.build.jobs.places import Moved
from sim.build.method_uses import MethodsPlan
from sim.build.power.caps import Capping
from sim.build.traffic.routes import RoutePlan
from sim.engine.fleet.scheduling import Scheduler
from sim.engine.serving.keep import Keep
from sim.engine.serving.service import ServingPlan
from sim.engine.world import Pool
from sim.signals import Signal

if TYPE_CHECKING:
    from sim.accounting.training import StepPlan
    from sim.build.power.traces import TracePlan
    from sim.build.training.trained import ModelOfGang
    from sim.engine.control import CapPlan, PowerLimit
    from sim.engine.fleet.plan import JobsPlan
    from sim.engine.fleet.power.plan import PowerPlan
    from sim.engine.queueing.service import ServicePlan
    from sim.engine.split import SplitPlan
    from sim.engine.training.campaign import CampaignPlan
    from sim.engine.training.federated import FederatedPlan
    from sim.engine.training.plan import TrainingPlan
    from sim.engine.work import WorkPlan
    from sim.workload.relays import RelayPlan

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LedgerBins:
    """Bins of ``step_ns`` by the clock in a run that starts ``start_ns`` after 1970, and what cuts them further."""

    step_ns: int
    start_ns: int
    cuts_ns: Ints

    def begun(self) -> Bins:
        """The first edge, to grow with a run."""
        return Bins(self.step_ns, [self.cuts_ns], self.start_ns)


@dataclass(frozen=True, eq=False)
class Built:
    """A scenario ready to run, to its end at ``duration_ns`` or until all work is done.

    ``sites`` names the site of each pool. Each serving workload has what begins to keep its finished requests, and
    ``request_energies`` says whether each of them is told its energy. ``cappings`` are all caps, for the record, and
    ``caps`` those that training jobs and campaigns follow; ``moved`` are jobs whose data went to another pool before
    they start; ``batches`` are tables of jobs, and ``signals`` what a scheduler may see of the site of each pool, where
    it looks at it; ``others`` is work of the kinds that other packages add; ``steps`` are those of models in training,
    by job, and ``swings`` those of them whose power within steps is told; ``traces`` are what is kept of it over time;
    ``relays`` hand requests from memos and from one place to the next.
    ``methods`` are told with what was done.
    """

    seed: int
    duration_ns: int | None
    bins: LedgerBins
    sites: Mapping[str, str]
    pools: tuple[Pool, ...]
    training: tuple[TrainingPlan, ...]
    services: tuple[ServicePlan, ...]
    serving: tuple[tuple[ServingPlan, Callable[[], Keep]], ...]
    request_energies: bool
    caps: tuple[CapPlan, ...]
    cappings: tuple[Capping, ...]
    limits: tuple[PowerLimit, ...]
    power: PowerPlan | None
    routes: Mapping[str, RoutePlan]
    moved: tuple[Moved, ...]
    scheduler: Scheduler
    others: tuple[WorkPlan, ...]
    campaigns: tuple[CampaignPlan, ...]
    federated: tuple[FederatedPlan, ...]
    split: tuple[SplitPlan, ...]
    batches: tuple[JobsPlan, ...]
    signals: Mapping[str, Mapping[str, Signal]]
    steps: Mapping[str, StepPlan]
    swings: Mapping[str, ModelOfGang]
    traces: tuple[TracePlan, ...]
    methods: Mapping[str, MethodsPlan]
    relays: tuple[RelayPlan, ...] = ()
