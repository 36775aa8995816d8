"""What a scheduler is asked, and the one that is taken where a scenario names none.

A scheduler sees the gangs that wait, in the order in which they came, and the nodes. It names the next gang to start
and the slots that it gets, again and again until it names none. It changes nothing itself, and keeps nothing between
two questions: the cluster places the gang, boots what is off, and refuses what is not there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from sim.engine.cluster import Gang
    from sim.engine.node import Node

RANK = {"on": 0, "booting": 1, "off": 2}
"""States in which a node may be given away, those that are ready soonest first."""

Start = tuple["Gang", Mapping["Node", int]]
"""A gang, and how many slots of which nodes it gets: all that it asked for, all of its pool."""


class Scheduler(Protocol):
    """Decides who of those that wait starts next, and where.

    It is asked when a gang comes, and when slots are given back, nodes come up or are shut down: at no time between.
    Who shall wait although there is room waits for the next of these.
    """

    def next(self, waiting: Sequence[Gang], nodes: Sequence[Node], now_ns: int) -> Start | None:
        """The next gang to start at ``now_ns``; None where none of ``waiting`` (one or more) shall start yet."""


@dataclass(frozen=True)
class FirstCome:
    """First come first served: a gang at the head of the queue waits for enough free slots and holds up those behind
    it. No backfill."""

    def next(self, waiting: Sequence[Gang], nodes: Sequence[Node], _now_ns: int) -> Start | None:
        """The head of the queue, as soon as there is room for it."""
        chosen = packed(waiting[0], nodes)
        return (waiting[0], chosen) if chosen is not None else None


def packed(gang: Gang, nodes: Sequence[Node]) -> dict[Node, int] | None:
    """Fullest powered nodes first, then those on their way up, then those to be booted; None if too few."""
    usable = [node for node in nodes if node.pool == gang.pool and node.state in RANK and node.free]
    usable.sort(key=lambda node: (RANK[node.state], node.free))  # stable: ties keep the order of the file
    chosen: dict[Node, int] = {}
    missing = gang.slots
    for node in usable:
        taken = min(node.free, missing)
        chosen[node] = taken
        missing -= taken
        if not missing:
            return chosen
    return None


def fault(start: Start, waiting: Sequence[Gang]) -> str | None:
    """What is wrong with a start that a scheduler names; None where all of it is there."""
    if not (isinstance(start, tuple) and len(start) == 2):
        return f"gives {type(start).__name__}, not a gang with its slots by node"
    gang, chosen = start
    if gang not in waiting:
        return f"starts {getattr(gang, 'owner', gang)!r}, which does not wait"
    if sum(chosen.values()) != gang.slots:
        return f"gives '{gang.owner}' {sum(chosen.values())} slots of the {gang.slots} it asked for"
    for node, slots in chosen.items():
        if node.pool != gang.pool or node.state not in RANK or not 0 < slots <= node.free:
            return f"gives '{gang.owner}' {slots} slots of {node.name}, which is {node.state} with {node.free} free"
    return None
