"""What shows of routes when they are held against the workloads that serve them, and where a mistake in them stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.documents import Document, KeyPath
from sim.later import later
from sim.signals import Signal
from sim.validation import nearest

with later():
    from sim.spec.inference import Inference
    from sim.spec.requests import RoutedArrivals
    from sim.spec.serving import Serving
    from sim.workload.routing import room


if TYPE_CHECKING:
    from sim.spec.routes import Route


Found = Iterator[tuple[KeyPath, str]]

OF_THE_ROUTE = ("arrivals", "lengths", "prefix")
"""Fields of a routed workload that are written under its route."""


def where_written(document: Document, path: KeyPath) -> KeyPath:
    """A path below a workload, or that below its route where the workload takes this field from there."""
    if len(path) < 3 or path[0] != "workloads" or path[2] not in OF_THE_ROUTE:
        return path
    route = _route_of(document, path[1])
    if route is None or route not in document.mapping("routes"):
        return path
    own = path[2] in document.mapping(*path[:2]) if path[2] != "arrivals" else path[3:] == ("route",)
    return path if own else ("routes", route, *path[2:])


def _route_of(document: Document, workload: str | int) -> str | None:
    """The route that a workload says it serves, whether it is there or not."""
    at = ("workloads", workload, "arrivals")
    return document.text(*at, "route") if document.at(*at, "kind") == "routed" else None


def links(document: Document) -> Found:
    """Routes and the workloads that serve them name each other; off the plain data, which may not parse."""
    routes, workloads = document.mapping("routes"), document.mapping("workloads")
    served = {name: route for name in workloads if (route := _route_of(document, name)) is not None}
    for name, wanted in served.items():
        path: KeyPath = ("workloads", name, "arrivals", "route")
        if not routes:
            yield path, f"there are no routes; write its arrivals and lengths under routes.{wanted}"
        elif wanted not in routes:
            yield path, f"unknown route '{wanted}'{nearest(wanted, routes)}  ({', '.join(routes)})"
        elif name not in document.mapping("routes", wanted, "to"):
            yield path, f"route '{wanted}' does not lead here: add '{name}' to its 'to'"
        for field in ("lengths", "prefix"):
            if field in workloads[name]:
                yield ("workloads", name, field), f"comes with the route; give it under routes.{wanted}"
    for name in routes:
        at: KeyPath = ("routes", name)
        destinations = document.mapping(*at, "to")
        for to in destinations:
            if to not in workloads:
                known = ", ".join(workloads)
                yield (*at, "to", to), f"unknown workload '{to}'{nearest(to, workloads)}  ({known})"
            elif served.get(to, name) != name and to in document.mapping("routes", served[to], "to"):
                yield (*at, "to", to), f"serves route '{served[to]}' already; give this route a workload of its own"
            elif served.get(to) != name:
                yield (*at, "to", to), f"needs arrivals: {{kind: routed, route: {name}}} in workloads.{to}"
        home = document.text(*at, "home")
        if home is not None and home not in destinations:
            yield (*at, "home"), f"is none of 'to'{nearest(home, destinations)}"
        yield from _shared_out(document, (*at, "by"), list(destinations))


def _shared_out(document: Document, at: KeyPath, to: list[str]) -> Found:
    """A rule that names places names those of 'to', each once."""
    shares, limited = document.mapping(*at, "shares"), document.mapping(*at, "up_to")
    if shares and set(shares) != set(to):
        yield (*at, "shares"), "needs a share for each of 'to', and no other"
    beyond = document.text(*at, "beyond")
    if not limited or beyond is None:
        return  # told when it was parsed
    for name in limited:
        if to and name not in to:
            yield (*at, "up_to", name), f"is none of 'to'{nearest(name, to)}  ({', '.join(to)})"
    if to and beyond not in to:
        yield (*at, "beyond"), f"is none of 'to'{nearest(beyond, to)}  ({', '.join(to)})"
    for name in to:
        if name != beyond and name not in limited:
            yield (*at, "up_to"), f"needs a limit for '{name}', or make it 'beyond'"


def relays(resolved: Resolved) -> Found:
    """What memos, cascades and routes to queues leave out or ask for too much."""
    parts = resolved.parts
    for name, route in parts.routes.items():
        at: KeyPath = ("routes", name)
        queues = [to for to in route.to if to in resolved.services]
        models = [to for to in route.to if to in resolved.serving]
        if queues and models:
            yield (*at, "to"), f"leads to queues of requests and to models: '{queues[0]}', '{models[0]}'; take one kind"
        elif queues:
            yield from _to_queues(at, route, open_ended=parts.open_ended)
        if route.cache is not None and route.cache.at not in route.to:
            yield (*at, "cache", "at"), f"is none of 'to'{nearest(route.cache.at, route.to)}  ({', '.join(route.to)})"
    for name, workload in parts.workloads.items():
        if isinstance(workload, Inference | Serving) and workload.cache is not None:
            yield from _of_its_own(("workloads", name), workload)


def _to_queues(at: KeyPath, route: Route, *, open_ended: bool) -> Found:
    """A route to services whose times are given, for which tokens mean nothing."""
    for field in ("lengths", "prefix", "transfer"):
        if getattr(route, field) is not None:
            yield (*at, field), "means nothing to queues of requests: leave it out"
    if route.by.kind == "prompt-tokens":
        yield (*at, "by"), "means nothing to queues of requests: share them out by difficulty, or by shares"
    if open_ended and route.arrivals.endless:
        yield (*at, "arrivals"), "never end; give the scenario a 'duration', or say how many 'requests'"


def _of_its_own(at: KeyPath, workload: Inference | Serving) -> Found:
    """A memo in front of one workload."""
    assert workload.cache is not None
    arrivals, column = workload.arrivals, workload.cache.keys.of_trace
    if isinstance(arrivals, RoutedArrivals):
        yield (*at, "cache"), f"comes before its route: write it under routes.{arrivals.route}"
    elif arrivals.kind == "closed-loop":
        yield (*at, "cache"), "needs open arrivals: users of a closed loop wait for the model itself"
    elif column is not None and arrivals.kind != "trace":
        yield (*at, "cache", "keys"), "a column of keys needs arrivals: {kind: trace, ...}"


def _sites(resolved: Resolved, route: Route) -> set[str]:
    """Sites of the places of a route, as far as they can be told."""
    pools = [resolved.pool(to) for to in route.to if resolved.pools.get(to)]
    return {resolved.sites[pool] for pool in pools if pool in resolved.sites}


def held_to(resolved: Resolved) -> Found:
    """What a route leaves no room for: SLOs within its latency, places that take less than a request; and sites apart
    without a latency."""
    for name, route in resolved.parts.routes.items():
        apart = _sites(resolved, route)
        if len(apart) > 1 and any(there.latency is None for there in route.to.values()):
            message = f"needs a 'latency' for each: they stand at several sites  ({', '.join(sorted(apart))})"
            yield ("routes", name, "to"), message
        for to, there in route.to.items():
            served = resolved.serving.get(to) or resolved.services.get(to)
            slo = served.slo if served is not None else None
            for field in ("ttft", "e2e") if slo is not None else ():
                limit = getattr(slo, field, None)
                if limit is not None and there.latency is not None and limit <= there.latency:
                    message = (
                        f"is within the latency of route '{name}' ({there.latency.text}): no request could be served"
                    )
                    yield ("workloads", to, "slo", field), message
            interval = getattr(route.by, "interval", None)  # shares keep no limit, and have none
            if there.most is not None and interval is not None and room(float(there.most), int(interval)) < 1.0:
                message = f"is less than a request in an interval of {interval.text}; give a longer interval"
                yield ("routes", name, "to", to, "most"), message


def signal_problems(resolved: Resolved, signals: Mapping[str, Mapping[str, Signal]]) -> Found:
    """Routes by signals that the grid of one of their sites does not give."""
    for name, route in resolved.parts.routes.items():
        seen = route.by.sees
        if seen is not None:
            sites = {resolved.sites[resolved.pool(to)] for to in route.to}
            for site in sorted(site for site in sites if seen not in signals[site]):
                given = ", ".join(sorted(signals[site]))
                message = f"the grid of '{site}' has no {seen}; give it, or go by what it has  ({given})"
                yield ("routes", name, "by", "signal"), message
