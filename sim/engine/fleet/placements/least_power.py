"""Where it costs least power: efficient pools first, and as few nodes awake as can be."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

from sim.engine.fleet.machines import BOOTING, OFF, ON, Machines
from sim.engine.fleet.placements.packed import Packed, packed
from sim.engine.fleet.placements.parts import first_pool
from sim.engine.fleet.request import Places, Request


@dataclass(frozen=True)
class LeastPower:
    """Of the pools where a job may stand, those named in ``order`` come first, the most efficient first of all, then
    the others as the job prefers them. Within a pool it is packed on the fullest nodes, so that others empty and can
    sleep. A pool in which it would wake no node comes before all in which it would.
    """

    order: tuple[str, ...]

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the most efficient of its pools that has room, on nodes that are awake if there are any."""
        known = [machines.number[name] for name in self.order if name in machines.number]
        first = [pool for pool in known if pool in request.pools]
        ordered = copy(request)
        ordered.pools = (*first, *(pool for pool in request.pools if pool not in first))
        sleeping: Places | None = None
        for pool in ordered.pools:
            ordered_in = copy(ordered)
            ordered_in.pools = (pool,)
            found = first_pool(ordered_in, machines, packed)
            if found is not None and all(machines.rank[place.node] in (ON, BOOTING) for place in found):
                return found
            if found is not None and sleeping is None:
                assert any(machines.rank[place.node] == OFF for place in found)
                sleeping = found
        return sleeping

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether free slots are all that counts: as for packed ones."""
        return Packed().by_count(request, machines, pool)
