"""A battery as its terminals see it: limits of power and of charge, losses both ways, and capacity that fades.

A linear energy-reservoir model with constant efficiencies. Left out, because the numbers that would feed it are seldom
published for a site's battery: efficiency by power and temperature, voltage limits near full and empty, and fade that
depends on depth of discharge or on temperature. State it as it is on average, and these are in the averages.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.units import NS_PER_S

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BatteryUnit:
    """One battery, in SI. Powers are at its AC terminals; energies are what is stored.

    ``energy_j`` is the nominal capacity. Charge is kept within ``soc_low``..``soc_high`` of the capacity left;
    ``reserve`` is the share below which it goes only in an outage. ``self_discharge_per_s`` is the share of what is
    stored that leaks in a second. ``fade_per_cycle`` and ``fade_per_s`` are shares of the nominal capacity lost with
    each equivalent full cycle and each second; ``end_of_life`` is the share left at which it is replaced.
    """

    energy_j: float
    charge_w: float
    discharge_w: float
    charge_efficiency: float
    discharge_efficiency: float
    soc_low: float
    soc_high: float
    soc_start: float
    reserve: float
    self_discharge_per_s: float
    fade_per_cycle: float
    fade_per_s: float
    end_of_life: float

    @property
    def round_trip(self) -> float:
        """AC energy out per AC energy in, without self-discharge."""
        return self.charge_efficiency * self.discharge_efficiency


def one_way_efficiency(round_trip: float) -> float:
    """Efficiency of charging, and of discharging, that make up ``round_trip`` (0..1]: its square root.

    Meters see the product alone; the even split is HOMER's convention.
    """
    return math.sqrt(round_trip)


def leak_per_s(share: float, period_ns: int) -> float:
    """Self-discharge rate k, 1/s, of a battery that loses ``share`` (0..1) of its charge over ``period_ns``.

    The charge falls as exp(-k t), so k = -ln(1 - share) / period.
    """
    return -math.log1p(-share) * NS_PER_S / period_ns


def fade_rates(end_of_life: float, cycle_life: float, calendar_life_ns: int) -> tuple[float, float]:
    """Capacity lost per equivalent full cycle and per second, as shares of the nominal capacity.

    ``end_of_life`` (0..1) is the share left after ``cycle_life`` full cycles, or after ``calendar_life_ns`` at rest.
    Both wear the battery linearly and add up: the linear part of B. Xu, A. Oudalov, A. Ulbig, G. Andersson and
    D. Kirschen, "Modeling of Lithium-Ion Battery Degradation for Cell Life Assessment", IEEE Trans. Smart Grid 9(2),
    2018, doi:10.1109/TSG.2016.2578950. Their faster loss over the first per cents (the growth of the SEI film) is left
    out, so this is a little optimistic for a young battery and meets it at the end of life.
    """
    lost = 1.0 - end_of_life
    return lost / cycle_life, lost * NS_PER_S / calendar_life_ns


def health(battery: BatteryUnit, cycles: Floats | float, age_s: Floats | float) -> Floats:
    """Share of the nominal capacity left after ``cycles`` equivalent full cycles and ``age_s``; never below 0.

    The arguments broadcast; the result has their shape.
    """
    left = 1.0 - (battery.fade_per_cycle * np.asarray(cycles) + battery.fade_per_s * np.asarray(age_s))
    return np.asarray(np.maximum(left, 0.0), dtype=np.float64)


def life_used(battery: BatteryUnit, cycles: Floats | float, age_s: Floats | float) -> Floats:
    """Share of the battery's life used up, 1 at the end of it: what its embodied carbon is charged by.

    The arguments broadcast; linear, so the shares of spans of time add up. A battery that does not fade (both rates 0)
    has no life to use, and so nothing to charge it by: ``ValueError``.
    """
    lost = 1.0 - battery.end_of_life
    if not lost > 0.0 or not (battery.fade_per_cycle or battery.fade_per_s):
        raise ValueError("a battery that never fades has no lifetime to spread its embodied carbon over")
    return (battery.fade_per_cycle * np.asarray(cycles) + battery.fade_per_s * np.asarray(age_s)) / lost
