"""Shared limits of power as written -> the domains that the engine holds, inner ones first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from sim.build.resolved import Resolved
from sim.kinds import builder
from sim.later import later
from sim.signals import Signal
from sim.units import SECONDS_PER_NS

with later():
    from sim.engine.fleet.power.ladder import Answer
    from sim.engine.fleet.power.ramp import Ramp
    from sim.profiles.machines.breakers import Breaker, Electronic, ThermalMagnetic
    from sim.spec.power_limits import CapAnswer


if TYPE_CHECKING:
    from sim.engine.fleet.power.plan import DomainPlan, PowerPlan
    from sim.spec.power_limits import ElectronicCurve, PowerDomain, PowerLimits, ThermalMagneticCurve

Nodes = tuple[tuple[str, int, int], ...]
"""Pool, first and last (not included) of each run of nodes."""

_EARLIEST_NS, _LATEST_NS = -(1 << 62), 1 << 62


def shared_power(resolved: Resolved, carried: Callable[[str], Signal]) -> PowerPlan | None:
    """The plan of the scenario's policy; None where it has none. ``carried`` gives the IT power that a site's plant
    carries."""
    for policy in resolved.shared_power.values():
        plan: PowerPlan = builder(policy)(policy, resolved, carried)
        return plan
    return None


def power_plan(policy: PowerLimits, resolved: Resolved, carried: Callable[[str], Signal]) -> PowerPlan:
    """All domains of a policy that has passed its checks."""
    from sim.engine.fleet.power.plan import PowerPlan

    domains: list[DomainPlan] = []
    gpu_cap_w: dict[str, float] = {}
    for name, spec in policy.domains.items():
        if spec.per == "gpu":
            assert isinstance(spec.limit, float)
            for pool in pools_of(spec, resolved):
                gpu_cap_w[pool] = min(float(spec.limit), gpu_cap_w.get(pool, np.inf))
            continue
        several = [*domains_of(spec, resolved)]
        for i, (where, nodes) in enumerate(several):
            label = f"{name}/{i}" if len(several) > 1 else name
            domains.append(_domain(label, spec, nodes, partial(carried, where)))
    domains.sort(key=lambda domain: sum(last - first for _, first, last in domain.nodes))
    boards_w = {pool: float(gpu.tdp.value) for pool, gpu in resolved.gpus.items()}
    return PowerPlan(
        tuple(domains),
        frozenset(policy.serving),
        boards_w,
        gpu_cap_w,
        dict(policy.priorities),
        int(policy.readings) if policy.readings is not None else None,
    )


def pools_of(spec: PowerDomain, resolved: Resolved) -> list[str]:
    """The pools of a domain that are there."""
    return [pool for pool in (spec.pools if spec.pools is not None else resolved.machines) if pool in resolved.machines]


def limited_pools(policy: PowerLimits, resolved: Resolved) -> set[str]:
    """Pools of any of its domains: their nodes have meters, for whoever holds the limits to look at."""
    return {pool for spec in policy.domains.values() for pool in pools_of(spec, resolved)}


def domains_of(spec: PowerDomain, resolved: Resolved) -> Iterator[tuple[str, Nodes]]:
    """The nodes of each domain that is meant, with the site where they stand (the first, where they stand at
    several)."""
    pools = pools_of(spec, resolved)
    counts = {pool: resolved.machines[pool].pool.count for pool in pools}
    sites = {pool: resolved.sites.get(pool, "") for pool in pools}
    if spec.per == "site":
        for site in dict.fromkeys(sites.values()):
            yield site, tuple((pool, 0, counts[pool]) for pool in pools if sites[pool] == site)
        return
    if spec.per in ("row", "feed") and spec.nodes is None:
        if pools:
            yield sites[pools[0]], tuple((pool, 0, counts[pool]) for pool in pools)
        return
    for pool in pools:
        size = spec.nodes or (resolved.machines[pool].pool.rack_nodes if spec.per == "rack" else 1)
        size = size if size is not None else counts[pool]
        for first in range(0, counts[pool], size):
            yield sites[pool], ((pool, first, min(first + size, counts[pool])),)


def _domain(name: str, spec: PowerDomain, nodes: Nodes, carried: Callable[[], Signal]) -> DomainPlan:
    from sim.engine.fleet.power.plan import Call, DomainPlan

    return DomainPlan(
        name=name,
        level=spec.per,
        nodes=nodes,
        limit=_limit(spec, carried),
        answers=tuple(
            Answer(one.kind, one.whom, float(one.floor) if isinstance(one, CapAnswer) else 0.0) for one in spec.answers
        ),
        answer_ns=int(spec.answer_time) if spec.answer_time is not None else 0,
        target=float(spec.target),
        release=float(spec.release.below) if spec.release is not None else 1.0,
        release_ns=int(spec.release.after) if spec.release is not None else 0,
        calls=tuple(
            Call(int(call.start), int(call.start) + int(call.duration), float(call.limit), int(call.notice))
            for call in spec.calls
        ),
        ramp=Ramp(float(spec.ramp.up), int(spec.ramp.step)) if spec.ramp is not None else None,
        breaker=_breaker(spec),
        reclose_ns=int(spec.breaker.reclose) if spec.breaker is not None else 0,
    )


def _limit(spec: PowerDomain, carried: Callable[[], Signal]) -> Signal | None:
    if spec.limit is None:
        return None
    if isinstance(spec.limit, str):
        return carried()
    edges = [_EARLIEST_NS, *(int(change.at) for change in spec.changes), _LATEST_NS]
    values = [float(spec.limit), *(float(change.limit) for change in spec.changes)]
    return Signal(np.array(edges, np.int64), np.array(values), "W")


def _breaker(spec: PowerDomain) -> Breaker | None:
    if spec.breaker is None:
        return None
    return Breaker(float(spec.breaker.rating), builder(spec.breaker.curve)(spec.breaker.curve))


def thermal_magnetic(curve: ThermalMagneticCurve) -> ThermalMagnetic:
    """Through its points."""
    after_s = int(curve.after) * SECONDS_PER_NS
    return ThermalMagnetic.through(float(curve.holds), float(curve.opens_at), after_s, float(curve.at_once))


def electronic(curve: ElectronicCurve) -> Electronic:
    """Through its points."""
    after_s = int(curve.after) * SECONDS_PER_NS
    return Electronic.through(float(curve.pickup), float(curve.opens_at), after_s, float(curve.at_once))
