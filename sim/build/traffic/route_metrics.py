"""What became of each route: who served how much, what was moved, and what its users saw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.build.traffic.relays import relay_metrics
from sim.build.traffic.routes import RoutePlan
from sim.units import BYTES_PER_GB, J_PER_KWH, SECONDS_PER_NS
from sim.workload.exact import total
from sim.workload.serving_records import SKETCHES, ServingLog

if TYPE_CHECKING:
    from sim.workload.records import ServiceLog
    from sim.workload.relays import RelayLog


Floats = npt.NDArray[np.float64]


def route_metrics(
    routes: Mapping[str, RoutePlan],
    logs: Mapping[str, ServingLog | ServiceLog],
    moved: Mapping[str, Floats],
    relays: Mapping[str, RelayLog],
) -> dict[str, Any]:
    """Figures of each route; times are means in s."""
    found = {}
    for name, route in routes.items():
        requests = {to: _arrived(logs[to]) for to in route.to}
        one: dict[str, Any] = {"requests": requests}
        for path in ("ttft", "e2e"):
            seen: dict[str, float] = {}
            whole_ns = finished = 0
            relay = relays.get(name)
            for to, sent in route.to.items():
                taken_ns, done = _taken(logs[to], path, sent.latency_ns) if relay is None else _relayed(relay, to, path)
                if done:
                    seen[to] = taken_ns / done * SECONDS_PER_NS
                    whole_ns, finished = whole_ns + taken_ns, finished + done
            one[f"{path}_s"] = seen
            if finished:
                one[f"{path}_mean_s"] = whole_ns / finished * SECONDS_PER_NS
        if name in relays:
            one |= relay_metrics(relays[name])
        found[name] = one | _moved(route, requests, moved)
    return found


def _arrived(log: ServingLog | ServiceLog) -> int:
    return log.counts["arrived"] if isinstance(log, ServingLog) else log.requests


def _taken(log: ServingLog | ServiceLog, path: str, latency_ns: int) -> tuple[int, int]:
    """ns that all finished requests of a service took to its users, and how many they are."""
    if isinstance(log, ServingLog):
        done = int(log.sketches[SKETCHES.index(path)].sum())
        return log.counts[f"{path}_ns"] + done * latency_ns, done
    if path == "ttft":
        return 0, 0
    arrived, done_ns = (np.frombuffer(column, dtype=np.int64) for column in (log.arrival_ns, log.done_ns))
    return total(done_ns - arrived) + len(done_ns) * latency_ns, len(done_ns)


def _relayed(log: RelayLog, to: str, path: str) -> tuple[int, int]:
    """The same of what is answered at a place of a relay, from when it was first asked."""
    place = log.plan.to.index(to)
    times = log.first_ns[place] if path == "ttft" else log.took_ns[place]
    return sum(times), len(times)


def _moved(route: RoutePlan, requests: Mapping[str, int], moved: Mapping[str, Floats]) -> dict[str, Any]:
    transfer, total = route.transfer, sum(requests.values())
    if transfer is None:
        return {}
    away = [to for to in route.to if to in moved]
    moved_bytes = sum(float(moved[to].sum()) for to in away) * transfer.bytes_per_token
    return {
        "moved_share": sum(requests[to] for to in away) / total if total else 0.0,
        "moved_gb": moved_bytes / BYTES_PER_GB,
        "network_kwh": moved_bytes * transfer.joule_per_byte / J_PER_KWH,
        "egress": {"cost": moved_bytes * transfer.cost_per_byte, "currency": transfer.currency},
    }
