"""Whether pools are there, have what workloads ask them for, and draw together what a site can give."""

from __future__ import annotations

from collections.abc import Iterator

from sim.build.resolved import Resolved
from sim.checks.campaigns import many_fit
from sim.checks.split import places_have_room
from sim.documents import KeyPath
from sim.possible import NODE_POWER, POWER
from sim.units import W_PER_KW
from sim.validation import nearest

Found = Iterator[tuple[KeyPath, str]]


def draw_together(resolved: Resolved) -> Found:
    """What all machines may draw at once, at most, is held against the largest power station."""
    watts = {}
    for label, machine in resolved.machines.items():
        gpus = machine.node.slots * machine.gpu.tdp.value if machine.gpu is not None else 0.0
        cpus = machine.node.cpus.count * machine.cpu.tdp.value
        watts[label] = (machine.pool.count, gpus + cpus)
        fault = NODE_POWER.fault(gpus + cpus)
        if fault is not None:
            yield ("cluster", "nodes"), f"a node of '{label}' would draw {(gpus + cpus) / W_PER_KW:,.0f} kW; it {fault}"
    total = sum(count * each for count, each in watts.values())
    fault = POWER.fault(total)
    if fault is not None:
        shown = " + ".join(f"{count:,} x {each / W_PER_KW:,.3g} kW" for count, each in watts.values())
        yield ("cluster", "nodes"), f"draw {total / W_PER_KW:,.0f} kW at most ({shown}); a site's power {fault}"


def pools_are_there(resolved: Resolved) -> Found:
    """Every workload finds its GPUs in pools that are there and have some."""
    unread, gpus = resolved.hardware.unread, resolved.gpus
    there = [*resolved.machines, *unread]
    cluster = resolved.parts.cluster
    scheduler = cluster.scheduler if cluster is not None else None
    for named in dict.fromkeys(scheduler.names_pools if scheduler is not None else ()):
        if named not in there:
            yield ("cluster", "scheduler"), f"unknown pool '{named}'{nearest(named, there)}  ({', '.join(there)})"
    for name, workload in resolved.parts.workloads.items():
        if name in resolved.choosing:
            continue  # told with what it chooses from
        path: KeyPath = ("workloads", name)
        for field, label, _, any_node, _ in workload.wanted:
            within = (*path, "places") if name in resolved.split else path
            at: KeyPath = (*within, field, "pool") if field else (*path, "pool")
            if any_node:
                at = (*path, "server", "pool") if name in resolved.federated else at
                if label is None and len(there) > 1:
                    yield at, f"required where there are several pools  ({', '.join(there)})"
                elif label is not None and label not in there:
                    yield at, f"unknown pool '{label}'{nearest(label, there)}  ({', '.join(there)})"
            elif label is not None and label not in there:
                yield at, f"unknown pool '{label}'{nearest(label, there)}  ({', '.join(there)})"
            elif label is None and len(gpus) > 1:
                yield at, f"required where several pools have GPUs  ({', '.join(gpus)})"
            elif (not gpus and not unread) if label is None else (label not in gpus and label not in unread):
                yield (*within, field) if name in resolved.split else path, "needs GPUs, and its pool has none"


def slots_suffice(resolved: Resolved) -> Found:
    """GPUs enough: services hold theirs throughout, and beside them each job fits by itself."""
    held: dict[str, int] = {}
    for name, field, label, gpus, _ in resolved.groups:
        if name in resolved.serving and label in resolved.machines:
            held[label] = held.get(label, 0) + gpus
            there = resolved.machines[label].slots
            if held[label] > there:
                group = dict(resolved.serving[name].groups)[field]
                asks = f"{group.most} replicas of {group.gpus} GPUs"
                total = f"services ask for {held[label]:,} GPUs of '{label}', which has {there:,}"
                yield ("workloads", name, field, "count"), f"{asks}: {total}"
    gpus_in, any_in = resolved.gpus, resolved.machines
    alone = [g for g in resolved.groups if not g.field and g.pool in (any_in if g.any_node else gpus_in)]
    for name, _, label, gpus, _ in alone:
        held[label] = held.get(label, 0) + (gpus if name in resolved.services else 0)
    yield from places_have_room(resolved, held)
    for name, _, label, gpus, _ in alone:
        there, services = resolved.machines[label].slots, held[label]
        if name in resolved.services and services > there:
            yield (
                ("workloads", name, "replicas"),
                f"services ask for {services:,} {_what(resolved, label)} of '{label}', which has {there:,}",
            )
        elif name in resolved.jobs and name not in resolved.choosing and gpus + services > there:
            services_hold = f", of which services hold {services:,}" if services else ""
            field = "sockets" if resolved.jobs[name].sockets else "gpus"
            asks = f"asks for {gpus:,} {_what(resolved, label)}"
            yield ("workloads", name, field), f"{asks}; '{label}' has {there:,}{services_hold}"
        elif name in resolved.campaigns or name in resolved.federated:
            yield from many_fit(resolved, name, there, services)
        elif name in resolved.others and gpus + services > there:
            yield (
                ("workloads", name),
                f"asks for {gpus:,} GPUs; '{label}' has {there:,}, of which services hold {services:,}",
            )


def _what(resolved: Resolved, label: str) -> str:
    """What the slots of a pool are."""
    return "GPUs" if label in resolved.gpus else "sockets"
