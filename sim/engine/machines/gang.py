"""A gang: slots that one process holds together, from request to release, and what it hears of faults."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, Protocol

import simpy

from sim.engine.fleet.request import Request
from sim.engine.machines.group import FEWEST_NODES, NodeGroup, SharedMeter
from sim.engine.machines.node import Node, hold_all
from sim.engine.metering.courses import Activity
from sim.engine.metering.draws import Share, ShareState

if TYPE_CHECKING:
    from sim.engine.machines.cluster import Cluster


@dataclass(frozen=True)
class NodeLost:
    """The reason of an interrupt: the process's gang has just lost this node."""

    node: str


METER = attrgetter("meter")


def _meter_or_node(apart: Collection[Node]) -> Callable[[Node], object]:
    """What nodes are told apart by: what meters them, and of some themselves."""
    return lambda node: node if node in apart else node.meter


Shows = Literal["crash", "hang", "silent", "slow", "planned"]
"""How what happened is noticed: work ends, or stands still, or goes on with wrong results, or slowly; or on purpose."""


@dataclass(frozen=True, eq=False)
class Fault:
    """Something failed: what, how that shows, the ``nodes`` it was on, and what is left of the rate of work (0..1).

    Where it ``breaks`` them, the nodes are away for ``repair_ns`` once it is noticed; None where whoever struck mends
    them.
    """

    component: str
    shows: Shows
    nodes: tuple[Node, ...]
    breaks: bool
    repair_ns: int | None = None
    rate: float = 1.0


class Gang:
    """Slots held together by one process, from request to release; it moves between states as one.

    ``expected_ns`` is how long it is to hold them, if nothing happens to it; None for a service, which does not end.
    ``hears`` is told of faults, where the gang goes on without the nodes it loses; else ``on_lost`` of the loss of one,
    or that interrupts its process. ``asks_soon``: the scheduler is asked by whoever has released it, behind all that
    happens in the instant. ``on_hosts``: it works on the CPUs of its nodes alone. ``milli`` thousandths of one slot are
    its, where it has no whole ones, and ``cpu_share`` of the CPUs of each node, where that does not go by slots.
    ``kept``: whoever has it may keep it for the next of its jobs; False where a limit of power has taken it.
    """

    def __init__(
        self,
        cluster: Cluster,
        owner: str,
        pool: str,
        slots: int,
        expected_ns: int | None,
        ready: simpy.Event | None = None,
    ) -> None:
        self.owner = owner
        self.pool = pool
        self.slots = slots
        self.expected_ns = expected_ns
        self.asked_ns = cluster.env.now_ns
        self.request: Request | None = None
        self.process: simpy.Process | None = cluster.env.active_process
        self.ready: simpy.Event = cluster.env.event() if ready is None else ready
        self.parts: dict[Node, int] = {}
        self.placed_ns: int | None = None
        self.on_placed: Callable[[], None] | None = None
        self.on_preempt: Callable[[], None] | None = None
        self.on_lost: Callable[[Node], None] | None = None
        self.asks_soon = False
        self.kept = True
        self.on_hosts = False
        self.milli = 0
        self.cpu_share: Mapping[Node, float] = {}
        self.hears: Callable[[Fault], None] | None = None
        self._cluster = cluster
        self._group: NodeGroup | None = None
        self._apart: dict[Node, int] = {}
        self._told_by: Callable[[Node, int, int], Activity] | None = None
        self.knows_later = False

    @property
    def told_by(self) -> Callable[[Node, int, int], Activity] | None:
        """Who knows afterwards what it did on a node in a span; its nodes then have meters of their own."""
        return self._told_by

    @told_by.setter
    def told_by(self, told_by: Callable[[Node, int, int], Activity] | None) -> None:
        if told_by is not None and self._group is not None:
            for node in self.parts:
                node.leave_group()
            self._group, self._apart = None, {}
        self._told_by = told_by
        self.knows_later = told_by is not None
        for node in self.parts:
            node.ask_anew()

    def take_together(self, nodes: Sequence[Node], slots: int) -> Sequence[Node]:
        """Holds nodes with so many slots each that are its own ``parts``, idle, as a group, where it has many of them
        whole; returns those that are left to be held one by one.

        Where some are not up yet it is a while before the gang is set, and its nodes are booked in their order until
        then: only those that share a meter are a group, and only if it has no part of a node.
        """
        if len(nodes) < FEWEST_NODES or self.milli or self.cpu_share:
            return nodes
        whole = self.slots == slots * len(nodes)
        partial = set() if whole else {node for node, held in self.parts.items() if held < slots}
        runs = [list(run) for _, run in groupby(nodes, _meter_or_node(partial) if partial else METER)]
        waits = any(run[0].state != "on" for run in runs)
        if waits:
            joining = [run for run in runs if whole and len(run) >= FEWEST_NODES and run[0].state == "on"]
        else:
            joining = [run for run in runs if run[0] not in partial]
        together = list(chain.from_iterable(joining))
        if len(together) < FEWEST_NODES:
            return nodes
        first, now_ns = {run[0] for run in joining}, self._cluster.env.now_ns
        for run in runs:
            meter = run[0].meter
            if isinstance(meter, SharedMeter) and run[0] in first:
                meter.book(len(run), now_ns)
                continue
            for node in run:
                node.settle()  # in the order of all
        share = self.share_of(together[0], "idle", together[0].hardware.gpu_idle_w, 0.0)
        self._group = together[0].group_of(self, share)
        for _, alike in groupby(joining, lambda run: id(run[0].hardware)):
            some = list(chain.from_iterable(alike))
            self._group.add(some, some[0].hardware)
        self._cluster.count_all(together)
        self._group.tell()
        if len(together) < len(nodes):
            self._apart = {node: held for node, held in self.parts.items() if node.group is None}
        return list(self._apart)

    def set(self, state: ShareState, gpu_w: float, cpu_load: float) -> None:
        """Puts every slot of the gang into ``state``, its GPUs at ``gpu_w`` each, its hosts' CPUs at ``cpu_load``."""
        if self._group is None and len(self.parts) >= FEWEST_NODES and self._told_by is None and not self.cpu_share:
            self._form_group()
        if self._group is not None:
            self._group.set(self._share(self._group.share.slots, state, gpu_w, cpu_load))
        if self.cpu_share:
            for node in self.apart:
                node.hold(self, self.share_of(node, state, gpu_w, cpu_load))
        elif self.apart:
            shares = {slots: self._share(slots, state, gpu_w, cpu_load) for slots in set(self.apart.values())}
            hold_all(self.apart, self, shares, self._cluster.env.now_ns)
        self._gather()

    def share_of(self, node: Node, state: ShareState, gpu_w: float, cpu_load: float) -> Share:
        """What it has of a node of its."""
        slots, cpus = self.parts[node], self.cpu_share.get(node)
        if cpus is None:
            return self._share(slots, state, gpu_w, cpu_load)
        return Share(self.owner, slots, state, gpu_w, 0.0, self.milli, cpu_load * cpus)

    def _share(self, slots: int, state: ShareState, gpu_w: float, cpu_load: float) -> Share:
        return Share(self.owner, slots, state, gpu_w, cpu_load, on_hosts=self.on_hosts)

    @property
    def straddles(self) -> bool:
        """Whether it lies on more islands of its nodes than it needs."""
        return self.request is not None and self._cluster.fleet.machines.islands.straddles(self.request)

    @property
    def lacks(self) -> int:
        """Slots that it has lost."""
        return self.slots - sum(self.parts.values())

    def settle(self) -> None:
        """Books everything its nodes drew up to now."""
        if self._group is not None:
            self._group.settle()
        for node in self.apart:
            node.settle()

    def take(self, node: Node, slots: int) -> None:
        """Holds ``slots`` of a node that it held nothing of."""
        self.parts[node] = slots
        if self._group is not None:
            self._apart[node] = slots
        self._cluster.has_taken(self, node, slots)

    @property
    def apart(self) -> dict[Node, int]:
        """Its slots on nodes that have their own meters; all others are up and in one state."""
        return self.parts if self._group is None else self._apart

    def _form_group(self) -> None:
        whole = [node for node in self.parts if node.whole]
        if len(whole) >= FEWEST_NODES:
            self._group = whole[0].group_of(self, whole[0].shares[0])
            self._apart = dict(self.parts)
            self._gather()

    def _gather(self) -> None:
        """Meters together those of its nodes that it has whole and that are in the state of the others."""
        group = self._group
        if group is None or not self._apart:
            return
        for node in [node for node in self._apart if node.whole and node.shares == (group.share,)]:
            del self._apart[node]
            node.join(group)

    def take_out(self, fault: Fault) -> None:
        """What it has noticed breaks the nodes that are broken."""
        self._cluster.take_out(fault)

    def refill(self) -> Generator[simpy.Event, object, int]:
        """Waits until it has nodes in place of those lost; returns the ns that it takes to put spares in place."""
        return self._cluster.refill(self)

    def release(self) -> None:
        """Gives everything back."""
        if self._group is None:
            for node in self.parts:
                node.release(self)
        else:
            self._release_group(self._group)
        self.parts.clear()
        self._group, self._apart = None, {}
        self._cluster.released(self)

    def _release_group(self, group: NodeGroup) -> None:
        """Gives all back; the group when its first node would be, so that nothing is booked in another order."""
        first = next((i for i, node in enumerate(self.parts) if node not in self._apart), None)
        for node in list(islice(self.parts, first)):
            node.release(self)
        self._cluster.count_all(group.free())
        for node in self._apart if first is not None else ():
            node.release(self)

    def activity(self, node: Node, start_ns: int, end_ns: int) -> Activity | None:
        """What the gang did, where ``told_by`` knows it afterwards; otherwise its state, as set, says it all."""
        return self._told_by(node, start_ns, end_ns) if self._told_by is not None else None

    def node_lost(self, node: Node) -> None:
        """Tells the process that holds the gang, unless it hears of the fault itself."""
        self.parts.pop(node, None)
        self._apart.pop(node, None)
        self._cluster.has_lost(self, node)
        if self.on_lost is not None:
            self.on_lost(node)
            return
        if self.hears is None and self.process is not None and self.process.is_alive:
            self.process.interrupt(NodeLost(node.name))


class Lender(Protocol):
    """Who gives gangs: the cluster, or what stands between it and a job."""

    def request(self, owner: str, pool: str, slots: int, expected_ns: int | None = None) -> Gang:
        """A gang for the calling process; wait for its ``ready`` before using it."""

    def withdraw(self, gang: Gang) -> None:
        """Takes it back, whether it waits, boots or runs."""
