"""A pool whose GPUs are cut: its machines, with instances as their slots."""

from __future__ import annotations

from dataclasses import replace

from sim.build.machines.pools import Machine, Uncut
from sim.errors import InputError
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.spec.cluster import MIGSpec
from sim.validation import nearest

with later():
    from sim.build.machines.sharing import slices_of
    from sim.profiles.shared_gpu.sliced import slice_of, sliced_node


def cut(machine: Machine, spec: MIGSpec, catalog: Catalog) -> Machine:
    """The machine with every GPU cut. Raises ``InputError`` where they cannot be, or not so."""
    gpu, kind = machine.gpu, spec.instance
    if gpu is None:
        raise InputError.one("<profiles>", f"'{machine.node.name}' has no GPUs to cut")
    slices = slices_of(gpu, catalog)
    geometry, known = slices.geometry, ", ".join(slices.slices)
    if kind not in slices.slices:
        raise InputError.one("<profiles>", f"'{gpu.name}' has no '{kind}'{nearest(kind, slices.slices)}  ({known})")
    if geometry.arrange(spec.layout) is None:
        most = next(n for n in range(len(spec.layout) - 1, -1, -1) if geometry.arrange([kind] * n) is not None)
        raise InputError.one("<profiles>", f"{len(spec.layout)} x {kind} do not fit on one '{gpu.name}': {most} do")
    count = len(spec.layout)
    return replace(
        machine,
        node=sliced_node(machine.node, kind, count),
        gpu=slice_of(gpu, slices, kind, count),
        uncut=Uncut(machine.node, gpu, count),
    )
