"""What caps leave of the work of rows of tables of jobs: how fast they go, and what each of their GPUs draws."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.engine.fleet.plan import JobsPlan


MOST_CAPPED = 1 << 16
"""Jobs under caps whose pace is kept."""


class Capped:
    """The paces of all rows under caps, each worked out once."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, float, float], tuple[float, float]] = {}

    def of(self, plan: JobsPlan, pool: str, active_w: float, caps_w: Mapping[str, float] | None) -> tuple[float, float]:
        """The rate of work of one that draws ``active_w`` a GPU in a pool, relative to that without caps, and the W of
        a GPU at work; the lowest cap counts."""
        here = plan.pools[pool]
        if caps_w is None or here.under_cap is None:
            return 1.0, active_w
        cap_w = min(caps_w.values())
        if cap_w >= active_w:
            return 1.0, active_w
        if cap_w <= here.loaded_w:
            return 0.0, min(here.loaded_w, active_w)
        key = (plan.name, pool, active_w, cap_w)
        if key not in self._known:
            if len(self._known) >= MOST_CAPPED:
                self._known.clear()
            self._known[key] = here.under_cap(active_w, cap_w)
        return self._known[key]
