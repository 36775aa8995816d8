"""An iteration under a limit of power: its clock, and its cost at that clock, by tokens and as slopes in context.

Times of kernels are as they were measured under the board's own limit, so at that limit watts are held and times stay.
Under a lower cap the clock falls until the mean power meets it. An iteration without a cap is affine in its context,
and one under a cap is not: the more is read, the more the whole is like reading. Here reading keeps to the cap by
itself, at its own clock, and so does the iteration without contexts. That is exact where there are none and where there
is little else; between, one that averaged over both would be somewhat faster. Each part takes the longer the lower the
cap, so the sum does, too: a lower cap is never faster.

A board averages over more than one iteration and lets short ones exceed the cap; here each keeps to it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sim.profiles.iteration.terms import Device
from sim.profiles.kernels.power import drawn_w
from sim.profiles.kernels.time import Number
from sim.profiles.power_laws.clock import ClockCurve, Joules, capped_clock, saved_w

Floats = npt.NDArray[np.float64]

PAIR, READ, WINDOW_PAIR, WINDOW_READ, SEQUENCE, BLOCK, CHUNK = range(7)
"""Slopes of a cost, as ``engine.serving.plan`` names them."""
JOULES = 2
"""The last row of a cost."""
HELD = 0.5
"""Time of reading contexts, relative to that of reading the weights, where what the board's own limit holds back of an
iteration is reckoned."""
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

    a_read = np.asarray(slopes.at(_a_read(slopes)).reads)
    begun_s = at_most(work.plus(slopes.at(SEQUENCE), decoding).streaming)
    reads = np.where(a_read > 0.0, begun_s / np.where(a_read > 0.0, a_read, 1.0), 0.0)
    shortly = HELD * reads * decoding / np.maximum(at_most(decoding), 1.0)
    held = _held(device, work, slopes, decoding, shortly)
    work, slopes = work.held(held), slopes.held(_share(device, slopes))
    if device.clock is None or np.all(np.asarray(device.cap_w) >= np.asarray(device.limit_w)):
        free = [*work.rows(1.0), np.broadcast_to(work.joules.total, held.shape)]
        return CappedCost(np.stack(free), np.stack([*slopes.rows(1.0), slopes.joules.total]))
    cap = _Cap(device.cap_w, device.loaded_w, device.clock)
    slope = cap.each(slopes)
    # Where sequences only decode, the table is what the whole iteration takes at its clock, less its sequences.
    sequences = np.stack([decoding[0], 0.0 * decoding[1], 0.0 * decoding[2]])
    begun = work.plus(slopes.at(SEQUENCE), sequences)
    clock = cap.clock(begun)
    energy = cap.joules(begun, clock) - sequences * slope[JOULES, SEQUENCE]
    return CappedCost(np.stack([*work.rows(clock), np.maximum(energy, 0.0)]), slope)


def _share(device: Device, work: Work) -> Floats:
    """What the board's own limit leaves of the energy of some work, in times that were measured under that limit."""
    asked_w = work.joules.total / np.maximum(work.seconds(1.0), 1e-30)
    drawn = np.asarray(drawn_w(asked_w, device.limit_w - device.loaded_w))
    return np.where(asked_w > 0.0, drawn / np.maximum(asked_w, 1e-30), 1.0)


def _held(device: Device, work: Work, slopes: Work, decoding: Floats, reads: Floats) -> Floats:
    """The same of ``work`` in iterations with so many ``decoding`` and ``reads``, whose slopes are held by themselves.

    A board averages over tens of milliseconds: it is the whole iteration that the limit holds, not each kernel. With
    these reads it is exact, and where there is nothing but reading; between, what is drawn is the line through both.
    """
    sequence, read = slopes.at(SEQUENCE), slopes.at(_a_read(slopes))
    sequences_j, reads_j = (part.joules.total * _share(device, part) for part in (sequence, read))
    begun = work.plus(sequence, decoding)
    whole = begun.plus(read, reads)
    most_j = (device.limit_w - device.loaded_w) * begun.seconds(1.0)
    own_j = np.minimum(whole.joules.total * _share(device, whole) - reads * reads_j, most_j) - decoding * sequences_j
    # Beside prompts there may be fewer that decode than that, down to none: the limit holds there, too.
    alone_j = (device.limit_w - device.loaded_w) * work.seconds(1.0)
    own_j = np.concatenate([own_j[:1], np.minimum(own_j, alone_j)[1:]])
    asked_j = work.joules.total
    return np.where(asked_j > 0.0, np.clip(own_j / np.maximum(asked_j, 1e-30), 0.0, 1.0), 1.0)


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

    def each(self, slopes: Work) -> Floats:
        """The rows of slopes, each at the clock at which it meets the cap by itself. What a loaded board saves is taken
        off once: the time of a token's pairs hides behind that of its reads."""
        clock = self.clock(slopes)
        energy = self.joules(slopes, clock)
        for pair, read in ((PAIR, READ), (WINDOW_PAIR, WINDOW_READ)):
            energy[pair] += float(saved_w(clock[pair], self.curve) * slopes.pairs[pair] / clock[pair])
            both = slopes.at([pair, read])
            energy[read] = self.joules(both, self.clock(both)) - energy[pair]
        return np.stack([*slopes.rows(clock), np.maximum(energy, 0.0)])


def _a_read(slopes: Work) -> list[int]:
    """The slopes of attending to one token of a context; within a window where no layer attends to all."""
    return [PAIR, READ] if np.any(slopes.reads[READ] > 0.0) else [WINDOW_PAIR, WINDOW_READ]
