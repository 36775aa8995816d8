"""A torus of accelerators that are joined to their neighbours and to no switch: TPU slices, Trainium nodes.

Ranks lie along the first side, then the second, and so on. Along a whole side that wraps around, a ring uses both
directions; a part of one is a line, and groups that interleave share its links. An all-to-all is bounded by the
bisection. Sources: Jouppi et al., "TPU v4", ISCA 2023, arXiv:2304.01433 (slices of cubes of 4 x 4 x 4 that wrap
around); Dally and Towles, "Principles and Practices of Interconnection Networks", 2004 (bisection).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from sim.training.reach import Fabric, Reach, Span
from sim.training.topology import flow_byte_per_s

if TYPE_CHECKING:
    import networkx as nx

    Graph: TypeAlias = nx.Graph[Any]

FEW = 4
"""Along a side of a representative: the fewest whose two ends are not neighbours already."""


class Side(NamedTuple):
    """Of a group along one side of a torus: ``extent`` members, ``spacing`` apart; ``whole`` sides close to a ring."""

    extent: int
    spacing: int
    whole: bool


def torus_graph(shape: tuple[int, ...], byte_per_s: float, hop_s: float, *, wraps: bool) -> Graph:
    """Accelerators at their coordinates; each spreads ``byte_per_s`` (one direction) over its links, two a side.

    A side wraps around where it has more than two; an accelerator at an edge that does not uses fewer links.
    """
    import networkx as nx

    rings: Any = [wraps and side > FEW // 2 for side in reversed(shape)]
    made: Graph = nx.grid_graph(dim=list(reversed(shape)), periodic=rings)
    if len(shape) == 1:
        made = nx.relabel_nodes(made, {node: (node,) for node in made})
    for _, _, edge in made.edges(data=True):
        edge |= {"capacity": byte_per_s / (2 * len(shape)), "latency_s": hop_s, "fabric": "link"}
    return made


def bisection_byte_per_s(made: Graph, side: int) -> float:
    """B/s, one direction, between the halves that a cut across one side leaves."""
    low = [node for node in made if node[side] < (1 + max(at[side] for at in made)) / 2]
    return flow_byte_per_s(made, low, set(made) - set(low))


@dataclass(frozen=True)
class Torus:
    """``gpus`` accelerators in a ``shape``, the summary of ``torus_graph``."""

    shape: tuple[int, ...]
    byte_per_s: float
    hop_s: float
    link_joule_per_byte: float
    wraps: bool = True

    @property
    def gpus(self) -> int:
        """Of the whole torus."""
        return prod(self.shape)

    def joule_per_byte(self, fabric: Fabric) -> float:
        """J of one byte sent over a link; there is no network."""
        return self.link_joule_per_byte if fabric == "link" else 0.0

    def sides(self, size: int, stride: int) -> tuple[Side, ...] | None:
        """How groups of ``size`` ranks, ``stride`` apart, lie along the sides; None where they are no blocks of it."""
        if size == 1:
            return ()
        found, spacing = [], stride
        for side in self.shape:
            if spacing >= side:
                if spacing % side:
                    return None
                spacing //= side
                continue
            if side % spacing:
                return None
            extent = min(size, side // spacing)
            if size % extent or (extent * spacing < side and (size > extent or side % (extent * spacing))):
                return None
            if extent > 1:
                found.append(Side(extent, spacing, self.wraps and extent * spacing == side and side > FEW // 2))
            size //= extent
            spacing = 1
        return tuple(found) if size == 1 else None

    def reach(self, size: int, stride: int) -> Reach:
        """Of groups of ``size`` ranks, ``stride`` apart. Raises ``ValueError`` where they are no blocks of it."""
        sides = self.sides(size, stride)
        if sides is None:
            raise ValueError(f"{size} ranks, {stride} apart, are no block of a torus of {self.shape}")
        if not sides:
            return Reach(size, ())
        ring, line = (
            _crossing(len(self.shape), self.byte_per_s, wraps=True),
            _crossing(len(self.shape), self.byte_per_s, wraps=False),
        )
        own = [(ring if side.whole else line) / side.spacing for side in sides]
        slowest_s = max(side.extent / (4.0 * rate) for side, rate in zip(sides, own, strict=True))
        hops = sum((side.extent - 1) * side.spacing for side in sides)
        even = (size - 1) / size / slowest_s
        return Reach(size, (Span("link", size, 1, len(sides) * min(own), even, self.hop_s, hops),))


@lru_cache(maxsize=64)
def _crossing(sides: int, byte_per_s: float, *, wraps: bool) -> float:
    """B/s, one direction, over a cut of one row of accelerators, off the graph of a few."""
    few = torus_graph((FEW, *(1 for _ in range(sides - 1))), byte_per_s, 0.0, wraps=wraps)
    return bisection_byte_per_s(few, 0)
