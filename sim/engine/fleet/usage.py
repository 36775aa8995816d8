"""What each user, account or queue has held: slot-seconds that fade by half in each half life."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from sim.engine.fleet.request import Request
from sim.units import SECONDS_PER_NS

LABELS: Mapping[str, Callable[[Request], str]] = {
    "user": lambda request: request.user,
    "account": lambda request: request.account,
    "queue": lambda request: request.queue,
}
"""What may be counted apart."""


class Usage:
    """Exact at any instant: between changes what is held is constant, and so the integral with decay has a closed
    form."""

    def __init__(self, label: Callable[[Request], str], half_life_ns: int | None) -> None:
        self._label = label
        self._fade_per_s = math.log(2.0) / (half_life_ns * SECONDS_PER_NS) if half_life_ns is not None else 0.0
        self._held: dict[str, int] = {}
        self._used: dict[str, float] = {}
        self._as_of_ns: dict[str, int] = {}

    def change(self, request: Request, slots_milli: int, now_ns: int) -> None:
        """Somebody's request has so many more (or fewer) thousandths of slots from now on."""
        name = self._label(request)
        self._used[name] = self._at(name, now_ns)
        self._as_of_ns[name] = now_ns
        self._held[name] = self._held.get(name, 0) + slots_milli

    @property
    def held_milli(self) -> dict[str, int]:
        """Thousandths of slots that each holds now, of all who ever held any."""
        return self._held

    def now(self, now_ns: int) -> dict[str, float]:
        """Slot-seconds of all who ever held any."""
        return {name: self._at(name, now_ns) for name in self._held}

    def _at(self, name: str, now_ns: int) -> float:
        span_s = (now_ns - self._as_of_ns.get(name, now_ns)) * SECONDS_PER_NS
        slots = self._held.get(name, 0) / 1000.0
        before = self._used.get(name, 0.0)
        if not self._fade_per_s:
            return before + slots * span_s
        kept = math.exp(-self._fade_per_s * span_s)
        return before * kept + slots * (1.0 - kept) / self._fade_per_s
