"""Writes down who held what while a run goes on, and gives it back as columns."""

from __future__ import annotations

from array import array

import numpy as np

from sim.workload.allocations import OUTCOMES, PACE_STATES, Allocations, Outcome, PaceState

_OUTCOME = {name: code for code, name in enumerate(OUTCOMES)}
_STATE = {name: code for code, name in enumerate(PACE_STATES)}
OPEN = -1


class AllocationLog:
    """A log that grows: a stint is begun, its paces are told, and it is ended."""

    def __init__(self) -> None:
        self._job, self._start, self._end, self._outcome = array("q"), array("q"), array("q"), array("q")
        self._first_place = array("q", [0])
        self._done = array("q")
        self._node, self._milli, self._cpu = array("q"), array("q"), array("d")
        self._pace_stint, self._pace_start, self._pace_state = array("q"), array("q"), array("q")
        self._pace_w, self._pace_cpu, self._pace_rate = array("d"), array("d"), array("d")

    def begin(
        self, job: int, now_ns: int, nodes: list[int], milli: list[int], cpu_share: list[float], done_ns: int
    ) -> int:
        """Job ``job`` has so much of these nodes from now on, with so much work done; gives the number of the stint."""
        self._done.append(done_ns)
        self._job.append(job)
        self._start.append(now_ns)
        self._end.append(OPEN)
        self._outcome.append(_OUTCOME["unfinished"])
        self._node.extend(nodes)
        self._milli.extend(milli)
        self._cpu.extend(cpu_share)
        self._first_place.append(len(self._node))
        return len(self._job) - 1

    def pace(self, stint: int, now_ns: int, state: PaceState, gpu_w: float, cpu_load: float, rate: float) -> None:
        """From now on a stint does this."""
        self._pace_stint.append(stint)
        self._pace_start.append(now_ns)
        self._pace_state.append(_STATE[state])
        self._pace_w.append(gpu_w)
        self._pace_cpu.append(cpu_load)
        self._pace_rate.append(rate)

    def end(self, stint: int, now_ns: int, outcome: Outcome) -> None:
        """A stint is over."""
        self._end[stint] = now_ns
        self._outcome[stint] = _OUTCOME[outcome]

    def allocations(self, end_ns: int) -> Allocations:
        """All of it; stints that go on end with the run at ``end_ns``, unfinished."""
        ends = np.array(self._end, np.int64)
        ends[ends == OPEN] = end_ns
        of_stint = np.array(self._pace_stint, np.int64)
        order = np.argsort(of_stint, kind="stable")
        counts = np.bincount(of_stint, minlength=len(ends)) if len(ends) else np.empty(0, np.int64)
        return Allocations(
            job=np.array(self._job, np.int64),
            start_ns=np.array(self._start, np.int64),
            end_ns=ends,
            outcome=np.array(self._outcome, np.int64),
            first_place=np.array(self._first_place, np.int64),
            node=np.array(self._node, np.int64),
            milli=np.array(self._milli, np.int64),
            cpu_share=np.array(self._cpu, np.float64),
            first_pace=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            pace_start_ns=np.array(self._pace_start, np.int64)[order],
            pace_state=np.array(self._pace_state, np.int64)[order],
            pace_gpu_w=np.array(self._pace_w, np.float64)[order],
            pace_cpu_load=np.array(self._pace_cpu, np.float64)[order],
            pace_rate=np.array(self._pace_rate, np.float64)[order],
            done_ns=np.array(self._done if any(self._done) else (), np.int64),
        )
