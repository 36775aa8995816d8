"""Quantities as people write them, turned once into SI: W, J, g, L, B, FLOP, and integer nanoseconds.

Everything past this module is SI: this and ``sim.conversion``, which holds the table of units, are the only places with
a 3600 or a 1e3 in them. The table knows the units of this field and no others, so that ``700 furlong`` is refused and a
slip such as ``57 kWh/gCO2e`` is caught by its dimension. The number itself is read here, and never evaluated.

A year is the Julian year of 365.25 days. ``g`` and ``gCO2e`` are one unit. GB is 1e9 bytes, GiB is 2**30.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal

from sim import conversion
from sim.errors import QuantityError
from sim.plain import as_number, as_text, as_whole

NS_PER_S = 1_000_000_000
SECONDS_PER_NS = 1e-9
SECONDS_PER_HOUR = 3600
MINUTE_NS = 60 * NS_PER_S
HOUR_NS = SECONDS_PER_HOUR * NS_PER_S
DAY_NS = 24 * HOUR_NS
LEAP_YEAR_NS = 366 * DAY_NS
JULIAN_YEAR_S = 365.25 * 24 * SECONDS_PER_HOUR
J_PER_KWH = 3.6e6
J_PER_NJ = 1e-9
MJ_PER_J = 1000  # millijoules, as NVML counts; to divide by, so that whole joules come out exact
UJ_PER_J = 1_000_000  # microjoules, as RAPL counts
MW_PER_W = 1000  # milliwatts
PERCENT = 100
G_PER_KG = 1e3
W_PER_KW = 1e3
BYTES_PER_GB = 1e9
KM_PER_MM = 1e3  # kilometres per megametre
M_PER_KM = 1e3
L_PER_US_GALLON = 3.785411784
KELVIN_AT_0_C = 273.15
PA_PER_MBAR = 100.0
FAHRENHEIT_AT_0_C, FAHRENHEIT_PER_KELVIN = 32.0, 1.8
M_PER_S_PER_MPH = 0.44704  # exactly, of the international mile
M_PER_S_PER_KNOT = 1852 / 3600

MAX_NS = 2**62
"""Times and durations stay below this (146 years), so that sums of two still fit an int64."""
LONGEST_NS = MAX_NS // 4
"""Of anything that is reckoned from a rate, which may be next to nothing; more than 30 years."""

CURRENCIES = ("USD", "EUR", "GBP", "AUD", "CAD")

_SI_UNIT = {
    "power": "W",
    "energy": "J",
    "duration": "s",
    "frequency": "Hz",
    "carbon intensity": "g/J",
    "mass of CO2e": "g",
    "carbon per power": "g/W",
    "carbon per byte": "g/B",
    "carbon per area": "g/m2",
    "carbon per litre": "g/L",
    "mass": "g",
    "energy per area": "J/m2",
    "water per area": "L/m2",
    "water per energy": "L/J",
    "fuel per energy": "L/J",
    "request rate": "request/s",
    "job rate": "job/s",
    "operation rate": "FLOP/s",
    "operations": "FLOP",
    "energy per operation": "J/FLOP",
    "bytes": "B",
    "byte rate": "B/s",
    "energy per byte": "J/B",
    "power per byte": "W/B",
    "power ramp": "W/s",
    "fraction": "",
    "length": "m",
    "area": "m2",
    "speed": "m/s",
    "angle": "deg",
    "temperature difference": "K",
}
_EXAMPLE = {
    "power": "700 W",
    "energy": "4 MWh",
    "duration": "30 min",
    "carbon intensity": "57 gCO2e/kWh",
    "mass of CO2e": "150 kgCO2e",
    "carbon per power": "700 kgCO2e/kW",
    "carbon per byte": "1.9 kgCO2e/GB",
    "carbon per area": "1.5 kgCO2e/cm2",
    "carbon per litre": "2.7 kgCO2e/L",
    "mass": "1.25 kg",
    "energy per area": "2.15 kWh/cm2",
    "water per area": "17 L/cm2",
    "water per energy": "1.8 L/kWh",
    "fuel per energy": "0.27 L/kWh",
    "request rate": "3 requests/s",
    "job rate": "40 jobs/h",
    "frequency": "1410 MHz",
    "operation rate": "312 TFLOP/s",
    "operations": "4.2 EFLOP",
    "energy per operation": "1.2 pJ/FLOP",
    "bytes": "80 GB",
    "byte rate": "2 TB/s",
    "energy per byte": "60 pJ/B",
    "power per byte": "0.1 W/GB",
    "power ramp": "500 W/s",
    "fraction": "0.85",
    "length": "100 m",
    "area": "814 mm2",
    "speed": "3.5 m/s",
    "angle": "30 deg",
    "temperature difference": "6 K",
    "temperature": "24 degC",
    "energy price": "0.18 USD/kWh",
    "data price": "0.05 USD/GB",
    "carbon price": "75 EUR/tCO2e",
}
_NUMBER = re.compile(r"\s*([+-]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(.*?)\s*", re.DOTALL)
_UNIT = re.compile(r"/?[^\W\d_%][\w³]*(?:\s*[/*]\s*[^\W\d_%][\w³]*)*|%|")
_LONGEST = 80
_OF_CARBON = re.compile(r"\s+(?=CO2(?:e|eq)?\s*$)")
"""What stands between a mass and what it is of, as in ``50 EUR/t CO2e``."""


def example(dimension: str) -> str:
    """How people write a quantity of ``dimension``, for messages and schemas."""
    return _EXAMPLE[dimension]


def _like(dimension: str) -> str:
    """How it may be written, in quotes. Durations go from ns to years: two examples tell how both are spelt."""
    other = {"duration": " or '6 years'", "fraction": " or '85 %'"}.get(dimension, "")
    return f"'{_EXAMPLE[dimension]}'{other}"


def _a(dimension: str) -> str:
    if dimension.endswith("s"):
        return dimension
    return f"{'an' if dimension[0] in 'aeiou' else 'a'} {dimension}"


def _split(value: object, dimension: str) -> tuple[str, str]:
    """The number's digits and the unit's name, both still text."""
    example = _EXAMPLE[dimension]
    text, number, whole = as_text(value), as_number(value), as_whole(value)
    if text is None:
        if number is None:
            raise QuantityError(f"must be {_a(dimension)} such as '{example}', not {type(value).__name__}")
        if whole is not None and abs(whole) > 2**64:
            raise QuantityError(f"is a number of more than 64 bits; write {_a(dimension)} such as '{example}'")
        if not math.isfinite(number):
            raise QuantityError(f"must be a finite {dimension} such as '{example}', not {value}")
        text = repr(float(number) if whole is None else int(whole))
    if len(text) > _LONGEST:
        raise QuantityError(f"is {len(text)} characters long; write {_a(dimension)} such as '{example}'")
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise QuantityError(f"cannot read {text!r} as {_a(dimension)}; write it like {_like(dimension)}")
    digits, unit = match.groups()
    if not _UNIT.fullmatch(unit):
        raise QuantityError(f"cannot read the unit of {text!r}; write {_a(dimension)} like {_like(dimension)}")
    if not unit and dimension != "fraction":
        raise QuantityError(f"{text!r} has no unit; write {_a(dimension)} like {_like(dimension)}")
    return digits, f"1{unit}" if unit.startswith("/") else unit


def _scale(value: object, dimension: str, si_unit: str) -> tuple[str, float]:
    number, unit = _split(value, dimension)
    try:
        factor = conversion.factor(unit, si_unit)
    except conversion.UnknownUnitError:
        raise QuantityError(f"unknown unit in {value!r}; write {_a(dimension)} like {_like(dimension)}") from None
    if factor is None:
        raise QuantityError(f"{value!r} is not {_a(dimension)}; write it like {_like(dimension)}")
    return number, factor


def parse(value: object, dimension: str) -> float:
    """SI value of a quantity such as ``'57 gCO2e/kWh'``.

    ``dimension`` is one of the names in this module's table (``power``, ``carbon intensity``, ...). Raises
    ``QuantityError`` for a missing or unknown unit, a wrong dimension, or a number that is not finite.

    >>> parse("57 gCO2e/kWh", "carbon intensity") * J_PER_KWH
    57.0
    >>> parse("85 %", "fraction")
    0.85
    """
    number, factor = _scale(value, dimension, _SI_UNIT[dimension])
    si = float(number) * factor
    if not math.isfinite(si):
        raise QuantityError(f"{value!r} is too large for {_a(dimension)}")
    return si


def parse_ns(value: object, *, by_clock: bool = True) -> int:
    """Nanoseconds of a duration such as ``'6 years'``, exact in decimal. Raises ``QuantityError``.

    Not ``by_clock`` is what no simulated clock ever counts, such as a lifetime, which may be of any length.

    >>> parse_ns("0.1 s"), parse_ns("1 h")
    (100000000, 3600000000000)
    """
    number, seconds = _scale(value, "duration", "s")
    ns = int((Decimal(number) * Decimal(repr(seconds)) * NS_PER_S).to_integral_value())
    if by_clock and abs(ns) >= MAX_NS:
        raise QuantityError(f"{value!r} is longer than the 146 years that a simulated clock can hold")
    return ns


_TEMPERATURE = re.compile(r"\s*([+-]?\d+(?:\.\d*)?)\s*(degC|°C|degF|°F|K)\s*")


def parse_temperature(value: object) -> float:
    """A temperature in degC from text such as ``24 degC`` or ``75 degF``. Raises ``QuantityError``."""
    text = as_text(value) or ""
    found = _TEMPERATURE.fullmatch(text) if len(text) < _LONGEST else None
    if found is None:
        raise QuantityError(f"must be a temperature such as '{_EXAMPLE['temperature']}', and is {value!r}")
    number = float(found[1])
    if found[2] == "K":
        return number - KELVIN_AT_0_C
    return number if found[2] in ("degC", "°C") else (number - 32.0) / 1.8


def parse_price(value: object, dimension: str = "energy price") -> tuple[float, str]:
    """Price per joule and its currency, from text such as ``'0.18 USD/kWh'``; per byte of a ``data price``, per g of
    a ``carbon price``.

    Negative prices of energy are real and allowed. Raises ``QuantityError`` for anything that is no price.

    >>> parse_price("500 EUR/kg CO2e", "carbon price")
    (0.5, 'EUR')
    """
    per = {"energy price": "J", "data price": "B", "carbon price": "g"}[dimension]
    if dimension == "carbon price":
        text = as_text(value)
        value = value if text is None else _OF_CARBON.sub("", text)
    for currency in CURRENCIES:
        number, unit = _split(value, dimension)
        if unit.startswith(currency):
            _, factor = _scale(value, dimension, f"{currency}/{per}")
            si = float(number) * factor
            if not math.isfinite(si):
                raise QuantityError(f"{value!r} is too large for {_a(dimension)}")
            return si, currency
    known = ", ".join(CURRENCIES)
    raise QuantityError(f"{value!r} is not {_a(dimension)} in {known}; write it like {_like(dimension)}")


def ns_from(seconds: float) -> int:
    """Whole ns of seconds reckoned from a rate, at most ``LONGEST_NS``."""
    return round(min(seconds * NS_PER_S, LONGEST_NS))
