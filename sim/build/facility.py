"""A facility as written -> the building that the account of a site asks."""

from __future__ import annotations

from sim.facility import cooling as c
from sim.facility.building import Building, FixedPUE
from sim.facility.chiller import Chiller, carnot_share
from sim.facility.electrical import Element, curve_through, installed_w
from sim.facility.plant import Plant
from sim.facility.reuse import HeatReuse
from sim.facility.servers import WarmServers
from sim.facility.tower import Tower
from sim.spec import facility as spec
from sim.weather.series import WeatherSeries


def building(facility: spec.FixedPUE | spec.PlantSpec, weather: WeatherSeries | None) -> Building:
    """The building of a site that has passed its checks: a plant has weather."""
    if isinstance(facility, spec.FixedPUE):
        return FixedPUE(float(facility.pue))
    assert weather is not None  # the cross-check has refused it otherwise
    chain, reuse, warm = facility.power_chain, facility.heat_reuse, facility.servers
    critical = tuple(_element(element) for element in chain.critical)
    return Plant(
        weather=weather,
        cooling=cooling(facility.cooling, design_heat_w(facility)),
        utility=tuple(_element(element) for element in chain.utility),
        critical=critical,
        other_w=float(facility.other),
        servers=WarmServers(float(warm.reference), warm.fan_ramp_per_k, warm.leakage_per_k) if warm else None,
        immersed=isinstance(facility.cooling, spec.Immersion),
        reuse=HeatReuse(float(reuse.share), float(reuse.demand), reuse.heat_pump_cop) if reuse else None,
        feed_w=float(chain.feed) if chain.feed is not None else None,
    )


def design_heat_w(facility: spec.PlantSpec) -> float:
    """What the cooling is sized for: the design IT power and what the critical chain loses under it."""
    output_w = float(facility.design_it)
    for element in reversed(facility.power_chain.critical):
        made = _element(element)
        load = output_w / made.installed_w
        curve = made.curve
        output_w += made.installed_w * (curve.no_load + load * (curve.proportional + load * curve.square))
    return output_w


def _element(element: spec.ElementSpec) -> Element:
    capacity_w = float(element.capacity)
    return Element(
        element.kind,
        installed_w(capacity_w, element.redundancy, element.modules),
        capacity_w,
        curve_through([float(p.load) for p in element.efficiency], [float(p.value) for p in element.efficiency]),
    )


def _share(rated: spec.RatedChiller) -> float:
    return carnot_share(rated.cop, float(rated.evaporating), float(rated.condensing))


def _room(air: spec.RoomAir, heat_w: float) -> c.RoomAir:
    return c.RoomAir(heat_w, float(air.fan_power), float(air.slowest), float(air.supply), float(air.rise))


def cooling(written: spec.CoolingSpec, heat_w: float) -> c.Cooling:
    """Cooling for ``heat_w`` of heat at design."""
    if isinstance(written, spec.DirectToChip):
        share = float(written.liquid_share)
        return _liquid(
            written.water, heat_w, share, cooling(written.rest, heat_w * (1.0 - share)) if share < 1 else None
        )
    if isinstance(written, spec.Immersion):
        return _liquid(written.water, heat_w, 1.0, None)
    room = _room(written.air, heat_w)
    whole_w = heat_w * (1.0 + room.fan_share)
    if isinstance(written, spec.AirSideEconomizer):
        adiabatic = written if isinstance(written, spec.Adiabatic) else None
        return c.OutdoorAir(
            room,
            Chiller(whole_w, _share(written.trim)),
            float(written.condenser_approach),
            float(written.coldest_condenser),
            effectiveness=float(adiabatic.effectiveness) if adiabatic else 0.0,
            cycles=adiabatic.cycles_of_concentration if adiabatic else None,
        )
    water = written.chilled_water
    whole_w += heat_w * float(water.pump_power)
    chiller = Chiller(whole_w, _share(written.chiller))
    economizer_k = float(written.economizer_approach) if written.economizer_approach is not None else None
    loop = c.ChilledWater(room, float(water.supply), float(water.rise), float(water.pump_power), float(water.slowest))
    coldest_c = float(written.coldest_condenser)
    if isinstance(written, spec.AirCooledChillerSpec):
        return c.AirCooledChiller(loop, chiller, coldest_c, float(written.condenser_approach), economizer_k)
    tower = Tower(
        heat_w=whole_w * (1.0 + 1.0 / written.chiller.cop),
        fan_share=float(written.tower.fan_power),
        approach_k=float(written.tower.approach),
        range_k=float(written.tower.range),
        cycles=written.tower.cycles_of_concentration,
    )
    return c.WaterCooledChiller(loop, chiller, tower, coldest_c, economizer_k)


def _liquid(water: spec.WarmWater, heat_w: float, share: float, rest: c.Cooling | None) -> c.Liquid:
    return c.Liquid(
        design_heat_w=heat_w,
        liquid_share=share,
        water_c=float(water.supply),
        rise_k=float(water.rise),
        approach_k=float(water.dry_cooler_approach),
        design_dry_bulb_c=float(water.design_dry_bulb),
        fan_share=float(water.dry_cooler_fan_power),
        pump_share=float(water.pump_power),
        slowest_pump=float(water.slowest),
        trim=Chiller(heat_w * share, _share(water.trim)),
        condenser_approach_k=float(water.condenser_approach),
        rest=rest,
    )
