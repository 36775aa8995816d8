"""Breakers: curves through two points of a standard keep its others, and heat is exact however the time is cut."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from sim.profiles.machines.breakers import Breaker, Electronic, ThermalMagnetic, TripCurve

HOUR_S = 3600.0

# IEC 60898-1, up to 32 A: holds 1.13, opens 2.55 in 1 s to 60 s. UL 489, up to 30 A: holds 1.00, opens 2.00 in 2 min.
SLOWEST_IEC_60898 = ThermalMagnetic.through(holds=1.13, at=2.55, after_s=60.0, instant=10.0)
FASTEST_IEC_60898 = ThermalMagnetic.through(holds=1.13, at=2.55, after_s=1.0, instant=5.0)
SLOWEST_UL_489 = ThermalMagnetic.through(holds=1.0, at=2.0, after_s=120.0, instant=10.0)
LSI = Electronic.through(pickup=1.05, at=3.0, after_s=96.0, instant=15.0)

curves = st.sampled_from([SLOWEST_IEC_60898, FASTEST_IEC_60898, SLOWEST_UL_489, LSI])
currents = st.floats(0.0, 4.9)


@pytest.mark.parametrize("curve", [SLOWEST_IEC_60898, FASTEST_IEC_60898])
def test_a_curve_through_two_points_of_iec_60898_keeps_the_third(curve: ThermalMagnetic) -> None:
    """The conventional tripping current, 1.45, at which no curve was drawn: it opens within the conventional time."""
    assert curve.trips_in_s(0.0, 1.13) == math.inf
    assert curve.trips_in_s(0.0, 1.45) < HOUR_S
    assert curve.trips_in_s(0.0, 2.55) * (1 + 1e-12) >= 1.0
    assert curve.trips_in_s(0.0, 2.55) <= 60.0 * (1 + 1e-12)


def test_a_curve_through_two_points_of_ul_489_keeps_the_third() -> None:
    """The 135 % calibration test: within an hour up to 50 A."""
    assert SLOWEST_UL_489.trips_in_s(0.0, 1.0) == math.inf
    assert SLOWEST_UL_489.trips_in_s(0.0, 1.35) < HOUR_S
    assert SLOWEST_UL_489.trips_in_s(0.0, 2.0) == pytest.approx(120.0)


def test_magnets_open_at_once() -> None:
    """Type C: 5 rated currents may hold for 0.1 s (the slowest does for much longer), 10 may not hold at all."""
    assert SLOWEST_IEC_60898.trips_in_s(0.0, 9.99) > 0.1
    assert SLOWEST_IEC_60898.trips_in_s(0.0, 10.0) == 0.0


def test_trip_times_from_cold_and_from_a_load_carried_for_long_are_those_of_iec_60255_149() -> None:
    """t = tau ln((I² - Ip²) / (I² - (k IB)²)) with the preload Ip; 0 from cold."""
    curve = ThermalMagnetic(holds=1.1, time_constant_s=400.0, instant=10.0)
    assert curve.trips_in_s(0.0, 1.5) == pytest.approx(400.0 * math.log(1.5**2 / (1.5**2 - 1.1**2)))
    hot = curve.settled(0.8)
    assert curve.trips_in_s(hot, 1.5) == pytest.approx(400.0 * math.log((1.5**2 - 0.8**2) / (1.5**2 - 1.1**2)))


def test_electronic_units_let_the_same_energy_through_at_any_overload() -> None:
    """I²t: 96 s at three times the setting are 54 s at four."""
    assert LSI.trips_in_s(0.0, 3.0) == pytest.approx(96.0)
    assert LSI.trips_in_s(0.0, 4.0) == pytest.approx(96.0 * 9 / 16)
    assert LSI.trips_in_s(0.0, 1.05) == math.inf


def test_heat_solves_the_equation_of_the_bimetal() -> None:
    """Against an integrator that knows only tau dh/dt = (I/holds)² - h."""
    curve = ThermalMagnetic(holds=1.05, time_constant_s=300.0, instant=10.0)
    solved = solve_ivp(lambda _t, h: ((1.3 / 1.05) ** 2 - h) / 300.0, (0.0, 500.0), [0.4], rtol=1e-10, atol=1e-12)
    assert curve.heat_after(0.4, 1.3, 500.0) == pytest.approx(solved.y[0, -1], rel=1e-8)


@given(curves, st.floats(0.0, 0.99), currents, st.floats(0.0, 2000.0), st.floats(0.0, 1.0))
def test_time_may_be_cut_anywhere(curve: TripCurve, heat: float, current: float, span_s: float, cut: float) -> None:
    """What makes settling on change exact."""
    once = curve.heat_after(heat, current, span_s)
    twice = curve.heat_after(curve.heat_after(heat, current, span_s * cut), current, span_s * (1.0 - cut))
    assert twice == pytest.approx(once, rel=1e-9, abs=1e-9)


@given(curves, st.floats(0.0, 0.99), currents)
def test_it_opens_just_when_the_heat_is_1(curve: TripCurve, heat: float, current: float) -> None:
    """Not before, and not after."""
    after_s = curve.trips_in_s(heat, current)
    if math.isfinite(after_s) and after_s > 0.0:
        assert curve.heat_after(heat, current, after_s) == pytest.approx(1.0, rel=1e-6)
    if after_s == math.inf:
        assert curve.heat_after(heat, current, 1e6) <= 1.0 + 1e-9


@given(curves, st.floats(0.0, 0.9), st.floats(0.0, 0.09), st.floats(0.0, 4.0), st.floats(0.0, 0.9))
def test_more_current_and_more_heat_open_it_sooner(
    curve: TripCurve, heat: float, hotter: float, current: float, more: float
) -> None:
    """Inverse time."""
    assert curve.trips_in_s(heat, current + more) <= curve.trips_in_s(heat, current)
    assert curve.trips_in_s(heat + hotter, current) <= curve.trips_in_s(heat, current)


def test_watts_are_multiples_of_the_rating() -> None:
    """A 20 kW breaker at 26 kW is one at 1.3 rated currents."""
    breaker = Breaker(20e3, SLOWEST_IEC_60898)
    assert breaker.trips_in_s(0.2, 26e3) == SLOWEST_IEC_60898.trips_in_s(0.2, 1.3)
    assert breaker.settled(10e3) == pytest.approx((0.5 / 1.13) ** 2)
    assert np.isclose(breaker.heat_after(0.2, 26e3, 5.0), SLOWEST_IEC_60898.heat_after(0.2, 1.3, 5.0))
