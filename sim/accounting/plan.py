"""What a fold needs to price a ledger: one plan a site, and what all sites share. In SI: g/J, L/J, currency/J."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.accounting.conventions import Convention
from sim.accounting.market import Market
from sim.accounting.supply import OnSite
from sim.facility.building import Building
from sim.signals import Signal


@dataclass(frozen=True)
class GridPlan:
    """A site's electricity: what a joule from it emits, costs and takes in water; None where it is not known.

    ``intensity`` is the location-based average and ``marginal`` what one more joule causes; ``carbon_free`` is the
    share of the grid's own mix that is carbon-free, and ``water`` and ``withdrawal`` are L/J at its power stations.
    """

    intensity: Signal
    marginal: Signal | None = None
    price: Signal | None = None
    carbon_free: Signal | None = None
    water: Signal | None = None
    withdrawal: Signal | None = None

    def signals(self) -> dict[str, Signal]:
        """Those that there are, by name."""
        every = {
            "intensity": self.intensity,
            "marginal": self.marginal,
            "price": self.price,
            "carbon_free": self.carbon_free,
            "water": self.water,
            "withdrawal": self.withdrawal,
        }
        return {name: signal for name, signal in every.items() if signal is not None}


@dataclass(frozen=True)
class SitePlan:
    """One site. ``wue_l_per_j`` stands for a cooling plant whose water is not modelled; None where neither is known.

    ``scarcity`` weighs a litre on site and a litre at the power stations, m3 of the world's mean water each.
    """

    building: Building
    grid: GridPlan
    on_site: OnSite | None = None
    market: Market | None = None
    wue_l_per_j: float | None = None
    scarcity: tuple[float, float] | None = None

    @property
    def onsite_water_known(self) -> bool:
        """Whether the site says how much water it takes."""
        return self.wue_l_per_j is not None or self.building.models_water


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
    """Everything the fold needs.

    ``expected_utilisation`` spreads embodied carbon over the share of a lifetime that is expected to be used, and then
    charges nothing for unallocated time; None amortises by time, with unallocated time as a line of its own.
    """

    convention: Convention
    sites: Mapping[str, SitePlan]
    currency: str | None
    embodied: Mapping[str, EmbodiedItem] = field(default_factory=dict)
    expected_utilisation: float | None = None
