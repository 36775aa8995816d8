"""When a job has leave to work, as its schedule has it: waiting before the start, pauses, and what they cost.

Leave is withheld only while the deadline lets it be: as soon as the time left is the time still needed, the job works
through. A job without a schedule always has leave.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
import simpy

from sim.engine.clock import Clock
from sim.signals import Signal
from sim.units import MAX_NS, SECONDS_PER_NS
from sim.workload.records import ScheduleRecord

if TYPE_CHECKING:
    from sim.workload.schedule import Schedule


_ALWAYS = Signal.constant(1.0, "may run")


class Leave:
    """The schedule of one job, and what it has come to."""

    def __init__(self, env: Clock, schedule: Schedule | None, submitted_ns: int, needs_ns: int) -> None:
        self._env = env
        self._schedule = schedule
        self._submitted_ns = submitted_ns
        self._needs_ns = needs_ns  # of the whole job, started at once
        self._may_run = schedule.may_run if schedule is not None else _ALWAYS
        self._deadline_ns = schedule.deadline_ns if schedule is not None else None
        self._save_ns = schedule.save_ns if schedule is not None else 0
        self._restart_ns = schedule.restart_ns if schedule is not None else 0
        self._paused = False
        self._started = False
        self._waiting_since_ns: int | None = None
        self._waited_ns = self._paused_ns = self._switching_ns = 0
        self._pauses = self._restarts = 0
        self._worked_ns = 0
        self._signal_s = 0.0  # integral of the signal over the time at work

    @property
    def gives_back(self) -> bool:
        """Whether the gang is given back for a pause."""
        return self._schedule is not None and not self._schedule.hold

    def wait_to_start(self, needs_ns: int, setup_ns: int) -> Generator[simpy.Event, object, None]:
        """Waits for leave, or until so late that ``setup_ns`` on a new gang and ``needs_ns`` on it can just be done."""
        now_ns = self._env.now_ns
        until_ns = self._next(now_ns, allowed=True)
        if self._deadline_ns is not None:
            again_ns = self._restart_ns if self._paused else setup_ns
            latest_ns = max(now_ns, self._deadline_ns - again_ns - needs_ns)
            until_ns = min(latest_ns, until_ns if until_ns is not None else latest_ns)
        if until_ns is None:
            until_ns = self._may_run.last_ns  # beyond the signal nobody knows: to be said then, if the run gets there
        if until_ns > now_ns:
            self._waiting_since_ns = now_ns
            try:
                yield self._env.wait(until_ns - now_ns)
            finally:
                self._count_waiting()
                self._waiting_since_ns = None

    def restart(self, setup_ns: int) -> Generator[simpy.Event, object, None]:
        """Sets up on a new gang, for the first time or after a pause."""
        self._started = True
        if self._paused:
            self._paused = False
            self._restarts += 1
            yield from self._switch(self._restart_ns)
        elif setup_ns:
            yield self._env.wait(setup_ns)

    def save(self) -> Generator[simpy.Event, object, None]:
        """Saves everything before a gang is given back."""
        yield from self._switch(self._save_ns)

    def pause(self) -> None:
        """Notes that the job is at rest from now on."""
        self._paused = True
        self._pauses += 1

    def resume(self) -> None:
        """Notes that the job goes on with the gang it kept."""
        self._paused = False

    def abandon(self) -> None:
        """Notes that a failure or a kill has ended whatever was going on: the job starts from its last checkpoint."""
        self._paused = False

    def until_pause(self, needs_ns: int) -> int | None:
        """Time, ns, after which a job at work that needs ``needs_ns`` more should pause; None for not at all."""
        now_ns = self._env.now_ns
        if self._deadline_ns is not None:
            room_ns = self._deadline_ns - now_ns - needs_ns - self._save_ns - self._restart_ns
            if room_ns <= 0:
                return None
        at_ns = self._next(now_ns, allowed=False)
        return at_ns - now_ns if at_ns is not None else None

    def worked(self, since_ns: int, until_ns: int) -> None:
        """Notes that the job was at work from ``since_ns`` to ``until_ns``."""
        if self._schedule is not None:
            self._worked_ns += until_ns - since_ns
            self._signal_s += self._schedule.truth.integral(since_ns, until_ns)

    def record(self, completed_ns: int | None) -> ScheduleRecord | None:
        """What is known of the schedule now; None without one."""
        schedule, deadline_ns = self._schedule, self._deadline_ns
        if schedule is None:
            return None
        if self._waiting_since_ns is not None:
            self._count_waiting()
        met = completed_ns <= deadline_ns if completed_ns is not None and deadline_ns is not None else None
        return ScheduleRecord(
            signal=schedule.signal,
            unit=schedule.truth.unit,
            waited_ns=self._waited_ns,
            pauses=self._pauses,
            restarts=self._restarts,
            paused_ns=self._paused_ns,
            switching_ns=self._switching_ns,
            finish_delay_ns=completed_ns - self._submitted_ns - self._needs_ns if completed_ns is not None else None,
            deadline_ns=deadline_ns,
            deadline_met=met,
            forecast_mean=schedule.forecast_mean,
            actual_mean=self._signal_s / (self._worked_ns * SECONDS_PER_NS) if self._worked_ns else None,
            immediate_mean=schedule.immediate_mean,
        )

    def _count_waiting(self) -> None:
        assert self._waiting_since_ns is not None
        now_ns = self._env.now_ns
        if self._started:
            self._paused_ns += now_ns - self._waiting_since_ns
        else:
            self._waited_ns += now_ns - self._waiting_since_ns
        self._waiting_since_ns = now_ns

    def _switch(self, duration_ns: int) -> Generator[simpy.Event, object, None]:
        began_ns = self._env.now_ns
        try:
            if duration_ns:
                yield self._env.wait(duration_ns)
        finally:
            self._switching_ns += self._env.now_ns - began_ns

    def _next(self, now_ns: int, *, allowed: bool) -> int | None:
        """The first instant from ``now_ns`` on at which leave is as asked; None if it never is while the signal lasts.

        Raises ``SignalRangeError`` where the signal has ended.
        """
        if self._may_run is _ALWAYS:
            return now_ns if allowed else None
        if bool(self._may_run.at(now_ns)) == allowed:
            return now_ns
        edges, values = self._may_run.edges_ns, self._may_run.values
        later = int(np.searchsorted(edges, now_ns, side="right"))
        found = np.flatnonzero((values[later:] > 0.0) == allowed)
        if len(found):
            return int(edges[later + int(found[0])])
        return None if self._may_run.last_ns >= MAX_NS or allowed else self._may_run.last_ns
