"""Numbers of a profile within the ranges that its sources give, each by itself: triangular, likeliest at its value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.build.resolved import Resolved
from sim.profiles.ranges import Range, ranges_of, with_numbers
from sim.profiles.sourced import Profile
from sim.results.stated import fuels_named
from sim.running.manifest import profiles_used
from sim.spec.uncertainty import PROFILES
from sim.study.uncertain import distributions as laws
from sim.study.uncertain.inputs import Changes, Floats, Input
from sim.validation import nearest


@dataclass(frozen=True)
class ProfileRanges(Input):
    """The numbers of one profile that have a range."""

    path: str
    profile: Profile
    ranges: tuple[Range, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """One score a number."""
        return tuple(f"{self.path}.{one.path}" for one in self.ranges)

    def draw(self, scores: Floats, into: Changes) -> None:
        """The profile with its numbers as drawn. Raises ``InputError`` where no such thing could be."""
        drawn = {}
        for one, score in zip(self.ranges, scores.tolist(), strict=True):
            number = float(laws.triangular(one.low, one.value, one.high)(laws.shares(np.array([score])))[0])
            drawn[one.path] = min(max(number, one.low), one.high)
        key = self.profile.name, type(self.profile)
        into.profiles[key] = with_numbers(into.profiles.get(key, self.profile), drawn)


def ranges_used(path: str, resolved: Resolved, problem: Callable[[str], None]) -> ProfileRanges | None:
    """Those of the profile that ``path`` names. Calls ``problem`` with what speaks against it."""
    name = path.removeprefix(PROFILES)
    used = sorted({*profiles_used(resolved), *fuels_named(resolved.scenario.model_dump(mode="json"))})
    if name not in used:
        problem(f"this scenario rests on no profile '{name}'{nearest(name, used)}  ({', '.join(used)})")
        return None
    profile = resolved.catalog.read(name)
    ranges = ranges_of(profile)
    if not ranges:
        problem(f"the sources of '{name}' give no range of any of its numbers; give paths of the scenario instead")
        return None
    return ProfileRanges(path, profile, ranges)
