"""Best fit: where least is left."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.placements.fitting import candidates
from sim.engine.fleet.placements.packed import Packed, packed
from sim.engine.fleet.placements.parts import first_pool
from sim.engine.fleet.request import WHOLE, Place, Places, Request


@dataclass(frozen=True)
class BestFit:
    """One node, that on which least is left afterwards: the sum of what is left of its GPUs, its CPUs and its memory,
    each as a part of what a node has, as far as they count there. A part of a slot takes the fullest slot of that node
    that has it. Nodes that are on come first. One that is bigger than a node, or goes on several, is packed."""

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room."""
        return first_pool(request, machines, best_fit)

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether free slots are all that counts: as for packed ones."""
        return Packed().by_count(request, machines, pool)


def best_fit(request: Request, machines: Machines, pool: int) -> Places | None:
    """On the node of one pool on which least is left."""
    shape = machines.pools[pool]
    if request.nodes or request.slots > shape.slots:
        return packed(request, machines, pool)
    found = candidates(request, machines, pool)
    if not len(found.node):
        return None
    left = found.left.sum(axis=1) / (shape.slots * WHOLE)
    if shape.cpu_milli:
        left = left + machines.cpu_free[found.node] / shape.cpu_milli
    if shape.memory_mib:
        left = left + machines.memory_free[found.node] / shape.memory_mib
    if not request.milli:
        node = int(found.node[np.argmin(left)])
        return (Place(node, request.slots),)
    of_slot = found.left[np.arange(len(found.node)), found.slot]
    best = int(np.lexsort((of_slot, left))[0])
    return (Place(int(found.node[best]), 0, request.milli, int(found.slot[best])),)
