"""Spec + catalog -> how the ledger of a scenario is priced, in SI."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sim.accounting.conventions import Convention, Physical
from sim.accounting.ledger import DEVICES
from sim.accounting.plan import (
    AccountingPlan,
    Amortization,
    ByExpectedUtilisation,
    ByTime,
    ByUse,
    CarbonPrice,
    EmbodiedItem,
    GridPlan,
    PlantItem,
    SitePlan,
)
from sim.build.accounts.conventions import luccioni, under
from sim.build.accounts.embodied import factors_of, node_carbon, plant_carbon
from sim.build.resolved import Machines, Resolved
from sim.build.site.facility import building
from sim.build.site.grid import ewif_signal, grid_series, withdrawal_signal
from sim.build.site.plates import resolved_plates
from sim.build.site.weather import sky, weather_series, weather_until_ns
from sim.kinds import builder
from sim.later import later
from sim.memo import last_kept
from sim.profiles.catalog import Catalog
from sim.quantities import Price, Quantity
from sim.rng import Streams
from sim.signals import Signal
from sim.signals.grid.mix import IS_A
from sim.spec.accounting import Accounting, Luccioni2023Convention, ProfileConvention
from sim.spec.scenario import Scenario
from sim.spec.site import Place, Refrigerant
from sim.units import JULIAN_YEAR_S

with later():
    from sim.accounting.market import Contract, Market
    from sim.build.series import power_signal
    from sim.profiles.machines.embodied import embodied_water_l
    from sim.signals.grid.mix import weighted
    from sim.signals.grid.series import GridSeries
    from sim.spec import market as market_spec
    from sim.spec.grid import MixWater
    from sim.spec.onsite import needs_sky


if TYPE_CHECKING:
    from sim.profiles.machines.embodied import EmbodiedFactors
    from sim.signals.gaps import GapReport
    from sim.spec.embodied import Embodied, ExpectedUtilisation, TimeAmortization, UseAmortization
    from sim.spec.grid import IntensitySource, PriceSource

CARBON_FREE_FUELS = ("wind", "solar", "hydro", "nuclear", "geothermal", "marine")
"""Fuels that burn nothing, by the names of a mix; the kinds of wind and hydro count as those."""


@last_kept
def accounting_plan(resolved: Resolved) -> AccountingPlan:
    """How the ledger of a scenario that has passed its checks is priced."""
    scenario, catalog = resolved.scenario, resolved.catalog
    embodied = scenario.accounting.embodied
    sites = _by_market({name: _site(name, place, resolved) for name, place in resolved.places.items()})
    charged = _carbon_price(scenario.accounting)
    plan = AccountingPlan(
        convention=_convention(resolved),
        sites=sites,
        currency=next(
            (site.grid.currency for site in sites.values() if site.grid.price is not None),
            charged.currency if charged is not None else None,
        ),
        amortization=_amortization(embodied),
        embodied=(
            *_embodied(scenario.accounting, resolved.hardware, catalog, factors_of(embodied)),
            *_devices(resolved, scenario.accounting),
        ),
        plants=_plants(embodied),
        outside={
            (name, kind): float(intensity)
            for name, kinds in scenario.accounting.outside.items()
            for kind, intensity in kinds.items()
        },
        phases={phase: tuple(names) for phase, names in scenario.accounting.phases.items()},
        break_even=scenario.accounting.break_even,
        carbon_price=charged,
    )
    convention = scenario.accounting.convention
    if isinstance(convention, ProfileConvention):
        return under(plan, catalog.convention(convention.profile), convention.given, resolved)
    return plan


def _by_market(sites: dict[str, SitePlan]) -> dict[str, SitePlan]:
    """Where one site says what it bought, those that do not are accounted by location: what no residual mix or contract
    is given for has the grid's average in the market-based account, too, and both totals hold all sites.

    Source: GHG Protocol, "Scope 2 Guidance", 2015, section 7.1 (all operations by both methods, and those without a
    market by location) and table 6.3 (the grid's average comes last, where there is no residual mix).
    """
    if all(site.market is None for site in sites.values()):
        return sites
    return {name: replace(site, market_by_location=site.market is None) for name, site in sites.items()}


def _carbon_price(accounting: Accounting) -> CarbonPrice | None:
    spec = accounting.carbon_price
    if spec is None:
        return None
    sites = frozenset(spec.sites) if spec.sites is not None else None
    price = spec.price
    return CarbonPrice(float(price), price.currency, frozenset(spec.scopes), spec.base == "market", sites, price.text)


def _site(name: str, place: Place, resolved: Resolved) -> SitePlan:
    scenario, catalog = resolved.scenario, resolved.catalog
    start_ns, until_ns = scenario.start_ns, weather_until_ns(scenario.duration_ns)
    grid, reports = _grid(place, scenario, catalog)
    weather = None
    if place.weather is not None:
        weather = weather_series(place.weather, start_ns=start_ns, end_ns=start_ns + until_ns)
    on_site = None
    if place.on_site:
        from sim.build.site.onsite import onsite_plan

        on_site = onsite_plan(
            place.on_site,
            start_ns=start_ns,
            weather=sky(weather, until_ns) if weather is not None and needs_sky(place.on_site) else None,
            currency=grid.currency,
            rng=Streams(scenario.seed)(f"on-site/{name}"),
        )
    return SitePlan(
        building=building(resolved_plates(place.facility, name, resolved), weather),
        grid=grid,
        reports=reports,
        weather_filled=weather.filled if weather is not None else 0,
        on_site=on_site,
        market=_market(place.grid.market, start_ns) if place.grid.market is not None else None,
        wue_l_per_j=float(place.water.wue) if place.water.wue is not None else None,
        escaping_g_per_s=_escaping(place.refrigerants) if place.refrigerants is not None else None,
        scarcity=(place.water.scarcity.site, place.water.scarcity.grid) if place.water.scarcity is not None else None,
    )


def _escaping(refrigerants: list[Refrigerant]) -> float:
    """CO2e that escapes, g/s: charge x share lost in a year x GWP.

    Source: IPCC Guidelines for National Greenhouse Gas Inventories, 2006, volume 3, chapter 7, equation 7.13.
    """
    return sum(float(one.charge) * float(one.leak) * one.gwp for one in refrigerants) / JULIAN_YEAR_S


def _market(spec: market_spec.Market, start_ns: int) -> Market:
    contracts = tuple(builder(bought)(bought, start_ns) for bought in spec.contracts)
    return Market(contracts, Signal.constant(float(spec.residual_mix), "g/J"))


def ppa(bought: market_spec.PPA, start_ns: int) -> Contract:
    """A supply that knows its hours."""
    series = bought.series
    supply = power_signal(series, start_ns) if series is not None else Signal.constant(float(bought.energy or 0.0), "W")
    return _contract(bought, supply, hourly=bought.matching == "hourly", by_the_hour=True)


def certificates(bought: market_spec.Certificates, _start_ns: int) -> Contract:
    """So much energy of the year."""
    return _contract(bought, Signal.constant(float(bought.energy), "W"), hourly=False, by_the_hour=False)


def _contract(bought: market_spec.Contract, supply: Signal, *, hourly: bool, by_the_hour: bool) -> Contract:
    return Contract(
        supply=supply,
        intensity_g_per_j=float(bought.intensity) if bought.intensity is not None else 0.0,
        carbon_free=bought.source in market_spec.CARBON_FREE,
        renewable=bought.source in market_spec.RENEWABLE,
        hourly=hourly,
        by_the_hour=by_the_hour,
    )


def _grid(place: Place, scenario: Scenario, catalog: Catalog) -> tuple[GridPlan, dict[str, GapReport]]:
    """The grid as signals, and what was done to the files they came from."""
    grid, ewif = place.grid, place.water.ewif
    reports: dict[str, GapReport] = {}

    def read(source: IntensitySource | PriceSource, name: str) -> GridSeries:
        series = grid_series(
            source, origin_ns=scenario.start_ns, start_ns=0, end_ns=scenario.duration_ns, catalog=catalog
        )
        if series.report is not None:
            reports[name] = series.report
        return series

    def rate(source: Quantity | IntensitySource, name: str) -> GridSeries:
        if isinstance(source, Quantity):
            return GridSeries(intensity=Signal.constant(float(source), "g/J"))
        return read(source, name)

    own = rate(grid.intensity, "intensity")
    assert own.intensity is not None  # what every source of an intensity has
    price = None
    if isinstance(grid.price, Price):
        price = Signal.constant(float(grid.price), f"{grid.price.currency}/J")
    elif grid.price is not None:
        price = read(grid.price, "price").price
    carbon_free = None
    if grid.carbon_free is not None:
        carbon_free = Signal.constant(float(grid.carbon_free), "J/J")
    elif own.mix is not None:
        burnt = {fuel: 0.0 for fuel in own.mix if IS_A.get(fuel, fuel) not in CARBON_FREE_FUELS}
        factors = {**burnt, **dict.fromkeys(CARBON_FREE_FUELS, 1.0)}
        carbon_free = weighted(own.mix, factors, unit="J/J", named="carbon-free")
    water = None
    if isinstance(ewif, Quantity):
        water = Signal.constant(float(ewif), "L/J")
    elif ewif is not None:
        water = ewif_signal(ewif, own, catalog=catalog)
    withdrawal = None
    if isinstance(ewif, MixWater) and own.mix is not None:
        withdrawal = withdrawal_signal(ewif, own, catalog=catalog)
    plan = GridPlan(
        intensity=own.intensity,
        marginal=rate(grid.marginal, "marginal").intensity if grid.marginal is not None else None,
        price=price,
        carbon_free=carbon_free,
        water=water,
        withdrawal=withdrawal,
    )
    return plan, reports


def _convention(resolved: Resolved) -> Convention:
    spec = resolved.scenario.accounting.convention
    if isinstance(spec, Luccioni2023Convention):
        return luccioni(spec, resolved)
    return Physical()


@last_kept
def _embodied(
    accounting: Accounting, machines: Machines, catalog: Catalog, factors: EmbodiedFactors
) -> tuple[EmbodiedItem, ...]:
    """Each kind of node and GPU once, whatever the number of pools that have it."""
    spec = accounting.embodied
    gpu_ns = int(accounting.gpu_lifetime) if accounting.gpu_lifetime is not None else None
    server_ns = int(accounting.server_lifetime)
    items: dict[tuple[str, str], EmbodiedItem] = {}
    for machine in machines.found.values():
        node, gpu, board = machine.node, machine.gpu, machine.board
        carbon = node_carbon(machine.whole_node, spec, catalog, gpu_lifetime_ns=gpu_ns, server_lifetime_ns=server_ns)
        stands_for_server = "board" if node.board is not None else "cpu"
        made = dict(carbon.first_life_g)
        if gpu is not None and board is not None and gpu_ns is not None:
            water_l, slots = embodied_water_l(board, factors), machine.slots_per_board
            item = EmbodiedItem("gpu", gpu.name, "gpu", slots, *made["gpu"], lifetime_ns=gpu_ns, water_l=water_l)
            items[gpu.name, "gpu"] = item
        whole_node: dict[str, tuple[float, float, float]] = {
            device: grams for device, grams in made.items() if device != "gpu"
        }
        if carbon.end is not None:
            whole_node["end_of_life"] = (carbon.end.charged_g,) * 3
        for label, grams in whole_node.items():
            items[node.name, label] = EmbodiedItem(
                label,
                node.name,
                stands_for_server,
                node.slots,
                *grams,
                lifetime_ns=server_ns,
                credit_g=carbon.end.credit_g if carbon.end is not None and label == "end_of_life" else 0.0,
            )
    return tuple(items.values())


def _devices(resolved: Resolved, accounting: Accounting) -> Iterator[EmbodiedItem]:
    """Each kind of users' devices once, by the time that they have to do with work here."""
    if accounting.device_lifetime is None:
        return
    kinds = {kind: one for written in resolved.split.values() for kind, one in written.devices.items()}
    for kind, one in kinds.items():
        if one.embodied is not None:
            made = (float(one.embodied),) * 3
        else:
            assert one.profile is not None  # or it would not have passed
            known = resolved.catalog.device(one.profile).embodied
            made = (float(known.low.value), float(known.central.value), float(known.high.value))
        yield EmbodiedItem("devices", kind, DEVICES, 1, *made, lifetime_ns=int(accounting.device_lifetime))


@last_kept
def _plants(spec: Embodied) -> tuple[PlantItem, ...]:
    written = {"building": spec.building, "cooling_plant": spec.cooling_plant}
    plants = {label: plant_carbon(plant) for label, plant in written.items() if plant is not None}
    return tuple(PlantItem(label, *made.made_g, lifetime_ns=made.lifetime_ns) for label, made in plants.items())


@last_kept
def _amortization(spec: Embodied) -> Amortization:
    made: Amortization = builder(spec.amortization)(spec.amortization)
    return made


def by_time(_rule: TimeAmortization) -> ByTime:
    """By the time it is held."""
    return ByTime()


def by_expected_utilisation(rule: ExpectedUtilisation) -> ByExpectedUtilisation:
    """By the share of its life that it is expected to be used."""
    return ByExpectedUtilisation(float(rule.utilisation))


def by_use(rule: UseAmortization) -> ByUse:
    """By the time at work that is expected of it."""
    return ByUse(int(rule.active_lifetime))
