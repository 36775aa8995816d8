"""What a scheduler is asked and may answer, and what a placement is.

A scheduler sees who waits, who runs and what is free. It names what is done next (a start, a preemption, a change of
size), again and again until it names nothing. It changes nothing itself and keeps nothing between two questions: the
fleet does what is named, and refuses what cannot be.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sim.engine.fleet.machines import Machines
from sim.engine.fleet.placements.anywhere import Anywhere
from sim.engine.fleet.request import SLOTS, Places, Request
from sim.signals import Signal

__all__ = ["Anywhere"]


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


@dataclass(frozen=True)
class Reserve:
    """When and where requests that wait shall start: promises that the fleet keeps for the scheduler, and shows it."""

    promises: tuple[tuple[Request, int, Places], ...]


Decision = Start | Preempt | Resize | Reserve


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

    def ends(self, pool: int) -> Sequence[tuple[int, int, Request]]:
        """Who holds machines of a pool, in the order in which they will give them back, if their users were right: when
        that is in ns, their number, and the request. One without a time limit is counted as if its limit were
        ``NEVER_NS``; one that is told to make room is due from then on."""
        ...

    def usage(self, by: str, half_life_ns: int | None) -> dict[str, float]:
        """Slot-seconds that each ``user``, ``account`` or ``queue`` has held until now, decayed by half in each half
        life (None: not at all)."""
        ...

    def held(self, by: str) -> Mapping[str, int]:
        """Thousandths of slots that each ``user``, ``account`` or ``queue`` holds now."""
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
    """Chooses the places of a request. Who has room keeps it as more comes free: what is chosen may change, not whether
    there is anything to choose."""

    def places(self, request: Request, machines: Machines) -> Places | None:
        """Where it could start now; None where there is no room."""

    def by_count(self, request: Request, machines: Machines, pool: int) -> bool:
        """Whether a request has room in a pool whenever as many slots are free there as it asks for, so that nobody
        need look at nodes. False is always right, and slow."""


def fault(decision: object, view: View) -> str | None:
    """What is wrong with what a scheduler names; None where it can be done."""
    if isinstance(decision, Reserve):
        late = next((request for request, _, _ in decision.promises if not request.waits), None)
        return f"promises machines to '{late.owner}', which does not wait" if late is not None else None
    if not isinstance(decision, Start | Preempt | Resize):
        return f"gives {type(decision).__name__}, not a Start, a Preempt, a Resize or a Reserve"
    request = decision.request
    if isinstance(decision, Start):
        if not isinstance(request, Request) or not request.waits:
            return f"starts {getattr(request, 'owner', request)!r}, which does not wait"
    elif not isinstance(request, Request) or request.started_ns is None or request.leaving:
        return f"takes from {getattr(request, 'owner', request)!r}, which does not run"
    if isinstance(decision, Preempt):
        fixed = request.gang is not None and request.gang.on_preempt is None
        return f"preempts '{request.owner}', which is no row of a table of jobs" if fixed else None
    slots = sum(map(SLOTS, decision.places))
    if isinstance(decision, Start) and slots != request.slots and not request.least <= slots <= request.most:
        return f"gives '{request.owner}' {slots} slots of the {request.slots} it asked for"
    if isinstance(decision, Start) and not view.machines.has_room(request, decision.places):
        return f"gives '{request.owner}' slots that are not free, or twice, or not of its pool"
    return None
