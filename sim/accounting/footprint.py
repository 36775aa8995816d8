"""From joules to carbon, water and money: one pure fold over a ledger, and a footprint whose parts sum to its total.

Each site is accounted bin by bin (``account_site``); every line of the ledger answers for the share of its site's
carbon, water and cost in a bin that it has in its site's energy there. What the building draws while nothing in it does
is nobody's. Embodied carbon = the device's embodied carbon x time held / lifetime, never multiplied by PUE.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Literal

import numpy as np

from sim.accounting.amortization import time_share
from sim.accounting.conventions import UNALLOCATED
from sim.accounting.ledger import WAN, Floats, Key, Ledger
from sim.accounting.plan import AccountingPlan, EmbodiedItem, GridPlan
from sim.accounting.site import SiteAccount, account_site

Part = Literal["it", "building", "network"]

WARM_AIR = "warm_air"
"""The state of what warm inlet air costs the servers beyond what the engine metered."""


@dataclass(frozen=True)
class Line:
    """One line of a footprint. Energies in J, carbon in g, water in L; zero where a plan does not model a quantity.

    ``part`` tells the IT equipment from the building and from networks between sites. ``operational_g`` is
    location-based and includes ``scope1_g``, the fuel burnt on site.
    """

    key: Key
    part: Part = "it"
    energy_j: float = 0.0
    import_j: float = 0.0
    operational_g: float = 0.0
    scope1_g: float = 0.0
    market_g: float = 0.0
    marginal_g: float = 0.0
    embodied_g: float = 0.0
    embodied_low_g: float = 0.0
    embodied_high_g: float = 0.0
    embodied_l: float = 0.0
    credit_g: float = 0.0
    onsite_l: float = 0.0
    offsite_l: float = 0.0
    withdrawal_l: float = 0.0
    cost: float = 0.0


@dataclass(frozen=True)
class Footprint:
    """Lines that sum to the whole. Adding two footprints keeps every line; the empty one is zero.

    ``accounts`` keeps each site's bins, by its name.
    """

    lines: tuple[Line, ...] = ()
    accounts: Mapping[str, SiteAccount] = field(default_factory=dict)

    def __add__(self, other: Footprint) -> Footprint:
        return Footprint(self.lines + other.lines, {**self.accounts, **other.accounts})

    def at(self, site: str) -> Footprint:
        """The part of one site."""
        accounts = {name: account for name, account in self.accounts.items() if name == site}
        return Footprint(tuple(line for line in self.lines if line.key.site == site), accounts)

    def inside(self) -> Footprint:
        """Without networks between sites."""
        return Footprint(tuple(line for line in self.lines if line.part != "network"), self.accounts)

    def total(self, *quantities: str, part: Part | None = None) -> float:
        """Sum of quantities, by their names in a ``Line``, over all lines or those of one part."""
        return float(sum(sum(map(attrgetter(quantity), self._of(part))) for quantity in quantities))

    def by(self, name: Callable[[Line], str], *quantities: str, part: Part | None = None) -> dict[str, float]:
        """The same by what ``name`` says of a line, in alphabetical order."""
        lines = self._of(part)
        labels = list(map(name, lines))
        sums = dict.fromkeys(sorted(set(labels)), 0.0)
        for quantity in quantities:
            for label, value in zip(labels, map(attrgetter(quantity), lines), strict=True):
                sums[label] += value
        return sums

    def _of(self, part: Part | None) -> Sequence[Line]:
        return self.lines if part is None else [line for line in self.lines if line.part == part]


def fold(ledger: Ledger, plan: AccountingPlan) -> Footprint:
    """The footprint of a ledger under a plan.

    Raises ``SignalRangeError`` where a signal does not cover the run, ``ValueError`` where the ledger's bins are
    coarser than a signal.
    """
    counted = plan.convention.counted(ledger)
    whole = Footprint()
    for name, site in plan.sites.items():
        own = counted.where(lambda key, name=name: key.site == name and key.component != WAN)  # type: ignore[misc]
        account = account_site(_by_component(own), site, own.edges_ns)
        lines = _operational(name, own, account)
        for made in account.on_site_carbon:
            carbon = made.carbon_g
            lines += _shared_by_energy(made.unit.replace(" ", "_"), (carbon.low, carbon.central, carbon.high), lines)
        outside = ledger.where(lambda key, name=name: key.site == name and key.component == WAN)  # type: ignore[misc]
        lines += _network(outside, site.grid)
        whole += Footprint(tuple(lines), {name: account})
    plants = []
    for item in plan.plants:
        share = time_share(ledger.end_ns, item.lifetime_ns)
        made_g = (item.low_g * share, item.central_g * share, item.high_g * share)
        plants += _shared_by_energy(item.label, made_g, whole.lines)
    return whole + Footprint((*_embodied(ledger, plan), *plants))


def _by_component(counted: Ledger) -> dict[str, Floats]:
    sums: dict[str, Floats] = {}
    for key, energy_j in zip(counted.keys, counted.energy_j, strict=True):
        sums[key.component] = sums[key.component] + energy_j if key.component in sums else energy_j
    return sums


def _per_joule(account: SiteAccount) -> dict[str, Floats]:
    """What a joule consumed at the site comes to in each bin, by quantity of a ``Line``; on-site water stands apart."""
    facility = account.facility_j
    rate = np.divide(1.0, facility, out=np.zeros_like(facility), where=facility > 0.0)
    sums: dict[str, Floats | None] = {
        "import_j": account.import_j,
        "operational_g": account.grid_g,
        "market_g": account.market_g,
        "marginal_g": account.marginal_g,
        "offsite_l": account.offsite_l,
        "withdrawal_l": account.withdrawal_l,
        "cost": account.cost,
    }
    if account.onsite_l is not None:
        sums["onsite_l"] = np.sum([*account.onsite_l.values(), np.zeros_like(facility)], axis=0)
    if account.burnt_g is not None:
        sums |= {"scope1_g": account.burnt_g, "operational_g": account.grid_g + account.burnt_g}
        if account.market_g is not None:
            sums["market_g"] = account.market_g + account.burnt_g
    return {name: values * rate for name, values in sums.items() if values is not None}


def _operational(site: str, counted: Ledger, account: SiteAccount) -> list[Line]:
    per_joule = _per_joule(account)
    names = list(per_joule)
    rates = np.column_stack([np.ones_like(account.it_j), *per_joule.values()])

    def line(key: Key, values: Floats, part: Part) -> Line:
        of = dict(zip(names, values[1:].tolist(), strict=True))
        return Line(key, part, energy_j=float(values[0]), **of)

    lines = [line(key, values, "it") for key, values in zip(counted.keys, counted.energy_j @ rates, strict=True)]
    keys, shares = _shares(site, counted, account)
    extras: tuple[tuple[Mapping[str, Floats], Part], ...] = ((account.extra_j, "it"), (account.overhead_j, "building"))
    for parts, part in extras:
        for component, joules in parts.items():
            for key, values in zip(keys, shares @ (joules[:, None] * rates), strict=True):
                if values.any():
                    state = WARM_AIR if part == "it" else key.state
                    lines.append(line(key._replace(component=component, state=state), values, part))
    return lines


def _network(outside: Ledger, grid: GridPlan) -> list[Line]:
    """Energy of networks at the intensity of the site that receives: neither cooled, nor paid, nor contracted by it."""
    rates = {"operational_g": grid.intensity, "marginal_g": grid.marginal, "offsite_l": grid.water}
    lines = []
    for key, joules in zip(outside.keys, outside.energy_j, strict=True):
        sums = {
            name: float(joules @ rate.on_bins(outside.edges_ns)) for name, rate in rates.items() if rate is not None
        }
        market_g = sums["operational_g"]  # nobody here contracts for it
        lines.append(Line(key, "network", energy_j=float(joules.sum()), market_g=market_g, **sums))
    return lines


def _shares(site: str, counted: Ledger, account: SiteAccount) -> tuple[list[Key], Floats]:
    """Each owner and state's share of the site's IT energy in each bin, and nobody's share where there is none."""
    groups: dict[tuple[str, str], Floats] = {}
    for key, energy_j in zip(counted.keys, counted.energy_j, strict=True):
        name = (key.owner, key.state)
        groups[name] = groups[name] + energy_j if name in groups else energy_j
    metered = np.sum([*groups.values(), np.zeros_like(account.it_j)], axis=0)
    idle = metered <= 0.0
    nobody = (UNALLOCATED, "idle")
    shares = {
        name: np.divide(energy_j, metered, out=np.zeros_like(metered), where=~idle) for name, energy_j in groups.items()
    }
    if idle.any() or not shares:
        shares[nobody] = shares.get(nobody, np.zeros_like(metered)) + idle
    keys = [Key(site, "", "", "", owner, state) for owner, state in shares]
    return keys, np.array(list(shares.values()))


def _embodied(ledger: Ledger, plan: AccountingPlan) -> list[Line]:
    """Of the devices, by the slots their rows held."""
    items: dict[tuple[str, str], list[EmbodiedItem]] = {}
    for item in plan.embodied:
        items.setdefault((item.hardware, item.component), []).append(item)
    held_ns = ledger.slot_ns.sum(axis=1).tolist()
    lines = []
    for key, slot_ns in zip(ledger.keys, held_ns, strict=True):
        for item in items.get((key.hardware, key.component), ()):
            share = plan.amortization.share(key, slot_ns, item)
            made = (item.low_g * share, item.central_g * share, item.high_g * share)
            water_l = (item.water_l or 0.0) * share
            if share:
                line = _made(key._replace(component=f"embodied_{item.label}"), made, water_l)
                lines.append(replace(line, credit_g=item.credit_g * share) if item.credit_g else line)
    return lines


def _made(key: Key, grams: tuple[float, float, float], water_l: float = 0.0) -> Line:
    low, central, high = grams
    return Line(key, embodied_low_g=low, embodied_g=central, embodied_high_g=high, embodied_l=water_l)


def _shared_by_energy(label: str, grams: tuple[float, float, float], lines: Sequence[Line]) -> list[Line]:
    """What serves a whole site, or all of them, shared by IT energy; nobody's where there was none."""
    by_owner: dict[tuple[str, str, str], float] = {}
    for line in lines:
        if line.part == "it" and line.energy_j:
            name = (line.key.site, line.key.owner, line.key.state)
            by_owner[name] = by_owner.get(name, 0.0) + line.energy_j
    total = sum(by_owner.values())
    if not total:
        by_owner, total = {(lines[0].key.site if lines else "", UNALLOCATED, "idle"): 1.0}, 1.0
    low, central, high = grams
    return [
        _made(
            Key(site, "", "", f"embodied_{label}", owner, state),
            (low * part / total, central * part / total, high * part / total),
        )
        for (site, owner, state), part in by_owner.items()
    ]
