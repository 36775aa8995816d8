"""From joules to carbon, water and money: one pure fold over a ledger.

Each site is accounted bin by bin (``account_site``); every line of the ledger answers for the share of its site's
carbon, water and cost in a bin that it has in its site's energy there. What the building draws while nothing in it does
is nobody's. Embodied carbon = the device's embodied carbon x time held / lifetime, never multiplied by PUE.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sim.accounting.amortization import time_share
from sim.accounting.carbon_price import priced
from sim.accounting.conventions import UNALLOCATED
from sim.accounting.footprint import QUANTITIES, Footprint, Lines, Part
from sim.accounting.ledger import DEVICES, OUTSIDE, Floats, Key, Ledger
from sim.accounting.plan import AccountingPlan, Amortization, EmbodiedItem, GridPlan
from sim.accounting.site import SiteAccount, account_site
from sim.accounting.stock import STORED
from sim.memo import last_kept

WARM_AIR = "warm_air"
"""The state of what warm inlet air costs the servers beyond what the engine metered."""
OF_NETWORKS = ("operational_g", "marginal_g", "offsite_l")
"""What energy of networks takes: it is neither paid nor contracted for by a site."""
MADE = ("embodied_low_g", "embodied_g", "embodied_high_g")


def fold(ledger: Ledger, plan: AccountingPlan) -> Footprint:
    """The footprint of a ledger under a plan.

    Raises ``SignalRangeError`` where a signal does not cover the run, ``ValueError`` where the ledger's bins are
    coarser than a signal.
    """
    counted = plan.convention.counted(ledger)
    lines = Lines()
    accounts: dict[str, SiteAccount] = {}
    for name, site in plan.sites.items():
        own = at_site(counted, name, outside=False)
        account = accounts[name] = account_site(own.by_component, site, own.edges_ns)
        before = len(lines)
        _operational(name, own, account, lines)
        for made in account.on_site_carbon:
            carbon = made.carbon_g
            made_g = (carbon.low, carbon.central, carbon.high)
            _shared_by_energy(made.unit.replace(" ", "_"), made_g, lines.footprint(since=before), lines, name)
        if plan.convention.counts_outside:
            _outside(at_site(ledger, name, outside=True), site.grid, plan, lines)
    _embodied(ledger, plan, lines)
    _plants(ledger, plan, lines)
    return priced(lines.footprint(accounts), plan.carbon_price)


def at_site(ledger: Ledger, site: str, *, outside: bool) -> Ledger:
    """The rows of a site's own equipment, or of the networks that lead to it and the devices that it serves."""
    return ledger.at(site, lambda key: (key.component in OUTSIDE) == outside)


def per_joule(account: SiteAccount) -> dict[str, Floats]:
    """Carbon, water and cost of a joule consumed at the site in each bin, by quantity of a line; 0 where none was."""
    facility = account.facility_j
    rate = np.divide(1.0, facility, out=np.zeros_like(facility), where=facility > 0.0)
    return {name: values * rate for name, values in _taken(account).items()}


def _taken(account: SiteAccount) -> dict[str, Floats]:
    """Carbon, water and cost of what the site took in each bin, by quantity of a line; not of its battery's stock."""
    sums: dict[str, Floats] = {"import_j": account.import_j, **account.taken}
    if account.onsite_l is not None:
        sums["onsite_l"] = np.sum([*account.onsite_l.values(), np.zeros_like(account.facility_j)], axis=0)
    if account.burnt_g is not None:
        sums["scope1_g"] = account.burnt_g
        sums |= {name: sums[name] + account.burnt_g for name in ("operational_g", "market_g") if name in sums}
    if account.escaped_g is not None:
        sums["escaped_g"] = account.escaped_g
        sums |= {name: sums[name] + account.escaped_g for name in ("operational_g", "market_g") if name in sums}
    return sums


def _operational(site: str, counted: Ledger, account: SiteAccount, lines: Lines) -> None:
    rates_of = per_joule(account)
    quantities = ("energy_j", *rates_of)
    rates = np.column_stack([np.ones_like(account.it_j), *rates_of.values()])
    lines.add("it", counted.keys, quantities, counted.energy_j @ rates)
    keys, shares = _shares(site, counted)
    extras: tuple[tuple[Mapping[str, Floats], Part], ...] = ((account.extra_j, "it"), (account.overhead_j, "building"))
    for components, part in extras:
        for component, joules in components.items():
            values = shares @ (joules[:, None] * rates)
            some = np.flatnonzero(values.any(axis=1)).tolist()
            of = [Key(site, "", "", component, key.owner, WARM_AIR if part == "it" else key.state) for key in keys]
            lines.add(part, [of[i] for i in some], quantities, values[some])
    _without_load(site, account, lines)
    if account.stock is not None:
        taken = {name: values for name, values in account.stock.taken.items() if name in QUANTITIES}
        values = shares @ np.column_stack(list(taken.values()))
        some = np.flatnonzero(values.any(axis=1)).tolist()
        of = [Key(site, "", "", STORED, key.owner, key.state) for key in keys]
        lines.add("building", [of[i] for i in some], tuple(taken), values[some])


def _without_load(site: str, account: SiteAccount, lines: Lines) -> None:
    """Adds what a site took while nothing in it consumed anything (generators on test, a battery that charges), which
    no line's energy can answer for: it is nobody's."""
    idle = account.facility_j <= 0.0
    if idle.any():
        taken = {name: float(values[idle].sum()) for name, values in _taken(account).items()}
        if any(taken.values()):
            key = Key(site, "", "", "facility", UNALLOCATED, "idle")
            lines.add("building", [key], tuple(taken), np.array([[*taken.values()]]))


def _outside(rows: Ledger, grid: GridPlan, plan: AccountingPlan, lines: Lines) -> None:
    """Adds energy of networks and devices, which no site cools, pays or contracts for.

    Networks between sites are counted at the intensity of the site that receives, devices and their networks at that
    of where they are.
    """
    if not rows.keys:
        return
    _network(rows.where(lambda key: (key.owner, key.hardware) not in plan.outside), grid, lines)
    elsewhere = rows.where(lambda key: (key.owner, key.hardware) in plan.outside)
    for key, energy_j in zip(elsewhere.keys, elsewhere.energy_j.sum(axis=1).tolist(), strict=True):
        carbon_g = energy_j * plan.outside[key.owner, key.hardware]
        values = np.array([[energy_j, carbon_g, carbon_g]])
        part: Part = "devices" if key.component == DEVICES else "network"
        lines.add(part, [key], ("energy_j", "operational_g", "market_g"), values)


def _network(outside: Ledger, grid: GridPlan, lines: Lines) -> None:
    if not outside.keys:
        return
    rates = {name: grid.per_joule[name].on_bins(outside.edges_ns) for name in OF_NETWORKS if name in grid.per_joule}
    rates["market_g"] = rates["operational_g"]  # nobody here contracts for it
    by_bin = np.column_stack([np.ones(outside.energy_j.shape[1]), *rates.values()])
    lines.add("network", outside.keys, ("energy_j", *rates), outside.energy_j @ by_bin)


@last_kept
def _shares(site: str, counted: Ledger) -> tuple[list[Key], Floats]:
    """Each owner and state's share of the site's IT energy in each bin, and nobody's share where there is none."""
    names = list(counted.by_owner_and_state)
    energy_j = np.array(list(counted.by_owner_and_state.values())).reshape(len(names), len(counted.edges_ns) - 1)
    metered_j = energy_j.sum(axis=0)
    idle = metered_j <= 0.0
    shares = np.divide(energy_j, metered_j, out=np.zeros_like(energy_j), where=~idle)
    nobody = (UNALLOCATED, "idle")
    if nobody not in names and (idle.any() or not names):
        names.append(nobody)
        shares = np.vstack([shares, np.zeros_like(metered_j)])
    if idle.any():
        shares[names.index(nobody)] += idle
    return [Key(site, "", "", "", owner, state) for owner, state in names], shares


@last_kept
def devices_of(
    ledger: Ledger, devices: tuple[EmbodiedItem, ...], amortization: Amortization
) -> tuple[list[Key], Floats]:
    """Embodied amounts of each row and kind of device that it held: g as low, central and high, L, and g of credit."""
    items: dict[tuple[str, str], list[EmbodiedItem]] = {}
    for item in devices:
        items.setdefault((item.hardware, item.component), []).append(item)
    keys: list[Key] = []
    rows: list[tuple[float, ...]] = []
    for key, slot_ns in zip(ledger.keys, ledger.held_ns, strict=True):
        for item in items.get((key.hardware, key.component), ()):
            share = amortization.share(key, slot_ns, item)
            if share:
                keys.append(Key(key.site, key.pool, key.hardware, f"embodied_{item.label}", key.owner, key.state))
                made = (item.low_g, item.central_g, item.high_g, item.water_l or 0.0, item.credit_g)
                rows.append(tuple(each * share for each in made))
    return keys, np.array(rows).reshape(len(keys), 5)


def embodied_of(ledger: Ledger, plan: AccountingPlan) -> tuple[list[Key], Floats]:
    """``devices_of`` what answers for devices under the plan; bought whole, their lifetime is the run."""
    devices = plan.embodied
    if plan.at_purchase:
        devices = tuple(replace(item, lifetime_ns=ledger.end_ns) for item in devices)
    return devices_of(plan.convention.held(ledger), devices, plan.amortization)


def _embodied(ledger: Ledger, plan: AccountingPlan, lines: Lines) -> None:
    """Adds the embodied carbon of devices, by the slots that rows held."""
    keys, values = embodied_of(ledger, plan)
    lines.add("it", keys, (*MADE, "embodied_l", "credit_g"), values)


def _plants(ledger: Ledger, plan: AccountingPlan, lines: Lines) -> None:
    """Adds the embodied carbon of buildings and their plant, by time."""
    for item in plan.plants:
        share = 1.0 if plan.at_purchase else time_share(ledger.end_ns, item.lifetime_ns)
        made_g = (item.low_g * share, item.central_g * share, item.high_g * share)
        _shared_by_energy(item.label, made_g, lines.footprint(), lines, next(iter(plan.sites)))


def _shared_by_energy(label: str, grams: tuple[float, float, float], among: Footprint, lines: Lines, site: str) -> None:
    """Adds what serves a whole site, or all of them, shared by IT energy; nobody's where there was none, at ``site``
    where nothing counts at all."""
    by_owner: dict[tuple[str, str, str], float] = {}
    labels = among.labels
    for key, part, joules in zip(labels.keys, labels.parts, among.column("energy_j").tolist(), strict=True):
        if part == "it" and joules:
            name = (key.site, key.owner, key.state)
            by_owner[name] = by_owner.get(name, 0.0) + joules
    total = sum(by_owner.values())
    if not total:
        by_owner, total = {(labels.keys[0].site if labels.keys else site, UNALLOCATED, "idle"): 1.0}, 1.0
    keys = [Key(at, "", "", f"embodied_{label}", owner, state) for at, owner, state in by_owner]
    shares = np.array(list(by_owner.values())) / total
    lines.add("it", keys, MADE, np.outer(shares, grams))
