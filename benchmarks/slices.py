"""Times works against one another in slices: they take turns of a second or so, stopped by the system in between.

A machine that runs at half its speed for a minute, as shared ones do, then does so for all of them, where works timed
one after the other would each get a speed of their own.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from multiprocessing.connection import Connection

SLICE_S = 1.0
LEAVING_S = 10.0
Prepared = Callable[[], AbstractContextManager[Callable[[], object]]]
"""Enters what a work needs, warm, and gives the work."""


class _Turns:
    """One work, in a process group of its own: it stands still but for its turns."""

    def __init__(self, prepared: Prepared, slice_s: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._slice_s = slice_s
        self.seconds = 0.0
        self._ours, theirs = context.Pipe()
        self._process = context.Process(target=_works, args=(prepared, theirs))
        self._process.start()
        theirs.close()
        try:
            self._ours.recv()  # it is ready
        except BaseException:
            self.end()
            raise
        self._signal(signal.SIGSTOP)

    def take_one(self) -> bool:
        """Lets it work for a slice; whether it is done."""
        began = time.perf_counter()
        self._signal(signal.SIGCONT)
        if self.seconds == 0.0:
            self._ours.send(None)
        done = self._ours.poll(self._slice_s)
        self.seconds += time.perf_counter() - began
        if done:
            self._ours.recv()
            self._process.join(LEAVING_S)  # it takes down what it set up
            self.end()
        else:
            self._signal(signal.SIGSTOP)
        return done

    def _signal(self, number: signal.Signals) -> None:
        assert self._process.pid is not None
        os.killpg(self._process.pid, number)

    def end(self) -> None:
        """Ends all of its processes."""
        with suppress(ProcessLookupError):
            self._signal(signal.SIGKILL)
        self._process.kill()
        self._process.join()


def _works(prepared: Prepared, ours: Connection) -> None:
    """In its own process: gets ready, and works once told to."""
    os.setsid()
    with prepared() as work:
        ours.send(None)
        ours.recv()
        work()
        ours.send(None)


def timed(works: Mapping[str, Prepared], shares: Mapping[str, float]) -> dict[str, float]:
    """Seconds that each of ``works`` takes in its own turns; a turn of one is as long as its share (1 where none).

    With shares like what they take, all of them are done about the same time. What a ``Prepared`` is must pickle.
    Raises ``EOFError`` where one of them failed.
    """
    turns: dict[str, _Turns] = {}
    left: list[_Turns] = []
    try:
        for name, prepared in works.items():
            turns[name] = _Turns(prepared, SLICE_S * shares.get(name, 1.0))
            left.append(turns[name])
        while left:
            for work in list(left):
                if work.take_one():
                    left.remove(work)
    finally:
        for work in left:
            work.end()
    return {name: work.seconds for name, work in turns.items()}
