"""A control of the what-if page: one value of a scenario that can be moved, as the page needs it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Control:
    """One value of a scenario that can be moved.

    ``value`` is as the scenario writes it, empty where it says nothing; ``number`` is it without its ``unit``, where a
    slider has ends, or where the slider stands while it says nothing. ``choices`` are values with the words for each.
    ``written`` is what a value is put into, in the place of its ``@``, where it is more than the value.
    """

    path: str
    label: str
    kind: Literal["number", "choice", "text"]
    value: str
    usual: bool
    prices: bool
    says: str = ""
    example: str = ""
    number: float | None = None
    unit: str = ""
    low: float | None = None
    high: float | None = None
    step: float | None = None
    choices: tuple[tuple[str, str], ...] = ()
    written: str = "@"

    def as_dict(self) -> dict[str, Any]:
        """As plain data for the page."""
        return asdict(self)


def named(*words: str) -> tuple[tuple[str, str], ...]:
    """Choices that say themselves."""
    return tuple((word, word) for word in words)
