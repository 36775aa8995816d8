"""Spec + catalog -> how the ledger of a scenario is priced, in SI."""

from __future__ import annotations

from sim.accounting.conventions import Convention, Luccioni2023, Physical
from sim.accounting.market import Contract, Market
from sim.accounting.plan import AccountingPlan, EmbodiedItem, GridPlan, SitePlan
from sim.build_machines import Machine, machines_of
from sim.facility.building import FixedPUE
from sim.profiles.catalog import Catalog
from sim.profiles.sourced import Embodied as EmbodiedRange
from sim.quantities import Quantity
from sim.signals import Signal
from sim.spec import market as market_spec
from sim.spec.accounting import ExpectedUtilisation, Luccioni2023Convention
from sim.spec.inputs import intensity_signal, power_signal, price_signal
from sim.spec.scenario import Scenario
from sim.spec.site import Grid, Place


def accounting_plan(scenario: Scenario, catalog: Catalog) -> AccountingPlan:
    """How the ledger of a scenario that has passed its checks is priced."""
    machines = machines_of(scenario, catalog)
    amortization = scenario.accounting.embodied.amortization
    return AccountingPlan(
        convention=_convention(scenario, machines),
        sites={name: _site(place, scenario.start_ns) for name, place in scenario.places.items()},
        currency=currency_of(scenario),
        embodied=_embodied(scenario, machines),
        expected_utilisation=float(amortization.utilisation) if isinstance(amortization, ExpectedUtilisation) else None,
    )


def currency_of(scenario: Scenario) -> str | None:
    """The one currency of all prices; None where there are none."""
    for place in scenario.places.values():
        price = place.grid.price
        if price is not None:
            return (price if isinstance(price, Quantity) else price.unit).currency
    return None


def _site(place: Place, start_ns: int) -> SitePlan:
    return SitePlan(
        building=FixedPUE(float(place.facility.pue)),
        grid=_grid(place, start_ns),
        market=_market(place.grid.market, start_ns) if place.grid.market is not None else None,
        wue_l_per_j=float(place.water.wue) if place.water.wue is not None else None,
        scarcity=(place.water.scarcity.site, place.water.scarcity.grid) if place.water.scarcity is not None else None,
    )


def _market(spec: market_spec.Market, start_ns: int) -> Market:
    contracts = []
    for bought in spec.contracts:
        ppa = bought if isinstance(bought, market_spec.PPA) else None
        contracts.append(
            Contract(
                supply=power_signal(ppa.supply, start_ns)
                if ppa is not None and isinstance(ppa.supply, market_spec.PowerSeries)
                else Signal.constant(float(bought.energy or 0.0), "W"),
                intensity_g_per_j=float(bought.intensity) if bought.intensity is not None else 0.0,
                carbon_free=bought.source in market_spec.CARBON_FREE,
                renewable=bought.source in market_spec.RENEWABLE,
                hourly=ppa is not None and ppa.matching == "hourly",
                by_the_hour=ppa is not None,
            )
        )
    return Market(tuple(contracts), Signal.constant(float(spec.residual_mix), "g/J"))


def _grid(place: Place, start_ns: int) -> GridPlan:
    grid: Grid = place.grid
    price = None
    if grid.price is not None:
        currency = (grid.price if isinstance(grid.price, Quantity) else grid.price.unit).currency
        price = price_signal(grid.price, start_ns, currency)
    ewif = place.water.ewif
    return GridPlan(
        intensity=intensity_signal(grid.intensity, start_ns),
        price=price,
        water=Signal.constant(float(ewif), "L/J") if ewif is not None else None,
    )


def _convention(scenario: Scenario, machines: dict[str, Machine]) -> Convention:
    spec = scenario.accounting.convention
    if isinstance(spec, Luccioni2023Convention):
        tdp_w = {machine.gpu.name: float(machine.gpu.tdp.value) for machine in machines.values() if machine.gpu}
        return Luccioni2023(tdp_w, float(spec.infrastructure), float(spec.idle))
    return Physical()


def _embodied(scenario: Scenario, machines: dict[str, Machine]) -> dict[str, EmbodiedItem]:
    accounting = scenario.accounting
    items: dict[str, EmbodiedItem] = {}
    for machine in machines.values():
        node, gpu = machine.node, machine.gpu
        stands_for_server = "board" if node.board is not None else "cpu"
        server = _grams(accounting.embodied.server, node.embodied)
        items[node.name] = EmbodiedItem(
            "server", stands_for_server, node.slots, *server, lifetime_ns=int(accounting.server_lifetime)
        )
        if gpu is not None and accounting.gpu_lifetime is not None:
            grams = _grams(accounting.embodied.gpu, gpu.embodied)
            items[gpu.name] = EmbodiedItem("gpu", "gpu", 1, *grams, lifetime_ns=int(accounting.gpu_lifetime))
    return items


def _grams(stated: float | None, profile: EmbodiedRange) -> tuple[float, float, float]:
    if stated is not None:
        return (float(stated),) * 3
    return float(profile.low.value), float(profile.central.value), float(profile.high.value)
