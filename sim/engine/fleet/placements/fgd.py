"""Fragmentation gradient descent (Weng et al., "Beware of Fragmentation", USENIX ATC 2023): where the free GPUs lose
least of their use for the jobs that are typical of the workload."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.placements.fitting import Candidates, candidates, lefts, taken
from sim.engine.fleet.placements.packed import Packed, packed
from sim.engine.fleet.placements.parts import first_pool
from sim.engine.fleet.request import WHOLE, Place, Places, Request

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TypicalTask:
    """What a share of the jobs asks for, on one node: whole GPUs or thousandths of one, and what goes beside them."""

    share: float
    slots: int
    milli: int
    cpu_milli: int
    memory_mib: int


@dataclass(frozen=True)
class LeastFragmentation:
    """One node (and slot of it): that on which the expected fragment grows least; of equals, the one on which least is
    left, then the first. The fragment of a node for a task is what of its free GPUs that task could not use: all, where
    the node lacks the CPUs, the memory or the GPUs for it, or the task needs no GPU; else the slots of which less is
    left than it needs. The expected one is the mean over the tasks that are ``typical``, by their shares.

    Nodes that are on come first. One that is bigger than a node, or goes on several, is packed.
    """

    typical: tuple[TypicalTask, ...]

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room."""
        return first_pool(request, machines, self._within)

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether free slots are all that counts: as for packed ones."""
        return Packed().by_count(request, machines, pool)

    def _within(self, request: Request, machines: Machines, pool: int) -> Places | None:
        if request.nodes or request.slots > machines.pools[pool].slots:
            return packed(request, machines, pool)
        found = candidates(request, machines, pool)
        if not len(found.node):
            return None
        best = self._best(request, machines, found)
        node = int(found.node[best])
        if request.milli:
            return (Place(node, 0, request.milli, int(found.slot[best])),)
        return (Place(node, request.slots),)

    def _best(self, request: Request, machines: Machines, found: Candidates) -> int:
        cpu, memory = machines.cpu_free[found.node], machines.memory_free[found.node]
        before = expected_fragment(self.typical, found.left, cpu, memory)
        after = expected_fragment(
            self.typical, taken(request, found), cpu - request.cpu_milli, memory - request.memory_mib
        )
        growth = np.round(after - before, 6)  # of equals, digits of sums do not decide
        return int(np.lexsort((found.left.sum(axis=1), growth))[0])


def expected_fragment(typical: tuple[TypicalTask, ...], left: Ints, cpu: Ints, memory: Ints) -> Floats:
    """Thousandths of slots of each node that are free and of no use, expected over ``typical`` tasks.

    ``left`` (nodes, slots) is what is left of each slot, ``cpu`` and ``memory`` (nodes,) what is free; the result has
    the shape (nodes,). Source: Weng et al. 2023, section 4.1.
    """
    total = left.sum(axis=1).astype(np.float64)
    whole = (left == WHOLE).sum(axis=1)
    useful = np.zeros(len(left))
    usable: dict[int, Ints] = {}
    for task in typical:
        needs = task.milli if not task.slots else WHOLE
        if not needs:
            continue
        if needs not in usable:
            usable[needs] = np.where(left >= needs, left, 0).sum(axis=1)
        runs = (cpu >= task.cpu_milli) & (memory >= task.memory_mib)
        if task.slots:
            runs &= whole >= task.slots
        useful += task.share * np.where(runs, usable[needs], 0)
    fragment: Floats = total * sum(task.share for task in typical) - useful
    return fragment


def fragmentation(typical: tuple[TypicalTask, ...], machines: Machines, pool: int) -> float:
    """The expected fragment of a pool as a part of what is free in it, 0..1; 0 where nothing is."""
    left = lefts(machines, pool)
    nodes = machines.of_pool(pool)
    span = slice(nodes.start, nodes.stop)
    fragment = expected_fragment(typical, left, machines.cpu_free[span], machines.memory_free[span]).sum()
    return float(fragment / left.sum()) if left.any() else 0.0
