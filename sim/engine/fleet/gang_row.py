"""A row of a table of jobs on nodes that have meters of their own: beside gangs of other work, where nodes break or
sleep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import simpy

from sim.engine.cluster import Gang
from sim.engine.fleet.plan import JobsPlan
from sim.engine.fleet.request import Request
from sim.engine.fleet.row import Row
from sim.workload.allocations import Outcome, PaceState

if TYPE_CHECKING:
    from sim.engine.fleet.rows import Rows
    from sim.engine.node import Node


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
        gang = self._gang = Gang(self._rows.cluster, request.owner, "", request.slots, request.limit_ns)
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
        self._rows.log.pace(self._stint, self._rows.env.now_ns, "booting", self._here.idle_w, 0.0, 0.0)

    def _ready(self, _event: simpy.Event) -> None:
        if self._gang is not None and self._gang.parts and self._doing == "nothing":
            self._set_up()

    def _lost(self, _node: Node) -> None:
        """A node of it has failed: it goes back to its last checkpoint, and waits for other machines."""
        if self._stint < 0:
            return
        self.advance()
        self._rows.failed[self.number] += 1
        every_ns = self.plan.keeps.every_ns
        done_ns = self._todo_ns - self._left_ns
        self._lose(self._todo_ns - (done_ns // every_ns * every_ns if every_ns is not None else 0))
        self._make_room("failed", again=True)

    def _pace(self, state: PaceState, gpu_w: float, cpu_load: float, rate: float) -> None:
        super()._pace(state, gpu_w, cpu_load, rate)
        assert self._gang is not None
        self._gang.set(state, gpu_w, cpu_load)

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
