"""This machine's workers: a pool of processes that outlives the death of any of them.

A pool in which a process died is replaced, and each task it had in hand runs once more in a process of its own: the one
that kills its worker is found out and recorded, the others are done. Workers end when whoever started them is gone.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing.connection import Connection

from sim.study.alone import perform_alone
from sim.study.processes import worker_context
from sim.study.work import Done, Task, perform

AHEAD = 2
"""Tasks a worker has waiting, so that it need not wait for the next."""


class LocalPool:
    """``workers`` processes. ``run`` yields what is done, in any order; ``close`` ends them at once."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._alive: tuple[Connection, Connection] | None = None

    def refuse_absent(self, files: Sequence[str]) -> None:
        """Its processes see what this one sees."""

    def run(self, tasks: Iterable[Task]) -> Iterator[Done]:
        """Performs ``tasks``, of which only a few are taken ahead of what is done."""
        waiting = iter(tasks)
        in_hand: dict[Future[Done], Task] = {}
        while True:
            while len(in_hand) < AHEAD * self.workers:
                task = next(waiting, None)
                if task is None:
                    break
                try:
                    in_hand[self._started().submit(perform, task)] = task
                except BrokenProcessPool:
                    yield from self._one_by_one([task, *in_hand.values()])
                    in_hand.clear()
            if not in_hand:
                return
            ended, _ = wait(in_hand, return_when=FIRST_COMPLETED)
            lost = []
            for future in ended:
                task = in_hand.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool:
                    lost.append(task)
            if lost:
                lost += in_hand.values()
                in_hand.clear()
                yield from self._one_by_one(lost)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            context = worker_context(["sim.study.work"])
            self._alive = context.Pipe(duplex=False)
            self._pool = ProcessPoolExecutor(self.workers, context, initializer=_begin, initargs=(self._alive[0],))
        return self._pool

    def _one_by_one(self, tasks: list[Task]) -> Iterator[Done]:
        self.close()
        for task in sorted(tasks, key=lambda task: task.number):
            yield perform_alone(task)

    def close(self) -> None:
        """Ends the workers, whatever they are doing."""
        if self._pool is None:
            return
        processes = list((getattr(self._pool, "_processes", None) or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with suppress(OSError, ValueError):
                process.terminate()
        for process in processes:
            with suppress(OSError, ValueError, AssertionError):
                process.join(1.0)
        self._pool = None
        if self._alive is not None:
            for end in self._alive:
                end.close()
            self._alive = None


def _begin(alive: Connection) -> None:
    """A worker leaves Ctrl-C to the command, and ends when that is gone without a word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_watch, args=(alive,), daemon=True).start()


def _watch(alive: Connection) -> None:
    """Nobody ever writes: the other end closes when its process ends, however it ends."""
    with suppress(EOFError, OSError):
        alive.recv_bytes()
    os._exit(1)
