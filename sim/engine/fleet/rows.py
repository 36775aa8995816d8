"""Rows of tables of jobs in a fleet: they come, wait, run, and leave a log of who held what.

At one instant whoever ends comes first and whoever is submitted next, and the scheduler is asked once, after all of
them; so what happens does not depend on the order of rows but for jobs that are alike, which keep that of their file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.engine.fleet.capped import Capped
from sim.engine.fleet.fleet import Fleet
from sim.engine.fleet.gang_row import GangRow
from sim.engine.fleet.log import AllocationLog
from sim.engine.fleet.plan import ROW_STATUS, JobsPlan, PoolForJobs, RowsRecord, RowStatus
from sim.engine.fleet.request import WHOLE, Places, Request
from sim.engine.fleet.row import Row
from sim.engine.fleet.sharers import Sharers
from sim.engine.machines.cluster import Cluster
from sim.workload.jobs.table import UNKNOWN, JobTable

_CODE = {name: code for code, name in enumerate(ROW_STATUS)}


class Rows:
    """All tables of a run. ``metered`` pools have nodes with meters of their own, in ``cluster``; the nodes of the
    others are metered by the log, when the run is over."""

    def __init__(
        self, env: Clock, fleet: Fleet, cluster: Cluster, plans: Sequence[JobsPlan], metered: frozenset[str]
    ) -> None:
        self.env = env
        self.fleet = fleet
        self.cluster = cluster
        self.log = AllocationLog()
        self.plans = tuple(plans)
        self.running: dict[int, Row] = {}
        """By their number over all tables; whoever limits power looks here."""
        self.capped = Capped()
        """The rate and the W of jobs under caps that were asked for: by workload, pool, W without, and cap."""
        self.caps: dict[tuple[str, str], dict[str, float]] = {}
        """Those of policies, by workload and pool and then by who asks: rows that start find them."""
        self.sharers = Sharers(fleet.machines)
        self._metered = metered
        sizes = [len(plan.table) for plan in plans]
        self.first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64).tolist()
        total = self.first[-1]
        self._status = np.zeros(total, np.int64)
        self.done_ns, self.lost_ns = np.zeros(total, np.int64), np.zeros(total, np.int64)
        self._ended_ns = np.full(total, UNKNOWN, np.int64)
        self.preempted, self.failed = np.zeros(total, np.int64), np.zeros(total, np.int64)
        self._open = total
        self.finished: simpy.Event = env.event()
        self._labels = [_labels(plan.table) for plan in plans]
        self._choices = [
            tuple(tuple(fleet.machines.number[pool] for pool in pools) for pools in plan.choices) for plan in plans
        ]
        self.process = env.process(self._submit_all())

    def set_status(self, number: int, status: RowStatus) -> None:
        """A row stands otherwise from now on; the last of all to end ends the run, if nothing else goes on."""
        self._status[number] = _CODE[status]
        if status in ("completed", "killed", "refused"):
            self._ended_ns[number] = self.env.now_ns
            self._open -= 1
            if not self._open:
                self.finished.succeed()

    def cap(self, workload: str, pool: str, source: str, cap_w: float | None) -> None:
        """From now on ``source`` allows each GPU of a workload's rows in a pool no more than ``cap_w``; None lifts
        it."""
        caps = self.caps.setdefault((workload, pool), {})
        if cap_w is None:
            caps.pop(source, None)
        else:
            caps[source] = cap_w
        for row in [*self.running.values()]:
            if row.plan.name == workload and row.pool == pool:
                row.cap(source, cap_w)

    def records(self) -> tuple[RowsRecord, ...]:
        """What has become of the rows until now, by workload."""
        for row in self.running.values():
            row.advance()
        spans = [slice(low, high) for low, high in zip(self.first[:-1], self.first[1:], strict=True)]
        return tuple(
            RowsRecord(
                plan.name,
                span.start,
                self._status[span].copy(),
                self.done_ns[span].copy(),
                self.lost_ns[span].copy(),
                self._ended_ns[span].copy(),
                self.preempted[span].copy(),
                self.failed[span].copy(),
            )
            for plan, span in zip(self.plans, spans, strict=True)
        )

    @staticmethod
    def held_milli(request: Request, here: PoolForJobs, places: Places) -> list[int]:
        """Thousandths of the slots of each node of some places that a request holds: those it is given, or as much of
        the sockets as it asks for of their cores."""
        if here.sockets and here.cpu_milli is not None and not (request.slots or request.milli):
            return [request.cpu_milli * here.sockets * WHOLE // here.cpu_milli] * len(places)
        return [place.total_milli for place in places]

    def cpu_shares(self, request: Request, here: PoolForJobs, places: Places) -> list[float]:
        """Of the CPUs of each node of some places: what a request asks for, or else as many as of its slots."""
        milli = [place.total_milli for place in places]
        if request.cpu_milli and here.cpu_milli is not None:
            whole = sum(milli)
            return [
                request.cpu_milli * (part / whole if whole else 1.0 / len(places)) / here.cpu_milli for part in milli
            ]
        slots = self.fleet.machines.slots
        return [part / (WHOLE * slots[place.node]) for part, place in zip(milli, places, strict=True)]

    def _submit_all(self) -> Generator[simpy.Event, object, None]:
        """Submits each row at its time; rows of one instant in the order of their workloads and files."""
        if not self._open:
            self.finished.succeed()
            return
        submit = np.concatenate([plan.table.submit_ns for plan in self.plans])
        of_plan = np.repeat(np.arange(len(self.plans)), np.diff(self.first))
        order = np.argsort(submit, kind="stable")
        times, firsts = np.unique(submit[order], return_index=True)
        bounds = [*firsts.tolist(), len(order)]
        for k, at_ns in enumerate(times.tolist()):
            if at_ns > self.env.now_ns:
                yield self.env.wait(at_ns - self.env.now_ns)
            for number in order[bounds[k] : bounds[k + 1]].tolist():
                self._submit(int(of_plan[number]), number)
            self.fleet.ask_soon()

    def _submit(self, which: int, number: int) -> None:
        plan = self.plans[which]
        i = number - self.first[which]
        request = self._request(which, plan, i, number)
        if not self.fleet.can_ever_hold(request):
            self.set_status(number, "refused")
            return
        metered = any(pool in self._metered for pool in plan.choices[plan.choice[i]])
        row: Row = (GangRow if metered else Row)(self, plan, i, number, request)
        self.set_status(number, "waiting")
        row.submit()

    def _request(self, which: int, plan: JobsPlan, i: int, number: int) -> Request:
        table, labels = plan.table, self._labels[which]
        limit_ns = int(table.limit_ns[i])
        deadline_ns = int(table.deadline_ns[i])
        return Request(
            plan.name,
            self.fleet.number(),
            self._choices[which][plan.choice[i]],
            int(plan.slots[i]),
            self.env.now_ns,
            limit_ns if limit_ns != UNKNOWN else None,
            row=number,
            milli=int(table.gpu_milli[i]),
            nodes=max(0, int(table.nodes[i])),
            cpu_milli=max(0, int(table.cpu_milli[i])),
            memory_mib=max(0, int(table.memory_mib[i])),
            user=labels["user"](i),
            account=labels["account"](i),
            queue=labels["queue"](i),
            kind=labels["kind"](i),
            priority=int(table.priority[i]),
            spot=bool(table.spot[i]),
            deadline_ns=deadline_ns if deadline_ns != UNKNOWN else None,
            slack_ns=int(table.slack_ns[i]),
            least=max(0, int(table.min_gpus[i])),
            most=max(0, int(table.max_gpus[i])),
            speed_up=plan.speed_up,
        )


@dataclass(frozen=True)
class RowsOfPool:
    """All rows of one workload in one pool, as one that takes caps."""

    rows: Rows
    workload: str
    pool: str

    def cap(self, source: str, cap_w: float | None) -> None:
        """From now on ``source`` allows each GPU no more than ``cap_w``; None lifts it."""
        self.rows.cap(self.workload, self.pool, source, cap_w)


def _labels(table: JobTable) -> dict[str, Callable[[int], str]]:
    """What each row is called in each column of names; nothing where it has none."""

    def named(column: str) -> Callable[[int], str]:
        codes, names = getattr(table, column), table.names.get(column, ())
        return lambda i: names[codes[i]] if codes[i] != UNKNOWN else ""

    return {column: named(column) for column in ("user", "account", "queue", "kind")}
