"""A scenario with every question answered once that its checks and its builders ask of it.

Which machine stands in a pool, at which site; in which pool a workload holds GPUs where none is named; whom a policy
holds; how a served model lies on its GPUs. It is made from the parts of a scenario that parsed: what rests on a part
that did not, or on a profile that is not there, has no answer, so that the rest can still be checked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from operator import is_
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from sim.build.machines.failures import failure_plan
from sim.build.machines.pools import Machine
from sim.content import content_hash
from sim.errors import InputError
from sim.later import later
from sim.memo import last_kept
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.spec.cluster import Cluster, Wanted
from sim.spec.parts import Parts
from sim.spec.scenario import Scenario
from sim.spec.site import Place
from sim.spec.work import Workload
from sim.validation import Spec

with later():
    from sim.build.machines.sharing import shared_gpu
    from sim.build.machines.slices import cut
    from sim.spec.campaign import CampaignSpec
    from sim.spec.federated import FederatedSpec
    from sim.spec.inference import Inference
    from sim.spec.jobs import Jobs
    from sim.spec.policies import Cap, Throttle
    from sim.spec.power_limits import PowerLimits
    from sim.spec.serving import Serving
    from sim.spec.split import SplitSpec
    from sim.spec.workloads import Training


if TYPE_CHECKING:
    from sim.build.serving.deployment import Deployment
    from sim.build.training.trained import Trained
    from sim.spec.schedules import LowestPlace

S = TypeVar("S", bound=Spec)
Key = TypeVar("Key")


@dataclass(frozen=True, eq=False)
class Machines:
    """By the label of the pool: those whose profiles could be read, and what is wrong with those of the others.

    Of the latter each has the place of its pool in ``cluster.nodes`` and the field that is wrong. ``unread_failures``
    are what is wrong with the profiles of failures of pools that are otherwise read. ``twice`` are the places of pools
    whose label is taken.
    """

    found: Mapping[str, Machine]
    unread: Mapping[str, tuple[int, str, InputError]]
    twice: tuple[int, ...]
    unread_failures: Mapping[int, InputError] = field(default_factory=dict)


class Group(NamedTuple):
    """GPUs that one workload may come to hold in one pool; ``field`` names the replicas of a serving workload. They may
    be sockets where ``any_node`` will do."""

    workload: str
    field: str
    pool: str
    gpus: int
    any_node: bool = False


@dataclass(frozen=True, eq=False)
class Resolved:
    """The answers, each worked out when it is first asked for."""

    parts: Parts
    catalog: Catalog

    @classmethod
    def of(cls, scenario: Scenario, catalog: Catalog) -> Resolved:
        """The answers of a whole scenario."""
        return cls(Parts.of(scenario), catalog)

    def with_jobs(self, jobs: Mapping[str, Training]) -> Resolved:
        """The same with these jobs in place of those of their names."""
        return replace(self, parts=replace(self.parts, workloads={**self.parts.workloads, **jobs})) if jobs else self

    @cached_property
    def given(self) -> str:
        """All that a run is given beside its seed and the profiles, as the hash of its content."""
        return _content(self.parts.given)

    @cached_property
    def of_run(self) -> Resolved:
        """What a run is given of it; see ``Parts.of_run``."""
        return replace(self, parts=self.parts.of_run())

    @property
    def scenario(self) -> Scenario:
        """The whole scenario; there is none where a part did not parse, and a run is not given it."""
        assert self.parts.scenario is not None
        return self.parts.scenario

    # Work and policies by what they are

    @cached_property
    def jobs(self) -> Mapping[str, Training]:
        """Training jobs by name."""
        return _those(self.parts.workloads, Training)

    @cached_property
    def choosing(self) -> Mapping[str, LowestPlace]:
        """What jobs choose their pool from, by the name of the job, until they are placed."""
        return {name: job.place for name, job in self.jobs.items() if job.place is not None}

    @cached_property
    def services(self) -> Mapping[str, Inference]:
        """Inference services, whose service times are given, by name."""
        return _those(self.parts.workloads, Inference)

    @cached_property
    def serving(self) -> Mapping[str, Serving]:
        """Serving workloads by name, each with the requests that it is asked."""
        return _those(self.parts.workloads, Serving)

    @cached_property
    def campaigns(self) -> Mapping[str, CampaignSpec]:
        """Campaigns by name."""
        return _those(self.parts.workloads, CampaignSpec)

    @cached_property
    def federated(self) -> Mapping[str, FederatedSpec]:
        """Federated trainings by name."""
        return _those(self.parts.workloads, FederatedSpec)

    @cached_property
    def split(self) -> Mapping[str, SplitSpec]:
        """Work in stages on devices and machines, by name."""
        return _those(self.parts.workloads, SplitSpec)

    @cached_property
    def batches(self) -> Mapping[str, Jobs]:
        """Workloads of jobs as rows, by name."""
        return _those(self.parts.workloads, Jobs)

    @cached_property
    def others(self) -> Mapping[str, Workload]:
        """Workloads of all other kinds, by name: what is known of them is what every workload answers."""
        ours = {*self.jobs, *self.services, *self.serving, *self.campaigns, *self.federated, *self.split, *self.batches}
        return {name: workload for name, workload in self.parts.workloads.items() if name not in ours}

    @cached_property
    def caps(self) -> Mapping[int, Cap]:
        """Policies that cap GPUs, by their place in ``policies``."""
        return {i: policy for i, policy in enumerate(self.parts.policies) if isinstance(policy, Cap)}

    @cached_property
    def throttles(self) -> Mapping[int, Throttle]:
        """Policies that throttle a site, by their place in ``policies``."""
        return _those(dict(enumerate(self.parts.policies)), Throttle)

    @cached_property
    def shared_power(self) -> Mapping[int, PowerLimits]:
        """Policies that limit power that is shared, by their place in ``policies``."""
        return _those(dict(enumerate(self.parts.policies)), PowerLimits)

    # Machines and sites

    @cached_property
    def hardware(self) -> Machines:
        """The machines of all pools, and what is wrong with them."""
        return _machines(self.parts.cluster, self.catalog) if self.parts.cluster is not None else Machines({}, {}, ())

    @property
    def machines(self) -> Mapping[str, Machine]:
        """By the label of the pool, as far as their profiles could be read."""
        return self.hardware.found

    @cached_property
    def gpus(self) -> Mapping[str, GPUProfile]:
        """Of pools that have GPUs, by label."""
        return {label: machine.gpu for label, machine in self.machines.items() if machine.gpu is not None}

    @cached_property
    def places(self) -> Mapping[str, Place]:
        """Where machines stand, by the name of the site."""
        return self.parts.scenario.places if self.parts.scenario is not None else {}

    def site_named(self, written: str | None) -> str | None:
        """The site that is written, or else the only one there is."""
        if written is not None:
            return written
        return self.parts.sites[0] if len(self.parts.sites) == 1 else None

    @cached_property
    def sites(self) -> Mapping[str, str]:
        """The name of the site where a pool stands, by the label of the pool."""
        pools = self.parts.cluster.nodes if self.parts.cluster is not None else ()
        named = {pool.label: self.site_named(pool.site) for pool in pools}
        return {label: site for label, site in named.items() if site is not None}

    # Who holds what

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """All GPUs that are asked for. Where no pool is named it is the only one with GPUs, and none if several have.

        A job that chooses its pool counts as at home until it is placed.
        """
        only = next(iter(self.gpus)) if len(self.gpus) == 1 else None
        any_only = next(iter(self.machines)) if len(self.machines) == 1 else None
        return tuple(
            Group(name, wanted.field, label, self._slots(wanted, label), wanted.any_node)
            for name, workload in self.parts.workloads.items()
            for wanted in workload.wanted
            if (label := wanted.pool or (any_only if wanted.any_node else only)) is not None
        )

    def _slots(self, wanted: Wanted, label: str) -> int:
        """Slots that are asked for of a pool; sockets of one that is not there count as such."""
        if not wanted.sockets:
            return wanted.gpus
        machine = self.machines.get(label)
        return wanted.gpus * (machine.slots_of(wanted.sockets) if machine is not None else wanted.sockets)

    def gang_slots(self, job: Training, label: str) -> int:
        """Slots of a job's gang in a pool."""
        return self.machines[label].slots_of(job.sockets) if job.sockets else job.gpus

    @cached_property
    def pools(self) -> Mapping[str, Mapping[str, str]]:
        """The label of the pool of each workload's groups, by their field."""
        found: dict[str, dict[str, str]] = {name: {} for name in self.parts.workloads}
        for group in self.groups:
            found[group.workload][group.field] = group.pool
        return found

    def pool(self, workload: str) -> str:
        """The label of the pool of a workload that has passed its checks; the first of several."""
        return next(iter(self.pools[workload].values()))

    @cached_property
    def held(self) -> Mapping[int, tuple[Group, ...]]:
        """Whom each policy holds, by its place in ``policies``. A workload's name comes before a pool's."""
        found = {}
        for i, cap in self.caps.items():
            by_name = cap.target in self.parts.names
            found[i] = tuple(g for g in self.groups if (g.workload if by_name else g.pool) == cap.target)
        for i, throttle in self.throttles.items():
            site = self.site_named(throttle.site)
            found[i] = tuple(g for g in self.groups if site is not None and self.sites.get(g.pool) == site)
        return found

    @cached_property
    def trained(self) -> dict[tuple[int, int, str], Trained]:
        """Models in training by identity of their work and GPUs, and label of a pool; ``training.gangs`` fills it."""
        return {}

    @cached_property
    def deployments(self) -> Mapping[str, Mapping[str, Deployment]]:
        """How each serving workload lies on its GPUs, by the field of its replicas; none of unknown models."""
        from sim.build.serving.deployment import Deployment

        found = {}
        for name, spec in self.serving.items():
            groups = dict(spec.groups)
            try:
                found[name] = {
                    field: Deployment.of(spec, groups[field], self.gpus[label], self.machines[label].node, self.catalog)
                    for field, label in self.pools[name].items()
                    if label in self.gpus
                }
            except InputError:  # told where the model and the stack are named
                found[name] = {}
        return found


def _those(all_of_them: Mapping[Key, object], kind: type[S]) -> Mapping[Key, S]:
    return {key: one for key, one in all_of_them.items() if isinstance(one, kind)}


@last_kept
def _machines(cluster: Cluster, catalog: Catalog) -> Machines:
    found: dict[str, Machine] = {}
    unread: dict[str, tuple[int, str, InputError]] = {}
    unread_failures: dict[int, InputError] = {}
    twice = []
    for i, pool in enumerate(cluster.nodes):
        if pool.label in found or pool.label in unread:
            twice.append(i)
            continue
        try:
            node = catalog.node(pool.profile)
            cpu = catalog.cpu(node.cpus.profile)
            gpu = catalog.gpu(node.gpus.profile) if node.gpus is not None else None
            found[pool.label] = Machine(pool, node, cpu, gpu)
        except InputError as error:
            unread[pool.label] = (i, "profile", error)
            continue
        if pool.mig is not None:
            try:
                found[pool.label] = cut(found[pool.label], pool.mig, catalog)
            except InputError as error:
                del found[pool.label]
                unread[pool.label] = (i, "mig", error)
                continue
        if pool.sharing is not None:
            try:
                shared_gpu(pool.sharing, found[pool.label], catalog)
            except InputError as error:
                del found[pool.label]
                unread[pool.label] = (i, "sharing", error)
                continue
        try:
            found[pool.label] = replace(found[pool.label], failures=failure_plan(pool.failures, node.slots, catalog))
        except InputError as error:
            unread_failures[i] = error
    return Machines(found, unread, tuple(twice), unread_failures)


MOST_GIVEN = 8
_GIVEN: OrderedDict[tuple[int, ...], tuple[dict[str, Any], str]] = OrderedDict()
"""What was given last, with its hash, by the ids of its checked parts, which are held so that they stay theirs."""


def _content(given: dict[str, Any]) -> str:
    """The hash of what is given, known at once where it is made of the very same pieces as something just before."""
    parts = tuple([id(part) for part in given.values() if isinstance(part, Spec)])
    known = _GIVEN.get(parts)
    if known is not None and _same(given, known[0]):
        return known[1]
    content = content_hash(given)
    _GIVEN[parts] = (given, content)
    if len(_GIVEN) > MOST_GIVEN:
        _GIVEN.popitem(last=False)
    return content


def _same(value: Any, other: Any) -> bool:
    """Whether two that are not one hold the very same pieces; there is more that is equal."""
    kind = type(value)
    if kind is not type(other):
        return False
    if kind is dict:
        return [*value] == [*other] and _same([*value.values()], [*other.values()])
    if kind is list or kind is tuple:  # for every point of a study: at once, where all pieces are the very same
        if len(value) != len(other):
            return False
        return all(map(is_, value, other)) or all(a is b or _same(a, b) for a, b in zip(value, other, strict=True))
    return isinstance(value, str | int | datetime) and bool(value == other)
