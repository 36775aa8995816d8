"""What a pool is made of, as a scheduler sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.profiles.shared_gpu.tenants import SharedGPU


@dataclass(frozen=True)
class PoolShape:
    """``count`` nodes with ``slots`` each. ``cpu_milli`` and ``memory_mib`` are of a node, None where they do not
    count; ``rack_of`` gives the rack of each node (all in one, where it is empty), ``shared`` says that parts of a slot
    may be given away, and ``sharing`` to whom at once, where that is more than a sum. ``island_slots`` of a node are
    joined more closely than its others (0: all are alike)."""

    name: str
    count: int
    slots: int
    cpu_milli: int | None = None
    memory_mib: int | None = None
    shared: bool = False
    rack_of: tuple[int, ...] = ()
    powered: bool = True
    sharing: SharedGPU | None = None
    island_slots: int = 0
