"""From a pool and what joins its nodes to the topology of a gang: who shares a link, and what lies between."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sim.build.machines.pools import Machine
from sim.documents import KeyPath
from sim.kinds import builder
from sim.later import later
from sim.profiles.machines.node import linked
from sim.units import SECONDS_PER_NS

with later():
    from sim.spec.fabric import FatTree, Rail, TorusSpec
    from sim.training.ranks import groups_of


if TYPE_CHECKING:
    from sim.spec.fabric import FabricSpec, Ports
    from sim.training.terms import Spread
    from sim.training.topology import Island, Switched, Tier, Topology
    from sim.training.torus import Torus


@dataclass(frozen=True)
class Joined:
    """A gang of ``gpus``, ``beside`` of them on each ``island``; a node holds ``node_gpus``."""

    gpus: int
    beside: int
    node_gpus: int
    island: Island

    def islands(self, nodes: int) -> int:
        """That so many nodes make up."""
        return max(1, nodes * self.node_gpus // self.island.gpus)


def island_gpus(machine: Machine) -> int:
    """Accelerators that their own link joins: those of a node, or of the domain that its profile names."""
    domain = machine.node.link_domain
    return int(domain.value) if domain is not None else machine.node.slots


def topology(machine: Machine, gpus: int, *, straddling: bool = False) -> Topology:
    """Of a gang of ``gpus`` of a pool that has passed its checks (``fabric_problems``, ``lacks_fabric``).

    Where nodes have several islands it fills them one after the other; if it is ``straddling``, only what joins all of
    a node is counted on.
    """
    from sim.training.topology import island_of, spread_evenly, switched

    assert machine.gpu is not None
    node, gpu = machine.node, machine.gpu
    all_of_it = island_of(linked(node, gpu, node.slots), island_gpus(machine))
    if node.island_gpus and not straddling:
        all_of_it = replace(all_of_it, inner=island_of(linked(node, gpu, 1), node.island_gpus))
    gang = Joined(
        gpus,
        spread_evenly(gpus, island_gpus(machine), machine.node.slots),
        machine.node.slots,
        all_of_it,
    )
    fabric = machine.pool.fabric
    if fabric is None:
        return switched(gpus, gang.island, None, beside=gang.beside)
    made: Topology = builder(fabric)(fabric, gang)
    return made


def lacks_fabric(machine: Machine, gpus: int) -> str | None:
    """Why a gang of ``gpus`` needs a fabric that its pool does not have; None where it does not."""
    island = island_gpus(machine)
    if gpus <= island or machine.pool.fabric is not None:
        return None
    return (
        f"leaves the {island} GPUs that the link of '{machine.node.name}' joins; give pool '{machine.pool.label}' a "
        f"'fabric', e.g. {{kind: rail, bandwidth: 50 GB/s, latency: 2 us, switch_latency: 0.3 us, energy_per_byte: "
        f"340 pJ/B, nodes_per_leaf: 32, oversubscription: 1}}"
    )


def torn_groups(at: Topology, spread: Spread) -> Iterator[tuple[str, str]]:
    """Degrees whose groups cannot be laid on a topology, and why: on a torus they must be blocks of it."""
    from sim.training.torus import Torus

    if not isinstance(at, Torus):
        return
    shape = " x ".join(str(side) for side in at.shape)
    for purpose, (size, stride) in groups_of(spread).items():
        if at.sides(size, stride) is None:
            yield (
                "data" if purpose == "replicas" else purpose.removesuffix("_data").removesuffix("_replicas"),
                f"groups of {size} ranks, {stride} apart, are no blocks of a torus of {shape}; use divisors of its "
                "sides",
            )


def fabric_problems(machine: Machine) -> Iterator[tuple[KeyPath, str]]:
    """What is wrong with the fabric of a pool, by the path below it."""
    fabric, island, slots = machine.pool.fabric, island_gpus(machine), machine.node.slots
    if fabric is None:
        return
    if machine.gpu is None:
        yield ("fabric",), f"'{machine.node.name}' has no GPUs to join; leave this out"
    elif isinstance(fabric, TorusSpec):
        there = machine.slots
        if fabric.gpus != there:
            shape = " x ".join(str(side) for side in fabric.shape)
            yield ("fabric", "shape"), f"{shape} are {fabric.gpus:,} accelerators; the pool has {there:,}"
    else:
        for path, nodes in _blocks(fabric):
            if nodes * slots % island and island % slots == 0:
                yield (
                    path,
                    f"{nodes} nodes of {slots} GPUs are no whole number of the {island} that their link joins; "
                    f"use a multiple of {island // slots} nodes",
                )


def _blocks(fabric: FabricSpec) -> Iterator[tuple[KeyPath, int]]:
    if isinstance(fabric, Rail):
        yield ("fabric", "nodes_per_leaf"), fabric.nodes_per_leaf
    if isinstance(fabric, FatTree):
        for i, tier in enumerate(fabric.tiers):
            yield ("fabric", "tiers", i, "nodes"), tier.nodes


def rail(spec: Rail, gang: Joined) -> Switched:
    """Leaves by rail and spines."""
    from sim.training.topology import Tier

    return _switched(spec, gang, (Tier(gang.islands(spec.nodes_per_leaf), float(spec.oversubscription)),), rails=True)


def fat_tree(spec: FatTree, gang: Joined) -> Switched:
    """Leaves of whole nodes and blocks above."""
    from sim.training.topology import Tier

    tiers = tuple(Tier(gang.islands(tier.nodes), float(tier.oversubscription)) for tier in spec.tiers)
    return _switched(spec, gang, tiers, rails=False)


def _switched(spec: Ports, gang: Joined, tiers: tuple[Tier, ...], *, rails: bool) -> Switched:
    from sim.training.topology import Network, switched

    network = Network(
        byte_per_s=float(spec.bandwidth),
        latency_s=spec.latency * SECONDS_PER_NS,
        switch_latency_s=spec.switch_latency * SECONDS_PER_NS,
        joule_per_byte=float(spec.energy_per_byte),
        tiers=tiers,
        rails=rails,
        in_switch=float(spec.in_network) if spec.in_network is not None else 0.0,
    )
    return switched(gang.gpus, gang.island, network, beside=gang.beside)


def torus(spec: TorusSpec, gang: Joined) -> Torus:
    """The pool's torus; a gang fills its first places."""
    from sim.training.torus import Torus

    return Torus(
        tuple(spec.shape),
        gang.island.byte_per_s,
        spec.hop_latency * SECONDS_PER_NS,
        gang.island.joule_per_byte,
        spec.wraps,
    )
