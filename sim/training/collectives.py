"""What collectives take: seconds, and the bytes that each GPU sends, by algorithm, as pure functions.

A message costs a latency and its bytes (Hockney's alpha and beta); adding on the way keeps pace with the links (gamma
is nothing on a GPU, whose memory is faster). Like NCCL, ``cost`` takes what is quickest of the algorithms and of the
protocols (``protocols``):

- *ring*: 2 (n - 1) steps of 1/n of the buffer for an all-reduce, n - 1 for each half of it. Optimal in bytes (Patarasuk
  and Yuan, 2009, doi 10.1016/j.jpdc.2008.09.002).
- *tree*: two complementary binary trees over the islands, a chain within each (Sanders, Speck and Traff, 2009, doi
  10.1016/j.parco.2009.09.001). Latency grows with the logarithm of the islands.
- *hierarchical*: reduce-scatter within the island, all-reduce between islands of each GPU's share, all-gather within
  (of the pieces of Thakur, Rabenseifner and Gropp, 2005, doi 10.1177/1094342005051521).
- *in-switch*: the switch adds (NVLink SHARP within an island, InfiniBand SHARP between; Graham et al., 2016, doi
  10.1109/COMHPC.2016.006): the buffer goes up once and comes down once.
- *direct*: all-to-all and point to point, all messages at once.

Bandwidths count as in NVIDIA's nccl-tests ("bus bandwidth": 2 (n - 1) / n of the buffer over the time for an
all-reduce).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from math import log2
from typing import Literal, NamedTuple

from sim.training.protocols import OWN_SHARE, POINTS, POST_S, RING, SWITCH, TREE, Library, Protocol
from sim.training.reach import Fabric, Reach, Span

Kind = Literal["all-reduce", "reduce-scatter", "all-gather", "all-to-all", "broadcast", "point-to-point"]
Algorithm = Literal["ring", "tree", "hierarchical", "in-switch", "direct"]

MANY_BYTES = 2.0**30


@dataclass(frozen=True)
class Cost:
    """Of one collective: s, B that the mean GPU sends over each fabric, and by what it was done."""

    seconds: float
    link_byte: float
    network_byte: float
    algorithm: Algorithm


class Leg(NamedTuple):
    """A level on the way: ``steps`` messages one after the other, and ``part`` of the buffer sent at ``byte_per_s``."""

    fabric: Fabric
    steps: float
    byte_per_s: float
    wire_s: float
    part: float
    pcie: bool = False


class Stage(NamedTuple):
    """Legs that are pipelined, under one launch by one of the ``protocols``; ``posts`` messages are posted besides."""

    legs: tuple[Leg, ...]
    protocols: tuple[Protocol, ...]
    posts: int = 0


class Way(NamedTuple):
    """Stages one after the other, and the parts of the buffer that the mean GPU sends over link and network."""

    stages: tuple[Stage, ...]
    link_part: float
    network_part: float


@lru_cache(maxsize=65536)
def cost(kind: Kind, byte: float, reach: Reach, library: Library, algorithm: Algorithm | None = None) -> Cost:
    """The quickest way, or the way of one ``algorithm``, of a collective among the GPUs of ``reach``.

    ``byte`` of each GPU's whole buffer: of the sum in an all-reduce, of all n shards in a reduce-scatter, an all-gather
    or an all-to-all, of the message else. Nothing where a GPU is alone or there is nothing to send. Raises
    ``ValueError`` for an algorithm that the kind does not have on these GPUs (``algorithms``).
    """
    if reach.gpus == 1 or byte == 0.0:
        return Cost(0.0, 0.0, 0.0, next(iter(_WAYS[kind])))
    ways = _ways(kind, reach)
    if algorithm is not None and algorithm not in ways:
        raise ValueError(f"{kind} has no algorithm '{algorithm}' here  ({', '.join(ways)})")
    asked = ways if algorithm is None else (algorithm,)
    taken = {name: sum(_stage_s(stage, byte, library) for stage in ways[name].stages) for name in asked}
    best = min(taken, key=taken.__getitem__)
    seconds = taken[best]
    return Cost(seconds, ways[best].link_part * byte, ways[best].network_part * byte, best)


class Line(NamedTuple):
    """s that a collective takes whatever its size, and for each B of the buffer."""

    latency_s: float
    s_per_byte: float


def lines(kind: Kind, reach: Reach, library: Library) -> tuple[Line, ...]:
    """Of a group within one level: one for each algorithm and protocol, the quickest of which ``cost`` takes."""
    assert len(reach.spans) == 1
    found = []
    for way in _ways(kind, reach).values():
        (stage,) = way.stages
        for protocol in _usable(stage):
            least = _by_protocol_s(stage, protocol, 0.0, library)
            found.append(Line(least, (_by_protocol_s(stage, protocol, MANY_BYTES, library) - least) / MANY_BYTES))
    return tuple(dict.fromkeys(found))


def algorithms(kind: Kind, reach: Reach) -> tuple[Algorithm, ...]:
    """By which a kind of collective may be done among these GPUs."""
    return tuple(_ways(kind, reach))


def _stage_s(stage: Stage, byte: float, library: Library) -> float:
    return min(_by_protocol_s(stage, protocol, byte, library) for protocol in _usable(stage))


def _usable(stage: Stage) -> tuple[Protocol, ...]:
    """Those of its protocols that may be used over all of its legs."""
    if not any(leg.pcie for leg in stage.legs):
        return stage.protocols
    return tuple(protocol for protocol in stage.protocols if protocol.pcie_s is not None)


def _by_protocol_s(stage: Stage, protocol: Protocol, byte: float, library: Library) -> float:
    """s of a stage by one protocol: latencies one after the other, and the slowest of the levels."""
    own_s, wire_s, slowest_s = protocol.launch_s + stage.posts * POST_S, 0.0, 0.0
    away = stage.legs[-1].fabric == "network"
    for fabric, steps, byte_per_s, latency_s, part, pcie in stage.legs:
        if fabric == "link":
            step_s = protocol.pcie_s if pcie and protocol.pcie_s is not None else protocol.link_s
            own_s += steps * (max(step_s, POST_S) if away else step_s)
            wire_s += steps * latency_s
            rate = byte_per_s * library.link_efficiency * protocol.share
        else:
            own_s += steps * protocol.network_s
            wire_s += steps * latency_s * protocol.crossings
            rate = min(byte_per_s * library.network_efficiency * protocol.share, protocol.network_most)
        slowest_s = max(slowest_s, part * byte / rate)
    return library.latency * own_s + wire_s + slowest_s


@lru_cache(maxsize=4096)
def _ways(kind: Kind, reach: Reach) -> Mapping[Algorithm, Way]:
    found = {name: way(reach) for name, way in _WAYS[kind].items()}
    return {name: way for name, way in found.items() if way is not None}


def _leg(span: Span, steps: float, part: float) -> Leg:
    return Leg(span.fabric, steps, span.unit_byte_per_s, span.latency_s, part, span.pcie)


def _own(span: Span, reach: Reach) -> float:
    """The part of the buffer as which a GPU's own shard counts: it passes no network."""
    return OWN_SHARE / reach.gpus if span.fabric == "link" and span.inside == 1 else 0.0


def _within(span: Span, reach: Reach) -> float:
    """Steps of a ring, or a chain, over the link of one island of the network."""
    return reach.beside - 1 if len(reach.link) == 1 else span.steps / reach.islands


def _kept(span: Span, reach: Reach) -> float:
    """Members beyond a GPU, or its smaller island, that an all-to-all reaches over a link."""
    return reach.beside - span.inside


def _parts(reach: Reach, whole: float) -> tuple[float, float]:
    """Over link and network, of what passes along every edge of a path over all members."""
    beyond = (reach.islands - 1) / (reach.gpus - 1)
    return whole * (1.0 - beyond), whole * beyond


def _ring(rounds: int) -> Callable[[Reach], Way]:
    """``rounds`` around the ring: one gathers or scatters, two reduce and give all to all."""

    def way(reach: Reach) -> Way:
        part = rounds * (reach.gpus - 1) / reach.gpus
        legs = tuple(_leg(span, rounds * span.steps, part + _own(span, reach)) for span in reach.spans)
        return Way((Stage(legs, RING),), *_parts(reach, part))

    return way


def _rises(span: Span) -> float:
    """Steps from the leaves of a tree over the units of a level of the network to its root."""
    return log2(span.units / (span.units - span.steps))


def _tree(reach: Reach) -> Way:
    """Up the trees and down, along a chain within each island; of two islands each sends half of the buffer up one
    tree, and half down the other."""
    part = 2.0 * (reach.gpus - 1) / reach.gpus
    legs = tuple(
        _leg(span, 2 * (_within(span, reach) if reach.network else span.steps), part)
        if span.fabric == "link"
        else _leg(span, 2.0 * _rises(span), _up_and_down(reach))
        for span in reach.spans
    )
    return Way((Stage(legs, TREE),), *_parts(reach, part))


def _up_and_down(reach: Reach) -> float:
    """The part of the buffer that an island sends, up and down two trees of which it is a leaf in one."""
    return 2.0 * (reach.islands - 1) / reach.islands


def _hierarchical(reach: Reach) -> Way:
    """Scatter within, reduce between, gather within. On one island, or with one GPU on each, it is the ring."""
    if not (reach.link and reach.network):
        return _ring(2)(reach)
    beside, islands = reach.beside, reach.islands
    inner, outer = (beside - 1) / beside, 2.0 * (islands - 1) / islands / beside
    within = Stage(tuple(_leg(span, _within(span, reach), inner) for span in reach.link), RING)
    # One GPU of each island and its peers, beside the others that do the same.
    shares = [replace(span, unit_byte_per_s=span.unit_byte_per_s / beside) for span in reach.network]
    between = Stage(tuple(_leg(span, 2 * span.steps, outer) for span in shares), RING)
    return Way((within, between, within), 2.0 * inner, outer)


def _in_switch(reach: Reach) -> Way | None:
    """The island's switch adds what its GPUs hold; switches of the network, or trees, what the islands hold.

    Each buffer is read once by a switch that adds, and the sum, or a GPU's share of it, written once to all.
    """
    if not all(span.in_switch for span in reach.link) or not any(span.in_switch for span in reach.spans):
        return None
    beside = reach.beside
    up = 1.0 + 1.0 / beside
    legs = [_leg(span, 1, up / span.in_switch) for span in reach.link]
    for span in reach.network:
        adds = span.in_switch > 0.0
        legs.append(
            _leg(span, 1, 1.0 / span.in_switch)
            if adds
            else _leg(span, 2.0 * _rises(span), _up_and_down(reach) / TREE[-1].share)
        )
    adding = bool(reach.network) and reach.network[0].in_switch > 0.0
    sent = (1.0 if adding else _up_and_down(reach)) / beside
    return Way((Stage(tuple(legs), SWITCH),), up if reach.link else 0.0, sent if reach.network else 0.0)


def _all_to_all(reach: Reach) -> Way:
    """Every GPU sends 1/n of its buffer to every other; each level carries what goes beyond its units."""
    kept, beyond = (reach.beside - 1) / reach.gpus, (reach.gpus - reach.beside) / reach.gpus
    legs = tuple(
        Leg(
            span.fabric,
            1,
            span.gpu_byte_per_s,
            span.latency_s,
            _kept(span, reach) / reach.gpus + _own(span, reach),
            span.pcie,
        )
        if span.fabric == "link"
        else Leg(span.fabric, 1, span.gpu_byte_per_s, span.latency_s, 1.0 - span.inside / reach.gpus)
        for span in reach.spans
    )
    return Way((Stage(legs, POINTS, reach.gpus - reach.beside),), kept, beyond)


def _broadcast(reach: Reach) -> Way:
    """Along the ring in chunks: each passes on what it takes."""
    legs = tuple(_leg(span, span.steps, 1.0) for span in reach.spans)
    return Way((Stage(legs, RING),), *_parts(reach, (reach.gpus - 1) / reach.gpus))


def _point_to_point(reach: Reach) -> Way:
    """From each to the next of the group, all at once: the farthest two decide, each through its own port."""
    far = reach.spans[-1]
    port = next((span.gpu_byte_per_s for span in reach.network), far.gpu_byte_per_s)
    legs = tuple(
        Leg(span.fabric, float(span is far), min(span.unit_byte_per_s, port), span.latency_s, 1.0, span.pcie)
        for span in reach.spans
        if span.fabric == far.fabric
    )
    return Way((Stage(legs, POINTS),), *_parts(reach, 1.0))


_WAYS: Mapping[Kind, Mapping[Algorithm, Callable[[Reach], Way | None]]] = {
    "all-reduce": {"ring": _ring(2), "tree": _tree, "hierarchical": _hierarchical, "in-switch": _in_switch},
    "reduce-scatter": {"ring": _ring(1)},
    "all-gather": {"ring": _ring(1)},
    "all-to-all": {"direct": _all_to_all},
    "broadcast": {"ring": _broadcast},
    "point-to-point": {"direct": _point_to_point},
}
