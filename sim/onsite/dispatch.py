"""What every source, the battery and the grid give in each bin, for one site or for a thousand at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.onsite import loop as k
from sim.onsite.battery import BatteryUnit
from sim.onsite.diesel import DieselUnit

Floats = npt.NDArray[np.float64]
Wants = npt.NDArray[np.int8]

WORTH_COMPILING = 200_000
"""Bins of all sites from which on the compiled loop is taken; the plain one does as many in about a second."""


@dataclass(frozen=True)
class SiteUnits:
    """The units of one site, and what its connection to the grid carries each way, in W; ``inf`` is no limit."""

    battery: BatteryUnit | None
    diesel: DieselUnit | None
    import_limit_w: float
    export_limit_w: float

    def row(self) -> Floats:
        """Parameters of the loop for this site, (PARAMETERS,) in the order of ``loop``."""
        row = np.zeros(k.PARAMETERS)
        row[[k.CHARGE_EFF, k.DISCHARGE_EFF]] = 1.0
        row[k.IMPORT_W], row[k.EXPORT_W] = self.import_limit_w, self.export_limit_w
        if (b := self.battery) is not None:
            row[k.ENERGY], row[k.CHARGE_W], row[k.DISCHARGE_W] = b.energy_j, b.charge_w, b.discharge_w
            row[k.CHARGE_EFF], row[k.DISCHARGE_EFF] = b.charge_efficiency, b.discharge_efficiency
            row[k.LOW], row[k.HIGH], row[k.START], row[k.RESERVE] = b.soc_low, b.soc_high, b.soc_start, b.reserve
            row[k.LEAK], row[k.FADE_CYCLE], row[k.FADE_S] = b.self_discharge_per_s, b.fade_per_cycle, b.fade_per_s
        if (d := self.diesel) is not None:
            row[k.DIESEL_W], row[k.DIESEL_MIN_W] = d.capacity_w, d.capacity_w * d.minimum_load
        return row


NOTHING_THERE = SiteUnits(None, None, np.inf, np.inf)
"""A site without battery and generators, whose connection carries anything."""


@dataclass(frozen=True, eq=False)
class Dispatch:
    """Mean power in each bin, W, and the battery's stored energy at its end, J; (bins,) or (sites, bins) as the load.

    In every bin, to rounding:

    - pv + wind + other + diesel + discharge + import + unserved = load + charge + export + curtailed
    - (charge - discharge - losses) x dt = change of ``soc_j``, from ``soc_start_j`` on

    ``pv_w``, ``wind_w`` and ``other_w`` are what could be made, ``curtailed_w`` what of it (or of a generator at its
    minimum load) went nowhere. ``own_w`` is load met by these, straight or out of the battery, in the share of its
    content that came from them (what it held at the start did not). ``diesel_w`` is into the site, tests included;
    ``backup_w`` is the part that an outage or a limit called for. ``losses_w`` are the battery's. ``cycles`` are its
    equivalent full cycles done by the end of each bin.
    """

    dt_s: Floats
    load_w: Floats
    pv_w: Floats
    wind_w: Floats
    battery_charge_w: Floats
    battery_discharge_w: Floats
    diesel_w: Floats
    backup_w: Floats
    grid_import_w: Floats
    grid_export_w: Floats
    curtailed_w: Floats
    unserved_w: Floats
    losses_w: Floats
    own_w: Floats
    soc_j: Floats
    soc_start_j: Floats
    cycles: Floats
    other_w: Floats

    @property
    def made_w(self) -> Floats:
        """What all plants could make."""
        return np.asarray(self.pv_w + self.wind_w + self.other_w)

    def energy_j(self, power_w: Floats) -> Floats:
        """Energy of one of its powers over all bins, J: a number a site."""
        return np.asarray(power_w @ self.dt_s)


def dispatch(
    load_w: Floats,
    dt_s: Floats,
    units: SiteUnits | Sequence[SiteUnits],
    *,
    pv_w: Floats | float,
    wind_w: Floats | float,
    wants: Wants | int,
    other_w: Floats | float = 0.0,
    grid_up: npt.NDArray[np.bool_] | bool = True,
    on_test_w: Floats | float = 0.0,
    compiled: bool | None = None,
) -> Dispatch:
    """Serves ``load_w`` (bins,) or (sites, bins) bin by bin; ``dt_s`` (bins,) is above 0 and all powers are not below.

    ``units`` is one for all sites or one a site. ``wants`` says what the rule wants of the battery (``loop.FOLLOW`` is
    self-consumption; ``thresholds.wants`` gives the others), ``grid_up`` where the grid is there, ``on_test_w`` what
    generators on test feed into the site. These and the sources broadcast to the load. ``compiled`` chooses the loop,
    by the size of the work where it is None: both give the same bits, and compiling takes seconds the first time.
    """
    shape = load_w.shape
    rows = (1, shape[0]) if load_w.ndim == 1 else shape

    def full(values: npt.ArrayLike, kind: type) -> Any:
        spread: Any = np.broadcast_to(np.asarray(values, dtype=kind), shape).reshape(rows)
        return np.require(spread, requirements=["C", "W"])  # one memory layout, so that the loop is compiled once

    each = [units] * rows[0] if isinstance(units, SiteUnits) else list(units)
    parameters = np.array([unit.row() for unit in each])
    made = full(np.asarray(pv_w) + np.asarray(wind_w) + np.asarray(other_w), np.float64)
    on_test = full(on_test_w, np.float64)
    out = np.empty((rows[0], k.RESULTS, rows[1]))
    run = k.compiled() if (load_w.size > WORTH_COMPILING if compiled is None else compiled) else k.run_bins
    load = full(load_w, np.float64)
    run(parameters, dt_s, load, made, on_test, full(grid_up, np.bool_), full(wants, np.int8), out)

    def result(row: int) -> Floats:
        return out[:, row].reshape(shape)

    def given(values: Floats | float) -> Floats:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), shape)

    backup = result(k.R_DIESEL)
    start_j = parameters[:, k.ENERGY] * parameters[:, k.START]
    return Dispatch(
        dt_s=dt_s,
        load_w=load_w,
        pv_w=given(pv_w),
        wind_w=given(wind_w),
        battery_charge_w=result(k.R_CHARGE),
        battery_discharge_w=result(k.R_DISCHARGE),
        diesel_w=backup + given(on_test_w),
        backup_w=backup,
        grid_import_w=result(k.R_IMPORT),
        grid_export_w=result(k.R_EXPORT),
        curtailed_w=result(k.R_CURTAILED),
        unserved_w=result(k.R_UNSERVED),
        losses_w=result(k.R_LOSS),
        own_w=result(k.R_OWN),
        soc_j=result(k.R_SOC_J),
        soc_start_j=start_j.reshape(shape[:-1]),
        cycles=result(k.R_WORN),
        other_w=given(other_w),
    )
