"""A range of numbers or of quantities of one unit, as a study writes it: ``[100 W, 400 W, 4]``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sim.plain import as_number, as_text, as_whole

_QUANTITY = re.compile(r"\s*([+-]?(?:\d+(?:_\d+)*(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*(\S.*?)?\s*")
MOST_STEPS = 1_000_000
DIGITS = 12
"""Of a value within a range: fewer than a float holds, so that 0.1 + 0.2 reads 0.3."""


def split_quantity(value: Any) -> tuple[float, str] | None:
    """``'100 W'`` -> ``(100.0, 'W')``; a number has no unit; None for anything else."""
    number = as_number(value)
    if number is not None:
        return float(number), ""
    match = _QUANTITY.fullmatch(as_text(value) or "")
    return (float(match[1]), match[2] or "") if match is not None else None


@dataclass(frozen=True)
class Range:
    """From ``low`` to ``high`` in ``unit``; ``whole`` numbers, or even steps of the logarithm; ``count`` of them."""

    low: float
    high: float
    unit: str
    whole: bool
    log: bool
    count: int | None

    def at(self, share: float) -> Any:
        """The value ``share`` of the way, as one writes it."""
        linear = self.low + (self.high - self.low) * share
        return self._written(self.low * (self.high / self.low) ** share if self.log else linear)

    def drawn(self, u: float) -> Any:
        """The value at ``u`` in [0, 1) of a uniform draw: every whole number has the same chance."""
        if self.whole and not self.log:
            return int(self.low) + int(u * (self.high - self.low + 1))
        return self.at(u)

    def levels(self) -> list[Any]:
        """All ``count`` values, ends included."""
        count = self.count or 1
        if count == 1:
            return [self.at(0.0)]
        return list(dict.fromkeys(self.at(i / (count - 1)) for i in range(count)))

    def _written(self, value: float) -> Any:
        if self.whole:
            return round(value)
        rounded = float(f"{value:.{DIGITS}g}")
        if not self.unit:
            return rounded
        return f"{int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded!r} {self.unit}"


def read_range(given: Sequence[Any], step: Any, *, log: bool) -> Range:
    """A range as written in a study. Raises ``ValueError`` saying what is wrong."""
    if not 2 <= len(given) <= 3:
        raise ValueError("must be [first, last] or [first, last, how many]")
    ends = [split_quantity(value) for value in given[:2]]
    if ends[0] is None or ends[1] is None:
        raise ValueError("its ends must be numbers or quantities such as '100 W'")
    (low, unit), (high, other) = ends[0], ends[1]
    if unit != other:
        raise ValueError(f"its ends must have one unit, not '{unit}' and '{other}'")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError("its last must be above its first")
    if log and low <= 0:
        raise ValueError("a log scale needs ends above zero")
    whole = all(as_whole(value) is not None for value in given[:2])
    count = _count(given, step, low, high, unit, log=log)
    by = None if step is None else split_quantity(step)
    if whole and by is not None and not by[0].is_integer():
        whole = False
    return Range(low, high, unit, whole, log, count)


def _count(given: Sequence[Any], step: Any, low: float, high: float, unit: str, *, log: bool) -> int | None:
    if len(given) == 3:
        if step is not None:
            raise ValueError("give either how many or a 'step', not both")
        count = as_whole(given[2])
        if count is None or not 2 <= count <= MOST_STEPS:
            raise ValueError(f"how many must be a whole number from 2 to {MOST_STEPS:,}")
        return count
    if step is None:
        return None
    by = split_quantity(step)
    if log:
        raise ValueError("a 'step' does not go with a log scale; say how many")
    if by is None or by[0] <= 0 or by[1] != unit:
        raise ValueError(f"its step must be a positive number{' of ' + unit if unit else ''}")
    steps = (high - low) / by[0]
    if abs(steps - round(steps)) > 1e-9 * max(1.0, steps) or steps > MOST_STEPS:
        raise ValueError("its step must lead from the first to the last")
    return round(steps) + 1
