"""What jobs drew on nodes with meters of their own, kept bin by bin on its way into the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from sim.accounting.bins import Bins
from sim.accounting.charges import EVERYWHERE
from sim.accounting.recorder import Drawing
from sim.accounting.watch import AT_WORK, Books
from sim.later import later
from sim.units import SECONDS_PER_NS
from sim.workload.allocations import MILLI

with later():
    from sim.workload.job_energy import JobEnergy, job_of_owner


if TYPE_CHECKING:
    from sim.workload.job_energy import Floats, Ints


class JobTally:
    """Books what jobs draw under the names of their workloads, and remembers what each of them drew."""

    def __init__(self, books: Books, bins: Bins) -> None:
        """Passes on to ``books``, whose bins are ``bins``."""
        self._books = books
        self._bins = bins
        self._sums: dict[tuple[int, int, str], list[float]] = {}

    def record(self, pool: str, draws: Sequence[Drawing], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw from ``start_ns`` to ``end_ns``, of ``count`` nodes that draw alike."""
        told: list[Drawing] = []
        of_jobs: dict[int, list[float]] = {}
        for draw in draws:
            job, workload = job_of_owner(draw.owner)
            if job is None:
                told.append(draw)
                continue
            told.append(draw.of(workload))
            sums = of_jobs.setdefault(job, [0.0, 0.0, 0.0])
            sums[0] += draw.watts
            if draw.component == EVERYWHERE:
                held = draw.slots + draw.milli / MILLI
                sums[1] += held
                sums[2] += held if draw.state == AT_WORK else 0.0
        self._books.record(pool, told, start_ns, end_ns, count)
        for _ in range(count if of_jobs else 0):
            self._keep(pool, of_jobs, start_ns, end_ns)

    def _keep(self, pool: str, of_jobs: dict[int, list[float]], start_ns: int, end_ns: int) -> None:
        self._bins.reach(end_ns)
        at = self._bins.index(start_ns)
        while start_ns < end_ns:
            until_ns = min(end_ns, self._bins.edges[at + 1])
            seconds = (until_ns - start_ns) * SECONDS_PER_NS
            for job, sums in of_jobs.items():
                kept = self._sums.setdefault((job, at, pool), [0.0, 0.0, 0.0])
                for i, each in enumerate(sums):
                    kept[i] += each * seconds
            start_ns, at = until_ns, at + 1

    def energy(self, pools: tuple[str, ...], edges_ns: Ints) -> JobEnergy:
        """What each job drew, in bins between ``edges_ns``."""
        rows = sorted((job, at, pools.index(pool), *sums) for (job, at, pool), sums in self._sums.items())
        job, bins, pool = (np.array([row[i] for row in rows], dtype=np.int64) for i in range(3))
        energy_j, slot_s, active_s = (self._column(rows, i) for i in range(3, 6))
        return JobEnergy(pools, edges_ns, job, pool, bins, energy_j, slot_s, active_s)

    @staticmethod
    def _column(rows: Sequence[tuple[float, ...]], i: int) -> Floats:
        return np.array([row[i] for row in rows], dtype=np.float64)
