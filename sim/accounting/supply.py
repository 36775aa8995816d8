"""What stands between a building and the grid: generators, batteries and a backup of the site's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.signals import Signal

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Supplied:
    """How a demand was met, arrays (n,) over bins: W from and to the grid, W of own generation that the site consumed,
    g/s of fuel burnt, and g/s of the generators' life cycle (low, central, high)."""

    import_w: Floats
    export_w: Floats
    own_w: Floats
    fuel_g_per_s: Floats
    life_cycle_g_per_s: tuple[Floats, Floats, Floats]


class OnSite(Protocol):
    """Sources and stores at a site."""

    def supply(self, demand_w: Floats, edges_ns: Ints, price: Signal | None, intensity: Signal) -> Supplied:
        """Meets ``demand_w`` (n,), mean W in each bin between ``edges_ns`` (n + 1,)."""
