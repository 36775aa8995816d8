"""Where a scenario uses methods, on which work, and what is told of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from sim.build.resolved import Resolved
from sim.build.training.gangs import gang_in
from sim.documents import KeyPath
from sim.later import later
from sim.paths import joined
from sim.spec.methods import MethodChoice, name_of, profile_of

with later():
    from sim.build.methods import effect_of, method_of
    from sim.build.power.loads import gpu_watts
    from sim.profiles.methods import beyond


if TYPE_CHECKING:
    from sim.profiles.methods import Effect, Phase
    from sim.spec.workloads import Load, TrainingWork


class Use(NamedTuple):
    """Methods in one place of a scenario: where they are written, of which workload, in which phase, on how many GPUs
    (of a gang or a replica)."""

    path: KeyPath
    workload: str
    phase: Phase
    gpus: int
    methods: Sequence[MethodChoice]


@dataclass(frozen=True)
class MethodsPlan:
    """What methods do to the work of one place, for the account of what was done."""

    methods: tuple[str, ...]
    effect: Effect
    assumed: tuple[str, ...]


def uses(resolved: Resolved) -> Iterator[Use]:
    """Every place of a scenario where methods are written."""
    for name, job in resolved.jobs.items():
        if job.methods:
            yield Use(("workloads", name), name, "training", job.gpus, job.methods)
    for name, service in resolved.services.items():
        if service.methods:
            yield Use(("workloads", name), name, "inference", service.gpus_per_replica, service.methods)
    for name, campaign in resolved.campaigns.items():
        for i, kind in enumerate(campaign.trials):
            if kind.methods:
                gpus = max(gpus for _, _, gpus, _ in kind.sizes)
                yield Use(("workloads", name, "trials", i), name, "training", gpus, kind.methods)


def profiles_of_methods(resolved: Resolved) -> set[str]:
    """Names of the profiles of methods that a scenario rests on."""
    names = {profile_of(choice) for use in uses(resolved) for choice in use.methods}
    return {name for name in names if name is not None}


def works_of(use: Use, resolved: Resolved) -> list[TrainingWork]:
    """The work that the methods of a place change; none of a service, whose times and load stand for it."""
    if use.workload in resolved.jobs:
        return [resolved.jobs[use.workload].work]
    if use.workload in resolved.campaigns:
        return [work for _, _, _, work in resolved.campaigns[use.workload].trials[int(use.path[-1])].sizes]
    return []


def loads_of(use: Use, resolved: Resolved) -> list[Load]:
    """The loads of GPUs that a place states."""
    service = resolved.services.get(use.workload)
    stated = [service.load] if service is not None and service.load is not None else []
    return [*stated, *(work.load for work in works_of(use, resolved) if work.kind == "gpu-hours")]


def active_w(use: Use, label: str, resolved: Resolved) -> list[float]:
    """W of a GPU at work without the methods of a place, for each size of its work, in a pool that has GPUs."""
    service = resolved.services.get(use.workload)
    if service is not None:
        return [gpu_watts(service.load, resolved.gpus[label])[0]] if service.load is not None else []
    if use.workload in resolved.jobs:
        jobs = [resolved.jobs[use.workload].model_copy(update={"methods": []})]
    else:
        campaign = resolved.campaigns[use.workload]
        jobs = [campaign.job(gpus, work) for _, _, gpus, work in campaign.trials[int(use.path[-1])].sizes]
    return [gang_in(job, label, resolved).under(None).active_w for job in jobs]


def method_plans(resolved: Resolved) -> dict[str, MethodsPlan]:
    """Of each place with methods, by its path below ``workloads``: where work has several sizes, of the first."""
    found = {}
    for use in uses(resolved):
        watts = active_w(use, resolved.pool(use.workload), resolved)[0]
        names = tuple(name_of(choice) for choice in use.methods)
        effect = effect_of(use.methods, watts, resolved.catalog)
        found[joined(use.path[1:])] = MethodsPlan(names, effect, tuple(why for _, why in told(use, resolved)))
    return found


def method_metrics(plans: Mapping[str, MethodsPlan]) -> dict[str, dict[str, object]]:
    """What a summary tells of them."""
    return {
        place: {
            "applied": [*plan.methods],
            "work": plan.effect.work,
            "time": plan.effect.time,
            "power": plan.effect.power,
            "energy": plan.effect.energy,
            **({"assumed": [*plan.assumed]} if plan.assumed else {}),
        }
        for place, plan in plans.items()
    }


def told(use: Use, resolved: Resolved) -> Iterator[tuple[int | None, str]]:
    """What is assumed of methods in a place beyond what was measured: of one of them by its place, or of all."""
    label = resolved.pool(use.workload)
    gpu = resolved.gpus.get(label)
    for i, choice in enumerate(use.methods):
        method = method_of(choice, resolved.catalog)
        for why in beyond(method, use.phase, gpu.name if gpu is not None else "no GPU", use.gpus):
            yield i, f"'{method.name}' {why}"
    if len(use.methods) > 1:
        names = [name_of(choice) for choice in use.methods]
        yield None, f"{', '.join(names)}: each was measured without the others; their factors are multiplied"
