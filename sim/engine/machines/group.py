"""Nodes that are alike, metered together until something happens to one of them.

Nodes that nobody holds share a meter as long as they are of one kind, in one state, and have been so since the same
instant: what they draw is booked as if each had a meter of its own, one after the other, to the bit.

Those that one gang of many nodes holds whole change their state as one, and draw alike but for their units. Their group
has one meter, whose draws are the sums of its nodes'; joules are the same to rounding. A node that is touched for
itself (it fails, it is given back) leaves, settles, and has its own meter again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.engine.clock import Clock
from sim.engine.metering.draws import NodeHardware, NodeState, Share, node_draws
from sim.engine.metering.meter import Draw, Recorder

if TYPE_CHECKING:
    from sim.engine.machines.node import Holder, Node

Floats = npt.NDArray[np.float64]

FEWEST_NODES = 64
"""From so many on a gang's nodes are metered together."""
MOST_SHARES = 64
"""Sums that are kept; caps by a signal would make ever more of them."""


class SharedMeter:
    """The meter of nodes of one kind that nobody has held since ``since_ns``, all in one state. How many they are, the
    nodes know."""

    __slots__ = ("_draws", "_pool", "_recorder", "hardware", "since_ns", "state")

    def __init__(self, recorder: Recorder, pool: str, hardware: NodeHardware, state: NodeState, now_ns: int) -> None:
        self.hardware = hardware
        self.state: NodeState = state
        self.since_ns = now_ns
        self._recorder = recorder
        self._pool = pool
        self._draws: tuple[Draw, ...] | None = None

    @property
    def draws(self) -> tuple[Draw, ...]:
        """What each of its nodes draws."""
        if self._draws is None:  # machines that are taken again at once draw nothing
            self._draws = node_draws(self.hardware, self.state, ())
        return self._draws

    def book(self, count: int, now_ns: int) -> None:
        """Books what so many of its nodes have drawn up to now; the meter goes on for the others."""
        if now_ns > self.since_ns:
            self._recorder.record(self._pool, self.draws, self.since_ns, now_ns, count)


class NodeGroup:
    """Nodes in one pool, all of whose slots ``holder`` holds in one state.

    Until it is ``set`` for the first time each is booked as if it had a meter of its own, and then their sum.
    """

    def __init__(self, env: Clock, recorder: Recorder, pool: str, holder: Holder, share: Share) -> None:
        self.holder = holder
        self.share = share
        self._env = env
        self._recorder = recorder
        self._pool = pool
        self._since_ns = env.now_ns
        self._summed_up = False
        self._nodes: dict[Node, int] = {}
        self._heard: dict[Node, None] = {}  # those of which somebody hears what changes
        self._kinds: dict[int, int] = {}  # by identity: units of a fleet have hardware of their own
        self._hardware: list[NodeHardware] = []
        self._counts: list[int] = []
        self._rows: dict[Share, tuple[tuple[Draw, ...], Floats]] = {}
        self._sums: dict[Share, tuple[Draw, ...]] = {}

    def add(self, nodes: Sequence[Node], hardware: NodeHardware) -> None:
        """Meters ``nodes`` of one kind here from now on; what they drew before has been booked."""
        self.settle()
        kind = self._kinds.setdefault(id(hardware), len(self._hardware))
        if kind == len(self._hardware):
            self._hardware.append(hardware)
            self._counts.append(0)
        self._counts[kind] += len(nodes)
        if self._nodes:
            self._nodes.update(dict.fromkeys(nodes, kind))
        else:
            self._nodes = dict.fromkeys(nodes, kind)
        for node in nodes:
            node.group = self
            if node.on_change is not None:
                self._heard[node] = None
        self._sums.clear()

    def drop(self, node: Node) -> None:
        """Meters ``node`` here no longer."""
        self.settle()
        self._counts[self._nodes.pop(node)] -= 1
        self._heard.pop(node, None)
        self._sums.clear()

    def free(self) -> list[Node]:
        """The holder gives back all nodes at once; those that are alike share a meter from now on."""
        self.settle()
        now_ns = self._env.now_ns
        meters = [SharedMeter(self._recorder, self._pool, hardware, "on", now_ns) for hardware in self._hardware]
        nodes, self._nodes = self._nodes, {}
        for node, kind in nodes.items():
            node.group, node.meter = None, meters[kind]
        self.tell()
        return list(nodes)

    def set(self, share: Share) -> None:
        """Puts all nodes into the state of ``share``."""
        if share == self.share and self._summed_up:
            return
        self.settle()
        self._summed_up = True
        if share == self.share:
            return
        self.share = share
        self.tell()

    def tell(self) -> None:
        """Whoever wants to hear of its nodes hears that they have changed."""
        for node in self._heard:
            if node.on_change is not None:
                node.on_change()

    def settle(self) -> None:
        """Books what was drawn up to now."""
        now_ns = self._env.now_ns
        if now_ns > self._since_ns and not self._summed_up:
            for hardware, count in zip(self._hardware, self._counts, strict=True):
                draws = node_draws(hardware, "on", (self.share,))
                self._recorder.record(self._pool, draws, self._since_ns, now_ns, count)
        elif now_ns > self._since_ns and self._nodes:
            summed = self._sums.get(self.share)
            if summed is None:
                summed = self._sums[self.share] = self._sum()
            self._recorder.record(self._pool, summed, self._since_ns, now_ns)
        self._since_ns = now_ns

    def _sum(self) -> tuple[Draw, ...]:
        if len(self._rows) > MOST_SHARES:
            self._rows.clear()
        row, watts = self._rows.get(self.share, ((), np.empty((0, 0))))
        more = [node_draws(hardware, "on", (self.share,)) for hardware in self._hardware[len(watts) :]]
        if more:
            row = row or more[0]
            added = np.array([[draw.watts for draw in draws] for draws in more])
            watts = np.concatenate([watts, added]) if len(watts) else added
            self._rows[self.share] = (row, watts)
        sums = (watts * np.array(self._counts)[:, None]).sum(axis=0).tolist()
        nodes = len(self._nodes)
        return tuple(draw._replace(watts=w, slots=draw.slots * nodes) for draw, w in zip(row, sums, strict=True))
