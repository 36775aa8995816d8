"""A row of a table of jobs on nodes that have meters of their own: beside gangs of other work, where nodes break or
sleep."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import simpy

from sim.engine.fleet.request import Request
from sim.engine.fleet.row import FULL_RATE, Row
from sim.engine.machines.gang import Gang
from sim.workload.allocations import Outcome, PaceState
from sim.workload.job_energy import owner_of_job

if TYPE_CHECKING:
    from sim.engine.fleet.plan import JobsPlan
    from sim.engine.fleet.rows import Rows
    from sim.engine.machines.node import Node


class GangRow(Row):
    """It holds its slots as a gang, which nodes boot for and which loses nodes that fail."""

    __slots__ = ("_gang",)

    def __init__(self, rows: Rows, plan: JobsPlan, i: int, number: int, request: Request) -> None:
        super().__init__(rows, plan, i, number, request)
        self._gang: Gang | None = None

    def submit(self) -> None:
        """It waits from now on."""
        self._new_gang()
        self._rows.fleet.submit(self.request, self._rows.cluster)

    def _new_gang(self) -> None:
        """A gang is placed once; whoever waits again does so with another."""
        request = self.request
        owner = owner_of_job(request.owner, self.number)
        gang = self._gang = Gang(self._rows.cluster, owner, "", request.slots, request.limit_ns)
        gang.request, request.gang = request, gang
        gang.process = None
        gang.asks_soon = True
        gang.on_placed = self._placed
        gang.on_preempt = lambda: self.preempt(request)
        gang.on_lost = self._lost
        assert gang.ready.callbacks is not None
        gang.ready.callbacks.append(self._ready)

    def _placed(self) -> None:
        self._hold(self.request.places)
        request, gang = self.request, self._gang
        assert gang is not None
        places = request.places
        shares = self._rows.cpu_shares(request, self._here, places)
        gang.milli = request.milli or (0 if request.slots else self._rows.held_milli(request, self._here, places)[0])
        if request.cpu_milli or not request.slots:
            gang.cpu_share = dict(zip(gang.parts, shares, strict=True))
        self._rows.log.pace(self._stint, self._rows.env.now_ns, "booting", self._here.idle_w, 0.0, 0.0)

    def _ready(self, _event: simpy.Event) -> None:
        if self._gang is not None and self._gang.parts and self._doing == "nothing":
            assert self.request.started_ns is not None
            self.request.uncounted_ns += self._rows.env.now_ns - self.request.started_ns
            self._set_up()

    def _lost(self, _node: Node) -> None:
        """A node of it has failed: it goes back to its last checkpoint, and waits for other machines."""
        if self._stint < 0:
            return
        self._rows.failed[self.number] += 1
        self._back_to_checkpoint()
        self._make_room("failed", again=True)

    def _pace(self, state: PaceState, gpu_w: float, cpu_load: float, rate: float) -> None:
        super()._pace(state, gpu_w, cpu_load, rate)
        if math.isnan(gpu_w) or math.isnan(cpu_load):
            self._follow(gpu_w, cpu_load, rate, self._token + 1, None)
            return
        assert self._gang is not None
        self._gang.set(state, gpu_w, cpu_load)

    def _follow(self, gpu_w: float, cpu_load: float, rate: float, token: int, _event: simpy.Event | None) -> None:
        """Draws what its loads say at so much work done, and again when they say something else."""
        if _event is not None and token != self._token:
            return
        loads, rows = self.plan.table.loads, self._rows
        assert loads is not None
        assert self._gang is not None
        self.advance()
        done_ns = self._todo_ns - self._left_ns
        own = slice(int(loads.first[self.i]), int(loads.first[self.i + 1]))
        at = own.start + int(np.searchsorted(loads.offset_ns[own], done_ns, side="right")) - 1
        watts = float(loads.gpu_w[at]) if math.isnan(gpu_w) else gpu_w
        self.gpu_w = min([watts, *(self._caps_w or {}).values()])
        self.present_cpu = float(loads.cpu_load[at]) if math.isnan(cpu_load) else cpu_load
        self._gang.set("active", self.gpu_w, self.present_cpu)
        if at + 1 < own.stop and rate > 0.0:
            wait_ns = -(-(int(loads.offset_ns[at + 1]) - done_ns) * FULL_RATE // round(rate * FULL_RATE))
            due = rows.env.wait(wait_ns)
            assert due.callbacks is not None
            due.callbacks.append(partial(self._follow, gpu_w, cpu_load, rate, token))

    def _end_stint(self, outcome: Outcome) -> None:
        super()._end_stint(outcome)
        self._stint = -1

    def _give_back(self) -> None:
        gang, self._gang = self._gang, None
        assert gang is not None
        gang.on_lost = None
        gang.release()

    def _again(self) -> None:
        self._new_gang()
        self._rows.fleet.again(self.request, self._rows.cluster)
