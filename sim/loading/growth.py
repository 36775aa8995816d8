"""Puts the year of a scenario into it: numbers that its laws of growth give take the place of those written."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from sim.documents import Document, KeyPath, key_path
from sim.errors import Problem
from sim.later import later
from sim.plain import as_mapping

with later():
    from sim.spec.growth import Growth


MOST = 1e12
"""Times as much, or as little, as there was: beyond that a law is mistaken."""


def tops(data: Mapping[str, Any]) -> frozenset[str]:
    """The sections that growth changes."""
    growth = as_mapping(data.get("growth")) or {}
    numbers = [as_mapping(number) or {} for number in (as_mapping(growth.get("numbers")) or {}).values()]
    return frozenset(str(number.get("path", "")).partition(".")[0] for number in numbers) & data.keys()


Assign = Callable[[Any, KeyPath, Any], str | None]


def grow(document: Document, overridden: Iterable[str], assign: Assign, problems: list[Problem]) -> None:
    """Changes the data of ``document``, whose sections are its own, to what they are in the year of its growth.

    Growth that does not hold together changes nothing: what is wrong with it is told where a scenario is checked. Of
    ``overridden`` paths those are problems that growth decides, which would otherwise do nothing.
    """
    written = document.data.get("growth")
    if written is None:
        return
    from sim.build.growth import grown_values, levels

    try:
        growth = Growth.model_validate(written)
    except ValidationError:
        return
    beyond = {name: level for name, level in levels(growth).items() if not 1.0 / MOST <= level <= MOST}
    for name, level in beyond.items():
        told = f"gives {level:.3g} times as much in {growth.year:g}, beyond all growth: from {1 / MOST:g} to {MOST:g}"
        problems.append(document.problem(("growth", "laws", name), told))
    if beyond:
        return
    for name, value in grown_values(growth).items():
        path = growth.numbers[name].path
        keys = key_path(path)
        place: KeyPath = ("growth", "numbers", name)
        for other in overridden:
            if _within(key_path(other), keys):  # of what lies above it, the rest counts
                told = f"is decided by growth in this scenario: change 'now' of growth.numbers.{name}, or its laws"
                problems.append(Problem(document.place(key_path(other)).file, None, other, told))
        if isinstance(document.at(*keys), dict | list):
            problems.append(document.problem(place, "is no single number in this scenario"))
            continue
        fault = assign(document.data, keys, value)
        if fault is not None:
            problems.append(document.problem(place, fault))
            continue
        document.places[keys] = document.place(place)


def _within(inner: KeyPath, outer: KeyPath) -> bool:
    return inner[: len(outer)] == outer
