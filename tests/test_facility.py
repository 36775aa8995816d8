"""Cooling and power chain argue for the physics: balances, limits, what never falls, and the order of convergence."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from sim.accounting.plan import GridPlan, SitePlan
from sim.accounting.site import account_site
from sim.build.site.facility import building
from sim.facility.chiller import LOWEST_LOAD, Chiller, carnot_share, chiller_power_w, part_load_power
from sim.facility.cooling import OutdoorAir
from sim.facility.electrical import curve_through, installed_w
from sim.facility.plant import Plant
from sim.facility.tower import Tower, evaporated_share, water_l_per_s
from sim.signals import Signal
from sim.units import HOUR_NS, J_PER_KWH
from sim.weather.psychrometrics import enthalpy_j_per_kg, humidity_ratio
from sim.weather.series import Air, WeatherSeries
from tests.plants import CHILLED, COOLING, EVAPORATES, FACILITY, TOWER, UPS, plant, plant_spec, weather

Floats = np.ndarray[Any, np.dtype[np.float64]]
EDGES = np.array([0, HOUR_NS], dtype=np.int64)
KINDS = sorted(COOLING)
loads = st.floats(1e4, 1e7)
wet_bulbs = st.floats(-5.0, 30.0)
depressions = st.floats(0.1, 15.0)
LITRES_PER_KWH = J_PER_KWH / 2.43e6
"""Evaporated by a kWh of heat: 1.48 L at the latent heat of water of 30 degC, 2.43 MJ/kg."""


def one(cooling: str, it_w: float, wet_c: float, depression_k: float, **changes: Any) -> Any:
    """The building's answer for one hour."""
    built = plant(cooling, weather(wet_c + depression_k, wet_c), **changes)
    return built, built.evaluate({"gpu": np.array([it_w])}, EDGES)


def air(dry_c: float, wet_c: float) -> Air:
    """Outdoor air of one hour."""
    return weather(dry_c, wet_c).on_bins(EDGES)


def cooling_w(built: Plant, it_w: float) -> float:
    """Electric power of the cooling alone."""
    bins = built.evaluate({"gpu": np.array([it_w])}, EDGES)
    own = ("chiller", "air_fan", "pump", "tower_fan", "dry_cooler_fan")
    return sum(float(bins.components_w[name][0]) for name in own if name in bins.components_w)


@pytest.mark.parametrize("kind", KINDS)
@given(loads, wet_bulbs, st.floats(0.0, 8.0), depressions)
def test_a_hotter_wet_bulb_never_lowers_cooling_energy(
    kind: str, it_w: float, wet_c: float, hotter_k: float, depression_k: float
) -> None:
    """At equal load and equal dry bulb: wetter air; and at equal depression: hotter air."""
    dry_c = wet_c + hotter_k + depression_k
    before = cooling_w(plant(kind, weather(dry_c, wet_c)), it_w)
    assert cooling_w(plant(kind, weather(dry_c, wet_c + hotter_k)), it_w) >= before * (1 - 1e-12)
    cooler = cooling_w(plant(kind, weather(wet_c + depression_k, wet_c)), it_w)
    assert cooling_w(plant(kind, weather(dry_c, wet_c + hotter_k)), it_w) >= cooler * (1 - 1e-12)


@given(st.floats(0.0, 2.0), st.floats(1e-6, 1.0), st.floats(10.0, 50.0))
def test_a_chiller_s_power_rises_with_heat_and_with_lift(load: float, more: float, condensing_c: float) -> None:
    chiller = Chiller(1e6, 0.5)
    at = np.array([condensing_c])
    less_w = chiller_power_w(np.array([load * 1e6]), 10.0, at, chiller)
    assert chiller_power_w(np.array([(load + more) * 1e6]), 10.0, at, chiller) > less_w
    assert chiller_power_w(np.array([load * 1e6]), 10.0, at + more, chiller) >= less_w


def test_a_chiller_has_its_rated_cop_at_its_rating() -> None:
    chiller = Chiller(3e6, carnot_share(6.28, 6.7, 35.0))
    assert 3e6 / chiller_power_w(np.array([3e6]), 6.7, np.array([35.0]), chiller)[0] == pytest.approx(6.28, rel=1e-6)
    assert 0.5 < chiller.carnot_share < 1.0
    assert part_load_power(np.array([1.0, 0.0])).tolist() == pytest.approx([1.0, 0.0])
    below, above = part_load_power(np.array([LOWEST_LOAD * (1 - 1e-9), LOWEST_LOAD * (1 + 1e-9)]))
    assert below == pytest.approx(above)


@pytest.mark.parametrize("kind", KINDS)
@given(loads, wet_bulbs, depressions)
def test_water_never_exceeds_what_the_rejected_heat_evaporates(
    kind: str, it_w: float, wet_c: float, depression_k: float
) -> None:
    _, bins = one(kind, it_w, wet_c, depression_k)
    if kind not in EVAPORATES:
        assert not bins.water_l_per_s  # no heat is rejected by evaporation, and no water used
        return
    rejected_kwh_per_s = float(bins.heat_rejected_w[0]) / J_PER_KWH
    hottest = 1.5 / 1.48  # the latent heat is 2.50 MJ/kg at 0 degC and 2.40 at 43: litres differ by 2 % either way
    assert 0.0 <= bins.water_l_per_s["evaporation"][0] <= LITRES_PER_KWH * hottest * rejected_kwh_per_s
    cycles = 3 if kind == "adiabatic" else 5
    blowdown, drift = bins.water_l_per_s["blowdown"][0], bins.water_l_per_s.get("drift", np.zeros(1))[0]
    assert blowdown + drift <= bins.water_l_per_s["evaporation"][0] / (cycles - 1) + drift + 1e-12


def chiller_w(wet_c: float, **cooling: Any) -> float:
    """Electric power of a water-cooled chiller at half of the design load."""
    spec = {**plant_spec("water-cooled-chiller"), "cooling": {**CHILLED, **cooling}}
    built = building(FACILITY.validate_python(spec), weather(wet_c + 5.0, wet_c))
    return float(built.evaluate({"gpu": np.array([5e6])}, EDGES).components_w["chiller"][0])


def test_a_condenser_sees_the_water_that_leaves_it() -> None:
    """Approach and range add up between the wet bulb and the condenser: 6 + 4 K ask for as much as 4 + 6."""
    towers = [{**TOWER, "approach": f"{k} K", "range": f"{10 - k} K"} for k in (4, 6)]
    one, other = (chiller_w(22.0, tower=tower) for tower in towers)
    assert one == pytest.approx(other, rel=1e-9)
    assert chiller_w(22.0, tower={**TOWER, "approach": "4 K", "range": "8 K"}) > one


def test_an_economizer_takes_all_at_the_supply_and_nothing_at_the_return() -> None:
    """Water of 18 degC that comes back at 24, a tower 4 K above the wet bulb and an exchanger 2 K above that: all of it
    at a wet bulb of 12 degC, half at 15, nothing at 18."""
    whole, half, none = (chiller_w(wet_c, economizer_approach="2 K") for wet_c in (12.0, 15.0, 18.0))
    assert whole == pytest.approx(0.0, abs=1e-6)
    assert 0.0 < half < chiller_w(15.0)
    assert chiller_w(12.1, economizer_approach="2 K") > 0.0
    assert none == pytest.approx(chiller_w(18.0), rel=1e-8)  # a wet bulb is found to 1e-9 K
    assert chiller_w(17.9, economizer_approach="2 K") < chiller_w(17.9)


def humidified(cooling: str, sky: WeatherSeries, least: float) -> Plant:
    """A building that humidifies its supply to ``least``."""
    spec = {**plant_spec(cooling), "cooling": {**COOLING[cooling], "least_humidity": least}}
    made = building(FACILITY.validate_python(spec), sky)
    assert isinstance(made, Plant)
    return made


@given(loads, st.floats(-20.0, 30.0), st.floats(0.1, 12.0), st.floats(0.05, 0.6))
def test_dry_air_is_humidified_by_what_the_mix_of_outdoor_and_return_air_lacks(
    it_w: float, dry_c: float, depression_k: float, least: float
) -> None:
    """Water evaporates in the mixed air, whose enthalpy is then the supply's; it costs no power; wet air needs none."""
    outdoors = air(dry_c, dry_c - depression_k)
    sky = weather(dry_c, dry_c - depression_k)
    plain = plant("air-side-economizer", sky).cooling
    cooled = humidified("air-side-economizer", sky, least).cooling
    assert isinstance(cooled, OutdoorAir)
    heat_w = np.array([it_w])
    without, with_it = plain.cool(heat_w, outdoors), cooled.cool(heat_w, outdoors)
    assert {name: float(w[0]) for name, w in with_it.power_w.items()} == {
        n: float(w[0]) for n, w in without.power_w.items()
    }
    water = float(with_it.water_l_per_s["humidification"][0])
    supply_c, return_c = cooled.air.supply_c, cooled.air.supply_c + cooled.air.rise_k
    wanted = float(humidity_ratio(np.asarray(supply_c), np.asarray(least), outdoors.pressure_pa)[0])
    missing = wanted - float(outdoors.humidity_ratio[0])
    if missing <= 0.0:
        assert water == 0.0
        return
    supplied, returned, fresh = (
        float(np.ravel(enthalpy_j_per_kg(np.asarray(c), np.asarray(w)))[0])
        for c, w in ((supply_c, wanted), (return_c, wanted), (dry_c, wanted - missing))
    )
    load_w = it_w + float(cooled.air.fan_w(heat_w)[0])
    share = water / missing / (load_w / (returned - supplied))
    assert 0.0 < share <= 1.0 + 1e-12
    if share < 1.0 - 1e-9:
        assert share * fresh + (1.0 - share) * returned == pytest.approx(supplied, rel=1e-9, abs=1e-3)
    else:
        assert fresh >= supplied - 1e-3


def test_media_that_cool_humidify_with_the_same_water() -> None:
    """Hot dry air is wet enough once it is cooled; cold dry air is not cooled. Salts leave with blowdown either way."""
    for dry_c, wet_c, cools in ((38.0, 18.0, True), (0.0, -4.0, False)):
        built = humidified("adiabatic", weather(dry_c, wet_c), 0.2)
        water = built.evaluate({"gpu": np.array([5e6])}, EDGES).water_l_per_s
        evaporated, added = water["evaporation"][0], water["humidification"][0]
        assert (evaporated > 0.0) == cools
        assert (added == 0.0) == cools
        assert water["blowdown"][0] == pytest.approx((evaporated + added) / 2.0)


@given(loads, wet_bulbs, st.floats(2.0, 12.0))
def test_blowdown_keeps_salts_at_their_cycles(heat_w: float, wet_c: float, cycles: float) -> None:
    """Salts come with the make-up and leave with blowdown and drift: make-up over these is the cycles."""
    tower = Tower(1e7, 0.01, 4.0, 5.6, cycles)
    water = water_l_per_s(np.array([heat_w]), air(wet_c + 5.0, wet_c), tower)
    leaving = water["blowdown"] + water["drift"]
    assume(water["blowdown"][0] > 0.0)
    assert (water["evaporation"] + leaving)[0] / leaving[0] == pytest.approx(cycles, rel=1e-9)


@given(wet_bulbs, depressions)
def test_air_leaves_a_tower_at_the_mean_of_its_water(wet_c: float, depression_k: float) -> None:
    """Merkel: the air knows the water between approach and approach + range above the wet bulb by its middle alone."""
    met = air(wet_c + depression_k, wet_c)
    shares = [evaporated_share(met, Tower(1e7, 0.01, approach, range_k, 5.0)) for approach, range_k in ((4, 6), (6, 2))]
    assert shares[0] == pytest.approx(shares[1], rel=1e-12)


def test_half_of_winter_heat_leaves_a_tower_as_warmth() -> None:
    """Saturated air at 0 degC that leaves at 7: enthalpy 9.5 to 22.6 kJ/kg, of it 2,490 J/g x (6.2 - 3.8) g/kg of
    vapour (ASHRAE Handbook, Fundamentals, 2017, chapter 1, table 2), 46 %."""
    assert evaporated_share(air(0.001, 0.0), Tower(1e7, 0.01, 4.0, 6.0, 5.0))[0] == pytest.approx(0.46, abs=0.01)


def test_a_chiller_site_with_five_cycles_uses_at_most_2_2_litres_per_kwh() -> None:
    """1.48 L/kWh of heat x (1 + 1/COP and fans) x 5/4 for blowdown: the rule of thumb for hot days at full load."""
    for wet_c in (10.0, 20.0, 26.0):
        _, bins = one("water-cooled-chiller", 1e7, wet_c, 8.0, power_chain={})
        litres_per_kwh = sum(float(flow[0]) for flow in bins.water_l_per_s.values()) / (1e7 / J_PER_KWH)
        assert 1.5 < litres_per_kwh < 2.25


@pytest.mark.parametrize("kind", KINDS)
@given(loads, wet_bulbs, depressions)
def test_energy_and_heat_balance_component_by_component(
    kind: str, it_w: float, wet_c: float, depression_k: float
) -> None:
    """What is drawn is IT and every part; what is heat leaves: IT, the UPS's losses, work done on it, none lost."""
    built, bins = one(kind, it_w, wet_c, depression_k)
    parts = {name: float(watts[0]) for name, watts in bins.components_w.items()}
    assert min(parts.values()) >= 0.0
    inside = parts.get("air_fan", 0.0) + parts.get("pump", 0.0) + parts.get("chiller", 0.0)
    assert float(bins.heat_rejected_w[0]) == pytest.approx(it_w + parts["ups_loss"] + inside, rel=1e-9)
    # each loss once: the transformer's follows from what it feeds, the UPS's from the IT alone
    (ups,), (transformer,) = built.critical, built.utility
    assert parts["ups_loss"] == pytest.approx(float(ups.loss_w(np.array([it_w]))[0]), rel=1e-12)
    fed = it_w + sum(parts.values()) - parts["transformer_loss"]
    assert parts["transformer_loss"] == pytest.approx(float(transformer.loss_w(np.array([fed]))[0]), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_pue_is_above_one_and_falls_towards_its_fixed_losses(kind: str) -> None:
    """With no load the fixed losses stay; per watt of IT they vanish as the load grows towards design."""
    built = plant(kind, weather(20.0, 15.0))
    it_w = np.array([1e3, 1e5, 1e6, 5e6])
    hours = np.arange(5, dtype=np.int64) * HOUR_NS
    steady = plant(kind, weather([20.0] * 4, [15.0] * 4)).evaluate({"gpu": it_w}, hours)
    pue = 1.0 + sum(steady.components_w.values()) / it_w
    assert (pue > 1.0).all()
    assert (np.diff(pue) < 0.0).all()
    idle = built.evaluate({"gpu": np.zeros(1)}, EDGES)
    fixed_w = sum(float(watts[0]) for watts in idle.components_w.values())
    assert fixed_w > 50e3  # at least the building's own 50 kW
    assert (pue[0] - 1.0) * 1e3 == pytest.approx(fixed_w, rel=0.05)  # a kilowatt of IT adds next to nothing to them


def _account(built: Plant, it_w: Floats, edges: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    seconds = np.diff(edges) / 1e9
    grid = GridPlan(Signal.constant(1e-4, "g/J"))
    return float(account_site({"gpu": it_w * seconds}, SitePlan(built, grid), edges).facility_j.sum())


@pytest.mark.parametrize("kind", KINDS)
def test_a_nonlinear_building_converges_with_the_square_of_the_bin(kind: str) -> None:
    """A smooth load in ever finer bins of its means: the error of per-bin cooling is of second order in the bin."""
    built = plant(kind, weather([20.0] * 24, [15.0] * 24))

    def energy_j(bins: int) -> float:
        edges = np.linspace(0, 24 * HOUR_NS, bins + 1).astype(np.int64)
        t = edges / (24 * HOUR_NS)
        integral = 5.0 * t - 3.0 / (2.0 * np.pi) * np.cos(2.0 * np.pi * t)  # of 5 + 3 sin, in MW days
        return _account(built, np.diff(integral) / np.diff(t) * 1e6, edges)

    exact = energy_j(24 * 64)
    errors = [abs(energy_j(bins) - exact) for bins in (24, 48, 96)]
    assert all(error > 0.0 for error in errors)
    orders = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    # kinks (the slowest flow, a chiller that begins to cycle) leave the order just below 2
    assert (orders > 1.6).all()
    assert (orders < 2.6).all()


def test_redundant_modules_share_the_load_and_add_their_no_load_loss() -> None:
    assert installed_w(12e6, "N", 4) == 12e6
    assert installed_w(12e6, "N+1", 4) == 15e6
    assert installed_w(12e6, "2N", 4) == 24e6
    lost = {}
    for redundancy in ("N", "N+1", "2N"):
        chain = {"critical": [{**UPS, "redundancy": redundancy}]}
        _, bins = one("immersion", 1e6, 15.0, 5.0, power_chain=chain)
        lost[redundancy] = float(bins.components_w["ups_loss"][0])
    assert lost["N"] < lost["N+1"] < lost["2N"]  # at a twelfth of the load the no-load loss is most of it


@given(st.floats(0.0, 0.05), st.floats(0.0, 0.05), st.floats(0.0, 0.05))
def test_a_loss_curve_is_found_again_from_its_efficiencies(no_load: float, proportional: float, square: float) -> None:
    loads = [0.25, 0.5, 0.75, 1.0]
    efficiencies = [x / (x + no_load + x * (proportional + x * square)) for x in loads]
    found = curve_through(loads, efficiencies)
    assert (found.no_load, found.proportional, found.square) == pytest.approx((no_load, proportional, square), abs=1e-9)


def test_what_is_beyond_a_limit_is_told_with_when_and_how_much() -> None:
    built = plant("water-cooled-chiller", weather([20.0] * 3, [15.0] * 3), power_chain={"feed": "11 MW"})
    hours = np.arange(4, dtype=np.int64) * HOUR_NS
    bins = built.evaluate({"gpu": np.array([5e6, 12e6, 9e6])}, hours)
    assert [(limit.limit, limit.bins.tolist()) for limit in bins.exceeded] == [("cooling", [1]), ("feed", [1])]
    assert bins.exceeded[0].demand_w.tolist() == pytest.approx([12e6])
    assert bins.exceeded[0].limit_w == pytest.approx(1e7)
    most = built.it_limit_w(hours)
    assert (most <= 1e7).all()
    assert not built.evaluate({"gpu": most * (1 - 1e-9)}, hours).exceeded
    assert built.evaluate({"gpu": most * 1.001}, hours).exceeded


def test_warm_air_costs_the_servers_and_a_bath_spares_their_fans() -> None:
    servers = {"reference": "22 degC", "fan_ramp_per_k": 0.02, "leakage_per_k": 0.002}
    built = plant("air-side-economizer", weather(10.0, 8.0), servers=servers)
    it = {"gpu": np.array([1e6]), "cpu": np.array([1e5]), "fans": np.array([1e5])}
    extra = built.evaluate(it, EDGES).it_extra_w
    assert extra["fans"][0] == pytest.approx(1e5 * (1.04**3 - 1.0))  # supply of 24 degC, 2 K above the reference
    assert extra["gpu"][0] == pytest.approx(1e6 * 0.004)
    bath = plant("immersion", weather(10.0, 8.0)).evaluate(it, EDGES)
    assert bath.it_extra_w["fans"][0] == -1e5


def test_reused_heat_is_not_rejected_and_a_heat_pump_s_work_arrives_as_heat() -> None:
    reuse = {"share": 0.5, "demand": "3 MW", "heat_pump_cop": 4}
    plain = one("direct-to-chip", 4e6, 15.0, 5.0)[1]
    _, bins = one("direct-to-chip", 4e6, 15.0, 5.0, heat_reuse=reuse)
    delivered, pump = float(bins.heat_reused_w[0]), float(bins.components_w["heat_pump"][0])
    assert delivered == pytest.approx(4.0 * pump)
    taken = delivered - pump
    assert taken <= 0.5 * (4e6 + float(bins.components_w["ups_loss"][0])) * (1 + 1e-12)
    assert delivered <= 3e6
    assert float(bins.heat_rejected_w[0]) < float(plain.heat_rejected_w[0]) - 0.9 * taken


@given(st.floats(1.05, 40.0))
def test_a_chiller_beyond_carnot_is_refused(cop: float) -> None:
    kelvin, lift = 273.15 + 6.7, 35.0 - 6.7
    assume(cop >= kelvin / lift or cop < 0.999 * kelvin / lift)
    spec = plant_spec("water-cooled-chiller")
    chiller = {"cop": cop, "evaporating": "6.7 degC", "condensing": "35 degC"}
    spec["cooling"] = {**spec["cooling"], "chiller": chiller}
    if cop < kelvin / lift:
        FACILITY.validate_python(spec)
    else:
        with pytest.raises(ValidationError, match=r"Carnot|less than or equal"):
            FACILITY.validate_python(spec)
