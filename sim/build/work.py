"""A workload as written -> the plan that the engine follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.build.machines.failures import interval_ns, recovery_plan
from sim.build.power.caps import Capping, serving_caps
from sim.build.resolved import Resolved
from sim.build.traffic.routes import Sent, as_users_see
from sim.build.training.gangs import gang_in, straddling_rate
from sim.engine.serving.keep import Keep, KeepNone
from sim.engine.serving.service import ServingPlan
from sim.later import later
from sim.profiles.machines.gpu import GPUProfile
from sim.rng import Stream, Streams
from sim.signals import Signal
from sim.spec.parts import Parts
from sim.spec.requests import RoutedArrivals
from sim.spec.serving import Serving
from sim.workload.requests import RequestSource

with later():
    from sim.build.jobs.schedules import job_schedule
    from sim.build.methods import effect_of
    from sim.build.power.loads import RateUnderCap, UnderCap, can_be_capped, gpu_watts, waiting_w
    from sim.build.series import interval_counts, rate_signal, request_times
    from sim.build.serving.denoising import batches_of_pictures
    from sim.build.serving.early_exit import early_exits
    from sim.build.serving.passes import batches
    from sim.build.serving.provisioning import of_service
    from sim.engine.queueing.plan import Scaling
    from sim.engine.queueing.service import ServicePlan
    from sim.engine.training.plan import TrainingPlan
    from sim.profiles.methods import Effect
    from sim.spec.inference import Backlog, IntervalLog, PoissonArrivals, RateLog
    from sim.spec.passes import Denoising, Roofline
    from sim.workload import arrivals as arrival
    from sim.workload.factors import Exponential, Lognormal


if TYPE_CHECKING:
    from sim.spec.inference import Arrivals, Inference, QueueAutoscale
    from sim.spec.workloads import Load, Training


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
    from sim.build.serving.service import kept, serving_plan

    name, sent, parts = around.name, around.sent, around.resolved.parts
    assert parts.outputs is not None  # or it would not have passed
    asked = as_users_see(spec, sent.latency_ns) if sent is not None else spec
    limits = serving_caps(around.caps, name, parts.duration_ns)
    source, wanted = sent.requests if sent is not None else None, parts.outputs.requests != "none"
    relayed = spec.cache is not None or (sent is not None and sent.relayed)
    plan = serving_plan(name, asked, around.resolved, around.streams, limits, source, rows=wanted or relayed)
    plan = replace(plan, relayed=relayed, iterations=parts.outputs.iterations)
    return plan, kept(parts.outputs, name, around.streams) if wanted or not relayed else KeepNone


def inference(spec: Inference, around: Around) -> ServicePlan:
    """A service with its arrivals."""
    pool = around.resolved.pool(around.name)
    return _service(around.name, spec, pool, around.resolved, around.streams, around.sent)


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
        straddling=straddling_rate(spec, pool, resolved),
    )


def _with_methods(ns: int, watts: float, spec: Inference, resolved: Resolved) -> tuple[int, float]:
    """Time and watts of a batch by a roofline, under the methods of its service."""
    if not spec.methods:
        return ns, watts
    effect = effect_of(spec.methods, watts, resolved.catalog)
    return max(1, round(ns * effect.longer)), watts * effect.power


def _service(
    name: str, spec: Inference, pool: str, resolved: Resolved, streams: Streams, sent: Sent | None
) -> ServicePlan:
    gpu, machine, parts = resolved.gpus.get(pool), resolved.machines[pool], resolved.parts
    active_w = loaded_w = float(gpu.power.idle.value) if gpu is not None else 0.0
    if spec.load is not None and gpu is not None:
        active_w, loaded_w = gpu_watts(spec.load, gpu)
    effect = effect_of(spec.methods, active_w, resolved.catalog) if spec.methods else Effect()
    active_w *= effect.power
    loaded_w = min(loaded_w, active_w) if spec.methods else loaded_w
    sockets = spec.sockets_per_replica
    first_ns = further_ns = 0
    by_size: tuple[tuple[int, float], ...] = ()
    factor = None
    if isinstance(spec.service_time, Denoising):
        assert gpu is not None  # or it would not have passed
        by_size = tuple(
            _with_methods(ns, watts, spec, resolved)
            for ns, watts in batches_of_pictures(
                spec.service_time, spec.batching.max_batch, gpu, machine.cpu, resolved.catalog
            )
        )
        loaded_w = float(gpu.power.loaded.value)
    elif isinstance(spec.service_time, Roofline):
        device = gpu if gpu is not None and not sockets else machine.cpu
        by_size = tuple(
            _with_methods(ns, watts, spec, resolved)
            for ns, watts in batches(spec.service_time, spec.batching.max_batch, device)
        )
        loaded_w = float(gpu.power.loaded.value) if gpu is not None and not sockets else loaded_w
    else:
        law = spec.service_time
        first_ns, further_ns = max(1, round(law.first * effect.longer)), round(law.further * effect.longer)
        factor = service_factor(law.law, law.cv, streams.named(f"service/{name}"))
    arrivals_ns, open_until_ns = _asked(name, spec, parts, streams, sent)
    return ServicePlan(
        name=name,
        pool=pool,
        replicas=spec.replicas,
        gpus_per_replica=machine.slots_of(sockets) if sockets else spec.gpus_per_replica,
        arrivals_ns=arrivals_ns,
        open_until_ns=open_until_ns,
        first_ns=first_ns,
        further_ns=further_ns,
        factor=factor,
        max_batch=spec.batching.max_batch,
        max_wait_ns=int(spec.batching.max_wait),
        queue_limit=spec.queue_limit,
        start_up=of_service(spec.start_up),
        active_w=active_w,
        loaded_w=loaded_w,
        cpu_load=float(spec.cpu_load),
        on_hosts=sockets > 0,
        under_cap=service_under_cap(spec.load, None if sockets else gpu, loaded_w, computed=bool(by_size)),
        exits=early_exits(name, spec.early_exit, streams) if spec.early_exit is not None else None,
        scaling=_scaling(spec.autoscale) if spec.autoscale is not None else None,
        relayed=spec.cache is not None or (sent is not None and sent.relayed),
        by_size=by_size,
        slo_e2e_ns=int(spec.slo.e2e) - (sent.latency_ns if sent is not None else 0) if spec.slo is not None else None,
    )


def service_under_cap(
    load: Load | None, gpu: GPUProfile | None, loaded_w: float, *, computed: bool = False
) -> UnderCap | None:
    """What a cap does to service times: from what a GPU draws meanwhile, stated or ``computed``, they stretch as the
    work of a job of a table does. Nameplate power is counted, not drawn."""
    if gpu is None or (load is None and not computed) or (load is not None and load.kind == "nameplate"):
        return None
    return UnderCap(gpu, loaded_w)


def _scaling(written: QueueAutoscale) -> Scaling:
    initial = written.initial if written.initial is not None else written.min
    return Scaling(written.min, initial, written.target, int(written.interval), int(written.settle))


NONE = np.zeros(0, dtype=np.int64)


def _asked(name: str, spec: Inference, parts: Parts, streams: Streams, sent: Sent | None) -> tuple[Ints, int]:
    """Arrivals that are known before the run, and the time until which more may come."""
    if sent is not None:
        until_ns = parts.duration_ns or 0
        return (NONE if sent.relayed else times_of(sent.requests)), until_ns
    if spec.cache is not None:
        return NONE, 0
    assert not isinstance(spec.arrivals, RoutedArrivals)  # a route that is there sends what it has
    return arrivals_of(name, spec.arrivals, parts, streams)


def times_of(source: RequestSource) -> Ints:
    """When the requests of a stream come, ns (n,)."""
    return np.concatenate([NONE, *(chunk.arrival_ns for chunk in source.chunks())])


def arrivals_of(name: str, spec: Arrivals, parts: Parts, streams: Streams) -> tuple[Ints, int]:
    """Arrivals (n,) within the run, ns, and until when more may come: the end of the run, or else of the log."""
    rng = streams(f"arrivals/{name}")
    duration_ns = parts.duration_ns
    if isinstance(spec, PoissonArrivals):
        assert duration_ns is not None  # the cross-check has refused it otherwise
        return arrival.poisson(float(spec.rate), duration_ns, rng), duration_ns
    if isinstance(spec, Backlog):
        return np.zeros(spec.requests, dtype=np.int64), 0
    if isinstance(spec, RateLog):
        rates = rate_signal(spec, parts.start_ns)
        until_ns = duration_ns if duration_ns is not None else rates.last_ns
        return arrival.poisson_by_rate(rates, until_ns, rng), until_ns
    if isinstance(spec, IntervalLog):
        log = interval_counts(spec, parts.start_ns)
        times = (
            arrival.spread_evenly(log.edges_ns, log.counts)
            if spec.within == "even"
            else arrival.spread_at_random(log.edges_ns, log.counts, rng)
        )
        until_ns = duration_ns if duration_ns is not None else int(log.edges_ns[-1])
    else:
        times = request_times(spec, parts.start_ns)
        until_ns = duration_ns if duration_ns is not None else int(times[-1]) + 1
    return times[(times >= 0) & (times < until_ns)], until_ns


def service_factor(law: str, cv: float | None, stream: Stream) -> Exponential | Lognormal | None:
    """Draws of mean 1, or None for a constant service time."""
    if law == "constant":
        return None
    return Exponential(stream) if law == "exponential" else Lognormal(float(cv or 0.0), stream)
