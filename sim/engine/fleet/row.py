"""One row of a table of jobs while it waits and runs, on machines that are metered by the log.

Work is counted in ns at the full rate on the slots that the job asks for. A stint is set-up (or restart), work, and,
where it is preempted, saving its state. Under a cap it works at a lower rate from that very instant on.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Literal

import simpy

from sim.engine.fleet.request import Places, Request
from sim.engine.fleet.sharers import GPU
from sim.workload.allocations import Outcome, PaceState

if TYPE_CHECKING:
    from sim.engine.fleet.plan import JobsPlan, PoolForJobs
    from sim.engine.fleet.rows import Rows
    from sim.profiles.shared_gpu.tenants import Terms

FULL_RATE = 1 << 40
"""Rates are counted in integers, so that progress under any changes of rate adds up."""

Doing = Literal["nothing", "held", "starting", "working", "paused", "saving"]


class Row:
    """What is left of the job, and what it does at present."""

    __slots__ = (
        "_begun_ns",
        "_caps_w",
        "_doing",
        "_gpu",
        "_left_ns",
        "_linked",
        "_paused",
        "_rate",
        "_rows",
        "_since_ns",
        "_started",
        "_stint",
        "_todo_ns",
        "_token",
        "gpu_w",
        "i",
        "number",
        "plan",
        "pool",
        "present_cpu",
        "request",
    )

    def __init__(self, rows: Rows, plan: JobsPlan, i: int, number: int, request: Request) -> None:
        self.plan = plan
        self.i = i
        self.number = number
        self.request = request
        self.pool = ""
        self.gpu_w = self.present_cpu = 0.0
        self._rows = rows
        self._left_ns = self._todo_ns = int(plan.table.run_ns[i])
        self._rate = FULL_RATE
        self._linked = 1.0
        self._since_ns = 0
        self._doing: Doing = "nothing"
        self._token = 0
        self._stint = -1
        self._begun_ns = 0
        self._started = False
        self._paused = False
        self._caps_w: dict[str, float] | None = None
        self._gpu: GPU | None = None

    # What the fleet asks of it

    def submit(self) -> None:
        """It waits from now on."""
        self._rows.fleet.submit(self.request, self)

    def start(self, _request: Request, places: Places) -> None:
        """It has machines from now on."""
        self._hold(places)
        self._set_up()

    def preempt(self, _request: Request) -> None:
        """It makes room: at once, or once its state is saved."""
        self.advance()
        self._rows.preempted[self.number] += 1
        keeps = self.plan.keeps
        if not keeps.saves:
            self._lose(self._todo_ns)
            self._make_room("killed", again=keeps.again)
        elif keeps.save_ns and self._started:
            self._do("saving", "loaded", self._here.loaded_w, 0.0, keeps.save_ns, self._saved)
        else:
            self._make_room("preempted", again=True)

    def resize(self, _request: Request, places: Places) -> None:
        """It goes on with more or fewer slots, once it has restarted there."""
        self.advance()
        self._end_stint("resized")
        self._hold(places)
        self._begin(self.plan.keeps.restart_ns)

    # What whoever limits power asks of it

    @property
    def _here(self) -> PoolForJobs:
        return self.plan.pools[self.pool]

    @property
    def cappable(self) -> bool:
        """Whether a cap changes what it draws."""
        return self._here.under_cap is not None

    @property
    def active_w(self) -> float:
        """W of one of its GPUs at work without a cap, in the pool where it stands."""
        watts = float(self.plan.active_w[self.pool][self.i])
        return float(self.plan.mean_w[self.i]) if math.isnan(watts) else watts

    @property
    def loaded_w(self) -> float:
        """W of one of its GPUs that is held and not at work."""
        return self._here.loaded_w

    @property
    def at_work(self) -> bool:
        """Whether it works, and is not setting up, saving or paused."""
        return self._doing == "working"

    def cap(self, source: str, cap_w: float | None) -> None:
        """From now on ``source`` allows each of its GPUs no more than ``cap_w``; None lifts it. The lowest counts."""
        caps = self._caps_w if self._caps_w is not None else {}
        if cap_w is None:
            caps.pop(source, None)
        else:
            caps[source] = cap_w
        self._caps_w = caps or None
        if self._doing == "working":
            self.advance()
            self._work()

    @property
    def kept_rate(self) -> float:
        """What caps leave of the rate at which it would work here; 0 where it stands still."""
        if self._doing != "working":
            return 0.0 if self._doing in ("paused", "held") else 1.0
        return self._capped(self._caps_w)[0]

    @property
    def cpu_load(self) -> float:
        """Load of the CPUs that are its while it works; the last that its loads said, where those say it."""
        told = float(self.plan.cpu_load[self.i])
        return self.present_cpu if math.isnan(told) else told

    @property
    def would_work(self) -> bool:
        """Whether it works, or would if it were let."""
        sets_up = self.plan.keeps.restart_ns if self._started else self.plan.setup_ns
        return self._doing in ("working", "paused") or (self._doing == "held" and not sets_up)

    @property
    def held_back(self) -> bool:
        """Whether it has machines and leaves them idle."""
        return self._doing == "held"

    @property
    def save_ns(self) -> int:
        """How long it takes to write its state; 0 where it keeps none."""
        return self.plan.keeps.save_ns if self.plan.keeps.saves else 0

    def active_w_under(self, source: str, cap_w: float | None) -> float:
        """W of one of its GPUs at work if ``source`` capped it at ``cap_w`` (None: not), beside all others; what others
        on a GPU take of that is the law's by which it is shared."""
        caps = {**(self._caps_w or {}), source: cap_w if cap_w is not None else math.inf}
        watts = self._capped(caps)[1]
        by_loads = math.isnan(self.plan.active_w[self.pool][self.i]) and self._gpu is None
        if self._doing == "working" and by_loads and watts == self.active_w:
            return min([self.gpu_w, *caps.values()])  # at this instant, by its loads
        return watts

    def hold_back(self) -> bool:
        """It has machines and leaves them idle until it is let go, if it has not begun before this instant."""
        if self._doing in ("starting", "working", "paused") and self._begun_ns == self._rows.env.now_ns:
            self._do("held", "idle", self._here.idle_w, 0.0, None, self._kill)
        return self._doing == "held"

    def let_go(self) -> None:
        """It begins."""
        if self._doing == "held":
            self._set_up()

    def shed(self, *, for_good: bool = False) -> None:
        """Its machines are taken from it now: it goes back to its last checkpoint, and waits for others, or is gone."""
        self._rows.preempted[self.number] += 1
        self._back_to_checkpoint()
        self._make_room("killed", again=not for_good)

    def pause(self) -> None:
        """It stands still, its state loaded, until it is resumed."""
        self._paused = True
        if self._doing == "working":
            self.advance()
            self._stand_still()

    def resume(self) -> None:
        """It goes on."""
        self._paused = False
        if self._doing == "paused":
            self._work()

    # What whoever shares its GPU asks of it

    @property
    def gpu(self) -> GPU | None:
        """The GPU of which it has a part, where others there count."""
        return self._gpu

    def share(self, terms: Terms) -> None:
        """Others on its GPU do something else from now on: it goes so fast, and so much of rest power is its."""
        if self._doing == "working":
            self.advance()
            self._work()
        elif self._doing != "nothing":
            self.gpu_w = terms.rest_w
            self._pace("idle" if self._doing == "held" else "loaded", terms.rest_w, 0.0, 0.0)

    # What happens to it

    def _hold(self, places: Places) -> None:
        machines = self._rows.fleet.machines
        self.pool = machines.pools[machines.pool_of[places[0].node]].name
        milli = self._rows.held_milli(self.request, self._here, places)
        self._stint = self._rows.log.begin(
            self.number,
            self._rows.env.now_ns,
            [place.node for place in places],
            milli,
            self._rows.cpu_shares(self.request, self._here, places),
            self._todo_ns - self._left_ns,
        )
        self._rows.running[self.number] = self
        caps = self._rows.caps.get((self.plan.name, self.pool))
        self._caps_w = {**caps} if caps else None
        self._gpu = self._rows.sharers.join(self, places)
        self._linked = self._here.straddling if machines.islands.straddles_one(self.request) else 1.0
        self._rows.set_status(self.number, "running")

    def _set_up(self) -> None:
        self._begun_ns = self._rows.env.now_ns
        self._begin(self.plan.keeps.restart_ns if self._started else self.plan.setup_ns)

    def _begin(self, takes_ns: int) -> None:
        if takes_ns:
            self._do("starting", "loaded", self._here.loaded_w, 0.0, takes_ns, self._set_to_work)
        else:
            self._set_to_work()

    def _set_to_work(self) -> None:
        self._started = True
        if self._paused:
            self._stand_still()
        else:
            self._work()

    def _stand_still(self) -> None:
        self._do("paused", "loaded", min(self._here.loaded_w, self.active_w), 0.0, None, self._kill)

    def _work(self) -> None:
        """Works at the present rate until it is done."""
        rate, watts = self._capped(self._caps_w)
        told_w = float(self.plan.active_w[self.pool][self.i])  # NaN: by its loads
        if watts < self.active_w:
            told_w = watts
        if self._gpu is not None:
            terms = self._rows.sharers.does(self, self._gpu, at_work=True)
            rate *= terms.rate
            told_w = terms.rest_w + terms.rate * max(0.0, watts - self._here.loaded_w)
        rate *= self._here.speed * self._linked
        held = self.request.held_slots
        if held != self.request.slots and self.plan.speed_up is not None:
            rate *= self.plan.speed_up(held, self.request.slots)
        self._rate = round(rate * FULL_RATE)
        takes_ns = -(-self._left_ns * FULL_RATE // self._rate) if self._rate else None
        self._do("working", "active", told_w, self._rate / FULL_RATE, takes_ns, self._done)

    def _capped(self, caps_w: dict[str, float] | None) -> tuple[float, float]:
        """The rate of work relative to that without caps, and W of a GPU at work."""
        return self._rows.capped.of(self.plan, self.pool, self.active_w, caps_w)

    def _do(
        self, doing: Doing, state: PaceState, gpu_w: float, rate: float, takes_ns: int | None, then: object
    ) -> None:
        """Does something from now on, for so long (None: until told otherwise, or killed)."""
        now_ns = self._rows.env.now_ns
        self._doing, self._since_ns = doing, now_ns
        if self._gpu is not None and doing != "working":
            gpu_w = self._rows.sharers.does(self, self._gpu, at_work=False).rest_w
        self.gpu_w = self.active_w if math.isnan(gpu_w) else gpu_w
        cpu_load = float(self.plan.cpu_load[self.i]) if state == "active" else 0.0
        self._pace(state, gpu_w, cpu_load, rate)
        self._token += 1
        limit_ns = self.request.limit_ns
        if self.plan.kills and limit_ns is not None and doing != "saving":
            assert self.request.started_ns is not None
            left_ns = max(0, self.request.started_ns + limit_ns - self.request.spent_ns - now_ns)
            if takes_ns is None or left_ns < takes_ns:
                takes_ns, then = left_ns, self._kill
        if takes_ns is not None:
            due = self._rows.env.wait(takes_ns)
            assert due.callbacks is not None
            due.callbacks.append(partial(self._on_time, self._token, then))

    def _pace(self, state: PaceState, gpu_w: float, cpu_load: float, rate: float) -> None:
        self._rows.log.pace(self._stint, self._rows.env.now_ns, state, gpu_w, cpu_load, rate)

    def _on_time(self, token: int, then: object, _event: simpy.Event) -> None:
        if token == self._token:
            assert callable(then)
            then()

    def advance(self) -> None:
        """Counts what it has done up to now."""
        if self._doing == "working":
            now_ns = self._rows.env.now_ns
            done_ns = min(self._left_ns, (now_ns - self._since_ns) * self._rate // FULL_RATE)
            self._left_ns -= done_ns
            self._since_ns = now_ns
            self._rows.done_ns[self.number] += done_ns

    def _lose(self, left_ns: int) -> None:
        """Goes back to where so much is left to do."""
        lost_ns = left_ns - self._left_ns
        self._left_ns = left_ns
        self._rows.lost_ns[self.number] += lost_ns
        self._rows.done_ns[self.number] -= lost_ns
        self._started = left_ns < self._todo_ns

    def _back_to_checkpoint(self) -> None:
        """What was done since the last of its checkpoints is lost."""
        self.advance()
        every_ns = self.plan.keeps.every_ns
        done_ns = self._todo_ns - self._left_ns
        self._lose(self._todo_ns - (done_ns // every_ns * every_ns if every_ns is not None else 0))

    def _done(self) -> None:
        self.advance()
        self._finish("completed")

    def _kill(self) -> None:
        self.advance()
        self._finish("killed")

    def _finish(self, outcome: Literal["completed", "killed"]) -> None:
        self._end_stint(outcome)
        self._give_back()
        self._rows.set_status(self.number, outcome)
        self._rows.fleet.ask_soon()

    def _saved(self) -> None:
        self._make_room("preempted", again=True)

    def _make_room(self, outcome: Outcome, *, again: bool) -> None:
        """Gives its machines back, and waits again or is gone."""
        self._end_stint(outcome)
        self._give_back()
        if again:
            if self._left_ns == self._todo_ns:  # begun anew, and so is its time limit, as where jobs are requeued
                self.request.uncounted_ns = self.request.ran_ns
            self._rows.set_status(self.number, "waiting")
            self._again()
        else:
            self._rows.set_status(self.number, "killed")
        self._rows.fleet.ask_soon()

    def _again(self) -> None:
        self._rows.fleet.again(self.request, self)

    def _end_stint(self, outcome: Outcome) -> None:
        self._token += 1
        self._doing = "nothing"
        self._rows.log.end(self._stint, self._rows.env.now_ns, outcome)
        gpu, self._gpu = self._gpu, None
        if gpu is not None:
            self._rows.sharers.leave(self, gpu, tell=outcome != "failed")
        self._rows.running.pop(self.number, None)

    def _give_back(self) -> None:
        self._rows.fleet.release(self.request)
