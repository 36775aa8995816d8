"""Cascades and memos as written -> relays, and what these took of the CPUs beside the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import Key, Ledger
from sim.accounting.metrics import percentiles
from sim.build.resolved import Resolved
from sim.build.traffic.requests import Asked, request_source
from sim.build.traffic.routes import RoutePlan, Told
from sim.build.work import arrivals_of
from sim.kinds import builder
from sim.later import later
from sim.rng import Streams
from sim.spec.requests import RoutedArrivals
from sim.spec.serving import Serving
from sim.units import SECONDS_PER_NS
from sim.workload import result_cache
from sim.workload.requests import Listed, RequestSource

with later():
    from sim.spec.inference import Inference
    from sim.spec.routes import ByCascade
    from sim.workload.relays import Hardness, RelayPlan


if TYPE_CHECKING:
    from sim.spec.result_cache import KeyColumn, RepeatedSamples, ResultCache, ZipfPopularity
    from sim.spec.routes import Route
    from sim.workload.relays import RelayLog


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def zipf(law: ZipfPopularity, name: str, streams: Streams) -> result_cache.Zipf:
    """Drawn from a catalogue."""
    return result_cache.Zipf(law.catalogue, law.exponent, streams.named(f"keys/{name}"))


def repeated(law: RepeatedSamples, _name: str, _streams: Streams) -> result_cache.Repeated:
    """In passes over samples."""
    return result_cache.Repeated(law.samples, law.times)


def recorded(_law: KeyColumn, _name: str, _streams: Streams) -> result_cache.Recorded:
    """As its trace says."""
    return result_cache.Recorded()


def relay_plans(resolved: Resolved, routes: Mapping[str, RoutePlan], streams: Streams) -> tuple[RelayPlan, ...]:
    """Those of routes whose requests are relayed, and of workloads with a memo of their own."""
    written = resolved.parts.routes
    of_routes = [_of_route(name, route, routes[name], streams) for name, route in written.items() if route.relayed]
    own = [
        _of_workload(name, workload, workload.cache, resolved, streams)
        for name, workload in resolved.parts.workloads.items()
        if isinstance(workload, Inference | Serving) and workload.cache is not None
    ]
    return (*of_routes, *own)


def _of_route(name: str, route: Route, plan: RoutePlan, streams: Streams) -> RelayPlan:
    by, source = route.by, next(iter(plan.to.values())).requests
    cache = _cache(name, route.cache, route.cache.at, streams) if route.cache is not None else None
    if not isinstance(by, ByCascade):
        to = tuple(plan.to)
        ways = tuple(plan.to[place].latency_ns // 2 for place in to)
        return RelayPlan(name, True, source, to, ways, (inf,) * len(to), plan.rule, cache=cache)
    to = (*sorted(by.up_to, key=lambda place: by.up_to[place]), by.beyond)
    told = plan.told
    assert told is not None  # a cascade goes by how hard requests are
    return RelayPlan(
        name=name,
        of_route=True,
        source=source,
        to=to,
        way_ns=tuple(plan.to[place].latency_ns // 2 for place in to),
        limits=(*sorted(by.up_to.values()), inf),
        hardness=_hardness(told),
        verifier_ns=int(by.verifier.time),
        verifier_j=float(by.verifier.energy),
        cache=cache,
    )


def _hardness(told: Told) -> Hardness:
    assert told.by != "prompt-tokens"
    return Hardness(told.by, told.drawn)


def _of_workload(
    name: str, workload: Inference | Serving, cache: ResultCache, resolved: Resolved, streams: Streams
) -> RelayPlan:
    parts = resolved.parts
    source: RequestSource
    open_until_ns = 0
    if isinstance(workload, Inference):
        assert not isinstance(workload.arrivals, RoutedArrivals)  # a route has a memo of its own
        times_ns, until_ns = arrivals_of(name, workload.arrivals, parts, streams)
        source, open_until_ns = Listed(times_ns), until_ns
    else:
        key = cache.keys.of_trace
        asked = Asked(name, workload.lengths, workload.prefix, parts.start_ns, parts.duration_ns, streams, key=key)
        source = request_source(workload.arrivals, asked)
    made = _cache(name, cache, name, streams)
    return RelayPlan(name, False, source, (name,), (0,), (inf,), cache=made, open_until_ns=open_until_ns)


def _cache(name: str, written: ResultCache, at: str, streams: Streams) -> result_cache.CachePlan:
    keys = builder(written.keys)(written.keys, name, streams)
    return result_cache.CachePlan(keys, written.capacity, int(written.lookup.time), float(written.lookup.energy), at)


def with_relays(ledger: Ledger, logs: Sequence[RelayLog], resolved: Mapping[str, tuple[str, str, str]]) -> Ledger:
    """The ledger with what looking up and judging took of CPUs. ``resolved``: site, pool and node of each workload."""
    rows = list(zip(ledger.keys, ledger.energy_j, ledger.slot_ns, strict=True))
    before = len(rows)
    for log in logs:
        plan, cache = log.plan, log.plan.cache
        spent = [(place, log.judged_ns[i], plan.verifier_j) for i, place in enumerate(plan.to)]
        if cache is not None:
            spent.append((cache.at, log.looked_ns, cache.lookup_j))
        for place, times, joules in spent:
            if joules and len(times):
                site, pool, node = resolved[place]
                counted = _in_bins(np.frombuffer(times, dtype=np.int64), ledger.edges_ns)
                key = Key(site, pool, node, "cpu", place, "active")
                rows.append((key, counted * joules, np.zeros_like(ledger.slot_ns[0])))
    return Ledger.of(ledger.edges_ns, rows) if len(rows) > before else ledger


def _in_bins(times_ns: Ints, edges_ns: Ints) -> Floats:
    bins = np.clip(np.searchsorted(edges_ns, times_ns, side="right") - 1, 0, len(edges_ns) - 2)
    return np.bincount(bins, minlength=len(edges_ns) - 1).astype(np.float64)


def relay_metrics(log: RelayLog) -> dict[str, Any]:
    """What became of the requests of a relay: at which place they were answered, and how long users waited (s)."""
    plan = log.plan
    found: dict[str, Any] = {
        "asked": log.asked,
        "answered": dict(zip(plan.to, log.answered, strict=True)),
        "passed_on": {
            place: passed
            for i, (place, passed) in enumerate(zip(plan.to, log.passed_on, strict=True))
            if plan.judges(i)
        },
        "lost": sum(log.lost),
    }
    if plan.cache is not None:
        found["cache"] = cache_metrics(log)
    whole_ns = log.all_took_ns
    if len(whole_ns):
        found["e2e_mean_s"] = _mean_s(whole_ns)
        found["answer_s"] = percentiles(whole_ns * SECONDS_PER_NS)
    return found


def memo_metrics(log: RelayLog) -> dict[str, Any]:
    """What the memo of one workload found, and how long users waited (s), with the look and for what it knew too."""
    found, whole_ns = cache_metrics(log), log.all_took_ns
    if len(whole_ns):
        found["answer_s"] = {"mean": _mean_s(whole_ns), **percentiles(whole_ns * SECONDS_PER_NS)}
    return found


def _mean_s(times_ns: Ints) -> float:
    return float(times_ns.mean()) * SECONDS_PER_NS


def cache_metrics(log: RelayLog) -> dict[str, Any]:
    """What a memo found of what it was asked."""
    looked = len(log.looked_ns)
    found: dict[str, Any] = {"lookups": looked, "hits": log.hits, "evictions": log.evictions}
    found["remembered"] = log.remembered
    if looked:
        found["hit_rate"] = log.hits / looked
    return found
