"""What a scheduler inside another sees: the same fleet, without some of those that wait or hold machines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.request import Request
from sim.engine.fleet.scheduling import View
from sim.signals import Signal


@dataclass(frozen=True, eq=False)
class Seen:
    """A view with another queue, and, where they are told, other machines and others who run on them."""

    view: View
    waiting: Sequence[Request]
    machines: Machines
    hidden: frozenset[Request] = frozenset()
    """Who runs and is not seen."""

    @property
    def now_ns(self) -> int:
        """The present."""
        return self.view.now_ns

    @property
    def running(self) -> Collection[Request]:
        """Who holds machines, and is seen."""
        if not self.hidden:
            return self.view.running
        return [one for one in self.view.running if one not in self.hidden]

    def ends(self, pool: int) -> Sequence[tuple[int, int, Request]]:
        """Who of those gives machines back, and when."""
        ends = self.view.ends(pool)
        return [end for end in ends if end[2] not in self.hidden] if self.hidden else ends

    def usage(self, by: str, half_life_ns: int | None) -> dict[str, float]:
        """What everybody has held."""
        return self.view.usage(by, half_life_ns)

    def held(self, by: str) -> Mapping[str, int]:
        """What everybody holds."""
        return self.view.held(by)

    def signal(self, pool: int, name: str) -> Signal | None:
        """A signal of the site of a pool."""
        return self.view.signal(pool, name)
