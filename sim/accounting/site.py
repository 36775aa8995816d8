"""One site, bin by bin: from the IT energy of its ledger to what the building adds and what the grid supplies.

Arrays only, and no names of workloads: a year of hours for a thousand sites is a thousand calls of ``account_site``.
The fold shares out the result in proportion to the energy that each line of the ledger drew in each bin.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.accounting.plan import SitePlan
from sim.facility.building import Exceeded
from sim.later import later
from sim.onsite.diesel import SCOPE_1_G_PER_L
from sim.onsite.lifecycle import CarbonLine
from sim.units import SECONDS_PER_NS

with later():
    from sim.accounting.market import match
    from sim.accounting.stock import stock_change


if TYPE_CHECKING:
    from sim.accounting.stock import StockChange
    from sim.onsite.dispatch import Dispatch


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SiteAccount:
    """The account of one site in arrays over the bins (n,): J, g of carbon, L of water, cost in the plan's currency.

    ``facility_j`` is all the site consumes: ``it_j`` (with ``extra_j``, what warm air costs the servers) and
    ``overhead_j`` by component; ``import_j`` is the part that the grid supplies, and ``taken`` what that takes by
    quantity of a line: what is fed in earns nothing here. None, or not there, where a thing is not modelled.
    ``carbon_free_j`` is consumed energy that was carbon-free in its very hour; ``burnt_g`` the fuel of the backup,
    ``escaped_g`` refrigerants.
    ``stock`` is what the change of a battery's charge comes to, and in none of the others.
    """

    seconds: Floats
    it_j: Floats
    extra_j: Mapping[str, Floats]
    overhead_j: Mapping[str, Floats]
    facility_j: Floats
    import_j: Floats
    taken: Mapping[str, Floats]
    onsite_l: Mapping[str, Floats] | None = None
    reused_j: Floats | None = None
    carbon_free_j: Floats | None = None
    renewable_j: Floats | None = None
    served: Dispatch | None = None
    burnt_g: Floats | None = None
    escaped_g: Floats | None = None
    stock: StockChange | None = None
    on_site_carbon: tuple[CarbonLine, ...] = ()
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
    grid = plan.grid
    served = burnt_g = None
    carbon_lines: tuple[CarbonLine, ...] = ()
    drawn, own = facility, None
    exceeded = bins.exceeded
    if plan.on_site is not None:
        served = plan.on_site.dispatch(facility / seconds, edges_ns, grid.price, grid.intensity)
        drawn = served.grid_import_w * seconds
        own = served.own_w * seconds
        burnt_g = SCOPE_1_G_PER_L * plan.on_site.fuel_l(served, edges_ns)
        carbon_lines = tuple(line for line in plan.on_site.carbon(served, edges_ns) if line.scope != 1)
        exceeded += _unserved(served)
    taken = {name: drawn * signal.on_bins(edges_ns) for name, signal in grid.per_joule.items()}
    carbon_free = renewable = None
    if plan.market is not None:
        matched = match(plan.market, drawn, edges_ns, seconds)
        taken = {"operational_g": taken.pop("operational_g"), "market_g": matched.carbon_g, **taken}
        renewable, carbon_free = matched.renewable_j, matched.carbon_free_j
    elif plan.market_by_location:
        taken = {**taken, "market_g": taken["operational_g"]}
    if grid.carbon_free is not None:
        bought = carbon_free if carbon_free is not None else np.zeros_like(drawn)
        carbon_free = bought + (drawn - bought) * grid.carbon_free.on_bins(edges_ns)
    stock = None
    if plan.on_site is not None and served is not None and plan.on_site.units.battery is not None:
        per_joule = _grid_rates(plan, drawn, edges_ns, taken.get("market_g"), renewable, carbon_free)
        stated = plan.on_site.stock
        if stated is not None and plan.market_by_location:
            stated = {"market_g": stated["operational_g"], **stated}
        stock = stock_change(
            served,
            plan.on_site.units.battery,
            charging={name: charging for name, (charging, _) in per_joule.items()},
            refilling={name: refilling for name, (_, refilling) in per_joule.items()},
            stated=stated,
        )
    if own is not None:
        renewable = own if renewable is None else renewable + own
        carbon_free = own if carbon_free is None else carbon_free + own
    onsite: dict[str, Floats] | None = None
    if plan.building.models_water:
        onsite = {name: flow * seconds for name, flow in bins.water_l_per_s.items()}
    elif plan.wue_l_per_j is not None:
        onsite = {"cooling": it * plan.wue_l_per_j}
    return SiteAccount(
        seconds=seconds,
        it_j=it,
        extra_j=extra_j,
        overhead_j=overhead_j,
        facility_j=facility,
        import_j=drawn,
        taken=taken,
        onsite_l=onsite,
        reused_j=bins.heat_reused_w * seconds if bins.heat_reused_w is not None else None,
        carbon_free_j=carbon_free,
        renewable_j=renewable,
        served=served,
        burnt_g=burnt_g,
        escaped_g=seconds * plan.escaping_g_per_s if plan.escaping_g_per_s is not None else None,
        stock=stock,
        on_site_carbon=carbon_lines,
        exceeded=exceeded,
    )


def _grid_rates(
    plan: SitePlan,
    drawn_j: Floats,
    edges_ns: Ints,
    market_g: Floats | None,
    renewable_j: Floats | None,
    carbon_free_j: Floats | None,
) -> dict[str, tuple[Floats, Floats]]:
    """Carbon, water and cost of a joule of the grid in each bin: of those drawn, and of one more without a contract."""
    rates = {name: (signal.on_bins(edges_ns),) * 2 for name, signal in plan.grid.per_joule.items()}
    nothing = np.zeros_like(drawn_j)

    def of_drawn(amount: Floats) -> Floats:
        return np.divide(amount, drawn_j, out=np.zeros_like(drawn_j), where=drawn_j > 0.0)

    if plan.market is not None and market_g is not None:
        rates["market_g"] = (of_drawn(market_g), plan.market.residual.on_bins(edges_ns))
    elif plan.market_by_location:
        rates["market_g"] = rates["operational_g"]
    if renewable_j is not None:
        rates["renewable_j"] = (of_drawn(renewable_j), nothing)
    if carbon_free_j is not None:
        share = plan.grid.carbon_free
        rates["carbon_free_j"] = (of_drawn(carbon_free_j), share.on_bins(edges_ns) if share is not None else nothing)
    return rates


def _unserved(served: Dispatch) -> tuple[Exceeded, ...]:
    """Bins in which nothing was left to give: no grid, battery or generator. The limit is what was given at worst."""
    short = np.nonzero(served.unserved_w > 0.0)[0]
    if not len(short):
        return ()
    given_w = served.load_w[short] - served.unserved_w[short]
    return (Exceeded("supply", short, served.load_w[short], float(given_w.min())),)


def _sum(parts: list[Floats], bins: int) -> Floats:
    if not parts:
        return np.zeros(bins)
    total = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
