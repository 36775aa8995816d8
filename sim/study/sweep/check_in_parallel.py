"""Checks a study's points in this process and in others beside it, and hands out what came of them in their order.

Others start once there is enough to do for them. This process goes on by itself until they are there, so a small study
never waits for them; if one of them dies, it does their share.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from itertools import chain, islice

from sim.study.processes import Processes
from sim.study.sweep.check_points import Asked, Checker, Given, Looked

BATCH = 32
"""Points looked at together."""
ALONE = 8
"""Batches before helpers are asked: their start takes as long as some batches."""
AHEAD = 2
"""Batches that each of them has in hand."""
MOST_WAITING = 64
"""Batches kept for the sake of their order."""

_own: list[Checker] = []
"""In a helper: its checker."""


def _begin(asked: Asked) -> None:
    _own.append(Checker(asked))


def _look(batch: list[Given]) -> Looked:
    return _own[0].look(batch)


def looked_at(
    points: Iterable[Given], asked: Asked, checker: Checker, helpers: int
) -> Iterator[tuple[list[Given], Looked]]:
    """Batches of ``points`` and what came of each, in order: by ``checker``, and by so many other processes."""
    given = iter(points)
    batches = iter(lambda: list(islice(given, BATCH)), [])
    for batch in islice(batches, ALONE if helpers else None):
        yield batch, checker.look(batch)
    more = next(batches, None)
    if more is not None:
        with closing(Processes(helpers, _begin, (asked,))) as processes:
            yield from _Together(processes, helpers, checker).looked(chain([more], batches))


class _Together:
    def __init__(self, processes: Processes, helpers: int, checker: Checker) -> None:
        self._processes: Processes | None = processes
        self._most = AHEAD * helpers
        self._checker = checker
        self._sent: list[Future[Looked]] = []

    def looked(self, batches: Iterable[list[Given]]) -> Iterator[tuple[list[Given], Looked]]:
        waiting: deque[tuple[list[Given], Future[Looked]]] = deque()
        for batch in batches:
            waiting.append((batch, self._send(batch) or self._look(batch)))
            while waiting and (len(waiting) > MOST_WAITING or waiting[0][1].done()):
                yield self._got(*waiting.popleft())
        while waiting:
            yield self._got(*waiting.popleft())

    def _send(self, batch: list[Given]) -> Future[Looked] | None:
        """To a helper, if one has room for it."""
        self._sent = [future for future in self._sent if not future.done()]
        if self._processes is None or len(self._sent) >= self._most:
            return None
        try:
            self._sent.append(self._processes.submit(_look, batch))
        except BrokenProcessPool:
            self._processes = None
            return None
        return self._sent[-1]

    def _look(self, batch: list[Given]) -> Future[Looked]:
        """Here and now."""
        found = Future[Looked]()
        found.set_result(self._checker.look(batch))
        return found

    def _got(self, batch: list[Given], found: Future[Looked]) -> tuple[list[Given], Looked]:
        """Waits for it, unless nobody has begun with it."""
        if not found.cancel():
            try:
                return batch, found.result()
            except BrokenProcessPool:
                self._processes = None
        return batch, self._checker.look(batch)
