"""A workload as written -> the plan that the engine follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.build.caps import Capping, serving_caps
from sim.build.failures import interval_ns, recovery_plan
from sim.build.gangs import gang_in
from sim.build.loads import Hours, RateUnderCap, can_be_capped, gpu_watts, waiting_w
from sim.build.resolved import Resolved
from sim.build.routes import Sent, as_users_see
from sim.build.schedules import job_schedule
from sim.build.series import interval_counts, rate_signal, request_times
from sim.build.serving import kept, serving_plan
from sim.engine.service import ServicePlan
from sim.engine.serving.keep import Keep
from sim.engine.serving.service import ServingPlan
from sim.engine.training import TrainingPlan
from sim.profiles.hardware import GPUProfile, board_of
from sim.rng import Stream, Streams
from sim.signals import Signal
from sim.spec.parts import Parts
from sim.spec.serving import Serving
from sim.spec.workloads import Inference, IntervalLog, PoissonArrivals, RateLog, ServiceTime, Training
from sim.units import NS_PER_S
from sim.workload import arrivals as arrival
from sim.workload.factors import Exponential, Lognormal

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Around:
    """What a workload is built with, besides what is written of it: its name, what the scenario means, the signals of
    each site, random streams, all caps, and what a route sends it."""

    name: str
    resolved: Resolved
    signals: Mapping[str, Mapping[str, Signal]]
    streams: Streams
    caps: Sequence[Capping]
    sent: Sent | None


def training(spec: Training, around: Around) -> TrainingPlan:
    """A job, with its schedule decided."""
    pool = around.resolved.pool(around.name)
    plan = training_plan(around.name, spec, pool, around.resolved)
    signals = around.signals[around.resolved.sites[pool]]
    return job_schedule(plan, spec, signals, around.streams(f"forecast/{around.name}"))


def serving(spec: Serving, around: Around) -> tuple[ServingPlan, Callable[[], Keep]]:
    """A served model with the requests that it is asked, and what begins to keep those that are finished."""
    name, sent, parts = around.name, around.sent, around.resolved.parts
    assert parts.outputs is not None  # or it would not have passed
    asked = as_users_see(spec, sent.latency_ns) if sent is not None else spec
    limits = serving_caps(around.caps, name, parts.duration_ns)
    source, rows = sent.requests if sent is not None else None, parts.outputs.requests != "none"
    plan = serving_plan(name, asked, around.resolved, around.streams, limits, source, rows=rows)
    return plan, kept(parts.outputs, name, around.streams)


def inference(spec: Inference, around: Around) -> ServicePlan:
    """A service with its arrivals."""
    pool = around.resolved.pool(around.name)
    return _service(around.name, spec, pool, around.resolved, around.streams)


def training_plan(name: str, spec: Training, pool: str, resolved: Resolved) -> TrainingPlan:
    """A job in SI, that starts when it can."""
    gang = gang_in(spec, pool, resolved)
    work = gang.under(None)
    gpu, slots = resolved.gpus.get(pool), resolved.gang_slots(spec, pool)
    mtbf_ns = resolved.machines[pool].mtbf_ns(slots)
    return TrainingPlan(
        name=name,
        pool=pool,
        gpus=slots,
        work_ns=work.work_ns,
        submit_ns=int(spec.start_after),
        setup_ns=int(spec.setup),
        checkpoint_every_ns=interval_ns(spec.checkpoint, mtbf_ns),
        checkpoint_ns=spec.checkpoint.stall_ns if spec.checkpoint is not None else 0,
        time_limit_ns=int(spec.time_limit) if spec.time_limit is not None else None,
        on_failure=spec.on_failure,
        active_w=work.active_w,
        loaded_w=work.loaded_w,
        cpu_load=float(spec.cpu_load),
        under_cap=RateUnderCap(gang) if can_be_capped(spec.work) else None,
        checkpoint_behind_ns=spec.checkpoint.behind_ns if spec.checkpoint is not None else 0,
        waiting_w=waiting_w(gpu, work.active_w, work.loaded_w) if gpu is not None else 0.0,
        idle_w=float(gpu.power.idle.value) if gpu is not None else 0.0,
        on_hosts=spec.sockets > 0,
        recovery=recovery_plan(spec.recovery, mtbf_ns) if spec.recovery is not None else None,
    )


def _service(name: str, spec: Inference, pool: str, resolved: Resolved, streams: Streams) -> ServicePlan:
    gpu, machine, parts = resolved.gpus.get(pool), resolved.machines[pool], resolved.parts
    active_w = loaded_w = float(gpu.power.idle.value) if gpu is not None else 0.0
    if spec.load is not None and gpu is not None:
        active_w, loaded_w = gpu_watts(spec.load, gpu)
    sockets = spec.sockets_per_replica
    arrivals_ns, open_until_ns = _arrivals(name, spec, parts, streams)
    return ServicePlan(
        name=name,
        pool=pool,
        replicas=spec.replicas,
        gpus_per_replica=machine.slots_of(sockets) if sockets else spec.gpus_per_replica,
        arrivals_ns=arrivals_ns,
        open_until_ns=open_until_ns,
        first_ns=int(spec.service_time.first),
        further_ns=int(spec.service_time.further),
        factor=_factor(spec.service_time, streams.named(f"service/{name}")),
        max_batch=spec.batching.max_batch,
        max_wait_ns=int(spec.batching.max_wait),
        queue_limit=spec.queue_limit,
        load_ns=int(spec.start_up),
        active_w=active_w,
        loaded_w=loaded_w,
        cpu_load=float(spec.cpu_load),
        on_hosts=sockets > 0,
        under_cap=_service_under_cap(spec, gpu, active_w, loaded_w) if gpu is not None else None,
    )


def _service_under_cap(spec: Inference, gpu: GPUProfile, active_w: float, loaded_w: float) -> RateUnderCap | None:
    """What a cap does to service times: of what they are made is not known, only what a GPU draws meanwhile, so that
    they stretch as those of a training given by its hours do."""
    if spec.load is None or spec.load.kind == "nameplate":
        return None  # counted, not drawn
    return RateUnderCap(Hours(NS_PER_S, active_w, loaded_w, board_of(gpu)))


def _arrivals(name: str, spec: Inference, parts: Parts, streams: Streams) -> tuple[Ints, int]:
    """Arrivals within the run, and the time until which more may come: the end of the run, or else of the log."""
    rng = streams(f"arrivals/{name}")
    duration_ns = parts.duration_ns
    if isinstance(spec.arrivals, PoissonArrivals):
        assert duration_ns is not None  # the cross-check has refused it otherwise
        return arrival.poisson(float(spec.arrivals.rate), duration_ns, rng), duration_ns
    if isinstance(spec.arrivals, RateLog):
        rates = rate_signal(spec.arrivals, parts.start_ns)
        until_ns = duration_ns if duration_ns is not None else rates.last_ns
        return arrival.poisson_by_rate(rates, until_ns, rng), until_ns
    if isinstance(spec.arrivals, IntervalLog):
        log = interval_counts(spec.arrivals, parts.start_ns)
        times = (
            arrival.spread_evenly(log.edges_ns, log.counts)
            if spec.arrivals.within == "even"
            else arrival.spread_at_random(log.edges_ns, log.counts, rng)
        )
        until_ns = duration_ns if duration_ns is not None else int(log.edges_ns[-1])
    else:
        times = request_times(spec.arrivals, parts.start_ns)
        until_ns = duration_ns if duration_ns is not None else int(times[-1]) + 1
    return times[(times >= 0) & (times < until_ns)], until_ns


def _factor(spec: ServiceTime, stream: Stream) -> Exponential | Lognormal | None:
    """Draws of mean 1, or None for a constant service time."""
    if spec.law == "constant":
        return None
    return Exponential(stream) if spec.law == "exponential" else Lognormal(float(spec.cv or 0.0), stream)
