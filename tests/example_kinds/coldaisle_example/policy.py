"""A cap on GPUs for the first hours of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from sim.build.power.caps import Listed
from sim.quantities import CapLevel, PositiveDuration
from sim.signals import Signal
from sim.spec.policies import Cap


class AtFirst(Cap):
    """GPUs draw less until ``lasts`` is over."""

    example: ClassVar[dict[str, Any]] = {"target": "tune", "cap": "60 %", "lasts": "1 h"}

    kind: Literal["at-first"]
    cap: CapLevel
    lasts: PositiveDuration

    @property
    def levels(self) -> Sequence[CapLevel]:
        """The one there is."""
        return [self.cap]


def at_first(policy: AtFirst, watts: Sequence[float], _signals: Mapping[str, Signal], _start_ns: int) -> Listed:
    """On from the start of the run, off when it is over."""
    return Listed(((0, watts[0]), (int(policy.lasts), None)))
