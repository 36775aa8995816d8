"""Who draws what at this instant, node by node.

What a node draws is what its meter books (``draws.node_draws``), but for holders that know only afterwards what
they did (serving): see ``services``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.power.loads import Load
from sim.engine.fleet.power.machines import Plugs
from sim.engine.fleet.power.plan import PowerPlan
from sim.engine.fleet.power.running import Running
from sim.engine.fleet.power.services import ReplicaLoad, ServiceLoad
from sim.engine.machines.gang import Gang
from sim.engine.machines.node import Node
from sim.engine.metering.draws import Share, node_draws

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


class Live:
    """The nodes of a run by their number, what each draws, and the loads on them."""

    def __init__(
        self,
        nodes: Sequence[Node],
        running: Running,
        plan: PowerPlan,
    ) -> None:
        self.nodes = tuple(nodes)
        self.number = {node: i for i, node in enumerate(self.nodes)}
        self.plugs = Plugs.of([node.hardware for node in nodes])
        self.watts: Floats = np.zeros(len(self.nodes))
        self.loads: dict[Gang, Load] = {}
        self.of_services: dict[Gang, ServiceLoad | ReplicaLoad] = {}
        self.fresh: list[Load] = []
        """Loads that have been seen for the first time, until somebody takes them."""
        self._on: list[tuple[Gang, ...]] = [()] * len(self.nodes)
        self._running = running
        self._plan = plan
        self.board_w = plan.board_w

    def look(self, changed: Sequence[Node]) -> list[Load]:
        """Takes in what has changed on nodes; gives the loads that run there no longer."""
        gone: list[Load] = []
        for node in changed:
            i = self.number[node]
            holders = tuple(holder for holder in node.holders if isinstance(holder, Gang))
            left = [gang for gang in self._on[i] if gang not in holders and not gang.parts and gang in self.loads]
            left += [gang for gang in holders if gang in self.loads and self.loads[gang].over]
            gone += [self.loads.pop(gang) for gang in left]
            for gang in left:
                self.of_services.pop(gang, None)
            for gang in holders:
                if gang not in self.loads:
                    self._take_in(gang)
            self._on[i] = holders
            self.watts[i] = self._node_w(node)
        return gone

    def drawn_w(self, nodes: Ints) -> float:
        """W of all of these."""
        return float(self.watts[nodes].sum())

    def on(self, nodes: Ints) -> dict[Gang, Load]:
        """The loads on nodes, in the order in which they came."""
        found = {gang: self.loads[gang] for i in nodes.tolist() for gang in self._on[i] if gang in self.loads}
        return dict(sorted(found.items(), key=lambda one: one[1].traits.order))

    def _take_in(self, gang: Gang) -> None:
        load = self._running.load(gang, self._plan)
        if load is not None:
            self.loads[gang] = load
            if isinstance(load, ServiceLoad | ReplicaLoad):
                self.of_services[gang] = load
            self.fresh.append(load)

    def shares(self, node: Node) -> tuple[Share, ...]:
        """Those of a node, with holders that tell afterwards at what their load counts for."""
        told = []
        for holder, share in zip(node.holders, node.shares, strict=True):
            load = self.loads.get(holder) if isinstance(holder, Gang) else None
            told.append(load.counts(share) if isinstance(load, ReplicaLoad) else share)
        return tuple(told)

    def _node_w(self, node: Node) -> float:
        return sum(draw.watts for draw in node_draws(node.hardware, node.state, self.shares(node)))
