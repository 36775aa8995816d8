"""What a GPU's clock does to its power and its speed, and which clock a power cap leaves it: pure functions.

Four parts of a board's power answer a lower clock, each in its own way:

- what is never clocked (leakage, memory at rest, the board): not at all;
- cores that are clocked, whether they compute, wait for memory or wait for the host: as ``clock * voltage**2``, for as
  long as they are;
- an operation of the cores: its energy as ``voltage**2``, however fast it is done;
- the memory: its energy by the byte, whatever the cores' clock.

So power under a lower clock falls faster than speed does, and work that waits for memory gives up much power for little
time; but the voltage has a floor, below which power falls no faster than the clock, and what is never clocked is left
over: towards it, time rises without end. Form: P = C V**2 f (Weste and Harris, CMOS VLSI Design, 4th ed. 2011, section
5.2) with a piecewise linear voltage, as measured on NVIDIA boards by Guerreiro and others, "Modeling and decoupling the
GPU power consumption for cross-domain DVFS", IEEE TPDS 30(11) 2019, doi 10.1109/TPDS.2019.2917181.

It leaves out temperature (leakage), the few milliseconds in which a board finds its clock, and that memory is read more
slowly at the lowest clocks. Arguments broadcast; a clock is a share of the highest, 0..1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LOWEST_CLOCK = 0.15
"""Of the highest, where nothing is known: 210 of 1,410 MHz on an A100."""
BISECTIONS = 40


@dataclass(frozen=True)
class ClockCurve:
    """Voltage over clock, both as shares of those at the highest clock: ``max(floor, 1 - slope (1 - clock))``.

    ``memory_share`` of the energy of a byte is the memory's own; the rest is what the cores burn while they wait for
    it. ``clocked_w`` of the power of a loaded board without work follows the clock. No clock is below ``lowest``.
    """

    floor: float | Floats
    slope: float | Floats
    memory_share: float | Floats
    clocked_w: float | Floats = 0.0
    lowest: float | Floats = LOWEST_CLOCK


@dataclass(frozen=True)
class Joules:
    """Energy of some work beyond the power of a loaded board, at the highest clock, by how it answers a lower one:

    ``operations`` of the cores; ``working``, of cores that are clocked for as long as cores or memory take;
    ``waiting``, of cores that are clocked while neither does; ``apart``, of memory and links, which have clocks of
    their own.
    """

    operations: Floats
    working: Floats
    waiting: Floats
    apart: Floats

    @property
    def total(self) -> Floats:
        """All of it."""
        return self.operations + self.working + self.waiting + self.apart

    def plus(self, more: Joules, times: float | Floats) -> Joules:
        """With ``more`` so many times."""
        return Joules(
            self.operations + times * more.operations,
            self.working + times * more.working,
            self.waiting + times * more.waiting,
            self.apart + times * more.apart,
        )

    def at(self, clock: Floats, slower: Floats, curve: ClockCurve) -> Floats:
        """The same work at ``clock``, where cores and memory take ``slower`` times as long."""
        cores = clocked(clock, curve)
        operations = self.operations * voltage(clock, curve) ** 2
        return np.asarray(operations + (self.working * slower + self.waiting) * cores + self.apart)


def voltage(clock: Floats, curve: ClockCurve) -> Floats:
    """Of the cores at ``clock``, relative to that at the highest."""
    return np.asarray(np.maximum(curve.floor, 1.0 - curve.slope * (1.0 - clock)), dtype=np.float64)


def clocked(clock: Floats, curve: ClockCurve) -> Floats:
    """Power of clocked cores at ``clock``, relative to the highest."""
    return np.asarray(clock * voltage(clock, curve) ** 2, dtype=np.float64)


def saved_w(clock: Floats, curve: ClockCurve) -> Floats:
    """W by which a loaded board without work draws less at ``clock`` than at the highest."""
    return np.asarray(curve.clocked_w * (1.0 - clocked(clock, curve)), dtype=np.float64)


def power_w(clock: Floats, *, loaded_w: Floats, full_w: Floats, core_share: Floats, curve: ClockCurve) -> Floats:
    """W at ``clock`` of work that draws ``full_w`` at the highest clock; arguments broadcast.

    ``core_share`` of its time at the highest clock goes with 1 / clock; the rest is spent on memory, which draws its
    own share for that time.
    """
    memory = curve.memory_share * (1.0 - core_share)
    dynamic = memory / slowdown(clock, core_share) + (1.0 - memory) * clocked(clock, curve)
    return np.asarray(loaded_w - saved_w(clock, curve) + (full_w - loaded_w) * dynamic)


def slowdown(clock: Floats, core_share: Floats) -> Floats:
    """Time of the same work at ``clock``, relative to the highest."""
    return np.asarray(1.0 - core_share + core_share / clock, dtype=np.float64)


def clock_under_cap(
    cap_w: Floats, *, loaded_w: Floats, full_w: Floats, core_share: Floats, curve: ClockCurve
) -> Floats:
    """The highest clock at which power meets ``cap_w``: 1 where the cap does not bind, never below the lowest.

    Arguments broadcast. By bisection, to 1e-12 of the highest clock: power rises with the clock.
    """
    shape = np.broadcast_shapes(*(np.shape(x) for x in (cap_w, loaded_w, full_w, core_share)))

    def over(clock: Floats) -> npt.NDArray[np.bool_]:
        watts = power_w(clock, loaded_w=loaded_w, full_w=full_w, core_share=core_share, curve=curve)
        return np.asarray(watts > cap_w)

    return highest_clock(over, shape, curve.lowest)


def highest_clock(
    over: Callable[[Floats], npt.NDArray[np.bool_]], shape: tuple[int, ...], lowest: float | Floats = LOWEST_CLOCK
) -> Floats:
    """The highest clocks of ``shape`` that are not ``over`` a limit, which lower clocks never are more."""
    if not over(np.ones(shape)).any():
        return np.ones(shape)
    low, high = np.broadcast_to(np.asarray(lowest, dtype=np.float64), shape).copy(), np.ones(shape)
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        above = over(middle)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return np.where(over(np.ones(shape)), low, 1.0)


def capped_clock(
    seconds: Callable[[Floats], Floats],
    joules: Joules,
    other_s: Floats,
    *,
    cap_w: float | Floats,
    loaded_w: float | Floats,
    curve: ClockCurve,
) -> Floats:
    """The highest clock at which work on one GPU meets a cap, in the mean over it; by whatever shape its parts have.

    ``seconds`` gives the time by clock, of which ``other_s`` (the host, links) pass whatever the clock.
    """
    free_s = seconds(np.ones(np.shape(joules.total)))
    worked_s = np.maximum(free_s - other_s, 1e-300)

    def over(clock: Floats) -> npt.NDArray[np.bool_]:
        taken_s = seconds(clock)
        slower = np.where(free_s > other_s, (taken_s - other_s) / worked_s, 1.0)
        headroom_w = cap_w - loaded_w + saved_w(clock, curve)
        return np.asarray(joules.at(clock, slower, curve) > headroom_w * taken_s)

    return highest_clock(over, np.shape(joules.total), curve.lowest)
