"""Pydantic field types for quantities: text with a unit in the file, SI numbers that remember their text in Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, PlainSerializer, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from sim import units
from sim.errors import QuantityError
from sim.instants import named_zone
from sim.plain import as_text
from sim.possible import (
    CARBON_PRICE,
    CONVERSION,
    DATA_PRICE,
    DEVICE_POWER,
    DIMENSIONS,
    ENERGY_PRICE,
    LIFETIME,
    NODE_POWER,
    Possible,
)
from sim.possible import MTBF as MTBF_RANGE
from sim.possible import PUE as PUE_RANGE


class Quantity(float):
    """An SI value that remembers how it was written, so that a resolved scenario reads like the user's own.

    ``remark`` says what is unusual about it, where something is.
    """

    text: str
    remark: str | None = None

    @classmethod
    def of(cls, si: float, text: str) -> Quantity:
        """The value ``si``, written ``text``."""
        quantity = cls(si)
        quantity.text = text
        return quantity


class Nanoseconds(int):
    """A duration in integer nanoseconds that remembers how it was written."""

    text: str
    remark: str | None = None

    @classmethod
    def of(cls, ns: int, text: str) -> Nanoseconds:
        """The duration ``ns``, written ``text``."""
        duration = cls(ns)
        duration.text = text
        return duration


class Price(Quantity):
    """A price per joule, byte or g of CO2e with its currency."""

    currency: str


class Share(Quantity):
    """A share, where a quantity could stand as well."""


@dataclass(frozen=True)
class Range:
    """What a quantity's field takes, for who offers values: from ``low`` to ``high`` in SI (None: no end of its own),
    the part of it that is ``usual``, and an example with a unit."""

    dimension: str
    low: float | None
    high: float | None
    usual: tuple[float, float]
    example: str

    @classmethod
    def of(cls, dimension: str, low: float | None, high: float | None, possible: Possible | None) -> Range:
        """Bounds of the field itself within what is possible of its dimension."""
        possible = possible if possible is not None else DIMENSIONS.get(dimension)
        lows = [end for end in (low, possible.low if possible else None) if end is not None]
        highs = [end for end in (high, possible.high if possible else None) if end is not None]
        usual = possible.usual if possible is not None else (-inf, inf)
        return cls(dimension, max(lows, default=None), min(highs, default=None), usual, units.example(dimension))


Kinds = type | tuple[type, ...]
Read = TypeVar("Read", Quantity, Price, Nanoseconds)


def _fail(message: str) -> PydanticCustomError:
    return PydanticCustomError("quantity", "{message}", {"message": message})


def _bound(si: float, written: object, low: float | None, above: float | None, high: float | None) -> None:
    if above is not None and not si > above:
        raise _fail(f"must be above {above:g}, and is {written!r}")
    if low is not None and not si >= low:
        raise _fail(
            f"must not be negative, and is {written!r}" if low == 0 else f"must be at least {low:g}, and is {written!r}"
        )
    if high is not None and not si <= high:
        raise _fail(f"must be at most {high:g}, and is {written!r}")


def _checked(quantity: Read, si: float, possible: Possible | None) -> Read:
    """Raises a problem for what cannot be; remarks on what is unusual."""
    if possible is not None:
        fault = possible.fault(si)
        if fault is not None:
            raise _fail(f"{fault}, and is {quantity.text!r}")
        quantity.remark = possible.remark(si)
    return quantity


def _reader(
    dimension: str,
    low: float | None,
    above: float | None,
    high: float | None,
    possible: Possible | None = None,
) -> Callable[[object], Quantity]:
    possible = possible if possible is not None else DIMENSIONS.get(dimension)

    def read(value: object) -> Quantity:
        try:
            si = units.parse(value, dimension)
        except QuantityError as error:
            raise _fail(error.message) from None
        _bound(si, value, low, above, high)
        return _checked(Quantity.of(si, str(value).strip()), si, possible)

    return read


_FAR_NS = 2**100
"""Beyond all that is possible."""


def _duration_reader(low: int, possible: Possible | None = None) -> Callable[[object], Nanoseconds]:
    """What is ``possible`` bounds a duration that no clock counts."""

    def read(value: object) -> Nanoseconds:
        try:
            ns = units.parse_ns(value, by_clock=possible is None)
        except QuantityError as error:
            raise _fail(error.message) from None
        if ns < low:
            least = f"be {low // 1_000_000} ms or more" if low > 1 else "be above zero" if low else "not be negative"
            raise _fail(f"must {least}, and is {value!r}")
        seconds = min(ns, _FAR_NS) * units.SECONDS_PER_NS  # as a float, which ends at 1e308
        return _checked(Nanoseconds.of(ns, str(value).strip()), seconds, possible)

    return read


def _read_data_price(value: object) -> Price:
    return _read_price(value, "data price")


def _read_carbon_price(value: object) -> Price:
    return _read_price(value, "carbon price")


_PRICES = {"energy price": ENERGY_PRICE, "data price": DATA_PRICE, "carbon price": CARBON_PRICE}


def _read_price(value: object, dimension: str = "energy price") -> Price:
    try:
        si, currency = units.parse_price(value, dimension)
    except QuantityError as error:
        raise _fail(error.message) from None
    price = Price(si)
    price.text, price.currency = str(value).strip(), currency
    return _checked(price, si, _PRICES[dimension])


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) or (as_text(value) or "").strip().endswith("%")


def _share_or(read: Callable[[object], Any], high: float) -> Callable[[object], Any]:
    """Reads '50 %' and 0.5 as a share, anything else by ``read``. A bare number above 1 lacks its unit."""
    read_share, read_bare = _reader("fraction", 0.0, None, high), _reader("fraction", 0.0, None, min(high, 1.0))

    def either(value: object) -> Any:
        if not _is_share(value):
            return read(value)
        share = read_bare(value) if as_text(value) is None else read_share(value)
        return Share.of(share, share.text)

    return either


def _read_level(value: object) -> Quantity:
    is_price = any(name in str(value) for name in units.CURRENCIES)
    return _read_price(value) if is_price else _reader("carbon intensity", 0.0, None, None)(value)


def _temperature_reader(low_c: float, high_c: float) -> Callable[[object], Quantity]:
    def read(value: object) -> Quantity:
        try:
            celsius = units.parse_temperature(value)
        except QuantityError as error:
            raise _fail(error.message) from None
        if not low_c <= celsius <= high_c:
            raise _fail(f"must be from {low_c:g} to {high_c:g} degC, and is {value!r}")
        return Quantity.of(celsius, str(value).strip())

    return read


def _read_zone(name: str) -> str:
    try:
        return named_zone(name).key
    except QuantityError as error:
        raise _fail(error.message) from None


def _text(value: Any) -> str | float:
    text: str = value.text
    try:
        return float(text)
    except ValueError:
        return text


def _once(read: Callable[[object], Any], of: Kinds) -> Callable[[object], Any]:
    """``read``, but for values ``of`` a kind that it gave before."""
    return lambda value: value if isinstance(value, of) else read(value)


def _shares_within(bounds: Range) -> list[str]:
    """Examples of a number without a unit that a field takes: what an editor offers must be no mistake."""
    low, high = bounds.low if bounds.low is not None else -inf, bounds.high if bounds.high is not None else inf
    return [
        text for text, value in (("0.85", 0.85), ("0.3", 0.3), ("30 %", 0.3), ("1.2", 1.2)) if low <= value <= high
    ][:2]


def _field(
    read: Callable[[object], Any],
    dimension: str,
    of: Kinds = Quantity,
    *,
    or_share: bool = False,
    low: float | None = 0.0,
    high: float | None = None,
    possible: Possible | None = None,
    example: str | None = None,
) -> tuple[Any, ...]:
    kinds = ["string", "number"] if dimension == "fraction" or or_share else ["string"]
    bounds = Range.of(dimension, low, high, possible)
    examples = [example or units.example(dimension)] if dimension != "fraction" else _shares_within(bounds)
    told = " or ".join(f"'{one}'" for one in examples)
    schema = {"type": kinds, "description": f"{dimension}, e.g. {told}", "examples": examples}
    return PlainValidator(_once(read, of)), PlainSerializer(_text), WithJsonSchema(schema), bounds


def _quantity(
    dimension: str,
    *,
    low: float | None = 0.0,
    above: float | None = None,
    high: float | None = None,
    possible: Possible | None = None,
    example: str | None = None,
) -> tuple[Any, ...]:
    read = _reader(dimension, low, above, high, possible)
    least = above if above is not None else low
    return _field(read, dimension, low=least, high=high, possible=possible, example=example)


Power = Annotated[Quantity, *_quantity("power")]
DevicePower = Annotated[Quantity, *_quantity("power", possible=DEVICE_POWER)]
"""Of one accelerator or socket."""
PositiveDevicePower = Annotated[Quantity, *_quantity("power", above=0.0, possible=DEVICE_POWER)]
NodePower = Annotated[Quantity, *_quantity("power", possible=NODE_POWER)]
"""Of a whole node, or of a part of it."""
PositivePower = Annotated[Quantity, *_quantity("power", above=0.0)]
EnergyOverTime = Annotated[Quantity, *_quantity("power", above=0.0, example="40 GWh/year")]
"""Of a contract: a mean power, as contracts write it."""
Energy = Annotated[Quantity, *_quantity("energy")]
PositiveEnergy = Annotated[Quantity, *_quantity("energy", above=0.0)]
CarbonIntensity = Annotated[Quantity, *_quantity("carbon intensity")]
CarbonMass = Annotated[Quantity, *_quantity("mass of CO2e")]
CarbonPerPower = Annotated[Quantity, *_quantity("carbon per power")]
CarbonPerByte = Annotated[Quantity, *_quantity("carbon per byte")]
CarbonPerArea = Annotated[Quantity, *_quantity("carbon per area")]
CarbonPerLitre = Annotated[Quantity, *_quantity("carbon per litre")]
Mass = Annotated[Quantity, *_quantity("mass")]
EnergyPerArea = Annotated[Quantity, *_quantity("energy per area")]
WaterPerArea = Annotated[Quantity, *_quantity("water per area")]
WaterIntensity = Annotated[Quantity, *_quantity("water per energy")]
RequestRate = Annotated[Quantity, *_quantity("request rate", above=0.0)]
JobRate = Annotated[Quantity, *_quantity("job rate", above=0.0)]
Frequency = Annotated[Quantity, *_quantity("frequency", above=0.0)]
OperationRate = Annotated[Quantity, *_quantity("operation rate")]
Operations = Annotated[Quantity, *_quantity("operations")]
EnergyPerOperation = Annotated[Quantity, *_quantity("energy per operation")]
Bytes = Annotated[Quantity, *_quantity("bytes")]
ByteRate = Annotated[Quantity, *_quantity("byte rate")]
PositiveByteRate = Annotated[Quantity, *_quantity("byte rate", above=0.0)]
EnergyPerByte = Annotated[Quantity, *_quantity("energy per byte")]
PowerPerByte = Annotated[Quantity, *_quantity("power per byte")]
PowerRamp = Annotated[Quantity, *_quantity("power ramp", above=0.0)]
Fraction = Annotated[Quantity, *_quantity("fraction", high=1.0)]
PositiveFraction = Annotated[Quantity, *_quantity("fraction", above=0.0, high=1.0)]
UpToHalf = Annotated[Quantity, *_quantity("fraction", above=0.0, high=0.5)]
PositiveRatio = Annotated[Quantity, *_quantity("fraction", above=0.0, high=100.0)]
SmallRatio = Annotated[Quantity, *_quantity("fraction", high=100.0)]
ConversionEfficiency = Annotated[Quantity, *_quantity("fraction", above=0.0, high=1.0, possible=CONVERSION)]
"""Energy out per energy in."""
PUE = Annotated[Quantity, *_quantity("fraction", low=1.0, possible=PUE_RANGE)]
AtLeastOne = Annotated[Quantity, *_quantity("fraction", low=1.0, high=1e6)]
FuelPerEnergy = Annotated[Quantity, *_quantity("fuel per energy", above=0.0)]
Length = Annotated[Quantity, *_quantity("length")]
PositiveLength = Annotated[Quantity, *_quantity("length", above=0.0)]
PositiveArea = Annotated[Quantity, *_quantity("area", above=0.0)]
PositiveSpeed = Annotated[Quantity, *_quantity("speed", above=0.0)]
Tilt = Annotated[Quantity, *_quantity("angle", high=90.0)]
Azimuth = Annotated[Quantity, *_quantity("angle", high=360.0)]
Temperature = Annotated[Quantity, *_field(_temperature_reader(-60.0, 100.0), "temperature", low=-60.0, high=100.0)]
TemperatureDifference = Annotated[Quantity, *_quantity("temperature difference", high=100.0)]
PositiveDifference = Annotated[Quantity, *_quantity("temperature difference", above=0.0, high=100.0)]
EnergyPrice = Annotated[Price, *_field(_read_price, "energy price", Price, low=None, possible=ENERGY_PRICE)]
DataPrice = Annotated[Price, *_field(_read_data_price, "data price", Price, possible=DATA_PRICE)]
CarbonCost = Annotated[Price, *_field(_read_carbon_price, "carbon price", Price, possible=CARBON_PRICE)]
"""Of a mass of CO2e: a tax, an allowance, an internal price."""
ZoneName = Annotated[str, AfterValidator(_read_zone)]
"""The name of a time zone in the IANA database, such as ``Europe/Berlin``."""
Duration = Annotated[Nanoseconds, *_field(_duration_reader(0), "duration", Nanoseconds)]
PositiveDuration = Annotated[Nanoseconds, *_field(_duration_reader(1), "duration", Nanoseconds)]
LookInterval = Annotated[Nanoseconds, *_field(_duration_reader(10_000_000), "duration", Nanoseconds)]
"""How often a rule looks, 10 ms at the least: a run of a day at every nanosecond would never end."""
MTBF = Annotated[Quantity, *_quantity("duration", above=0.0, possible=MTBF_RANGE, example="2000 h")]
"""A mean time in s that may be longer than any run, such as one part's between failures."""
Lifetime = Annotated[
    Nanoseconds,
    *_field(_duration_reader(1, LIFETIME), "duration", Nanoseconds, possible=LIFETIME, example="6 years"),
]
Allowance = Annotated[
    Nanoseconds | Share,
    *_field(_share_or(_duration_reader(0), 100.0), "duration", (Quantity, Nanoseconds), or_share=True),
]
CapLevel = Annotated[
    Quantity,
    *_field(
        _share_or(_reader("power", None, 0.0, None, DEVICE_POWER), 1.0), "power", or_share=True, possible=DEVICE_POWER
    ),
]
SignalLevel = Annotated[
    Quantity,
    PlainValidator(_once(_read_level, Quantity)),
    PlainSerializer(_text),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "[0-9]",  # a word may stand beside it
            "description": "carbon intensity or energy price, e.g. '300 gCO2e/kWh' or '0.12 USD/kWh'",
            "examples": ["300 gCO2e/kWh", "0.12 USD/kWh"],
        }
    ),
]
