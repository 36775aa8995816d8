"""Requests and jobs condensed into the figures people compare: waiting, latency, throughput, goodput."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sim.accounting.ledger import OUTSIDE, Ledger
from sim.units import HOUR_NS, J_PER_KWH, NS_PER_S, SECONDS_PER_NS

if TYPE_CHECKING:
    from sim.workload.records import JobRecord, ReliabilityRecord, ScheduleRecord, ServiceLog, ThrottleRecord


PERCENTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def distribution(values_s: npt.NDArray[np.floating]) -> dict[str, float]:
    """Mean and percentiles (linear interpolation between order statistics) of at least one value, in seconds."""
    return {"mean": float(values_s.mean()), **percentiles(values_s)}


def percentiles(values: npt.NDArray[Any]) -> dict[str, float]:
    """Percentiles that objectives are written in, by their names.

    >>> percentiles(np.arange(101))
    {'p50': 50.0, 'p90': 90.0, 'p95': 95.0, 'p99': 99.0}
    """
    return dict(zip(PERCENTILES, np.quantile(values, tuple(PERCENTILES.values())).tolist(), strict=True))


def it_of(ledger: Ledger, owner: str) -> Ledger:
    """Rows of an owner's IT equipment: networks and users' devices are none of a site's machines."""
    return ledger.where(lambda key: key.owner == owner and key.component not in OUTSIDE)


def queue_metrics(log: ServiceLog, ledger: Ledger) -> dict[str, Any]:
    """Figures of one service over the whole run; latencies are absent where nothing was completed.

    ``power_w_mean`` and the energy a request are of all IT that the ledger books to the service, idle time included.
    """
    arrival, start, done = (
        np.frombuffer(column, dtype=np.int64) for column in (log.arrival_ns, log.start_ns, log.done_ns)
    )
    own = it_of(ledger, log.workload)
    energy_j = own.total_j()
    seconds = ledger.end_ns * SECONDS_PER_NS
    metrics: dict[str, Any] = {
        "requests": log.requests,
        "completed": len(done),
        "rejected": len(log.rejected_ns),
        "unfinished": len(log.open_ns),
        "retries": log.retries,
        "batches": log.batches,
    }
    if len(done):
        metrics |= {
            "batch_size_mean": len(done) / log.batches,
            "queue_s": distribution((start - arrival) * SECONDS_PER_NS),
            "e2e_s": distribution((done - arrival) * SECONDS_PER_NS),
            "throughput_requests_per_s": len(done) / seconds,
            "energy_j_per_request": energy_j / len(done),
        }
    if log.slo_e2e_ns is not None:
        good = int((done - arrival <= log.slo_e2e_ns).sum())
        waited_ns = ledger.end_ns - np.frombuffer(log.open_ns, dtype=np.int64)
        late = int((waited_ns > log.slo_e2e_ns).sum())
        metrics |= goodput(good, log.requests - len(log.open_ns) + late, seconds)
    if log.exits:
        metrics["exit_shares"] = {name: count / max(1, len(done)) for name, count in log.exits.items()}
    if log.from_image and log.start_ups:
        metrics["start_up_s"] = log.start_up_ns / log.start_ups * SECONDS_PER_NS
    if log.replica_ns is None:
        metrics["utilisation"] = log.busy_ns / (log.replicas * ledger.end_ns)
    else:
        metrics["utilisation"] = log.busy_ns / log.replica_ns if log.replica_ns else 0.0
        metrics["replicas_mean"] = log.replica_ns / ledger.end_ns
        metrics["cold_starts"] = log.start_ups
    metrics["power_w_mean"] = energy_j / seconds
    return metrics | zero_load(own)


def goodput(good: int, judged: int, seconds: float) -> dict[str, float]:
    """Requests within their objectives, of those ``judged``: all that were over by the end of the run, and of those
    that were not, the ones that had missed a limit already. What may still become of the others nobody knows: they are
    neither met nor missed. Nothing where none was judged."""
    if not judged:
        return {}
    return {
        "goodput_share": good / judged,
        "goodput_requests_per_s": good / seconds,
        "slo_met": good,
        "slo_missed": judged - good,
    }


def zero_load(own: Ledger) -> dict[str, float]:
    """Mean W of everything a service holds while it is loaded and no request is served; nothing if that never happened.

    Its share of the energy over the whole run is what the service would have drawn had nobody asked it anything: the
    BLOOM study found about 82 % (Luccioni, Viguier, Ligozat 2023, arXiv:2211.02001, section 5).
    """
    loaded = own.where(lambda key: key.state == "loaded")
    held = own.where(lambda key: key.component == "gpu").total_slot_ns()
    idle = loaded.where(lambda key: key.component == "gpu").total_slot_ns()
    if not idle:
        return {}
    gpus_held = float(held) / own.end_ns  # mean over the run
    power_w = loaded.total_j() / (float(idle) * SECONDS_PER_NS) * gpus_held
    seconds = own.end_ns * SECONDS_PER_NS
    return {"power_w_at_zero_load": power_w, "zero_load_energy_share": power_w * seconds / own.total_j()}


def job_metrics(records: Sequence[JobRecord]) -> dict[str, Any]:
    """Figures of the jobs of one workload. ``goodput`` is productive time kept over time held."""
    started = [record for record in records if record.started_ns is not None]
    held_ns = sum(record.held_ns for record in records)
    metrics: dict[str, Any] = {
        "count": len(records),
        "completed": sum(record.status == "completed" for record in records),
        "killed": sum(record.status == "killed" for record in records),
        "unfinished": sum(record.status == "unfinished" for record in records),
        "gpu_hours": sum(record.held_ns * record.gpus for record in records) / HOUR_NS,
        "lost_gpu_hours": sum(record.lost_ns * record.gpus for record in records) / HOUR_NS,
        "interruptions": sum(record.interruptions for record in records),
        "checkpoints": sum(record.checkpoints for record in records),
        "makespan_s": (max(r.ended_ns for r in records) - min(r.submitted_ns for r in records)) / NS_PER_S,
        "progress": sum(r.done_ns for r in records) / sum(r.work_ns for r in records),
    }
    if started:
        waits = [record.started_ns - record.submitted_ns for record in started if record.started_ns is not None]
        metrics["wait_s"] = sum(waits) / len(waits) / NS_PER_S
    if held_ns:
        metrics["goodput"] = sum(record.done_ns for record in records) / held_ns
    if any(record.cap_changes for record in records):
        metrics["cap_changes"] = sum(record.cap_changes for record in records)
        metrics["slowed_by_caps_s"] = sum(record.slowed_ns for record in records) / NS_PER_S
    if any(record.straddling_ns for record in records):
        metrics["slowed_by_islands_s"] = sum(record.straddling_ns for record in records) / NS_PER_S
    if any(record.paused_ns for record in records):
        metrics["paused_by_limits_s"] = sum(record.paused_ns for record in records) / NS_PER_S
    if any(record.sheds for record in records):
        metrics["shed_by_limits"] = sum(record.sheds for record in records)
    schedules = [record.schedule for record in records if record.schedule is not None]
    if schedules:
        metrics["schedule"] = schedule_metrics(schedules[0])  # a workload is one job
    reliability = [record.reliability for record in records if record.reliability is not None]
    if reliability:
        metrics |= reliability_metrics(reliability[0])
    return metrics


def reliability_metrics(record: ReliabilityRecord) -> dict[str, Any]:
    """Figures of a job that recovers from faults. Its time since it first started and its energy are split alike.

    ``effective_time_share`` is the time at work that was kept, of that since it first started: the effective training
    time ratio (ETTR) of Kokolis and others (2024, arXiv:2410.21680), without the first wait in the queue.
    """
    elapsed_ns = sum(ns for ns, _ in record.activities.values())
    metrics: dict[str, Any] = {
        "interruptions_by_component": dict(sorted(record.interruptions.items())),
        "planned_stops": record.planned_stops,
        "time_split_s": {name: ns / NS_PER_S for name, (ns, _) in record.activities.items()},
        "energy_split_kwh": {name: joules / J_PER_KWH for name, (_, joules) in record.activities.items()},
    }
    if elapsed_ns:
        metrics["effective_time_share"] = record.activities["productive"][0] / elapsed_ns
    if record.checkpoint_every_ns is not None:
        metrics["checkpoint_interval_s"] = record.checkpoint_every_ns / NS_PER_S
    if record.mtbf_ns is not None:
        metrics["expected_mtbf_s"] = record.mtbf_ns / NS_PER_S
    if record.slowed_ns:
        metrics["slowed_by_stragglers_s"] = record.slowed_ns / NS_PER_S
    if record.corrupted:
        metrics["undetected_corruption"] = True
    return metrics


def throttle_metrics(record: ThrottleRecord) -> dict[str, Any]:
    """Figures of a time in which a site's limit was binding: what was wanted, and what jobs were left with; s and W."""
    return {
        "site": record.site,
        "start_s": record.start_ns / NS_PER_S,
        "duration_s": (record.end_ns - record.start_ns) / NS_PER_S,
        "limit_w": record.least_limit_w,
        "most_wanted_w": record.most_wanted_w,
        "least_share": record.least_share,
        "most_exceeded_w": record.most_exceeded_w,
    }


def schedule_metrics(record: ScheduleRecord) -> dict[str, Any]:
    """Figures of what a schedule did, in s and the signal's own unit per kWh; what is not known is absent.

    ``immediate_mean`` less ``actual_mean`` is what waiting was worth to the time at work, before restarts and idling.
    """
    known: dict[str, Any] = {
        "signal": record.signal,
        "unit": record.unit.replace("/J", "/kWh"),
        "waited_s": record.waited_ns / NS_PER_S,
        "pauses": record.pauses,
        "restarts": record.restarts,
        "paused_s": record.paused_ns / NS_PER_S,
        "switching_s": record.switching_ns / NS_PER_S,
    }
    if record.finish_delay_ns is not None:
        known["finish_delay_s"] = record.finish_delay_ns / NS_PER_S
    if record.deadline_met is not None:
        known["deadline_met"] = record.deadline_met
    means = {
        "forecast_mean": record.forecast_mean,
        "actual_mean": record.actual_mean,
        "immediate_mean": record.immediate_mean,
    }
    return known | {name: mean * J_PER_KWH for name, mean in means.items() if mean is not None}
