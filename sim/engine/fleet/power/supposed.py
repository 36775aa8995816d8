"""What a domain would draw if its loads were asked for less: the forecast by which its ladder is climbed.

It is what meters would book (``metering.draws.node_draws``) once all have done what they are asked. On a GPU that is
shared that depends on who else works on it, by the law by which it is shared; on one that is cut, free instances beside
one in use are clocked up with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.power.jobs import RowLoad
from sim.engine.fleet.power.ladder import Setting
from sim.engine.fleet.power.live import Live
from sim.engine.fleet.power.loads import Load
from sim.engine.fleet.sharers import tenant
from sim.engine.machines.gang import Gang
from sim.engine.metering.draws import CLOCKED_UP
from sim.profiles.shared_gpu.tenants import SharedGPU, Tenant

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Company:
    """Who has parts of one GPU: ``members`` are loads by their number (-1: nobody who is asked), as ``tenants``."""

    gpu: SharedGPU
    members: tuple[int, ...]
    tenants: tuple[Tenant, ...]

    def settle(self, watts: Floats, loaded_w: Floats, works: Bools, gone: Bools) -> None:
        """Puts what each of its members would draw in the place of ``watts``, what it would draw on its own."""
        there = [
            (k, one._replace(at_work=bool(works[k])) if k >= 0 else one)
            for k, one in zip(self.members, self.tenants, strict=True)
            if k < 0 or not gone[k]
        ]
        there.sort(key=lambda one: one[1])
        for (k, one), terms in zip(there, self.gpu.terms(tuple(one for _, one in there)), strict=True):
            if k >= 0:
                work_w = max(0.0, watts[k] - loaded_w[k]) if one.at_work else 0.0
                watts[k] = terms.rest_w + terms.rate * work_w


class Supposed:
    """What the nodes of a domain would draw, by what ``source`` asks of the loads on them, beside all other sources.

    A load that is held back or paused by ``source`` alone would begin, or go on, if it were not asked to. Where a
    setting sheds it, its slots are free; ``ahead`` of a call, so are those of loads that are on their way out.
    ``soon``: who writes a checkpoint works again.
    """

    def __init__(
        self,
        live: Live,
        nodes: Ints,
        loads: Mapping[Gang, Load],
        source: str,
        *,
        ahead: bool = False,
        soon: bool = False,
    ) -> None:
        self.loads = tuple(loads.values())
        self._live, self._source = live, source
        on = np.array([live.nodes[i].state == "on" for i in nodes.tolist()], np.bool_)
        self._fixed_w = float(live.watts[nodes[~on]].sum())
        self._nodes = nodes[on]
        self._lay_nodes(loads)
        traits = [load.traits for load in self.loads]
        self._board_w = np.array([live.board_w.get(one.pool, one.full_w) for one in traits])
        self._works = np.array([load.would_work(source) or (soon and load.writes) for load in self.loads], np.bool_)
        self._held = np.array([load.held for load in self.loads], np.bool_)
        self._leaves = np.array([load.leaving and ahead for load in self.loads], np.bool_)
        self._can_cap = [one.cappable for one in traits]
        stays = np.array([not load.leaving for load in self.loads], np.bool_)
        self.can_pause = np.array([one.can_pause for one in traits], np.bool_) & stays
        self.can_be_killed = np.array([one.can_kill for one in traits], np.bool_) & stays & self._works
        self.can_shed = np.array([one.can_shed for one in traits], np.bool_) & stays
        self._loaded_w = np.array([one.loaded_w for one in traits])
        self.priority = np.array([one.priority for one in traits], np.int64)
        self.serves = np.array([one.serves for one in traits], np.bool_)
        self.order = np.array([one.order for one in traits], np.int64)
        self._companies = _companies(self.loads)
        members = [k for company in self._companies for k in company.members if k >= 0]
        self._shares = np.isin(np.arange(len(self.loads)), members)
        self._known: dict[tuple[int, float | None], float] = {}

    def _lay_nodes(self, loads: Mapping[Gang, Load]) -> None:
        """Columns of places, one for each load on each node, and what all others hold and draw on the nodes."""
        live, m = self._live, len(self._nodes)
        self._gpu_w, self._cpu, self._work, self._on_gpus = (np.zeros(m) for _ in range(4))
        self._free, self._used = np.zeros(m), np.zeros(m)
        number = {gang: k for k, gang in enumerate(loads)}
        places: list[tuple[float, ...]] = []
        hardware = [live.nodes[i].hardware for i in self._nodes.tolist()]
        for k, i in enumerate(self._nodes.tolist()):
            node = live.nodes[i]
            self._free[k] = hardware[k].slots
            for holder, share in zip(node.holders, live.shares(node), strict=True):
                part = share.amount / hardware[k].slots
                active, on_gpus = share.state == "active", 0.0 if share.on_hosts else part
                cpu = share.cpu_load * part + share.host_load if active else 0.0
                clocked = share.state in CLOCKED_UP and not share.on_hosts
                if isinstance(holder, Gang) and holder in number:
                    cpus = holder.cpu_share.get(node, part)
                    cpu = cpu or loads[holder].traits.cpu_load * cpus
                    places.append((number[holder], k, share.amount, part, on_gpus, cpu, share.gpu_w, clocked))
                    continue
                self._gpu_w[k] += share.amount * share.gpu_w
                self._free[k] -= share.amount
                self._used[k] += share.amount * clocked
                if active:
                    self._cpu[k] += cpu
                    self._work[k] += part
                    self._on_gpus[k] += on_gpus
        columns = np.array(places, np.float64).reshape(-1, 8).T
        self._of_load, self._of_node = columns[0].astype(np.int64), columns[1].astype(np.int64)
        self._slots, self._part, self._gpu_part, self._cpu_part, self._now_w = columns[2:7]
        self._clocked = columns[7] > 0.0
        self._idle_w = np.array([one.gpu_idle_w for one in hardware])
        self._awake_w = np.array([one.gpu_awake_w for one in hardware])
        self._per_gpu = np.array([one.gpu_slots for one in hardware], np.float64)

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
        for company in self._companies:
            company.settle(watts, self._loaded_w, works, gone)
        told = self._works | self._held  # of all others their state, which nothing that is asked for changes
        stays = ~gone[self._of_load]
        each_w = np.where((told | self._shares)[self._of_load], watts[self._of_load], self._now_w)
        clocked = np.where(told[self._of_load], self._gpu_part > 0.0, self._clocked)
        m, node = len(self._nodes), self._of_node
        held = self._slots * stays
        free = self._free - np.bincount(node, held, m)
        used = self._used + np.bincount(node, held * clocked, m)
        awake = np.where(self._per_gpu > 1.0, np.minimum(free, -used % self._per_gpu), 0.0)
        free_w = awake * self._awake_w + (free - awake) * self._idle_w
        at_work = works[self._of_load]
        return self._fixed_w + float(
            self._live.plugs.watts(
                self._nodes,
                self._gpu_w + np.bincount(node, each_w * held, m) + free_w,
                self._cpu + np.bincount(node, self._cpu_part * at_work, m),
                self._work + np.bincount(node, self._part * at_work, m),
                self._on_gpus + np.bincount(node, self._gpu_part * at_work, m),
            ).sum()
        )

    def _w_under(self, i: int, cap_w: float | None) -> float:
        if (i, cap_w) not in self._known:
            self._known[i, cap_w] = self.loads[i].w_under(self._source, cap_w)
        return self._known[i, cap_w]


def _companies(loads: Sequence[Load]) -> list[Company]:
    """One for each GPU that is shared by rule and that some of these have a part of."""
    number = {load.row: k for k, load in enumerate(loads) if isinstance(load, RowLoad)}
    found: dict[tuple[int, int], Company] = {}
    for load in loads:
        shares = load.shares_gpu() if isinstance(load, RowLoad) else None
        if shares is not None and shares.gpu not in found:
            there = shares.there
            members = tuple(number.get(row, -1) for row in there)
            tenants = tuple(tenant(row, bool(at_work)) for row, at_work in there.items())
            found[shares.gpu] = Company(shares.sharing, members, tenants)
    return [*found.values()]
