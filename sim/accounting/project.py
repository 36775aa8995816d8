"""A project of many runs: what each of its phases took, and when its machines have emitted what making them did.

Phases are groups of workloads: experiments, training, evaluation, inference. What nobody held (idle machines, and what
the building draws for them) is a line of its own, so that phases and that line are the whole, to the last gram.

Break-even is where operation has emitted as much as making: of machines that a workload holds for t hours and whose
operation emits o meanwhile, the carbon m of making them is reached after m t / o hours of such use, by

    T = sum over devices of (time held x carbon of making one) / operational carbon.

It needs no lifetime and no rule of amortisation. Form: Gupta et al., "Chasing Carbon", HPCA 2021, arXiv:2011.02839,
section IV. Buildings and plants are left out, and users' devices, whose making nobody here knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sim.accounting.conventions import UNALLOCATED
from sim.accounting.footprint import Footprint, Part
from sim.accounting.ledger import Key, Ledger
from sim.accounting.plan import EmbodiedItem

PER_PHASE = ("energy_j", "operational_g", "embodied_g")


@dataclass(frozen=True)
class Taken:
    """Energy in J (building and networks included) and carbon in g."""

    energy_j: float = 0.0
    operational_g: float = 0.0
    embodied_g: float = 0.0

    @property
    def carbon_g(self) -> float:
        """Operational and embodied."""
        return self.operational_g + self.embodied_g


def by_phase(footprint: Footprint, phases: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, Taken], Taken]:
    """What each phase took, and what is nobody's: together all lines of the footprint.

    Every workload is in one of ``phases``, by its name.
    """
    sums = {name: footprint.by(_owner, name) for name in PER_PHASE}
    of = {owner: phase for phase, owners in phases.items() for owner in owners}

    def taken(phase: str | None) -> Taken:
        return Taken(*(sum(v for owner, v in sums[name].items() if of.get(owner) == phase) for name in PER_PHASE))

    return {phase: taken(phase) for phase in phases}, taken(None)


@dataclass(frozen=True)
class BreakEven:
    """Of some use: ns until operation has emitted what making the machines did, at the low, central and high end of
    that; and the share of their lifetime that it takes at the centre, 1 where it takes all of it."""

    low_ns: float
    central_ns: float
    high_ns: float
    of_lifetime: float


def break_even(
    ledger: Ledger, items: tuple[EmbodiedItem, ...], footprint: Footprint
) -> tuple[dict[str, BreakEven], BreakEven | None]:
    """By workload while it holds machines, and of all machines as they were used, idle time included.

    None, and no entry, for what emits nothing in operation: it never breaks even.
    """
    operational = footprint.inside().by(_owner, "operational_g")
    made: dict[str, tuple[float, ...]] = {}  # low, central and high g, and g/ns
    by_rows: dict[tuple[str, str], list[EmbodiedItem]] = {}
    for item in items:
        by_rows.setdefault((item.hardware, item.component), []).append(item)
    for key, slot_ns in zip(ledger.keys, ledger.held_ns, strict=True):
        for item in by_rows.get((key.hardware, key.component), ()):
            device_ns = slot_ns / item.slots_per_device
            carbon = (item.low_g, item.central_g, item.high_g, item.central_g / item.lifetime_ns)
            before = made.get(key.owner, (0.0, 0.0, 0.0, 0.0))
            made[key.owner] = tuple(b + device_ns * g for b, g in zip(before, carbon, strict=True))

    def found(sums: tuple[float, ...], operational_g: float) -> BreakEven:
        return BreakEven(*(each / operational_g for each in sums))

    owners = [owner for owner in made if owner != UNALLOCATED and operational.get(owner, 0.0) > 0.0]
    total_g = sum(operational.values())
    whole = tuple(map(sum, zip(*made.values(), strict=True)))
    return (
        {owner: found(made[owner], operational[owner]) for owner in sorted(owners)},
        found(whole, total_g) if whole and total_g > 0.0 else None,
    )


def _owner(key: Key, _part: Part) -> str:
    return key.owner
