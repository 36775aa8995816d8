"""An iteration under a limit of power: its clock, and its cost at that clock, by tokens and as slopes in context.

Times of kernels are as they were measured under the board's own limit, so at that limit watts are held and times stay.
Under a lower cap the clock falls until the iteration's mean power meets it. An iteration without a cap is affine in its
context, and one under a cap is not: the more is read, the lower the clock. So the cost is exact at two points, for any
number of decodes without a context to read, and for the most of them with contexts that take ``REACH`` times as long to
read as the weights do; in between and beyond it is the line through both. Where both are bound by the cap, power is the
cap on the whole of that line; elsewhere the engine's third time, energy over headroom, keeps it from being exceeded.

A board averages over more than one iteration and lets short ones exceed the cap; here each keeps to it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.profiles.clock import ClockCurve, Joules, capped_clock, saved_w
from sim.profiles.kernel_power import drawn_w
from sim.profiles.kernel_time import Number
from sim.profiles.terms import Device

Floats = npt.NDArray[np.float64]

PAIR, READ, WINDOW_PAIR, WINDOW_READ, SEQUENCE, BLOCK, CHUNK = range(7)
"""Slopes of a cost, as ``engine.serving.plan`` names them."""
REACH = 4.0
"""Time of reading contexts at the far end of the line, relative to that of reading the weights: further than batches
go. Up to there a lower cap is hardly ever faster: by 3 % at the worst seen, of a small model with 512 sequences. A
quarter of it changes the time of LLaMA-65B on 4 A100 at 150 W by 1 %."""
HELD = 0.5
"""The same, where what the board's own limit holds back is reckoned."""
ENERGIES = ("operations", "working", "waiting", "apart")
TIMES = ("computing", "streaming", "other", "pairs", "reads")


@dataclass(frozen=True)
class Work:
    """What some work asks of one GPU at the highest clock: s of its cores and of memory, one after the other; of
    attention's ``pairs`` (cores) and ``reads`` (memory), of which the longer counts; of all else, which passes whatever
    the clock; and J beyond loaded. Arrays by tokens, or by slope."""

    computing: Floats
    streaming: Floats
    other: Floats
    joules: Joules
    pairs: Floats
    reads: Floats

    @classmethod
    def of(cls, computing: Number, streaming: Number, other: Number, joules: Joules) -> Work:
        """Without attention to contexts."""
        c, s, o = np.broadcast_arrays(computing, streaming, other)
        return cls(c, s, o, joules, np.zeros(c.shape), np.zeros(c.shape))

    def map(self, of: Callable[..., Floats], *others: Work) -> Work:
        """``of`` each part of it, beside the same parts of others."""
        everyone = (self, *others)
        energies = (of(*(getattr(work.joules, kind) for work in everyone)) for kind in ENERGIES)
        times = {name: of(*(getattr(work, name) for work in everyone)) for name in TIMES}
        return Work(joules=Joules(*energies), **times)

    def plus(self, more: Work, times: Number = 1.0) -> Work:
        """With ``more`` so many times."""
        return self.map(lambda mine, theirs: np.asarray(mine + times * theirs), more)

    def at(self, index: int | list[int]) -> Work:
        """Some of it, added up along the first axis."""
        return self.map(lambda part: np.asarray(np.sum(np.atleast_1d(part)[np.atleast_1d(index)], axis=0)))

    def held(self, share: Floats) -> Work:
        """In the same time, so much of the energy."""
        return replace(self, joules=Joules(*(getattr(self.joules, kind) * share for kind in ENERGIES)))

    def rows(self, clock: Number) -> Floats:
        """The two times of which the longer counts: with attention's cores, and with its memory."""
        both = self.computing / clock + self.streaming + self.other
        return np.stack(np.broadcast_arrays(both + self.pairs / clock, both + self.reads))

    def seconds(self, clock: Number) -> Floats:
        """At a clock."""
        return np.asarray(self.rows(clock).max(axis=0))


def stacked(works: Sequence[Work]) -> Work:
    """One above another."""
    return works[0].map(lambda *parts: np.stack(np.broadcast_arrays(*parts)), *works[1:])


@dataclass(frozen=True)
class CappedCost:
    """Of one GPU: rows compute s, memory s and J beyond loaded, by kinds and tokens (3, kinds, ..., tokens) and by
    slope (3, 7, ...)."""

    table: Floats
    slope: Floats


def capped_cost(device: Device, work: Work, slopes: Work, decoding: Floats) -> CappedCost:
    """The cost of ``work`` and of ``slopes`` on a device under its cap.

    ``work`` is by kinds of iterations, the first of which decodes alone, and by tokens, of which ``decoding`` belong to
    decodes. Many configurations at once are reckoned at the board's own limit; below it, one at a time.
    """
    most = np.argmax(decoding[0], axis=-1)[..., np.newaxis]

    def at_most(values: Floats) -> Floats:
        found = np.take_along_axis(np.broadcast_to(values, decoding.shape)[0], most, axis=-1)
        return found if decoding.ndim > 2 else found[0]

    begun, reading = work.plus(slopes.at(SEQUENCE), decoding), slopes.at(_a_read(slopes))
    a_read = np.asarray(reading.reads)
    reads = np.where(a_read > 0.0, at_most(begun.streaming) / np.where(a_read > 0.0, a_read, 1.0), 0.0)
    held = _held(device, begun.plus(reading, HELD * reads * decoding / np.maximum(at_most(decoding), 1.0)))
    work, begun, slopes = work.held(held), begun.held(held), slopes.held(at_most(held))
    if device.clock is None or np.all(np.asarray(device.cap_w) >= np.asarray(device.limit_w)):
        free = [*work.rows(1.0), np.broadcast_to(work.joules.total, held.shape)]
        return CappedCost(np.stack(free), np.stack([*slopes.rows(1.0), slopes.joules.total]))
    cap = _Cap(device.cap_w, device.loaded_w, device.clock)
    clock = cap.clock(begun)
    table = np.stack([*work.rows(clock), np.maximum(cap.joules(work, clock), 0.0)])
    near = begun.map(at_most)
    return CappedCost(table, _line(cap, near, slopes, REACH * reads))


def _held(device: Device, whole: Work) -> Floats:
    """What the board's own limit leaves of the energy, in times that were measured under that limit.

    A board averages over tens of milliseconds: it is the whole iteration that the limit holds, not each kernel.
    """
    asked_w = whole.joules.total / np.maximum(whole.seconds(1.0), 1e-30)
    drawn = np.asarray(drawn_w(asked_w, device.limit_w - device.loaded_w))
    return np.where(asked_w > 0.0, drawn / np.maximum(asked_w, 1e-30), 1.0)


@dataclass(frozen=True)
class _Cap:
    """A cap below the board's own limit, and how its clock answers."""

    cap_w: Number
    loaded_w: Number
    curve: ClockCurve

    def clock(self, work: Work) -> Floats:
        """The highest at which the work meets the cap."""
        return capped_clock(
            work.seconds, work.joules, work.other, cap_w=self.cap_w, loaded_w=self.loaded_w, curve=self.curve
        )

    def joules(self, work: Work, clock: Floats) -> Floats:
        """J beyond loaded at a clock, less what a loaded board saves."""
        taken_s = work.seconds(clock)
        free_s = work.seconds(1.0) - work.other
        slower = np.where(free_s > 0.0, (taken_s - work.other) / np.where(free_s > 0.0, free_s, 1.0), 1.0)
        return np.asarray(work.joules.at(clock, slower, self.curve) - saved_w(clock, self.curve) * taken_s)


def _line(cap: _Cap, near: Work, slopes: Work, reads: Floats) -> Floats:
    """The slopes under a cap: ``near`` is the most decodes without contexts, the far end has so many ``reads``."""
    both = _a_read(slopes)
    far = near.plus(slopes.at(both), reads)
    at_near, at_far = cap.clock(near), cap.clock(far)
    each = np.full(len(slopes.other), at_far)
    each[SEQUENCE] = at_near
    slope = _slopes_at(cap, slopes, each)
    if reads > 0.0 and at_far < 1.0:
        pair, read = both
        ends = [np.array([*end.rows(at), cap.joules(end, at)]) for end, at in ((near, at_near), (far, at_far))]
        slope[:, read] = np.maximum((ends[1] - ends[0]) / reads - slope[:, pair], 0.0)
    return slope


def _a_read(slopes: Work) -> list[int]:
    """The slopes of attending to one token of a context; within a window where no layer attends to all."""
    return [PAIR, READ] if np.any(slopes.reads[READ] > 0.0) else [WINDOW_PAIR, WINDOW_READ]


def _slopes_at(cap: _Cap, slopes: Work, clock: Floats) -> Floats:
    """The rows of slopes at a clock each. What a loaded board saves is taken off where times are sure to add up: not of
    the pairs, whose time hides behind that of reading."""
    energy = slopes.joules.at(clock, np.ones_like(clock), cap.curve)
    energy = energy - saved_w(clock, cap.curve) * (slopes.streaming + slopes.reads + slopes.other)
    return np.stack([*slopes.rows(clock), np.maximum(energy, 0.0)])
