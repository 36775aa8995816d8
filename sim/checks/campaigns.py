"""What is wrong with campaigns and federated trainings: when they start, what they hold, where their devices are."""

from __future__ import annotations

from collections.abc import Iterator

from sim.build.resolved import Resolved
from sim.documents import KeyPath
from sim.validation import nearest

Found = Iterator[tuple[KeyPath, str]]


def many_start(resolved: Resolved) -> Found:
    """Within the run."""
    duration_ns = resolved.parts.duration_ns
    starts = {name: ("trial", campaign.start_after) for name, campaign in resolved.campaigns.items()}
    starts |= {name: ("round", fleet.start_after) for name, fleet in resolved.federated.items()}
    for name, (what, start_ns) in starts.items():
        if duration_ns is not None and start_ns >= duration_ns:
            yield ("workloads", name, "start_after"), f"is not before the end of the run: no {what} would ever start"


def many_fit(resolved: Resolved, name: str, there: int, services: int) -> Found:
    """Each gang of a campaign's trials, and a server, beside the services in a pool that has ``there`` slots."""
    held = f", of which services hold {services:,}" if services else ""
    if name in resolved.campaigns:
        for path, _, gpus, _ in resolved.campaigns[name].sizes:
            if gpus + services > there:
                at: KeyPath = ("workloads", name, *path, "gpus")
                yield at, f"asks for {gpus:,} GPUs; '{resolved.pool(name)}' has {there:,}{held}"
        return
    slots = resolved.federated[name].server.slots
    if slots + services > there:
        at = ("workloads", name, "server", "slots")
        yield at, f"asks for {slots:,} slots; '{resolved.pool(name)}' has {there:,}{held}"


def intensities_outside(resolved: Resolved) -> Found:
    """Every kind of users' devices has a carbon intensity, and nothing else has one there."""
    accounting = resolved.parts.accounting
    if accounting is None:
        return
    path: KeyPath = ("accounting", "outside")
    elsewhere = {name: [*one.devices] for name, one in resolved.federated.items()}
    elsewhere |= {name: [*one.devices] for name, one in resolved.split.items()}
    for name, devices in elsewhere.items():
        lacking = [kind for kind in devices if kind not in accounting.outside.get(name, {})]
        if lacking:
            ask = "required. We do not guess where users' devices are: give the carbon intensity there"
            yield (*path, name), f"{ask}, of {', '.join(lacking)}"
    for name, kinds in accounting.outside.items():
        if name not in elsewhere and name not in resolved.parts.names:
            known = [*elsewhere]
            yield (*path, name), f"unknown workload '{name}'{nearest(name, known)}  ({', '.join(known)})"
        elif name in resolved.parts.workloads and name not in elsewhere:
            yield (*path, name), f"'{name}' has no devices outside: it is {resolved.parts.workloads[name].kind}"
        for kind in kinds if name in elsewhere else ():
            there = elsewhere[name]
            if kind not in there:
                yield (*path, name, kind), f"'{name}' has no such devices{nearest(kind, there)}  ({', '.join(there)})"
