"""A vapour-compression chiller: COP by lift, power by part load.

COP is a fixed share of Carnot's between the evaporating and the condensing temperature, scaled so that the chiller has
its rated COP at its rated temperatures. Part load follows DOE-2's curve of the energy input ratio of centrifugal
chillers. Left out: staging of several chillers, surge, and capacity that falls with lift.

Sources: Kuehn, Ramsey and Threlkeld, Thermal Environmental Engineering, 3rd edition, 1998 (second-law efficiency);
DOE-2.1E Supplement, LBL-34947, 1993, curve OPEN-CENT-EIR-FPLR.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.units import KELVIN_AT_0_C

Floats = npt.NDArray[np.float64]

PART_LOAD = (0.222903, 0.313387, 0.463710)
"""Share of full-load power at the share x of full load: a + b x + c x2; 1 at x = 1."""

LOWEST_LOAD = 0.1
"""Below this share the chiller cycles: it runs at it for a part of the time."""

SMALLEST_LIFT_K = 8.0
"""Between evaporating and condensing: below it oil return and expansion valves, not Carnot, hold the COP."""


@dataclass(frozen=True)
class Chiller:
    """A chiller that carries ``capacity_w`` of heat, at ``carnot_share`` of Carnot's COP."""

    capacity_w: float
    carnot_share: float


def carnot_share(cop: float, evaporating_c: float, condensing_c: float) -> float:
    """Share of Carnot's COP that a chiller rated at ``cop`` between two temperatures reaches; above 1 is impossible."""
    return cop * (condensing_c - evaporating_c) / (evaporating_c + KELVIN_AT_0_C)


def part_load_power(load: Floats) -> Floats:
    """Share of full-load power at ``load`` (n,), shares of full load.

    In proportion up to LOWEST_LOAD, where the chiller cycles; from there on by the DOE-2 curve of this module.
    """
    running = np.maximum(load, LOWEST_LOAD)
    a, b, c = PART_LOAD
    return np.asarray((a + running * (b + c * running)) * (load / running))


def chiller_power_w(heat_w: Floats, evaporating_c: float, condensing_c: Floats, chiller: Chiller) -> Floats:
    """Electric W to take ``heat_w`` (n,) from ``evaporating_c`` to ``condensing_c`` (n,).

    Rises with heat and with lift. Above the capacity the curve is extrapolated; the caller tells the excess.
    """
    lift_k = np.maximum(condensing_c - evaporating_c, SMALLEST_LIFT_K)
    full_w = chiller.capacity_w * lift_k / (chiller.carnot_share * (evaporating_c + KELVIN_AT_0_C))
    return np.asarray(full_w * part_load_power(heat_w / chiller.capacity_w))
