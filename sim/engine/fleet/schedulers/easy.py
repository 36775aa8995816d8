"""EASY backfill (Lifka 1995, https://doi.org/10.1007/3-540-60153-8_35; Mu'alem and Feitelson 2001,
https://doi.org/10.1109/71.932708): one reservation, that of the head of the queue."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from sim.engine.fleet.placements.anywhere import ANYWHERE
from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.queueing import behind
from sim.engine.fleet.schedulers.shortest import by_time
from sim.engine.fleet.scheduling import Decision, Placement, Start, View

Candidates = Literal["first-come", "shortest"]
"""In what order those behind the head are tried: as they came, or by the time that their users asked for."""


@dataclass(frozen=True)
class Easy:
    """First come first served, and whoever does not delay the head of the queue may start before it.

    What is done whenever it is asked, exactly (a fast twin does the same):

    1. While the head (the first in ``waiting``) has room by the placement, it starts there.
    2. A head without room is given a reservation. Every request that runs is expected to end at ``due``: when it
       started, plus the time that its user asked for, less what it has run before; a user who said nothing asked for
       ``NEVER_NS``. Who is past its due (``due <= now``), or told to make room, is expected to end at ``now + 1``. The
       *shadow time* is the earliest ``due`` at which the placement has room for the head, all being given back that is
       due then or before, and nothing else changing. What is free then and the head does not need is *extra*.
    3. Those behind the head are tried in the order in which they came, or by the time asked for, then as they came. The
       first starts that has room now by the placement, at the places that this names, and that either is to end by then
       (``now + asked <= shadow``), or leaves the head its room: on the machines of the shadow time, with these places
       taken too, the placement still has room for the head. Where free slots are all that counts (any slots of a pool),
       that is ``slots <= extra``, and ``extra`` of the pools where the head does not stand is without bounds.
    4. After each start, all begins again at 1: reservations are made anew.

    A head that would have no room even if all had ended (nodes are broken) has no reservation, and holds up nobody.
    Gangs of services and trainings are requests as all others. Nobody is killed for being late: that is between a job
    and its machines.
    """

    candidates: Candidates
    placement: Placement = ANYWHERE

    def next(self, view: View) -> Decision | None:
        """The head, or one that it need not wait for."""
        waiting = view.waiting
        if not waiting:
            return None
        head = waiting[0]
        places = self.placement.places(head, view.machines)
        if places is not None:
            return Start(head, places)
        rest: Iterator[Request] = islice(waiting, 1, None)
        if self.candidates == "shortest":
            rest = iter(sorted(rest, key=by_time))
        return behind(head, rest, self.placement, view)

    def ask_again_ns(self, _view: View) -> int | None:
        """Somebody must end before anything changes: an end that is due and does not come moves no reservation
        nearer."""
        return None
