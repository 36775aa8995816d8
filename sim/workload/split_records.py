"""What is known of requests that are executed in stages on devices, at an edge and in a data center."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field

from sim.workload.records import ServiceLog

PARTS = ("device", "device_queue", "network", "queue", "service")
"""Where the time of a request goes: at work on its device and waiting for it, under way, and in queues and at work at
places."""
USES = ("active", "transferring", "waiting", "standby")
"""What a device does, by which it draws; states in the ledger. The first that is true of it is its use."""
ACTIVE, TRANSFERRING, WAITING, STANDBY = range(len(USES))


def _column() -> array[int]:
    return array("q")


@dataclass
class SplitLog:
    """Requests of one workload as columns of int64, in the order in which they ended with an answer.

    ``parts`` are ns by PARTS, which add up to ``done - arrival``; ``of`` is the kind of device, ``left`` the stage
    after which the request needed no other. Those turned away at a full queue, and those still under way at the end,
    are counted apart.
    """

    arrival_ns: array[int] = field(default_factory=_column)
    done_ns: array[int] = field(default_factory=_column)
    of: array[int] = field(default_factory=_column)
    left: array[int] = field(default_factory=_column)
    parts: tuple[array[int], ...] = field(default_factory=lambda: tuple(_column() for _ in PARTS))
    rejected: int = 0
    under_way: int = 0


@dataclass(frozen=True, eq=False)
class SplitRecord:
    """One workload when its run was over. ``joules`` are of devices by kind and use; ``network_j``, ``up_byte`` and
    ``down_byte`` by kind; ``places`` are the pool of each place in use, and the log of its queue."""

    workload: str
    kinds: tuple[str, ...]
    stages: tuple[str, ...]
    log: SplitLog
    joules: Mapping[tuple[str, str], float]
    network_j: Mapping[str, float]
    up_byte: float
    down_byte: float
    places: Mapping[str, tuple[str, ServiceLog]]

    def requests(self) -> ServiceLog:
        """Its answered requests end to end, as those of a service: each starts when its device has time for it."""
        log, waited_ns = self.log, self.log.parts[PARTS.index("device_queue")]
        starts = array("q", (came + waited for came, waited in zip(log.arrival_ns, waited_ns, strict=True)))
        return ServiceLog(self.workload, 1, log.arrival_ns, starts, log.done_ns)
