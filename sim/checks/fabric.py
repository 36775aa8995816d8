"""What joins the nodes of a pool fits its nodes."""

from __future__ import annotations

from collections.abc import Iterator

from sim.build.resolved import Resolved
from sim.build.training.fabric import fabric_problems
from sim.documents import KeyPath


def fabrics_fit(resolved: Resolved) -> Iterator[tuple[KeyPath, str]]:
    """Blocks of whole islands, and tori of as many accelerators as there are."""
    pools = resolved.parts.cluster.nodes if resolved.parts.cluster is not None else ()
    places = {pool.label: i for i, pool in reversed(list(enumerate(pools)))}
    for label, machine in resolved.machines.items():
        for path, message in fabric_problems(machine):
            yield ("cluster", "nodes", places[label], *path), message
