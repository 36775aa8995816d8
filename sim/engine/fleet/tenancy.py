"""Who has parts of which slot, in pools where it takes more than a sum to say whether another has room there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sim.engine.fleet.request import Place, Request
from sim.later import later

with later():
    from sim.profiles.shared_gpu.tenants import Part


if TYPE_CHECKING:
    from sim.profiles.shared_gpu.tenants import SharedGPU


class Tenancy:
    """``sharing`` is the way of each pool, None where parts only add up."""

    def __init__(self, sharing: Sequence[SharedGPU | None]) -> None:
        self._sharing = tuple(sharing)
        self._there: dict[tuple[int, int], tuple[Part, ...]] = {}

    def copy(self) -> Tenancy:
        """The same, to be changed on its own."""
        twin = Tenancy(self._sharing)
        twin._there = self._there.copy()
        return twin

    def allows(self, pool: int, node: int, slot: int, milli: int) -> bool:
        """Whether those who are there leave room for another part."""
        sharing = self._sharing[pool]
        return sharing is None or sharing.start(self._there.get((node, slot), ()), milli) is not None

    def join(self, pool: int, request: Request, place: Place) -> None:
        """A request has a part of a slot that there was room for."""
        sharing = self._sharing[pool]
        if sharing is not None:
            there = self._there.get((place.node, place.slot), ())
            start = sharing.start(there, place.milli)
            assert start is not None, "there was room"
            self._there[place.node, place.slot] = (*there, Part(request.seq, place.milli, start))

    def leave(self, request: Request, place: Place) -> None:
        """It gives it back."""
        there = self._there.pop((place.node, place.slot), ())
        if left := tuple(part for part in there if part.holder != request.seq):
            self._there[place.node, place.slot] = left
