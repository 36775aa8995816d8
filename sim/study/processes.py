"""How many processes this machine has room for, how they start, and that none outlives whoever started it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

R = TypeVar("R")
PRELOAD = ["sim.study.sweep.tasks", "sim.engine.serving.fast", "sim.study.at_first_use", "scipy.special", "pyarrow"]
"""What a process of work needs sooner or later: loaded once, and not by each of them."""


def machine_workers() -> int:
    """Number of workers: as many as the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def worker_context(preload: list[str]) -> BaseContext:
    """How processes of work start: from a server that has loaded what they need, or afresh; never as a copy of this."""
    method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    context = multiprocessing.get_context(method)
    if method == "forkserver":
        context.set_forkserver_preload(preload)
    return context


def get_ready() -> None:
    """Lets what processes of work start from load in the background: it takes as long as reading a study."""
    _start_server(worker_context(PRELOAD))


def _start_server(context: BaseContext) -> None:
    """A terminal's Ctrl-C reaches this server, too, which would answer with a traceback while it loads."""
    if context.get_start_method() != "forkserver":
        return
    resource_tracker.ensure_running()  # now, since it takes a mask away
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # what starts here inherits it
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _interrupts_later() -> Iterator[None]:
    """Interrupts wait until this is done. A mask would not do: any thread may get them, and Python's first one acts."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, lambda number, _frame: heard.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for late in heard:
            signal.raise_signal(late)


class Processes:
    """``count`` processes that start with the first call; each runs ``begin`` with ``given`` before its first.

    Raises ``BrokenProcessPool``, here or from a future, once one of them has died.
    """

    def __init__(self, count: int, begin: Callable[..., None] | None = None, given: tuple[Any, ...] = ()) -> None:
        context = worker_context(PRELOAD)
        _start_server(context)
        self._alive: tuple[Connection, Connection] = context.Pipe(duplex=False)
        begun = (self._alive[0], begin, given)
        self._pool = ProcessPoolExecutor(count, context, initializer=_begin, initargs=begun)

    def submit(self, work: Callable[..., R], *given: Any) -> Future[R]:
        """One of them will do ``work``."""
        # an interrupt amid the start of a process would leave it to start, with a traceback, when all is gone
        with _interrupts_later():
            return self._pool.submit(work, *given)

    def close(self) -> None:
        """Ends them, whatever they are doing."""
        processes = list((getattr(self._pool, "_processes", None) or {}).values())
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            with suppress(OSError, ValueError):
                process.terminate()
        for process in processes:
            with suppress(OSError, ValueError, AssertionError):
                process.join(1.0)
        for end in self._alive:
            end.close()


def _begin(alive: Connection, begin: Callable[..., None] | None, given: tuple[Any, ...]) -> None:
    """A process of work leaves Ctrl-C to the command, and ends when that is gone without a word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_watch, args=(alive,), daemon=True).start()
    if begin is not None:
        begin(*given)


def _watch(alive: Connection) -> None:
    """Nobody ever writes: the other end closes when its process ends, however it ends."""
    with suppress(EOFError, OSError):
        alive.recv_bytes()
    os._exit(1)
