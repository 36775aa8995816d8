"""Which pool the nodes of a trace are, and which of its nodes: from lists of hosts and the pool of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sim.workload.jobs.hostlists import hosts
from sim.workload.trace_formats import BadRowError


@dataclass(frozen=True)
class NodeMap:
    """``node`` has pool and number (from 0, in the order in which they are written) of each host by its name."""

    node: Mapping[str, tuple[str, int]]

    @classmethod
    def of(cls, written: Mapping[str, str]) -> NodeMap:
        """Of lists of hosts, each with its pool. Raises ``BadRowError`` for what is no list, or a host of two."""
        node: dict[str, tuple[str, int]] = {}
        counts: dict[str, int] = {}
        for listed, pool in written.items():
            for name in hosts(listed):
                if name in node:
                    raise BadRowError(f"has the node '{name}' twice")
                node[name] = pool, counts.get(pool, 0)
                counts[pool] = counts.get(pool, 0) + 1
        return cls(node)

    def count(self, pool: str) -> int:
        """How many hosts are of a pool."""
        return sum(one == pool for one, _ in self.node.values())

    def pools(self, listed: str, order: Iterable[str]) -> tuple[str, ...]:
        """The pools of the hosts in a list, in an order; hosts that are not here are of none."""
        found = {self.node[name][0] for name in hosts(listed) if name in self.node}
        return tuple(pool for pool in order if pool in found)

    def unknown(self, listed: str) -> str | None:
        """The first host of a list that is not here."""
        return next((name for name in hosts(listed) if name not in self.node), None)
