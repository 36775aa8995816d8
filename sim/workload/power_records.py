"""What limits of shared power did in a run: every time one was exceeded or held, what that cost, and power by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Level = Literal["gpu", "node", "rack", "row", "feed", "site"]


@dataclass(frozen=True)
class Cost:
    """What answers cost loads, summed over them. Slots are GPUs (sockets of nodes without).

    ``slowed_slot_s`` are slot-seconds of work put off, ``lost_slot_s`` those of work that was done and is lost.
    ``shaved_j`` is what their GPUs did not draw meanwhile, ``extra_j`` what they draw more for the same work (less,
    where it is negative: a lower clock needs a lower voltage), ``lost_j`` what the lost work had taken.
    """

    slowed_slot_s: float = 0.0
    lost_slot_s: float = 0.0
    shaved_j: float = 0.0
    extra_j: float = 0.0
    lost_j: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.slowed_slot_s + other.slowed_slot_s,
            self.lost_slot_s + other.lost_slot_s,
            self.shaved_j + other.shaved_j,
            self.extra_j + other.extra_j,
            self.lost_j + other.lost_j,
        )


@dataclass(frozen=True)
class Episode:
    """From the instant at which a domain drew more than its limit (or a call was prepared for) until all that was
    asked of its loads is taken back.

    ``over_ns`` is how long it drew more than its limit in all, ``longest_over_ns`` the longest time at a stretch,
    ``over_j`` the energy above the limit. ``rungs`` is how far the ladder was climbed; ``unmet`` says that all of it
    was too little. ``capped``, ``paused``, ``shed`` count loads; ``costs`` are by workload.
    """

    domain: str
    start_ns: int
    end_ns: int
    limit_w: float
    most_w: float
    over_ns: int
    longest_over_ns: int
    over_j: float
    rungs: int
    unmet: bool
    capped: int
    paused: int
    shed: int
    called: bool
    costs: tuple[tuple[str, Cost], ...]


@dataclass(frozen=True)
class Trip:
    """A breaker has opened: what it carried, the nodes that lost power and the loads that ran on them."""

    domain: str
    at_ns: int
    watts: float
    nodes: int
    loads: int


@dataclass(frozen=True)
class AboveAlone:
    """A job was killed: with nobody beside it, and as low as the ladder goes, its domain would draw ``watts``, and
    leaves ``most_w`` from then on at the most. ``row`` is -1 for a training or a trial."""

    workload: str
    row: int
    slots: float
    at_ns: int
    watts: float
    most_w: float


@dataclass(frozen=True, eq=False)
class DomainRecord:
    """One domain over a run. Columns of shape (changes,): from ``at_ns`` on it draws ``watts`` and may ``limit_w``
    (inf: any); ``answer_ns`` is the stated time of its answers, ``ramp_exceeded_w`` the most by which power rose
    faster than it should have and ``held_slot_s`` the slot-seconds that loads waited for the ramp. ``killed`` are jobs
    for which it never had room."""

    name: str
    level: Level
    answer_ns: int
    at_ns: Ints
    watts: Floats
    limit_w: Floats
    episodes: tuple[Episode, ...]
    trips: tuple[Trip, ...]
    ramp_exceeded_w: float = 0.0
    held_slot_s: float = 0.0
    killed: tuple[AboveAlone, ...] = ()


@dataclass(frozen=True, eq=False)
class LimitedRequests:
    """When limits had any replica of a service draw less, stand still or go, and what its requests did meanwhile.

    ``spans_ns`` (k, 2) are whole, rising and apart: from the first instant, not included, to the last, included, so
    that a request which ends in the instant in which one begins was served without it. ``counts`` are of a serving
    workload within them, by the names of its engine, and ``all_counts`` of the whole run; of others the log of requests
    tells.
    """

    spans_ns: Ints
    counts: Mapping[str, int]
    all_counts: Mapping[str, int]

    @property
    def total_ns(self) -> int:
        """How long that was."""
        return int((self.spans_ns[:, 1] - self.spans_ns[:, 0]).sum())

    def within(self, at_ns: Ints) -> npt.NDArray[np.bool_]:
        """Whether each of some instants lies within them."""
        i = np.searchsorted(self.spans_ns[:, 0], at_ns, side="left") - 1
        return np.asarray((i >= 0) & (at_ns <= self.spans_ns[i, 1]))


@dataclass(frozen=True, eq=False)
class PowerLog:
    """All domains of a run, inner ones first; ``end_ns`` is that of the run. ``requests`` are of services, by name,
    that were asked for less."""

    domains: Sequence[DomainRecord]
    end_ns: int
    requests: Mapping[str, LimitedRequests] = field(default_factory=dict)


def binned(record: DomainRecord, edges_ns: Ints, end_ns: int) -> tuple[Floats, Floats, Floats]:
    """Mean W, most W and least limit in each bin between ``edges_ns`` (b + 1,): three of shape (b,). Exact: between
    changes power is constant."""
    at = np.append(record.at_ns, end_ns)
    joules = np.concatenate([[0.0], np.cumsum(record.watts * np.diff(at))])
    edges = np.minimum(edges_ns, end_ns)
    total = np.interp(edges, at, joules)
    spans = np.diff(edges)
    mean = np.divide(np.diff(total), spans, out=np.zeros(len(spans)), where=spans > 0)
    first = np.searchsorted(record.at_ns, edges[:-1], side="right") - 1
    last = np.maximum(np.searchsorted(record.at_ns, edges[1:], side="left"), first + 1)
    most = np.array([record.watts[i:j].max() for i, j in zip(first, last, strict=True)])
    least = np.array([record.limit_w[i:j].min() for i, j in zip(first, last, strict=True)])
    return mean, most, least
