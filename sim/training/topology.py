"""How accelerators are joined: islands of their own link (NVSwitch in a node or a rack), a network of leaves and spines
between them, by rails or as a fat tree with oversubscription (``torus`` does without switches).

A topology exists twice. ``graph`` builds any part of it as a networkx graph whose edges carry ``capacity`` (B/s in one
direction), ``latency_s`` and ``fabric``: it is what is checked, and what rates, latencies and bisections are read off,
by maximum flow and shortest path. ``Switched`` is its symmetric summary, which answers at once what a group of a layout
crosses (``reach``): every unit of a level is like every other, so a representative of two of each, whose flows are
solved once, stands for a cluster of any size.

Left out: adaptive routing that fails to spread flows (in the stack's efficiency of the network), and GPUs of one job
scattered over islands at random (within a node these go by what joins all of it). Sources: Leiserson, "Fat-trees", IEEE
Trans. Comput. 1985, doi 10.1109/TC.1985.6312192; NVIDIA, DGX SuperPOD reference architecture, 2023 (rail-optimised
leaves).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, prod
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np

from sim.profiles.machines.gpu import GPUProfile
from sim.training.protocols import PCIE_SHARE
from sim.training.reach import Fabric, Reach, Span

if TYPE_CHECKING:
    import networkx as nx

    Graph: TypeAlias = nx.Graph[Any]

FEW = 2
"""Of equal things in a representative: two show what lies between them."""
PAIR = 2
"""GPUs beside one another that have PCIe to themselves."""


@dataclass(frozen=True)
class Island:
    """``gpus`` behind one switch of the accelerators' own link, each sending ``byte_per_s`` into it.

    ``in_switch`` and ``pcie``: see ``Span``. ``inner`` are smaller islands within it, of a faster link; what a byte
    costs is said of the larger.
    """

    gpus: int
    byte_per_s: float
    joule_per_byte: float
    in_switch: float = 0.0
    inner: Island | None = None
    pcie: bool = False


@dataclass(frozen=True)
class Tier:
    """``islands`` under one block of switches, whose uplinks are ``oversubscription`` times narrower than what is below
    them."""

    islands: int
    oversubscription: float


@dataclass(frozen=True)
class Network:
    """Between islands: each GPU's port sends ``byte_per_s``; a message takes ``latency_s`` from port to port and
    ``switch_latency_s`` more in every switch.

    With ``rails`` the ports of equal rank in their islands share a leaf; without, all of an island do. ``tiers`` from
    the leaves upwards; what is above the last joins everything. ``in_switch``: see ``Span``.
    """

    byte_per_s: float
    latency_s: float
    switch_latency_s: float
    joule_per_byte: float
    tiers: tuple[Tier, ...]
    rails: bool = False
    in_switch: float = 0.0


def island_of(gpu: GPUProfile, gpus: int) -> Island:
    """So many of a board behind the switch of its link; its profile says what a byte of it costs."""
    assert gpu.link.energy_per_byte is not None  # a problem otherwise
    reduces = gpu.link.in_switch
    return Island(
        gpus,
        float(gpu.link.bandwidth.value) / 2.0,  # the profile's is both directions together
        float(gpu.link.energy_per_byte.value),
        float(reduces.value) if reduces is not None else 0.0,
        pcie=gpu.link.medium == "pcie",
    )


def graph(island: Island, network: Network | None, islands: int) -> Graph:
    """So many ``islands`` and what joins them. Nodes are ``("gpu", island, rank)``, ``("island", island)`` and
    ``("tier", level, block)``, with the rail where a leaf has one.
    """
    import networkx as nx

    made: Graph = nx.Graph()
    for i in range(islands):
        for g in range(island.gpus):
            _join(made, ("gpu", i, g), ("island", i), island.byte_per_s, 0.0, "link")
    if network is None:
        return made
    port_s = (network.latency_s + network.switch_latency_s) / 2.0
    beneath = 1
    for level, tier in enumerate(network.tiers):
        for i in range(0, islands, beneath):
            below = beneath if i + beneath <= islands else islands - i
            block = i // tier.islands
            if level == 0:
                for g in range(island.gpus):
                    _join(made, ("gpu", i, g), _leaf(network, block, g), network.byte_per_s, port_s, "network")
            else:
                uplink = below * network.byte_per_s / prod(lower.oversubscription for lower in network.tiers[:level])
                _rise(made, island, network, (level, i // beneath, block), uplink)
        beneath = tier.islands
    top = len(network.tiers)
    narrow = prod(tier.oversubscription for tier in network.tiers)
    for i in range(0, islands, beneath):
        below = beneath if i + beneath <= islands else islands - i
        _rise(made, island, network, (top, i // beneath, 0), below * network.byte_per_s / narrow)
    return made


def _leaf(network: Network, block: int, rail: int) -> tuple[Any, ...]:
    return ("tier", 0, block, rail) if network.rails else ("tier", 0, block)


def _rise(made: Graph, island: Island, network: Network, at: tuple[int, int, int], rail_byte_per_s: float) -> None:
    """The uplinks of one block, ``at`` (level, block below, block above): a rail's leaves have their own."""
    level, below, above = at
    hop_s = network.switch_latency_s
    if level == 1 and network.rails:
        for g in range(island.gpus):
            _join(made, _leaf(network, below, g), ("tier", 1, above), rail_byte_per_s, hop_s, "network")
    else:
        whole = island.gpus * rail_byte_per_s
        _join(made, ("tier", level - 1, below), ("tier", level, above), whole, hop_s, "network")


def _join(made: Graph, one: Any, other: Any, capacity: float, latency_s: float, fabric: Fabric) -> None:
    made.add_edge(one, other, capacity=capacity, latency_s=latency_s, fabric=fabric)


def flow_byte_per_s(made: Graph, of: Iterable[Any], to: Iterable[Any]) -> float:
    """B/s that the nodes ``of`` can send ``to`` the others together: the maximum flow."""
    import networkx as nx

    whole: Graph = nx.Graph()
    whole.add_weighted_edges_from(made.edges(data="capacity"), weight="capacity")
    whole.add_edges_from((("all", "of"), node) for node in of)  # without a capacity: unbounded
    whole.add_edges_from((("all", "to"), node) for node in to)
    return float(nx.maximum_flow_value(whole, ("all", "of"), ("all", "to")))


def only(made: Graph, fabric: Fabric) -> Graph:
    """The part of one fabric."""
    kept: Graph = made.edge_subgraph([(a, b) for a, b, edge in made.edges(data=True) if edge["fabric"] == fabric])
    return kept


def latency_s(made: Graph, one: Any, other: Any) -> float:
    """s of a message on the quickest way."""
    import networkx as nx

    return float(nx.shortest_path_length(made, one, other, weight="latency_s"))


def hops(made: Graph, one: Any, other: Any) -> int:
    """Switches that a message passes on the shortest way, or accelerators on a torus."""
    import networkx as nx

    return int(nx.shortest_path_length(made, one, other)) - 1


class Topology(Protocol):
    """What a group of a layout crosses; ranks of a gang lie in order, islands and leaves filled one after the other."""

    @property
    def gpus(self) -> int:
        """Of the gang, or that there are."""
        ...

    def reach(self, size: int, stride: int) -> Reach:
        """Of groups of ``size`` ranks, ``stride`` apart."""
        ...

    def joule_per_byte(self, fabric: Fabric) -> float:
        """J of one byte sent through a fabric."""
        ...


@dataclass(frozen=True)
class Level:
    """Units of ``unit`` ranks join here what lies below: each rank's share of what leaves a unit below is
    ``byte_per_s``, and a message takes ``latency_s``."""

    fabric: Fabric
    unit: float
    byte_per_s: float
    latency_s: float
    in_switch: float
    pcie: bool = False


@dataclass(frozen=True)
class Switched:
    """A gang of ``gpus`` on islands and the network between them; see ``switched``."""

    gpus: int
    levels: tuple[Level, ...]
    link_joule_per_byte: float
    network_joule_per_byte: float

    def joule_per_byte(self, fabric: Fabric) -> float:
        """J of one byte sent through a fabric."""
        return self.link_joule_per_byte if fabric == "link" else self.network_joule_per_byte

    def reach(self, size: int, stride: int) -> Reach:
        """Of groups of ``size`` ranks, ``stride`` apart; where they lie differently, the worst of each number."""
        return _reach(self, size, stride)


@lru_cache(maxsize=4096)
def _reach(topology: Switched, size: int, stride: int) -> Reach:
    spans = []
    units, inside = size, 1
    for level in topology.levels:
        above, larger = _units(topology.gpus, level.unit, size, stride)
        if above < units:
            crowded = level.pcie and size * stride > PAIR
            rate = level.byte_per_s * (PCIE_SHARE if crowded else 1.0)
            found = Span(level.fabric, units, inside, inside * rate, rate, level.latency_s, units - above)
            spans.append(replace(found, in_switch=level.in_switch, pcie=level.pcie))
        units, inside = above, larger
    return Reach(size, tuple(spans))


def _units(gpus: int, unit: float, size: int, stride: int) -> tuple[int, int]:
    """Over how many units of ``unit`` ranks a group spreads, and its members in the one that has fewest."""
    if unit >= gpus:
        return 1, size
    ranks = int(unit)
    if stride % ranks == 0:
        return size, 1
    if ranks % stride == 0:
        beside = ranks // stride
        if beside % size == 0:
            return 1, size
        if size % beside == 0:
            return size // beside, beside
    return _units_of_all(gpus, ranks, size, stride)


def _units_of_all(gpus: int, ranks: int, size: int, stride: int) -> tuple[int, int]:
    """The same by looking at every group: what lies across the edges of units has no closed form."""
    whole = gpus // (size * stride)
    members = np.arange(whole * size * stride).reshape(whole, size, stride).swapaxes(1, 2).reshape(-1, size)
    counts = [np.unique(row, return_counts=True)[1] for row in np.unique(members // ranks, axis=0)]
    return max(map(len, counts)), int(min(map(min, counts)))


def spread_evenly(gpus: int, island_gpus: int, node_gpus: int) -> int:
    """Ranks of a gang on each island: the fewest islands that take equal numbers of whole nodes, or filled islands
    where no number does. A gang of 256 takes 64 GPUs of each of four racks of 72."""
    fewest = -(-gpus // island_gpus)
    for islands in range(fewest, 2 * fewest + 1):
        each = gpus // islands
        if gpus % islands == 0 and (each % node_gpus == 0 or islands == 1):
            return each
    return island_gpus


@lru_cache(maxsize=256)
def switched(gpus: int, island: Island, network: Network | None, *, beside: int | None = None) -> Switched:
    """The summary for a gang of ``gpus`` ranks, ``beside`` of them on each island (all its GPUs, if not said).

    Without a ``network`` the gang is one island. Rates and latencies are read off the graph of a representative.
    """
    each = beside if beside is not None else island.gpus
    levels = [Level("link", float(each), _link_byte_per_s(island), 0.0, island.in_switch, island.pcie)]
    if island.inner is not None:
        inner = island.inner
        levels.insert(0, Level("link", float(inner.gpus), _link_byte_per_s(inner), 0.0, inner.in_switch, inner.pcie))
    if network is None:
        return Switched(gpus, tuple(levels), island.joule_per_byte, 0.0)
    made, stand_ins = _representative(network)
    below = 1
    for unit, islands in stand_ins:
        mine, others = ([("gpu", i, 0) for i in span] for span in (range(below), range(below, islands)))
        if others:
            rate = flow_byte_per_s(made, mine, others) / len(mine)
            away_s = latency_s(made, mine[0], others[0])
            levels.append(Level("network", unit * each, rate, away_s, network.in_switch))
        below = islands
    return Switched(gpus, tuple(levels), island.joule_per_byte, network.joule_per_byte)


def _link_byte_per_s(island: Island) -> float:
    """B/s from one GPU of an island to the others."""
    made = graph(replace(island, gpus=FEW, inner=None), None, 1)
    return flow_byte_per_s(made, [("gpu", 0, 0)], [("gpu", 0, 1)])


def _representative(network: Network) -> tuple[Graph, list[tuple[float, int]]]:
    """The network of islands of one GPU (all ranks of an island are alike), two of everything at most; and by level:
    islands under one block of it, those of the real one and those of the graph."""
    tiers, stand_ins = [], []
    real, drawn = 1, 1
    for tier in network.tiers:
        drawn *= min(FEW, max(1, tier.islands // real))
        real = tier.islands
        tiers.append(replace(tier, islands=drawn))
        stand_ins.append((float(real), drawn))
    stand_ins.append((inf, FEW * drawn))
    one = Island(1, 1.0, 0.0)
    return only(graph(one, replace(network, tiers=tuple(tiers)), FEW * drawn), "network"), stand_ins
