"""Classes that a scenario is written with and their fields, for tests that each field has a row of a table."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, get_args

from sim import kinds
from sim.later import meant
from sim.validation import Spec


def below(annotation: Any) -> Iterator[type[Spec]]:
    """Classes that may be written where something is annotated so."""
    annotation = meant(annotation)
    if isinstance(annotation, type) and issubclass(annotation, kinds.Choice):
        yield from annotation.alternatives()
    elif isinstance(annotation, type) and issubclass(annotation, Spec):
        yield annotation
    else:
        for part in get_args(annotation):
            yield from below(part)


def all_below(first: Iterable[type[Spec]], elsewhere: Callable[[type[Spec]], bool]) -> set[type[Spec]]:
    """The first classes and all that may be written in them; none of what is tested ``elsewhere``, or of another
    package, and nothing that may be written in that alone."""
    waiting, found = list(first), set[type[Spec]]()
    while waiting:
        spec = waiting.pop()
        if spec in found or elsewhere(spec) or not spec.__module__.startswith("sim."):
            continue
        found.add(spec)
        waiting += [each for field in spec.model_fields.values() for each in below(field.annotation)]
    return found


def without_row(spec: type[Spec], told: Collection[str]) -> list[str]:
    """Fields of a class with a value of their own that are not among those that are ``told``."""
    return [
        f"{spec.__name__}.{name}"
        for name, field in spec.model_fields.items()
        if name not in ("kind", *told) and not any(below(field.annotation))
    ]
