"""An iteration under a power cap: its clock, and its cost at that clock as a table by tokens and slopes in context.

The clock falls until the iteration's mean power meets the cap. An iteration without a cap is affine in its context, and
one under a cap is not: the more is read, the lower the clock. So the cost is exact at two points, for any number of
decodes without a context to read, and for the most of them with contexts that take ``REACH`` times as long to read as
the weights do; in between and beyond it is the line through both. Where both are bound by the cap, power is the cap on
the whole of that line; elsewhere the engine's third time, energy over headroom, keeps it from being exceeded.

A board averages over more than one iteration and lets short ones exceed the cap; here each keeps to it by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.profiles.clock import ClockCurve, Joules, capped_clock, saved_w

Floats = npt.NDArray[np.float64]

PAIR, READ, WINDOW_PAIR, WINDOW_READ, SEQUENCE, BLOCK, CHUNK = range(7)
"""Slopes of a cost, as ``engine.serving.plan`` names them."""
REACH = 4.0
"""Time of reading contexts at the far end of the line, relative to that of reading the weights: further than batches
go, since up to there a lower cap is never faster. It matters little: a quarter of it changes the time of LLaMA-65B on 4
A100 at 150 W by 1 %."""


@dataclass(frozen=True)
class Work:
    """What some work asks of one GPU at the highest clock: s of its cores, of memory, and of all else, which passes
    whatever the clock; and J beyond loaded. Arrays by tokens, or by slope."""

    compute: Floats
    memory: Floats
    other: Floats
    joules: Joules

    def plus(self, more: Work, times: Floats) -> Work:
        """With ``more`` so many times."""
        return Work(
            self.compute + times * more.compute,
            self.memory + times * more.memory,
            self.other + times * more.other,
            self.joules.plus(more.joules, times),
        )

    def part(self, index: int | list[int]) -> Work:
        """Some of it, added up."""
        kinds = (self.joules.operations, self.joules.working, self.joules.waiting, self.joules.apart)
        a, b, c, d = (np.asarray(np.sum(kind[index])) for kind in kinds)
        compute, memory, other = (np.asarray(np.sum(s[index])) for s in (self.compute, self.memory, self.other))
        return Work(compute, memory, other, Joules(a, b, c, d))


@dataclass(frozen=True)
class Cap:
    """A limit of a board, W, and how its clock answers. ``hidden``: the share of the shorter of cores and memory that
    does not hide behind the longer."""

    cap_w: float
    loaded_w: float
    curve: ClockCurve
    hidden: float

    def rows(self, work: Work, clock: Floats) -> Floats:
        """The two times of which the longer counts: cores', and memory's."""
        slowed = work.compute / clock
        return np.stack([slowed + self.hidden * work.memory, work.memory + self.hidden * slowed]) + work.other

    def seconds(self, work: Work, clock: Floats) -> Floats:
        """At a clock."""
        return np.asarray(self.rows(work, clock).max(axis=0))

    def clock(self, work: Work) -> Floats:
        """The highest at which the work meets the cap."""
        return capped_clock(
            lambda at: self.seconds(work, at),
            work.joules,
            work.other,
            cap_w=self.cap_w,
            loaded_w=self.loaded_w,
            curve=self.curve,
        )

    def joules(self, work: Work, clock: Floats) -> Floats:
        """J beyond loaded at a clock, less what a loaded board saves."""
        taken_s = self.seconds(work, clock)
        free_s = self.seconds(work, np.ones_like(taken_s)) - work.other
        slower = np.where(free_s > 0.0, (taken_s - work.other) / np.where(free_s > 0.0, free_s, 1.0), 1.0)
        return np.asarray(work.joules.at(clock, slower, self.curve) - saved_w(clock, self.curve) * taken_s)


@dataclass(frozen=True)
class CappedCost:
    """Of one GPU: rows compute s, memory s and J beyond loaded, by tokens (3, tokens) and by slope (3, 7)."""

    table: Floats
    slope: Floats


def capped_cost(work: Work, slopes: Work, decoding: Floats, cap: Cap) -> CappedCost:
    """The cost of ``work`` (by tokens, of which ``decoding`` belong to decodes) and of ``slopes`` under a cap."""
    sequence, reading = slopes.part(SEQUENCE), slopes.part(_a_read(slopes))
    begun = work.plus(sequence, decoding)
    clock = cap.clock(begun)
    table = np.stack([*cap.rows(work, clock), np.maximum(cap.joules(work, clock), 0.0)])

    most = int(np.argmax(decoding))
    near, at_near = begun.part(most), clock[most]
    reads = REACH * near.memory / reading.memory if reading.memory > 0.0 else np.array(0.0)
    far = near.plus(reading, reads)
    at_far = cap.clock(far)
    each = np.full(len(slopes.other), at_far)
    each[SEQUENCE] = at_near
    slope = _slopes_at(cap, slopes, each)
    if reads > 0.0 and at_far < 1.0:
        pair, read = _a_read(slopes)
        ends = [np.array([*cap.rows(end, at), cap.joules(end, at)]) for end, at in ((near, at_near), (far, at_far))]
        slope[:, read] = np.maximum((ends[1] - ends[0]) / reads - slope[:, pair], 0.0)
    return CappedCost(table, slope)


def _a_read(slopes: Work) -> list[int]:
    """The slopes of attending to one token of a context; within a window where no layer attends to all."""
    return [PAIR, READ] if slopes.memory[READ] > 0.0 else [WINDOW_PAIR, WINDOW_READ]


def _slopes_at(cap: Cap, slopes: Work, clock: Floats) -> Floats:
    """The rows of slopes at a clock each. What a loaded board saves is taken off where times are sure to add up: not of
    the pairs, whose time hides behind that of reading."""
    energy = slopes.joules.at(clock, np.ones_like(clock), cap.curve)
    energy = energy - saved_w(clock, cap.curve) * (slopes.memory + slopes.other)
    return np.stack([*cap.rows(slopes, clock), np.maximum(energy, 0.0)])
