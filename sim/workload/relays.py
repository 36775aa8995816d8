"""Requests that pass from one place to another: looked up in a memo first, then asked of one model after the other.

A relay is between a stream of requests and the services that answer them. It knows what no service does: when a request
was first asked, how hard it is, and with which others it is the same. Where it goes next depends on what became of it,
so it is moved along while the run goes on, and not shared out beforehand as ``sim.workload.routing`` does.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from sim.workload.requests import RequestChunk, RequestSource

if TYPE_CHECKING:
    from sim.workload.result_cache import CachePlan
    from sim.workload.routing import Draw, Rule


Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Hardness:
    """How hard each request is: as its stream tells, or drawn by a generator that begins anew with each reading."""

    by: Literal["told", "drawn"]
    drawn: Callable[[], Draw] | None = None

    def begun(self) -> Callable[[RequestChunk], Floats]:
        """Difficulties (n,) of the next chunk of a stream, from its start."""
        draw = self.drawn() if self.drawn is not None else None

        def hardness(chunk: RequestChunk) -> Floats:
            if draw is not None:
                return draw(len(chunk))
            assert chunk.difficulty is not None  # read with the trace
            return chunk.difficulty

        return hardness


@dataclass(frozen=True, eq=False)
class RelayPlan:
    """A stream, and the workloads ``to`` which its requests go: by ``first``, or to the first of them where it is None.

    Each answers what is no harder than its of ``limits`` (inf: anything); the rest goes on to the one after it.
    ``way_ns`` is one way between users, who keep memo and verifier beside them, and each place. Where a limit is finite
    every answer is judged, which takes ``verifier_ns``, and ``verifier_j`` of the CPUs of that place. ``of_route``:
    it is a route's, and not the memo of one workload. Until ``open_until_ns`` more may be asked.
    """

    name: str
    of_route: bool
    source: RequestSource
    to: tuple[str, ...]
    way_ns: tuple[int, ...]
    limits: tuple[float, ...]
    first: Rule | None = None
    hardness: Hardness | None = None
    verifier_ns: int = 0
    verifier_j: float = 0.0
    cache: CachePlan | None = None
    open_until_ns: int = 0

    def judges(self, place: int) -> bool:
        """Whether answers of that place are judged."""
        return self.limits[place] < np.inf


@dataclass(eq=False, slots=True)
class Passing:
    """A request on its way: row ``row`` of ``chunk``, first asked at ``born_ns``."""

    born_ns: int
    place: int
    hardness: float
    key: int
    chunk: RequestChunk
    row: int


def passing(plan: RelayPlan) -> Iterator[list[Passing]]:
    """All requests of a relay in order, a list for each chunk of its stream."""
    choose = plan.first.begun() if plan.first is not None else None
    hardness = plan.hardness.begun() if plan.hardness is not None else None
    keys = plan.cache.keys.begun() if plan.cache is not None else None
    for chunk in plan.source.chunks():
        zeros = np.zeros(len(chunk), dtype=np.int64)
        columns = (
            chunk.arrival_ns,
            choose(chunk) if choose is not None else zeros,
            hardness(chunk) if hardness is not None else zeros,
            keys(chunk) if keys is not None else zeros,
        )
        rows = zip(*(column.tolist() for column in columns), strict=True)
        yield [Passing(born, place, hard, key, chunk, i) for i, (born, place, hard, key) in enumerate(rows)]


@dataclass(eq=False)
class RelayLog:
    """What became of the requests of a relay, by the places ``to`` which they went.

    Every request ``asked`` was a hit, or is answered or lost at one place (``lost``: refused there, or given up), or is
    still open. ``took_ns`` are times from being asked to the answer of each place, ``first_ns`` those to its first
    token where there is one; ``looked_ns`` and ``judged_ns`` the times at which the memo was looked into, and answers
    of each place were judged.
    """

    plan: RelayPlan
    asked: int = 0
    hits: int = 0
    evictions: int = 0
    remembered: int = 0
    hit_ns: int = 0
    answered: list[int] = field(default_factory=list)
    passed_on: list[int] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    took_ns: list[array[int]] = field(default_factory=list)
    first_ns: list[array[int]] = field(default_factory=list)
    judged_ns: list[array[int]] = field(default_factory=list)
    looked_ns: array[int] = field(default_factory=lambda: array("q"))

    @classmethod
    def of(cls, plan: RelayPlan) -> RelayLog:
        """An empty one."""
        n = len(plan.to)
        counts: list[list[int]] = [[0] * n for _ in range(3)]
        times: list[list[array[int]]] = [[array("q") for _ in range(n)] for _ in range(3)]
        log = cls(plan, hit_ns=plan.cache.lookup_ns if plan.cache is not None else 0)
        log.answered, log.passed_on, log.lost = counts
        log.took_ns, log.first_ns, log.judged_ns = times
        return log

    def answer(self, place: int, took_ns: int) -> None:
        """One more is answered at a place."""
        self.answered[place] += 1
        self.took_ns[place].append(took_ns)

    @property
    def all_took_ns(self) -> Ints:
        """Times from being asked to the answer of all that have one, those from the memo included."""
        computed = [np.frombuffer(times, dtype=np.int64) for times in self.took_ns]
        return np.concatenate([*computed, np.full(self.hits, self.hit_ns, dtype=np.int64)])
