"""What became of requests, as headers and rows of text: the terminal and the report show the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sim.results.formats import Grid, number, percent, seconds

SHOWN_PROBLEMS = 5
LATENCIES = (("ttft_s", "TTFT"), ("tpot_s", "TPOT"), ("itl_s", "ITL"), ("step_gap_s", "step gap"), ("e2e_s", "E2E"))


def service_grids(services: Mapping[str, Any]) -> list[Grid]:
    """Grids of the summary's ``serving``: one of queues of requests, four of services by the token."""
    tokens = {name: service for name, service in services.items() if "output_tokens" in service}
    queues = {name: service for name, service in services.items() if name not in tokens}
    grids = [_queues(queues)] if queues else []
    return [*grids, _latencies(tokens), _served(tokens), _memory(tokens), _energy(tokens)] if tokens else grids


def service_remarks(services: Mapping[str, Any]) -> list[str]:
    """What a reader of the grids should know beside them: what was left out, and why something was refused."""
    remarks = []
    for name, service in services.items():
        if "rejected_too_long" in service:
            count = f"{service['rejected_too_long']:,}"
            remarks.append(f"{name}: {count} requests were refused as longer than the KV cache of a replica.")
        if "trace_rows_skipped" in service:
            problems = service["trace_problems"]
            remarks.append(f"{name}: {service['trace_rows_skipped']:,} rows of its trace were left out, such as:")
            remarks += [f"  {problem}" for problem in problems[:SHOWN_PROBLEMS]]
    return remarks


def _queues(services: Mapping[str, Any]) -> Grid:
    rows = []
    for name, service in services.items():
        latency = service.get("e2e_s")
        rows.append(
            [
                name,
                f"{service['requests']:,}",
                f"{service['rejected']:,}",
                seconds(latency["p50"]) if latency else "",
                seconds(latency["p99"]) if latency else "",
                percent(service["utilisation"]),
                number(service["energy_j_per_request"]) if "energy_j_per_request" in service else "",
                percent(service.get("zero_load_energy_share")),
            ]
        )
    return ["service", "requests", "refused", "p50", "p99", "busy", "J/request", "zero load"], rows


def _latencies(services: Mapping[str, Any]) -> Grid:
    rows = [
        [f"{name} {label}", *(seconds(service[key][column]) for column in ("mean", "p50", "p90", "p99"))]
        for name, service in services.items()
        for key, label in LATENCIES
        if key in service and not (key == "step_gap_s" and service[key] == service.get("itl_s"))
    ]
    return ["latency", "mean", "p50", "p90", "p99"], rows


def _served(services: Mapping[str, Any]) -> Grid:
    rows = [
        [
            name,
            f"{service['completed']:,}",
            f"{service['rejected']:,}",
            f"{service['timed_out']:,}",
            percent(service.get("goodput_share")),
            number(service["throughput_tok_per_s"]),
        ]
        for name, service in services.items()
    ]
    return ["served", "requests", "refused", "gave up", "goodput", "tokens/s"], rows


def _memory(services: Mapping[str, Any]) -> Grid:
    rows = [
        [
            name,
            number(service["replicas_mean"]),
            number(service["batch_size_mean"]),
            percent(service.get("kv_occupancy")),
            percent(service.get("kv_occupancy_peak")),
            percent(service.get("prefix_cache_hit_rate")),
            f"{service['preemptions']:,}",
        ]
        for name, service in services.items()
    ]
    return ["in memory", "replicas", "batch", "KV used", "at most", "cache hits", "preempted"], rows


def _energy(services: Mapping[str, Any]) -> Grid:
    rows = []
    for name, service in services.items():
        split = service["energy_split_kwh"]
        per_token = service.get("energy_j_per_output_token")
        rows.append(
            [
                name,
                *(f"{number(split[phase])} kWh" for phase in ("prefill", "decode", "overhead")),
                percent(service.get("zero_load_energy_share")),
                number(per_token) if per_token is not None else "",
            ]
        )
    return ["energy of", "prefill", "decode", "all else", "zero load", "J/token"], rows
