"""Progress of many runs as the terminal's last line. Like ``sim.cli.command`` it has no logic of its own."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sim.cli.interrupts import stop_if_interrupted

EVERY_S = 0.2


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
            sys.stderr.write(f"\r\x1b[K{count:,} {self._things} checked")
            sys.stderr.flush()

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
        sys.stderr.write(f"\r\x1b[K{line[:78]}")
        sys.stderr.flush()


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


def overwrite(shown: Shown | None) -> None:
    """Takes the line away."""
    if shown is not None:
        sys.stderr.write("\r\x1b[K")


@contextmanager
def showing(things: str) -> Iterator[Callable[[int, int], None]]:
    """Shows on a terminal how many ``things`` are done, and takes the line away; an interrupt ends what is watched."""
    shown = Shown(things) if sys.stderr.isatty() else None

    def watch(done: int, total: int) -> None:
        stop_if_interrupted()
        if shown is not None:
            shown(done, total)

    try:
        yield watch
    finally:
        overwrite(shown)
