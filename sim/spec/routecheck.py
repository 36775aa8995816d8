"""What shows of routes when they are held against the workloads that serve them, and where a mistake in them stands."""

from __future__ import annotations

from collections.abc import Iterator

from sim.documents import Document, KeyPath
from sim.spec.parts import Parts
from sim.spec.serving import Serving
from sim.validation import nearest
from sim.workload.routing import room

Found = Iterator[tuple[KeyPath, str]]

OF_THE_ROUTE = ("arrivals", "lengths", "prefix")
"""Fields of a routed workload that are written under its route."""


def where_written(document: Document, path: KeyPath) -> KeyPath:
    """A path below a workload, or that below its route where the workload takes this field from there."""
    if len(path) < 3 or path[0] != "workloads" or path[2] not in OF_THE_ROUTE:
        return path
    workloads, routes = document.data.get("workloads"), document.data.get("routes")
    workload = workloads.get(path[1]) if isinstance(workloads, dict) else None
    arrivals = workload.get("arrivals") if isinstance(workload, dict) else None
    route = arrivals.get("route") if isinstance(arrivals, dict) and arrivals.get("kind") == "routed" else None
    if not (isinstance(routes, dict) and isinstance(route, str) and route in routes and isinstance(workload, dict)):
        return path
    own = path[2] in workload if path[2] != "arrivals" else path[3:] == ("route",)
    return path if own else ("routes", route, *path[2:])


def links(document: Document) -> Found:
    """Routes and the workloads that serve them name each other; off the plain data, which may not parse."""
    routes, workloads = document.data.get("routes"), document.data.get("workloads")
    routes = routes if isinstance(routes, dict) else {}
    workloads = workloads if isinstance(workloads, dict) else {}
    served: dict[str, str] = {}
    for name, workload in workloads.items():
        arrivals = workload.get("arrivals") if isinstance(workload, dict) else None
        if isinstance(arrivals, dict) and arrivals.get("kind") == "routed":
            path: KeyPath = ("workloads", name, "arrivals", "route")
            wanted = arrivals.get("route")
            if not isinstance(wanted, str):
                continue  # told when it was parsed
            served[name] = wanted
            if not routes:
                yield path, f"there are no routes; write its arrivals and lengths under routes.{wanted}"
            elif wanted not in routes:
                yield path, f"unknown route '{wanted}'{nearest(wanted, routes)}  ({', '.join(map(str, routes))})"
            elif name not in _named(routes[wanted], "to"):
                yield path, f"route '{wanted}' does not lead here: add '{name}' to its 'to'"
            for field in ("lengths", "prefix"):
                if field in workload:
                    yield ("workloads", name, field), f"comes with the route; give it under routes.{wanted}"
    for name, route in routes.items():
        at: KeyPath = ("routes", name)
        for to in _named(route, "to"):
            if to not in workloads:
                known = ", ".join(map(str, workloads))
                yield (*at, "to", to), f"unknown workload '{to}'{nearest(to, workloads)}  ({known})"
            elif served.get(to, name) != name and to in _named(routes.get(served[to]), "to"):
                yield (*at, "to", to), f"serves route '{served[to]}' already; give this route a workload of its own"
            elif served.get(to) != name:
                yield (*at, "to", to), f"needs arrivals: {{kind: routed, route: {name}}} in workloads.{to}"
        home = route.get("home") if isinstance(route, dict) else None
        if isinstance(home, str) and home not in _named(route, "to"):
            yield (*at, "home"), f"is none of 'to'{nearest(home, _named(route, 'to'))}"
        shares = _named(route.get("by"), "shares") if isinstance(route, dict) else []
        if shares and set(shares) != set(_named(route, "to")):
            yield (*at, "by", "shares"), "needs a share for each of 'to', and no other"


def _named(data: object, field: str) -> list[str]:
    """Keys of the mapping ``field`` of a mapping; none where there is none."""
    inside = data.get(field) if isinstance(data, dict) else None
    return [str(key) for key in inside] if isinstance(inside, dict) else []


def held_to(parts: Parts) -> Found:
    """Limits that a route leaves no room for: SLOs within its latency, and places that take less than a request."""
    for name, route in parts.routes.items():
        for to, there in route.to.items():
            workload = parts.workloads.get(to)
            slo = workload.slo if isinstance(workload, Serving) else None
            for field in ("ttft", "e2e") if slo is not None else ():
                limit = getattr(slo, field)
                if limit is not None and limit <= there.latency:
                    message = (
                        f"is within the latency of route '{name}' ({there.latency.text}): no request could be served"
                    )
                    yield ("workloads", to, "slo", field), message
            interval = getattr(route.by, "interval", None)  # shares keep no limit, and have none
            if there.most is not None and interval is not None and room(float(there.most), int(interval)) < 1.0:
                message = f"is less than a request in an interval of {interval.text}; give a longer interval"
                yield ("routes", name, "to", to, "most"), message
