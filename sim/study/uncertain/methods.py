"""Factors of methods within the ranges that their sources give, each by itself: triangular, likeliest at its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.build.method_uses import profiles_of_methods
from sim.build.resolved import Resolved
from sim.profiles.methods import MethodProfile
from sim.spec.uncertainty import METHODS
from sim.study.uncertain import distributions as laws
from sim.study.uncertain.inputs import Changes, Floats, Input, with_value
from sim.validation import nearest


@dataclass(frozen=True)
class MethodFactors(Input):
    """The factors of one method that have a range."""

    path: str
    method: MethodProfile
    ranges: tuple[tuple[str, float, float, float], ...]
    """As ``MethodProfile.ranges``."""

    @property
    def columns(self) -> tuple[str, ...]:
        """One score a factor."""
        return tuple(f"{self.path}.{name}" for name, *_ in self.ranges)

    def draw(self, scores: Floats, into: Changes) -> None:
        """The profile with its factors as drawn."""
        drawn = {}
        for (name, low, value, high), score in zip(self.ranges, scores.tolist(), strict=True):
            factor = float(laws.triangular(low, value, high)(laws.shares(np.array([score])))[0])
            drawn[name] = with_value(getattr(self.method, name), min(max(factor, low), high))
        into.profiles[self.method.name, MethodProfile] = self.method.model_copy(update=drawn)


def factors_of(path: str, resolved: Resolved, problem: Callable[[str], None]) -> MethodFactors | None:
    """Those of the method that ``path`` names. Calls ``problem`` with what speaks against it."""
    name = path.removeprefix(METHODS)
    used = sorted(profiles_of_methods(resolved))
    if name not in used:
        problem(f"no workload has a method '{name}'{nearest(name, used)}  ({', '.join(used)})")
        return None
    method = resolved.catalog.method(name)
    ranges = method.ranges
    if not ranges:
        problem(f"the source of '{name}' gives no range; write the method out, with a distribution for each factor")
        return None
    return MethodFactors(path, method, ranges)
