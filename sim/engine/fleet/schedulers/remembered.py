"""What conservative backfill remembers between two questions: over which spans of time more has come free since each
promise was last tried.

Let no start before its promise have had room for a request when it was tried, its own promise given back. If one has
room now, its span of time must meet one in which some node has more free slots than then: over all others nothing was
added, and where a request fits as more comes free is what a placement keeps to. A start within a span of the profile
fits no earlier than the edge before it, so that the passing of time brings no new one. So only starts whose spans meet
those need be tried, and the first of them that fits is the first of all.

More comes free between two questions (somebody ends early, a node comes back, a promise is dropped), which comparing
the profile then and now tells; and within one, where a request is moved. It is a cache, by the view that asks: a view
that is made anew for each question remembers nothing, and all is tried.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

from sim.engine.fleet.request import Request
from sim.engine.fleet.schedulers.profile import END_NS, Profile, Span, raised_between
from sim.engine.fleet.scheduling import View

Raised = Mapping[int, list[Span]]
"""Spans by pool."""
EVER: Span = (0, END_NS)
MOST = 4096
"""Spans that are remembered; whoever was tried before the oldest is tried over all of time."""


class Remembered:
    """Of one scheduler about one view."""

    def __init__(self) -> None:
        self._profiles: Mapping[int, Profile] = {}
        self._log: list[tuple[int, int, int]] = []
        self._first = 0  # number of the oldest of the log
        self._tried: dict[Request, tuple[int, int]] = {}

    def compare(self, profiles: Mapping[int, Profile], now_ns: int) -> None:
        """Notes what has come free since the last question; ``profiles`` hold all promises that are kept."""
        for pool, profile in profiles.items():
            if pool in self._profiles:
                for since_ns, until_ns in raised_between(self._profiles[pool], profile):
                    self.came_free(pool, since_ns, until_ns)
            else:
                self.came_free(pool, now_ns, END_NS)
        if len(self._log) > MOST:
            self._first += len(self._log) - MOST
            del self._log[: len(self._log) - MOST]

    def came_free(self, pool: int, since_ns: int, until_ns: int) -> None:
        """More is free over a span."""
        self._log.append((pool, since_ns, until_ns))

    def raised_for(self, request: Request, takes_ns: int, before_ns: int | None) -> Raised:
        """Over which spans more has come free since a request was tried, as far as they help it to start before
        ``before_ns`` (None: whenever); all of time where it was not, or asks for another time now."""
        number, took_ns = self._tried.get(request, (-1, -1))
        if before_ns is None or number < self._first or took_ns != takes_ns:
            return {pool: [EVER] for pool in request.pools}
        found: dict[int, list[Span]] = {}
        for pool, since_ns, until_ns in self._log[number - self._first :]:
            if pool in request.pools and since_ns < before_ns + takes_ns:
                found.setdefault(pool, []).append((since_ns, until_ns))
        return {pool: _joined(spans) for pool, spans in found.items()}

    def tried(self, request: Request, takes_ns: int) -> None:
        """No earlier start has room for it than the one that it is promised now."""
        self._tried[request] = self._first + len(self._log), takes_ns

    def keep(self, profiles: Mapping[int, Profile], promised: Iterable[Request]) -> None:
        """Remembers the profiles, with all promises, for those who still wait."""
        self._profiles = profiles
        self._tried = {request: self._tried[request] for request in promised if request in self._tried}


_OF_VIEWS: WeakKeyDictionary[View, dict[Any, Remembered]] = WeakKeyDictionary()


def remembered(view: View, scheduler: object) -> Remembered:
    """What a scheduler remembers of a view; nothing where power decides over places, too, which no profile shows."""
    if view.machines.power_room is not None:
        return Remembered()
    return _OF_VIEWS.setdefault(view, {}).setdefault(scheduler, Remembered())


def _joined(spans: list[Span]) -> list[Span]:
    """The same without overlaps, in order."""
    joined: list[Span] = []
    for since_ns, until_ns in sorted(spans):
        if joined and since_ns <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], until_ns)
        else:
            joined.append((since_ns, until_ns))
    return joined
