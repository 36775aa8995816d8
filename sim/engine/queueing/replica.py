"""One replica of a queue, and what shared power leaves of its pace.

Under a cap it serves more slowly, changed at the very instant; paused, it stands still with its batch, and is given no
other; shed, it gives its machines back, with its batch as after a failure, and waits for others.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.gang import Gang
from sim.engine.pace import FULL_RATE, Pace

UnderCap = Callable[[float, float], tuple[float, float]]
"""From W at work without a cap and a cap in W to the rate of serving (0..1) and the W at work."""


@dataclass(frozen=True)
class Repaced:
    """The reason of an interrupt of a replica that serves: it goes at another pace from now on."""


@dataclass(frozen=True)
class Shed:
    """The reason of an interrupt of a replica: it is to give its machines back."""


class Replica:
    """``work_ns`` are what its batch takes at full rate, and ``left_ns`` what is left of them; W are of one GPU."""

    def __init__(self, env: Clock, number: int, active_w: float, loaded_w: float, under_cap: UnderCap | None) -> None:
        self.number = number
        self.process: simpy.Process | None = None
        self.gang: Gang | None = None
        self.paused = False
        self.work_ns = self.left_ns = 0
        self.shed = False  # and not up again
        self._env = env
        self._loaded_w, self._under_cap = loaded_w, under_cap
        self._caps_w: dict[str, float] = {}
        self.pace = self._pace(active_w)
        self._since_ns: int | None = None
        self._told = False  # in this instant

    @property
    def whole(self) -> bool:
        """Whether it has all of its machines."""
        return self.gang is not None and not self.gang.lacks

    @property
    def at_work(self) -> bool:
        """Whether it serves a batch, at whatever rate."""
        return self._since_ns is not None and not self.paused

    @property
    def rate(self) -> float:
        """What is left of its rate of serving, 0..1."""
        return 0.0 if self.paused else self.pace.rate / FULL_RATE

    @property
    def serves(self) -> bool:
        """Whether it has a batch, though it may stand still."""
        return self._since_ns is not None

    @property
    def loaded_w(self) -> float:
        """With its model loaded, and not at work."""
        return self._loaded_w

    def begin(self, work_ns: int, active_w: float) -> None:
        """A batch, or a part of one, that takes so long at full rate, at so many W."""
        self.work_ns = self.left_ns = work_ns
        if active_w != self.pace.full_w:
            self.pace = self._pace(active_w)

    def _pace(self, active_w: float) -> Pace:
        under_cap = partial(self._under_cap, active_w) if self._under_cap is not None else None
        pace = Pace(active_w, self._loaded_w, self._loaded_w, under_cap)
        for source, cap_w in self._caps_w.items():
            pace.cap(source, cap_w)
        return pace

    def takes_ns(self) -> int:
        """Works from now on; how long the rest takes at this pace."""
        self._since_ns, self._told = self._env.now_ns, False
        return FULL_RATE if self.paused else self.pace.takes_ns(self.left_ns)  # paused: until it is told

    def book(self) -> None:
        """Counts what was done since it was last counted, at the pace of that time."""
        if self._since_ns is not None:
            elapsed_ns = self._env.now_ns - self._since_ns
            self.left_ns -= 0 if self.paused else self.pace.done_ns(elapsed_ns, self.left_ns)
            self._since_ns = self._env.now_ns

    def stop(self) -> None:
        """It works no longer."""
        self._since_ns = None

    def cap(self, source: str, cap_w: float | None) -> None:
        """From now on ``source`` allows each GPU no more than ``cap_w``; None lifts it."""
        self.book()
        if cap_w is None:
            self._caps_w.pop(source, None)
        else:
            self._caps_w[source] = cap_w
        if self.pace.cap(source, cap_w):
            self.tell()

    def tell(self) -> None:
        """Something has changed that it must know, if it serves; whoever has lost a node is about to hear of that."""
        if self._since_ns is not None and not self._told and self.whole:
            assert self.process is not None
            self._told = True
            self.process.interrupt(Repaced())

    def leave(self) -> int:
        """It is to give its machines back; ns of work on its batch that are lost."""
        lost_ns = 0
        if self.serves:
            self.book()
            lost_ns = self.work_ns - self.left_ns
            self.stop()
        self.shed = True
        assert self.process is not None
        self.process.interrupt(Shed())
        return lost_ns
