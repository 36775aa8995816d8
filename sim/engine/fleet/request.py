"""What waits for machines, and holds them: a row of a table of jobs, or the gang of a workload that runs by itself.

A request says what its job asks for and what its user believes of it; a scheduler sees requests and nothing else of a
job. How long it will really run is not among what it sees.
"""

from __future__ import annotations

from collections.abc import Callable
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


class Request:
    """One job as a scheduler sees it.

    ``seq`` is the order in which requests came. ``pools`` are those it may stand in, by number, preferred first; it
    runs within one. It asks for ``slots`` whole ones (GPUs, or sockets of a node without), or ``milli`` thousandths of
    one; on ``nodes`` nodes in equal parts where that is not 0, else on any; with ``cpu_milli`` and ``memory_mib`` in
    all, 0 where they do not count. ``limit_ns`` is what its user says it takes, None where nobody says.
    ``least``..``most`` slots are what an elastic job may have, ``speed_up`` its rate of work from those it has and
    those it asks for. ``gang`` is there where it is no row; a ``compact`` one starts on one island of one node alone.

    While it runs, ``places`` are its nodes and ``started_ns`` when this stint began; ``leaving`` while it saves its
    state to make room; ``waits`` while it has none and wants some, and ``promise`` says when and where it shall start,
    where a scheduler has said so. ``ran_ns`` is how long it has held machines in stints before this one, and
    ``uncounted_ns`` what is not held against its limit: before it last began from the start, and while nodes booted.
    """

    __slots__ = (
        "account",
        "compact",
        "cpu_milli",
        "deadline_ns",
        "gang",
        "kind",
        "least",
        "leaving",
        "limit_ns",
        "memory_mib",
        "milli",
        "most",
        "nodes",
        "owner",
        "places",
        "pools",
        "priority",
        "promise",
        "queue",
        "ran_ns",
        "row",
        "seq",
        "slack_ns",
        "slots",
        "speed_up",
        "spot",
        "started_ns",
        "submit_ns",
        "uncounted_ns",
        "user",
        "waits",
    )

    def __init__(
        self,
        owner: str,
        seq: int,
        pools: tuple[int, ...],
        slots: int,
        submit_ns: int,
        limit_ns: int | None,
        *,
        row: int = -1,
        milli: int = 0,
        nodes: int = 0,
        cpu_milli: int = 0,
        memory_mib: int = 0,
        user: str = "",
        account: str = "",
        queue: str = "",
        kind: str = "",
        priority: int = 0,
        spot: bool = False,
        deadline_ns: int | None = None,
        slack_ns: int = 0,
        least: int = 0,
        most: int = 0,
        speed_up: Callable[[int, int], float] | None = None,
        gang: Gang | None = None,
        compact: bool = False,
    ) -> None:
        self.owner = owner
        self.seq = seq
        self.pools = pools
        self.slots = slots
        self.submit_ns = submit_ns
        self.limit_ns = limit_ns
        self.row = row
        self.milli = milli
        self.nodes = nodes
        self.cpu_milli = cpu_milli
        self.memory_mib = memory_mib
        self.user = user or owner
        self.account = account or owner
        self.queue = queue or owner
        self.kind = kind
        self.priority = priority
        self.spot = spot
        self.deadline_ns = deadline_ns
        self.slack_ns = slack_ns
        self.least = least or slots
        self.most = most or slots
        self.speed_up = speed_up
        self.gang = gang
        self.compact = compact
        self.places: Places = ()
        self.started_ns: int | None = None
        self.leaving = False
        self.waits = False
        self.ran_ns = 0
        self.uncounted_ns = 0
        self.promise: tuple[int, Places] | None = None

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
