"""How jobs share a GPU as written -> the law by which they slow each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.build.machines.pools import Machine
from sim.errors import InputError
from sim.kinds import builder
from sim.later import later
from sim.profiles.catalog import Catalog
from sim.profiles.machines.gpu import GPUProfile

with later():
    from sim.profiles.shared_gpu.interference import AtOnce, Exclusive, Instances, Sharing, TimeSlices
    from sim.profiles.shared_gpu.tenants import SharedGPU


if TYPE_CHECKING:
    from sim.profiles.shared_gpu.slices import SlicesProfile
    from sim.spec.sharing import ExclusiveSharing, InstanceSharing, MPSSharing, SharingSpec, TimeSliceSharing


def sharing_of(spec: SharingSpec, gpu: GPUProfile, catalog: Catalog) -> Sharing:
    """The law for one kind of GPU. Raises ``InputError`` for a GPU that cannot be shared so."""
    made: Sharing = builder(spec)(spec, gpu, catalog)
    return made


def slices_of(gpu: GPUProfile, catalog: Catalog) -> SlicesProfile:
    """How a GPU can be cut. Raises ``InputError`` where its profile does not say."""
    if gpu.slices is None:
        raise InputError.one("<profiles>", f"'{gpu.name}' cannot be cut: its profile names no 'slices'")
    return catalog.slices(gpu.slices)


def shared_gpu(spec: SharingSpec, machine: Machine, catalog: Catalog) -> SharedGPU:
    """One of its GPUs, and the way in which it is shared. Raises ``InputError`` where none is, or not so."""
    gpu = machine.gpu
    if gpu is None:
        raise InputError.one("<profiles>", f"'{machine.node.name}' has no GPUs to share")
    power = gpu.power
    return SharedGPU(
        sharing_of(spec, gpu, catalog), float(power.idle.value), float(power.loaded.value), float(gpu.tdp.value)
    )


def exclusive(_spec: ExclusiveSharing, _gpu: GPUProfile, _catalog: Catalog) -> Exclusive:
    """One job a GPU."""
    return Exclusive()


def instances(_spec: InstanceSharing, gpu: GPUProfile, catalog: Catalog) -> Instances:
    """Instances of the GPU's slices."""
    slices = slices_of(gpu, catalog)
    assert gpu.chip is not None  # or it would have no slices
    board = int(gpu.chip.multiprocessors.value)
    return Instances(
        slices.geometry, {name: int(one.multiprocessors.value) / board for name, one in slices.slices.items()}
    )


def at_once(spec: MPSSharing, _gpu: GPUProfile, _catalog: Catalog) -> AtOnce:
    """MPS."""
    return AtOnce(float(spec.contention), spec.clients, float(spec.memory_bound))


def time_slices(spec: TimeSliceSharing, _gpu: GPUProfile, _catalog: Catalog) -> TimeSlices:
    """Time slicing."""
    return TimeSlices(int(spec.quantum), int(spec.switch), spec.replicas)
