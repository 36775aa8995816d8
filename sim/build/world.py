"""Spec + catalog -> what the engine and the accounting need, in SI. The one place that maps ``kind:`` to a class."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sim.build.built import Built, LedgerBins
from sim.build.caps import cappings, power_limits, serving_caps, training_caps
from sim.build.loads import can_be_capped, gang_work, gpu_watts, rate_under_cap
from sim.build.places import placed
from sim.build.policies import job_schedule
from sim.build.resolved import Resolved
from sim.build.routes import as_users_see, route_plans
from sim.build.schedulers import scheduler
from sim.build.seen import Carried, Cuts, Seen
from sim.build.series import interval_counts, rate_signal, request_times
from sim.build.serving import kept, serving_plan
from sim.build.weather import weather_until_ns
from sim.engine.draws import NodeHardware, Rest, Supply
from sim.engine.service import ServicePlan
from sim.engine.training import TrainingPlan
from sim.engine.world import Pool
from sim.profiles.catalog import Catalog
from sim.profiles.hardware import OPTIONAL_PARTS, GPUProfile, NodeProfile
from sim.rng import Stream, Streams
from sim.spec.parts import Parts
from sim.spec.workloads import Inference, IntervalLog, PoissonArrivals, RateLog, ServiceTime, Training
from sim.workload import arrivals as arrival
from sim.workload.factors import Exponential, Lognormal

Ints = npt.NDArray[np.int64]


def build(resolved: Resolved, seen: Seen, seed: int) -> Built:
    """All that a run of a scenario is given that has passed its checks. ``resolved`` is what a run may know of it.

    Raises ``UnplacedError`` for jobs that cannot choose their pool; whoever checks the signals has said so before.
    """
    parts = resolved.parts
    assert parts.outputs is not None  # or it would not have passed
    assert parts.cluster is not None
    streams = Streams(seed)
    resolved, moved = placed(resolved, seen.signals, streams)
    pools = tuple(
        Pool(
            name=label,
            hardware=node_hardware(machine.node, machine.gpu, resolved.catalog),
            count=machine.pool.count,
            powered=machine.pool.initially == "on",
            idle_timeout_ns=int(machine.pool.idle_timeout) if machine.pool.idle_timeout is not None else None,
            mtbf_ns=int(machine.pool.failures.mtbf) if machine.pool.failures is not None else None,
            repair_ns=int(machine.pool.failures.repair) if machine.pool.failures is not None else 0,
            unit_spread=_unit_spread(machine.gpu),
        )
        for label, machine in resolved.machines.items()
    )
    caps = cappings(resolved, seen.signals)
    routes = route_plans(resolved, seen.signals, streams)
    sent = {name: to for route in routes.values() for name, to in route.to.items()}
    rows = parts.outputs.requests != "none"
    serving = []
    for name, workload in resolved.serving.items():
        to = sent.get(name)
        asked = as_users_see(workload, to.latency_ns) if to is not None else workload
        limits = serving_caps(caps, name, parts.duration_ns)
        source = to.requests if to is not None else None
        plan = serving_plan(name, asked, resolved, streams, limits, source, rows=rows)
        serving.append((plan, kept(parts.outputs, name, streams)))
    training = []
    for name, job in resolved.jobs.items():
        pool = resolved.pool(name)
        plan_of_job = _training(name, job, pool, resolved.gpus[pool])
        at_site = seen.signals[resolved.sites[pool]]
        training.append(job_schedule(plan_of_job, job, at_site, streams(f"forecast/{name}")))
    services = []
    for name, service in resolved.services.items():
        pool = resolved.pool(name)
        services.append(_service(name, service, pool, resolved.gpus[pool], parts, streams))
    step_ns, start_ns = parts.outputs.bin_ns, parts.start_ns
    return Built(
        seed=seed,
        duration_ns=parts.duration_ns,
        bins=LedgerBins(step_ns, start_ns, seen.ask(Cuts(step_ns, start_ns, parts.duration_ns))),
        sites=resolved.sites,
        pools=pools,
        training=tuple(training),
        services=tuple(services),
        serving=tuple(serving),
        request_energies=parts.outputs.requests == "all",
        caps=training_caps(resolved, caps),
        cappings=tuple(caps),
        limits=power_limits(resolved, lambda site: seen.ask(Carried(site, weather_until_ns(parts.duration_ns)))),
        routes=routes,
        moved=moved,
        scheduler=scheduler(parts.cluster),
    )


def _unit_spread(gpu: GPUProfile | None) -> float:
    return float(gpu.power.unit_spread.value) if gpu is not None and gpu.power.unit_spread is not None else 0.0


def node_hardware(node: NodeProfile, gpu: GPUProfile | None, catalog: Catalog) -> NodeHardware:
    """The watts of one kind of node."""
    cpu = catalog.cpu(node.cpus.profile)
    dram_bytes = node.dram.capacity.value
    parts = [Rest("dram", node.dram.idle.value * dram_bytes, node.dram.active.value * dram_bytes)]
    for name in OPTIONAL_PARTS:
        part = getattr(node, name)
        if part is not None:
            parts.append(Rest(name, float(part.idle.value), float(part.active.value)))
    supply = None
    if node.psu is not None:
        points = node.psu.efficiency
        supply = Supply(
            float(node.psu.rated.value), tuple(float(p.load) for p in points), tuple(float(p.value) for p in points)
        )
    return NodeHardware(
        name=node.name,
        slots=node.slots,
        gpu=gpu.name if gpu is not None else None,
        gpu_idle_w=float(gpu.power.idle.value) if gpu is not None else 0.0,
        sockets=node.cpus.count,
        cpu_idle_w=float(cpu.power.idle.value),
        cpu_full_w=float(cpu.power.full.value),
        cpu_exponent=float(cpu.power.exponent.value),
        parts=tuple(parts),
        supply=supply,
        standby_w=float(node.standby.value),
        boot_ns=int(node.boot.duration.value),
        boot_w=float(node.boot.power.value),
        shutdown_ns=int(node.shutdown.duration.value),
        shutdown_w=float(node.shutdown.power.value),
    )


def _training(name: str, spec: Training, pool: str, gpu: GPUProfile) -> TrainingPlan:
    work = gang_work(spec.work, spec.gpus, gpu)
    return TrainingPlan(
        name=name,
        pool=pool,
        gpus=spec.gpus,
        work_ns=work.work_ns,
        submit_ns=int(spec.start_after),
        setup_ns=int(spec.setup),
        checkpoint_every_ns=int(spec.checkpoint.every) if spec.checkpoint is not None else None,
        checkpoint_ns=int(spec.checkpoint.write) if spec.checkpoint is not None else 0,
        time_limit_ns=int(spec.time_limit) if spec.time_limit is not None else None,
        on_failure=spec.on_failure,
        active_w=work.active_w,
        loaded_w=work.loaded_w,
        cpu_load=float(spec.cpu_load),
        under_cap=rate_under_cap(spec.work, spec.gpus, gpu) if can_be_capped(spec.work) else None,
    )


def _service(name: str, spec: Inference, pool: str, gpu: GPUProfile, parts: Parts, streams: Streams) -> ServicePlan:
    active_w, loaded_w = gpu_watts(spec.load, gpu)
    arrivals_ns, open_until_ns = _arrivals(name, spec, parts, streams)
    return ServicePlan(
        name=name,
        pool=pool,
        replicas=spec.replicas,
        gpus_per_replica=spec.gpus_per_replica,
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
    )


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
