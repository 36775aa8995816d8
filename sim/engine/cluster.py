"""The machines and who holds them: whole gangs, which wait for slots, get them from the scheduler and give them back.

Nodes that are off are booted when a gang is given slots there, on the account of that gang; with an idle timeout they
are shut down again, on nobody's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Protocol

import simpy

from sim.engine.clock import Clock
from sim.engine.draws import Share, ShareState
from sim.engine.node import Activity, Node
from sim.engine.scheduling import FirstCome, Scheduler, fault
from sim.errors import RunError


@dataclass(frozen=True)
class NodeLost:
    """The reason of an interrupt: the process's gang has just lost this node."""

    node: str


class Gang:
    """Slots held together by one process, from request to release; it moves between states as one.

    ``expected_ns`` is how long it is to hold them, if nothing happens to it; None for a service, which does not end.
    """

    def __init__(self, cluster: Cluster, owner: str, pool: str, slots: int, expected_ns: int | None) -> None:
        self.owner = owner
        self.pool = pool
        self.slots = slots
        self.expected_ns = expected_ns
        self.asked_ns = cluster.env.now_ns
        self.process: simpy.Process | None = cluster.env.active_process
        self.ready: simpy.Event = cluster.env.event()
        self.parts: dict[Node, int] = {}
        self.placed_ns: int | None = None
        self.on_placed: Callable[[], None] | None = None
        self.told_by: Callable[[Node, int, int], Activity] | None = None
        self._cluster = cluster

    def set(self, state: ShareState, gpu_w: float, cpu_load: float) -> None:
        """Puts every slot of the gang into ``state``, its GPUs at ``gpu_w`` each, its hosts' CPUs at ``cpu_load``."""
        for node, slots in self.parts.items():
            node.hold(self, Share(self.owner, slots, state, gpu_w, cpu_load))

    def release(self) -> None:
        """Gives everything back."""
        for node in self.parts:
            node.release(self)
        self.parts.clear()
        self._cluster.slots_freed()

    def activity(self, node: Node, start_ns: int, end_ns: int) -> Activity | None:
        """What the gang did, where ``told_by`` knows it afterwards; otherwise its state, as set, says it all."""
        return self.told_by(node, start_ns, end_ns) if self.told_by is not None else None

    def node_lost(self, node: Node) -> None:
        """Tells the process that holds the gang."""
        self.parts.pop(node, None)
        if self.process is not None and self.process.is_alive:
            self.process.interrupt(NodeLost(node.name))


class Lender(Protocol):
    """Who gives gangs: the cluster, or what stands between it and a job."""

    def request(self, owner: str, pool: str, slots: int, expected_ns: int | None = None) -> Gang:
        """A gang for the calling process; wait for its ``ready`` before using it."""

    def withdraw(self, gang: Gang) -> None:
        """Takes it back, whether it waits, boots or runs."""


class Cluster:
    """The nodes, and the gangs that wait for them; first come first served, unless another scheduler is given."""

    def __init__(
        self, env: Clock, nodes: Sequence[Node], idle_timeout_ns: dict[str, int], scheduler: Scheduler | None = None
    ) -> None:
        self.env = env
        self.nodes = tuple(nodes)
        self._scheduler = scheduler if scheduler is not None else FirstCome()
        self._waiting: list[Gang] = []
        self._slots: Counter[str] = Counter()
        for node in self.nodes:
            self._slots[node.pool] += node.hardware.slots
        self._idle_timeout_ns = idle_timeout_ns
        self._booting: dict[Node, simpy.Process] = {}
        self._watched_since_ns: dict[Node, int] = {}
        for node in self.nodes:
            self._watch_idle(node)

    def request(self, owner: str, pool: str, slots: int, expected_ns: int | None = None) -> Gang:
        """A gang of ``slots`` of one pool for the calling process; wait for its ``ready`` before using it.

        Raises ``RunError`` for one that could never start.
        """
        if not 1 <= slots <= self._slots[pool]:
            raise RunError(f"'{owner}' asks for {slots:,} slots of pool '{pool}', which has {self._slots[pool]:,}")
        gang = Gang(self, owner, pool, slots, expected_ns)
        self._waiting.append(gang)
        self._serve()
        return gang

    def withdraw(self, gang: Gang) -> None:
        """Drops a gang whether it waits, boots or runs."""
        if gang in self._waiting:
            self._waiting.remove(gang)
        gang.release()

    def slots_freed(self) -> None:
        """Serves the queue after something was released or came up, and lets idle nodes think of shutting down."""
        self._serve()
        for node in self.nodes:
            self._watch_idle(node)

    def _serve(self) -> None:
        while self._waiting:
            start = self._scheduler.next(self._waiting, self.nodes, self.env.now_ns)
            if start is None:
                return
            wrong = fault(start, self._waiting)
            if wrong is not None:
                raise RunError(f"the scheduler ({type(self._scheduler).__name__}) {wrong}")
            gang, chosen = start
            self._waiting.remove(gang)
            self._place(gang, dict(chosen))

    def _place(self, gang: Gang, chosen: dict[Node, int]) -> None:
        gang.parts = chosen
        gang.placed_ns = self.env.now_ns
        if gang.on_placed is not None:
            gang.on_placed()
        coming = []
        for node, slots in chosen.items():
            waits = node.state != "on"
            node.hold(gang, Share(gang.owner, slots, "booting" if waits else "idle", node.hardware.gpu_idle_w, 0.0))
            if waits:
                coming.append(self._bring_up(node))
        if not coming:
            gang.ready.succeed()
            return
        self.env.process(self._announce(gang, coming))

    def _announce(self, gang: Gang, coming: list[simpy.Process]) -> Generator[simpy.Event, object, None]:
        yield self.env.all_of(coming)
        if all(node.state == "on" for node in gang.parts) and sum(gang.parts.values()) == gang.slots:
            gang.ready.succeed()

    def _bring_up(self, node: Node) -> simpy.Process:
        if node not in self._booting:
            self._booting[node] = self.env.process(self._boot(node))
        return self._booting[node]

    def _boot(self, node: Node) -> Generator[simpy.Event, object, None]:
        yield from node.boot()
        del self._booting[node]
        self.slots_freed()

    def repair(self, node: Node) -> None:
        """Mends a failed node: it boots, on nobody's account."""
        self._bring_up(node)

    def _watch_idle(self, node: Node) -> None:
        timeout_ns = self._idle_timeout_ns.get(node.pool)
        if timeout_ns is None or node.state != "on" or node.free < node.hardware.slots:
            return
        if self._watched_since_ns.get(node) != node.idle_since_ns:
            self._watched_since_ns[node] = node.idle_since_ns
            self.env.process(self._stop_if_still_idle(node, node.idle_since_ns, timeout_ns))

    def _stop_if_still_idle(self, node: Node, since_ns: int, timeout_ns: int) -> Generator[simpy.Event, object, None]:
        yield self.env.wait(max(0, since_ns + timeout_ns - self.env.now_ns))
        idle = node.state == "on" and node.free == node.hardware.slots and node.idle_since_ns == since_ns
        if idle:
            yield from node.shut_down()
            self.slots_freed()
