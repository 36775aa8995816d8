"""How much of a training job's work is done: at what pace, what of it is safe in a checkpoint, and what it still needs.

Work is counted in nanoseconds of productive time of the whole gang. What was done since the last checkpoint that is
safe is lost when the job goes back to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.engine.clock import Clock
from sim.engine.pace import Pace
from sim.engine.training.progress import Checkpoints
from sim.workload.schedule import expected_ns

if TYPE_CHECKING:
    from sim.engine.training.leave import Leave
    from sim.engine.training.plan import TrainingPlan
    from sim.engine.training.progress import Saved, Spending


class Worked:
    """The work of one job. ``goal_ns`` of unsaved work end the present stretch; ``since_ns`` is when what it does now
    was last counted, None while it does not work."""

    def __init__(self, env: Clock, plan: TrainingPlan, leave: Leave, spending: Spending) -> None:
        self.saved_ns = 0
        self.unsaved_ns = 0
        self.goal_ns = 0
        self.since_ns: int | None = None
        self.pace = Pace(plan.active_w, plan.loaded_w, plan.waiting_w, plan.under_cap)
        self.checkpoints = Checkpoints(spending)
        self._env = env
        self._plan = plan
        self._leave = leave
        self._keep_ns = plan.recovery.longest_ns if plan.recovery is not None else 0

    @property
    def done_ns(self) -> int:
        """Work done and not lost."""
        return self.saved_ns + self.unsaved_ns

    @property
    def needs_ns(self) -> int:
        """How long the job still needs at work and for checkpoints, if nothing happens to it."""
        plan, left_ns = self._plan, self._plan.work_ns - self.saved_ns
        held_ns = expected_ns(left_ns, 0, plan.checkpoint_every_ns, plan.checkpoint_ns)
        return held_ns - left_ns + self.pace.takes_ns(left_ns - self.unsaved_ns)

    @property
    def stretch_is_over(self) -> bool:
        """Whether the present stretch is done."""
        return self.unsaved_ns >= self.goal_ns

    def next_stretch(self) -> bool:
        """Work goes on to the next checkpoint; says whether it goes on to the end instead."""
        left_ns, every_ns = self._plan.work_ns - self.saved_ns, self._plan.checkpoint_every_ns
        self.goal_ns = min(left_ns, every_ns) if every_ns is not None else left_ns
        return self.goal_ns == left_ns

    def begin(self) -> int:
        """Works from now on; how long the rest of the stretch takes at the present pace."""
        self.since_ns = self._env.now_ns
        return self.pace.takes_ns(self.goal_ns - self.unsaved_ns)

    def end(self) -> None:
        """Works no longer."""
        self.book()
        self.since_ns = None

    def book(self) -> None:
        """Counts what was done since it was last counted, at the rate of that time."""
        since_ns, now_ns = self.since_ns, self._env.now_ns
        if since_ns is None or since_ns == now_ns:
            return
        self.unsaved_ns += self.pace.done_ns(now_ns - since_ns, self.goal_ns - self.unsaved_ns)
        self._leave.worked(since_ns, now_ns)
        self.since_ns = now_ns

    def save(self, behind_ns: int) -> None:
        """A checkpoint of all that is done, safe ``behind_ns`` from now; the meters have been settled."""
        self.saved_ns += self.unsaved_ns
        self.unsaved_ns = 0
        now_ns = self._env.now_ns
        self.checkpoints.take(now_ns, self.saved_ns, durable_ns=now_ns + behind_ns, keep_ns=self._keep_ns)

    def go_back(self, sound_until_ns: int) -> Saved:
        """Goes back to the last checkpoint that is safe and was taken by ``sound_until_ns``, of what was booked."""
        last = self.checkpoints.go_back(self._env.now_ns, self.done_ns, sound_until_ns=sound_until_ns)
        self.saved_ns, self.unsaved_ns = last.done_ns, 0
        self.since_ns = None
        return last
