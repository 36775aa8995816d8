"""Sources and stores at a site, as the account of the site asks for them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.accounting.supply import Supplied
from sim.onsite.diesel import SCOPE_1_G_PER_L
from sim.onsite.dispatch import Dispatch
from sim.onsite.plan import OnsitePlan
from sim.signals import Signal

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PlannedSupply:
    """An ``OnsitePlan`` that answers as an ``OnSite``; ``dispatch`` says more of what happened."""

    plan: OnsitePlan

    def breakpoints(self, start_ns: int, end_ns: int) -> list[Ints]:
        """Where the bins must have edges, besides those of price and intensity."""
        return self.plan.breakpoints(start_ns, end_ns)

    def dispatch(self, demand_w: Floats, edges_ns: Ints, price: Signal | None, intensity: Signal) -> Dispatch:
        """Who serves what in each bin."""
        return self.plan.dispatch(demand_w, edges_ns, price, intensity)

    def supply(self, demand_w: Floats, edges_ns: Ints, price: Signal | None, intensity: Signal) -> Supplied:
        """Meets ``demand_w`` as ``OnSite`` asks. Life-cycle carbon is that of plants, the battery's wear and fuel."""
        served = self.dispatch(demand_w, edges_ns, price, intensity)
        burned_l_per_s = self.plan.fuel_l(served, edges_ns) / served.dt_s
        return Supplied(
            import_w=served.grid_import_w,
            export_w=served.grid_export_w,
            own_w=served.own_w,
            fuel_g_per_s=burned_l_per_s * SCOPE_1_G_PER_L,
            life_cycle_g_per_s=self.plan.life_cycle_g_per_s(served, edges_ns),
        )
