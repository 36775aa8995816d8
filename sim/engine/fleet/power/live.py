"""Who draws what at this instant, node by node, and what a domain would draw if its loads were asked for less.

What a node draws is what its meter books (``engine.draws.node_draws``), but for holders that know only afterwards what
they did (serving): see ``services``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from sim.engine.draws import Share, node_draws
from sim.engine.fleet.power.ladder import Setting
from sim.engine.fleet.power.loads import Load
from sim.engine.fleet.power.machines import Plugs
from sim.engine.fleet.power.plan import PowerPlan
from sim.engine.fleet.power.running import Running
from sim.engine.fleet.power.services import ReplicaLoad, ServiceLoad
from sim.engine.gang import Gang
from sim.engine.node import Node

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


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

    def in_parts(self, nodes: Ints) -> bool:
        """Whether GPUs of these are cut, or held in part."""
        some = (self.nodes[i] for i in nodes.tolist())
        return any(n.hardware.gpu_slots != 1 or any(share.amount % 1.0 for share in n.shares) for n in some)

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


class Supposed:
    """What the nodes of a domain would draw, by what ``source`` asks of the loads on them, beside all other sources.

    A load that is held back or paused by ``source`` alone would begin, or go on, if it were not asked to. Where a
    setting sheds it, its slots are idle; ``ahead`` of a call, so are those of loads that are on their way out.
    """

    def __init__(
        self, live: Live, nodes: Ints, loads: Mapping[Gang, Load], source: str, *, ahead: bool = False
    ) -> None:
        self.loads = tuple(loads.values())
        self._live, self._source = live, source
        on = np.array([live.nodes[i].state == "on" for i in nodes.tolist()], np.bool_)
        self._fixed_w = float(live.watts[nodes[~on]].sum())
        self._nodes = nodes[on]
        m = len(self._nodes)
        self._gpu_w, self._cpu, self._work = np.zeros(m), np.zeros(m), np.zeros(m)
        number = {gang: k for k, gang in enumerate(loads)}
        places: list[tuple[int, int, float, float, float, float, float]] = []
        for k, i in enumerate(self._nodes.tolist()):
            node = live.nodes[i]
            hardware, held = node.hardware, 0.0
            for holder, share in zip(node.holders, live.shares(node), strict=True):
                held += share.amount
                part = share.amount / hardware.slots
                cpu = share.cpu_load * part + share.host_load if share.state == "active" else 0.0
                if isinstance(holder, Gang) and holder in number:
                    cpu = cpu or loads[holder].traits.cpu_load * part
                    places.append((number[holder], k, share.amount, part, cpu, share.gpu_w, hardware.gpu_idle_w))
                    continue
                self._gpu_w[k] += share.amount * share.gpu_w
                if share.state == "active":
                    self._cpu[k] += cpu
                    self._work[k] += part
            self._gpu_w[k] += (hardware.slots - held) * hardware.gpu_idle_w
        columns = np.array(places, np.float64).reshape(-1, 7).T
        self._of_load, self._of_node = columns[0].astype(np.int64), columns[1].astype(np.int64)
        self._slots, self._part, self._cpu_part, self._now_w, self._idle_w = columns[2:]
        traits = [load.traits for load in self.loads]
        self._board_w = np.array([live.board_w.get(one.pool, one.full_w) for one in traits])
        self._works = np.array([load.would_work(source) for load in self.loads], np.bool_)
        self._held = np.array([load.held for load in self.loads], np.bool_)
        self._leaves = np.array([load.leaving and ahead for load in self.loads], np.bool_)
        self._can_cap = [one.cappable for one in traits]
        stays = np.array([not load.leaving for load in self.loads], np.bool_)
        self.can_pause = np.array([one.can_pause for one in traits], np.bool_) & stays
        self.can_be_killed = np.array([one.row >= 0 for one in traits], np.bool_) & stays & self._works
        self.can_shed = np.array([one.can_shed for one in traits], np.bool_) & stays
        self._loaded_w = np.array([one.loaded_w for one in traits])
        self.priority = np.array([one.priority for one in traits], np.int64)
        self.serves = np.array([one.serves for one in traits], np.bool_)
        self.order = np.array([one.order for one in traits], np.int64)
        self._known: dict[tuple[int, float | None], float] = {}

    def caps_w(self, setting: Setting) -> list[float | None]:
        """The caps that a setting means, for each load."""
        levels = (setting.level * self._board_w).tolist()
        return [cap_w if can and cap_w < np.inf else None for cap_w, can in zip(levels, self._can_cap, strict=True)]

    def draws_alone(self, i: int, level: float) -> float:
        """W of the domain with load ``i`` at work at a level of its cap, and nobody beside it."""
        none = Setting.none(len(self.loads))
        none.level[i] = level
        gone = np.ones(len(self.loads), np.bool_)
        gone[i] = False
        return self._drawn(none, gone, gone)

    def draws(self, setting: Setting) -> float:
        """W of the domain under a setting."""
        gone = (setting.shed & self.can_shed) | self._leaves
        return self._drawn(setting, gone, gone | (setting.paused & self.can_pause))

    def _drawn(self, setting: Setting, gone: Bools, still: Bools) -> float:
        watts = self._loaded_w.copy()
        for i, cap_w in enumerate(self.caps_w(setting)):
            if self._works[i]:
                watts[i] = self._w_under(i, cap_w)
        works = self._works & ~still
        watts = np.where(self._works & still, np.minimum(self._loaded_w, watts), watts)
        told = self._works | self._held  # of all others their state, which nothing that is asked for changes
        each_w = np.where(told[self._of_load], watts[self._of_load], self._now_w)
        each_w = np.where(gone[self._of_load], self._idle_w, each_w)
        m = len(self._nodes)
        at_work = works[self._of_load]
        gpu_w = self._gpu_w + np.bincount(self._of_node, each_w * self._slots, m)
        cpu = self._cpu + np.bincount(self._of_node, np.where(at_work, self._cpu_part, 0.0), m)
        work = self._work + np.bincount(self._of_node, np.where(at_work, self._part, 0.0), m)
        return self._fixed_w + float(self._live.plugs.watts(self._nodes, gpu_w, cpu, work).sum())

    def _w_under(self, i: int, cap_w: float | None) -> float:
        if (i, cap_w) not in self._known:
            self._known[i, cap_w] = self.loads[i].w_under(self._source, cap_w)
        return self._known[i, cap_w]
