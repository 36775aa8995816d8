"""Nodes that one gang holds whole, metered together: what a thousand equal machines draw is one sum.

A gang of thousands of nodes changes its state as one, and its nodes draw alike but for their units. While they do, the
group has one meter, whose draws are the sums of its nodes'; a node that is touched for itself (it fails, it is given
back) leaves the group, settles, and has its own meter again. Joules are the same to rounding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.engine.clock import Clock
from sim.engine.draws import NodeHardware, Share, node_draws
from sim.engine.meter import Draw, Recorder

if TYPE_CHECKING:
    from sim.engine.node import Holder, Node

Floats = npt.NDArray[np.float64]

FEWEST_NODES = 64
"""From so many on a gang's nodes are metered together."""
MOST_SHARES = 64
"""Sums that are kept; caps by a signal would make ever more of them."""


class NodeGroup:
    """Nodes in one pool, all of whose slots ``holder`` holds in one state."""

    def __init__(self, env: Clock, recorder: Recorder, pool: str, holder: Holder, share: Share) -> None:
        self.holder = holder
        self.share = share
        self._env = env
        self._recorder = recorder
        self._pool = pool
        self._since_ns = env.now_ns
        self._nodes: dict[Node, int] = {}
        self._kinds: dict[int, int] = {}  # by identity: units of a fleet have hardware of their own
        self._hardware: list[NodeHardware] = []
        self._counts: list[int] = []
        self._rows: dict[Share, tuple[tuple[Draw, ...], Floats]] = {}
        self._sums: dict[Share, tuple[Draw, ...]] = {}

    def add(self, node: Node) -> None:
        """Meters ``node`` here from now on; its own meter has been settled."""
        self.settle()
        kind = self._kinds.setdefault(id(node.hardware), len(self._hardware))
        if kind == len(self._hardware):
            self._hardware.append(node.hardware)
            self._counts.append(0)
        self._counts[kind] += 1
        self._nodes[node] = kind
        self._sums.clear()

    def drop(self, node: Node) -> None:
        """Meters ``node`` here no longer."""
        self.settle()
        self._counts[self._nodes.pop(node)] -= 1
        self._sums.clear()

    def set(self, share: Share) -> None:
        """Puts all nodes into the state of ``share``."""
        if share == self.share:
            return
        self.settle()
        self.share = share
        for node in self._nodes:
            if node.on_change is not None:
                node.on_change()

    def settle(self) -> None:
        """Books what was drawn up to now."""
        now_ns = self._env.now_ns
        if now_ns > self._since_ns and self._nodes:
            draws = self._sums.get(self.share)
            if draws is None:
                draws = self._sums[self.share] = self._summed()
            self._recorder.record(self._pool, draws, self._since_ns, now_ns)
        self._since_ns = now_ns

    def _summed(self) -> tuple[Draw, ...]:
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
