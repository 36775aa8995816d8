"""What runs on machines and can be asked to draw less: a row of a table of jobs, a training, a replica of a service.

A load is asked as a whole: its GPUs keep step, so that a cap in one rack slows all of it. Caps of several domains stand
beside one another and the lowest counts; it stands still as long as any of them says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

BOARD = "limit of the board"
"""The source of caps that hold at any time."""


@dataclass(frozen=True)
class Traits:
    """What a load is, whatever happens to it. W are of one of its GPUs: loaded, and at work without any cap.

    ``order`` is when it came, against others, and ``name`` what it keeps of ``workload`` when it comes again;
    ``save_ns`` how long it takes to save its state before it is shed;
    ``cpu_load`` is of the CPUs that are its while it works. Where it is not ``paced`` nobody knows, as it works, what a
    cap takes of its rate: its requests tell. ``can_kill``: it ends, so that one with no room for it may be ended.
    ``row`` is that of its table, if it is of one.
    """

    workload: str
    name: str
    serves: bool
    priority: int
    order: int
    slots: float
    pool: str
    loaded_w: float
    full_w: float
    cpu_load: float
    cappable: bool
    can_pause: bool
    can_shed: bool
    can_kill: bool = False
    save_ns: int = 0
    paced: bool = True
    row: int = -1


class Load(Protocol):
    """One that runs. W are of one of its GPUs."""

    traits: Traits

    @property
    def at_work(self) -> bool:
        """Whether it works now, at whatever rate."""

    @property
    def held(self) -> bool:
        """Whether it is held back, its machines idle."""

    @property
    def leaving(self) -> bool:
        """Whether it saves its state to make room."""

    @property
    def writes(self) -> bool:
        """Whether it stands still for a checkpoint, and works again in a moment."""

    @property
    def over(self) -> bool:
        """Whether it has ended, and another has taken over its gang."""

    @property
    def rate(self) -> float:
        """What is left of its rate of work, 0..1."""

    @property
    def limited(self) -> bool:
        """Whether anything that is asked of it, but for limits of its boards, has it draw less."""

    def would_work(self, source: str) -> bool:
        """Whether it works, or would if ``source`` let it."""

    def w_under(self, source: str, cap_w: float | None) -> float:
        """At work, if ``source`` capped it so (None: not), beside the caps of all others."""

    def cap(self, source: str, cap_w: float | None) -> None:
        """From now on; None lifts it."""

    def pause(self, source: str) -> None:
        """It stands still while any source says so."""

    def resume(self, source: str) -> None:
        """This source lets it go on."""

    def hold_back(self) -> bool:
        """It leaves its machines idle until it is let go, if it has not begun before this instant; whether it does."""

    def let_go(self) -> None:
        """It begins, if it was held back."""

    def shed(self, *, saving: bool) -> float:
        """It gives its machines back, with its state saved or at once; slot-seconds of work that are lost."""

    def kill(self) -> float:
        """It gives its machines back for good, if it ``can_kill``; slot-seconds of work that are lost."""

    def forget(self) -> None:
        """It runs here no longer: whatever was asked of it is taken back."""


class Asked:
    """What sources ask of one load, told on where it changes: to ``cap`` each one's cap, to ``pause`` and ``resume``
    the first pause and the end of the last."""

    def __init__(
        self,
        cap: Callable[[str, float | None], None],
        pause: Callable[[], None],
        resume: Callable[[], None],
    ) -> None:
        self.caps_w: dict[str, float] = {}
        self.pauses: set[str] = set()
        self._cap, self._pause, self._resume = cap, pause, resume

    def cap(self, source: str, cap_w: float | None) -> None:
        """A source's cap from now on."""
        if self.caps_w.get(source) == cap_w:
            return
        if cap_w is None:
            del self.caps_w[source]
        else:
            self.caps_w[source] = cap_w
        self._cap(source, cap_w)

    def least_w(self, source: str, cap_w: float | None, full_w: float) -> float:
        """The least of ``full_w`` and all caps, if ``source`` capped it so (None: not)."""
        others_w = [own for name, own in self.caps_w.items() if name != source]
        return min([full_w, *others_w, *([cap_w] if cap_w is not None else [])])

    def limits(self, full_w: float) -> bool:
        """Whether anything but a limit of its boards has it draw less than ``full_w``."""
        return bool(self.pauses) or any(cap_w < full_w for source, cap_w in self.caps_w.items() if source != BOARD)

    def pause(self, source: str) -> None:
        """A source has it stand still."""
        if not self.pauses:
            self._pause()
        self.pauses.add(source)

    def resume(self, source: str) -> None:
        """A source lets it go on."""
        if source in self.pauses:
            self.pauses.remove(source)
            if not self.pauses:
                self._resume()

    def forget(self) -> None:
        """Nobody asks anything."""
        for source in list(self.caps_w):
            self.cap(source, None)
        for source in list(self.pauses):
            self.resume(source)
