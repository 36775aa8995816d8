"""Jobs as loads that can be asked to draw less: rows of tables, and trainings, a campaign's trials among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.engine.fleet.power.loads import Asked, Traits
from sim.engine.fleet.rows import Rows
from sim.engine.machines.gang import Gang
from sim.units import SECONDS_PER_NS

if TYPE_CHECKING:
    from sim.engine.fleet.row import Row
    from sim.engine.fleet.sharers import Shared
    from sim.engine.training.job import TrainingJob


class RowLoad:
    """A row. See ``Load`` for what is asked of it."""

    over = writes = False

    def __init__(self, row: Row, rows: Rows, serving: frozenset[str]) -> None:
        self.row = row
        self._rows = rows
        self.traits = Traits(
            workload=row.request.owner,
            name=str(row.number),
            serves=row.request.kind in serving,
            priority=row.request.priority,
            order=row.request.seq,
            slots=sum(place.total_milli for place in row.request.places) / 1000.0,
            pool=row.pool,
            loaded_w=row.loaded_w,
            full_w=row.active_w,
            cpu_load=row.cpu_load,
            cappable=row.cappable,
            can_pause=True,
            can_shed=True,
            can_kill=True,
            save_ns=row.save_ns,
            row=row.i,
        )
        self._asked = Asked(row.cap, row.pause, row.resume)
        self.cap, self.pause, self.resume = self._asked.cap, self._asked.pause, self._asked.resume
        self.forget = self._asked.forget
        self.hold_back, self.let_go = row.hold_back, row.let_go
        self.w_under = row.active_w_under

    def shares_gpu(self) -> Shared | None:
        """The GPU of which it has a part, where others there count; None elsewhere."""
        return self._rows.sharers.at(self.row.gpu) if self.row.gpu is not None else None

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

    @property
    def rate(self) -> float:
        """See ``Load``."""
        return self.row.kept_rate

    @property
    def limited(self) -> bool:
        """See ``Load``."""
        return self._asked.limits(self.traits.full_w)

    def would_work(self, source: str) -> bool:
        """See ``Load``."""
        return self.row.would_work and self._asked.pauses <= {source}

    def shed(self, *, saving: bool) -> float:
        """See ``Load``."""
        if saving:
            self._rows.fleet.preempt(self.row.request)
            return 0.0
        return self._shed(for_good=False)

    def kill(self) -> float:
        """See ``Load``."""
        return self._shed(for_good=True)

    def _shed(self, *, for_good: bool) -> float:
        before_ns = int(self._rows.lost_ns[self.row.number])
        self.row.shed(for_good=for_good)
        lost_ns = int(self._rows.lost_ns[self.row.number]) - before_ns
        return lost_ns * SECONDS_PER_NS * self.traits.slots


class JobLoad:
    """A training of its own or a trial of ``workload``. One that must go has its gang taken, and waits for another."""

    held = False

    def __init__(self, job: TrainingJob, gang: Gang, workload: str, priority: int) -> None:
        self.job = job
        self.traits = Traits(
            workload=workload,
            name=job.name,
            serves=False,
            priority=priority,
            order=gang.request.seq if gang.request is not None else 0,
            slots=float(gang.slots),
            pool=job.pool,
            loaded_w=job.loaded_w,
            full_w=job.full_w,
            cpu_load=job.cpu_load,
            cappable=job.cappable,
            can_pause=True,
            can_shed=True,
            can_kill=True,
            save_ns=job.save_ns,
        )
        self._asked = Asked(job.cap, job.pause, job.resume)
        self.cap, self.pause, self.resume = self._asked.cap, self._asked.pause, self._asked.resume
        self.forget = self._asked.forget

    @property
    def at_work(self) -> bool:
        """See ``Load``."""
        return self.job.at_work

    @property
    def over(self) -> bool:
        """See ``Load``."""
        return not self.job.process.is_alive

    @property
    def rate(self) -> float:
        """See ``Load``."""
        return self.job.kept_rate

    @property
    def limited(self) -> bool:
        """See ``Load``."""
        return self._asked.limits(self.traits.full_w)

    @property
    def leaving(self) -> bool:
        """See ``Load``."""
        return self.job.leaving

    @property
    def writes(self) -> bool:
        """See ``Load``."""
        return self.job.writes

    def would_work(self, source: str) -> bool:
        """See ``Load``."""
        return self.job.would_work and self._asked.pauses <= {source}

    def w_under(self, source: str, cap_w: float | None) -> float:
        """See ``Load``."""
        return self.job.active_w_without(source) if cap_w is None else self.job.active_w_under(source, cap_w)

    def hold_back(self) -> bool:
        """See ``Load``."""
        return False

    def let_go(self) -> None:
        """See ``Load``."""

    def shed(self, *, saving: bool) -> float:
        """See ``Load``."""
        if saving and self.job.would_work:
            self.job.leave()
            return 0.0
        return self.job.shed() * SECONDS_PER_NS * self.traits.slots

    def kill(self) -> float:
        """See ``Load``."""
        return self.job.kill() * SECONDS_PER_NS * self.traits.slots
