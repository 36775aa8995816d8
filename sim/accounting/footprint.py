"""From joules to carbon, water and money: one pure fold over a ledger, and a footprint whose parts sum to its total.

Operational carbon = facility energy x grid intensity, bin by bin. On-site water follows IT energy (WUE), off-site water
facility energy (EWIF). Embodied carbon = the device's embodied carbon x time held / lifetime, never multiplied by PUE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sim.accounting.conventions import UNALLOCATED, Convention
from sim.accounting.ledger import Floats, Key, Ledger
from sim.facility.pue import overhead_j
from sim.signals import Signal

FACILITY = "facility"
"""The component under which everything beyond the IT load is booked."""


@dataclass(frozen=True)
class EmbodiedItem:
    """A kind of device: g of CO2e as a range, its lifetime, and the ledger component whose slots count its time.

    ``slots_per_device`` is 1 for a GPU and the node's slots for a server, whose share follows the slots held.
    """

    label: str
    component: str
    slots_per_device: int
    low_g: float
    central_g: float
    high_g: float
    lifetime_ns: int


@dataclass(frozen=True)
class AccountingPlan:
    """Everything the fold needs, in SI: L/J, g/J, currency/J; None where a thing is not modelled.

    ``expected_utilisation`` spreads embodied carbon over the share of a lifetime that is expected to be used, and then
    charges nothing for unallocated time; None amortises by time, with unallocated time as a line of its own.
    """

    convention: Convention
    pue: float
    intensity: Signal
    price: Signal | None
    currency: str | None
    wue_l_per_j: float | None
    ewif_l_per_j: float | None
    embodied: Mapping[str, EmbodiedItem]
    expected_utilisation: float | None


@dataclass(frozen=True)
class Line:
    """One line of a footprint; ``None`` where a quantity is not modelled. Energies in J, carbon in g, water in L."""

    key: Key
    energy_j: float = 0.0
    operational_g: float = 0.0
    embodied_g: float = 0.0
    embodied_low_g: float = 0.0
    embodied_high_g: float = 0.0
    onsite_l: float | None = None
    offsite_l: float | None = None
    cost: float | None = None

    @property
    def is_it(self) -> bool:
        """Whether its energy is of the IT equipment."""
        return self.key.component != FACILITY


@dataclass(frozen=True)
class Footprint:
    """Lines that sum to the whole. Adding two footprints keeps every line; the empty one is zero."""

    lines: tuple[Line, ...] = ()

    def __add__(self, other: Footprint) -> Footprint:
        return Footprint(self.lines + other.lines)

    def total(self, of: Callable[[Line], float]) -> float:
        """Sum of one quantity over all lines."""
        return float(sum(of(line) for line in self.lines))

    def by(self, name: Callable[[Key], str], of: Callable[[Line], float]) -> dict[str, float]:
        """Sums of one quantity by what ``name`` says of a line, in alphabetical order."""
        sums: dict[str, float] = {}
        for line in self.lines:
            label = name(line.key)
            sums[label] = sums.get(label, 0.0) + of(line)
        return dict(sorted(sums.items()))


def with_overhead(counted: Ledger, pue: float) -> Ledger:
    """The counted IT energy plus the facility's overhead, as rows of its own for the same owners and states."""
    rows = list(zip(counted.keys, counted.energy_j, counted.slot_ns, strict=True))
    for key, energy_j, slot_ns in zip(counted.keys, counted.energy_j, counted.slot_ns, strict=True):
        overhead = key._replace(pool="", hardware="", component=FACILITY)
        rows.append((overhead, overhead_j(energy_j, pue), np.zeros_like(slot_ns)))
    return Ledger.of(counted.edges_ns, rows)


def fold(ledger: Ledger, plan: AccountingPlan) -> Footprint:
    """The footprint of a ledger under a plan.

    Raises ``SignalRangeError`` where a signal does not cover the run, ``ValueError`` where the ledger's bins are
    coarser than a signal.
    """
    return Footprint(tuple(_operational(ledger, plan) + _embodied(ledger, plan)))


def _operational(ledger: Ledger, plan: AccountingPlan) -> list[Line]:
    facility = with_overhead(plan.convention.counted(ledger), plan.pue)
    energy_j = facility.energy_j.sum(axis=1)
    carbon_g = facility.energy_j @ plan.intensity.on_bins(ledger.edges_ns)
    cost: Floats | None = None
    if plan.price is not None:
        cost = facility.energy_j @ plan.price.on_bins(ledger.edges_ns)
    lines = []
    for i, key in enumerate(facility.keys):
        joules = float(energy_j[i])
        onsite = plan.wue_l_per_j * joules if plan.wue_l_per_j is not None and key.component != FACILITY else None
        lines.append(
            Line(
                key,
                energy_j=joules,
                operational_g=float(carbon_g[i]),
                onsite_l=onsite,
                offsite_l=plan.ewif_l_per_j * joules if plan.ewif_l_per_j is not None else None,
                cost=float(cost[i]) if cost is not None else None,
            )
        )
    return lines


def _embodied(ledger: Ledger, plan: AccountingPlan) -> list[Line]:
    held_ns = ledger.slot_ns.sum(axis=1).tolist()
    lines = []
    for key, slot_ns in zip(ledger.keys, held_ns, strict=True):
        item = plan.embodied.get(key.hardware)
        if item is None or item.component != key.component:
            continue
        if plan.expected_utilisation is not None and key.owner == UNALLOCATED:
            continue
        used = 1.0 if plan.expected_utilisation is None else plan.expected_utilisation
        share = slot_ns / (item.slots_per_device * item.lifetime_ns * used)
        lines.append(
            Line(
                key._replace(component=f"embodied_{item.label}"),
                embodied_g=item.central_g * share,
                embodied_low_g=item.low_g * share,
                embodied_high_g=item.high_g * share,
            )
        )
    return lines
