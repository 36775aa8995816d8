"""The change of what a battery holds between the start of a run and its end: energy, carbon, cost and water of its own.

A battery that starts full and ends empty has served the load with energy that no meter of the run saw bought; one that
ends fuller has bought for a time after the run. Neither is free, and neither may be lost. The rule:

- Drawn out beyond what was put in: counted as refilled from the grid, at its charging efficiency, by what a joule of
  the grid takes in the mean over the run (the residual mix in the market-based account, since no contract is claimed
  for it), or by what the scenario states for the energy it began with.
- Put in beyond what was drawn out: credited with its share of what charging from the grid took in this run. What came
  from the site's own plants was never charged for, and earns nothing; so no credit exceeds what was paid.

On a constant grid both are the same rate, so two runs that hand their stock over sum to the one long run. Who used the
stock, or paid for filling it, answers for the line: it stands in the bins in which that happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sim.onsite.battery import BatteryUnit
    from sim.onsite.dispatch import Dispatch


Floats = npt.NDArray[np.float64]

STORED = "stored_energy"
"""The component of the line."""
ROUNDING = 1e-9
"""Of the capacity: a smaller change is none."""


@dataclass(frozen=True, eq=False)
class StockChange:
    """The change of what a battery holds over a run, and what it comes to.

    ``start_j`` and ``end_j`` are stored; ``grid_j`` (bins,) is what the grid gives for the change: above 0 to make good
    what was drawn out, below 0 of what was put in. ``taken`` is carbon (g), water (L), cost and so on of it by name,
    each (bins,). ``circulated_j`` is what of the grid's energy went into the battery less what came out of it.
    """

    start_j: float
    end_j: float
    grid_j: Floats
    taken: Mapping[str, Floats]
    circulated_j: float
    stated: bool

    @property
    def supplied_j(self) -> float:
        """Energy that the grid gave beyond what was consumed, J: lost on the way through the battery.

        Not below 0: a charge that the site's own plants replaced was of the grid when it was consumed.
        """
        return max(self.circulated_j + float(self.grid_j.sum()), 0.0)


def grid_charge_w(served: Dispatch) -> Floats:
    """Charging power (bins,) that came from the grid, W: what no surplus of the site itself covers."""
    on_test_w = served.diesel_w - served.backup_w
    surplus_w = np.maximum(served.made_w + on_test_w - served.load_w, 0.0)
    return np.asarray(np.maximum(served.battery_charge_w - surplus_w, 0.0))


def stock_change(
    served: Dispatch,
    battery: BatteryUnit,
    *,
    charging: Mapping[str, Floats],
    refilling: Mapping[str, Floats],
    stated: Mapping[str, float] | None,
) -> StockChange:
    """The change of a battery's stock over all bins.

    Rates are per joule of the grid, by name: ``charging`` (bins,) are those of what was drawn, ``refilling`` (bins,)
    those of what would be; ``stated`` ones stand in for the mean of these.
    """
    start_j, end_j = float(served.soc_start_j), float([served.soc_start_j, *served.soc_j[-1:]][-1])
    drawn_j = start_j - end_j
    from_grid_j = grid_charge_w(served) * served.dt_s
    own_through_w = served.own_w - np.minimum(served.made_w, served.load_w)
    given_j = np.maximum(served.battery_discharge_w - own_through_w, 0.0) * served.dt_s
    circulated_j = float(from_grid_j.sum() - given_j.sum())
    if abs(drawn_j) <= ROUNDING * battery.energy_j:
        nothing = np.zeros_like(served.dt_s)
        return StockChange(start_j, end_j, nothing, dict.fromkeys(charging, nothing), circulated_j, stated is not None)
    if drawn_j > 0.0:
        used_j = (served.battery_discharge_w + served.losses_w) * served.dt_s
        grid_j = drawn_j / battery.charge_efficiency * (used_j / used_j.sum())
        span_s = float(served.dt_s.sum())
        means = {name: float(rate @ served.dt_s) / span_s for name, rate in refilling.items()}
        taken = {name: grid_j * (mean if stated is None else stated[name]) for name, mean in means.items()}
    else:
        put_in_j = battery.charge_efficiency * float(served.battery_charge_w @ served.dt_s)
        grid_j = (drawn_j / put_in_j) * from_grid_j
        taken = {name: grid_j * rate for name, rate in charging.items()}
    return StockChange(start_j, end_j, grid_j, taken, circulated_j, stated is not None)
