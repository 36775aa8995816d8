"""What a job that recovers from faults knows of them: what it has noticed, what it has not, and what slows it.

A crash ends the work at once and a hang stands still, until detection says so; wrong results go on until they are
noticed, when the job goes back to before them; a slow part slows the whole gang until it is found and taken out. A
second fault during a recovery begins it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import simpy

from sim.engine.clock import Clock
from sim.engine.machines.gang import Fault, Gang
from sim.workload.records import ReliabilityRecord

if TYPE_CHECKING:
    from sim.workload.records import Activity


@dataclass(frozen=True)
class RecoveryPlan:
    """ns until each way of failing is noticed, of scheduling anew (GPUs idle) and of loading and warming up (loaded).

    Every ``stop_every_ns`` the job is stopped on purpose for ``stop_ns``; None for never. ``mtbf_ns`` is the mean time
    between interruptions expected for the gang; None where nothing fails.
    """

    crash_ns: int
    hang_ns: int
    silent_ns: int
    slow_ns: int
    schedule_ns: int
    load_ns: int
    stop_every_ns: int | None = None
    stop_ns: int = 0
    mtbf_ns: float | None = None

    @property
    def longest_ns(self) -> int:
        """How far back a checkpoint may be needed."""
        return self.silent_ns


class Recovery:
    """The faults of one job: those that stop it now, and those that it bears until they are noticed."""

    def __init__(self, env: Clock, plan: RecoveryPlan) -> None:
        self.plan = plan
        self.stops: list[Fault] = []
        self.interruptions: Counter[str] = Counter()
        self.planned_stops = 0
        self.corrupted_ns: int | None = None
        self.over = False
        self._env = env
        self._process: simpy.Process | None = None
        self._slow: list[Fault] = []
        self._noticed = 0
        self._serviced = 0
        self._told = False

    def watch(self, process: simpy.Process | None) -> None:
        """Whom to interrupt from now on; None while the job holds no gang."""
        self._process = process

    def hear(self, fault: Fault) -> None:
        """A fault on the gang: it stops the job, or will once it is noticed."""
        if fault.shows == "silent":
            if self.corrupted_ns is None:
                self.corrupted_ns = self._env.now_ns
            self._env.process(self._find_corruption(fault, self._env.now_ns))
        elif fault.shows == "slow":
            self._slow.append(fault)
            self._env.process(self._find_slow(fault))
        else:
            self._stop(fault)

    def heard(self) -> None:
        """The job has been interrupted; the next fault may interrupt it again."""
        self._told = False

    @property
    def slowest(self) -> float:
        """The rate of work that slow parts leave, 0..1."""
        return min((fault.rate for fault in self._slow), default=1.0)

    @property
    def orderly(self) -> bool:
        """Whether the job may save what it has before it stops."""
        return all(fault.shows in ("slow", "planned") for fault in self.stops)

    @property
    def sound_until_ns(self) -> int:
        """When the state was last right: a checkpoint taken later does not help."""
        found = any(fault.shows == "silent" for fault in self.stops)
        return self.corrupted_ns if found and self.corrupted_ns is not None else self._env.now_ns

    def restored(self, taken_ns: int) -> None:
        """The job has gone back to its state at ``taken_ns``."""
        if self.corrupted_ns is not None and taken_ns <= self.corrupted_ns:
            self.corrupted_ns = None

    @property
    def unnoticed_ns(self) -> int:
        """How long it takes until all that stopped the job is noticed."""
        latency = {"crash": self.plan.crash_ns, "hang": self.plan.hang_ns}
        return max((latency.get(fault.shows, 0) for fault in self.stops[self._noticed :]), default=0)

    def take_out(self, gang: Gang) -> None:
        """Takes broken nodes out of the gang, now that they are known."""
        for fault in self.stops[self._noticed :]:
            gang.take_out(fault)
        self._noticed = len(self.stops)
        self._slow = [f for f in self._slow if f not in self.stops and any(node in gang.parts for node in f.nodes)]

    @property
    def service_ns(self) -> int:
        """How long the planned stop takes that is due, if one is."""
        return self.plan.stop_ns if any(f.shows == "planned" for f in self.stops[self._serviced :]) else 0

    def serviced(self) -> None:
        """The planned stop is over."""
        self._serviced = len(self.stops)

    def recovered(self) -> None:
        """The job works again."""
        self.stops.clear()
        self._noticed = self._serviced = 0

    def stop_by_plan(self) -> Generator[simpy.Event, object, None]:
        """The process of planned stops, from the first start of the job on."""
        assert self.plan.stop_every_ns is not None
        while True:
            yield self._env.wait(self.plan.stop_every_ns)
            if self._process is not None and not self.stops:
                self._stop(Fault("planned stop", "planned", (), breaks=False))

    def record(
        self, activities: Mapping[Activity, tuple[int, float]], checkpoint_every_ns: int | None, slowed_ns: int
    ) -> ReliabilityRecord:
        """What is known now, with what time and joules went into."""
        return ReliabilityRecord(
            interruptions=dict(self.interruptions),
            planned_stops=self.planned_stops,
            slowed_ns=slowed_ns,
            corrupted=self.corrupted_ns is not None,
            activities=activities,
            checkpoint_every_ns=checkpoint_every_ns,
            mtbf_ns=self.plan.mtbf_ns,
        )

    def _find_corruption(self, fault: Fault, since_ns: int) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(self.plan.silent_ns)
        if self.corrupted_ns is not None and self.corrupted_ns <= since_ns:
            self._stop(fault)  # where it has not been lost with other work since

    def _find_slow(self, fault: Fault) -> Generator[simpy.Event, object, None]:
        yield self._env.wait(self.plan.slow_ns)
        if fault in self._slow:
            self._stop(fault)

    def _stop(self, fault: Fault) -> None:
        if self.over:
            return
        if fault.shows == "planned":
            self.planned_stops += 1
        else:
            self.interruptions[fault.component] += 1
        self.stops.append(fault)
        if self._process is not None and not self._told:
            self._told = True
            self._process.interrupt(fault)
