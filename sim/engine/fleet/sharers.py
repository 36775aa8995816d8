"""Rows that have parts of one GPU: what each does there changes how fast the others go, and what they draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.request import Places
from sim.profiles.shared_gpu.tenants import MILLI, Tenant

if TYPE_CHECKING:
    from sim.engine.fleet.row import Row
    from sim.profiles.shared_gpu.tenants import SharedGPU, Terms

GPU = tuple[int, int]
"""Its node, and its slot there."""


class Shared(NamedTuple):
    """A GPU, how it is shared, and who has a part of it: whether each is at work (None: it has done nothing yet)."""

    gpu: GPU
    sharing: SharedGPU
    there: Mapping[Row, bool | None]


class Sharers:
    """Of all GPUs whose pool says how they are shared: who has a part of them, and whether it is at work."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self._there: dict[GPU, dict[Row, bool | None]] = {}

    def join(self, row: Row, places: Places) -> GPU | None:
        """The GPU of which a row has a part from now on; None where it has none, or nobody heeds the others."""
        place = places[0]
        if not place.milli or self._machines.pools[self._machines.pool_of[place.node]].sharing is None:
            return None
        gpu = place.node, place.slot
        self._there.setdefault(gpu, {})[row] = None
        return gpu

    def at(self, gpu: GPU) -> Shared:
        """Who has a part of a GPU now."""
        return Shared(gpu, self._sharing(gpu), self._there[gpu])

    def does(self, row: Row, gpu: GPU, *, at_work: bool) -> Terms:
        """What it does from now on, and what it gets; the others are told what they get."""
        there = self._there[gpu]
        changed = there[row] is not at_work
        there[row] = at_work
        return self._settle(gpu, row, tell=changed)[row]

    def leave(self, row: Row, gpu: GPU, *, tell: bool) -> None:
        """It gives its part back. Others are not told where their node has failed: they are about to leave, too."""
        del self._there[gpu][row]
        if not self._there[gpu]:
            del self._there[gpu]
        elif tell:
            self._settle(gpu, row, tell=True)

    def _settle(self, gpu: GPU, of: Row, *, tell: bool) -> dict[Row, Terms]:
        there = self._there[gpu]
        tenants = sorted(((tenant(row, bool(at_work)), row.number) for row, at_work in there.items()))
        found = self._sharing(gpu).terms(tuple(tenant for tenant, _ in tenants))
        by_number = {number: terms for (_, number), terms in zip(tenants, found, strict=True)}
        terms_of = {row: by_number[row.number] for row in there}
        if tell:
            for row, terms in terms_of.items():
                if row is not of:
                    row.share(terms)
        return terms_of

    def _sharing(self, gpu: GPU) -> SharedGPU:
        sharing = self._machines.pools[self._machines.pool_of[gpu[0]]].sharing
        assert sharing is not None
        return sharing


def tenant(row: Row, at_work: bool) -> Tenant:
    """A row as the law of sharing sees it."""
    milli = row.request.places[0].milli
    return Tenant(milli, max(0.0, row.active_w - row.loaded_w) * milli / MILLI, at_work)
