"""What became of requests, as headers and rows of text: the terminal and the report show the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.results.catalogue import LATENCIES, grid
from sim.results.catalogue.quantity import STATISTICS
from sim.results.catalogue.services import MEMORY, QUEUES, SERVED, SPLIT
from sim.results.catalogue.split import STAGED, STAGED_PLACES, STAGED_TIME
from sim.results.formats import Grid, percent, seconds

SHOWN_PROBLEMS = 5
LEAST_SHOWN = 0.005
LEFT_BEHIND = 0.1
"""Share of all requests: of the few of a short run, some are always left."""
FULL_NETWORK = 0.9
"""Share of time at work beyond which what is sent waits for long."""
LONG_WAIT_S = 1.0
"""Starting a replica takes seconds to minutes; waits of a service that is up and not overloaded are shorter."""


def service_grids(services: Mapping[str, Any]) -> list[Grid]:
    """Grids of the summary's ``serving``: one of queues of requests, four of services by the token."""
    tokens = {name: service for name, service in services.items() if "output_tokens" in service}
    queues = {name: service for name, service in services.items() if name not in tokens}
    grids = [grid(QUEUES, queues)] if queues else []
    if not tokens:
        return grids
    latencies = _latencies(tokens)  # of those that answered anything
    return [*grids, *([latencies] if latencies[1] else []), *(grid(view, tokens) for view in (SERVED, MEMORY, SPLIT))]


def split_grids(workloads: Mapping[str, Any]) -> list[Grid]:
    """Grids of the summary's ``split``: requests and their joules, where their time goes, and the places."""
    answered = {name: one for name, one in workloads.items() if "e2e_s" in one}
    places = {f"{name} {place}": at for name, one in workloads.items() for place, at in one["by_place"].items()}
    grids = [grid(STAGED, workloads)]
    grids += [grid(STAGED_TIME, answered)] if answered else []
    return grids + ([grid(STAGED_PLACES, places)] if places else [])


def service_remarks(services: Mapping[str, Any]) -> list[str]:
    """What a reader of the grids should know beside them: what was left out, and why something was refused."""
    remarks = []
    for name, service in services.items():
        if _began_cold(service):
            remarks.append(
                f"{name}: its replicas were started in the beginning; times of who came meanwhile hold that wait. "
                "Without 'start_up' they are up from the first instant."
            )
        full = service.get("network_busy", 0.0) > FULL_NETWORK
        if _falls_behind(service):
            more = "a 'network' of more bandwidth, or more replicas that prefill" if full else "more replicas"
            remarks.append(
                f"{name}: {service['unfinished']:,} of {service['requests']:,} requests were unanswered at the end: "
                f"more came than it answers. Give it {more}, or a longer run if this one is too short to tell."
            )
        if full:
            remarks.append(
                f"{name}: KV caches waited for the network, which carried them for {percent(service['network_busy'])} "
                "of the time. That wait stands in TPOT and E2E; more replicas that decode do not shorten it."
            )
        if "rejected_too_long" in service:
            count = f"{service['rejected_too_long']:,}"
            remarks.append(f"{name}: {count} requests were refused as longer than the KV cache of a replica.")
        for kind, ways in service.get("step_time_shares", {}).items():
            told = ", ".join(f"{percent(share)} {way}" for way, share in ways.items() if share >= LEAST_SHOWN)
            remarks.append(f"{name}: time of a full {kind} iteration: {told}.")
        if "trace_rows_skipped" in service:
            problems = service.get("trace_problems", ())
            remarks.append(f"{name}: {service['trace_rows_skipped']:,} rows of its trace were left out, such as:")
            remarks += [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    return remarks


def _began_cold(service: Mapping[str, Any]) -> bool:
    """Whether the first start of replicas that neither came nor went decides the slowest in a hundred."""
    started, most = service.get("cold_starts", 0), service.get("replicas_most", 0)
    return bool(0 < started <= most and "ttft_s" in service and service["queueing_s"]["p99"] >= LONG_WAIT_S)


def _falls_behind(service: Mapping[str, Any]) -> bool:
    """Whether far more are left at the end than Little's law has in a service that answers as many as come."""
    left, came = service.get("unfinished", 0), service["requests"]
    in_work = service.get("throughput_requests_per_s", 0.0) * service.get("e2e_s", {}).get("mean", 0.0)
    return bool(left > LEFT_BEHIND * came and left > 2 * in_work)


def _latencies(services: Mapping[str, Any]) -> Grid:
    rows = [
        [f"{name} {word}", *(_told(service[key], statistic) for statistic in STATISTICS)]
        for name, service in services.items()
        for key, word in LATENCIES.items()
        if key in service and not (key == "step_gap_s" and service[key] == service.get("itl_s"))
    ]
    return ["latency", *STATISTICS], rows


def _told(latency: Mapping[str, float], statistic: str) -> str:
    """Runs that were written before a statistic was told have none."""
    return seconds(latency[statistic]) if statistic in latency else ""
