"""Quantities are read once, exactly, and refused with a remedy."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import units
from sim.errors import QuantityError


@pytest.mark.parametrize(
    ("text", "dimension", "si"),
    [
        ("700 W", "power", 700.0),
        ("0.7kW", "power", 700.0),
        ("57 gCO2e/kWh", "carbon intensity", 57 / 3.6e6),
        ("0.057 kgCO2eq/kWh", "carbon intensity", 57 / 3.6e6),
        ("57 t/GWh", "carbon intensity", 57e6 / 3.6e12),
        ("1 lb/MWh", "carbon intensity", 453.59237 / 3.6e9),  # the international pound is 453.59237 g by definition
        ("1.8 L/kWh", "water per energy", 1.8 / 3.6e6),
        ("1 gal/kWh", "water per energy", 3.785411784 / 3.6e6),  # the US gallon is 231 cubic inches
        ("1 m3/MWh", "water per energy", 1000 / 3.6e9),
        ("312 TFLOP/s", "operation rate", 312e12),
        ("1.2 pJ/FLOP", "energy per operation", 1.2e-12),
        ("80 GB", "bytes", 80e9),
        ("80 GiB", "bytes", 80 * 2**30),
        ("85 %", "fraction", 0.85),
        (0.85, "fraction", 0.85),
        ("90 requests/min", "request rate", 1.5),
        ("1.5 /s", "request rate", 1.5),
        ("150 kgCO2e", "mass of CO2e", 150e3),
    ],
)
def test_a_quantity_means_its_si_value(text: object, dimension: str, si: float) -> None:
    assert units.parse(text, dimension) == pytest.approx(si, rel=4e-16)


@pytest.mark.parametrize(
    ("text", "dimension", "says"),
    [
        ("700", "power", "no unit"),
        (700, "power", "no unit"),
        ("700 furlong", "power", "unknown unit"),
        ("700 w", "power", "unknown unit"),
        ("5 kg", "power", "not a power"),
        ("57 kWh/gCO2e", "carbon intensity", "not a carbon intensity"),
        ("nan W", "power", "cannot read"),
        ("inf W", "power", "cannot read"),
        (float("nan"), "power", "finite"),
        ("1e999 W", "power", "too large"),
        ("9" * 100 + " W", "power", "characters long"),
        ("9**9 W", "power", "cannot read"),
        ("__import__('os') W", "power", "cannot read"),
        (True, "power", "not bool"),
        ([1], "power", "not list"),
        (None, "power", "not NoneType"),
        ("", "power", "cannot read"),
        ("3 W W W", "power", "cannot read"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: object, dimension: str, says: str) -> None:
    with pytest.raises(QuantityError, match=says):
        units.parse(text, dimension)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1 ns", 1),
        ("0.1 s", 100_000_000),
        ("90 min", 5_400 * 10**9),
        ("6 years", 6 * 31_557_600 * 10**9),  # the Julian year of 365.25 days
        ("2.281 s", 2_281_000_000),
        ("1.5 d", 129_600 * 10**9),
    ],
)
def test_durations_are_exact_integers(text: str, ns: int) -> None:
    assert units.parse_ns(text) == ns


def test_a_duration_beyond_the_clock_is_refused() -> None:
    with pytest.raises(QuantityError, match="146 years"):
        units.parse_ns("150 years")


@given(st.decimals(min_value=0, max_value=10**6, places=9, allow_nan=False, allow_infinity=False))
def test_seconds_to_nine_places_lose_nothing(seconds: Decimal) -> None:
    assert units.parse_ns(f"{seconds} s") == int(seconds * 10**9)


def test_a_price_keeps_its_currency_and_may_be_negative() -> None:
    si, currency = units.parse_price("-12.5 EUR/MWh")
    assert currency == "EUR"
    assert si == pytest.approx(-12.5 / 3.6e9, rel=1e-15)
    with pytest.raises(QuantityError, match="USD, EUR, GBP"):
        units.parse_price("3 FRF/kWh")
