"""A unit in the name of a column, such as ``Price (EUR/MWh)`` or ``price_usd_per_mwh``, is held against the scenario's.

A name without a unit, or with one that is not known here, says nothing: then the scenario's stands.
"""

from __future__ import annotations

import math
import re

from sim.errors import InputError, QuantityError
from sim.units import parse, parse_price

_IN_BRACKETS = re.compile(r"[(\[]([^()\[\]]+)[)\]]")
_PRICE_AT_END = re.compile(r"(?<![a-z])([a-z]{3})(?:_per)?[_/]?(k|m)wh$", re.IGNORECASE)
_CARBON_AT_END = re.compile(r"(?<![a-z])(g|kg|lbs?)(?:_?co2(?:_?eq?)?)?(?:_per)?[_/](k|m)wh$", re.IGNORECASE)
_POUNDS = re.compile(r"lbs?(?:_?co2(?:eq?)?)?", re.IGNORECASE)
_CLOSE = 1e-6


def refuse_other_unit(file: str, name: str, si_per_value: float, unit: str) -> None:
    """Raises ``InputError`` where ``name`` says another unit of prices (``EUR/J``) or of carbon (``g/J``)."""
    written = _written(name, unit)
    for text in written:
        try:
            if unit.endswith("/J") and unit != "g/J":
                si, currency = parse_price(f"1 {text}")
                same = f"{currency}/J" == unit and math.isclose(si, si_per_value, rel_tol=_CLOSE)
            else:
                same = math.isclose(parse(f"1 {text}", "carbon intensity"), si_per_value, rel_tol=_CLOSE)
        except QuantityError:
            continue
        if not same:
            message = f"'{name}' is in {text} by its name, and the scenario's 'unit' says otherwise: make them agree"
            raise InputError.one(file, message)


def _written(name: str, unit: str) -> list[str]:
    if unit == "g/J":
        ends = [f"{match[1].lower()}/{match[2].lower()}Wh" for match in _CARBON_AT_END.finditer(name)]
    elif unit.endswith("/J") and len(unit) == len("EUR/J"):
        ends = [f"{match[1].upper()}/{match[2].lower()}Wh" for match in _PRICE_AT_END.finditer(name)]
    else:
        return []
    ends = [text.replace("/mWh", "/MWh").replace("lbs/", "lb/") for text in ends]
    brackets = ["".join(text.split()).replace("\u2082", "2") for text in _IN_BRACKETS.findall(name)]
    return [*(_POUNDS.sub("lb", text) for text in brackets), *ends]
