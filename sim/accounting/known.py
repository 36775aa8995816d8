"""Of which quantities a total is known: a site lacks a number only where something of it needed one.

A site that drew nothing takes nothing, whatever a kWh would have cost there, and adds exactly 0. A site that drew and
does not say what that took is lacking: then there is no total of all, and what the others came to is told as theirs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.accounting.footprint import Footprint
from sim.accounting.plan import AccountingPlan, SitePlan
from sim.accounting.site import SiteAccount

GPU_LINE = "embodied_gpu"
"""The component of lines of the footprint that are of making GPUs."""


@dataclass(frozen=True)
class Known:
    """Of some sites, by quantity of a line: ``lacking`` are those that need a number and have none, for each quantity
    that any site of the plan tells; a quantity that none tells is not in it."""

    lacking: Mapping[str, Sequence[str]]

    def __contains__(self, quantity: str) -> bool:
        return quantity in self.lacking and not self.lacking[quantity]


def known_of(footprint: Footprint, plan: AccountingPlan) -> Known:
    """What is known of the sites of a footprint: all of a plan's, or one."""
    fed = _fed_by_networks(footprint, plan)
    drawn = {name: _needs(account, networks=name in fed) for name, account in footprint.accounts.items()}
    found: dict[str, Sequence[str]] = {}
    for quantity in ("cost", "marginal_g", "onsite_l", "offsite_l", "withdrawal_l", "escaped_g"):
        if any(_tells(site, quantity) for site in plan.sites.values()):
            found[quantity] = [
                name for name, needs in drawn.items() if quantity in needs and not _tells(plan.sites[name], quantity)
            ]
    if any(site.market is not None for site in plan.sites.values()):
        found["market_g"] = []  # who says nothing of it is accounted by location: the plan's own rule
    price = plan.carbon_price
    if price is not None and (2 not in price.scopes or not price.market or "market_g" in found):
        found["carbon_cost"] = []
    made = gpus_without_water(footprint, plan)
    if made is not None:
        found["embodied_l"] = made
    return Known(found)


def by_location(footprint: Footprint, plan: AccountingPlan) -> list[str]:
    """Sites whose market-based carbon is by the location-based factor, where that came to anything."""
    drawn = (name for name, account in footprint.accounts.items() if _drew(account))
    return [name for name in drawn if plan.sites[name].market_by_location]


def gpus_without_water(footprint: Footprint, plan: AccountingPlan) -> list[str] | None:
    """Kinds of GPU that answer for embodied carbon and of which no water is published; None where there are none, or
    nothing is known of any."""
    there = {key.hardware for key in footprint.labels.keys if key.component == GPU_LINE}
    litres = {item.hardware: item.water_l for item in plan.embodied if item.label == "gpu" and item.hardware in there}
    lacking = sorted(name for name, water in litres.items() if water is None)
    return lacking if len(lacking) < len(litres) else None


def _fed_by_networks(footprint: Footprint, plan: AccountingPlan) -> frozenset[str]:
    """Sites at whose grid networks are counted; those of users' devices are where the devices are."""
    if "network" not in footprint.labels.parts:
        return frozenset()
    about = zip(footprint.labels.keys, footprint.labels.parts, footprint.column("energy_j").tolist(), strict=True)
    return frozenset(
        key.site for key, part, j in about if part == "network" and j and (key.owner, key.hardware) not in plan.outside
    )


def _drew(account: SiteAccount) -> bool:
    """Whether a site drew anything from its grid, or is charged for what its battery gave."""
    return bool(account.import_j.any()) or (account.stock is not None and bool(account.stock.grid_j.any()))


def _needs(account: SiteAccount, *, networks: bool) -> frozenset[str]:
    needs = {"cost", "marginal_g", "offsite_l", "withdrawal_l"} if _drew(account) else set()
    if networks:  # nobody here pays for them
        needs |= {"marginal_g", "offsite_l"}
    if account.facility_j.any():
        needs |= {"onsite_l", "escaped_g"}
    return frozenset(needs)


def _tells(site: SitePlan, quantity: str) -> bool:
    if quantity == "onsite_l":
        return site.onsite_water_known
    if quantity == "escaped_g":
        return site.escaping_g_per_s is not None
    return quantity in site.grid.per_joule
