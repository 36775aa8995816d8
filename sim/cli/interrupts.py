"""Ctrl-C and polite kills: raised where they meet the program, and remembered.

Python drops what is raised in a finalizer, and libraries drop what is raised in their callbacks: then the command would
go on, or end with whatever came of the callback that failed.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_heard = threading.Event()


def _hear(_number: int, _frame: object) -> None:
    _heard.set()
    raise KeyboardInterrupt


@contextmanager
def interrupts() -> Iterator[None]:
    """Within it, SIGINT and SIGTERM raise ``KeyboardInterrupt`` and are remembered; one that is ignored stays so."""
    numbers = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    for number in (signal.SIGINT, signal.SIGTERM):
        if before[number] not in (signal.SIG_IGN, None):
            signal.signal(number, _hear)
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:  # one that is not Python's stands as it stood
                signal.signal(number, handler)
        _heard.clear()


def hear_hang_ups() -> None:
    """Until ``interrupts`` ends, a closed terminal is an interrupt, too, unless it is ignored (``nohup``)."""
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, _hear)


def interrupted() -> bool:
    """Whether an interrupt was heard, wherever it ended up."""
    return _heard.is_set()


def stop_if_interrupted() -> None:
    """Raises ``KeyboardInterrupt`` again where an earlier one was dropped."""
    if _heard.is_set():
        raise KeyboardInterrupt
