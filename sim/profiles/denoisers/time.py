"""Seconds and joules of a denoising network's pass, kernel by kernel, from what it launches (``denoisers.layers``).

Products and convolutions take what products of a language model do (``kernels.time``), attention what its tiles take,
passes what moves. Kernels run one after the other, none before the host has launched it: the host runs ahead where
kernels are long and is overtaken where they are short (Fernandez and others, "The framework tax", arXiv:2302.06117).
Both wait for one another once a step, as the sampler reads a number that is on the device (Hugging Face, "Accelerate
inference of text-to-image diffusion models", section on syncs). From a graph nothing is launched. Energies are those of
``kernels.power``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from sim.profiles.denoisers.layers import Attention, Kernel, Pass, Product
from sim.profiles.kernels.time import QUERY_ROWS, Floats, KernelTime, Machine, ProductLaw, product_time, together
from sim.profiles.power_laws.clock import ClockCurve, Joules, capped_clock, saved_w

HEAD_MULTIPLE = 32
"""Kernels of attention are compiled for heads of 32, 64, 96 values and so on; others are filled up (FlashAttention,
``static_switch.h``)."""
SHARPNESS = ProductLaw.sharpness
FLOOR_CYCLES = ProductLaw.floor_cycles
"""Of products, for attention and passes, too: a kernel fills its pipeline and drains it."""


@dataclass(frozen=True)
class Reached:
    """Fractions of the peaks that large kernels reach; ``passes`` of the memory's rate by kernels between products,
    ``memory`` by products."""

    convolutions: float
    products: float
    attention: float
    passes: float
    memory: float


@dataclass(frozen=True)
class Arithmetic:
    """Peaks in FLOP/s, J of an operation and of an exponential, and B of a value."""

    convolutions: float
    products: float
    attention: float
    convolution_j: float
    product_j: float
    attention_j: float
    score_j: float
    value_bytes: float


class Each(NamedTuple):
    """Of each kernel of a sort: s, s that go with the cores' clock, J of operations, FLOP and B."""

    seconds: Floats
    core_s: Floats
    joules: Floats
    flop: Floats
    byte: Floats


@dataclass(frozen=True)
class Cost:
    """Of all that is launched: s from the first launch to the end of the last kernel, s of them in which kernels run,
    of these s that go with the cores' clock, J of operations, FLOP and B."""

    seconds: float = 0.0
    busy_s: float = 0.0
    core_s: float = 0.0
    joules: float = 0.0
    flop: float = 0.0
    byte: float = 0.0

    def __mul__(self, times: int) -> Cost:
        """As often, one after the other."""
        return Cost(*(times * part for part in self._parts()))

    def __add__(self, other: Cost) -> Cost:
        """One after the other."""
        return Cost(*(a + b for a, b in zip(self._parts(), other._parts(), strict=True)))

    def _parts(self) -> tuple[float, ...]:
        return self.seconds, self.busy_s, self.core_s, self.joules, self.flop, self.byte


def under_limit(
    asked: Cost,
    curve: ClockCurve | None,
    *,
    limit_w: float,
    loaded_w: float,
    clocked_up_w: float,
    active_w: float,
    joule_per_byte: float,
) -> tuple[float, float]:
    """s in which kernels run, and J above ``clocked_up_w`` meanwhile, at the highest clock that meets ``limit_w``.

    ``asked`` is at full clock; ``loaded_w`` are W of a board that holds a model and does nothing, ``clocked_up_w`` with
    its clock up, ``active_w`` those of cores at work beside these and beside operations. Without a ``curve`` the clock
    stays up. How parts of the power answer a clock, and the source of it, is said in ``power_laws.clock``.
    """
    byte_j = asked.byte * joule_per_byte
    if curve is None or asked.busy_s <= 0.0:
        return asked.busy_s, asked.joules + byte_j + asked.busy_s * active_w
    own = float(curve.memory_share)
    at_work = Joules(
        operations=np.array(asked.joules),
        working=np.array(asked.busy_s * active_w + (1.0 - own) * byte_j),
        waiting=np.array(asked.busy_s * (clocked_up_w - loaded_w)),
        apart=np.array(own * byte_j),
    )

    def busy(clock: Floats) -> Floats:
        return np.asarray(asked.busy_s + asked.core_s * (1.0 / clock - 1.0))

    clock = capped_clock(busy, at_work, np.array(0.0), cap_w=limit_w, loaded_w=loaded_w, curve=curve)
    slower = float(busy(clock)) / asked.busy_s
    drawn_j = float(at_work.at(clock, np.array(slower), curve) - saved_w(clock, curve) * busy(clock))
    busy_s = slower * asked.busy_s
    return busy_s, drawn_j - slower * asked.busy_s * (clocked_up_w - loaded_w)


def cost(
    kernels: Sequence[Kernel],
    reached: Reached,
    arithmetic: Arithmetic,
    machine: Machine,
    *,
    launch_s: float,
) -> Cost:
    """Of kernels in order, each launched by the host ``launch_s`` after the one before it, from a host and a device
    that have waited for one another."""
    if not kernels:
        return Cost()
    times = np.zeros((len(Each._fields), len(kernels)))
    for sort, law in ((Product, _products), (Attention, _attentions), (Pass, _passes)):
        at = [i for i, kernel in enumerate(kernels) if isinstance(kernel, sort)]
        if at:
            columns = list(np.array([kernels[i] for i in at], dtype=float).T)
            times[:, at] = law(columns, reached, arithmetic, machine)
    seconds = times[0]
    left = np.cumsum(seconds[::-1])[::-1]  # of each kernel and all behind it
    whole = float((launch_s * np.arange(1, len(kernels) + 1) + left).max())
    return Cost(whole, *(float(part) for part in times.sum(axis=1)))


def _products(columns: list[Floats], reached: Reached, of: Arithmetic, machine: Machine) -> Each:
    """Products with matrices, and convolutions of several taps."""
    m, n, k, taps = columns
    convolved = taps > 1.0
    law = ProductLaw(compute=np.where(convolved, reached.convolutions, reached.products), memory=reached.memory)
    time = product_time(
        m,
        n,
        k,
        weight_bytes=of.value_bytes,
        operand_bytes=of.value_bytes / taps,  # a place is read once for all taps
        flop_per_s=np.where(convolved, of.convolutions, of.products),
        machine=machine,
        law=law,
    )
    flop, byte = 2.0 * m * n * k, of.value_bytes * (n * k + m * k / taps + m * n)
    joules = flop * np.where(convolved, of.convolution_j, of.product_j)
    return _each(time, joules, flop, byte)


def _attentions(columns: list[Floats], reached: Reached, of: Arithmetic, machine: Machine) -> Each:
    """Every place attends to all keys; tiles of queries are computed whole, and heads filled up."""
    pictures, queries, keys, heads, width = columns
    tiles = pictures * heads * np.ceil(queries / QUERY_ROWS)
    filled = np.ceil(width / HEAD_MULTIPLE) * HEAD_MULTIPLE
    computed = 4.0 * tiles * QUERY_ROWS * keys * filled
    idle = np.maximum(1.0, machine.multiprocessors / tiles)
    byte = 2.0 * of.value_bytes * pictures * heads * width * (queries + keys)
    moved_s = byte / (machine.byte_per_s * reached.memory)
    floor_s = FLOOR_CYCLES / machine.clock_hz
    time = together(computed * idle / (of.attention * reached.attention), moved_s, SHARPNESS, floor_s)
    pairs = pictures * heads * queries * keys
    return _each(time, computed * of.attention_j + pairs * of.score_j, 4.0 * pairs * width, byte)


def _passes(columns: list[Floats], reached: Reached, of: Arithmetic, machine: Machine) -> Each:
    (values,) = columns
    byte = values * of.value_bytes
    time = KernelTime(0.0, byte / (machine.byte_per_s * reached.passes), FLOOR_CYCLES / machine.clock_hz)
    return _each(time, np.zeros_like(byte), np.zeros_like(byte), byte)


def _each(time: KernelTime, joules: Floats, flop: Floats, byte: Floats) -> Each:
    core_s = np.broadcast_to(np.asarray(time.computing_s + time.floor_s), byte.shape)
    return Each(np.broadcast_to(np.asarray(time.seconds), byte.shape), core_s, joules, flop, byte)
