"""Keeps the power of a domain from rising faster than its ramp: loads come up one after another, in their order.

Whoever begins, or may draw more than at the last look, is held to what the ramp has room for: first the last to come is
capped, then it stands still with its state loaded, then it is left with its machines idle before it has begun. Power
never rises by a cap that is lifted, a pause that is over or a job that starts, but through here. What nobody can hold
back (nodes that boot, the host's part of a single load that is larger than a step of the ramp, other work) is told.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sim.engine.fleet.power.domain import Domain
from sim.engine.fleet.power.ladder import Rung, Setting, climb
from sim.engine.fleet.power.live import Live
from sim.engine.fleet.power.loads import Load
from sim.engine.fleet.power.ramp import Ramp, Rising
from sim.engine.fleet.power.supposed import Supposed
from sim.units import SECONDS_PER_NS

ROUNDING = 1e-9


class Ramping:
    """The ramp of one domain."""

    def __init__(self, domain: Domain, ramp: Ramp) -> None:
        self._domain = domain
        self._ramp = ramp
        self._rising: Rising | None = None
        self._source = f"ramp of {domain.plan.name}"
        self._drew: dict[Load, tuple[bool, float]] = {}
        self._held: set[Load] = set()
        self._at_ns = 0

    @property
    def step_ns(self) -> int:
        """How long it waits between two looks while something is held back."""
        return self._ramp.step_ns

    def forget(self, load: Load) -> None:
        """A load runs here no longer."""
        self._drew.pop(load, None)
        self._held.discard(load)

    def hold(self, live: Live, take_in: Callable[[], None], now_ns: int) -> bool:
        """Lets loads rise as far as they may; whether somebody is held back. ``take_in`` has the live power follow."""
        domain = self._domain
        watts = live.drawn_w(domain.nodes)
        if self._rising is None:
            self._rising = Rising(self._ramp, watts, now_ns)
        waited_s = (now_ns - self._at_ns) * SECONDS_PER_NS
        domain.books.held_slot_s += waited_s * sum(load.traits.slots for load in self._held if load.held)
        self._at_ns = now_ns
        ceiling_w = self._rising.ceiling_w(now_ns)
        if watts > ceiling_w * (1.0 + ROUNDING) or self._held:
            self._restrict(live, take_in, ceiling_w)
            watts = live.drawn_w(domain.nodes)
            domain.books.ramp_exceeded_w = max(domain.books.ramp_exceeded_w, watts - ceiling_w)
        self._rising.let(watts, now_ns)
        self._drew = {load: (load.at_work, load.w_under("", None)) for load in live.on(domain.nodes).values()}
        return bool(self._held)

    def _restrict(self, live: Live, take_in: Callable[[], None], ceiling_w: float) -> None:
        loads = live.on(self._domain.nodes)
        for load in loads.values():
            if load not in self._drew:
                load.hold_back()
        take_in()
        supposed = Supposed(live, self._domain.nodes, loads, self._source)
        setting = self._least(supposed, live.drawn_w(self._domain.nodes), ceiling_w)
        self._held.clear()
        for i, (load, cap_w) in enumerate(zip(supposed.loads, supposed.caps_w(setting), strict=True)):
            load.cap(self._source, cap_w)
            if setting.paused[i]:
                load.pause(self._source)
            else:
                load.resume(self._source)
            if not setting.shed[i]:
                load.let_go()
            if setting.shed[i] or setting.paused[i] or cap_w is not None:
                self._held.add(load)
        take_in()

    def _least(self, supposed: Supposed, watts: float, ceiling_w: float) -> Setting:
        """What brings the domain under the ceiling. A rise that no step has room for is let through after a whole step,
        of the first load alone; or it would wait for ever."""
        ladder, n = self._ladder(supposed), len(supposed.loads)
        ceiling_w *= 1.0 + ROUNDING
        setting = climb(ladder, supposed.draws, ceiling_w, n)
        waited = ceiling_w - watts >= self._ramp.jump_w * (1.0 - ROUNDING)
        while ladder and waited and supposed.draws(setting) <= watts * (1.0 + ROUNDING):
            ladder.pop()
            setting = climb(ladder, supposed.draws, ceiling_w, n)
        return setting

    def _ladder(self, supposed: Supposed) -> list[Rung]:
        """Rungs of all loads that rise, the last to come first: its cap, standing still, and idle machines."""
        ladder = []
        for i in np.argsort(-supposed.order, kind="stable").tolist():
            load, one = supposed.loads[i], np.array([i], np.int64)
            if not self._rises(load):
                continue
            if load.traits.cappable and load.would_work(self._source):
                ladder.append(Rung("cap", one, 0.0))
            if load.traits.can_pause and load.would_work(self._source):
                ladder.append(Rung("pause", one))
            if load.held:
                ladder.append(Rung("shed", one))
        return ladder

    def _rises(self, load: Load) -> bool:
        """Whether it draws, or would draw, more than at the last look."""
        drew = self._drew.get(load)
        if drew is None or load in self._held or load.held:
            return True
        return (load.at_work and not drew[0]) or load.w_under("", None) > drew[1]
