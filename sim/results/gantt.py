"""Who held which node when: each job by itself where they can be told apart, else how full groups of nodes were.

Read from ``stints.parquet``, which has all that is needed: its metadata has the pools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from sim.accounting.queueing import on_bins, steps
from sim.reading import parse_json

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MOST_OWNERS = 8


@dataclass(frozen=True, eq=False)
class Held:
    """What was held, a row a place: the stint, its node among all, its thousandths of slots."""

    stints: pa.Table
    stint: Ints
    node: Ints
    milli: Ints
    start_ns: Ints
    end_ns: Ints
    pools: Mapping[str, tuple[int, int]]
    """Nodes of each pool, and thousandths of slots of one."""
    run_ns: int

    @classmethod
    def of(cls, stints: pa.Table) -> Held:
        """What a table of stints says."""
        about = stints.schema.metadata
        pools = {
            name: (int(pool["nodes"]), int(pool["milli"]) // int(pool["nodes"]))
            for name, pool in parse_json(about[b"pools"].decode(), "stints").items()
        }
        firsts = dict(zip(pools, np.cumsum([0, *(nodes for nodes, _ in pools.values())]).tolist(), strict=False))
        nodes = stints["nodes"].combine_chunks()
        counts = np.diff(nodes.offsets.to_numpy())
        stint = np.repeat(np.arange(len(stints)), counts)
        places = nodes.flatten().dictionary_encode()
        number = [firsts[name.rpartition("/")[0]] + int(name.rpartition("/")[2]) for name in _names(places)]
        codes = places.indices.to_numpy()
        milli = stints["milli"].combine_chunks().flatten().to_numpy().astype(np.int64)
        start_ns, end_ns = (stints[name].to_numpy()[stint] for name in ("start_ns", "end_ns"))
        node = np.array(number, np.int64)[codes] if len(number) else np.empty(0, np.int64)
        return cls(stints, stint, node, milli, start_ns, end_ns, pools, int(about[b"end_ns"]))

    @property
    def nodes(self) -> int:
        """Of all pools."""
        return sum(nodes for nodes, _ in self.pools.values())


def _names(places: pa.DictionaryArray) -> list[str]:
    names: list[str] = places.dictionary.to_pylist()
    return names


def largest_owners(owners: Sequence[str], held: Held) -> list[str]:
    """The owners that held most, the first of them first."""
    weights: dict[str, float] = {}
    for stint, milli, ns in zip(
        held.stint.tolist(), held.milli.tolist(), (held.end_ns - held.start_ns).tolist(), strict=True
    ):
        weights[owners[stint]] = weights.get(owners[stint], 0.0) + milli * ns
    return sorted(weights, key=lambda owner: (-weights[owner], owner))[:MOST_OWNERS]


class Lanes:
    """Slots of one node as lanes, so that jobs on it are drawn below each other and none over another."""

    def __init__(self, milli: int) -> None:
        self._taken: list[tuple[int, int, int]] = []  # begin and end in the node, and when it is free again
        self._milli = milli

    def take(self, milli: int, now_ns: int, end_ns: int) -> list[tuple[int, int]]:
        """Where something of this size is drawn until ``end_ns``: the first gaps, in several pieces if need be."""
        self._taken = sorted(one for one in self._taken if one[2] > now_ns)
        pieces, at, left = [], 0, milli
        for low, high, _ in [*self._taken, (self._milli, self._milli, 0)]:
            size = min(left, low - at)
            if size > 0:
                pieces.append((at, size))
                left -= size
            at = max(at, high)
        self._taken += [(top, top + size, end_ns) for top, size in pieces]
        return pieces


@dataclass(frozen=True, eq=False)
class Grouped:
    """How full groups of nodes were: ``mean`` and ``most`` are shares of slots held, (rows, columns) between
    ``edges_ns``; ``sizes`` are the thousandths of slots of each row."""

    rows: Sequence[str]
    sizes: Sequence[int]
    edges_ns: Ints
    mean: Floats
    most: Floats

    @classmethod
    def of(cls, held: Held, most_groups: int, most_columns: int) -> Grouped:
        """In about ``most_groups`` rows, each of nodes of one pool."""
        edges_ns = np.unique(np.linspace(0, held.run_ns, most_columns + 1).astype(np.int64))
        rows: list[str] = []
        firsts: list[int] = []
        sizes: list[int] = []
        at = 0
        for pool, (nodes, milli) in held.pools.items():
            groups = max(1, min(nodes, round(most_groups * nodes / held.nodes)))
            cuts = np.linspace(0, nodes, groups + 1).astype(np.int64).tolist()
            for low, high in pairwise(cuts):
                rows.append(f"{pool}/{low}" if high - low == 1 else f"{pool}/{low}-{high - 1}")
                firsts.append(at + low)
                sizes.append(milli * (high - low))
            at += nodes
        group = np.searchsorted(np.array(firsts), held.node, side="right") - 1
        order = np.argsort(group, kind="stable")
        bounds = np.searchsorted(group[order], np.arange(len(rows) + 1))
        mean, most = np.zeros((len(rows), len(edges_ns) - 1)), np.zeros((len(rows), len(edges_ns) - 1))
        for i, size in enumerate(sizes):
            own = order[bounds[i] : bounds[i + 1]]
            at_ns = np.concatenate([held.start_ns[own], held.end_ns[own]])
            level = steps(at_ns, np.concatenate([held.milli[own], -held.milli[own]]))
            found = on_bins(*level, edges_ns)
            mean[i], most[i] = found.mean / size, found.most / size
        return cls(rows, sizes, edges_ns, mean, most)

    @property
    def share(self) -> float:
        """Of all slots, what was held in the mean."""
        return float(np.average(self.mean.mean(axis=1), weights=self.sizes))


def owners_of(jobs: pa.Table) -> dict[tuple[str, int], str]:
    """Whose each row of a workload is, where somebody's names are known: a user, else a queue or a kind."""
    rows = jobs.filter(pc.is_valid(jobs["job"]))
    label = next((name for name in ("user", "queue", "kind") if rows[name].null_count < len(rows)), None)
    if label is None:
        return {}
    owners: dict[tuple[str, int], str] = {}
    seen: dict[str, int] = {}
    for workload, owner in zip(rows["workload"].to_pylist(), rows[label].to_pylist(), strict=True):
        row = seen[workload] = seen.get(workload, -1) + 1
        if owner is not None:
            owners[workload, row] = owner
    return owners
