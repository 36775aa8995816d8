"""Which requests of services were over while limits of power had any of their replicas draw less.

Spans begin and end at the instants at which the ladder asks and takes back. What a serving pool has counted is read
then, so that nothing is kept of single requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from sim.engine.fleet.power.services import ReplicaLoad, ServiceLoad
from sim.engine.queueing.queue import Queue
from sim.engine.serving.service import ServingService
from sim.workload.power_records import LimitedRequests


class _Counted(Protocol):
    """A service as it is asked here."""

    @property
    def lacks_replicas(self) -> bool:
        """Whether a replica has been shed and is not up again."""

    def counts(self) -> dict[str, int]:
        """Of requests until now."""


class _Spans:
    """The spans of one service."""

    def __init__(self, service: _Counted) -> None:
        self.service = service
        self.spans: list[tuple[int, int]] = []
        self.counts: dict[str, int] = {}
        self.since_ns: int | None = None
        self._before: dict[str, int] = {}

    def turn(self, now_ns: int, *, limited: bool) -> None:
        """From now on it is limited, or not."""
        if limited and self.since_ns is None:
            self.since_ns, self._before = now_ns, self.service.counts()
        elif not limited and self.since_ns is not None:
            self._close(self.since_ns, now_ns)
            self.since_ns = None

    def _close(self, since_ns: int, now_ns: int) -> None:
        if since_ns == now_ns:
            return
        for name, count in self.service.counts().items():
            self.counts[name] = self.counts.get(name, 0) + count - self._before[name]
        if self.spans and self.spans[-1][1] == since_ns:
            since_ns = self.spans.pop()[0]
        self.spans.append((since_ns, now_ns))

    def record(self, now_ns: int) -> LimitedRequests:
        """All of them, up to now."""
        if self.since_ns is not None:
            self._close(self.since_ns, now_ns)
            self.since_ns, self._before = now_ns, self.service.counts()
        spans = np.array(self.spans, np.int64).reshape(-1, 2)
        return LimitedRequests(spans, dict(self.counts), self.service.counts() if self.spans else {})


class RequestsUnderLimits:
    """The spans of all services of a run, by name."""

    def __init__(self, queues: Sequence[Queue], serving: Sequence[ServingService]) -> None:
        self._of: dict[str, _Spans] = {queue.plan.name: _Spans(queue) for queue in queues}
        self._of |= {service.name: _Spans(service) for service in serving}

    def note(self, loads: Iterable[ServiceLoad | ReplicaLoad], now_ns: int) -> None:
        """What is asked of whom from now on."""
        limited = {load.traits.workload for load in loads if load.limited}
        for name, spans in self._of.items():
            spans.turn(now_ns, limited=name in limited or spans.service.lacks_replicas)

    def records(self, now_ns: int) -> dict[str, LimitedRequests]:
        """Of services that were limited at all."""
        records = {name: spans.record(now_ns) for name, spans in self._of.items()}
        return {name: record for name, record in records.items() if len(record.spans_ns)}
