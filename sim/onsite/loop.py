"""The one loop over time: what a battery and generators do in each bin, site by site.

Written once in plain Python and compiled from the same source (``compiled``), without reordering of floats, so that
both give the same bits. A bin is an island of constant power: outages and surpluses shorter than a bin are averaged
over it.

Order of service within a bin: PV, wind and generators on test serve the load; the battery takes a surplus, or gives
what the rule allows; the grid gives the rest up to its limit; generators start for what is still missing; only then is
load left unserved. A surplus is stored, then exported up to the limit, then curtailed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# What the rule wants of the battery in a bin
REST, CHARGE, DISCHARGE, FOLLOW = 0, 1, 2, 3
"""Rest (take a surplus, give nothing), charge from the grid, discharge into the load, or follow surplus and load."""

# Columns of a site's parameters
# fmt: off
(
    ENERGY, CHARGE_W, DISCHARGE_W, CHARGE_EFF, DISCHARGE_EFF, LOW, HIGH, START, RESERVE, LEAK, FADE_CYCLE, FADE_S,
    DIESEL_W, DIESEL_MIN_W, IMPORT_W, EXPORT_W,
) = range(16)
PARAMETERS = 16

# Rows of a site's result
(
    R_CHARGE, R_DISCHARGE, R_DIESEL, R_IMPORT, R_EXPORT, R_CURTAILED, R_UNSERVED, R_SOC_J, R_LOSS, R_OWN, R_WORN,
) = range(11)
RESULTS = 11
# fmt: on

Loop = Callable[[Any, Any, Any, Any, Any, Any, Any, Any], None]


def run_bins(
    units: Floats,
    dt_s: Floats,
    load: Floats,
    made: Floats,
    on_test: Floats,
    grid_up: npt.NDArray[np.bool_],
    wants: npt.NDArray[np.int8],
    out: Floats,
) -> None:
    """Serves every site bin by bin, and fills ``out`` (sites, RESULTS, bins).

    ``units`` (sites, PARAMETERS); ``dt_s`` (bins,); ``load``, ``made`` (by PV and wind) and ``on_test`` (by generators)
    in W, ``grid_up`` and ``wants`` are (sites, bins). Stored energy is at the end of a bin, in J, ``R_WORN`` in
    equivalent full cycles done by then; all else in W. ``R_OWN`` is load met by what was made on site, straight or out
    of the battery, whose content is taken as mixed: what it gives is own power in the share that it holds.
    Self-discharge is an implicit step, charge / (1 + k dt): first order in the bin, and never below zero.
    """
    for s in range(load.shape[0]):
        p = units[s]
        energy, eta_in, eta_out = p[ENERGY], p[CHARGE_EFF], p[DISCHARGE_EFF]
        stored = energy * p[START]
        done, age, own_j = 0.0, 0.0, 0.0
        for t in range(load.shape[1]):
            dt = dt_s[t]
            balance = made[s, t] + on_test[s, t] - load[s, t]
            surplus = balance if balance > 0.0 else 0.0
            deficit = -balance if balance < 0.0 else 0.0
            import_w = p[IMPORT_W] if grid_up[s, t] else 0.0
            export_w = p[EXPORT_W] if grid_up[s, t] else 0.0

            own = made[s, t] if made[s, t] < load[s, t] else load[s, t]
            own_surplus = made[s, t] - own

            charge, discharge, lost_j = 0.0, 0.0, 0.0
            if energy > 0.0:
                left = 1.0 - (p[FADE_CYCLE] * done + p[FADE_S] * age)
                capacity = energy * left if left > 0.0 else 0.0
                top = capacity * p[HIGH]
                floor = capacity * p[LOW]
                if grid_up[s, t] and capacity * p[RESERVE] > floor:
                    floor = capacity * p[RESERVE]
                kept = stored / (1.0 + p[LEAK] * dt)
                kept = kept if kept < top else top  # capacity that faded takes its charge with it
                lost_j = stored - kept
                own_j = own_j * (kept / stored) if stored > 0.0 else 0.0
                stored = kept
                room = (top - stored) / (eta_in * dt)
                room = room if room < p[CHARGE_W] else p[CHARGE_W]
                give = (stored - floor) * eta_out / dt if stored > floor else 0.0
                give = give if give < p[DISCHARGE_W] else p[DISCHARGE_W]

                want = wants[s, t]
                if surplus > 0.0:
                    charge = surplus
                if want == CHARGE and import_w > deficit:
                    charge += import_w - deficit
                charge = charge if charge < room else room
                if charge <= 0.0:
                    charge = 0.0
                    # Whatever the rule wants, what the grid cannot give comes first.
                    discharge = deficit if want in (DISCHARGE, FOLLOW) else deficit - import_w
                    if not grid_up[s, t]:
                        discharge = deficit
                    discharge = discharge if discharge < give else give
                    discharge = discharge if discharge > 0.0 else 0.0

                into, from_j = charge * eta_in * dt, discharge * dt / eta_out
                lost_j += (charge * dt - into) + (from_j - discharge * dt)
                if stored > 0.0:
                    own += discharge * (own_j / stored)
                    own_j -= from_j * (own_j / stored)
                    own_j = own_j if own_j > 0.0 else 0.0
                own_j += (charge if charge < own_surplus else own_surplus) * eta_in * dt
                stored = stored + into - from_j
                stored = stored if stored > 0.0 else 0.0
                done += from_j / energy
                age += dt

            net = balance - charge + discharge
            missing = -net if net < 0.0 else 0.0
            over = net if net > 0.0 else 0.0
            bought = missing if missing < import_w else import_w
            missing -= bought
            diesel, dumped = 0.0, 0.0
            if missing > 0.0 and p[DIESEL_W] > on_test[s, t]:
                diesel = missing if missing > p[DIESEL_MIN_W] else p[DIESEL_MIN_W]
                spare = p[DIESEL_W] - on_test[s, t]
                diesel = diesel if diesel < spare else spare
                dumped = diesel - missing if diesel > missing else 0.0
                missing = missing - diesel if missing > diesel else 0.0
            sold = over if over < export_w else export_w

            row = out[s]
            row[R_CHARGE, t] = charge
            row[R_DISCHARGE, t] = discharge
            row[R_DIESEL, t] = diesel
            row[R_IMPORT, t] = bought
            row[R_EXPORT, t] = sold
            row[R_CURTAILED, t] = over - sold + dumped
            row[R_UNSERVED, t] = missing
            row[R_SOC_J, t] = stored
            row[R_LOSS, t] = lost_j / dt
            row[R_OWN, t] = own
            row[R_WORN, t] = done


@lru_cache(maxsize=1)
def compiled() -> Loop:
    """``run_bins`` compiled from its own source; some seconds the first time, and then read from a cache."""
    from numba import njit

    loop: Loop = njit(cache=True)(run_bins)
    return loop
