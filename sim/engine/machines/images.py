"""Which nodes of a pool have pulled the image of a workload, and so how long its replicas take to start there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sim.engine.machines.gang import Gang

if TYPE_CHECKING:
    from sim.workload.provisioning import StartUp


class Images:
    """The nodes that one workload's replicas have started on; two that start there at once both pull."""

    def __init__(self, start_up: StartUp) -> None:
        self._start_up = start_up
        self._on: set[int] = set()

    def wait_ns(self, gang: Gang) -> int:
        """How long a replica takes to start on the nodes of its gang: as long as on one of them without the image."""
        there = all(node.number in self._on for node in gang.parts)
        return self._start_up.again_ns if there else self._start_up.first_ns

    def pulled(self, gang: Gang) -> None:
        """A replica has started on the nodes of its gang."""
        self.pulled_on(node.number for node in gang.parts)

    def pulled_on(self, numbers: Iterable[int]) -> None:
        """Replicas have started on nodes with these numbers."""
        self._on.update(numbers)
