"""Quantities are read once, exactly, and refused with a remedy."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim import conversion, units
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


UNITS, PREFIXES = conversion._table()
WRITTEN = [prefix + name for prefix in ("", *PREFIXES) for name in UNITS]
PLAIN = [name for name in WRITTEN if conversion._product(name) is not None]


def _said(how: Callable[[str, str], float | None], unit: str, si_unit: str) -> float | str | None:
    try:
        return how(unit, si_unit)
    except conversion.UnknownUnitError:
        return "unknown"


@pytest.mark.parametrize("si_unit", sorted({*units._SI_UNIT.values(), "USD/J", "AUD/B"}))
def test_a_factor_is_pints_to_the_last_bit(si_unit: str) -> None:
    """Of every name that has the dimension, over one and another where it is a quotient, and of chance products."""
    chosen = random.Random(si_unit)
    above, _, below = si_unit.partition("/")
    tops = _of_the_dimension_of(above)
    bottoms = _of_the_dimension_of(below) if below else [""]
    asked = {f"{top}/{chosen.choice(bottoms)}".rstrip("/") for top in tops}
    asked |= {f"{chosen.choice(tops)}/{bottom}".rstrip("/") for bottom in bottoms}
    a, b, c = (chosen.choices(PLAIN, k=20) for _ in range(3))
    asked |= {f"{x}{chosen.choice('*/')}{y}{chosen.choice('*/')}{z}" for x, y, z in zip(a, b, c, strict=True)}
    for unit in asked | {"", "%", "1/s", "1/h"}:
        assert _said(conversion.factor, unit, si_unit) == _said(conversion.by_pint, unit, si_unit), unit


def _of_the_dimension_of(unit: str) -> list[str]:
    product = conversion._product(unit)
    assert product is not None
    wanted = conversion._dimension(product)
    return [name for name in PLAIN if conversion._dimension(conversion._product(name) or {}) == wanted] or [unit]


def test_the_plain_names_are_nearly_all() -> None:
    assert len(PLAIN) > 0.9 * len(WRITTEN)
    assert "W" in PLAIN
    assert "m²" not in PLAIN


def test_what_is_shipped_is_read_without_pint() -> None:
    code = "import sim, sys; sim.check('chat-service'); sim.check('solar-and-battery'); print('pint' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("text", "dimension", "si"),
    [
        ("1 km2", "area", 1e6),
        ("1 dm2", "area", 1e-2),
        ("1 mm2", "area", 1e-6),
        ("1 um2", "area", 1e-12),
        ("1 kWh/km2", "energy per area", 3.6),
        ("1 dm3/kWh", "water per energy", 1 / 3.6e6),
        ("1 cm3/kWh", "water per energy", 1e-3 / 3.6e6),
    ],
)
def test_a_prefix_is_squared_or_cubed_with_its_unit(text: str, dimension: str, si: float) -> None:
    assert units.parse(text, dimension) == pytest.approx(si, rel=1e-12)
