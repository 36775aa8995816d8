"""What a scenario holds that is possible and far from what is built today: it is run, and told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim.documents import KeyPath
from sim.paths import joined
from sim.quantities import Nanoseconds, Quantity
from sim.spec.scenario import Scenario
from sim.validation import Spec

MOST_REMARKS = 20


def remarks(scenario: Scenario) -> list[str]:
    """A line for each unusual quantity, with its path; the first twenty of them."""
    found = [f"{joined(path)}: {value.text} {value.remark}" for path, value in _unusual(scenario, ())]
    more = len(found) - MOST_REMARKS
    return found if more <= 0 else [*found[:MOST_REMARKS], f"and {more} more unusual quantities"]


def _unusual(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Quantity | Nanoseconds]]:
    if isinstance(value, Quantity | Nanoseconds):
        if value.remark is not None:
            yield path, value
    elif isinstance(value, Spec):
        for name in type(value).model_fields:
            yield from _unusual(getattr(value, name), (*path, name))
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _unusual(item, (*path, str(name)))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _unusual(item, (*path, number))
