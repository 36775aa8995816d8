"""Policies held against the workloads and pools of a scenario: whom they cap, and whether that can be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from sim.build.loads import can_be_capped, gpu_watts
from sim.build.deployment import gpus_wanted
from sim.documents import KeyPath
from sim.profiles.hardware import GPUProfile
from sim.quantities import Share
from sim.spec.policies import Daily, DemandResponse, PowerCap, Throttle
from sim.spec.scenario import Scenario
from sim.spec.serving import Serving
from sim.spec.workloads import GPUHours, Inference, Training
from sim.validation import nearest

Workloads = Mapping[str, Training | Inference | Serving]


class Capped(NamedTuple):
    """GPUs that a policy caps: a workload's in one pool. ``field`` is that of a serving workload's replicas."""

    workload: str
    field: str
    pool: str


def targets(target: str, workloads: Workloads, pools: Sequence[str]) -> list[Capped]:
    """Whom a policy caps; a workload's name comes before a pool's. ``pools`` are those with GPUs."""
    only = pools[0] if pools else None
    found = []
    for name, workload in workloads.items():
        if isinstance(workload, Serving):
            places = [(field, label) for field, label, _, _ in gpus_wanted(workload, only)]
        else:
            label = workload.pool if workload.pool is not None else only
            places = [("", label)] if label is not None else []
        found += [
            Capped(name, field, label)
            for field, label in places
            if name == target or (target not in workloads and label == target)
        ]
    return found


def caps_w(policy: PowerCap | DemandResponse, gpu: GPUProfile) -> list[float]:
    """W of one GPU, in the order of the policy's events."""
    tdp_w = float(gpu.tdp.value)
    written = [policy.cap] if isinstance(policy, PowerCap) else [event.reduce_to for event in policy.events]
    return [float(cap) * tdp_w if isinstance(cap, Share) else float(cap) for cap in written]


def policy_problems(
    policies: Sequence[PowerCap | DemandResponse | Throttle],
    workloads: Workloads,
    names: Sequence[str],
    gpus: Mapping[str, GPUProfile],
    *,
    open_ended: bool,
) -> Iterator[tuple[KeyPath, str]]:
    """Unknown targets, what cannot be capped, and caps outside what a board can be held to."""
    for i, policy in enumerate(policies):
        path: KeyPath = ("policies", i)
        if isinstance(policy, Throttle):
            continue
        if policy.target not in names and policy.target not in gpus:
            known = [*names, *gpus]
            hint = f"{nearest(policy.target, known)}  ({', '.join(known)})"
            yield (*path, "target"), f"no workload and no pool with GPUs is called '{policy.target}'{hint}"
            continue
        for capped in targets(policy.target, workloads, list(gpus)):
            workload = workloads[capped.workload]
            if capped.pool not in gpus:
                continue  # told where its pool is named
            gpu = gpus[capped.pool]
            loaded_w = float(gpu.power.loaded.value)
            if isinstance(workload, Inference):
                message = "is an inference service, whose service times are given; a cap needs training or serving"
                yield (*path, "target"), f"'{capped.workload}' {message}"
                continue
            if isinstance(workload, Training) and isinstance(workload.work, GPUHours):
                if not can_be_capped(workload.work):
                    yield (*path, "target"), f"'{capped.workload}' counts its GPUs at nameplate power, capped or not"
                    continue
                loaded_w = gpu_watts(workload.work.load, gpu)[1]
            forever = isinstance(policy, PowerCap) and isinstance(policy.when, Daily) and open_ended
            if isinstance(workload, Serving) and forever:
                yield (*path, "when"), "a daily cap of a serving workload needs a scenario with a 'duration'"
            yield from _within_reach(path, policy, gpu, loaded_w)


def _within_reach(
    path: KeyPath, policy: PowerCap | DemandResponse, gpu: GPUProfile, loaded_w: float
) -> Iterator[tuple[KeyPath, str]]:
    tdp_w = float(gpu.tdp.value)
    for k, cap_w in enumerate(caps_w(policy, gpu)):
        at: KeyPath = (*path, "cap") if isinstance(policy, PowerCap) else (*path, "events", k, "reduce_to")
        if not loaded_w < cap_w <= tdp_w:
            yield at, f"{cap_w:g} W is not between the {loaded_w:g} W loaded and {tdp_w:g} W TDP of '{gpu.name}'"


def throttle_problems(scenario: Scenario, pools: Sequence[str]) -> Iterator[tuple[KeyPath, str]]:
    """Sites that are not there or carry anything, and work that cannot be throttled. ``pools`` are those with GPUs."""
    seen: set[str] = set()
    for i, policy in enumerate(scenario.policies):
        if not isinstance(policy, Throttle):
            continue
        path: KeyPath = ("policies", i)
        known = ", ".join(scenario.places)
        if policy.site is None and len(scenario.places) > 1:
            yield (*path, "site"), f"required where there are several sites  ({known})"
            continue
        name = throttled_site(scenario, policy)
        if name not in scenario.places:
            yield (*path, "site"), f"unknown site '{name}'{nearest(name, scenario.places)}  ({known})"
            continue
        if name in seen:
            yield (*path, "site"), f"'{name}' is throttled twice"
        seen.add(name)
        if policy.limit is None and not scenario.places[name].facility.has_limits:
            yield (*path, "limit"), "required: the facility of the site is a fixed PUE, which says nothing of a limit"
        there = {pool.label for pool in scenario.cluster.nodes if scenario.site_of(pool) == name}
        for label in sorted(there):
            for capped in targets(label, scenario.workloads, pools):
                if capped.pool in there and isinstance(scenario.workloads[capped.workload], Serving):
                    message = "is a serving workload, which is not throttled; give it a power cap"
                    yield (*path, "site"), f"'{capped.workload}' at '{name}' {message}"


def throttled_site(scenario: Scenario, policy: Throttle) -> str:
    """The name of the site; of the only one where none is named."""
    return policy.site if policy.site is not None else next(iter(scenario.places))
