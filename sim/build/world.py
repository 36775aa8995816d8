"""A scenario that has passed its checks -> all that a run is given, in SI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.build.built import Built, LedgerBins
from sim.build.jobs.places import placed
from sim.build.jobs.rows import MILLI, logged, memory_mib
from sim.build.jobs.schedulers import scheduler
from sim.build.machines.failures import spares
from sim.build.machines.pools import Machine
from sim.build.machines.unit_effects import unit_effect
from sim.build.method_uses import method_plans
from sim.build.power.caps import cappings, power_limits, training_caps
from sim.build.power.power_limits import limited_pools, shared_power
from sim.build.resolved import Resolved
from sim.build.seen import Carried, Cuts, Seen
from sim.build.site.weather import weather_until_ns
from sim.build.traffic.relays import relay_plans
from sim.build.traffic.routes import route_plans
from sim.build.training.gangs import step_plans, swings, trace_plans
from sim.build.work import Around
from sim.engine.metering.draws import NodeHardware, Rest, Supply, node_draws
from sim.engine.world import Pool
from sim.kinds import builder
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile
from sim.profiles.machines.node import OPTIONAL_PARTS, NodeProfile
from sim.rng import Streams
from sim.signals import Signal
from sim.spec.cluster import NodePool

with later():
    from sim.build.machines.sharing import shared_gpu


if TYPE_CHECKING:
    from sim.engine.fleet.plan import JobsPlan
    from sim.profiles.shared_gpu.tenants import SharedGPU


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
    caps = cappings(resolved, seen.signals)
    routes = route_plans(resolved, seen.signals, streams)
    sent = {name: to for route in routes.values() for name, to in route.to.items()}
    built = {}
    for name, workload in resolved.parts.workloads.items():
        around = Around(name, resolved, seen.signals, streams, tuple(caps), sent.get(name))
        built[name] = builder(workload)(workload, around)
    pools = _pools(resolved, [built[name] for name in resolved.batches])
    step_ns, start_ns = parts.outputs.bin_ns, parts.start_ns
    return Built(
        seed=seed,
        duration_ns=parts.duration_ns,
        bins=LedgerBins(step_ns, start_ns, seen.ask(Cuts(step_ns, start_ns, parts.duration_ns))),
        sites=resolved.sites,
        pools=pools,
        training=tuple(built[name] for name in resolved.jobs),
        services=tuple(built[name] for name in resolved.services),
        serving=tuple(built[name] for name in resolved.serving),
        request_energies=parts.outputs.requests == "all",
        caps=training_caps(resolved, caps),
        cappings=tuple(caps),
        power=shared_power(resolved, lambda site: seen.ask(Carried(site, weather_until_ns(parts.duration_ns)))),
        limits=power_limits(resolved, lambda site: seen.ask(Carried(site, weather_until_ns(parts.duration_ns)))),
        routes=routes,
        moved=moved,
        scheduler=scheduler(parts.cluster),
        others=tuple(built[name] for name in resolved.others),
        campaigns=tuple(built[name] for name in resolved.campaigns),
        federated=tuple(built[name] for name in resolved.federated),
        split=tuple(built[name] for name in resolved.split),
        batches=tuple(built[name] for name in resolved.batches),
        signals=_looked_at(resolved, seen.signals),
        steps=step_plans(resolved),
        swings=swings(resolved),
        traces=trace_plans(resolved),
        relays=relay_plans(resolved, routes, streams),
        methods=method_plans(resolved),
    )


def _looked_at(resolved: Resolved, shown: Mapping[str, Mapping[str, Signal]]) -> dict[str, dict[str, Signal]]:
    """What the scheduler looks at of the site of each pool; nothing more, since what is seen counts in the key."""
    assert resolved.parts.cluster is not None
    chosen = resolved.parts.cluster.scheduler
    names = dict.fromkeys(chosen.looks_at if chosen is not None else ())
    if not names:
        return {}
    return {pool: {name: shown[site][name] for name in names} for pool, site in resolved.sites.items()}


def _pools(resolved: Resolved, batches: Sequence[JobsPlan]) -> tuple[Pool, ...]:
    """The machines, and what of them counts for rows of tables of jobs."""
    parts = {pool for plan in batches if bool((plan.table.gpu_milli > 0).any()) for pool in plan.pools}
    held = {pool for plan in batches for pool in plan.pools}
    pools = tuple(
        Pool(
            name=label,
            hardware=_hardware(machine, resolved.catalog),
            count=machine.pool.count,
            powered=machine.pool.initially == "on",
            idle_timeout_ns=int(machine.pool.idle_timeout) if machine.pool.idle_timeout is not None else None,
            failures=machine.failures,
            spares=spares(machine.pool, machine.gpu),
            unit_spread=_unit_spread(machine.gpu),
            cpu_milli=machine.cpu.cores * machine.node.cpus.count * MILLI if label in held else None,
            memory_mib=memory_mib(resolved, label) if label in held else None,
            shared=label in parts,
            sharing=_sharing(machine, resolved.catalog) if label in parts else None,
            racks=racks(machine.pool),
            keep_warm=machine.pool.keep_warm,
            unit_effect=unit_effect(machine.pool.unit_effect, resolved.catalog),
            island_slots=machine.node.island_gpus if label not in parts else 0,
        )
        for label, machine in resolved.machines.items()
    )
    under = {pool for policy in resolved.shared_power.values() for pool in limited_pools(policy, resolved)}
    alone = logged(resolved, {pool.name: pool.steady and pool.name not in under for pool in pools})
    return tuple(replace(pool, logged=pool.name in alone) for pool in pools)


def _sharing(machine: Machine, catalog: Catalog) -> SharedGPU | None:
    return shared_gpu(machine.pool.sharing, machine, catalog) if machine.pool.sharing is not None else None


def _hardware(machine: Machine, catalog: Catalog) -> NodeHardware:
    """The watts of a node, whose GPUs may be cut."""
    made = node_hardware(machine.node, machine.gpu, catalog)
    if machine.uncut is None or machine.gpu is None:
        return made
    return replace(made, gpu_slots=machine.slots_per_board, gpu_awake_w=float(machine.gpu.power.loaded.value))


def racks(pool: NodePool) -> tuple[int, ...]:
    """The rack of each node, where racks are told apart."""
    return tuple(i // pool.rack_nodes for i in range(pool.count)) if pool.rack_nodes is not None else ()


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


def rest_w(pool: str, resolved: Resolved) -> float:
    """W of a node of a pool that is on, with nobody on it."""
    machine = resolved.machines[pool]
    return sum(draw.watts for draw in node_draws(node_hardware(machine.node, machine.gpu, resolved.catalog), "on", ()))


def rest_dc_w(pool: str, resolved: Resolved) -> float:
    """The same behind its supplies, whose losses may fall as more is drawn."""
    machine = resolved.machines[pool]
    draws = node_draws(node_hardware(machine.node, machine.gpu, resolved.catalog), "on", ())
    return sum(draw.watts for draw in draws if draw.component != "psu_loss")
