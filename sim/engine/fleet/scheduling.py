"""What a scheduler is asked and may answer, and what a placement is.

A scheduler sees who waits, who runs and what is free. It names what is done next (a start, a preemption, a change of
size), again and again until it names nothing. It changes nothing itself and keeps nothing between two questions: the
fleet does what is named, and refuses what cannot be.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim.engine.fleet.machines import RANKS, Machines
from sim.engine.fleet.request import Place, Places, Request
from sim.signals import Signal


@dataclass(frozen=True)
class Start:
    """A request that waits starts on these places."""

    request: Request
    places: Places


@dataclass(frozen=True)
class Preempt:
    """A request that runs gives back what it holds, as its workload says: with its state saved, or killed; it waits
    again afterwards."""

    request: Request


@dataclass(frozen=True)
class Resize:
    """An elastic request that runs goes on, on these places."""

    request: Request
    places: Places


Decision = Start | Preempt | Resize


class View(Protocol):
    """What a scheduler sees. ``waiting`` is in the order in which requests came."""

    @property
    def now_ns(self) -> int: ...

    @property
    def waiting(self) -> Sequence[Request]: ...

    @property
    def running(self) -> Collection[Request]: ...

    @property
    def machines(self) -> Machines: ...

    def usage(self, by: str, half_life_ns: int | None) -> dict[str, float]:
        """Slot-seconds that each ``user``, ``account`` or ``queue`` has held until now, decayed by half in each half
        life (None: not at all)."""
        ...

    def signal(self, pool: int, name: str) -> Signal | None:
        """``carbon``, ``marginal`` or ``price`` at the site of a pool; None where the site has none."""
        ...


class Scheduler(Protocol):
    """Decides who of those that wait starts next, and where.

    It is asked when a request comes, when slots are given back, when nodes come up or are shut down, and at the time
    that ``ask_again_ns`` says.
    """

    def next(self, view: View) -> Decision | None:
        """What is done next, now; None where nothing shall be. There may be nobody who waits."""

    def ask_again_ns(self, view: View) -> int | None:
        """When it wants to be asked again, although nothing may happen until then; None where it need not be."""


class Placement(Protocol):
    """Chooses the places of a request."""

    def places(self, request: Request, machines: Machines) -> Places | None:
        """Where it could start now; None where there is no room."""


@dataclass(frozen=True)
class Anywhere:
    """Any slots of one pool: the fullest powered nodes first, then those on their way up, then those to be booted. A
    request on so many nodes takes equal parts of as many; one for part of a slot takes the fullest slot that has it."""

    def places(self, request: Request, machines: Machines) -> Places | None:
        """In the first of its pools that has room."""
        for pool in request.pools:
            found = _anywhere(request, machines, pool)
            if found is not None:
                return found
        return None


def _anywhere(request: Request, machines: Machines, pool: int) -> Places | None:
    if request.milli or not request.slots:
        return part_or_none(request, machines, pool)
    if request.slots > machines.free_slots[pool]:
        return None
    if request.nodes:
        return on_equal_nodes(request, machines, pool)
    most = machines.pools[pool].slots
    bare = not request.cpu_milli and not request.memory_mib
    chosen: list[Place] = []
    missing = request.slots
    for rank in RANKS:
        for free in range(1, most + 1):
            for node in machines.with_free(pool, rank, free):
                taken = min(free, missing)
                if not bare and not _fits_part(request, machines, node, taken):
                    continue
                chosen.append(Place(node, taken))
                missing -= taken
                if not missing:
                    return tuple(chosen)
    return None


def _fits_part(request: Request, machines: Machines, node: int, slots: int) -> bool:
    """Whether a node has what goes with so many of the slots (rounded up, so that sums never lack)."""
    cpu = -(-request.cpu_milli * slots // request.slots)
    memory = -(-request.memory_mib * slots // request.slots)
    return bool(machines.cpu_free[node] >= cpu and machines.memory_free[node] >= memory)


def on_equal_nodes(request: Request, machines: Machines, pool: int) -> Places | None:
    """Equal parts on as many nodes as it asks for, the fullest that have room first."""
    each = request.slots // request.nodes
    chosen: list[Place] = []
    for rank in RANKS:
        for free in range(each, machines.pools[pool].slots + 1):
            for node in machines.with_free(pool, rank, free):
                if _fits_part(request, machines, node, each):
                    chosen.append(Place(node, each))
                    if len(chosen) == request.nodes:
                        return tuple(chosen)
    return None


def part_or_none(request: Request, machines: Machines, pool: int) -> Places | None:
    """A part of one slot, the fullest that has it; or no slot, beside its CPUs on the first node that has them."""
    best: tuple[int, int, int] | None = None
    for node in machines.of_pool(pool):
        if machines.rank[node] not in RANKS or not machines.holds(request, node):
            continue
        if not request.milli:
            return (Place(node, 0),)
        for slot, left in enumerate(machines.parts.get(node, ())):
            if left >= request.milli and (best is None or left < best[0]):
                best = (left, node, slot)
    return (Place(best[1], 0, request.milli, best[2]),) if best is not None else None


@dataclass(frozen=True)
class FirstCome:
    """First come first served: a request at the head of the queue waits for room and holds up those behind it. No
    backfill."""

    placement: Placement = Anywhere()

    def next(self, view: View) -> Decision | None:
        """The head of the queue, as soon as there is room for it."""
        if not view.waiting:
            return None
        head = view.waiting[0]
        places = self.placement.places(head, view.machines)
        return Start(head, places) if places is not None else None

    def ask_again_ns(self, _view: View) -> int | None:
        """It waits for room alone."""
        return None


def fault(decision: object, view: View) -> str | None:
    """What is wrong with what a scheduler names; None where it can be done."""
    if not isinstance(decision, Start | Preempt | Resize):
        return f"gives {type(decision).__name__}, not a Start, a Preempt or a Resize"
    request = decision.request
    if isinstance(decision, Start):
        if not isinstance(request, Request) or not request.waits:
            return f"starts {getattr(request, 'owner', request)!r}, which does not wait"
    elif not isinstance(request, Request) or request.started_ns is None or request.leaving:
        return f"takes from {getattr(request, 'owner', request)!r}, which does not run"
    if isinstance(decision, Preempt):
        fixed = request.gang is not None and request.gang.on_preempt is None
        return f"preempts '{request.owner}', which is no row of a table of jobs" if fixed else None
    slots = sum(place.slots for place in decision.places)
    if isinstance(decision, Start) and slots != request.slots and not request.least <= slots <= request.most:
        return f"gives '{request.owner}' {slots} slots of the {request.slots} it asked for"
    if isinstance(decision, Start) and not view.machines.has_room(request, decision.places):
        return f"gives '{request.owner}' slots that are not free, or twice, or not of its pool"
    return None
