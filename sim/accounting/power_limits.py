"""What shared limits of power did in a run, for its summary: each domain, and what answers cost each workload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.later import later
from sim.units import HOUR_NS, J_PER_NJ, NS_PER_S, SECONDS_PER_NS, W_PER_KW
from sim.workload.serving_records import ServingLog

with later():
    from sim.workload.jobs.batch import DomainSeries
    from sim.workload.power_records import Cost, binned


if TYPE_CHECKING:
    from sim.workload.power_records import AboveAlone, DomainRecord, LimitedRequests, PowerLog
    from sim.workload.records import ServiceLog


Ints = npt.NDArray[np.int64]


def power_metrics(
    log: PowerLog, services: Sequence[ServiceLog] = (), serving: Sequence[ServingLog] = ()
) -> dict[str, Any]:
    """``domains``, inner ones first, and ``workloads`` that were asked for less; those that serve with what became of
    their requests meanwhile, and otherwise."""
    costs: dict[str, Cost] = {}
    for record in log.domains:
        for episode in record.episodes:
            for workload, cost in episode.costs:
                costs[workload] = costs.get(workload, Cost()) + cost
    told = {
        one.workload: requests_in_queue(one, log.requests[one.workload])
        for one in services
        if one.workload in log.requests
    }
    told |= {
        one.workload: requests_by_token(one, log.requests[one.workload])
        for one in serving
        if one.workload in log.requests
    }
    alone = [_too_large(record.name, one) for record in log.domains for one in record.killed]
    return {
        **({"killed": len(alone), "killed_jobs": alone[:MOST_TOLD]} if alone else {}),
        "domains": {record.name: _domain(record, log.end_ns) for record in log.domains},
        "workloads": {
            name: {**_cost(costs.get(name, Cost())), **told.get(name, {})} for name in sorted({*costs, *told})
        },
    }


MOST_TOLD = 10


def _too_large(domain: str, one: AboveAlone) -> str:
    """Which job was killed, and why."""
    slots = f"{one.slots:g} {'slot' if one.slots == 1 else 'slots'}"
    leaves = f"'{domain}' leaves {one.most_w / W_PER_KW:,.3g} kW at the most"
    draws = f"would draw {one.watts / W_PER_KW:,.3g} kW with nobody beside it"
    after = f"killed after {one.at_ns / HOUR_NS:,.3g} h"
    which = f"row {one.row} of '{one.workload}'" if one.row >= 0 else f"'{one.workload}'"
    return f"{which} ({slots}), {after}: {leaves}, and {draws}"


def requests_in_queue(log: ServiceLog, limited: LimitedRequests) -> dict[str, float]:
    """How many requests of a service ended while it was limited, and otherwise, and how long they took from their
    arrival."""
    arrival, done = (np.frombuffer(column, dtype=np.int64) for column in (log.arrival_ns, log.done_ns))
    refused = limited.within(np.frombuffer(log.rejected_ns, dtype=np.int64))
    then, e2e_s = limited.within(done), (done - arrival) * SECONDS_PER_NS
    row: dict[str, float] = {"limited_s": limited.total_ns / NS_PER_S}
    for word, those, away in (("limited", then, refused), ("free", ~then, ~refused)):
        row[f"{word}_requests"] = int(those.sum() + away.sum())
        if those.any():
            row[f"{word}_e2e_s"] = float(e2e_s[those].mean())
        if log.slo_e2e_ns is not None and row[f"{word}_requests"]:
            good = int((those & (done - arrival <= log.slo_e2e_ns)).sum())
            row |= _kept(word, good, int(row[f"{word}_requests"]))
    return row


def _kept(word: str, good: int, ended: int) -> dict[str, float]:
    return {f"{word}_goodput_share": good / ended, f"{word}_slo_missed": ended - good}


MEAN_TIMES = {"ttft": "completed", "tpot": "tpot_count", "e2e": "completed"}
"""Times of requests that are counted as sums, by what they are a sum over."""


def requests_by_token(log: ServingLog, limited: LimitedRequests) -> dict[str, float]:
    """The same of a serving workload: the share of requests that ended within their limits (those that were rejected or
    timed out did not), mean times, and dynamic energy for each token that came."""
    row: dict[str, float] = {"limited_s": limited.total_ns / NS_PER_S}
    free = {name: count - limited.counts[name] for name, count in limited.all_counts.items()}
    for word, counts in (("limited", limited.counts), ("free", free)):
        ended = counts["completed"] + counts["rejected"] + counts["timed_out"]
        row[f"{word}_requests"] = ended
        if ended and log.has_slo:
            row |= _kept(word, counts["good"], ended)
        for name, over in MEAN_TIMES.items():
            if counts[over]:
                row[f"{word}_{name}_s"] = counts[f"{name}_ns"] / counts[over] * SECONDS_PER_NS
        tokens = counts["first_tokens"] + counts["decoded_tokens"]
        if tokens:
            row[f"{word}_dynamic_j_per_output_token"] = counts["dynamic_nj"] * J_PER_NJ / tokens
    return row


def _domain(record: DomainRecord, end_ns: int) -> dict[str, Any]:
    spans_s = np.diff(np.append(record.at_ns, end_ns)) * SECONDS_PER_NS
    limited = np.isfinite(record.limit_w)
    row: dict[str, Any] = {
        "level": record.level,
        "mean_w": float(record.watts @ spans_s / spans_s.sum()),
        "most_w": float(record.watts.max()),
    }
    if limited.any():
        over_w = np.maximum(record.watts - record.limit_w, 0.0)
        row["least_limit_w"] = float(record.limit_w[limited].min())
        row["over_s"] = float(spans_s[over_w > 0.0].sum())
        row["over_j"] = float(over_w @ spans_s)
        row["longest_over_s"] = max((one.longest_over_ns for one in record.episodes), default=0) / NS_PER_S
        row["answer_s"] = record.answer_ns / NS_PER_S
    cost = sum((cost for one in record.episodes for _, cost in one.costs), Cost())
    return {
        **row,
        "episodes": len(record.episodes),
        "held_s": sum(one.end_ns - one.start_ns for one in record.episodes) / NS_PER_S,
        "unmet": sum(one.unmet for one in record.episodes),
        "capped": sum(one.capped for one in record.episodes),
        "paused": sum(one.paused for one in record.episodes),
        "shed": sum(one.shed for one in record.episodes),
        "trips": len(record.trips),
        "ramp_exceeded_w": max(0.0, record.ramp_exceeded_w),
        "ramp_wait_slot_s": record.held_slot_s,
        **_cost(cost),
    }


def _cost(cost: Cost) -> dict[str, float]:
    return {
        "slowed_slot_s": cost.slowed_slot_s,
        "lost_slot_s": cost.lost_slot_s,
        "shaved_j": cost.shaved_j,
        "extra_j": cost.extra_j,
        "lost_j": cost.lost_j,
    }


def domain_series(log: PowerLog | None, edges_ns: Ints) -> Sequence[DomainSeries]:
    """Power of each domain between the edges of a ledger, as pictures show it."""
    if log is None:
        return ()
    found = []
    for record in log.domains:
        mean, most, least = binned(record, edges_ns, log.end_ns)
        found.append(DomainSeries(record.name, record.level, edges_ns, mean, most, least))
    return found
