"""A workload of jobs as rows, and all that became of it: what its figures, its files and its pictures are made from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sim.workload.allocations import MILLI, OUTCOMES, Allocations

if TYPE_CHECKING:
    from sim.workload.jobs.table import JobTable

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

JobEnd = Literal["completed", "killed", "cancelled", "refused", "unfinished"]
ENDS: tuple[JobEnd, ...] = ("completed", "killed", "cancelled", "refused", "unfinished")
"""What a job comes to, by code, exactly one: done; killed by its limit, or for good; gone from the queue before it
began; never able to fit; still waiting or at work when the run ends."""

NEVER = -1
"""Of an instant: it did not come."""


@dataclass(frozen=True, eq=False)
class Ends:
    """``state`` (n,) is a code of ``ENDS``; ``end_ns`` (n,) when the job left: the run's end for an unfinished one."""

    state: Ints
    end_ns: Ints


@dataclass(frozen=True, eq=False)
class Inventory:
    """The nodes of a run in the numbers of its log: ``nodes`` names them (``pool/i``), ``milli`` (N,) are the
    thousandths of slots of each, ``pool`` (N,) its pool among ``pools``."""

    nodes: Sequence[str]
    milli: Ints
    pools: Sequence[str]
    pool: Ints

    def of(self, pools: Sequence[str]) -> int:
        """Thousandths of slots of some pools together."""
        wanted = np.isin(self.pool, [i for i, name in enumerate(self.pools) if name in pools])
        return int(self.milli[wanted].sum())


@dataclass(frozen=True, eq=False)
class DomainSeries:
    """Power of what one limit is for: mean W and most W in each bin between ``edges_ns`` (b + 1,), and the least limit
    in force there (inf where none was)."""

    name: str
    level: str
    edges_ns: Ints
    watts: Floats
    most_w: Floats
    limit_w: Floats


@dataclass(frozen=True, eq=False)
class Batch:
    """``log`` has the stints of this workload alone, its ``job`` a row of ``table``; ``pools`` are those it may use.

    ``joules`` (n,) is the energy of each job, None where it was not worked out.
    """

    workload: str
    table: JobTable
    log: Allocations
    ends: Ends
    inventory: Inventory
    pools: Sequence[str]
    end_ns: int
    joules: Floats | None = None

    @cached_property
    def stint_ns(self) -> Ints:
        """How long each stint lasted (s,)."""
        return self.log.end_ns - self.log.start_ns

    @cached_property
    def stint_milli(self) -> Ints:
        """Thousandths of slots that each stint held on all of its nodes (s,)."""
        return segment_sums(self.log.milli, self.log.first_place)

    @cached_property
    def asked_milli(self) -> Ints:
        """Thousandths of slots that each job asks for (n,): what it held, where it held any."""
        milli = self.table.gpus * MILLI + self.table.gpu_milli
        milli[self.log.job] = self.stint_milli
        return milli

    @cached_property
    def stints(self) -> Ints:
        """Stints of each job (n,)."""
        return np.bincount(self.log.job, minlength=len(self.table)).astype(np.int64)

    @cached_property
    def first_start_ns(self) -> Ints:
        """When each job first held anything (n,), ``NEVER`` where it did not."""
        began = np.full(len(self.table), np.iinfo(np.int64).max)
        np.minimum.at(began, self.log.job, self.log.start_ns)
        return np.where(self.stints > 0, began, NEVER)

    @cached_property
    def last_stint(self) -> Ints:
        """The last stint of each job (n,), ``NEVER`` of one without."""
        last = np.full(len(self.table), NEVER)
        last[self.log.job] = np.arange(len(self.log))  # stints are in the order in which they began
        return last

    @cached_property
    def held_ns(self) -> Ints:
        """How long each job held anything (n,)."""
        held = np.zeros(len(self.table), np.int64)
        np.add.at(held, self.log.job, self.stint_ns)
        return held

    @cached_property
    def queued_ns(self) -> Ints:
        """How long each job waited in the queue (n,), before it began and whenever it had been sent back."""
        return self.ends.end_ns - self.table.submit_ns - self.held_ns

    @cached_property
    def ended(self) -> Bools:
        """Which jobs began and came to their end (n,)."""
        return (self.stints > 0) & (self.ends.state <= ENDS.index("killed"))


def segment_sums(values: Ints, first: Ints) -> Ints:
    """Sums of ``values[first[i]:first[i + 1]]``, shape (len(first) - 1,); right also where a running sum wraps.

    >>> segment_sums(np.array([1, 2, 3]), np.array([0, 2, 2, 3])).tolist()
    [3, 0, 3]
    """
    until = np.concatenate([[0], np.cumsum(values)]).astype(np.int64)
    return until[first[1:]] - until[first[:-1]]


def ends_of(table: JobTable, log: Allocations, end_ns: int, refused: Bools) -> Ends:
    """What each job came to as far as its stints tell it: the outcome of the last one. ``refused`` (n,) never fit.

    A job that never began and was not refused is unfinished, and so is one whose last stint did not end it.
    """
    n = len(table)
    state = np.full(n, ENDS.index("unfinished"))
    left_ns = np.full(n, end_ns)
    last = np.full(n, NEVER)
    last[log.job] = np.arange(len(log))
    began = last >= 0
    for outcome in ("completed", "killed"):
        rows = np.flatnonzero(began)[log.outcome[last[began]] == OUTCOMES.index(outcome)]
        state[rows] = ENDS.index(outcome)
        left_ns[rows] = log.end_ns[last[rows]]
    state[refused] = ENDS.index("refused")
    left_ns[refused] = table.submit_ns[refused]
    return Ends(state, left_ns)


def batch_of_run(
    workload: str,
    table: JobTable,
    log: Allocations,
    *,
    first_row: int,
    refused: Bools,
    inventory: Inventory,
    pools: Sequence[str],
    end_ns: int,
    joules: Floats | None,
) -> Batch:
    """A workload of a run that ended at ``end_ns``, whose ``log`` is that of all: its jobs are those from ``first_row``
    on. Those that would have been submitted later never were, and are left out.

    ``refused`` and ``joules`` are (n,), in the order of the table.
    """
    n = int(np.searchsorted(table.submit_ns, end_ns, side="left"))
    own = own_log(log, first_row, n)
    came = table if n == len(table) else table.take(np.arange(n))
    ends = ends_of(came, own, end_ns, refused[:n])
    return Batch(workload, came, own, ends, inventory, pools, end_ns, joules[:n] if joules is not None else None)


def own_log(log: Allocations, first_row: int, n: int) -> Allocations:
    """The stints of ``n`` jobs from row ``first_row`` of all tables on; their ``job`` is then a row of their own."""
    rows = np.flatnonzero((log.job >= first_row) & (log.job < first_row + n))
    if len(rows) == len(log) and not first_row:
        return log
    own = log.stints(rows)
    return replace(own, job=own.job - first_row)
