"""The machines and who holds them: whole gangs, which wait for slots, get them from the scheduler and give them back.

Nodes that are off are booted when a gang is given slots there, on the account of that gang; with an idle timeout they
are shut down again, on nobody's. Spares of a pool are kept from the scheduler: a gang that goes on without nodes it has
lost is given spares first, then free nodes, or waits until one is mended.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.machines import AWAY, BOOTING, OFF, ON
from sim.engine.fleet.request import NODE, SLOTS, Place, Places, Request
from sim.engine.machines.cohort import Cohort
from sim.engine.machines.gang import Fault, Gang
from sim.engine.machines.group import FEWEST_NODES
from sim.engine.machines.node import Node
from sim.engine.machines.nodes import Nodes
from sim.engine.metering.courses import Activity
from sim.engine.metering.draws import UNALLOCATED, NodeState, Share, ShareState
from sim.errors import RunError

RANK: Mapping[NodeState, int] = {"on": ON, "booting": BOOTING, "off": OFF}
"""States in which a node may be given away, those that are ready soonest first."""


@dataclass(frozen=True)
class Spares:
    """``count`` nodes of a pool, its last, that stand in for others: powered with GPUs ``loaded`` at so many W (hot),
    idle (warm) or off (cold). One takes ``replace_ns`` to be put in place."""

    count: int
    state: Literal["hot", "warm", "cold"]
    replace_ns: int
    loaded_w: float


_NUMBER = attrgetter("number")


class _Standby:
    """Holds hot spares: their GPUs are loaded, for nobody yet."""

    knows_later = False

    def node_lost(self, node: Node) -> None:
        """A spare that fails is mended as any node."""

    def activity(self, _node: Node, _start_ns: int, _end_ns: int) -> Activity | None:
        """Its share says it all."""
        return None


class Cluster:
    """The nodes that gangs hold, in a fleet."""

    def __init__(
        self,
        env: Clock,
        pools: Sequence[Nodes],
        fleet: Fleet,
        idle_timeout_ns: dict[str, int],
        spares: Mapping[str, Spares] | None = None,
        keep_warm: Mapping[str, int] | None = None,
    ) -> None:
        """``fleet`` has these pools among its own."""
        self.env = env
        self.fleet = fleet
        machines = fleet.machines
        self._pools = {nodes.pool: nodes for nodes in pools}
        self._first = {pool: machines.first[machines.number[pool]] for pool in self._pools}
        self._changed: dict[Node, None] = {}
        self._lacking: dict[Gang, simpy.Event] = {}
        self._spares = dict(spares or {})
        self._reserved: dict[str, dict[Node, None]] = {pool: {} for pool in self._spares}
        self._standby = _Standby()
        self._idle_timeout_ns = idle_timeout_ns
        self._keep_warm = dict(keep_warm or {})
        self._booting: dict[Node, simpy.Process] = {}
        self._watched_since_ns: dict[Node, int] = {}
        self._idle: dict[str, set[Node]] = {pool: set() for pool in self._idle_timeout_ns}
        for nodes in pools:
            nodes.tell(self._count)
        for pool, kept in self._spares.items():
            for node in self._pools[pool][-kept.count :]:
                self._keep_as_spare(node)
        for pool in self._idle_timeout_ns:
            self._look_at(pool, self._pools[pool])
        self._watch_changed()

    def request(
        self, owner: str, pool: str, slots: int, expected_ns: int | None = None, *, compact: bool = False
    ) -> Gang:
        """A gang of ``slots`` of one pool for the calling process; wait for its ``ready`` before using it. A
        ``compact`` one lies on no more islands within a node than it needs.

        Raises ``RunError`` for one that could never start.
        """
        there = len(self._pools[pool]) * self._pools[pool].slots
        if not 1 <= slots <= there:
            raise RunError(f"'{owner}' asks for {slots:,} slots of pool '{pool}', which has {there:,}")
        gang = Gang(self, owner, pool, slots, expected_ns)
        number = self.fleet.machines.number[pool]
        compact = compact and slots <= self._pools[pool].slots and self.fleet.machines.pools[number].island_slots > 0
        seq, now_ns = self.fleet.number(), self.env.now_ns
        request = Request(owner, seq, (number,), slots, now_ns, expected_ns, gang=gang, compact=compact)
        gang.request = request
        self.submit(request)
        return gang

    def request_all(self, owner: str, pool: str, slots: int, count: int, *, compact: bool = False) -> Cohort | None:
        """``count`` gangs as ``request`` gives them, one after the other, where all start at once; None where they are
        to be asked for one by one."""
        number = self.fleet.machines.number[pool]
        on_islands = compact and self.fleet.machines.pools[number].island_slots > 0
        if not 1 <= slots < FEWEST_NODES or self._lacking or on_islands:
            return None
        alike = Request(owner, 0, (number,), slots, self.env.now_ns, None)
        places = self.fleet.decided(alike, count)
        return Cohort(self, self._pools[pool], alike, places) if places is not None else None

    def submit(self, request: Request) -> None:
        """A gang waits for its slots from now on."""
        self.fleet.submit(request, self)
        self._serve()

    def withdraw(self, gang: Gang) -> None:
        """Drops a gang whether it waits, boots or runs."""
        if gang.request is not None:
            self.fleet.withdraw(gang.request)
        gang.release()

    def released(self, gang: Gang) -> None:
        """A gang has given back all that it held, if anything."""
        if gang.request is not None:
            self.fleet.release(gang.request)
        if not gang.asks_soon:
            self.slots_freed()
            return
        self._serve_lacking()
        self._watch_changed()

    def has_taken(self, gang: Gang, node: Node, slots: int) -> None:
        """A gang that has started holds ``slots`` of another node, too."""
        if gang.request is not None and gang.request.started_ns is not None:
            self._move(gang.request, (*gang.request.places, Place(self._number(node), slots)))

    def has_lost(self, gang: Gang, node: Node) -> None:
        """A gang that has started holds nothing of a node any more."""
        if gang.request is not None and gang.request.started_ns is not None:
            number, places = self._number(node), gang.request.places
            at = [*map(NODE, places)].index(number)
            self._move(gang.request, places[:at] + places[at + 1 :])

    def _move(self, request: Request, places: Places) -> None:
        self.fleet.machines.exchange(request, request.places, places)
        request.places = places

    def slots_freed(self) -> None:
        """Serves the queue after something was released or came up, and lets idle nodes think of shutting down."""
        self._serve()
        self._watch_changed()

    def strike(self, fault: Fault) -> None:
        """Something has failed. Gangs that hear of faults say when it is noticed; for others that is now, or never."""
        holders = dict.fromkeys(holder for node in fault.nodes for holder in node.holders)
        hearing = [holder for holder in holders if isinstance(holder, Gang) and holder.hears is not None]
        unheard = not holders or len(hearing) < len(holders)
        if fault.shows == "crash" or (fault.shows == "hang" and unheard):
            self.take_out(fault)
        for gang in hearing:
            if gang.hears is not None:
                gang.hears(fault)

    def take_out(self, fault: Fault) -> None:
        """Fails the nodes that are broken, and has them mended."""
        for node in fault.nodes if fault.breaks else ():
            if node.state == "on":
                node.fail()
                if fault.repair_ns is not None:
                    self.env.process(self._mend(node, fault.repair_ns))

    def refill(self, gang: Gang) -> Generator[simpy.Event, object, int]:
        """Nodes in place of those that ``gang`` has lost: spares, free ones, or the next to be mended; all are up then.

        Returns the ns that it takes to put them in place.
        """
        spares = self._spares.get(gang.pool)
        replaced = bool(gang.lacks)
        while gang.lacks or any(node.state != "on" for node in gang.apart):
            self._supply(gang)
            if gang.lacks:
                self._lacking[gang] = self.env.event()
                try:
                    yield self._lacking[gang]
                finally:
                    self._lacking.pop(gang, None)
            coming = [self._bring_up(node) for node in gang.apart if node.state != "on"]
            if coming:
                yield self.env.all_of(coming)
        return spares.replace_ns if replaced and spares is not None else 0

    def _supply(self, gang: Gang) -> None:
        """Gives a gang what there is of what it lacks."""
        if not gang.lacks:
            return
        pool, first, machines = self._pools[gang.pool], self._first[gang.pool], self.fleet.machines
        free = np.flatnonzero(machines.free[first : first + len(pool)] > 0).tolist()
        numbers = sorted({*free, *(node.number for node in self._reserved.get(gang.pool, ()))})
        fitting = [
            node
            for node in pool.at(numbers)
            if (node.reserved or self._free(node)) and node.state in RANK and node not in gang.parts
        ]
        fitting.sort(key=lambda node: (RANK[node.state], not node.reserved, self._free(node)))
        for node in fitting:
            lacks = gang.lacks
            if not lacks:
                return
            if node.reserved:
                node.reserved = False
                node.release(self._standby)
            slots = min(self._free(node), lacks)
            gang.take(node, slots)
            state: ShareState = "idle" if node.state == "on" else "booting"
            node.hold(gang, Share(gang.owner, slots, state, node.hardware.gpu_idle_w, 0.0))

    def _mend(self, node: Node, repair_ns: int) -> Generator[simpy.Event, object, None]:
        yield self.env.wait(repair_ns)
        self.repair(node)

    def _keep_as_spare(self, node: Node) -> None:
        """Makes a node that nobody holds a spare, where its pool has too few."""
        spares = self._spares.get(node.pool)
        if spares is None or node.holders:
            return
        if len(self._reserved[node.pool]) < spares.count:
            node.reserved = True
            if spares.state == "hot":
                slots = node.hardware.slots
                node.hold(self._standby, Share(UNALLOCATED, slots, "loaded", spares.loaded_w, 0.0))

    def _serve_lacking(self) -> None:
        for gang, supplied in self._lacking.items():
            self._supply(gang)
            if not gang.lacks and not supplied.triggered:
                supplied.succeed()

    def _serve(self) -> None:
        self._serve_lacking()
        self.fleet.ask()

    def _count(self, node: Node) -> None:
        """Tells the fleet what of a node may be given away, whatever has changed."""
        if node.pool in self._idle_timeout_ns:
            self._look_at(node.pool, (node,))
        if node.pool in self._reserved:
            if node.reserved:
                self._reserved[node.pool][node] = None
            else:
                self._reserved[node.pool].pop(node, None)
        number, machines = self._number(node), self.fleet.machines
        rank = RANK.get(node.state, AWAY)
        if number in machines.parts:
            machines.move(number, AWAY if node.reserved else rank)
        else:
            machines.move(number, rank, node.free)

    def count_all(self, nodes: Sequence[Node]) -> None:
        """The same for some that are on, in one pool, and with all or none of their slots free."""
        if not nodes:
            return
        pool = nodes[0].pool
        if pool in self._idle_timeout_ns:
            self._look_at(pool, nodes)
        numbers = np.fromiter(map(_NUMBER, nodes), np.int64, len(nodes))
        self.fleet.machines.move_all(self._first[pool] + numbers, ON, nodes[0].free)

    def _number(self, node: Node) -> int:
        """Its number in the fleet."""
        return self._first[node.pool] + node.number

    def _free(self, node: Node) -> int:
        """Whole slots of a node that may be given away."""
        number, machines = self._number(node), self.fleet.machines
        return int(machines.free[number]) if number in machines.parts and not node.reserved else node.free

    # What the fleet asks of those who hold its requests

    def start(self, request: Request, places: Places) -> None:
        """A gang gets its slots; nodes that are off are booted for it."""
        gang = request.gang
        assert gang is not None
        gang.pool = self.pool_of(places)
        first = self._first[gang.pool]
        nodes = self._pools[gang.pool].at([number - first for number in map(NODE, places)])
        gang.parts = dict(zip(nodes, map(SLOTS, places), strict=True))
        gang.placed_ns = self.env.now_ns
        if gang.on_placed is not None:
            gang.on_placed()
        coming = []
        for node in gang.take_together(nodes, self._pools[gang.pool].slots):
            waits = node.state != "on"
            node.hold(gang, gang.share_of(node, "booting" if waits else "idle", node.hardware.gpu_idle_w, 0.0))
            if waits:
                coming.append(self._bring_up(node))
        if not coming:
            gang.ready.succeed()
            return
        self.env.process(self._announce(gang, coming))

    def pool_of(self, places: Places) -> str:
        """The pool of places."""
        machines = self.fleet.machines
        return machines.pools[machines.pool_of[places[0].node]].name

    def preempt(self, request: Request) -> None:
        """A gang that can be preempted is told to make room."""
        gang = request.gang
        assert gang is not None
        assert gang.on_preempt is not None  # or it would not have been asked
        gang.on_preempt()

    def resize(self, request: Request, _places: Places) -> None:
        """Gangs keep their size."""
        raise RunError(f"the scheduler changes the size of '{request.owner}', whose gang keeps its size")

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
        if not node.holders:
            self._serve_lacking()
            self._keep_as_spare(node)
        self.slots_freed()
        if node.reserved and self._spares[node.pool].state == "cold":
            yield from node.shut_down()
            self.slots_freed()

    def repair(self, node: Node) -> None:
        """Mends a failed node: it boots, on nobody's account."""
        self._bring_up(node)

    def _look_at(self, pool: str, nodes: Iterable[Node]) -> None:
        """Notes which of some nodes that have changed are on with nobody on them, before they are watched."""
        idle, slots = self._idle[pool], self._pools[pool].slots
        for node in nodes:
            self._changed[node] = None
            if node.state == "on" and node.free == slots:
                idle.add(node)
            else:
                idle.discard(node)

    def _watch_changed(self) -> None:
        changed, self._changed = self._changed, {}
        if self._idle_timeout_ns:
            for node in sorted(changed, key=self._number):
                self._watch_idle(node)

    def _watch_idle(self, node: Node) -> None:
        timeout_ns = self._idle_timeout_ns.get(node.pool)
        if timeout_ns is None or node.state != "on" or node.free < node.hardware.slots or node.holders:
            return
        if self._watched_since_ns.get(node) != node.idle_since_ns:
            self._watched_since_ns[node] = node.idle_since_ns
            self.env.process(self._stop_if_still_idle(node, node.idle_since_ns, timeout_ns))

    def _stop_if_still_idle(self, node: Node, since_ns: int, timeout_ns: int) -> Generator[simpy.Event, object, None]:
        yield self.env.wait(max(0, since_ns + timeout_ns - self.env.now_ns))
        idle = node.state == "on" and node.free == node.hardware.slots and node.idle_since_ns == since_ns
        idle &= not node.holders
        if idle and len(self._idle[node.pool]) > self._keep_warm.get(node.pool, 0):
            yield from node.shut_down()
            self.slots_freed()
