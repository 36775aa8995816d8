"""What a GPU draws while a kernel runs: a law of its work, one for all kinds of kernels, as pure functions.

A kernel of steady work draws what the board draws at rest; what its multiprocessors draw for being at work at all; and
energies of its operations, of the bytes that its multiprocessors take from the second-level cache, of the bytes that
come from memory, and of the exponentials of attention. What it would draw beyond the board's limit, the limit holds
back: the clock falls, which shows in the kernel's time, and the watts stay.

Energies are those at the highest clock and its voltage (a lower one: ``power_laws.clock``), of operands as real models
have them: constant ones toggle fewer wires and take a fourth of it. They belong to the process in which a chip is made
and to its memory; the watts at rest and the limit belong to the board. So boards of one process share all else.

Sources: Choi, Bedard, Fowler, Vuduc, "A roofline model of energy", IPDPS 2013, doi 10.1109/IPDPS.2013.77 (energies of
operations and bytes add up to a constant power, and a power cap bounds the sum); Hong and Kim, "An integrated GPU power
and performance model", ISCA 2010, doi 10.1145/1815961.1815998 (power of active multiprocessors, with the logarithm of
their number: concave); Horowitz, "Computing's energy problem", ISSCC 2014, doi 10.1109/ISSCC.2014.6757323 (energy by
width of operands). It leaves out temperature (leakage), and what a GPU draws while its clock changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Number = float | Floats

FULL_BITS = 16
"""``joule_per_flop`` is of operands of so many bits."""
LIMIT_ORDER = 8.0
"""How sharply the limit binds: what a kernel asks for and what the board allows are met as a norm of this order. A
kernel that asks for exactly the limit draws 92 % of it."""
OCCUPANCY_EXPONENT = 0.5
"""Half of the chip at work draws 71 % of what all of it does: fabric, cache and clocks wake with the first."""
CONSTANT_OPERANDS = 0.25
"""Energy of operations on operands that are the same throughout, relative to real ones: fewer wires toggle."""


@dataclass(frozen=True)
class KernelPower:
    """Constants of a GPU, in SI; arrays broadcast.

    ``rest_w``: clocked up, a model resident, nothing running. ``active_w``: all multiprocessors at work on nothing in
    particular. ``joule_per_flop``: a tensor core's, with operands of 16 bits, and ``width_exponent`` how it goes with
    their width (1: in proportion). ``joule_per_l2_byte``: from the second-level cache through the fabric into a
    multiprocessor. ``joule_per_byte``: from memory into the second-level cache. ``joule_per_score``: one exponential
    of attention, with the maximum and the sum it takes part in.
    """

    rest_w: Number
    active_w: Number
    joule_per_flop: Number
    width_exponent: Number
    joule_per_l2_byte: Number
    joule_per_byte: Number
    joule_per_score: Number
    limit_w: Number

    def flop_j(self, bits: int) -> Number:
        """J of one tensor operation on operands of so many bits."""
        return self.joule_per_flop * (bits / FULL_BITS) ** self.width_exponent


@dataclass(frozen=True)
class KernelWork:
    """What one launch does: FLOP by width of operands, bytes by where they come from, exponentials.

    ``occupancy`` is the share of multiprocessors that have something to do, 1 for all but small kernels.
    """

    flop: Mapping[int, Number] = field(default_factory=dict)
    l2_byte: Number = 0.0
    byte: Number = 0.0
    scores: Number = 0.0
    occupancy: Number = 1.0


def work_j(work: KernelWork, power: KernelPower) -> Number:
    """J of one launch for what it computes and moves: beyond rest, and beyond multiprocessors at work."""
    moved = work.l2_byte * power.joule_per_l2_byte + work.byte * power.joule_per_byte
    operations: Number = sum(flop * power.flop_j(bits) for bits, flop in work.flop.items())
    return operations + moved + work.scores * power.joule_per_score


def asked_w(
    work: KernelWork, seconds: Number, power: KernelPower, *, busy: Number = 1.0, toggle: Number = 1.0
) -> Number:
    """W that launches ``seconds`` apart would draw if there were no limit.

    ``busy`` is the share of that time in which the kernel runs: 1 within a graph, less where a host is slower than the
    GPU. ``toggle`` is how much of their energy operations and bytes take, 1 for real data.
    """
    active = power.active_w * np.minimum(work.occupancy, 1.0) ** OCCUPANCY_EXPONENT * busy
    return power.rest_w + active + toggle * work_j(work, power) / seconds


def drawn_w(asked: Number, limit_w: Number) -> Number:
    """What is drawn of it under a limit: never more than either, and nearly the smaller of the two."""
    ratio = asked / limit_w
    return asked * (1.0 + ratio**LIMIT_ORDER) ** (-1.0 / LIMIT_ORDER)


def power_w(
    work: KernelWork, seconds: Number, power: KernelPower, *, busy: Number = 1.0, toggle: Number = 1.0
) -> Number:
    """W of a kernel launched every ``seconds``; arguments broadcast. Never below rest where rest is below the limit:
    what is held back is what comes beyond."""
    beyond = asked_w(work, seconds, power, busy=busy, toggle=toggle) - power.rest_w
    return power.rest_w + drawn_w(beyond, power.limit_w - power.rest_w)
