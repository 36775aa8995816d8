"""A building of cooling and power chain as written -> the plant that the account of a site asks."""

from __future__ import annotations

from sim.facility import cooling as c
from sim.facility.chiller import Chiller, carnot_share
from sim.facility.electrical import Element, curve_through, installed_w
from sim.facility.plant import Plant
from sim.facility.reuse import HeatReuse
from sim.facility.servers import WarmServers
from sim.facility.tower import Tower
from sim.kinds import builder
from sim.spec import facility as spec
from sim.weather.series import WeatherSeries


def plant(facility: spec.PlantSpec, weather: WeatherSeries) -> Plant:
    """A building of cooling and power chain."""
    chain, reuse, warm = facility.power_chain, facility.heat_reuse, facility.servers
    return Plant(
        weather=weather,
        cooling=cooling(facility.cooling, design_heat_w(facility)),
        utility=tuple(_element(element) for element in chain.utility),
        critical=tuple(_element(element) for element in chain.critical),
        other_w=float(facility.other),
        servers=WarmServers(float(warm.reference), warm.fan_ramp_per_k, warm.leakage_per_k) if warm else None,
        immersed=facility.cooling.immerses,
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
    made: c.Cooling = builder(written)(written, heat_w)
    return made


def water_cooled(written: spec.WaterCooledChillerSpec, heat_w: float) -> c.WaterCooledChiller:
    """Chiller and tower, for ``heat_w`` and what fans and pumps add to it."""
    loop, chiller = _chilled(written, heat_w)
    tower = Tower(
        heat_w=chiller.capacity_w * (1.0 + 1.0 / written.chiller.cop),
        fan_share=float(written.tower.fan_power),
        approach_k=float(written.tower.approach),
        range_k=float(written.tower.range),
        cycles=written.tower.cycles_of_concentration,
    )
    return c.WaterCooledChiller(loop, chiller, tower, float(written.coldest_condenser), _economizer_k(written))


def air_cooled(written: spec.AirCooledChillerSpec, heat_w: float) -> c.AirCooledChiller:
    """A chiller that rejects to outdoor air."""
    loop, chiller = _chilled(written, heat_w)
    approach_k = float(written.condenser_approach)
    return c.AirCooledChiller(loop, chiller, float(written.coldest_condenser), approach_k, _economizer_k(written))


def outdoor_air(
    written: spec.AirSideEconomizer, heat_w: float, *, effectiveness: float = 0.0, cycles: float | None = None
) -> c.OutdoorAir:
    """Outdoor air as it is, or wetted with ``effectiveness`` first."""
    room = _room(written.air, heat_w)
    return c.OutdoorAir(
        room,
        Chiller(heat_w * (1.0 + room.fan_share), _share(written.trim)),
        float(written.condenser_approach),
        float(written.coldest_condenser),
        effectiveness=effectiveness,
        cycles=cycles,
        least_humidity=float(written.least_humidity) if written.least_humidity is not None else None,
    )


def adiabatic(written: spec.Adiabatic, heat_w: float) -> c.OutdoorAir:
    """Outdoor air, wetted."""
    effectiveness, cycles = float(written.effectiveness), written.cycles_of_concentration
    return outdoor_air(written, heat_w, effectiveness=effectiveness, cycles=cycles)


def direct_to_chip(written: spec.DirectToChip, heat_w: float) -> c.Liquid:
    """Cold plates, and what is left to the hall's air; see ``resolved_plates`` where their share is not written."""
    assert written.liquid_share is not None
    share = float(written.liquid_share)
    return _liquid(written.water, heat_w, share, cooling(written.rest, heat_w * (1.0 - share)) if share < 1 else None)


def immersion(written: spec.Immersion, heat_w: float) -> c.Liquid:
    """A bath that takes all of the heat."""
    return _liquid(written.water, heat_w, 1.0, None)


def _chilled(
    written: spec.WaterCooledChillerSpec | spec.AirCooledChillerSpec, heat_w: float
) -> tuple[c.ChilledWater, Chiller]:
    room, water = _room(written.air, heat_w), written.chilled_water
    whole_w = heat_w * (1.0 + room.fan_share)
    whole_w += heat_w * float(water.pump_power)
    loop = c.ChilledWater(room, float(water.supply), float(water.rise), float(water.pump_power), float(water.slowest))
    return loop, Chiller(whole_w, _share(written.chiller))


def _economizer_k(written: spec.WaterCooledChillerSpec | spec.AirCooledChillerSpec) -> float | None:
    return float(written.economizer_approach) if written.economizer_approach is not None else None


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
