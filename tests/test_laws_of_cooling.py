"""What each part of a building does at its design point, at its limits and half way: numbers that follow from laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.facility.chiller import PART_LOAD, Chiller, chiller_power_w, part_load_power
from sim.facility.cooling import AirCooledChiller, Cooled, Liquid, OutdoorAir, WaterCooledChiller
from sim.facility.electrical import Element, LossCurve, through
from sim.facility.flow import cubic_power_w
from sim.facility.plant import Plant
from sim.facility.reuse import HeatReuse
from sim.facility.servers import WarmServers
from sim.facility.tower import Tower, evaporated_share, fan_power_w, water_l_per_s
from sim.units import HOUR_NS
from sim.weather.psychrometrics import enthalpy_j_per_kg, latent_heat_j_per_kg, saturated_ratio
from sim.weather.series import Air
from tests.plants import COOLING, plant, weather

EDGES = np.array([0, HOUR_NS], dtype=np.int64)
TIGHT = 1e-9


def air(dry_c: float, wet_c: float | None = None) -> Air:
    return weather(dry_c, dry_c - 6.0 if wet_c is None else wet_c).on_bins(EDGES)


def cooled(way: Any, share: float, outdoors: Air) -> Cooled:
    """What a way of cooling does at a share of its design heat."""
    found: Cooled = way.cool(np.array([share * way.capacity_w]), outdoors)
    return found


def w(told: Cooled, part: str) -> float:
    return float(told.power_w[part][0])


def test_fans_and_pumps_keep_the_affinity_laws() -> None:
    """Their share at design, an eighth of it at half the flow, and at the slowest flow a cube that no load lowers."""
    loads = np.array([10.0, 5.0, 3.0, 1.0, 0.0])
    watts = cubic_power_w(loads, design_load_w=10.0, design_share=0.05, slowest=0.3)
    assert watts == pytest.approx([0.5, 0.5 / 8, 0.0135, 0.0135, 0.0135])
    tower = Tower(heat_w=10.0, fan_share=0.02, approach_k=4.0, range_k=5.0, cycles=5.0)
    assert fan_power_w(np.array([10.0, 5.0, 0.0]), tower) == pytest.approx([0.2, 0.025, 0.0])


def test_a_chiller_at_part_load_is_doe_2_s() -> None:
    """OPEN-CENT-EIR-FPLR at a quarter, a half and three quarters; where it cycles, power follows the time it runs."""
    curve = [0.222903 + 0.313387 * x + 0.463710 * x * x for x in (0.25, 0.5, 0.75)]
    assert part_load_power(np.array([0.25, 0.5, 0.75])) == pytest.approx(curve, rel=TIGHT)
    assert sum(PART_LOAD) == pytest.approx(1.0, abs=1e-9)
    tenth, twentieth = part_load_power(np.array([0.1, 0.05]))
    assert twentieth == pytest.approx(tenth / 2, rel=TIGHT)
    assert tenth == pytest.approx(0.222903 + 0.0313387 + 0.0046371, rel=TIGHT)


def test_a_chiller_s_power_goes_with_its_lift_down_to_the_least() -> None:
    """Carnot: at one evaporator, twice the lift takes twice the power; below 8 K nothing is spared."""
    chiller = Chiller(1e6, 0.5)

    def at(lift_k: float) -> float:
        return float(chiller_power_w(np.array([1e6]), 6.85, np.array([6.85 + lift_k]), chiller)[0])

    assert at(20.0) == pytest.approx(1e6 * 20.0 / (0.5 * 280.0), rel=TIGHT)
    assert at(40.0) == pytest.approx(2 * at(20.0), rel=TIGHT)
    assert at(8.0) == pytest.approx(at(16.0) / 2, rel=TIGHT)
    assert at(-30.0) == at(0.0) == at(7.9) == at(8.0)


@pytest.mark.parametrize("kind", ["water-cooled-chiller", "air-cooled-chiller"])
def test_chilled_water_carries_the_heat_of_its_own_fans_and_pumps(kind: str) -> None:
    """At design, fans of 5 % and pumps of 1.5 %: the chiller takes 1.065 times the heat, which is its capacity."""
    way = plant(kind, weather(35.0, 29.0)).cooling
    assert isinstance(way, WaterCooledChiller | AirCooledChiller)
    told = cooled(way, 1.0, air(35.0, 29.0))
    assert w(told, "air_fan") == pytest.approx(0.05 * way.capacity_w, rel=TIGHT)
    assert w(told, "pump") == pytest.approx(0.015 * way.capacity_w, rel=TIGHT)
    assert way.chiller.capacity_w == pytest.approx(1.065 * way.capacity_w, rel=TIGHT)
    half = cooled(way, 0.5, air(35.0, 29.0))
    assert w(half, "air_fan") + w(half, "pump") == pytest.approx(0.065 * way.capacity_w / 8, rel=TIGHT)


def test_a_water_cooled_chiller_at_its_rating_has_its_rated_cop() -> None:
    """Rated from 6.7 to 35 degC: the condenser is at 35 under a wet bulb of 25.4, a tower of 4 K and a range of 5.6 K.
    Chilled water of 18 degC instead of 6.7 spares lift, 17 K for 28.3, and evaporates warmer."""
    way = plant("water-cooled-chiller", weather(33.0, 25.4)).cooling
    assert isinstance(way, WaterCooledChiller)
    told = cooled(way, 1.0, air(33.0, 25.4))
    cop = 6.28 * (28.3 / 17.0) * ((18.0 + 273.15) / (6.7 + 273.15))
    assert w(told, "chiller") == pytest.approx(way.chiller.capacity_w / cop, rel=1e-8)
    cold = cooled(way, 1.0, air(-10.0, -12.0))
    assert w(cold, "chiller") < w(told, "chiller")
    coldest = 15.0 + 5.6 - 18.0  # lift at the coldest condenser: less than the least
    assert coldest < 8.0
    assert w(cold, "chiller") == pytest.approx(w(told, "chiller") * 8.0 / 17.0, rel=1e-8)


def test_an_air_cooled_condenser_stands_above_the_dry_bulb_and_never_colder_than_it_may() -> None:
    """15 K above, at 25 degC at least: at 20 degC of air 17 K of lift, at 30 degC 27 K, at 0 to 10 degC the least."""
    way = plant("air-cooled-chiller", weather(20.0, 14.0)).cooling
    assert isinstance(way, AirCooledChiller)
    way = replace(way, economizer_k=None)
    mild, hot, cold, colder = (w(cooled(way, 1.0, air(dry_c)), "chiller") for dry_c in (20.0, 30.0, 10.0, 0.0))
    assert hot / mild == pytest.approx(27.0 / 17.0, rel=TIGHT)
    assert cold == colder == pytest.approx(mild * 8.0 / 17.0, rel=TIGHT)


def test_a_dry_coil_takes_all_at_the_supply_and_nothing_at_the_return() -> None:
    """Water of 18 degC that comes back at 24, a coil 5 K above the air: all at 13 degC, half at 16, nothing at 19."""
    way = plant("air-cooled-chiller", weather(20.0, 14.0)).cooling
    assert isinstance(way, AirCooledChiller)
    assert way.water.free_share(np.array([17.0, 18.0, 21.0, 24.0, 25.0])) == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])
    bare = replace(way, economizer_k=None)
    assert w(cooled(way, 1.0, air(13.0)), "chiller") == pytest.approx(0.0, abs=1e-6)
    half = w(cooled(way, 1.0, air(16.0)), "chiller") / w(cooled(bare, 1.0, air(16.0)), "chiller")
    assert half == pytest.approx(float(part_load_power(np.array([0.5]))[0]), rel=TIGHT)
    assert w(cooled(way, 1.0, air(19.0)), "chiller") == w(cooled(bare, 1.0, air(19.0)), "chiller")


def test_outdoor_air_is_trimmed_in_proportion_between_supply_and_return() -> None:
    """Supply of 24 degC, return of 36: nothing at 24, half of the heat at 30, all of it from 36 on."""
    way = plant("air-side-economizer", weather(20.0, 14.0)).cooling
    assert isinstance(way, OutdoorAir)
    load_w = way.capacity_w * 1.05
    for dry_c, share in ((10.0, 0.0), (24.0, 0.0), (30.0, 0.5), (36.0, 1.0), (40.0, 1.0)):
        expected = chiller_power_w(np.array([load_w * share]), 24.0, np.array([max(dry_c + 15.0, 25.0)]), way.trim)
        assert w(cooled(way, 1.0, air(dry_c)), "chiller") == pytest.approx(float(expected[0]), rel=TIGHT, abs=1e-6)


def test_wet_media_cool_by_what_evaporates() -> None:
    """0.85 of a depression of 10 K is 8.5 K; all that is wanted above 24 degC, and no more than the rise of 12 K."""
    way = plant("adiabatic", weather(20.0, 14.0)).cooling
    assert isinstance(way, OutdoorAir)
    load_w = way.capacity_w * 1.05
    for dry_c, wet_c, wetted_k in ((30.0, 20.0, 6.0), (36.0, 26.0, 8.5), (45.0, 20.0, 12.0), (20.0, 10.0, 0.0)):
        outdoors = air(dry_c, wet_c)
        told = cooled(way, 1.0, outdoors)
        latent = float(latent_heat_j_per_kg(outdoors.wet_bulb_c)[0])
        assert told.water_l_per_s["evaporation"][0] == pytest.approx(load_w * wetted_k / 12.0 / latent, rel=1e-8)
        assert told.water_l_per_s["blowdown"][0] == pytest.approx(told.water_l_per_s["evaporation"][0] / 2.0)
        trimmed = min((max(dry_c - 24.0, 0.0) - wetted_k) / 12.0, 1.0)
        expected = chiller_power_w(np.array([load_w * trimmed]), 24.0, np.array([max(dry_c + 15.0, 25.0)]), way.trim)
        assert w(told, "chiller") == pytest.approx(float(expected[0]), rel=1e-8, abs=1e-3)


def bath(**changes: Any) -> Liquid:
    made = plant("immersion", weather(20.0, 14.0)).cooling
    assert isinstance(made, Liquid)
    return replace(made, **changes)


def test_a_dry_cooler_at_design_takes_its_share_and_an_eighth_at_half_the_heat() -> None:
    """Pumps of 1.5 % are heat, too. A fan cannot turn faster than at design."""
    way = bath()
    design = air(38.0)
    full, half, beyond = (cooled(way, share, design) for share in (1.0, 0.5, 1.2))
    trim = w(full, "chiller")
    assert w(full, "pump") == pytest.approx(0.015 * way.capacity_w, rel=TIGHT)
    assert trim > 0.0  # 38 + 6 degC are 12 K above water of 32: all of it is chilled
    assert w(full, "dry_cooler_fan") == w(beyond, "dry_cooler_fan") == pytest.approx(0.02 * way.capacity_w, rel=TIGHT)
    share = float(half.rejected_w[0]) / way.capacity_w
    assert w(half, "dry_cooler_fan") == pytest.approx(0.02 * way.capacity_w * share**3, rel=TIGHT)


def test_a_dry_cooler_s_air_goes_with_one_over_what_drives_the_heat() -> None:
    """Water of 32 to 42 degC, 37 in the middle. Designed for 17 degC, 20 K drive the heat; 40 K do with half of the
    air, and an eighth of the power; what is warmer than an approach below the water is the trim's."""
    way = bath(design_dry_bulb_c=17.0)
    same, cold = cooled(way, 0.5, air(17.0)), cooled(way, 0.5, air(-3.0))
    assert w(same, "chiller") == w(cold, "chiller") == 0.0
    assert w(same, "dry_cooler_fan") / w(cold, "dry_cooler_fan") == pytest.approx(8.0, rel=TIGHT)
    flow = float(same.rejected_w[0]) / way.capacity_w
    assert w(same, "dry_cooler_fan") == pytest.approx(0.02 * way.capacity_w * flow**3, rel=TIGHT)
    # from 26 degC on no less than the approach and half of the rise drive it, 11 K
    warm, warmer = cooled(way, 0.3, air(26.0)), cooled(way, 0.3, air(29.0))
    least = w(warm, "dry_cooler_fan") * (float(warmer.rejected_w[0]) / float(warm.rejected_w[0])) ** 3
    assert w(warmer, "dry_cooler_fan") == pytest.approx(least, rel=TIGHT)
    assert w(warm, "dry_cooler_fan") == pytest.approx(
        0.02 * way.capacity_w * (float(warm.rejected_w[0]) / way.capacity_w * 20.0 / 11.0) ** 3, rel=TIGHT
    )


def test_trim_takes_what_the_air_leaves_between_supply_and_return() -> None:
    """An approach of 6 K to water of 32 degC: nothing up to 26 degC, half at 31, all from 36 degC on."""
    way = bath()
    load_w = way.capacity_w * 1.015
    for dry_c, share in ((20.0, 0.0), (26.0, 0.0), (31.0, 0.5), (36.0, 1.0), (40.0, 1.0)):
        told = cooled(way, 1.0, air(dry_c))
        expected = chiller_power_w(np.array([load_w * share]), 32.0, np.array([dry_c + 15.0]), way.trim)
        assert w(told, "chiller") == pytest.approx(float(expected[0]), rel=TIGHT, abs=1e-6)
        assert told.rejected_w[0] == pytest.approx(load_w + float(expected[0]), rel=TIGHT)


def test_cold_plates_and_the_hall_s_air_share_the_heat() -> None:
    """Three quarters by water, the rest by the other way: each as it would be alone."""
    way = plant("direct-to-chip", weather(20.0, 14.0)).cooling
    assert isinstance(way, Liquid)
    rest = way.rest
    assert rest is not None
    assert rest.capacity_w == pytest.approx(0.25 * way.capacity_w)
    heat_w, outdoors = np.array([0.8 * way.capacity_w]), air(20.0, 14.0)
    whole = way.cool(heat_w, outdoors)
    wet = replace(way, rest=None).cool(heat_w, outdoors)
    dry = rest.cool(0.25 * heat_w, outdoors)
    assert whole.rejected_w[0] == pytest.approx(wet.rejected_w[0] + dry.rejected_w[0], rel=TIGHT)
    for part, watts in whole.power_w.items():
        alone = [one.power_w[part][0] for one in (wet, dry) if part in one.power_w]
        assert watts[0] == pytest.approx(sum(alone), rel=TIGHT)
    assert {k: v[0] for k, v in whole.water_l_per_s.items()} == {k: v[0] for k, v in dry.water_l_per_s.items()}


def test_drift_is_a_share_of_the_water_that_circulates() -> None:
    """0.002 % of what carries the heat at 4.186 kJ/(kg K) over the range: 10 MW over 5 K are 478 L/s."""
    tower = Tower(1e7, 0.01, 4.0, 5.0, 5.0)
    water = water_l_per_s(np.array([1e7]), air(20.0, 15.0), tower)
    assert water["drift"][0] == pytest.approx(2e-5 * 1e7 / (4186.0 * 5.0), rel=TIGHT)
    assert water["drift"][0] == pytest.approx(2e-5 * 477.8, rel=1e-4)
    few = replace(tower, cycles=1e6)  # more drifts than salts ask for
    assert water_l_per_s(np.array([1e7]), air(20.0, 15.0), few)["blowdown"][0] == 0.0


def test_a_tower_s_water_carries_the_latent_part_of_the_air_s_gain() -> None:
    """Of what the air gains in enthalpy (equation 30, not the tower's own sum) between 30 degC and a wet bulb of 24,
    and saturated at 31: what it takes up, times the heat of evaporation."""
    outdoors, tower = air(30.0, 24.0), Tower(1e7, 0.01, 4.0, 6.0, 5.0)
    leaving = saturated_ratio(np.array([31.0]), outdoors.pressure_pa)
    gained = enthalpy_j_per_kg(np.array([31.0]), leaving) - enthalpy_j_per_kg(
        outdoors.dry_bulb_c, outdoors.humidity_ratio
    )
    latent = latent_heat_j_per_kg(np.array([31.0])) * (leaving - outdoors.humidity_ratio)
    share = float(evaporated_share(outdoors, tower)[0])
    # the tower leaves out the warmth of the vapour as water, 31 degC x 4.186 of 2,501 kJ/kg: 5 % of it
    assert share == pytest.approx(float((latent / gained)[0]), rel=0.06)
    assert evaporated_share(air(45.0, 20.0), tower)[0] == 1.0  # hot dry air: no more than the heat accounts for
    water = water_l_per_s(np.array([1e7]), outdoors, tower)["evaporation"][0]
    assert water * float(latent_heat_j_per_kg(np.array([31.0]))[0]) == pytest.approx(1e7 * share, rel=TIGHT)


def test_the_enthalpy_of_moist_air_is_the_handbook_s() -> None:
    """ASHRAE Fundamentals 2017, chapter 1, table 2: saturated air at 0, 25 and 50 degC has 9.473, 76.504 and
    275.345 kJ/kg (real gases: the ideal ones of equation 30 are within 1 %)."""
    celsius = np.array([0.0, 25.0, 50.0])
    found = enthalpy_j_per_kg(celsius, saturated_ratio(celsius, np.array(101325.0)))
    assert found == pytest.approx([9.473e3, 76.504e3, 275.345e3], rel=0.01)


@given(st.floats(1e5, 1e7), st.floats(0.05, 1.0), st.floats(1e4, 1e7), st.none() | st.floats(1.5, 8.0))
def test_heat_that_is_reused_is_as_much_as_is_offered_or_wanted(
    heat_w: float, share: float, demand_w: float, cop: float | None
) -> None:
    """One of the two limits holds, exactly; a heat pump of COP c draws a c-th of what it gives."""
    taken, delivered, pump = (float(x[0]) for x in HeatReuse(share, demand_w, cop).taken(np.array([heat_w])))
    assert delivered == pytest.approx(taken + pump, rel=TIGHT)
    assert pump == pytest.approx(0.0 if cop is None else delivered / cop, rel=TIGHT, abs=1e-6)
    assert taken == pytest.approx(share * heat_w, rel=TIGHT) or delivered == pytest.approx(demand_w, rel=TIGHT)
    assert taken <= share * heat_w * (1 + TIGHT)
    assert delivered <= demand_w * (1 + TIGHT)


@pytest.mark.parametrize("kind", sorted(COOLING))
@given(st.floats(1e5, 1e7), st.floats(-10.0, 40.0), st.floats(0.1, 12.0), st.booleans())
def test_all_that_is_drawn_from_the_grid_leaves_as_heat(
    kind: str, it_w: float, dry_c: float, depression_k: float, reused: bool
) -> None:
    """What enters a building: rejected, reused, or lost to the rooms that nobody cools (the transformer, the tower's or
    the dry cooler's fans, and 'other'). To the rounding of sums."""
    reuse = {"heat_reuse": {"share": 0.4, "demand": "2 MW", "heat_pump_cop": 4}} if reused else {}
    built = plant(kind, weather(dry_c, dry_c - depression_k), **reuse)
    bins = built.evaluate({"gpu": np.array([it_w])}, EDGES)
    parts = {name: float(watts[0]) for name, watts in bins.components_w.items()}
    drawn = it_w + sum(parts.values())
    outside = sum(parts.get(name, 0.0) for name in ("tower_fan", "dry_cooler_fan", "transformer_loss", "other"))
    given_away = 0.0 if bins.heat_reused_w is None else float(bins.heat_reused_w[0])
    assert bins.heat_rejected_w is not None
    assert float(bins.heat_rejected_w[0]) + given_away + outside == pytest.approx(drawn, rel=1e-12)
    (transformer,) = built.utility
    assert parts["transformer_loss"] == pytest.approx(
        float(transformer.loss_w(np.array([drawn - parts["transformer_loss"]]))[0]), rel=1e-9
    )


def test_an_element_s_loss_has_three_parts_of_its_rating() -> None:
    """1 % always, 2 % with the load and 3 % with its square: of 10 MW, 0.1, 0.275 and 0.6 MW at none, half and all."""
    element = Element("ups", 1e7, 8e6, LossCurve(0.01, 0.02, 0.03))
    assert element.loss_w(np.array([0.0, 5e6, 1e7])) == pytest.approx([1e5, 2.75e5, 6e5], rel=TIGHT)


def test_a_chain_is_fed_from_its_far_end() -> None:
    """A PDU that loses a tenth of what it passes and 10 W always, behind a UPS that loses a fifth: (100 + 20) x 1.2."""
    ups = Element("ups", 1e3, 1e3, LossCurve(0.0, 0.2, 0.0))
    pdu = Element("pdu", 1e3, 1e3, LossCurve(0.01, 0.1, 0.0))
    fed, passed = through([ups, pdu], np.array([100.0]))
    assert [p.element.name for p in passed] == ["pdu", "ups"]
    assert [float(p.output_w[0]) for p in passed] == pytest.approx([100.0, 120.0])
    assert [float(p.loss_w[0]) for p in passed] == pytest.approx([20.0, 24.0])
    assert fed[0] == pytest.approx(144.0)


def test_servers_cost_nothing_more_up_to_their_reference() -> None:
    warm = WarmServers(reference_c=22.0, ramp_per_k=0.1, leakage_per_k=0.01)
    assert [warm.fan_factor(c) for c in (10.0, 22.0, 32.0)] == pytest.approx([1.0, 1.0, 8.0])
    assert [warm.leakage_factor(c) for c in (10.0, 22.0, 32.0)] == pytest.approx([1.0, 1.0, 1.1])
    servers = {"reference": "24 degC", "fan_ramp_per_k": 0.1, "leakage_per_k": 0.01}
    same: Plant = plant("air-side-economizer", weather(10.0, 8.0), servers=servers)  # supplied at 24 degC
    assert same.evaluate({"gpu": np.array([1e6]), "fans": np.array([1e5])}, EDGES).it_extra_w == {}


def test_a_building_carries_the_it_that_it_was_designed_for() -> None:
    """Its cooling is sized for the IT and what the UPS loses under it: 10 MW of IT are the limit, and no more."""
    built = plant("water-cooled-chiller", weather(20.0, 15.0))
    limit_w = float(built.it_limit_w(EDGES)[0])
    assert limit_w == pytest.approx(1e7, rel=1e-6)
    (ups,) = built.critical
    assert limit_w + float(ups.loss_w(np.array([limit_w]))[0]) == pytest.approx(built.cooling.capacity_w, rel=1e-6)
