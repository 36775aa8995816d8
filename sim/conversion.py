"""What one unit is in another: names, prefixes, products and quotients, from a table of the units of this field.

The table is in Pint's own words, and Pint is what gives the factors: it takes a third of a second to load, and most of
what people write is a plain unit or a quotient of two. So the same sums are done here, in Pint's order, to the last bit
(``tests/test_units.py`` holds the two together over every name there is); what is not that plain is asked of Pint.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import pint

DEFINITIONS = """
pico- = 1e-12 = p-
nano- = 1e-9 = n-
micro- = 1e-6 = u- = µ-
milli- = 1e-3 = m-
kilo- = 1e3 = k-
mega- = 1e6 = M-
giga- = 1e9 = G-
tera- = 1e12 = T-
peta- = 1e15 = P-
exa- = 1e18 = E-
kibi- = 2**10 = Ki-
mebi- = 2**20 = Mi-
gibi- = 2**30 = Gi-
tebi- = 2**40 = Ti-
second = [time] = s = _ = seconds
minute = 60 * second = min = _ = minutes
hour = 3600 * second = h = _ = hours = hr
day = 24 * hour = d = _ = days
week = 7 * day = _ = weeks
year = 365.25 * day = a = _ = years = yr
joule = [energy] = J
watt = joule / second = W
watthour = watt * hour = Wh
gram = [mass] = g = _ = gCO2e = gCO2eq = gCO2
tonne = 1e6 * gram = t = _ = tCO2e = tCO2eq = tCO2 = tonnes
pound = 453.59237 * gram = lb = _ = lbs = lbCO2e
litre = [volume] = L = _ = l = liter = litres = liters
m3 = 1000 * litre = _ = m³
dm3 = litre
cm3 = 1e-3 * litre
mm3 = 1e-6 * litre
km3 = 1e12 * litre
gallon = 3.785411784 * litre = gal = _ = gallons
metre = [length] = m = _ = meter = metres = meters
m2 = metre * metre = _ = m²
cm2 = 1e-4 * m2 = _ = cm²
mm2 = 1e-6 * m2 = _ = mm²
um2 = 1e-12 * m2
dm2 = 1e-2 * m2
km2 = 1e6 * m2
nm2 = 1e-18 * m2
Mm2 = 1e12 * m2
degree = [angle] = deg = _ = degrees
kelvin = [temperature] = K
hertz = 1 / second = Hz
byte = [information] = B = _ = bytes
bit = 0.125 * byte = _ = bits
flop = [operation] = FLOP = _ = FLOPs = flops
USD = [usd]
EUR = [eur]
GBP = [gbp]
AUD = [aud]
CAD = [cad]
request = [request] = _ = requests
job = [job] = _ = jobs
hertz = 1 / second = Hz
percent = 0.01 = % = _
"""
"""A line a unit or ``prefix-``: its name, its value, its symbol, and its other names; ``_`` is no symbol of its own."""

COUNTED = ("request", "job")
"""Units that people leave out: a bare ``3 /s`` counts them where they are asked for."""


class UnknownUnitError(Exception):
    """A unit that the table does not know."""


class _Unit(NamedTuple):
    """A unit by others: ``scale`` times the product of ``of``, which is its own dimension where it is a base."""

    name: str
    scale: float
    of: Mapping[str, int]
    base: bool


@lru_cache(maxsize=1024)
def factor(unit: str, si_unit: str) -> float | None:
    """SI value of one ``unit``, or None where its dimension is another than that of ``si_unit``.

    Both are text such as ``gCO2e/kWh``, or empty for a plain number. Raises ``UnknownUnitError``.
    """
    source, target = _product(unit), _product(si_unit)
    if source is None or target is None:
        return by_pint(unit, si_unit)
    return _ratio(source, target, si_unit)


def _ratio(source: Mapping[str, int], target: Mapping[str, int], si_unit: str) -> float | None:
    for name in COUNTED:
        if si_unit == f"{name}/s" and _dimension(source) == {"[time]": -1}:
            source = {**source, name: 1}
    if _dimension(source) != _dimension(target):
        return None
    left = Counter(source)
    left.subtract(target)
    above, below = _scales({name: power for name, power in left.items() if power})
    for scale in above.keys() & below.keys():
        common = min(above[scale], below[scale])
        above[scale] -= common
        below[scale] -= common
    value = 1.0
    for scales, sign in ((above, 1), (below, -1)):
        for scale, power in scales.items():
            value *= scale ** (sign * power)
    return value


def _scales(product: Mapping[str, int]) -> tuple[Counter[float], Counter[float]]:
    """The scales that a product of units is made of, and their powers: those above and those below the line."""
    above: Counter[float] = Counter()
    below: Counter[float] = Counter()
    for name, power in _unfolded(product):
        (above if power > 0 else below)[_unit(name).scale] += abs(power)
    return above, below


def _unfolded(product: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Each unit of a product that is made of others, followed by those."""
    for name, power in product.items():
        unit = _unit(name)
        if not unit.base:
            yield name, power
            yield from _unfolded({part: times * power for part, times in unit.of.items()})


@cache
def _base(name: str) -> Counter[str]:
    unit = _unit(name)
    return Counter(unit.of) if unit.base else _dimension(unit.of)


def _dimension(product: Mapping[str, int]) -> Counter[str]:
    """Powers of the dimensions that a product of units has."""
    dimension: Counter[str] = Counter()
    for name, power in product.items():
        for base, times in _base(name).items():
            dimension[base] += times * power
    return Counter({base: times for base, times in dimension.items() if times})


@lru_cache(maxsize=512)
def _product(text: str) -> dict[str, int] | None:
    """Units by their own names, each with its power, in the order of a text; None for one that is not plain."""
    if text == "%":
        return {"percent": 1}
    powers: dict[str, int] = {}
    sign = 1
    for part in filter(None, re.split(r"\s*([*/])\s*", text)):
        if part in "*/":
            sign = 1 if part == "*" else -1
            continue
        if part == "1" and not powers:
            continue
        name = _own_name(part)
        if name is None:
            return None
        powers[name] = powers.get(name, 0) + sign
    return {name: power for name, power in powers.items() if power}


def _own_name(written: str) -> str | None:
    """The name in the table, with its prefix; None where the table has none, or there are two ways to read it."""
    units, prefixes = _table()
    if not written.isidentifier():  # a superscript
        return None
    if written in units:
        return units[written].name
    found = {
        prefixes[prefix].name + units[rest].name
        for prefix in prefixes
        for rest in _singular(written.removeprefix(prefix))
        if written.startswith(prefix) and rest in units
    }
    return found.pop() if len(found) == 1 else None


def _singular(name: str) -> Iterable[str]:
    return (name, name[:-1]) if name.endswith("s") and len(name) > 2 else (name,)


@cache
def _unit(name: str) -> _Unit:
    """The unit of such a name, which may begin with a prefix."""
    units, prefixes = _table()
    if name in units:
        return units[name]
    prefix = next(
        one for one in prefixes.values() if name.startswith(one.name) and name.removeprefix(one.name) in units
    )
    return _Unit(name, prefix.scale, {name.removeprefix(prefix.name): 1}, base=False)


@cache
def _table() -> tuple[dict[str, _Unit], dict[str, _Unit]]:
    """Units and prefixes, each by all that may be written for it."""
    units: dict[str, _Unit] = {}
    prefixes: dict[str, _Unit] = {}
    for line in DEFINITIONS.strip().splitlines():
        name, value, *others = (part.strip() for part in line.split(" = "))
        written = [name, *(other for other in others if other != "_")]
        if name.endswith("-"):
            prefix = _Unit(name.rstrip("-"), _number(value), {}, base=False)
            prefixes |= {one.rstrip("-"): prefix for one in written}
        else:
            units |= dict.fromkeys(written, _defined(name, value, units))
    return units, prefixes


def _defined(name: str, value: str, units: Mapping[str, _Unit]) -> _Unit:
    if value.startswith("["):
        return _Unit(name, 1, {value: 1}, base=True)
    scale: float = 1
    of: Counter[str] = Counter()
    sign = 1
    for part in re.split(r" ([*/]) ", value):
        if part in "*/":
            sign = 1 if part == "*" else -1
        elif part[0].isdigit():
            scale *= _number(part)
        else:
            of[units[part].name] += sign
    return _Unit(name, scale, dict(of), base=False)


def _number(text: str) -> float:
    base, _, power = text.partition("**")
    if power:
        return float(int(base) ** int(power))
    return int(text) if text.isdecimal() else float(text)


@lru_cache(maxsize=512)
def by_pint(unit: str, si_unit: str) -> float | None:
    """``factor`` as Pint has it."""
    import pint

    registry = _registry()
    try:
        quantity = registry.Quantity(1.0, registry.parse_units(unit) if unit else "")
        for name in COUNTED:
            if si_unit == f"{name}/s" and quantity.check("1/[time]"):
                quantity = quantity * registry.Quantity(1.0, name)
        return float(quantity.to(registry.parse_units(si_unit) if si_unit else "").magnitude)
    except pint.DimensionalityError:
        return None
    except (pint.UndefinedUnitError, pint.DefinitionSyntaxError, ValueError) as error:
        raise UnknownUnitError(unit) from error


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[float]:
    import pint

    registry: pint.UnitRegistry[float] = pint.UnitRegistry(None)
    registry.load_definitions(DEFINITIONS.strip().splitlines())
    return registry
