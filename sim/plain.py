"""Data whose types nobody vouches for (JSON, YAML, what a tool printed), asked for by the type that is wanted.

Each function gives the value, or None where it is something else: whoever asks knows the file, the line and the words
in which to say so. ``true`` and ``false`` are no numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_NO_MAPPINGS = frozenset((str, int, float, bool, list, type(None)))


def as_mapping(value: object) -> Mapping[str, Any] | None:
    """A mapping of names to values, such as an object of JSON."""
    if type(value) in _NO_MAPPINGS:  # most values are; to ask for the abstract class takes ten times as long
        return None
    return value if isinstance(value, dict | Mapping) else None


def as_list(value: object) -> list[Any] | None:
    """A list, such as an array of JSON."""
    return value if isinstance(value, list) else None


def as_text(value: object) -> str | None:
    """A text."""
    return value if isinstance(value, str) else None


def as_number(value: object) -> float | None:
    """A number, whole or not; one without a point stays an ``int``."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def as_whole(value: object) -> int | None:
    """A number that was written without a point."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def spelled(value: object) -> float:
    """A finite number, or the one that a text spells; NaN for anything else."""
    try:
        number = float(value) if isinstance(value, str) else as_number(value)
        return float(number) if number is not None and math.isfinite(number) else math.nan
    except (ValueError, OverflowError):
        return math.nan


def under(value: object, *names: str) -> Any:
    """What stands under ``names``, each within the one before; None where there is nothing."""
    for name in names:
        value = (as_mapping(value) or {}).get(name)
    return value


def inside(value: object) -> Iterable[tuple[Any, Any]]:
    """What stands in a mapping by its name, or in a list by its number from 0; nothing in anything else."""
    named = as_mapping(value)
    return named.items() if named is not None else enumerate(as_list(value) or ())


def texts_in(value: object) -> Iterator[str]:
    """Every text in it, at any depth."""
    if isinstance(value, str):
        yield value
    for _, item in inside(value):
        yield from texts_in(item)


def has(value: object, names: Iterable[str]) -> bool:
    """Whether it is a mapping in which all of ``names`` stand."""
    return set(names) <= set(as_mapping(value) or ())


def nested(value: object) -> bool:
    """Whether it is a mapping or a list: values within a value."""
    return as_mapping(value) is not None or as_list(value) is not None


def one_or_more(value: object) -> list[Any]:
    """The items of a list; of anything else, that alone."""
    found = as_list(value)
    return [value] if found is None else found
