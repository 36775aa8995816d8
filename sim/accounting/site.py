"""One site, bin by bin: from the IT energy of its ledger to what the building adds and what the grid supplies.

Arrays only, and no names of workloads: a year of hours for a thousand sites is a thousand calls of ``account_site``.
The fold shares out the result in proportion to the energy that each line of the ledger drew in each bin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sim.accounting.market import match
from sim.accounting.plan import SitePlan
from sim.accounting.supply import Supplied
from sim.facility.building import Exceeded
from sim.units import SECONDS_PER_NS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SiteAccount:
    """Energies in J, carbon in g, water in L, cost in the plan's currency, each an array over the bins (n,).

    ``facility_j`` is all the site consumes: ``it_j`` (with ``extra_j``, what warm air costs the servers) and
    ``overhead_j`` by component; ``import_j`` is the part that the grid supplies. None where a thing is not modelled.
    ``carbon_free_j`` is consumed energy that was carbon-free in its very hour.
    """

    seconds: Floats
    it_j: Floats
    extra_j: Mapping[str, Floats]
    overhead_j: Mapping[str, Floats]
    facility_j: Floats
    import_j: Floats
    grid_g: Floats
    market_g: Floats | None = None
    marginal_g: Floats | None = None
    cost: Floats | None = None
    offsite_l: Floats | None = None
    withdrawal_l: Floats | None = None
    onsite_l: Mapping[str, Floats] | None = None
    reused_j: Floats | None = None
    carbon_free_j: Floats | None = None
    renewable_j: Floats | None = None
    supplied: Supplied | None = None
    exceeded: tuple[Exceeded, ...] = field(default=())


def account_site(it_j: Mapping[str, Floats], plan: SitePlan, edges_ns: Ints) -> SiteAccount:
    """The account of ``it_j``, J by IT component in each bin between ``edges_ns`` (n + 1,).

    Raises ``SignalRangeError`` where a series does not cover the bins, ``ValueError`` where it changes within one.
    """
    seconds = np.asarray((edges_ns[1:] - edges_ns[:-1]) * SECONDS_PER_NS, dtype=np.float64)
    bins = plan.building.evaluate({name: joules / seconds for name, joules in it_j.items()}, edges_ns)
    extra_j = {name: watts * seconds for name, watts in bins.it_extra_w.items()}
    overhead_j = {name: watts * seconds for name, watts in bins.components_w.items()}
    it = _sum([*it_j.values(), *extra_j.values()], len(seconds))
    facility = _sum([it, *overhead_j.values()], len(seconds))
    supplied = None
    drawn = facility
    if plan.on_site is not None:
        supplied = plan.on_site.supply(facility / seconds, edges_ns, plan.grid.price, plan.grid.intensity)
        drawn = supplied.import_w * seconds
    grid = plan.grid
    market_g = carbon_free = renewable = None
    own = supplied.own_w * seconds if supplied is not None else np.zeros_like(drawn)
    if plan.market is not None:
        matched = match(plan.market, drawn, edges_ns, seconds)
        market_g, renewable = matched.carbon_g, matched.renewable_j + own
        carbon_free = matched.carbon_free_j + own
    elif supplied is not None:
        renewable = carbon_free = own
    if grid.carbon_free is not None:
        bought = carbon_free - own if carbon_free is not None else np.zeros_like(drawn)
        carbon_free = own + bought + (drawn - bought) * grid.carbon_free.on_bins(edges_ns)
    onsite: dict[str, Floats] | None = None
    if plan.building.models_water:
        onsite = {name: flow * seconds for name, flow in bins.water_l_per_s.items()}
    elif plan.wue_l_per_j is not None:
        onsite = {"cooling": it * plan.wue_l_per_j}
    cost = None
    if grid.price is not None:
        paid = grid.price.on_bins(edges_ns)
        cost = drawn * paid if supplied is None else (drawn - supplied.export_w * seconds) * paid
    return SiteAccount(
        seconds=seconds,
        it_j=it,
        extra_j=extra_j,
        overhead_j=overhead_j,
        facility_j=facility,
        import_j=drawn,
        grid_g=drawn * grid.intensity.on_bins(edges_ns),
        market_g=market_g,
        marginal_g=drawn * grid.marginal.on_bins(edges_ns) if grid.marginal is not None else None,
        cost=cost,
        offsite_l=drawn * grid.water.on_bins(edges_ns) if grid.water is not None else None,
        withdrawal_l=drawn * grid.withdrawal.on_bins(edges_ns) if grid.withdrawal is not None else None,
        onsite_l=onsite,
        reused_j=bins.heat_reused_w * seconds if bins.heat_reused_w is not None else None,
        carbon_free_j=carbon_free,
        renewable_j=renewable,
        supplied=supplied,
        exceeded=bins.exceeded,
    )


def _sum(parts: list[Floats], bins: int) -> Floats:
    total = np.zeros(bins)
    for part in parts:
        total += part
    return total
