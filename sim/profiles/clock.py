"""What a GPU's clock does to its power and its speed, and which clock a power cap leaves it: pure functions.

Dynamic energy of the cores goes with the square of their voltage, and voltage falls with the clock until it meets a
floor; the energy of the memory does not fall. So power under a lower clock falls faster than speed does, and a cap
costs less time than its watts suggest. Form: P = C V**2 f (Weste and Harris, CMOS VLSI Design, 4th ed. 2011, section
5.2) with a piecewise linear voltage, as measured on NVIDIA boards by Guerreiro and others, "Modeling and decoupling the
GPU power consumption for cross-domain DVFS", IEEE TPDS 30(11) 2019, doi 10.1109/TPDS.2019.2917181.

It leaves out temperature (leakage) and the few milliseconds in which a board finds its clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LOWEST_CLOCK = 0.15
"""Of the highest: boards do not go below (210 of 1,410 MHz on an A100)."""
BISECTIONS = 40


@dataclass(frozen=True)
class ClockCurve:
    """Voltage over clock, both as shares of those at the highest clock: ``max(floor, 1 - slope (1 - clock))``.

    ``memory_share`` of the dynamic energy at the highest clock does not follow the cores' voltage. Arrays are many
    curves at once.
    """

    floor: float | Floats
    slope: float | Floats
    memory_share: float | Floats


def energy_ratio(clock: Floats, curve: ClockCurve) -> Floats:
    """Dynamic energy of the same work at ``clock`` (0..1 of the highest, any shape), relative to the highest clock."""
    voltage = np.maximum(curve.floor, 1.0 - curve.slope * (1.0 - clock))
    return np.asarray((1.0 - curve.memory_share) * voltage**2 + curve.memory_share, dtype=np.float64)


def power_w(clock: Floats, *, loaded_w: Floats, full_w: Floats, core_share: Floats, curve: ClockCurve) -> Floats:
    """W at ``clock`` of work that draws ``full_w`` at the highest clock; arguments broadcast.

    ``core_share`` of its time at the highest clock goes with 1 / clock, the rest (memory, host) does not.
    """
    return np.asarray(loaded_w + (full_w - loaded_w) * energy_ratio(clock, curve) / slowdown(clock, core_share))


def slowdown(clock: Floats, core_share: Floats) -> Floats:
    """Time of the same work at ``clock``, relative to the highest."""
    return np.asarray(1.0 - core_share + core_share / clock, dtype=np.float64)


def clock_under_cap(
    cap_w: Floats, *, loaded_w: Floats, full_w: Floats, core_share: Floats, curve: ClockCurve
) -> Floats:
    """The highest clock at which power meets ``cap_w``: 1 where the cap does not bind, never below ``LOWEST_CLOCK``.

    Arguments broadcast. By bisection, to 1e-12 of the highest clock: power rises with the clock.
    """
    shape = np.broadcast_shapes(*(np.shape(x) for x in (cap_w, loaded_w, full_w, core_share)))

    def over(clock: Floats) -> npt.NDArray[np.bool_]:
        watts = power_w(clock, loaded_w=loaded_w, full_w=full_w, core_share=core_share, curve=curve)
        return np.asarray(watts > cap_w)

    return highest_clock(over, shape)


def highest_clock(over: Callable[[Floats], npt.NDArray[np.bool_]], shape: tuple[int, ...]) -> Floats:
    """The highest clocks of ``shape`` that are not ``over`` a limit, which lower clocks never are more."""
    low, high = np.full(shape, LOWEST_CLOCK), np.ones(shape)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        above = over(middle)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(over(np.ones(shape)), low, 1.0)
