"""What a fold needs to price a ledger: one plan a site, and what all sites share. In SI: g/J, L/J, currency/J."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from sim.accounting.amortization import expected_utilisation_share, time_share, use_share
from sim.accounting.conventions import UNALLOCATED, Convention
from sim.accounting.ledger import Key
from sim.facility.building import Building
from sim.signals import Signal

if TYPE_CHECKING:
    from sim.accounting.market import Market
    from sim.onsite.plan import OnsitePlan
    from sim.signals.gaps import GapReport

Ints = npt.NDArray[np.int64]


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

    @property
    def per_joule(self) -> dict[str, Signal]:
        """What a joule from it takes, where it is known, by the quantity of a line of the footprint."""
        taken = {
            "operational_g": self.intensity,
            "marginal_g": self.marginal,
            "offsite_l": self.water,
            "withdrawal_l": self.withdrawal,
            "cost": self.price,
        }
        return {name: signal for name, signal in taken.items() if signal is not None}

    @property
    def currency(self) -> str | None:
        """Currency of the price; None without one."""
        return self.price.unit.partition("/")[0] if self.price is not None else None

    def signals(self) -> dict[str, Signal]:
        """The signals that are known, by name."""
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
    """One site with all that prices its energy.

    ``wue_l_per_j`` stands for a cooling plant whose water is not modelled; None where neither is known.
    ``market_by_location``: other sites of the plan say what they bought and this one does not, so that the market-based
    account takes its location-based factor. ``scarcity`` weighs a litre on site and a litre at the power stations, m3
    of the world's mean water each. ``escaping_g_per_s`` is CO2e of refrigerants, None where nobody says. ``reports``
    say what was filled in the files of the grid, ``weather_filled`` how many values in that of the weather.
    """

    building: Building
    grid: GridPlan
    on_site: OnsitePlan | None = None
    market: Market | None = None
    market_by_location: bool = False
    wue_l_per_j: float | None = None
    scarcity: tuple[float, float] | None = None
    escaping_g_per_s: float | None = None
    reports: Mapping[str, GapReport] = field(default_factory=dict)
    weather_filled: int = 0

    def breakpoints(self, start_ns: int, end_ns: int) -> list[Ints]:
        """Instants within ``(start_ns, end_ns)`` at which anything of the site changes: bins need edges there."""
        cuts = [signal.breakpoints(start_ns, end_ns) for signal in self.grid.signals().values()]
        cuts.append(self.building.breakpoints(start_ns, end_ns))
        if self.on_site is not None:
            cuts += self.on_site.breakpoints(start_ns, end_ns)
        return cuts

    @property
    def onsite_water_known(self) -> bool:
        """Whether the site says how much water it takes."""
        return self.wue_l_per_j is not None or self.building.models_water


@dataclass(frozen=True)
class EmbodiedItem:
    """A kind of device: g of CO2e as a range, its lifetime, and the rows of the ledger whose slots count its time.

    They are those of ``component`` in a ``hardware`` profile's name. ``slots_per_device`` is 1 for a GPU and the node's
    slots for a server, whose share follows the slots held. ``water_l`` is what the fab withdrew, None where not known;
    ``credit_g`` what others are spared by its recycling, which is shown and never deducted.
    """

    label: str
    hardware: str
    component: str
    slots_per_device: int
    low_g: float
    central_g: float
    high_g: float
    lifetime_ns: int
    water_l: float | None = None
    credit_g: float = 0.0


@dataclass(frozen=True)
class PlantItem:
    """A building or its plant: carbon of making it, g as a range, spread evenly over a lifetime and by IT energy."""

    label: str
    low_g: float
    central_g: float
    high_g: float
    lifetime_ns: int


class Amortization(Protocol):
    """A way of spreading the carbon of a device over what it does."""

    def share(self, key: Key, slot_ns: int, item: EmbodiedItem) -> float:
        """Devices' worth of carbon that ``slot_ns`` of a row of the ledger answer for."""


@dataclass(frozen=True)
class ByTime:
    """Amortization by time held; time that nobody holds is a line of its own."""

    def share(self, _key: Key, slot_ns: int, item: EmbodiedItem) -> float:
        """Devices' worth of carbon; see ``time_share``."""
        return time_share(slot_ns, item.lifetime_ns) / item.slots_per_device


@dataclass(frozen=True)
class ByExpectedUtilisation:
    """Amortization by time held over the part of the lifetime expected to be held; unheld time is charged to no one."""

    utilisation: float

    def share(self, key: Key, slot_ns: int, item: EmbodiedItem) -> float:
        """Devices' worth of carbon; see ``expected_utilisation_share``."""
        if key.owner == UNALLOCATED:
            return 0.0
        return expected_utilisation_share(slot_ns, item.lifetime_ns, self.utilisation) / item.slots_per_device


@dataclass(frozen=True)
class ByUse:
    """Amortization by time at work over the working time expected of a device; all other time is free."""

    active_lifetime_ns: int

    def share(self, key: Key, slot_ns: int, item: EmbodiedItem) -> float:
        """Devices' worth of carbon; see ``use_share``."""
        return use_share(slot_ns, self.active_lifetime_ns) / item.slots_per_device if key.state == "active" else 0.0


@dataclass(frozen=True)
class CarbonPrice:
    """What a g of CO2e costs, of which scopes, and where: ``sites`` are all where it is None. ``market``: scope 2 is
    counted by what was bought. ``words`` are the price as it was written."""

    per_g: float
    currency: str
    scopes: frozenset[int]
    market: bool
    sites: frozenset[str] | None
    words: str

    @property
    def scope_2(self) -> str:
        """The quantity of a line that scope 2 is, together with scope 1."""
        return "market_g" if self.market else "operational_g"


@dataclass(frozen=True)
class Told:
    """A convention as people are told of it: its title, its terms, the carbon of a kWh that it counts (``location``,
    ``market``, ``marginal``, ``stated``), and the plan that counts what the meters read."""

    title: str
    terms: Mapping[str, str]
    carbon: str
    physical: AccountingPlan


@dataclass(frozen=True)
class AccountingPlan:
    """Everything the fold needs to price a ledger. ``outside`` is g/J where devices are, by workload and class.

    ``at_purchase``: making a device counts whole in the run, not by the part of its lifetime. ``told`` is there where a
    profile's convention counts. ``phases`` are workloads by the phase of a project; ``break_even`` where it is asked
    for.
    """

    convention: Convention
    sites: Mapping[str, SitePlan]
    currency: str | None
    amortization: Amortization
    embodied: tuple[EmbodiedItem, ...] = ()
    plants: tuple[PlantItem, ...] = ()
    outside: Mapping[tuple[str, str], float] = field(default_factory=dict)
    at_purchase: bool = False
    told: Told | None = None
    phases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    break_even: bool = False
    carbon_price: CarbonPrice | None = None
