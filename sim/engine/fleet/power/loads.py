"""What runs on machines and can be asked to draw less: a row of a table of jobs, or a training job with its gang.

A load is asked as a whole: its GPUs keep step, so that a cap in one rack slows all of it. Caps of several domains stand
beside one another and the lowest counts; it stands still as long as any of them says so.
"""

from __future__ import annotations

from typing import Protocol

from sim.engine.fleet.row import Row
from sim.engine.fleet.rows import Rows
from sim.engine.gang import Gang
from sim.engine.training import TrainingJob
from sim.units import SECONDS_PER_NS


class Load(Protocol):
    """One that runs. W are of one of its GPUs."""

    @property
    def workload(self) -> str: ...

    @property
    def serves(self) -> bool: ...

    @property
    def priority(self) -> int: ...

    @property
    def order(self) -> int:
        """When it came, against others."""
        ...

    @property
    def slots(self) -> float: ...

    @property
    def pool(self) -> str: ...

    @property
    def at_work(self) -> bool: ...

    @property
    def held(self) -> bool:
        """Whether it is held back, its machines idle."""
        ...

    @property
    def leaving(self) -> bool:
        """Whether it saves its state to make room."""
        ...

    @property
    def cpu_load(self) -> float:
        """Of the CPUs that are its while it works."""
        ...

    @property
    def cappable(self) -> bool: ...

    @property
    def can_stop(self) -> bool:
        """Whether it can be paused, held back and shed, and not only capped."""
        ...

    @property
    def save_ns(self) -> int:
        """How long it takes to save its state before it is shed."""
        ...

    @property
    def loaded_w(self) -> float: ...

    @property
    def full_w(self) -> float:
        """At work, without any cap."""
        ...

    @property
    def rate(self) -> float:
        """What is left of its rate of work, 0..1."""
        ...

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

    def forget(self) -> None:
        """It runs here no longer: whatever was asked of it is taken back."""


class RowLoad:
    """A row."""

    can_stop = True

    def __init__(self, row: Row, rows: Rows, serving: frozenset[str]) -> None:
        self.row = row
        self.workload = row.request.owner
        self.serves = row.request.kind in serving
        self.priority = row.request.priority
        self.order = row.request.seq
        self.slots = sum(place.total_milli for place in row.request.places) / 1000.0
        self.pool = row.pool
        self.loaded_w = row.loaded_w
        self.full_w = row.active_w
        self.save_ns = row.save_ns
        self.cappable = row.cappable
        self.cpu_load = row.cpu_load
        self._rows = rows
        self._caps_w: dict[str, float] = {}
        self._pauses: set[str] = set()

    @property
    def at_work(self) -> bool:
        """See ``Load``."""
        return self.row.at_work

    @property
    def held(self) -> bool:
        """See ``Load``."""
        return self.row.held_back

    @property
    def leaving(self) -> bool:
        """See ``Load``."""
        return self.row.request.leaving

    def would_work(self, source: str) -> bool:
        """See ``Load``."""
        return self.row.would_work and self._pauses <= {source}

    @property
    def rate(self) -> float:
        """See ``Load``."""
        return self.row.kept_rate

    def w_under(self, source: str, cap_w: float | None) -> float:
        """See ``Load``."""
        return self.row.active_w_under(source, cap_w)

    def cap(self, source: str, cap_w: float | None) -> None:
        """See ``Load``."""
        if self._caps_w.get(source) != cap_w:
            if cap_w is None:
                del self._caps_w[source]
            else:
                self._caps_w[source] = cap_w
            self.row.cap(source, cap_w)

    def pause(self, source: str) -> None:
        """See ``Load``."""
        if not self._pauses:
            self.row.pause()
        self._pauses.add(source)

    def resume(self, source: str) -> None:
        """See ``Load``."""
        if source in self._pauses:
            self._pauses.remove(source)
            if not self._pauses:
                self.row.resume()

    def hold_back(self) -> bool:
        """See ``Load``."""
        return self.row.hold_back()

    def let_go(self) -> None:
        """See ``Load``."""
        self.row.let_go()

    def shed(self, *, saving: bool) -> float:
        """See ``Load``."""
        if saving:
            self._rows.fleet.preempt(self.row.request)
            return 0.0
        before_ns = int(self._rows.lost_ns[self.row.number])
        self.row.shed()
        return (int(self._rows.lost_ns[self.row.number]) - before_ns) * SECONDS_PER_NS * self.slots

    def forget(self) -> None:
        """See ``Load``."""
        for source in list(self._caps_w):
            self.cap(source, None)
        for source in list(self._pauses):
            self.resume(source)


class JobLoad:
    """A training job of its own. It is capped, and not paused or shed: at or below loaded power it stands still."""

    can_stop = False
    serves = False
    priority = 0
    save_ns = 0
    held = False
    leaving = False

    def __init__(self, job: TrainingJob, gang: Gang) -> None:
        self.job = job
        self.workload = job.name
        self.order = gang.request.seq if gang.request is not None else 0
        self.slots = float(gang.slots)
        self.pool = job.pool
        self.loaded_w = job.loaded_w
        self.full_w = job.full_w
        self.cappable = job.cappable
        self.cpu_load = job.cpu_load
        self._caps_w: dict[str, float] = {}

    @property
    def at_work(self) -> bool:
        """See ``Load``."""
        return self.job.at_work

    def would_work(self, _source: str) -> bool:
        """See ``Load``."""
        return self.job.at_work

    @property
    def rate(self) -> float:
        """See ``Load``."""
        return self.job.kept_rate

    def w_under(self, source: str, cap_w: float | None) -> float:
        """See ``Load``."""
        return self.job.active_w_without(source) if cap_w is None else self.job.active_w_under(source, cap_w)

    def cap(self, source: str, cap_w: float | None) -> None:
        """See ``Load``."""
        if self._caps_w.get(source) != cap_w:
            if cap_w is None:
                del self._caps_w[source]
            else:
                self._caps_w[source] = cap_w
            self.job.cap(source, cap_w)

    def pause(self, source: str) -> None:
        """See ``Load``."""
        raise AssertionError(f"a training job is capped, not paused, by the {source}")

    def resume(self, source: str) -> None:
        """See ``Load``."""

    def hold_back(self) -> bool:
        """See ``Load``."""
        return False

    def let_go(self) -> None:
        """See ``Load``."""

    def shed(self, *, saving: bool) -> float:
        """See ``Load``."""
        raise AssertionError(f"a training job is capped, not shed (saving: {saving})")

    def forget(self) -> None:
        """See ``Load``."""
        for source in list(self._caps_w):
            self.cap(source, None)
