"""Progress of one run or of many as the terminal's last line; nothing where standard error is none, or a dumb one.

A single run is watched by a thread that wakes now and then and reads the simulated time: the run itself does nothing.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import get_terminal_size

from sim.cli.interrupts import stop_if_interrupted

EVERY_S = 0.2
FIRST_AFTER_S = 0.8
"""A run that is over by then shows nothing."""
WIDTH = 78
DAY_S = 86_400
NS_PER_S = 1_000_000_000


class Shown:
    """How many ``things`` are done, with the rate and the time left over what this session has done."""

    def __init__(self, things: str) -> None:
        self._things = things
        self._began = time.monotonic()
        self._last = 0.0
        self._first: int | None = None

    def counted(self, count: int) -> None:
        """How many are checked, before there is a total."""
        now = time.monotonic()
        if now - self._last >= EVERY_S:
            self._last = now
            _write(f"{count:,} {self._things if count != 1 else self._things.removesuffix('s')} checked")

    def __call__(self, done: int, total: int, failed: int = 0) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first, self._began = done, now
        if now - self._last < EVERY_S:
            return
        self._last = now
        here, seconds = done - self._first, now - self._began
        line = f"{done:,} of {total:,} {self._things}"
        if failed:
            line += f", {failed:,} failed"
        if here and seconds:
            rate = here / seconds
            line += f", {_rate(rate)}, {_span((total - done) / rate)} left"
        _write(line)


def _rate(per_second: float) -> str:
    """Slow things are counted by the minute or hour."""
    for span_s, name in ((1, "s"), (60, "min")):
        if per_second * span_s >= 1.0:
            return f"{per_second * span_s:,.1f}/{name}"
    return f"{per_second * 3600:,.1f}/h"


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def fitting(line: str) -> str:
    """As much of it as stands on one line: of a longer one only the end can be taken away."""
    return line[: min(WIDTH, get_terminal_size().columns - 1)]


def has_last_line() -> bool:
    """Whether standard error is a terminal that can take a line away."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def _write(line: str) -> None:
    sys.stderr.write(f"\r\x1b[K{fitting(line)}")
    sys.stderr.flush()


def overwrite(shown: Shown | None) -> None:
    """Takes the line away."""
    if shown is not None:
        sys.stderr.write("\r\x1b[K")


@contextmanager
def showing(things: str) -> Iterator[Callable[[int, int], None]]:
    """Shows on a terminal how many ``things`` are done, and takes the line away; an interrupt ends what is watched."""
    shown = Shown(things) if has_last_line() else None

    def watch(done: int, total: int) -> None:
        stop_if_interrupted()
        if shown is not None:
            shown(done, total)

    try:
        yield watch
    finally:
        overwrite(shown)


class Run:
    """How far one run is: what it does, and the simulated time once there is one."""

    def __init__(self) -> None:
        self._doing, self._since = "reading", time.monotonic()
        self._now_ns: Callable[[], int] | None = None
        self._end_ns: int | None = None
        self._counted = ""
        self._first: tuple[int, float] | None = None

    def stage(self, doing: str) -> None:
        """What is done from now on."""
        self._now_ns, self._counted, self._first = None, "", None
        self._doing, self._since = doing, time.monotonic()

    def counted(self, done: int, total: int, things: str) -> None:
        """How many of its things the stage has done, where they are some; the rate is since its first word."""
        stop_if_interrupted()
        now = time.monotonic()
        began, since = self._first = self._first or (done, now)
        rate = (done - began) / (now - since) if now > since else 0.0
        left = f", {_rate(rate)}, {_span((total - done) / rate)} left" if rate else ""
        self._counted = f": {done:,} of {total:,} {things}{left}"

    def simulating(self, now_ns: Callable[[], int], end_ns: int | None) -> None:
        """The simulation begins, and ends at ``end_ns`` or by itself."""
        self._since, self._end_ns, self._now_ns = time.monotonic(), end_ns, now_ns

    def line(self) -> str:
        """What there is to say of it now."""
        seconds = time.monotonic() - self._since
        if self._now_ns is None:
            return f"{self._doing}{self._counted or f', {_span(seconds)}'}"
        done_s = self._now_ns() / NS_PER_S
        rate = done_s / seconds if seconds else 0.0
        line = f"{self._doing}: {simulated(done_s)}"
        if self._end_ns is None:
            return f"{line}, {simulated(rate)} a second" if rate else line
        whole_s = self._end_ns / NS_PER_S
        line += f" of {simulated(whole_s)} ({100 * done_s / whole_s:.0f} %)"
        return f"{line}, {simulated(rate)} a second, {_span((whole_s - done_s) / rate)} left" if rate else line


def counting(run: Run | None, things: str) -> Callable[[int, int], None]:
    """What tells a run's progress how many of its things are done, of how many; an interrupt ends what is counted."""

    def told(done: int, total: int) -> None:
        stop_if_interrupted()
        if run is not None:
            run.counted(done, total, things)

    return told


def simulated(seconds: float) -> str:
    """A time of the simulation in the unit that fits."""
    for span_s, name in ((DAY_S, "d"), (3600, "h"), (60, "min")):
        if seconds >= span_s:
            return f"{seconds / span_s:,.1f} {name}"
    return f"{seconds:,.1f} s"


@contextmanager
def running(*, quiet: bool = False) -> Iterator[Run | None]:
    """Shows on a terminal how far a run is, from when it takes long; None where nobody looks."""
    if quiet or not has_last_line():
        yield None
        return
    run, over = Run(), threading.Event()

    def show() -> None:
        shown = not over.wait(FIRST_AFTER_S)
        while shown and not over.is_set():
            _write(run.line())
            over.wait(EVERY_S)
        if shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    watcher = threading.Thread(target=show, name="progress", daemon=True)
    watcher.start()
    try:
        yield run
    finally:
        over.set()
        watcher.join()
