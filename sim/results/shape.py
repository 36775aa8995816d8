"""What a summary looks like, as far as anything reads it again: names, and what kind of thing is under each.

A run's folder may have been edited, or written by another version; what is not of this shape is no summary of a run,
and is refused by its dotted path before anything is drawn from it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NUMBER, TEXT, MAP, LIST = (int, float), (str,), (dict,), (list,)


@dataclass(frozen=True)
class Each:
    """A table of any names with the same under each."""

    inner: Any


@dataclass(frozen=True)
class Maybe:
    """What may also be absent."""

    inner: Any


@dataclass(frozen=True)
class OrNull:
    """What may also be ``null``."""

    inner: Any


@dataclass(frozen=True)
class Items:
    """A list of the same."""

    inner: Any


def _maybe(*names: str) -> dict[str, Maybe]:
    return dict.fromkeys(names, Maybe(NUMBER))


_NUMBERS = Each(NUMBER)
_ENERGY = {
    **dict.fromkeys(("it", "facility", "facility_overhead"), NUMBER),
    **dict.fromkeys(("by_component", "overhead_by_component", "by_workload", "by_state"), _NUMBERS),
    **_maybe(
        "network",
        "grid_import",
        "grid_export",
        "unserved",
        "on_site_pv",
        "on_site_wind",
        "on_site_consumed",
        "on_site_diesel",
    ),
    **_maybe("battery_discharged", "battery_losses", "curtailed"),
}
_CARBON = {
    **dict.fromkeys(("operational_location", "embodied", "total"), NUMBER),
    **dict.fromkeys(("by_component", "by_workload", "embodied_by_workload"), _NUMBERS),
    **_maybe("operational_market", "marginal_effect", "recycling_credit_not_deducted"),
    "scopes": {"scope_1": NUMBER, "scope_2_location": NUMBER, "scope_3": NUMBER},
    "embodied_range": dict.fromkeys(("low", "central", "high"), NUMBER),
}
_KPI = {
    **_maybe("pue", "cue_kg_per_kwh", "wue_l_per_kwh", "wue_source_l_per_kwh", "ref", "cfe_24_7", "erf"),
    **_maybe("sci_g_per_unit"),
    "sci_unit": Maybe(TEXT),
}
_WATER = _maybe("onsite", "offsite", "offsite_withdrawal", "total", "embodied", "scarcity_weighted")
_COST = {"energy": NUMBER, "currency": TEXT}
_SCHEDULE = {
    "unit": TEXT,
    "pauses": NUMBER,
    **_maybe("immediate_mean", "forecast_mean", "actual_mean", "finish_delay_s"),
}
_JOB = {
    **dict.fromkeys(("progress", "gpu_hours", "lost_gpu_hours", "interruptions"), NUMBER),
    **_maybe("wait_s", "goodput"),
    "schedule": Maybe(_SCHEDULE),
}
_LATENCY = dict.fromkeys(("mean", "p50", "p90", "p99"), NUMBER)
_LATENCIES = dict.fromkeys(("queue_s", "ttft_s", "tpot_s", "itl_s", "step_gap_s", "e2e_s"), Maybe(_LATENCY))
_SERVICE = {
    **dict.fromkeys(("requests", "completed", "rejected"), NUMBER),
    **_LATENCIES,
    **_maybe("energy_j_per_request", "zero_load_energy_share", "goodput_share", "rejected_too_long"),
    **_maybe("trace_rows_skipped", "throughput_requests_per_s", "energy_j_per_output_token"),
    "trace_problems": Maybe(Items(TEXT)),
}
_QUEUE = {**_SERVICE, "utilisation": NUMBER}
_BY_TOKEN = {
    **_SERVICE,
    **dict.fromkeys(("output_tokens", "timed_out", "throughput_tok_per_s", "replicas_mean", "batch_size_mean"), NUMBER),
    "preemptions": NUMBER,
    "energy_split_kwh": dict.fromkeys(("prefill", "decode", "overhead"), NUMBER),
    **_maybe("kv_occupancy", "kv_occupancy_peak", "prefix_cache_hit_rate"),
}
_STORED = {
    **dict.fromkeys(("start_kwh", "end_kwh", "grid_kwh"), NUMBER),
    "carbon_kg": {"operational_location": NUMBER},
    "cost": Maybe(_COST),
}
_ROUTE = {"requests": _NUMBERS, "ttft_s": Each(OrNull(NUMBER)), "e2e_s": Each(OrNull(NUMBER))}
_LIMIT = {"site": TEXT, "limit": TEXT, **dict.fromkeys(("first_s", "seconds", "demand_kw", "limit_kw"), NUMBER)}
_THROTTLING = {
    "site": TEXT,
    **dict.fromkeys(("start_s", "duration_s", "least_share", "most_wanted_w", "limit_w"), NUMBER),
}
_SITE = {
    "energy_kwh": {"it": NUMBER},
    "carbon_kg": {"operational_location": NUMBER, "embodied": NUMBER},
    "kpi": _maybe("pue"),
    "water_l": Maybe(_WATER),
}
SUMMARY: Mapping[str, Any] = {
    "energy_kwh": _ENERGY,
    "carbon_kg": _CARBON,
    "water_l": Maybe(_WATER),
    "cost": Maybe(Each((*NUMBER, *TEXT))),
    "egress_cost": Maybe(_NUMBERS),
    "kpi": _KPI,
    "boundary": {"convention": TEXT, "metered_it_kwh": NUMBER, "not_modelled": Items(TEXT)},
    "stored_energy": Maybe(_STORED),
    "sites": Maybe(Each(_SITE)),
    "routes": Maybe(Each(_ROUTE)),
    "jobs": Maybe(Each(_JOB)),
    "serving": Maybe(Each(_SERVICE)),
    "limits_exceeded": Maybe(Items(_LIMIT)),
    "throttling": Maybe(Items(_THROTTLING)),
    "simulated_s": NUMBER,
    "events": NUMBER,
}
"""What every run says of itself; further names are left alone."""


def lacks_of_summary(found: Any) -> Iterator[str]:
    """Dotted paths at which a summary has nothing, or another thing than a run writes."""
    yield from lacks(found, SUMMARY)
    serving = found.get("serving") if isinstance(found, dict) else None
    for name, service in serving.items() if isinstance(serving, dict) else ():
        if isinstance(service, dict):
            yield from lacks(service, _BY_TOKEN if "output_tokens" in service else _QUEUE, f"serving.{name}")
    if isinstance(found, dict) and found.get("cost"):
        yield from lacks(found["cost"], _COST, "cost")


def lacks(found: Any, shape: Any, path: str = "") -> Iterator[str]:
    """Dotted paths of ``shape`` under which ``found`` has nothing, or another thing."""
    match shape:
        case OrNull(inner):
            if found is not None:
                yield from lacks(found, inner, path)
        case Each(inner) if isinstance(found, dict):
            for name, value in found.items():
                yield from lacks(value, inner, f"{path}.{name}".lstrip("."))
        case Items(inner) if isinstance(found, list):
            for i, value in enumerate(found):
                yield from lacks(value, inner, f"{path}[{i}]")
        case dict() if isinstance(found, dict):
            for name, inner in shape.items():
                if name in found or not isinstance(inner, Maybe):
                    known = inner.inner if isinstance(inner, Maybe) else inner
                    yield from lacks(found.get(name), known, f"{path}.{name}".lstrip("."))
        case tuple() if isinstance(found, shape) and not isinstance(found, bool):
            return
        case _:
            yield path or "everything"
