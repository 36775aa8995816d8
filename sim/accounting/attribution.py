"""Energy, carbon, water and cost of every job, and of users, accounts and queues: shares of what the meters counted.

Whoever drew so much of a site's IT energy in a bin of the ledger answers for so much of all that the site took in it,
building included; who held so much of a pool's slots, for so much of the embodied carbon that its workload is charged.
All shares sum to the footprint: nothing is counted twice, and nothing is lost.

What nobody held is nobody's (``apart``), or goes to those who were on the same pool in the same bin: by the energy they
drew there (``by-use``), or by the slots they held (``by-reservation``). In a bin in which nobody was, to those of the
pool over the whole run; where nobody ever was, to those of the site; of a site that nobody used it stays apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sim.accounting.carbon_price import due_at, of_energy
from sim.accounting.conventions import UNALLOCATED
from sim.accounting.fold import MADE, at_site, embodied_of, fold, per_joule
from sim.accounting.footprint import QUANTITIES, Footprint, columns
from sim.accounting.known import Known, known_of
from sim.accounting.ledger import Floats, Ledger
from sim.accounting.plan import AccountingPlan
from sim.later import later
from sim.workload.jobs.table import UNKNOWN

with later():
    from sim.accounting.charges import charges_of


if TYPE_CHECKING:
    from sim.accounting.charges import Charges
    from sim.workload.job_energy import JobLabels, JobsEnergy


Ints = npt.NDArray[np.int64]

IdleRule = Literal["apart", "by-use", "by-reservation"]
Word = Literal["workload", "user", "account", "queue"]
OF_DEVICES = (*MADE, "embodied_l", "credit_g", "carbon_cost")
"""Quantities that follow slots held, not energy; of a price of carbon what it asks of making them."""
ROUNDING = 1e-9
"""Of what a workload came to: what its jobs do not answer for and is smaller is rounding."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What everybody answers for, in ``QUANTITIES``.

    ``values`` (jobs + workloads, quantities): first each job that ever held anything, by its row of ``labels`` in
    ``jobs``, then each of ``workloads`` for what none of its jobs answers for. ``unallocated`` (quantities,) is what
    stays nobody's. ``it_j`` (jobs + workloads,) is the IT energy that they drew themselves. ``known`` says of which
    quantities there are sums.
    """

    rule: IdleRule
    labels: JobLabels
    jobs: Ints
    workloads: tuple[str, ...]
    values: Floats
    it_j: Floats
    unallocated: Floats
    known: Known

    def column(self, quantity: str) -> Floats:
        """One quantity of everybody (jobs + workloads,)."""
        return np.asarray(self.values[:, columns([quantity])[0]])

    def by(self, word: Word) -> Shares:
        """Sums by whose jobs they are."""
        codes, names = getattr(self.labels, word)[self.jobs], self.labels.names[word]
        own = [names.index(name) if word == "workload" and name in names else UNKNOWN for name in self.workloads]
        unnamed = {name: len(names) + 1 + i for i, name in enumerate(self.workloads)}
        ids = [code if code != UNKNOWN else unnamed[name] for code, name in zip(own, self.workloads, strict=True)]
        group = np.concatenate([np.where(codes == UNKNOWN, len(names), codes), np.array(ids, dtype=np.int64)])
        told = [*names, UNKNOWN_NAME, *(name if word == "workload" else f"({name})" for name in self.workloads)]
        jobs = np.bincount(group[: len(self.jobs)], minlength=len(told))
        sums = np.zeros((len(told), len(QUANTITIES)))
        for column in range(len(QUANTITIES)):
            sums[:, column] = np.bincount(group, self.values[:, column], len(told))
        it_j = np.bincount(group, self.it_j, len(told)).astype(np.float64)
        there = np.flatnonzero((jobs > 0) | sums.any(axis=1))
        return Shares(tuple(told[i] for i in there.tolist()), jobs[there], sums[there], it_j[there])


UNKNOWN_NAME = "(unknown)"
"""Of jobs of which nobody says whose they are."""


@dataclass(frozen=True, eq=False)
class Shares:
    """Sums of some: their names, how many jobs, ``values`` (names, ``QUANTITIES``), and IT energy (names,)."""

    names: Sequence[str]
    jobs: Ints
    values: Floats
    it_j: Floats


def attribute(ledger: Ledger, plan: AccountingPlan, jobs: JobsEnergy, rule: IdleRule) -> Attribution:
    """What every job of a run answers for under a plan. Raises what ``fold`` raises."""
    footprint = fold(ledger, plan)
    charges = charges_of(ledger, [*plan.sites], jobs)
    rates, nobody = _rates(ledger, plan, footprint, charges)
    values = np.zeros((charges.parties, len(QUANTITIES)))
    idle = np.zeros((len(charges.pools), charges.bins, len(QUANTITIES)))
    for column, by_bin in rates.items():
        drawn = charges.energy_j * by_bin[charges.owner, charges.site_of[charges.pool], charges.bin]
        values[:, column] += np.bincount(charges.party, drawn, charges.parties)
        idle[:, :, column] = charges.idle_j * by_bin[nobody][charges.site_of]
    _add_devices(ledger, plan, charges, values, idle)
    left = _add_the_rest(footprint, charges, values, idle)
    it_j = np.bincount(charges.party, charges.energy_j, charges.parties).astype(np.float64)
    if rule == "apart":
        unallocated = idle.sum(axis=(0, 1)) + left.sum(axis=0)
    else:
        weights = charges.energy_j if rule == "by-use" else charges.slot_s
        unallocated = _give_away(charges, weights, idle, left, values)
    known = known_of(footprint, plan)
    return Attribution(rule, jobs.labels, charges.jobs, charges.workloads, values, it_j, unallocated, known)


def _rates(
    ledger: Ledger, plan: AccountingPlan, footprint: Footprint, charges: Charges
) -> tuple[dict[int, Floats], int]:
    """Of each quantity that follows energy, by its column: what a metered joule takes, (owners, sites, bins); and the
    row of what nobody holds."""
    counted = plan.convention.counted(ledger)
    nobody = len(charges.workloads)
    owners = {name: i for i, name in enumerate((*charges.workloads, UNALLOCATED))}
    shape = (len(owners), len(charges.sites), charges.bins)
    rates: dict[str, Floats] = {}
    for s, site in enumerate(charges.sites):
        account, own, meters = footprint.accounts[site], at_site(counted, site, outside=False), charges.metered[:, s]
        joules = np.zeros((len(owners), charges.bins))
        for (owner, _), energy_j in own.by_owner_and_state.items():
            joules[owners[owner]] += energy_j
        counts = np.divide(joules, meters, out=np.zeros_like(joules), where=meters > 0.0)
        total = joules.sum(axis=0)
        each = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0.0)
        taken = {"energy_j": account.facility_j}
        taken |= {name: rate * account.facility_j for name, rate in per_joule(account).items()}
        if account.stock is not None:
            for name, amount in account.stock.taken.items():
                if name in QUANTITIES:
                    taken[name] = taken.get(name, 0.0) + amount
        if plan.carbon_price is not None and due_at(plan.carbon_price, site):
            asked = of_energy(plan.carbon_price, taken)
            taken |= {"carbon_cost": asked} if asked is not None else {}
        for name, amount in taken.items():
            rates.setdefault(name, np.zeros(shape))[:, s] = counts * (amount * each)
    return {columns([name])[0]: by_bin for name, by_bin in rates.items()}, nobody


def _add_devices(ledger: Ledger, plan: AccountingPlan, charges: Charges, values: Floats, idle: Floats) -> None:
    """Adds the embodied carbon of devices, by slots held: at work, and otherwise, as their rows were charged."""
    at = columns(OF_DEVICES)
    keys, made = embodied_of(ledger, plan)
    price = plan.carbon_price
    per_g = price.per_g if price is not None and 3 in price.scopes else 0.0
    due = np.array([per_g if price is not None and due_at(price, key.site) else 0.0 for key in keys])
    made = np.column_stack([made, made[:, MADE.index("embodied_g")] * due])
    owners = {name: i for i, name in enumerate(charges.workloads)}
    pools = {name: i for i, name in enumerate(charges.pools)}
    charged = np.zeros((2, len(owners), len(pools), len(at)))
    for key, amounts in zip(keys, made, strict=True):
        if key.owner == UNALLOCATED:
            pool = pools[key.pool]
            slots = charges.idle_slot_s[pool]
            idle[pool][:, at] += np.outer(slots / slots.sum(), amounts)
        else:
            charged[int(key.state == "active"), owners[key.owner], pools[key.pool]] += amounts
    place = charges.owner * len(pools) + charges.pool
    for active, slot_s in enumerate((charges.slot_s - charges.active_slot_s, charges.active_slot_s)):
        share = _shares(slot_s, place, len(owners) * len(pools))
        for column, amounts in zip(at, charged[active].reshape(-1, len(at)).T, strict=True):
            if amounts.any():
                values[:, column] += np.bincount(charges.party, share * amounts[place], charges.parties)


def _add_the_rest(footprint: Footprint, charges: Charges, values: Floats, idle: Floats) -> Floats:
    """Adds what a workload came to beyond what follows its jobs' energy and slots (its share of buildings and plants
    that were made, by energy; networks, its own), and returns what is left of nobody's at each site (sites,
    quantities)."""
    names = {(name, site): (i, s) for i, name in enumerate(charges.workloads) for s, site in enumerate(charges.sites)}
    came_to = np.zeros((len(charges.workloads), len(charges.sites), len(QUANTITIES)))
    nobodys = np.zeros((len(charges.sites), len(QUANTITIES)))
    shared = np.zeros_like(came_to)
    for key, part, line in zip(footprint.labels.keys, footprint.labels.parts, footprint.values, strict=True):
        if key.owner == UNALLOCATED:
            nobodys[charges.sites.index(key.site)] += line
        else:
            at = names[key.owner, key.site]
            came_to[at] += line
            if part == "it" and not key.pool and key.component.startswith("embodied_"):
                shared[at] += line
    site = charges.site_of[charges.pool]
    place = charges.owner * len(charges.sites) + site
    share = _shares(charges.energy_j, place, came_to.shape[0] * came_to.shape[1])
    for column, amounts in enumerate(shared.reshape(-1, len(QUANTITIES)).T):
        if amounts.any():
            values[:, column] += np.bincount(charges.party, share * amounts[place], charges.parties)
    answered = np.zeros((len(charges.workloads), len(QUANTITIES)))
    np.add.at(answered, charges.owner_of_party, values)
    own, total = slice(len(charges.jobs), None), came_to.sum(axis=1)
    rest = total - answered
    values[own] += np.where(np.abs(rest) > ROUNDING * np.abs(total), rest, 0.0)
    told = np.zeros_like(nobodys)
    np.add.at(told, charges.site_of, idle.sum(axis=1))
    return np.where(np.abs(nobodys - told) > ROUNDING * np.abs(nobodys), nobodys - told, 0.0)


def _give_away(charges: Charges, weights: Floats, idle: Floats, left: Floats, values: Floats) -> Floats:
    """Gives what nobody held to those who weigh something, and returns what nobody can be given."""
    pools, bins = len(charges.pools), charges.bins
    place = charges.pool * bins + charges.bin
    there = np.bincount(place, weights, pools * bins).reshape(pools, bins)
    share = _shares(weights, place, pools * bins)
    for column in np.flatnonzero(idle.any(axis=(0, 1))).tolist():
        given = share * idle[charges.pool, charges.bin, column]
        values[:, column] += np.bincount(charges.party, given, charges.parties)
    of_pool = (idle * (there == 0.0)[:, :, None]).sum(axis=1)
    of_site = left.copy()
    unused = there.sum(axis=1) == 0.0
    np.add.at(of_site, charges.site_of[unused], of_pool[unused])
    of_pool[unused] = 0.0
    _spread(charges, weights, charges.pool, of_pool, values)
    return _spread(charges, weights, charges.site_of[charges.pool], of_site, values)


def _spread(charges: Charges, weights: Floats, place: Ints, amounts: Floats, values: Floats) -> Floats:
    """Spreads amounts (places, quantities) over all who were there in the run; returns those of where nobody was."""
    share = _shares(weights, place, len(amounts))
    for column in np.flatnonzero(amounts.any(axis=0)).tolist():
        values[:, column] += np.bincount(charges.party, share * amounts[place, column], charges.parties)
    return np.asarray(amounts[np.bincount(place, weights, len(amounts)) == 0.0].sum(axis=0))


def _shares(part: Floats, place: Ints, places: int) -> Floats:
    """Each part over the sum of those in its place; 0 where that is 0."""
    whole = np.bincount(place, part, places)[place]
    return np.asarray(np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0.0))
