"""What placements have in common: room for parts, for CPUs without a slot, and for equal parts on several nodes."""

from __future__ import annotations

from collections.abc import Callable

from sim.engine.fleet.machines import RANKS, Machines
from sim.engine.fleet.request import Place, Places, Request

InPool = Callable[[Request, Machines, int], Places | None]


def first_pool(request: Request, machines: Machines, within: InPool) -> Places | None:
    """In the first of its pools that has room."""
    for pool in request.pools:
        if request.slots <= machines.free_slots[pool]:
            compact = request.compact and machines.pools[pool].island_slots
            found = (on_one_island if compact else within)(request, machines, pool)
            if found is not None:
                return found
    return None


def on_one_island(request: Request, machines: Machines, pool: int) -> Places | None:
    """All on one island of one node, the fullest that has room."""
    node = fullest(request, machines, pool, request.slots)
    return (Place(node, request.slots),) if node is not None else None


def bare(request: Request) -> bool:
    """Whether it asks for whole slots and nothing beside them, on whatever nodes."""
    beside = request.milli or request.nodes or request.cpu_milli or request.memory_mib or request.compact
    return not beside and request.slots > 0


def room_for(request: Request, machines: Machines, node: int, slots: int) -> int:
    """How many of so many slots of a node have the CPUs and the memory that go with each (rounded up, so that the sums
    never lack); none of one that must be on one island, where no island has all of them."""
    if request.compact and machines.islands.more_than_needed(node, slots):
        return 0
    cpu, memory = -(-request.cpu_milli // request.slots), -(-request.memory_mib // request.slots)
    if cpu:
        slots = min(slots, int(machines.cpu_free[node]) // cpu)
    if memory:
        slots = min(slots, int(machines.memory_free[node]) // memory)
    return slots


def fullest(request: Request, machines: Machines, pool: int, slots: int, most: int | None = None) -> int | None:
    """The fullest node with room for so many of the request's slots, one that is on before one to be booted; None
    where there is none. ``most``: none with more free slots. Where nodes have several islands, the fullest of those on
    which it lies on no more of them than it needs, or else on as few as can be."""
    high = machines.pools[pool].slots if most is None else most
    best: tuple[int, int] | None = None
    for rank in RANKS:
        for free in range(slots, high + 1):
            for node in machines.with_free(pool, rank, free):
                if room_for(request, machines, node, slots) < slots:
                    continue
                beyond = machines.islands.more_than_needed(node, slots)
                if not beyond:
                    return node
                best = (beyond, node) if best is None or beyond < best[0] else best
    return best[1] if best is not None else None


def on_equal_nodes(request: Request, machines: Machines, pool: int) -> Places | None:
    """Equal parts on as many nodes as it asks for, the fullest that have room first."""
    each = request.slots // request.nodes
    chosen: list[Place] = []
    for rank in RANKS:
        for free in range(each, machines.pools[pool].slots + 1):
            for node in machines.with_free(pool, rank, free):
                if room_for(request, machines, node, each) >= each:
                    chosen.append(Place(node, each))
                    if len(chosen) == request.nodes:
                        return tuple(chosen)
    return None


def part_or_none(request: Request, machines: Machines, pool: int) -> Places | None:
    """A part of one slot, the fullest that has it; or no slot, beside its CPUs on the first node that has them."""
    if not request.milli:
        node = machines.first_beside(request, pool)
        return (Place(node, 0),) if node is not None else None
    found = machines.fullest_part(request, pool)
    return (Place(found[0], 0, request.milli, found[1]),) if found is not None else None
