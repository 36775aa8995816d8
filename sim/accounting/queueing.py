"""Step functions of a run of jobs, how many wait, run, and hold what, and their means and peaks over bins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sim.workload.allocations import MILLI
from sim.workload.jobs.batch import Inventory

if TYPE_CHECKING:
    from sim.workload.jobs.batch import Batch


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


NOTHING = Inventory((), np.empty(0, np.int64), (), np.empty(0, np.int64))
"""The nodes of a run without jobs as rows."""


@dataclass(frozen=True, eq=False)
class OnBins:
    """A step function over the bins between the edges asked for: its mean in each, and the most it was (b,)."""

    mean: Floats
    most: Floats


@dataclass(frozen=True, eq=False)
class ClusterSeries:
    """What a cluster did over time: slots held in each pool beside all that it has, and jobs waiting and running.

    ``held`` has a pool's thousandths of slots as so many slots; ``capacity`` its slots.
    """

    edges_ns: Ints
    held: dict[str, OnBins]
    capacity: dict[str, float]
    waiting: dict[str, OnBins]
    running: dict[str, OnBins]


def steps(at_ns: Ints, change: npt.NDArray[np.signedinteger]) -> tuple[Ints, Ints]:
    """Instants (n,) at which a sum of changes is another than before, ns, and the sum from each on; changes of one
    instant are one.

    >>> [part.tolist() for part in steps(np.array([5, 0, 5]), np.array([1, 2, -3]))]
    [[0, 5], [2, 0]]
    """
    if not len(at_ns):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = np.argsort(at_ns, kind="stable")
    sorted_ns = at_ns[order]
    first = np.flatnonzero(np.concatenate([[True], sorted_ns[1:] > sorted_ns[:-1]]))
    sums = np.add.reduceat(change[order], first, dtype=np.int64)
    return sorted_ns[first], np.cumsum(sums, out=sums)


def on_bins(at_ns: Ints, level: Ints, edges_ns: Ints) -> OnBins:
    """Mean and most of steps (0 before the first) over the bins between ``edges_ns`` (b + 1,), which rise."""
    inside = slice(*np.searchsorted(at_ns, (edges_ns[0], edges_ns[-1])))
    before = np.concatenate([[0], level])
    where = np.searchsorted(at_ns[inside], edges_ns[:-1], side="left")
    cuts = np.insert(at_ns[inside], where, edges_ns[:-1])
    in_force = before[np.searchsorted(at_ns, edges_ns[:-1], side="right")]
    levels = np.insert(level[inside], where, in_force).astype(np.float64)
    lengths = np.diff(np.append(cuts, edges_ns[-1])).astype(np.float64)
    begins = where + np.arange(len(where))
    mean = np.add.reduceat(levels * lengths, begins) / np.diff(edges_ns)
    return OnBins(mean, np.maximum.reduceat(levels, begins))


def queue_steps(batch: Batch) -> tuple[Ints, Ints]:
    """How many jobs wait to start, or were sent back, as ``steps``. One that starts as it comes never waited."""
    table, log, ends = batch.table, batch.log, batch.ends
    ended = batch.ended
    back = np.ones(len(log), np.bool_)  # after the last stint of a job that ended nobody waits
    back[batch.last_stint[ended]] = False
    at_ns = np.concatenate([table.submit_ns, log.start_ns, log.end_ns[back], ends.end_ns[~ended]])
    came, began, again, left = len(table), len(log), int(back.sum()), int((~ended).sum())
    change = np.repeat(np.array([1, -1, 1, -1], np.int8), [came, began, again, left])
    return steps(at_ns, change)


def running_steps(batch: Batch) -> tuple[Ints, Ints]:
    """How many jobs hold something, as ``steps``."""
    change = np.repeat(np.array([1, -1], np.int8), len(batch.log))
    return steps(np.concatenate([batch.log.start_ns, batch.log.end_ns]), change)


def cluster_series(batches: Sequence[Batch], edges_ns: Ints) -> ClusterSeries:
    """Of all workloads of one cluster over the bins between ``edges_ns``; pools are those that any may use."""
    inventory = batches[0].inventory if batches else NOTHING
    held, capacity = {}, {}
    for code, name in enumerate(inventory.pools):
        if not any(name in batch.pools for batch in batches):
            continue
        changes = list(_held_changes(batches, inventory.pool == code))
        at_ns, level = steps(*(np.concatenate(parts) for parts in zip(*changes, strict=True)))
        one = on_bins(at_ns, level, edges_ns)
        held[name] = OnBins(one.mean / MILLI, one.most / MILLI)
        capacity[name] = inventory.of([name]) / MILLI
    return ClusterSeries(
        edges_ns,
        held,
        capacity,
        {batch.workload: on_bins(*queue_steps(batch), edges_ns) for batch in batches},
        {batch.workload: on_bins(*running_steps(batch), edges_ns) for batch in batches},
    )


def _held_changes(batches: Sequence[Batch], nodes: npt.NDArray[np.bool_]) -> Iterator[tuple[Ints, Ints]]:
    """Instants and changes of thousandths of slots held on some of the nodes."""
    for batch in batches:
        log = batch.log
        stint = np.repeat(np.arange(len(log)), np.diff(log.first_place))
        here = nodes[log.node]
        milli = log.milli[here]
        yield log.start_ns[stint[here]], milli
        yield log.end_ns[stint[here]], -milli
