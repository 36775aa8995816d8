"""What is wrong with shared limits of power: whom they are of, whether they nest, and whether they can be kept at
all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from sim.build.power.power_limits import domains_of, pools_of
from sim.build.resolved import Resolved
from sim.documents import KeyPath
from sim.units import W_PER_KW
from sim.validation import nearest

if TYPE_CHECKING:
    from sim.spec.power_limits import PowerDomain, PowerLimits


Found = Iterator[tuple[KeyPath, str]]


def shared_power_problems(resolved: Resolved) -> Found:
    """Of the one policy that there may be."""
    for k, (i, policy) in enumerate(resolved.shared_power.items()):
        if k:
            yield ("policies", i, "kind"), "there is a policy of this kind already: write all domains in one"
            continue
        yield from _ranked(("policies", i), policy, resolved)
        sets: dict[str, list[frozenset[tuple[str, int]]]] = {}
        for name, spec in policy.domains.items():
            path: KeyPath = ("policies", i, "domains", name)
            for pool in spec.pools or ():
                if pool not in resolved.machines and pool not in resolved.hardware.unread:
                    known = ", ".join(resolved.machines)
                    yield (*path, "pools"), f"unknown pool '{pool}'{nearest(pool, resolved.machines)}  ({known})"
            if spec.per == "gpu":
                yield from _of_boards(path, spec, resolved)
                continue
            yield from _of_its_size(path, spec, resolved)
            yield from _heard(path, spec, resolved)
            several = [nodes for _, nodes in domains_of(spec, resolved)]
            sets[name] = [
                frozenset((pool, node) for pool, first, last in nodes for node in range(first, last))
                for nodes in several
            ]
            yield from _within_reach(path, spec, resolved)
            yield from _carried(path, spec)
        yield from _nested(("policies", i, "domains"), sets)


def plants_without_limits(resolved: Resolved) -> Found:
    """Sites whose plant is to say what they carry, and does not."""
    for i, policy in resolved.shared_power.items():
        for name, spec in policy.domains.items():
            for site in dict.fromkeys(resolved.sites.values()) if spec.limit == "plant" else ():
                if not resolved.places[site].facility.has_limits:
                    why = f"the facility of '{site}' is a fixed PUE, which says nothing of a limit"
                    yield ("policies", i, "domains", name, "limit"), why


def _carried(path: KeyPath, spec: PowerDomain) -> Found:
    """A breaker that opens below the limit of its own domain."""
    if spec.breaker is None or not isinstance(spec.limit, float) or spec.breaker.curve.carries is None:
        return
    carried_w = float(spec.breaker.rating) * spec.breaker.curve.carries
    if spec.limit > carried_w:
        why = f"carries {carried_w / W_PER_KW:,.3g} kW, and opens within the limit of {spec.limit / W_PER_KW:,.3g} kW"
        yield (*path, "breaker", "rating"), f"{why}: raise it, or lower the limit"


def _of_boards(path: KeyPath, spec: PowerDomain, resolved: Resolved) -> Found:
    for pool in pools_of(spec, resolved):
        gpu = resolved.gpus.get(pool)
        if gpu is None:
            yield (*path, "pools"), f"pool '{pool}' has no GPUs"
            continue
        loaded_w, tdp_w = float(gpu.power.loaded.value), float(gpu.tdp.value)
        assert isinstance(spec.limit, float)
        if not loaded_w < spec.limit <= tdp_w:
            bounds = f"the {loaded_w:g} W loaded and {tdp_w:g} W TDP of '{gpu.name}'"
            yield (*path, "limit"), f"{float(spec.limit):g} W is not between {bounds}"


def _of_its_size(path: KeyPath, spec: PowerDomain, resolved: Resolved) -> Found:
    for pool in pools_of(spec, resolved):
        if spec.per == "rack" and spec.nodes is None and resolved.machines[pool].pool.rack_nodes is None:
            yield (*path, "nodes"), f"required: pool '{pool}' does not say how many nodes are in a rack ('rack_nodes')"


def _heard(path: KeyPath, spec: PowerDomain, resolved: Resolved) -> Found:
    """Answers are asked of trainings, campaigns, rows of tables and services; and where these are alone, of what they
    can be asked."""
    own = pools_of(spec, resolved)
    there = {group.workload for group in resolved.groups if group.pool in own}
    asked = {*resolved.jobs, *resolved.campaigns, *resolved.batches}
    asked |= {*resolved.services, *resolved.serving, *resolved.split}
    if spec.answers and there and not there & asked:
        others, whom = ", ".join(sorted(there)), "trainings, campaigns, jobs, services and places of a split"
        yield (*path, "answers"), f"would do nothing: they are asked of {whom}, and here are only {others}"
    served = [group for group in resolved.groups if group.pool in own and group.workload in resolved.serving]
    for k, answer in enumerate(spec.answers):
        if answer.kind != "cap" or answer.whom == "training":
            continue
        for pool in dict.fromkeys(group.pool for group in served):
            gpu = resolved.gpus[pool]
            loaded_w, tdp_w = float(gpu.power.loaded.value), float(gpu.tdp.value)
            if float(answer.floor) * tdp_w <= loaded_w:
                least = f"{float(answer.floor):.0%} of its TDP is not above the {loaded_w:g} W that it draws loaded"
                yield (*path, "answers", k, "floor"), f"a '{gpu.name}' cannot serve so: {least}"


def _ranked(path: KeyPath, policy: PowerLimits, resolved: Resolved) -> Found:
    """Priorities are of workloads whose jobs have none."""
    for name in policy.priorities:
        if name in resolved.batches:
            yield (*path, "priorities", name), "is a table of jobs, each of which has a priority of its own"
        elif name in resolved.federated:
            told = "is federated: its server draws what it draws loaded, and its devices are on no limit of the site's"
            yield (*path, "priorities", name), f"{told}; it counts, and is never lowered"
        elif name not in resolved.parts.names:
            known = ", ".join(resolved.parts.names)
            yield (*path, "priorities", name), f"no such workload{nearest(name, resolved.parts.names)}  ({known})"
    if policy.readings is not None and not resolved.serving:
        yield (*path, "readings"), "there is no workload of kind 'serving', of whose replicas they would be"


def _within_reach(path: KeyPath, spec: PowerDomain, resolved: Resolved) -> Found:
    """No answer brings machines below what they draw with nobody on them."""
    from sim.build.world import rest_w

    written: list[tuple[KeyPath, float]] = [(("limit",), spec.limit)] if isinstance(spec.limit, float) else []
    written += [(("changes", k, "limit"), change.limit) for k, change in enumerate(spec.changes)]
    written += [(("calls", k, "limit"), call.limit) for k, call in enumerate(spec.calls)]
    several = [nodes for _, nodes in domains_of(spec, resolved)]
    each_w = {pool: rest_w(pool, resolved) for pool in pools_of(spec, resolved)}
    least_w = max((sum(each_w[pool] * (b - a) for pool, a, b in nodes) for nodes in several), default=0.0)
    for field, limit_w in written:
        if spec.answers and float(limit_w) < least_w:
            least = f"{least_w / W_PER_KW:,.3g} kW that its machines draw with nobody on them"
            yield (*path, *field), f"{float(limit_w) / W_PER_KW:,.3g} kW is below the {least}"
        elif spec.release is not None and "calls" not in field and limit_w * float(spec.release.below) < least_w:
            calm = f"{float(spec.release.below):.0%} of {float(limit_w) / W_PER_KW:,.3g} kW"
            least = f"{least_w / W_PER_KW:,.3g} kW that its machines draw with nobody on them"
            yield (*path, "release", "below"), f"{calm} is below the {least}: what is asked would never be taken back"


def _nested(path: KeyPath, sets: dict[str, list[frozenset[tuple[str, int]]]]) -> Found:
    """Domains are a tree: of two that have nodes in common one lies within the other."""
    for one, other in combinations(sets, 2):
        owner = {node: i for i, nodes in enumerate(sets[one]) for node in nodes}
        for nodes in sets[other]:
            touched = {owner[node] for node in nodes if node in owner}
            crossed = [i for i in touched if not (sets[one][i] <= nodes or nodes <= sets[one][i])]
            if crossed:
                yield (*path, other), f"cuts across '{one}': of two domains one must lie within the other"
                break
