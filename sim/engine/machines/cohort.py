"""Gangs of one service that are asked for in one instant and start at once, as they would one after the other.

All are alike until something happens to one of them: up to then arrays stand for them, for what the scheduler has of
them, and for their nodes, which are metered as if each had a meter of its own, to the bit. Whoever looks at one of
their nodes, or at who runs, has all of them made.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sim.engine.fleet.alike import PlacesOfAll
from sim.engine.fleet.machines import ON, Ints
from sim.engine.fleet.request import NODE, Request
from sim.engine.machines.gang import Gang
from sim.engine.machines.group import FEWEST_NODES
from sim.engine.machines.node import Holder, Node, hold_all
from sim.engine.metering.courses import Activities
from sim.engine.metering.deferred import Alike, Later, is_patient
from sim.engine.metering.draws import NodeHardware, Share, ShareState

if TYPE_CHECKING:
    from sim.engine.machines.cluster import Cluster
    from sim.engine.machines.nodes import Nodes


class Teller(Protocol):
    """Who knows afterwards what the gangs of a cohort did."""

    def tell(self, whose: Ints, slots: Ints, hardware: NodeHardware, start_ns: int, end_ns: int) -> Activities | None:
        """What gangs (P,) did since they were asked last, each with so many slots of a node of some kind; None where
        they are to be asked one by one."""

    def part(self) -> None:
        """They are asked one by one from now on."""


class Cohort:
    """Equal gangs at ``places``, which are free, on ``nodes`` that are on, fewer each than are metered together. They
    share one ``ready``, which no other has; ``alike`` is what each asks the fleet for.

    ``told_by`` knows afterwards what they did, and ``on_made`` is told of the gangs, once there are any.
    """

    def __init__(self, cluster: Cluster, nodes: Nodes, alike: Request, places: PlacesOfAll) -> None:
        env, fleet = cluster.env, cluster.fleet
        self.ready = env.event()
        self.gangs: list[Gang] | None = None
        """Each of them, once they are made."""
        self.told_by: Teller | None = None
        self.on_made: Callable[[Sequence[Gang]], None] | None = None
        self._cluster, self._nodes, self._alike, self._places = cluster, nodes, alike, places
        self._placed_ns = self._since_ns = env.now_ns
        self._seq = fleet.number(places.requests)
        self._share: Share | None = None  # but for its slots; None while they are idle
        first = fleet.machines.first[alike.pools[0]]
        own, self._first = np.unique(places.node, return_index=True)
        self.numbers = range(int(own[0]) - first, int(own[-1]) - first + 1)
        """Its nodes in their pool."""
        self._one_by_one = len(own) < len(self.numbers) or not nodes.let(self)
        if self._one_by_one:
            self.make()
        else:
            fleet.start_together(alike, self, cluster)
            held = np.add.reduceat(places.slots, self._first)
            for slots in np.unique(held).tolist():
                fleet.machines.move_all(own[held == slots], ON, nodes.slots - slots)
        self.ready.succeed()

    def set(self, state: ShareState, gpu_w: float) -> None:
        """``Gang.set`` of each, with CPUs that do nothing; none may be made."""
        self.settle()
        self._share = Share(self._alike.owner, self._alike.slots, state, gpu_w, 0.0)

    def settle(self) -> None:
        """Books everything its nodes drew up to now; none may be made before."""
        now_ns, since_ns = self._cluster.env.now_ns, self._since_ns
        if now_ns == since_ns:
            return
        nodes, hardware, slots = self._nodes, self._nodes.hardware, self._places.slots
        told = None
        if self.told_by is not None:
            told = self.told_by.tell(self._places.whose, slots, hardware, since_ns, now_ns)
            if told is None:
                self.part()
                for node in nodes.at(self.numbers):
                    node.settle()
                return
        assert is_patient(nodes.recorder)  # or it would not have them
        assert self._share is not None  # it is set in the instant in which it starts
        alike = Alike(hardware, self._share, self._first, slots, told, since_ns, now_ns)
        Later.of(nodes.recorder, nodes.pool, hardware).leave_alike(alike)
        self._since_ns = now_ns

    def part(self) -> None:
        """Something is about to happen to one of them: they are made."""
        self._cluster.fleet.part()

    def make(self) -> None:
        """Makes the gangs, their requests and their nodes, as they are now."""
        cluster, alike, placed_ns = self._cluster, self._alike, self._placed_ns
        places, first = self._places.each(), cluster.fleet.machines.first[alike.pools[0]]
        self._nodes.let_go(self)
        shares: dict[tuple[int, float], Share] = {}
        held: dict[Node, dict[Holder, Share]] = {}
        gangs, requests = [], []
        for seq, own in enumerate(places, start=self._seq):
            gang = Gang(cluster, alike.owner, self._nodes.pool, alike.slots, None, self.ready)
            request = Request(alike.owner, seq, alike.pools, alike.slots, placed_ns, None, gang=gang)
            gang.request, request.places, gang.process = request, own, None
            gang.asked_ns = gang.placed_ns = placed_ns
            for place, node in zip(own, self._nodes.at([number - first for number in map(NODE, own)]), strict=True):
                gang.parts[node] = place.slots
                key = place.slots, node.hardware.gpu_idle_w
                if key not in shares:
                    shares[key] = gang.share_of(node, "idle", node.hardware.gpu_idle_w, 0.0)
                    if self._share is not None:
                        shares[key] = gang.share_of(node, self._share.state, self._share.gpu_w, 0.0)
                held.setdefault(node, {})[gang] = shares[key]
            gangs.append(gang)
            requests.append(request)
        cluster.fleet.start(requests, cluster, placed_ns)
        for node, of_node in held.items():
            if self._one_by_one:
                node.hold_all(of_node)
            else:
                node.has_held(of_node, self._since_ns)
        self.gangs = gangs
        if self.told_by is not None:
            self.told_by.part()
        if self.on_made is not None:
            self.on_made(gangs)


def set_all(gangs: Sequence[Gang], state: ShareState, gpu_w: float, now_ns: int) -> None:
    """``Gang.set`` of each, with CPUs that do nothing; gangs of one owner."""
    shares: dict[int, Share] = {}
    for gang in gangs:
        if len(gang.parts) >= FEWEST_NODES or gang.cpu_share:
            gang.set(state, gpu_w, 0.0)
            continue
        for node, slots in gang.parts.items():
            if slots not in shares:
                shares[slots] = gang.share_of(node, state, gpu_w, 0.0)
        hold_all(gang.parts, gang, shares, now_ns)
