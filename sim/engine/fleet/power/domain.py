"""One power domain while a run goes on: its limit, how long it has been exceeded, and what its loads are asked for.

An excess is answered ``answer_ns`` after it began, down to the target; what comes to run in the meantime, or while caps
are in force, comes under the caps of its class. Once the domain has drawn less than its release level for long enough,
the ladder is climbed anew for the target, and what that does not ask for is taken back. This is the three-band control
of Wu et al., "Dynamo: Facebook's data center-wide power management system", ISCA 2016, doi 10.1109/ISCA.2016.48: a
threshold that caps, a target below it, and a threshold below that to uncap.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sim.engine.fleet.power.account import Books, Open
from sim.engine.fleet.power.ladder import Rung, Setting, climb, rungs
from sim.engine.fleet.power.live import Live
from sim.engine.fleet.power.loads import Load
from sim.engine.fleet.power.plan import DomainPlan
from sim.engine.fleet.power.supposed import Supposed
from sim.engine.machines.gang import Gang
from sim.units import SECONDS_PER_NS
from sim.workload.power_records import AboveAlone

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

ROUNDING = 1e-9
"""Sums of watts that are equal differ by less, as a share."""


class Domain:
    """Its state. ``watts`` and ``limit_w`` are those of the last look; ``goal_w`` is the limit that it comes down to,
    ahead of a call."""

    def __init__(self, plan: DomainPlan, nodes: Ints, now_ns: int, sent_away: set[tuple[str, str]]) -> None:
        """``sent_away`` are jobs, by workload and name, that a domain like this, or this, was too small for before."""
        self.plan = plan
        self._sent_away = sent_away
        self.nodes = nodes
        self.source = f"limit of {plan.name}"
        self.books = Books(plan)
        self.watts = 0.0
        self.limit_w = self.goal_w = np.inf
        self.heat = 0.0
        self.closed = False
        self.tripped = False
        self._at_ns = now_ns
        self._over_since_ns: int | None = None
        self._was_over: tuple[int, int] | None = None
        self._calm_since_ns: int | None = None
        self._asked: dict[Load, tuple[float | None, bool]] = {}
        self._levels: dict[tuple[bool, int], float] = {}
        self._gone_w = 0.0
        self._least_gone_w = np.inf
        self.answered_ns = -1
        """When it last asked for anything."""
        self._to_kill: dict[Load, AboveAlone] = {}
        self._slowed: list[tuple[Load, float, float, float]] = []

    # Time

    def pass_time(self, now_ns: int) -> None:
        """Everything was as it is from the last look until now."""
        span_ns = now_ns - self._at_ns
        if not span_ns:
            return
        if self.plan.breaker is not None and not self.tripped:
            self.heat = self.plan.breaker.heat_after(self.heat, self.watts, span_ns * SECONDS_PER_NS)
        books = self.books
        books.pass_time(span_ns, self.watts, self.limit_w, self._over_since_ns, now_ns)
        for load, full_w, drawn_w, rate in self._slowed:
            books.slowed(load, span_ns, full_w, drawn_w, rate)
        self._at_ns = now_ns

    def note_slowed(self) -> None:
        """Who is slowed by what it asks for, until the next look."""
        self._slowed = []
        if self.books.episode is None:
            return
        for load, (_, paused) in self._asked.items():
            full_w, drawn_w = load.w_under(self.source, None), load.w_under("", None)
            if not load.traits.paced:
                continue
            if paused:
                self._slowed.append((load, full_w, min(load.traits.loaded_w, full_w), 0.0))
            elif load.at_work and drawn_w < full_w:
                self._slowed.append((load, full_w, drawn_w, load.rate))

    def see(self, watts: float, limit_w: float, goal_w: float, now_ns: int) -> None:
        """What it draws and may draw from now on."""
        self.watts, self.limit_w, self.goal_w = watts, limit_w, goal_w
        self.books.draw(now_ns, watts, limit_w)
        if watts > limit_w * (1.0 + ROUNDING):
            if self._over_since_ns is None:
                # An excess that was below the limit for no time at all goes on.
                before = self._was_over
                self._over_since_ns = before[0] if before is not None and before[1] == now_ns else now_ns
            if self.books.episode is None:
                self.books.episode = Open(now_ns, limit_w, called=False)
            self._calm_since_ns = None
            return
        if self._over_since_ns is not None:
            self._was_over = (self._over_since_ns, now_ns)
            self._over_since_ns = None
        calm = watts <= goal_w * self.plan.release
        self._calm_since_ns = (self._calm_since_ns if self._calm_since_ns is not None else now_ns) if calm else None

    @property
    def left_w(self) -> float:
        """What it leaves up to its target."""
        return min(self.limit_w, self.goal_w) * self.plan.target - self.watts

    def answers_ns(self) -> int | None:
        """When an excess is answered; None where there is none."""
        if self._over_since_ns is None or not self.plan.answers:
            return None
        return self._over_since_ns + self.plan.answer_ns

    def releases_ns(self) -> int | None:
        """When it may give back what it asks for."""
        if self.books.episode is None or self._calm_since_ns is None:
            return None
        return self._calm_since_ns + self.plan.release_ns

    # Answers

    def answer(
        self, live: Live, limit_w: float, now_ns: int, *, ahead_ns: int | None = None, soon: bool = False
    ) -> None:
        """Climbs the ladder for the target below ``limit_w``, and asks the loads for what that says.

        ``ahead_ns`` is how long there is until the limit holds, where it was called for: who can save its state in that
        time does so before it goes. ``soon``: for when those that write a checkpoint work again.
        """
        loads = live.on(self.nodes)
        supposed = Supposed(live, self.nodes, loads, self.source, ahead=ahead_ns is not None, soon=soon)
        self.answered_ns = now_ns
        target_w = limit_w * self.plan.target
        ladder = self._ladder(supposed)
        setting = climb(ladder, supposed.draws, target_w, len(supposed.loads))
        if self.books.episode is None:
            if not setting.rungs:
                return
            self.books.episode = Open(now_ns, limit_w, called=ahead_ns is not None)
        episode = self.books.episode
        episode.called = episode.called or ahead_ns is not None
        episode.rungs = max(episode.rungs, setting.rungs)
        hopeless = self._hopeless_ones(supposed, setting, now_ns)
        drawn_w = supposed.draws(setting)
        unmet = drawn_w > target_w * (1.0 + ROUNDING)
        episode.unmet = episode.unmet or unmet
        if np.any(setting.shed):
            kept = Setting(setting.level, setting.paused, hopeless)  # for whom no room is kept
            self._gone_w += supposed.draws(kept) - drawn_w
            for i in np.flatnonzero(setting.shed & ~hopeless):
                others = np.copy(setting.shed)
                others[i] = False
                back_w = supposed.draws(Setting(setting.level, setting.paused, others)) - drawn_w
                self._least_gone_w = min(self._least_gone_w, back_w)
        self._ask(loads, supposed, setting, ahead_ns or 0)
        self._levels = {}
        for level, serves, priority in zip(
            setting.level.tolist(),
            (load.traits.serves for load in supposed.loads),
            supposed.priority.tolist(),
            strict=True,
        ):
            if level < np.inf:
                self._levels[serves, priority] = level
        self.closed = self.closed or unmet or bool(np.any(setting.paused | setting.shed))

    def would_shed(self, live: Live, limit_w: float) -> bool:
        """Whether somebody would have to go for it to draw no more than that."""
        supposed = Supposed(live, self.nodes, live.on(self.nodes), self.source, soon=True)
        setting = climb(self._ladder(supposed), supposed.draws, limit_w * self.plan.target, len(supposed.loads))
        return bool(np.any(setting.shed))

    def release(self, live: Live, now_ns: int) -> None:
        """Gives back what the target has room for; the episode is over once that is all. Who stands still for a
        checkpoint leaves no room.

        Nodes stay closed until there is room for all that was shed, so that it does not come back to be shed again;
        where nothing is at work that could make more of it, until there is room for the least of it.
        """
        self._calm_since_ns = now_ns
        loads = live.on(self.nodes).values()
        writing_w = sum(
            (load.w_under("", None) - load.traits.loaded_w) * load.traits.slots for load in loads if load.writes
        )
        needed_w = self._gone_w if loads else min(self._gone_w, self._least_gone_w)
        self.closed = needed_w > 0.0 and self.watts + writing_w + needed_w > self.goal_w * self.plan.target
        if not self.closed:
            self._gone_w, self._least_gone_w = 0.0, np.inf
        self.answer(live, self.goal_w, now_ns, soon=True)
        if not self._asked and not self.closed:
            self._levels = {}
            self.books.close(now_ns)

    def welcome(self, live: Live) -> None:
        """Loads that have come since the last look come under the caps of their class."""
        if not self._levels:
            return
        for load in live.on(self.nodes).values():
            level = self._levels.get((load.traits.serves, load.traits.priority))
            if load not in self._asked and level is not None and load.traits.cappable:
                self._set(load, level * live.board_w[load.traits.pool], False)

    def forget(self, load: Load) -> None:
        """A load runs here no longer."""
        self._asked.pop(load, None)

    def _ladder(self, supposed: Supposed) -> list[Rung]:
        ladder = rungs(self.plan.answers, supposed.priority, supposed.serves, supposed.order)
        can = {"pause": supposed.can_pause, "shed": supposed.can_shed}
        return [
            rung if rung.what == "cap" else Rung(rung.what, rung.loads[can[rung.what][rung.loads]]) for rung in ladder
        ]

    def _hopeless_ones(self, supposed: Supposed, setting: Setting, now_ns: int) -> Bools:
        """Those of the jobs that stand still or go for which it never has room, with nobody beside them.

        One that goes may find room elsewhere; the second time, or if it would stand still, it is to be killed, and goes
        in the setting, too.
        """
        hopeless = np.zeros(len(supposed.loads), np.bool_)
        most_w = self.plan.most_w(now_ns)
        stopped = supposed.can_be_killed & (setting.paused | setting.shed)
        for i in np.flatnonzero(stopped).tolist() if most_w < np.inf else []:
            load = supposed.loads[i]
            watts = supposed.draws_alone(i, self._lowest(load))
            if watts <= most_w * (1.0 + ROUNDING):
                continue
            hopeless[i] = True
            one = load.traits
            if setting.shed[i] and (one.workload, one.name) not in self._sent_away:
                self._sent_away.add((one.workload, one.name))
                continue
            setting.paused[i], setting.shed[i] = False, True
            self._to_kill[load] = AboveAlone(one.workload, one.row, one.slots, now_ns, watts, most_w)
        return hopeless

    def _lowest(self, load: Load) -> float:
        whom = ("all", "serving" if load.traits.serves else "training")
        return min((one.floor for one in self.plan.answers if one.what == "cap" and one.whom in whom), default=np.inf)

    def _ask(self, loads: Mapping[Gang, Load], supposed: Supposed, setting: Setting, ahead_ns: int) -> None:
        episode = self.books.episode
        assert episode is not None
        for i, (load, cap_w) in enumerate(zip(loads.values(), supposed.caps_w(setting), strict=True)):
            if setting.shed[i]:
                self._asked.pop(load, None)
                if load in self._to_kill:
                    self.books.killed.append(self._to_kill.pop(load))
                    lost = load.kill()
                else:
                    lost = load.shed(saving=0 < load.traits.save_ns <= ahead_ns)
                self.books.lost(load, lost)
                episode.shed += 1
                continue
            paused = bool(setting.paused[i])
            if load in self._asked or paused or cap_w is not None:
                self._set(load, cap_w, paused)

    def _set(self, load: Load, cap_w: float | None, paused: bool) -> None:
        episode = self.books.episode
        assert episode is not None
        load.cap(self.source, cap_w)
        if paused:
            load.pause(self.source)
            episode.paused.add(load.traits.order)
        else:
            load.resume(self.source)
        if cap_w is not None or paused:
            self._asked[load] = (cap_w, paused)
            if cap_w is not None and cap_w < load.traits.full_w:
                episode.capped.add(load.traits.order)
        else:
            self._asked.pop(load, None)
