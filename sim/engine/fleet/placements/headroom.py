"""Where power is left: nodes of the domains that leave most, and none where a job would take more than that."""

from __future__ import annotations

from dataclasses import dataclass

from sim.engine.fleet.machines import AWAY, Machines, PowerRoom
from sim.engine.fleet.placements.packed import packed
from sim.engine.fleet.placements.parts import first_pool, room_for
from sim.engine.fleet.request import WHOLE, Place, Places, Request


@dataclass(frozen=True)
class Headroom:
    """On as few nodes as can be, each time the one whose power domains leave most; of equals the fullest. It waits
    where no domain leaves ``slot_w`` for each slot that it takes: W at the plugs that a slot at work adds.

    What jobs that have started will still come to draw is left to them. Without limits it is as packed.
    """

    slot_w: float

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room, and power for it."""
        if machines.power_room is None:
            return first_pool(request, machines, packed)
        for pool in request.pools:
            found = self._in(request, machines, pool, machines.power_room(self.slot_w))
            if found is not None:
                return found
        return None

    def by_count(self, _request: Request, _machines: Machines, _pool: int) -> bool:
        """Power counts, too."""
        return False

    def _in(self, request: Request, machines: Machines, pool: int, room: PowerRoom) -> Places | None:
        if not request.slots:
            found = packed(request, machines, pool)
            short = found is not None and room.left_w(found[0].node) < self.slot_w * found[0].milli / WHOLE
            return None if short else found
        chosen: list[Place] = []
        for slots in _parts(request, machines.pools[pool].slots):
            node = self._best(request, machines, pool, slots, room, {place.node for place in chosen})
            if node is None:
                return None
            room.take_w(node, slots * self.slot_w)
            chosen.append(Place(node, slots))
        return tuple(chosen)

    def _best(
        self, request: Request, machines: Machines, pool: int, slots: int, room: PowerRoom, taken: set[int]
    ) -> int | None:
        best: tuple[int, float, int, int] | None = None
        for node in machines.of_pool(pool):
            rank, free = int(machines.rank[node]), int(machines.free[node])
            if rank == AWAY or free < slots or node in taken:
                continue
            left_w = room.left_w(node)
            if left_w < slots * self.slot_w or room_for(request, machines, node, slots) < slots:
                continue
            key = (rank, -left_w, free, node)
            best = key if best is None else min(best, key)
        return best[3] if best is not None else None


def _parts(request: Request, size: int) -> list[int]:
    """Slots on each of its nodes."""
    if request.nodes:
        return [request.slots // request.nodes] * request.nodes
    whole, rest = divmod(request.slots, size)
    return [size] * whole + ([rest] if rest else [])
