"""What waits for machines, and holds them: a row of a table of jobs, or the gang of a workload that runs by itself.

A request says what its job asks for and what its user believes of it; a scheduler sees requests and nothing else of a
job. How long it will really run is not among what it sees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from sim.engine.machines.gang import Gang

WHOLE = 1000
"""Thousandths of a slot in a slot."""
NEVER_NS = 1 << 60
"""The time limit of one that has none: 36 years, longer than any run."""


class Place(NamedTuple):
    """Slots on one node, whole, or ``milli`` thousandths of its slot number ``slot``."""

    node: int
    slots: int
    milli: int = 0
    slot: int = -1

    @property
    def total_milli(self) -> int:
        """Thousandths of slots in all."""
        return self.slots * WHOLE + self.milli


Places = tuple[Place, ...]


NODE, SLOTS, PART = itemgetter(0), itemgetter(1), itemgetter(2)
"""Fields of places, for those who go through thousands."""


@dataclass(slots=True, eq=False)
class Request:
    """One job as a scheduler sees it.

    ``seq`` is the order in which requests came. ``pools`` are those it may stand in, by number, preferred first; it
    runs within one. It asks for ``slots`` whole ones (GPUs, or sockets of a node without), or ``milli`` thousandths of
    one; on ``nodes`` nodes in equal parts where that is not 0, else on any; with ``cpu_milli`` and ``memory_mib`` in
    all, 0 where they do not count; a ``compact`` one starts on one island of one node alone. ``limit_ns`` is what its
    user says it takes, None where nobody says. ``row`` is its number among all rows, and ``gang`` there where it is no
    row.

    While it runs, ``places`` are its nodes and ``started_ns`` when this stint began; ``leaving`` while it saves its
    state to make room; ``waits`` while it has none and wants some, and ``promise`` says when and where it shall start,
    where a scheduler has said so. ``ran_ns`` is how long it has held machines in stints before this one, and
    ``uncounted_ns`` what is not held against its limit: before it last began from the start, and while nodes booted.
    """

    owner: str
    seq: int
    pools: tuple[int, ...]
    slots: int
    submit_ns: int
    limit_ns: int | None
    _: KW_ONLY
    row: int = -1
    gang: Gang | None = None

    milli: int = 0
    nodes: int = 0
    cpu_milli: int = 0
    memory_mib: int = 0
    compact: bool = False

    user: str = ""
    account: str = ""
    queue: str = ""
    kind: str = ""
    """By what a scheduler counts and limits jobs; the first three are those of the ``owner`` where nobody says."""

    priority: int = 0
    spot: bool = False
    deadline_ns: int | None = None
    slack_ns: int = 0

    least: int = 0
    most: int = 0
    """Slots that an elastic job may have; those it asks for, where 0."""
    speed_up: Callable[[int, int], float] | None = None
    """Its rate of work, from the slots it has and those it asks for."""

    places: Places = field(default=(), init=False)
    started_ns: int | None = field(default=None, init=False)
    leaving: bool = field(default=False, init=False)
    waits: bool = field(default=False, init=False)
    ran_ns: int = field(default=0, init=False)
    uncounted_ns: int = field(default=0, init=False)
    promise: tuple[int, Places] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.user = self.user or self.owner
        self.account = self.account or self.owner
        self.queue = self.queue or self.owner
        self.least = self.least or self.slots
        self.most = self.most or self.slots

    @property
    def elastic(self) -> bool:
        """Whether it may have more or fewer slots than it asks for."""
        return self.least < self.slots or self.most > self.slots

    @property
    def held_slots(self) -> int:
        """Whole slots that it holds now."""
        return sum(place.slots for place in self.places)

    @property
    def spent_ns(self) -> int:
        """What it has used of the time that its user asked for, in stints before this one."""
        return self.ran_ns - self.uncounted_ns

    @property
    def asked_ns(self) -> int:
        """How long its user says it takes; ``NEVER_NS`` where nobody says."""
        return self.limit_ns if self.limit_ns is not None else NEVER_NS

    @property
    def due_ns(self) -> int | None:
        """When it will give back what it holds, if its user was right; None where nobody says."""
        if self.started_ns is None or self.limit_ns is None:
            return None
        return self.started_ns + max(0, self.limit_ns - self.spent_ns)


def beside(request: Request, places: Places) -> list[tuple[int, int]]:
    """CPUs and memory on each of the places, by their slots (by their number, where it has none); they add up."""
    cpu, memory = request.cpu_milli, request.memory_mib
    if len(places) == 1:
        return [(cpu, memory)]
    if not cpu and not memory:
        return [(0, 0)] * len(places)
    weights = [place.total_milli for place in places]
    if not sum(weights):
        weights = [1] * len(places)
    shares, done, whole = [], 0, sum(weights)
    for weight in weights:
        low, high = done, done + weight
        shares.append((cpu * high // whole - cpu * low // whole, memory * high // whole - memory * low // whole))
        done = high
    return shares
