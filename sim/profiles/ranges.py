"""The numbers of a profile, those that have a range, and the profile with some of them at other values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError

from sim.errors import InputError
from sim.plain import as_mapping, as_whole
from sim.profiles.sourced import Profile, Sourced
from sim.quantities import Nanoseconds, Quantity

OWN_LAW = "embodied."
"""Begins the numbers that have a range of another form: a low, a central and a high of their own."""
P = TypeVar("P", bound=Profile)


class Range(NamedTuple):
    """A number of a profile by its dotted path, and the bounds that its source gives, in SI."""

    path: str
    low: float
    value: float
    high: float


def numbers_of(value: Any, path: str = "") -> Iterator[tuple[str, Sourced[Any]]]:
    """Every number of a profile with its source, by its dotted path below ``path``."""
    match value:
        case Sourced():
            yield path, value
        case dict() | BaseModel():
            for name, item in dict(value).items():
                yield from numbers_of(item, f"{path}.{name}" if path else str(name))


def ranges_of(profile: Profile) -> tuple[Range, ...]:
    """Its numbers whose source gives a low and a high that differ, without embodied carbon and what counts."""
    return tuple(
        Range(path, float(one.low), float(one.value), float(one.high))
        for path, one in numbers_of(profile)
        if not path.startswith(OWN_LAW)
        and one.low is not None
        and one.high is not None
        and one.low < one.high
        and (as_whole(one.value) is None or isinstance(one.value, Nanoseconds))
    )


def with_numbers(profile: P, values: Mapping[str, float]) -> P:
    """The profile with numbers at other values, by dotted path and in SI, and without the ranges of these.

    Raises ``InputError`` where no such thing can be, as the profile's own checks have it.
    """
    changed: P = _changed(profile, "", values, profile.name)
    return changed


def _changed(value: Any, path: str, values: Mapping[str, float], name: str) -> Any:
    if path in values:
        number = values[path]
        written: Any = Quantity.of(number, repr(number)) if isinstance(value.value, Quantity) else number
        if isinstance(value.value, Nanoseconds):
            written = Nanoseconds.of(round(number), f"{round(number)} ns")
        return value.model_copy(update={"value": written, "low": None, "high": None})
    if not any(wanted.startswith(f"{path}." if path else "") for wanted in values):
        return value
    named = as_mapping(value)
    parts = named if named is not None else {one: getattr(value, one) for one in value.model_fields_set}
    made = {one: _changed(part, f"{path}.{one}" if path else str(one), values, name) for one, part in parts.items()}
    if named is not None:
        return made
    try:
        return type(value).model_validate(made)
    except ValidationError as error:
        raise InputError.one("<profiles>", f"'{name}' cannot be so: {error.errors()[0]['msg']}") from None
