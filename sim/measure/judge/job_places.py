"""Where jobs ran as their trace says, against where a run put them: on how many nodes, and what each node did.

A trace lists the nodes of a job and not what it held of each: an equal share of all that it asked for is taken. Nodes
are told apart by a map from their names to the scenario's; without one, only how many they are can be compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.measure.judge.correlation import correlation
from sim.workload.jobs.batch import Batch
from sim.workload.jobs.hostlists import hosts
from sim.workload.jobs.node_map import NodeMap
from sim.workload.jobs.table import UNKNOWN

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class ByNode:
    """The share of each node that was held over the run, as recorded and as simulated: (nodes,), by their names."""

    nodes: tuple[str, ...]
    recorded: Floats
    simulated: Floats

    @property
    def mean_absolute(self) -> float:
        """Mean difference, whatever its sign."""
        return float(np.abs(self.simulated - self.recorded).mean())

    @property
    def correlation(self) -> float | None:
        """Pearson's; None where one of them does not vary."""
        return correlation(self.recorded, self.simulated)


@dataclass(frozen=True)
class Places:
    """Of ``jobs`` that ran on known nodes both as recorded and in the run, all (n,): how many nodes each had as
    recorded and when it last held any in the run, and how many nodes there were in all. ``by_node`` needs a map."""

    recorded: Ints
    simulated: Ints
    used: tuple[int, int]
    by_node: ByNode | None

    @property
    def jobs(self) -> int:
        """How many are compared."""
        return len(self.recorded)

    @property
    def as_many(self) -> float:
        """The share of jobs on just as many nodes."""
        return float((self.recorded == self.simulated).mean())

    def as_dict(self) -> dict[str, Any]:
        """As plain data, for ``--json``."""
        by = self.by_node
        told: dict[str, Any] = {
            "jobs": self.jobs,
            "on_as_many_nodes": self.as_many,
            "nodes_used": {"recorded": self.used[0], "simulated": self.used[1]},
        }
        if by is not None:
            told["by_node"] = {
                "nodes": list(by.nodes),
                "recorded": by.recorded.tolist(),
                "simulated": by.simulated.tolist(),
                "mean_absolute": by.mean_absolute,
                "correlation": by.correlation,
            }
        return told


def places_of(batch: Batch, start_ns: Ints, end_ns: Ints, node_map: NodeMap | None) -> Places | None:
    """Of jobs that held nodes from ``start_ns`` to ``end_ns`` (n,; UNKNOWN: never, not to the end); None where the
    trace does not say on which."""
    table, log = batch.table, batch.log
    listed = [hosts(one) for one in table.names.get("recorded_nodes", ())]
    ran = (table.recorded_nodes != UNKNOWN) & (start_ns != UNKNOWN)
    both = ran & (batch.stints > 0)
    if not both.any():
        return None
    counts = np.array([len(names) for names in listed], np.int64)
    last = batch.last_stint[both]
    rows = [listed[code] for code in np.unique(table.recorded_nodes[both]).tolist()]
    there = np.repeat(both[log.job], np.diff(log.first_place))
    used = len({name for names in rows for name in names}), len(np.unique(log.node[there]))
    by_node = _by_node(batch, listed, ran, start_ns, end_ns, node_map) if node_map is not None else None
    held = log.first_place[last + 1] - log.first_place[last]
    return Places(counts[table.recorded_nodes[both]], held, used, by_node)


def _by_node(
    batch: Batch, listed: list[tuple[str, ...]], ran: Bools, start_ns: Ints, end_ns: Ints, node_map: NodeMap
) -> ByNode:
    """Shares of the nodes of the pools that jobs may use."""
    table, log, inventory = batch.table, batch.log, batch.inventory
    row_of = {name: row for row, name in enumerate(inventory.nodes)}
    node = {host: row_of[f"{pool}/{i}"] for host, (pool, i) in node_map.node.items()}
    milli = batch.asked_milli
    until = np.where(end_ns == UNKNOWN, batch.end_ns, end_ns)
    held = np.minimum(until, batch.end_ns) - np.clip(start_ns, 0, batch.end_ns)
    recorded = np.zeros(len(inventory.nodes))
    rows_of = [np.array([node[name] for name in names], np.int64) for names in listed]
    for job in np.flatnonzero(ran & (held > 0)).tolist():
        rows = rows_of[table.recorded_nodes[job]]
        recorded[rows] += float(milli[job]) * float(held[job]) / len(rows)
    stint_ns = np.repeat(batch.stint_ns, np.diff(log.first_place))
    simulated = np.bincount(log.node, log.milli * stint_ns.astype(np.float64), len(inventory.nodes))
    ours = np.flatnonzero(np.isin(inventory.pool, [inventory.pools.index(pool) for pool in batch.pools]))
    capacity = inventory.milli[ours] * float(batch.end_ns)
    names = tuple(inventory.nodes[row] for row in ours.tolist())
    return ByNode(names, recorded[ours] / capacity, simulated[ours] / capacity)
