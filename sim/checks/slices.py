"""What work cannot do on instances of cut GPUs (MIG): reach each other by the GPUs' link; and GPUs that are shared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.build.resolved import Resolved
from sim.documents import KeyPath

if TYPE_CHECKING:
    from sim.spec.workloads import TrainingWork


Found = Iterator[tuple[KeyPath, str]]


def instances_alone(resolved: Resolved) -> Found:
    """Work whose GPUs speak to each other, in pools whose GPUs are cut."""
    cut = {label for label, machine in resolved.machines.items() if machine.uncut is not None}
    for name, field, label, *_ in resolved.groups:
        path: KeyPath = ("workloads", name)
        if label not in cut:
            continue
        why = f"instances of '{label}' do not reach each other (MIG has no peer-to-peer)"
        if name in resolved.serving:
            group = dict(resolved.serving[name].groups)[field]
            if group.gpus > 1:
                yield (*path, field), f"a replica takes {group.gpus} GPUs, and {why}"
        elif name in resolved.jobs and (asks := _speaks(resolved.jobs[name].work, resolved.jobs[name].gpus)):
            yield (*path, *asks), f"its GPUs exchange data, and {why}"
        elif name in resolved.campaigns:
            for at, _, gpus, work in resolved.campaigns[name].sizes:
                if asks := _speaks(work, gpus):
                    yield (*path, *at, *asks), f"its GPUs exchange data, and {why}"


def shared_by_somebody(resolved: Resolved) -> Found:
    """Pools that say how parts of their GPUs are shared, where no job can ask for any."""
    assert resolved.parts.cluster is not None
    theirs = {label for name in resolved.batches for label in resolved.pools[name].values()}
    for i, pool in enumerate(resolved.parts.cluster.nodes):
        if pool.sharing is not None and pool.label not in theirs:
            yield ("cluster", "nodes", i, "sharing"), "only jobs (kind: jobs) ask for parts of GPUs, and none runs here"


def _speaks(work: TrainingWork, gpus: int) -> KeyPath:
    """Which field says that GPUs of a gang exchange data; none if nothing does."""
    if work.kind == "steps" and work.link_traffic:
        return ("work", "link_traffic")
    return ("gpus",) if work.kind == "model" and gpus > 1 else ()
