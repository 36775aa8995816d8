"""Interpolation between measured kernels, and what is known of each answer.

One rule for every axis: linear in the logarithms between the two measured neighbours, which is exact for a power law
and stays between them; beyond the last measured size, the law's own ratio from that size on. A kernel that was measured
in that shape is ``MEASURED``, one between two others ``INTERPOLATED``, one taken from another shape, another kernel of
the same format or another framework ``BORROWED``, and what only the roofline tells ``ROOFLINE``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Known = npt.NDArray[np.int8]

MEASURED, INTERPOLATED, BORROWED, ROOFLINE = range(4)
WAYS = ("measured", "interpolated", "borrowed", "roofline")
"""How an answer is known, the surest first."""

Law = Callable[[Floats], Floats]
"""Seconds by size as the roofline has them; only its ratios are used where something was measured."""


@dataclass(frozen=True, eq=False)
class Answer:
    """Seconds (T,) of a kernel, and how each is known, as places in ``WAYS``."""

    seconds: Floats
    known: Known

    def __post_init__(self) -> None:
        assert self.seconds.shape == self.known.shape

    def at_most(self, way: int) -> Answer:
        """The same, known no better than this."""
        return Answer(self.seconds, np.maximum(self.known, np.int8(way)))

    def plus(self, other: Answer) -> Answer:
        """One after the other; each second keeps how it is known only as far as the longer one says."""
        longer = np.where(self.seconds >= other.seconds, self.known, other.known)
        return Answer(self.seconds + other.seconds, longer.astype(np.int8))

    def beyond(self, floor_s: float, factor: Floats | float) -> Answer:
        """So many times as long beyond a floor that all sizes share: another shape of the same kernel."""
        more = np.maximum(self.seconds - floor_s, 0.0) * factor
        return Answer(np.where(self.seconds > 0.0, np.minimum(self.seconds, floor_s) + more, 0.0), self.known)

    def times(self, factor: Floats | float) -> Answer:
        """So many times as long."""
        return Answer(self.seconds * factor, self.known)


def guessed(seconds: Floats) -> Answer:
    """What the roofline says alone."""
    return Answer(seconds, np.full(seconds.shape, ROOFLINE, dtype=np.int8))


@dataclass(frozen=True, eq=False)
class Curve:
    """Seconds ``y`` at the sizes ``x``, which rise, both above zero, and how each point is known."""

    x: Floats
    y: Floats
    known: Known

    @classmethod
    def of(cls, x: npt.NDArray[Any], y: Floats, way: int = MEASURED) -> Curve | None:
        """Of rows in any order, the fastest of those of equal size; None of none with a size."""
        x = np.asarray(x, dtype=np.float64)
        x, y = x[x > 0.0], y[x > 0.0]
        if not len(x):
            return None
        order = np.lexsort((y, x))
        sizes, first = np.unique(x[order], return_index=True)
        return cls(sizes, y[order][first], np.full(len(sizes), way, dtype=np.int8))

    def below(self, other: Curve | None) -> Curve:
        """With points of another below its own smallest."""
        if other is None:
            return self
        keep = other.x < self.x[0]
        parts = ((getattr(other, name)[keep], getattr(self, name)) for name in ("x", "y", "known"))
        return Curve(*(np.concatenate(pair) for pair in parts))

    def at(self, sizes: Floats, law: Law) -> Answer:
        """Seconds of ``sizes`` (any shape) between, at and beyond the measured ones."""
        inside = np.clip(sizes, self.x[0], self.x[-1])
        above = np.searchsorted(self.x, inside)
        under = np.maximum(above - 1, 0)
        exact = self.x[above] == inside
        seconds = np.exp(np.interp(np.log(inside), np.log(self.x), np.log(self.y)))
        seconds = np.where(exact, self.y[above], np.clip(seconds, *np.sort([self.y[under], self.y[above]], axis=0)))
        worse = np.maximum(self.known[under], self.known[above])
        known = np.where(exact, self.known[above], np.maximum(worse, np.int8(INTERPOLATED)))
        outside = (sizes != inside) & (sizes > 0.0)
        if outside.any():
            ratio = law(np.where(outside, sizes, 1.0)) / law(np.where(outside, inside, 1.0))
            seconds = np.where(outside, seconds * ratio, seconds)
            known = np.where(outside, np.int8(ROOFLINE), known)
        return Answer(np.where(sizes > 0.0, seconds, 0.0), known.astype(np.int8))


def neighbours(axis: Sequence[float], wanted: float) -> list[tuple[float, float]]:
    """Measured places around ``wanted`` and their weights, which sum to 1: itself, the two beside it, or the end."""
    places = sorted(set(axis))
    if wanted <= places[0] or wanted >= places[-1]:
        return [(places[0] if wanted <= places[0] else places[-1], 1.0)]
    above = next(place for place in places if place >= wanted)
    if above == wanted:
        return [(above, 1.0)]
    below = places[places.index(above) - 1]
    share = float(np.log(wanted / below) / np.log(above / below))
    return [(below, 1.0 - share), (above, share)]


def between(answers: Sequence[tuple[Answer, float]]) -> Answer:
    """The weighted mean of logarithms of some answers; known no better than the worst of them."""
    if len(answers) == 1:
        return answers[0][0]
    some = np.all([answer.seconds > 0.0 for answer, _ in answers], axis=0)
    logs = sum(weight * np.log(np.where(some, answer.seconds, 1.0)) for answer, weight in answers)
    known = np.max([answer.known for answer, _ in answers], axis=0)
    return Answer(np.where(some, np.exp(logs), 0.0), np.maximum(known, np.int8(INTERPOLATED)))
