"""How far ours may be from a published number, and whether it is."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

Rule = Literal["relative", "points", "factor", "at least", "at most", "sign", "none"]

_FORMS = (
    (re.compile(r"(\d+(?:\.\d+)?) ?%"), "relative"),
    (re.compile(r"(\d+(?:\.\d+)?) points?"), "points"),
    (re.compile(r"factor (\d+(?:\.\d+)?)"), "factor"),
)


@dataclass(frozen=True)
class Tolerance:
    """A rule and its size: a share of the published number, units of it, or a factor; 0 where the rule has none."""

    rule: Rule
    size: float = 0.0

    def holds(self, ours: float, low: float, high: float) -> bool:
        """Whether ``ours`` is within the tolerance of a published number, or of a range of them.

        ``low`` and ``high`` are the same for a number. What is not finite is within nothing.
        """
        if not math.isfinite(ours) or self.rule == "none":
            return False
        if self.rule == "at least":
            return ours >= low
        if self.rule == "at most":
            return ours <= high
        if self.rule == "sign":
            return (ours > 0) == (low > 0) and (ours < 0) == (high < 0)
        if self.rule == "factor":
            if min(low, high, ours) <= 0 <= max(low, high, ours):
                return False
            least, most = sorted((abs(low), abs(high)))
            return least / self.size <= abs(ours) <= most * self.size
        points = self.rule == "points"
        before, after = (self.size, self.size) if points else (self.size * abs(low), self.size * abs(high))
        slack = 1e-12 * max(abs(low), abs(high))  # of the binary fractions that decimals become
        return low - before - slack <= ours <= high + after + slack

    def strain(self, ours: float, low: float, high: float) -> float:
        """How much of the tolerance is used up, 1 at its edge; to find the worst of several."""
        if self.holds(ours, low, high) and self.rule in ("at least", "at most", "sign", "none"):
            return 0.0
        near = min(max(ours, low), high)
        if self.rule == "points":
            return abs(ours - near) / self.size if self.size else math.inf
        if self.rule == "relative":
            return abs(ours - near) / (self.size * abs(near)) if self.size and near else math.inf
        if self.rule == "factor" and near and ours / near > 0:
            return abs(math.log(ours / near)) / math.log(self.size)
        return math.inf


def read_tolerance(text: str) -> Tolerance:
    """``'1 %'``, ``'2 points'`` (in its unit), ``'factor 2'``, ``'at least'``, ``'at most'``, ``'sign'``, ``'none'``.

    Raises ``ValueError`` with what is allowed for anything else.
    """
    for form, rule in _FORMS:
        found = form.fullmatch(text.strip())
        if found is None:
            continue
        size = float(found[1])
        if rule == "relative":
            return Tolerance("relative", size / 100)
        if rule == "points":
            return Tolerance("points", size)
        if size > 1:
            return Tolerance("factor", size)
    for word in ("at least", "at most", "sign", "none"):
        if text.strip() == word:
            return Tolerance(word)
    raise ValueError("must be '1 %', '2 points', 'factor 2' (above 1), 'at least', 'at most', 'sign' or 'none'")
