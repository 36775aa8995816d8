"""How far a job has come: work done, checkpoints to go back to, and what its time and its joules went into.

What is at work now may be lost later, so that only going back tells productive time from lost: each checkpoint holds
what had been spent at work when it was taken, and whoever goes back to it has lost the rest. Time and joules of every
activity are whole numbers of nanoseconds and sums of what the meters booked; they add up to the job's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from sim.engine.clock import Clock
from sim.engine.metering.meter import Draw, Recorder
from sim.units import SECONDS_PER_NS

if TYPE_CHECKING:
    from sim.workload.records import Activity


Doing = Literal["work", "checkpoint", "detection", "restart", "stop", "waiting"]


class Spending:
    """What a job does, and the time and the joules that each activity has taken."""

    def __init__(self, env: Clock) -> None:
        self._env = env
        self._since_ns: int | None = None
        self.doing: Doing = "waiting"
        self.ns: dict[Doing, int] = {"work": 0, "checkpoint": 0, "detection": 0, "restart": 0, "stop": 0, "waiting": 0}
        self.joules: dict[Doing, float] = dict.fromkeys(self.ns, 0.0)
        self._below: dict[Doing, float] = dict.fromkeys(self.ns, 0.0)

    def begin(self) -> None:
        """Counts time from now on."""
        self._since_ns = self._env.now_ns

    def book(self, joules: float) -> None:
        """Adds what was drawn for the present activity; what a sum rounds off is carried on (Kahan 1965)."""
        before, more = self.joules[self.doing], joules - self._below[self.doing]
        after = before + more
        self._below[self.doing] = (after - before) - more
        self.joules[self.doing] = after

    def turn_to(self, doing: Doing) -> None:
        """Something else begins, after the meters were settled."""
        self.count()
        self.doing = doing

    def count(self) -> None:
        """Counts time up to now."""
        if self._since_ns is not None:
            self.ns[self.doing] += self._env.now_ns - self._since_ns
            self._since_ns = self._env.now_ns

    def end(self) -> None:
        """Counts no further."""
        self.count()
        self._since_ns = None


class SpendingRecorder:
    """Passes on what is booked, and adds the joules of each owner to what that owner is doing."""

    def __init__(self, recorder: Recorder, spendings: Mapping[str, Spending]) -> None:
        self._recorder = recorder
        self._spendings = spendings

    def record(self, pool: str, draws: Sequence[Draw], start_ns: int, end_ns: int, count: int = 1) -> None:
        """Books every draw, of ``count`` nodes that draw alike."""
        self._recorder.record(pool, draws, start_ns, end_ns, count)
        seconds = (end_ns - start_ns) * SECONDS_PER_NS
        watts: dict[str, float] = {}
        for draw in draws:
            if draw.owner in self._spendings:
                watts[draw.owner] = watts.get(draw.owner, 0.0) + draw.watts
        for owner, drawn_w in watts.items():
            for _ in range(count):
                self._spendings[owner].book(drawn_w * seconds)


@dataclass(frozen=True)
class Saved:
    """A checkpoint: when its state was taken and when it is safe, the work in it, and what work had taken by then."""

    taken_ns: int
    durable_ns: int
    done_ns: int
    spent_ns: int
    spent_j: float


class Checkpoints:
    """The checkpoints of a job, and what going back to them has lost."""

    def __init__(self, spending: Spending) -> None:
        self._spending = spending
        self._saved: deque[Saved] = deque([Saved(0, 0, 0, 0, 0.0)])
        self.lost_ns = 0
        self.lost_spent_ns = 0
        self.lost_spent_j = 0.0

    def take(self, now_ns: int, done_ns: int, *, durable_ns: int, keep_ns: int) -> None:
        """A checkpoint of the present state, safe at ``durable_ns``; of old ones those of the last ``keep_ns`` and the
        one before are kept."""
        self._spending.count()
        spent = self._spending.ns["work"], self._spending.joules["work"]
        self._saved.append(Saved(now_ns, durable_ns, done_ns, *self._kept(*spent)))
        while (
            len(self._saved) > 2 and self._saved[1].durable_ns <= now_ns and self._saved[1].taken_ns < now_ns - keep_ns
        ):
            self._saved.popleft()

    def go_back(self, now_ns: int, done_ns: int, *, sound_until_ns: int) -> Saved:
        """The last checkpoint that is safe and was taken by ``sound_until_ns``; what was done since is lost."""
        while len(self._saved) > 1 and (
            self._saved[-1].durable_ns > now_ns or self._saved[-1].taken_ns > sound_until_ns
        ):
            self._saved.pop()
        last = self._saved[-1]
        self._spending.count()
        spent_ns, spent_j = self._kept(self._spending.ns["work"], self._spending.joules["work"])
        self.lost_ns += done_ns - last.done_ns
        self.lost_spent_ns += spent_ns - last.spent_ns
        self.lost_spent_j += spent_j - last.spent_j
        return last

    def _kept(self, spent_ns: int, spent_j: float) -> tuple[int, float]:
        """Of what work has taken, that which is not lost yet."""
        return spent_ns - self.lost_spent_ns, spent_j - self.lost_spent_j

    def activities(self) -> dict[Activity, tuple[int, float]]:
        """ns and J by what they went into; they add up to all that was counted."""
        self._spending.count()
        ns, joules = self._spending.ns, self._spending.joules
        productive = self._kept(ns["work"], joules["work"])
        return {
            "productive": productive,
            "lost": (self.lost_spent_ns, self.lost_spent_j),
            "checkpoints": (ns["checkpoint"], joules["checkpoint"]),
            "detection": (ns["detection"], joules["detection"]),
            "restarts": (ns["restart"], joules["restart"]),
            "planned_stops": (ns["stop"], joules["stop"]),
            "waiting": (ns["waiting"], joules["waiting"]),
        }
