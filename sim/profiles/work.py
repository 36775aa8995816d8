"""What work asks of a GPU at its highest clock, and the clock that a power cap leaves it.

A table of costs has one clock for each number of tokens, whatever their contexts; so the clock under a cap is found for
a reference iteration, whose decodes read contexts for ``REFERENCE_READING`` of the time that reading the weights takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.profiles.clock import ClockCurve, Joules, capped_clock, saved_w
from sim.profiles.kernel_power import drawn_w
from sim.profiles.kernel_time import Number
from sim.profiles.terms import Device

Floats = npt.NDArray[np.float64]

REFERENCE_READING = 0.5
"""Time of reading contexts, relative to that of reading weights."""


@dataclass(frozen=True)
class Work:
    """On one GPU: s of its cores, of memory, and of all else; and J beyond loaded. Arrays by tokens, or by slope."""

    computing: Floats
    streaming: Floats
    other: Floats
    joules: Joules

    @classmethod
    def stacked(cls, works: Sequence[Work]) -> Work:
        """One above another."""

        def above(name: str, of: Sequence[object]) -> Floats:
            return np.stack(np.broadcast_arrays(*(getattr(each, name) for each in of)))

        spent = [work.joules for work in works]
        joules = Joules(*(above(name, spent) for name in ("operations", "traffic", "waiting", "links")))
        return cls(above("computing", works), above("streaming", works), above("other", works), joules)

    def plus(self, more: Work, times: Number) -> Work:
        """With ``more`` so many times."""
        return Work(
            self.computing + times * more.computing,
            self.streaming + times * more.streaming,
            self.other + times * more.other,
            self.joules.plus(more.joules, times),
        )

    def times(self, held: Floats) -> Work:
        """In the same time, so much of the energy."""
        j = self.joules
        spent = Joules(j.operations * held, j.traffic * held, j.waiting * held, j.links * held)
        return replace(self, joules=spent)

    def seconds(self, clock: Floats) -> Floats:
        """At a clock."""
        return self.computing / clock + self.streaming + self.other

    def slower(self, clock: Floats) -> Floats:
        """How many times as long cores and memory take at a clock."""
        free_s = self.computing + self.streaming
        slowed_s = self.computing / clock + self.streaming
        return np.where(free_s > 0.0, slowed_s / np.maximum(free_s, 1e-300), 1.0)


def under_cap(device: Device, work: Work, slopes: Work, one: Work, decoding: Floats) -> tuple[Floats, Floats, Work]:
    """The clock under the device's cap, J of ``work`` beyond loaded then, and the slopes as they are then.

    ``work`` is by kinds of iterations, the first of which decodes alone, and by tokens, of which ``decoding`` decode.
    ``one`` is what a token asks that reads one token of its context. Slopes are taken at the clock of the most decodes.
    Elsewhere the row of the cap keeps the mean power from exceeding it.
    """
    most = np.argmax(decoding[0], axis=-1)[..., np.newaxis]

    def at_most(values: Floats) -> Floats:
        return np.take_along_axis(values[0], most, axis=-1)

    a_read = np.asarray(one.streaming)
    reads = np.where(a_read > 0.0, REFERENCE_READING * at_most(work.streaming) / np.maximum(a_read, 1e-300), 0.0)
    share = decoding / np.maximum(at_most(decoding), 1.0)
    whole = work.plus(one, share * reads)
    held = _held(device, whole)
    work, whole = work.times(held), whole.times(held)
    slopes = slopes.times(_as_slopes(at_most(held), slopes))
    if device.clock is None:
        return np.ones_like(work.computing), work.joules.total, slopes
    clock = capped_clock(
        whole.seconds,
        whole.joules,
        whole.other,
        cap_w=device.cap_w,
        loaded_w=device.loaded_w,
        curve=device.clock,
    )
    saved_j = saved_w(clock, device.clock) * work.seconds(clock)
    energy = np.maximum(work.joules.at(clock, work.slower(clock), device.clock) - saved_j, 0.0)
    return clock, energy, _slopes_at(slopes, at_most(clock), at_most(whole.slower(clock)), device.clock)


def _held(device: Device, whole: Work) -> Floats:
    """What the board's own limit leaves of the energy, at times that were measured under that limit.

    A board averages over tens of milliseconds: it is the whole iteration that the limit holds, not each kernel.
    """
    taken_s = whole.seconds(np.ones(()))
    asked_w = whole.joules.total / np.maximum(taken_s, 1e-30)
    room_w = device.limit_w - device.loaded_w
    return np.where(asked_w > 0.0, drawn_w(asked_w, room_w) / np.maximum(asked_w, 1e-30), 1.0)


def _as_slopes(values: Floats, slopes: Work) -> Floats:
    """Of the most decodes, in the shape of slopes."""
    return values if np.ndim(slopes.other) > 1 else values[0]


def _slopes_at(slopes: Work, clock: Floats, slower: Floats, curve: ClockCurve) -> Work:
    """The slopes at a clock; what a loaded GPU saves meanwhile is taken off where the time is sure to add up."""
    clock, slower = _as_slopes(clock, slopes), _as_slopes(slower, slopes)
    energy = slopes.joules.at(clock, slower, curve) - saved_w(clock, curve) * (slopes.streaming + slopes.other)
    nothing = np.zeros_like(energy)
    joules = Joules(np.maximum(energy, 0.0), nothing, nothing, nothing)
    return replace(slopes, computing=slopes.computing / clock, joules=joules)


def kernel_joules(
    seconds: Number,
    device: Device,
    *,
    flop_j: Number = 0.0,
    byte: Number = 0.0,
    again: Number = 0.0,
    scores: Number = 0.0,
    power: Number = 1.0,
) -> Joules:
    """J beyond loaded of a kernel that takes so long (``kernel_power``), were there no limit.

    ``flop_j`` is what its operations take, ``byte`` what it reads from memory and writes there, ``again`` what it reads
    once more from the second-level cache, ``scores`` the exponentials of attention. ``power`` is relative to all this.
    """
    seconds = np.asarray(seconds)
    operations = power * (flop_j + again * device.joule_per_l2_byte + scores * device.joule_per_score)
    traffic, active = power * byte * device.joule_per_byte, power * seconds * device.active_w
    return Joules(operations, traffic, active + seconds * device.waiting_w, 0.0 * seconds)
