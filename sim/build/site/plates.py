"""What cold plates take of a site's heat where its facility leaves that to the profiles of its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim.build.machines.pools import Machine
from sim.build.resolved import Resolved
from sim.later import later
from sim.profiles.machines.node import OPTIONAL_PARTS

with later():
    from sim.spec.facility import DirectToChip, PlantSpec


if TYPE_CHECKING:
    from sim.spec.building import Facility


def left_to_profiles(facility: Facility) -> bool:
    """Whether a facility cools by cold plates and does not say what they take."""
    plates = facility.cooling if isinstance(facility, PlantSpec) else None
    return isinstance(plates, DirectToChip) and plates.liquid_share is None


def standing(resolved: Resolved, site: str | None) -> Iterator[Machine]:
    """The machines of a site; of the only one there is, where it has no name."""
    named = resolved.site_named(site)
    yield from (machine for label, machine in resolved.machines.items() if resolved.sites.get(label) == named)


def resolved_plates(facility: Facility, site: str, resolved: Resolved) -> Facility:
    """The facility with the share of its nodes, by what each draws with all of it at work.

    Every node of the site has one: the checks have seen to it.
    """
    if not left_to_profiles(facility):
        return facility
    assert isinstance(facility, PlantSpec)
    whole_w = plates_w = 0.0
    for machine in standing(resolved, site):
        assert machine.node.liquid_share is not None
        watts = machine.pool.count * _at_work_w(machine)
        whole_w += watts
        plates_w += watts * float(machine.node.liquid_share.value)
    cooling = facility.cooling.model_copy(update={"liquid_share": plates_w / whole_w})
    return facility.model_copy(update={"cooling": cooling})


def _at_work_w(machine: Machine) -> float:
    """DC watts of a node with its accelerators at their limit and its CPUs at full load."""
    node, gpu = machine.node, machine.gpu
    watts = node.cpus.count * float(machine.cpu.power.full.value)
    watts += float(node.dram.active.value) * float(node.dram.capacity.value)
    watts += sum(float(part.active.value) for name in OPTIONAL_PARTS if (part := getattr(node, name)) is not None)
    return watts + (node.slots * float(gpu.tdp.value) if gpu is not None else 0.0)
