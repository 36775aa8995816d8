"""From what a scenario says stands at a site to the plan that serves its load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.build.series import output_signal
from sim.errors import InputError
from sim.kinds import builder
from sim.onsite import pv, wind
from sim.onsite.battery import BatteryUnit, fade_rates, leak_per_s, one_way_efficiency
from sim.onsite.diesel import DieselUnit, fuel_curve
from sim.onsite.lifecycle import PUBLISHED, PerCapacity, PerEnergy, Range
from sim.onsite.plan import OnsitePlan, Plant, Source, TestPlan
from sim.onsite.thresholds import Fixed, Follow, Forecast, Rule, Trade, Trailing
from sim.quantities import Price
from sim.signals import Signal
from sim.spec.battery import (
    Battery,
    CarbonDispatch,
    FixedIntensities,
    FixedPrices,
    ForecastBounds,
    PerfectBounds,
    PriceDispatch,
    RefilledStock,
    SelfConsumption,
    StatedStock,
    TrailingBounds,
)
from sim.spec.onsite import (
    PV,
    Connection,
    Diesel,
    LifecyclePerCapacity,
    LifecyclePerEnergy,
    OnSiteUnit,
    PVSeries,
    Wind,
    WindSeries,
)
from sim.units import DAY_NS, HOUR_NS, NS_PER_S

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
HERE = "site.on_site"


class Weather(Protocol):
    """What plants read of the site's weather: means over the intervals between ``edges_ns`` (from the run's start)."""

    @property
    def edges_ns(self) -> Ints: ...
    @property
    def latitude_deg(self) -> float: ...
    @property
    def longitude_deg(self) -> float: ...
    @property
    def ghi_w_m2(self) -> Floats: ...
    @property
    def dni_w_m2(self) -> Floats: ...
    @property
    def dhi_w_m2(self) -> Floats: ...
    @property
    def dry_bulb_c(self) -> Floats: ...
    @property
    def wind_m_s(self) -> Floats: ...


@dataclass(frozen=True)
class Around:
    """What units on site may ask of the site: when its run starts (ns since 1970), its weather on the run's clock, the
    currency of its price (None without one), and a generator that seeds the errors of a forecast."""

    start_ns: int
    weather: Weather | None
    currency: str | None
    rng: np.random.Generator


def onsite_plan(
    units: Sequence[OnSiteUnit],
    *,
    start_ns: int,
    weather: Weather | None,
    currency: str | None,
    rng: np.random.Generator,
) -> OnsitePlan:
    """The plan of a site whose run starts at ``start_ns`` (since 1970); weather is on the run's clock.

    ``currency`` is that of the site's price, None without one. ``rng`` seeds the errors of a forecast. Raises
    ``InputError`` for a file that cannot be read, and where a unit needs weather, a price or pvlib that is not there.
    """
    plan, around = OnsitePlan(), Around(start_ns, weather, currency, rng)
    for unit in units:
        plan = builder(unit)(unit, plan, around)
    return plan


def _with(plan: OnsitePlan, source: Source, unit: PV | PVSeries | Wind | WindSeries, output: Signal) -> OnsitePlan:
    number = sum(plant.source == source for plant in plan.plants) + 1
    plant = Plant(source, f"{source} {number}", float(unit.capacity), output, lifecycle(unit.lifecycle))
    return replace(plan, plants=(*plan.plants, plant))


def pv_array(unit: PV, plan: OnsitePlan, around: Around) -> OnsitePlan:
    """An array under the site's sun."""
    weather = _seen(unit, around)
    return _with(plan, "pv", unit, Signal(weather.edges_ns, _pv_share(unit, weather, around.start_ns), "W/W"))


def pv_series(unit: PVSeries, plan: OnsitePlan, around: Around) -> OnsitePlan:
    """An array by its own output."""
    return _with(plan, "pv", unit, output_signal(unit.output, around.start_ns))


def turbines(unit: Wind, plan: OnsitePlan, around: Around) -> OnsitePlan:
    """Turbines in the site's wind."""
    weather = _seen(unit, around)
    return _with(plan, "wind", unit, Signal(weather.edges_ns, _wind_share(unit, weather), "W/W"))


def wind_series(unit: WindSeries, plan: OnsitePlan, around: Around) -> OnsitePlan:
    """Turbines by their own output."""
    return _with(plan, "wind", unit, output_signal(unit.output, around.start_ns))


def battery(unit: Battery, plan: OnsitePlan, around: Around) -> OnsitePlan:
    """A battery, the rule that it follows and what it held at the start."""
    return replace(
        plan,
        units=replace(plan.units, battery=_battery(unit)),
        rule=builder(unit.dispatch)(unit.dispatch, float(unit.round_trip), around),
        battery_lifecycle=_battery_lifecycle(unit),
        stock=_stock(unit.stock, around.currency),
    )


def diesel(unit: Diesel, plan: OnsitePlan, _around: Around) -> OnsitePlan:
    """Generators, and when they are tested."""
    upstream = unit.fuel_upstream
    return replace(
        plan,
        units=replace(plan.units, diesel=_diesel(unit)),
        tests=_tests(unit),
        fuel_upstream_g_per_l=float(upstream) if upstream is not None else None,
    )


def connection(unit: Connection, plan: OnsitePlan, _around: Around) -> OnsitePlan:
    """What the way to the grid carries, and when it is down."""
    limit = unit.import_limit
    outages = [(int(x.after), int(x.after) + int(x.duration)) for x in unit.outages]
    return replace(
        plan,
        units=replace(
            plan.units,
            import_limit_w=float(limit) if limit is not None else np.inf,
            export_limit_w=float(unit.export_limit),
        ),
        outages_ns=np.array(outages, dtype=np.int64).reshape(-1, 2),
    )


def _seen(unit: PV | Wind, around: Around) -> Weather:
    if around.weather is None:
        raise InputError.one(HERE, f"{unit.kind} needs the site's weather: give 'site.weather', or {unit.kind}-series")
    return around.weather


def _stock(spec: RefilledStock | StatedStock, currency: str | None) -> dict[str, float] | None:
    """By quantity of the account. What the site does not model is not asked for."""
    if isinstance(spec, RefilledStock):
        return None
    if spec.price is not None and currency is not None and spec.price.currency != currency:
        raise InputError.one(HERE, f"the battery's stock is priced in {spec.price.currency}, the grid in {currency}")
    written = {
        "operational_g": spec.intensity,
        "market_g": spec.market,
        "marginal_g": spec.marginal,
        "cost": spec.price,
        "offsite_l": spec.water,
        "withdrawal_l": spec.withdrawal,
    }
    stated = {name: float(value) for name, value in written.items() if value is not None}
    return {**stated, "carbon_free_j": float(spec.carbon_free), "renewable_j": 0.0}


def _pv_share(unit: PV, weather: Weather, start_ns: int) -> Floats:
    array = pv.Array(
        tilt_deg=float(unit.tilt),
        azimuth_deg=float(unit.azimuth),
        transposition=unit.transposition,
        loss=float(unit.loss),
        temperature_coefficient=unit.temperature_coefficient,
        dc_to_ac=unit.dc_to_ac,
        inverter_efficiency=float(unit.inverter_efficiency),
        albedo=float(unit.albedo),
    )
    return pv.specific_power(
        array,
        weather.edges_ns + start_ns,
        latitude_deg=weather.latitude_deg,
        longitude_deg=weather.longitude_deg,
        ghi_w_m2=weather.ghi_w_m2,
        dni_w_m2=weather.dni_w_m2,
        dhi_w_m2=weather.dhi_w_m2,
        dry_bulb_c=weather.dry_bulb_c,
        wind_m_s=weather.wind_m_s,
    )


def _wind_share(unit: Wind, weather: Weather) -> Floats:
    at_hub = wind.wind_at_height(
        weather.wind_m_s, measured_m=float(unit.measured_at), hub_m=float(unit.hub_height), shear=unit.shear
    )
    density = wind.air_density(weather.dry_bulb_c, wind.standard_pressure(float(unit.altitude)))
    share = wind.specific_power(
        at_hub,
        density,
        cut_in_m_s=float(unit.cut_in),
        rated_m_s=float(unit.rated),
        cut_out_m_s=float(unit.cut_out),
    )
    return share * (1.0 - float(unit.loss))


def lifecycle(spec: str | LifecyclePerEnergy | LifecyclePerCapacity) -> PerEnergy | PerCapacity:
    """Of a plant: a published range by its name, or one of its own."""
    if isinstance(spec, str):
        return PerEnergy(PUBLISHED[spec])
    own = Range(float(spec.low), float(spec.central), float(spec.high), spec.source)
    return PerEnergy(own) if isinstance(spec, LifecyclePerEnergy) else PerCapacity(own, int(spec.lifetime))


def _battery_lifecycle(spec: Battery) -> Range:
    if isinstance(spec.lifecycle, str):
        return PUBLISHED[spec.lifecycle]
    own = spec.lifecycle
    return Range(float(own.low), float(own.central), float(own.high), own.source)


def _battery(spec: Battery) -> BatteryUnit:
    energy_j = float(spec.energy)
    power_w = float(spec.power) if spec.power is not None else (spec.c_rate or 0.0) * energy_j * NS_PER_S / HOUR_NS
    one_way = one_way_efficiency(float(spec.round_trip))
    per_cycle, per_s = fade_rates(float(spec.life.end_of_life), spec.life.cycles, int(spec.life.calendar))
    return BatteryUnit(
        energy_j=energy_j,
        charge_w=power_w,
        discharge_w=power_w,
        charge_efficiency=one_way,
        discharge_efficiency=one_way,
        soc_low=float(spec.soc_low),
        soc_high=float(spec.soc_high),
        soc_start=float(spec.start),
        reserve=float(spec.reserve),
        self_discharge_per_s=leak_per_s(float(spec.self_discharge), 30 * DAY_NS),
        fade_per_cycle=per_cycle,
        fade_per_s=per_s,
        end_of_life=float(spec.life.end_of_life),
    )


def _diesel(spec: Diesel) -> DieselUnit:
    no_load, slope = fuel_curve(float(spec.fuel.full), float(spec.fuel.half))
    return DieselUnit(float(spec.capacity), float(spec.minimum_load), no_load, slope)


def _tests(spec: Diesel) -> TestPlan | None:
    if (tests := spec.tests) is None:
        return None
    power_w = float(spec.capacity) * float(tests.load)
    return TestPlan(int(tests.first), int(tests.every), int(tests.duration), power_w, tests.into == "facility")


def self_consumption(_spec: SelfConsumption, _round_trip: float, _around: Around) -> Rule:
    """Whatever is left over."""
    return Follow()


def by_price(spec: PriceDispatch, round_trip: float, around: Around) -> Rule:
    """By the grid's price, which there must be."""
    if around.currency is None:
        raise InputError.one(HERE, "a battery dispatched by price needs 'site.grid.price'")
    return Trade("price", builder(spec.bounds)(spec.bounds, around), round_trip)


def by_carbon(spec: CarbonDispatch, round_trip: float, around: Around) -> Rule:
    """By the grid's intensity."""
    return Trade("intensity", builder(spec.bounds)(spec.bounds, around), round_trip)


def trailing(spec: TrailingBounds, _around: Around) -> Trailing:
    """By the time just gone by."""
    return Trailing(int(spec.window), float(spec.share))


def forecast(spec: ForecastBounds, around: Around) -> Forecast:
    """By the time to come, with errors."""
    return Forecast(int(spec.window), float(spec.share), float(spec.error), _seed(around))


def perfect(spec: PerfectBounds, around: Around) -> Forecast:
    """By the time to come as it will be."""
    return Forecast(int(spec.window), float(spec.share), 0.0, _seed(around))


def fixed(spec: FixedPrices | FixedIntensities, around: Around) -> Fixed:
    """By two values; prices in the site's currency."""
    if isinstance(spec.charge_at, Price) and spec.charge_at.currency != around.currency:
        raise InputError.one(HERE, f"its bounds are in {spec.charge_at.currency}, the price is in {around.currency}")
    return Fixed(float(spec.charge_at), float(spec.discharge_at))


def _seed(around: Around) -> int:
    return int(around.rng.integers(2**62))
